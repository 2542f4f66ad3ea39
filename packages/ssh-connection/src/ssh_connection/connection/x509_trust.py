"""The trust that the X.509 options name, and where clients look by default."""

from __future__ import annotations

from functools import lru_cache
from os import F_OK, access, environ, stat
from os.path import expanduser, isdir, join

from ssh_keys import X509CertPathsArg, X509CertsArg, X509Trust, load_x509_trust

__all__ = ["NO_TRUST", "client_x509_trust", "server_x509_trust"]

#: Where users of SSH with X.509 keep the authorities that they trust.
_DEFAULT_FILE = join(".ssh", "ca-bundle.crt")
_DEFAULT_DIRECTORY = join(".ssh", "crt")

NO_TRUST = X509Trust()
_Stamp = tuple[int, int, int]
_cache: dict[str, tuple[_Stamp, X509Trust]] = {}


def server_x509_trust(certs: X509CertsArg, paths: X509CertPathsArg) -> X509Trust:
    """Return the trust of a server: none by default; raises OSError and KeyImportError."""
    return load_x509_trust(certs, paths)


def client_x509_trust(certs: X509CertsArg, paths: X509CertPathsArg) -> X509Trust:
    """Return the trust of a client.

    Parameters:
        certs: the option `x509_trusted_certs`; an empty tuple stands for the file
            `~/.ssh/ca-bundle.crt`, if it exists.
        paths: the option `x509_trusted_cert_paths`; an empty tuple stands for the directory
            `~/.ssh/crt`, if it exists.

    Raises OSError and KeyImportError for what is named or there and can not be read.
    """
    bundle, directory = _default_places(environ.get("HOME"))
    # Mostly there is neither, and `access` says so without an exception.
    if paths == () and access(directory, F_OK) and isdir(directory):
        paths = directory
    if certs != ():
        return load_x509_trust(certs, paths)
    trust = load_x509_trust(None, paths) if paths else NO_TRUST
    default = _read_default(bundle) if access(bundle, F_OK) else None
    return trust if default is None else default.joined(trust)


@lru_cache(maxsize=4)
def _default_places(home: str | None) -> tuple[str, str]:
    """Return the names of the file and of the directory; `home` only tells when they change."""
    home = expanduser("~")
    return join(home, _DEFAULT_FILE), join(home, _DEFAULT_DIRECTORY)


def _read_default(path: str) -> X509Trust | None:
    try:
        status = stat(path)
    except FileNotFoundError:
        return None
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    cached = _cache.get(path)
    if cached is None or cached[0] != stamp:
        _cache.clear()
        cached = _cache[path] = (stamp, load_x509_trust(path))
    return cached[1]
