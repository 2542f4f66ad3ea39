"""Declarations of the messages of RFC 4252 and RFC 4254, one class per message, in wire order."""
