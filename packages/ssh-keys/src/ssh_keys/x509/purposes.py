"""What X.509 certificates may be used for: the option `x509_purposes` and ExtendedKeyUsage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssh_keys.x509.names import is_oid

__all__ = [
    "ANY_PURPOSE",
    "PURPOSES",
    "X509Purposes",
    "parse_purposes",
    "purpose_name",
]

X509Purposes = str | Sequence[str] | None

#: The names of api and command line. Those of SSH are the numbers of RFC 6187 section 2.2.2.
PURPOSES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "secureShellClient": "1.3.6.1.5.5.7.3.21",
    "secureShellServer": "1.3.6.1.5.5.7.3.22",
}
_NAMES = {oid: name for name, oid in PURPOSES.items()}

#: anyExtendedKeyUsage (RFC 5280 section 4.2.1.12).
ANY_PURPOSE = "2.5.29.37.0"


def parse_purposes(purposes: X509Purposes) -> frozenset[str] | None:
    """Return the object identifiers of purposes; None if any purpose will do.

    Parameters:
        purposes: a name (`serverAuth`, `clientAuth`, `secureShellClient`, `secureShellServer`), an
            object identifier in dotted form, several with commas between, or a sequence of them;
            None, nothing at all, and `any` among them mean any purpose.

    Raises ValueError for anything else.
    """
    given = purposes.split(",") if isinstance(purposes, str) else purposes or ()
    names = [name.strip() for name in given]
    oids = frozenset(PURPOSES.get(name, name) for name in names)
    if not oids or "any" in oids or ANY_PURPOSE in oids:
        return None
    for oid in oids:
        if not is_oid(oid):
            raise ValueError(f"unknown X.509 purpose {oid!a}")
    return oids


def purpose_name(oid: str) -> str:
    """Return the name of a purpose, the object identifier itself if it has none."""
    return "any" if oid == ANY_PURPOSE else _NAMES.get(oid, oid)


def allows_purpose(present: Iterable[str] | None, wanted: frozenset[str] | None) -> bool:
    """Whether an ExtendedKeyUsage, None if there is none, allows one of the wanted purposes."""
    if present is None or wanted is None:
        return True
    purposes = frozenset(present)
    return ANY_PURPOSE in purposes or not wanted.isdisjoint(purposes)
