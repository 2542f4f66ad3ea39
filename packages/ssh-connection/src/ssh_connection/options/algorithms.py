"""The algorithm options, resolved against the tables of ssh-transport and ssh-keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeAlias, cast

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, Algorithm, Registry
from ssh_keys.record import Record
from ssh_keys.signature_algorithms import (
    X509_ALGORITHMS,
    certificate_algorithm,
    names_unless_chosen,
    plain_signature,
)
from ssh_transport import CIPHERS, COMPRESSIONS, KEX_METHODS, MACS, Policy
from ssh_transport.negotiation import GSS_METHODS

__all__ = [
    "ALGORITHM_OPTIONS",
    "Algorithms",
    "AlgorithmsArg",
    "PolicyArg",
    "certificate_names",
    "known_names",
    "select_algorithms",
    "x509_names",
]

AlgorithmsArg: TypeAlias = str | bytes | Sequence[str | bytes] | None
"""Names in order of preference: a list, or one text as in ssh_config(5), where a leading `+`
appends to the default, `-` removes from it and `^` puts in front, and `*` and `?` are wildcards.
None or an empty list stands for the default."""

_Choice: TypeAlias = str | tuple[str | bytes, ...]

PolicyArg: TypeAlias = str | Policy | None
"""The name of a preset (`ssh_transport.PRESETS`) or a policy of one's own."""


class Algorithms(Record):
    """Names on the wire, in order of preference.

    Parameters:
        policy: where what was not chosen comes from.
        kex, ciphers, macs, compressions: what is negotiated.
        signatures: public key algorithms of user authentication; as names for the server's side.
        own_signatures: those with which keys of ours may sign.
        host_keys: what a client asks for.
        own_host_keys: what a server may show, if it has a key for it.
        ca_signatures: signature algorithms of authorities, in certificates of others.
        gss: whether a method of `kex` is of GSS-API.
    """

    policy: Policy
    kex: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]
    compressions: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    own_signatures: tuple[bytes, ...]
    host_keys: tuple[bytes, ...]
    own_host_keys: tuple[bytes, ...]
    ca_signatures: tuple[bytes, ...]
    gss: bool


# Option: its table, and the field of a policy that holds the default.
_TABLES: dict[str, tuple[Registry[Algorithm], str]] = {
    "kex_algs": (cast("Registry[Algorithm]", KEX_METHODS), "kex_algorithms"),
    "encryption_algs": (cast("Registry[Algorithm]", CIPHERS), "ciphers"),
    "mac_algs": (cast("Registry[Algorithm]", MACS), "macs"),
    "compression_algs": (cast("Registry[Algorithm]", COMPRESSIONS), "compressions"),
    "signature_algs": (cast("Registry[Algorithm]", SIGNATURE_ALGORITHMS), "sig_algorithms"),
    "server_host_key_algs": (
        cast("Registry[Algorithm]", HOST_KEY_ALGORITHMS),
        "host_key_algorithms",
    ),
    "ca_signature_algs": (cast("Registry[Algorithm]", SIGNATURE_ALGORITHMS), "sig_algorithms"),
}
ALGORITHM_OPTIONS = tuple(_TABLES)
"""The options that choose algorithms."""


def certificate_names(names: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the host key algorithms of certificates that go with those of plain keys."""
    certified = (certificate_algorithm(name) for name in names)
    return tuple(name for name in certified if name in HOST_KEY_ALGORITHMS)


def x509_names(names: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the host key algorithms of X.509 that go with those of plain keys."""
    return tuple(
        row.name
        for row in X509_ALGORITHMS
        if row.name in names or plain_signature(row.sig_algorithm) in names
    )


def select_algorithms(policy: PolicyArg = None, **choices: AlgorithmsArg) -> Algorithms:
    """Return the names that the options select.

    Parameters:
        policy: where the names come from that are not chosen; None for the preset `modern`, with
            which keys of our own may also be of a type that is not offered to others.
        choices: option name to value: `kex_algs`, `encryption_algs`, `mac_algs`,
            `compression_algs`, `signature_algs`, `server_host_key_algs`, `ca_signature_algs`;
            what is missing or empty is not chosen.

    Raises ValueError that names the option, for unknown names and if nothing is left.
    """
    if isinstance(policy, str):
        policy = _named(policy)
    hashable = tuple((name, _hashable(choice)) for name, choice in choices.items() if choice)
    return _algorithms(policy, hashable)


def known_names(option: str, text: str) -> str:
    """Take the names out of a list that are not known here: the file may be for other programs.

    Parameters:
        option: which list, an option such as `kex_algs`.
        text: names with commas between, perhaps with `+`, `-` or `^` in front.

    Returns the list, empty if it changes nothing. Raises ValueError if no name of a list without
    a sign is known: then nothing would be left of what it allows.
    """
    table, _ = _TABLES[option]
    sign = text[0] if text[:1] in ("+", "-", "^") else ""
    names = [name for name in text[len(sign) :].split(",") if name]
    known = [name for name in names if table.knows(name)]
    if not known and not sign:
        raise ValueError("none of the algorithms is known")
    return sign + ",".join(known) if known else ""


def _named(name: str) -> Policy:
    try:
        return Policy.named(name)
    except ValueError as exc:
        raise ValueError(f"policy: {exc}") from None


def _hashable(choice: str | bytes | Sequence[str | bytes]) -> _Choice:
    if isinstance(choice, bytes):
        return choice.decode("ascii", "backslashreplace")
    return choice if isinstance(choice, str) else tuple(choice)


@cache
def _algorithms(
    given: Policy | None,
    choices: tuple[tuple[str, _Choice], ...],
) -> Algorithms:
    # Most connections use the same few choices: the tables are looked through once for each.
    policy = given or Policy.named("modern")
    chosen = dict(choices)
    names = {name: _select(name, chosen.get(name), policy) for name in _TABLES}
    host_keys, signatures = policy.host_key_algorithms, names["signature_algs"]
    own_host_keys = (*x509_names(host_keys), *certificate_names(host_keys), *host_keys)
    own_signatures, ca_signatures = signatures, names["ca_signature_algs"]
    if given is None:
        # Whoever has a key of a rare type, or trusts an authority that has one, means it.
        every = names_unless_chosen(SIGNATURE_ALGORITHMS)
        own_host_keys = names_unless_chosen(HOST_KEY_ALGORITHMS)
        own_signatures = signatures if "signature_algs" in chosen else every
        ca_signatures = ca_signatures if "ca_signature_algs" in chosen else every
    if "server_host_key_algs" in chosen:
        own_host_keys = names["server_host_key_algs"]
    return Algorithms(
        policy=policy,
        kex=names["kex_algs"],
        ciphers=names["encryption_algs"],
        macs=names["mac_algs"],
        compressions=names["compression_algs"],
        signatures=signatures,
        own_signatures=own_signatures,
        host_keys=names["server_host_key_algs"],
        own_host_keys=tuple(dict.fromkeys(own_host_keys)),
        ca_signatures=ca_signatures,
        gss=any(name.startswith(GSS_METHODS) for name in names["kex_algs"]),
    )


def _select(name: str, choice: _Choice | None, policy: Policy) -> tuple[bytes, ...]:
    table, field = _TABLES[name]
    try:
        return table.select(choice, default=getattr(policy, field))
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from None
