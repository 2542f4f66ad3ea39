"""Patterns of host names and addresses, as ssh_config(5) PATTERNS and sshd(8) `from=` have them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["PatternList", "match_wildcard", "parse_address"]

MAXIMUM_PATTERN_LENGTH = 4096


def compile_wildcard(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for a pattern of `*`, `?` and literal characters.

    Each piece between two `*` is matched at its first place and never tried again, so the time is
    at most length of the pattern times length of the text, whatever the pattern.
    """
    pieces = [
        "".join("." if char == "?" else re.escape(char) for char in piece)
        for piece in re.sub(r"\*+", "*", pattern).split("*")
    ]
    first, *rest = pieces
    if not rest:
        return re.compile(rf"{first}\Z", re.DOTALL)
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(rf"{first}{middle}.*{rest[-1]}\Z", re.DOTALL)


def match_wildcard(text: str, pattern: str) -> bool:
    """Whether a pattern of `*`, `?` and literal characters matches the whole text."""
    return compile_wildcard(pattern).match(text) is not None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, an IPv4 address for one that is mapped to IPv6; None if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class _Pattern:
    """One pattern: a network, or wildcards."""

    __slots__ = ("_expression", "_network", "negated")

    def __init__(self, text: str, ignore_case: bool, networks: bool) -> None:
        self.negated = text.startswith("!")
        text = text[1:] if self.negated else text
        if not text:
            raise ValueError("empty pattern")
        if len(text) > MAXIMUM_PATTERN_LENGTH:
            raise ValueError(f"pattern of {len(text)} characters")
        self._network: IPv4Network | IPv6Network | None = None
        self._expression: re.Pattern[str] | None = None
        if networks and "/" in text:
            self._network = ip_network(text)
        else:
            self._expression = compile_wildcard(text.lower() if ignore_case else text)

    def matches(self, names: Iterable[str], addresses: Iterable[IPv4Address | IPv6Address]) -> bool:
        if self._network is not None:
            return any(address in self._network for address in addresses)
        assert self._expression is not None
        return any(self._expression.match(name) for name in names)


class PatternList:
    """Patterns of which one must match, and no negated one may.

    Parameters:
        patterns: wildcard patterns and CIDR networks, each optionally with `!` in front.
        ignore_case: for host names, which are then matched in lower case.
        networks: a pattern with a `/` is a network; otherwise it is a name as any other.

    Raises ValueError for a pattern that is empty, too long, or no network though it has to be one.
    """

    __slots__ = ("_patterns",)

    def __init__(
        self, patterns: Iterable[str], ignore_case: bool = True, networks: bool = True
    ) -> None:
        self._patterns = [_Pattern(text, ignore_case, networks) for text in patterns]

    def matches(
        self, names: Iterable[str], addresses: Iterable[IPv4Address | IPv6Address] = ()
    ) -> bool:
        """Whether the list matches.

        Parameters:
            names: names for the wildcard patterns, in lower case if it is ignored.
            addresses: addresses for the networks.
        """
        names, addresses = tuple(names), tuple(addresses)
        found = False
        for pattern in self._patterns:
            if pattern.matches(names, addresses):
                if pattern.negated:
                    return False
                found = True
        return found
