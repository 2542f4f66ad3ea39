"""Channels (RFC 4254 section 5): states, windows, life cycle, and the channel types."""
