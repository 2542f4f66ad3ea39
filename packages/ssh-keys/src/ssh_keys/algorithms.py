"""Ordered, immutable tables of algorithms, and the patterns that select from them.

A table row is an object with a `name` (as on the wire) and a `status`. The order of the rows is
the order of preference. Nothing registers itself on import: a table is extended by making a new
one (`REGISTRY.extended(row)`), so applications and tests cannot affect each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Generic, Protocol, TypeVar

__all__ = ["Algorithm", "Registry", "Status"]


class Status(Enum):
    """How much an algorithm is trusted."""

    DEFAULT = "default"  # offered unless the application chooses otherwise
    SUPPORTED = "supported"  # sound, but offered only by name
    INSECURE = "insecure"  # works with old peers, offered only by name


class Algorithm(Protocol):
    """What a table row must have."""

    @property
    def name(self) -> bytes:
        """The name on the wire (RFC 4251 section 6)."""
        ...

    @property
    def status(self) -> Status:
        """Whether the algorithm is on by default."""
        ...

    def available(self) -> bool:
        """Whether what the algorithm needs (a system library, an extra) is installed."""
        ...


A = TypeVar("A", bound=Algorithm)


class Registry(Generic[A]):
    """An ordered table of algorithms of one kind.

    Parameters:
        kind: what the rows are, for error texts ("cipher", "key exchange method").
        rows: the algorithms, best first; names must be unique.
        aliases: further names by which options may call a row, each with the row's own name.
    """

    __slots__ = ("_aliases", "_by_name", "_rows", "kind")

    def __init__(
        self, kind: str, rows: Iterable[A], aliases: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.kind = kind
        self._aliases = dict(aliases or {})
        self._rows = tuple(rows)
        self._by_name = {row.name: row for row in self._rows}
        if len(self._by_name) != len(self._rows):
            raise ValueError(f"two {kind} rows have the same name")

    def __iter__(self) -> Iterator[A]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: bytes) -> A:
        """Return the row of a name; raises KeyError for an unknown one."""
        return self._by_name[name]

    def extended(self, *rows: A) -> Registry[A]:
        """Return a new table with `rows` behind the present ones."""
        return Registry(self.kind, (*self._rows, *rows), self._aliases)

    def names(self, *status: Status) -> tuple[bytes, ...]:
        """Return the names of all available rows.

        Parameters:
            status: only rows with one of these; all if none is given.
        """
        return tuple(
            row.name
            for row in self._rows
            if (not status or row.status in status) and row.available()
        )

    def select(
        self,
        choice: str | Sequence[str | bytes] | None = None,
        *,
        default: Sequence[bytes] | None = None,
    ) -> tuple[bytes, ...]:
        """Return the names that an option selects, in order of preference.

        Parameters:
            choice: None or an empty sequence for the default; a list of exact names; or a string
                as in ssh_config(5): names and wildcard patterns with commas between, where a
                leading `+` appends to the default, `-` removes from it and `^` puts in front.
            default: what the prefixes refer to; the rows with status DEFAULT if not given.

        Raises ValueError for a name that is not in the table or not available here, for a
        pattern that adds nothing because nothing in the table matches it, and if nothing is left.
        """
        base = self.names(Status.DEFAULT) if default is None else tuple(default)
        if choice is None or (not isinstance(choice, str) and not choice):
            return base
        if not isinstance(choice, str):
            return _unique(self._exact(_to_bytes(name)) for name in choice)
        prefix, text = (choice[0], choice[1:]) if choice[:1] in ("+", "-", "^") else ("", choice)
        patterns = [part.strip() for part in text.split(",") if part.strip()]
        if prefix == "-":
            own = [self._own_name(pattern) for pattern in patterns]
            chosen = tuple(name for name in base if not _matches(name, own))
        else:
            named = [name for pattern in patterns for name in self._matching(pattern)]
            before, after = (named, base) if prefix == "^" else ((), named)
            chosen = _unique((*(base if prefix == "+" else before), *after))
        if not chosen:
            raise ValueError(f"no {self.kind} is left by {choice!r}")
        return chosen

    def _own_name(self, pattern: str) -> str:
        name = pattern.encode("ascii", "backslashreplace")
        return self._aliases.get(name, name).decode("ascii")

    def _exact(self, name: bytes) -> bytes:
        name = self._aliases.get(name, name)
        row = self._by_name.get(name)
        if row is None:
            raise ValueError(f"unknown {self.kind} {name.decode('ascii', 'backslashreplace')!r}")
        if not row.available():
            needs: str = getattr(row, "needs", "") or "a library that is not installed"
            raise ValueError(f"{self.kind} {name.decode()!r} needs {needs}")
        return name

    def _matching(self, pattern: str) -> Sequence[bytes]:
        if "*" not in pattern and "?" not in pattern:
            return [self._exact(_to_bytes(pattern))]
        if not self.knows(pattern):
            raise ValueError(f"no {self.kind} matches {pattern!r}")
        return [name for name in self.names() if _matches(name, [pattern])]

    def knows(self, pattern: str) -> bool:
        """Whether a row, available or not, has a name that matches a pattern."""
        return any(_matches(name, [pattern]) for name in self._by_name)


def _to_bytes(name: str | bytes) -> bytes:
    return name.encode("ascii", "backslashreplace") if isinstance(name, str) else name


def _matches(name: bytes, patterns: Iterable[str]) -> bool:
    text = name.decode("ascii")
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _unique(names: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(names))
