"""Values of configuration files as options: what clients and servers have in common."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Generic, Self, TypeVar

from ssh_keys.record import Struct

from ..errors import ConfigParseError
from ..options.algorithms import known_names
from .directives import Directive
from .evaluate import Evaluation, Values

__all__ = ["Conversion", "error_at", "is_yes", "number"]

_FAMILIES: Final = {"any": 0, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_ALGORITHMS: Final = {
    "casignaturealgorithms": "ca_signature_algs",
    "ciphers": "encryption_algs",
    "hostkeyalgorithms": "server_host_key_algs",
    "kexalgorithms": "kex_algs",
    "macs": "mac_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
}
_FLAGS: Final = {
    "hostbasedauthentication": "host_based_auth",
    "kbdinteractiveauthentication": "kbdint_auth",
    "passwordauthentication": "password_auth",
    "tcpkeepalive": "tcp_keepalive",
}

AnyEvaluation = TypeVar("AnyEvaluation", bound=Evaluation)


class Conversion(Struct, Generic[AnyEvaluation]):
    """Makes options of values.

    Parameters:
        evaluation: knows where values come from.
        values: that hold.
        made: what is made.
        places: where each option comes from.
    """

    evaluation: AnyEvaluation
    values: Values
    made: dict[str, object]
    places: dict[str, Directive]

    @contextmanager
    def at(self, keyword: str, value: tuple[str, ...] = ()) -> Iterator[None]:
        """Convert a value in the body: its options, or its error, come from where it stands.

        Parameters:
            keyword, value: as of `Evaluation.place`.
        """
        before = set(self.made)
        place = self.evaluation.place(keyword, value)
        try:
            yield
        except ConfigParseError:
            raise
        except ValueError as exc:
            raise error_at(place, exc) from None
        if place is not None:
            self.places.update(dict.fromkeys(self.made.keys() - before, place))

    def convert(
        self, table: Mapping[str, str], convert: Callable[[tuple[str, ...]], object]
    ) -> None:
        """Make the options of a table: keyword to option.

        Parameters:
            convert: makes the option of the first line of a keyword.
        """
        for keyword, option in table.items():
            if keyword in self.values:
                with self.at(keyword):
                    self.made[option] = convert(self.values[keyword][0])

    def apply(self, table: Mapping[str, Callable[[Self, tuple[str, ...]], None]]) -> None:
        """Call the methods of a table, each with the first line of its keyword."""
        for keyword, method in table.items():
            if keyword in self.values:
                with self.at(keyword):
                    method(self, self.values[keyword][0])

    def convert_common(self) -> None:
        """Make the options of keywords that mean the same for clients and servers."""
        self.convert(_FLAGS, is_yes)
        self.convert({"addressfamily": "family"}, lambda value: _FAMILIES[value[0]])
        for keyword, option in _ALGORITHMS.items():
            if keyword in self.values:
                with self.at(keyword):
                    if names := known_names(option, self.values[keyword][0][0]):
                        self.made[option] = names
        self.apply({"rekeylimit": Conversion._rekey_limit})

    def _rekey_limit(self, value: tuple[str, ...]) -> None:
        if size := int(value[0]):
            self.made["rekey_bytes"] = max(size, 1024)
        if len(value) > 1 and (seconds := int(value[1])):
            self.made["rekey_seconds"] = seconds


def error_at(place: Directive | None, exc: ValueError) -> ConfigParseError:
    """Return the error of a value that stands somewhere, None for one that was given."""
    return ConfigParseError(str(exc)) if place is None else place.error(str(exc))


def is_yes(value: tuple[str, ...]) -> bool:
    """Return a flag."""
    return value[0] == "yes"


def number(value: tuple[str, ...]) -> int:
    """Return a number."""
    return int(value[0])
