"""Restrictions of several keys that were used one after another (RFC 4252 section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Set

from .protocols import KeyOptions

__all__ = ["merge_key_options"]

_SETS = ("permitopen", "permitlisten")


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
            merged[name] = mine & value
        elif name == "environment" and isinstance(mine, Mapping) and isinstance(value, Mapping):
            merged[name] = {**value, **mine}
        elif name == "expiry-time" and isinstance(mine, float) and isinstance(value, float):
            merged[name] = min(mine, value)
        elif mine != value and name in ("command", "tunnel"):
            return None
    return merged
