"""The algorithm options, resolved against the tables of ssh-transport and ssh-keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias, cast

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, Algorithm, Registry
from ssh_transport import CIPHERS, COMPRESSIONS, KEX_METHODS, MACS

__all__ = ["Algorithms", "AlgorithmsArg", "select_algorithms"]

AlgorithmsArg: TypeAlias = str | bytes | Sequence[str | bytes] | None
"""Names in order of preference: a list, or one text as in ssh_config(5), where a leading `+`
appends to the default, `-` removes from it and `^` puts in front, and `*` and `?` are wildcards.
None or an empty list stands for the default."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Names on the wire, in order of preference."""

    kex: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]
    compressions: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    host_keys: tuple[bytes, ...]


_TABLES: dict[str, Registry[Algorithm]] = {
    "kex_algs": cast("Registry[Algorithm]", KEX_METHODS),
    "encryption_algs": cast("Registry[Algorithm]", CIPHERS),
    "mac_algs": cast("Registry[Algorithm]", MACS),
    "compression_algs": cast("Registry[Algorithm]", COMPRESSIONS),
    "signature_algs": cast("Registry[Algorithm]", SIGNATURE_ALGORITHMS),
    "server_host_key_algs": cast("Registry[Algorithm]", HOST_KEY_ALGORITHMS),
}


def select_algorithms(**choices: AlgorithmsArg) -> Algorithms:
    """Return the names that the options select.

    Parameters:
        choices: option name to value: `kex_algs`, `encryption_algs`, `mac_algs`,
            `compression_algs`, `signature_algs`, `server_host_key_algs`.

    Raises ValueError that names the option, for unknown names and if nothing is left.
    """
    return _algorithms(tuple((name, _hashable(choice)) for name, choice in choices.items()))


def _hashable(choice: AlgorithmsArg) -> str | tuple[str | bytes, ...] | None:
    if not choice:
        return None
    if isinstance(choice, bytes):
        return choice.decode("ascii", "backslashreplace")
    return choice if isinstance(choice, str) else tuple(choice)


@cache
def _algorithms(
    choices: tuple[tuple[str, str | tuple[str | bytes, ...] | None], ...],
) -> Algorithms:
    # Most connections use the same few choices: the tables are looked through once for each.
    names = {name: _select(name, choice) for name, choice in choices}
    return Algorithms(
        kex=names["kex_algs"],
        ciphers=names["encryption_algs"],
        macs=names["mac_algs"],
        compressions=names["compression_algs"],
        signatures=names["signature_algs"],
        host_keys=names["server_host_key_algs"],
    )


def _select(name: str, choice: str | tuple[str | bytes, ...] | None) -> tuple[bytes, ...]:
    try:
        return _TABLES[name].select(choice)
    except ValueError as exc:
        raise ValueError(f"{name}: {exc}") from None
