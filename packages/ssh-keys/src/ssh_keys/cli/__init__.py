"""The command line: `ssh-keys`, or `python -m ssh_keys`."""
