"""Name constraints (RFC 5280 section 4.2.1.10): which names the authorities above allow.

Where a rule can be read in two ways, the stricter one holds: a name that is not well-formed is in
no permitted subtree and in every excluded one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from ssh_keys.errors import CertificateError
from ssh_keys.x509.contents import NameConstraints, X509Contents
from ssh_keys.x509.names import EMAIL_ADDRESS, X509Name

__all__ = ["check_name_constraints"]

T = TypeVar("T")
Address = IPv4Address | IPv6Address | IPv4Network | IPv6Network
Match = Callable[[T, T], bool | None]


def check_name_constraints(constraints: NameConstraints, contents: X509Contents) -> None:
    """Check the names of a certificate below the one that has the constraints.

    Raises CertificateError if a name is not allowed, or cannot be judged.
    """
    names = contents.alternative_names
    permitted, excluded = constraints.permitted, constraints.excluded
    if (names.others and (permitted.others or excluded.others)) or (
        names.uris and (permitted.uris or excluded.uris)
    ):
        raise CertificateError("X.509 name constraints of a form that is not supported")
    emails = names.emails or contents.subject.values(EMAIL_ADDRESS)
    subjects = (contents.subject, *names.names) if contents.subject else names.names
    _check("host name", names.hosts, permitted.hosts, excluded.hosts, _host_matches)
    _check("e-mail address", emails, permitted.emails, excluded.emails, _email_matches)
    _check("address", names.addresses, permitted.addresses, excluded.addresses, _address_matches)
    _check("name", subjects, permitted.names, excluded.names, _name_matches)


def _check(
    what: str, names: Iterable[T], permitted: Sequence[T], excluded: Sequence[T], match: Match[T]
) -> None:
    if not permitted and not excluded:
        return
    for name in names:
        # None, for a name that cannot be judged, is neither True nor False.
        if permitted and not any(match(name, subtree) is True for subtree in permitted):
            raise CertificateError(f"X.509 certificate for a {what} that its authority may not use")
        if any(match(name, subtree) is not False for subtree in excluded):
            raise CertificateError(f"X.509 certificate for a {what} that is excluded")


def _labels(host: str) -> list[str] | None:
    labels = host.lower().removesuffix(".").split(".")
    return labels if all(labels) and host.isascii() else None


def _host_matches(host: str, subtree: str) -> bool | None:
    """Any host below a domain, and the domain itself; a leading dot makes no difference."""
    name = _labels(host)
    if name is None:
        return None
    base = subtree.removeprefix(".")
    below = _labels(base) if base else []
    return None if below is None else name[len(name) - len(below) :] == below


def _email_matches(address: str, subtree: str) -> bool | None:
    """One mailbox, all of one host, or with a leading dot those of all hosts of a domain."""
    mailbox, at, host = address.rpartition("@")
    if not at or not mailbox or _labels(host) is None:
        return None
    local, at, rest = subtree.rpartition("@")
    if at:
        return mailbox == local and host.lower() == rest.lower()
    if rest.startswith("."):
        return host.lower().endswith(rest.lower())
    return host.lower() == rest.lower()


def _address_matches(address: Address, subtree: Address) -> bool | None:
    if not isinstance(subtree, IPv4Network | IPv6Network):
        return None
    if not isinstance(address, IPv4Address | IPv6Address):
        return None
    return address in subtree


def _name_matches(name: X509Name, subtree: X509Name) -> bool:
    base = subtree.folded().rdns
    return name.folded().rdns[: len(base)] == base
