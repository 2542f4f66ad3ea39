"""SFTP packets as bytes: declarations, file attributes, framing. Standard library only."""
