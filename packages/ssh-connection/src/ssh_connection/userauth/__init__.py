"""User authentication (RFC 4252, RFC 4256), both roles, without an event loop."""
