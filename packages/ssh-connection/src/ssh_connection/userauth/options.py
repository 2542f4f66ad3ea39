"""What keys and certificates permit, when several of them were used (RFC 4252 section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import cast

from ssh_keys.record import Record

from .protocols import NO_KEY_OPTIONS, KeyOptions

__all__ = ["KeyGrant", "certificate_restrictions", "merge_key_options"]

_SETS = ("permitopen", "permitlisten")

# Extension of a certificate that permits something, and the option of a key that forbids it.
_PERMISSIONS = {
    "permit-X11-forwarding": "no-X11-forwarding",
    "permit-agent-forwarding": "no-agent-forwarding",
    "permit-port-forwarding": "no-port-forwarding",
    "permit-pty": "no-pty",
    "permit-user-rc": "no-user-rc",
}
_GRANTS = (*_PERMISSIONS, "no-touch-required")


def merge_key_options(first: KeyOptions, second: KeyOptions) -> KeyOptions | None:
    """Return options that keep every restriction of both keys.

    Flags of either count, lists of what is permitted are intersected, the earlier end of
    validity wins, variables of the first key win. Two different commands contradict each other:
    None, the second key can not be used.
    """
    if not first or not second:
        return second or first
    merged = dict(first)
    for name, value in second.items():
        mine = merged.get(name)
        if mine is None:
            merged[name] = value
        elif name in _SETS and isinstance(mine, Set) and isinstance(value, Set):
            merged[name] = _in_both(mine, value)
        elif name == "environment" and isinstance(mine, Mapping) and isinstance(value, Mapping):
            merged[name] = {**value, **mine}
        elif name == "expiry-time" and isinstance(mine, float) and isinstance(value, float):
            merged[name] = min(mine, value)
        elif mine != value and name in ("command", "tunnel"):
            return None
    return merged


def _in_both(first: Set[object], second: Set[object]) -> Set[object]:
    """Return the addresses that are in both lists; `*` and None stand for any host and port."""
    return frozenset(
        (one_host if host == "*" else host, one_port if port is None else port)
        for one_host, one_port in cast("Set[tuple[str, int | None]]", first)
        for host, port in cast("Set[tuple[str, int | None]]", second)
        if (host == one_host or "*" in (host, one_host))
        and (port == one_port or None in (port, one_port))
    )


def certificate_restrictions(options: Mapping[str, object]) -> KeyOptions:
    """Return what a certificate restricts, in the words of authorized_keys.

    Parameters:
        options: its critical options and extensions (`SSHCertificate.options`).
    """
    restrictions: dict[str, object] = {
        flag: True for permission, flag in _PERMISSIONS.items() if permission not in options
    }
    if "force-command" in options:
        restrictions["command"] = options["force-command"]
    if "verify-required" in options:
        restrictions["verify-required"] = True
    return restrictions


def _merge_certificate_options(
    first: Mapping[str, object] | None, second: Mapping[str, object] | None
) -> Mapping[str, object] | None:
    """Return the critical options of both certificates, and what both of them permit."""
    if first is None or second is None:
        return second if first is None else first
    return {
        name: value
        for name, value in {**second, **first}.items()
        if name not in _GRANTS or (name in first and name in second)
    }


class KeyGrant(Record):
    """What the keys and certificates that a user signed with say about the session.

    Parameters:
        key_options: of the keys, or of the authorities in authorized_keys.
        certificate_options: critical options and extensions of the certificates; None if there
            was none, an empty one permits nothing.
        restrictions: both together, in the words of authorized_keys: what is to be enforced.
    """

    key_options: KeyOptions = NO_KEY_OPTIONS
    certificate_options: Mapping[str, object] | None = None
    restrictions: KeyOptions = NO_KEY_OPTIONS

    def with_key(
        self, key_options: KeyOptions, certificate_options: Mapping[str, object] | None = None
    ) -> KeyGrant | None:
        """Return what is left when one more key has signed.

        Parameters:
            key_options: of the key, or of its authority.
            certificate_options: of its certificate, None without one.

        None if the key contradicts what is there: with another command.
        """
        merged = merge_key_options(self.key_options, key_options)
        restrictions = merge_key_options(self.restrictions, key_options)
        if restrictions is not None and certificate_options is not None:
            of_certificate = certificate_restrictions(certificate_options)
            restrictions = merge_key_options(restrictions, of_certificate)
        if merged is None or restrictions is None:
            return None
        certificates = _merge_certificate_options(self.certificate_options, certificate_options)
        return KeyGrant(merged, certificates, restrictions)
