"""Containers of keys: they deal in bytes and know nothing of key types."""
