"""X.509 certificates in SSH (RFC 6187): names, certificates and chains, path validation, trust.

`cryptography.x509` reads and writes the certificates. It is imported by the first function that
needs it, because most programs never see an X.509 certificate and it takes long to load.
"""
