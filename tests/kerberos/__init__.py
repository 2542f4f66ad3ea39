"""GSS-API with a KDC of our own: key exchange and user authentication, also with other programs.

Needs the programs of MIT Kerberos and the `gssapi` package; skipped where they are not installed,
unless SSH_META_REQUIRE_PEERS is set.
"""
