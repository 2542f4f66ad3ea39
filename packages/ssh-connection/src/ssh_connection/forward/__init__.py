"""Forwarding of TCP connections and UNIX domain sockets (RFC 4254 section 7)."""
