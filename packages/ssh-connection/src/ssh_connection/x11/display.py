"""Names of X11 displays, as in the environment variable DISPLAY (X(7), DISPLAY NAMES)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["BASE_PORT", "MAX_DISPLAY", "Display", "parse_display"]

BASE_PORT: Final = 6000
"""TCP port of display 0."""
MAX_DISPLAY: Final = 65535 - BASE_PORT
MAX_SCREEN: Final = 65535

_NAME: Final = re.compile(r"(.*):(\d{1,5})(?:\.(\d{1,5}))?", re.DOTALL | re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9._%:-]*", re.ASCII)
_SOCKETS: Final = "/tmp/.X11-unix/X"  # where X servers listen
_LOCAL_PROTOCOLS: Final = ("unix", "local")
_TCP_PROTOCOLS: Final = ("", "tcp", "inet", "inet6")


class Display(NamedTuple):
    """Where an X server listens."""

    host: str
    """Host name or address; empty for a socket of this machine."""
    number: int
    screen: int = 0
    path: str = ""
    """The socket, if there is no host."""

    @property
    def port(self) -> int:
        """TCP port."""
        return BASE_PORT + self.number


def parse_display(name: str) -> Display:
    """Parse the name of a display.

    Parameters:
        name: `[protocol/][host]:number[.screen]`, or the path of a socket that ends in
            `:number`, as macOS has it.

    Raises ValueError.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not the name of an X11 display: {name!r}")
    number, screen = int(match[2]), int(match[3] or 0)
    if number > MAX_DISPLAY or screen > MAX_SCREEN:
        raise ValueError(f"number of an X11 display out of range: {name!r}")
    where = match[1]
    if where.startswith("/"):
        if "\0" in where:
            raise ValueError("path of an X11 display with a NUL")
        return Display("", number, screen, f"{where}:{match[2]}")
    protocol, slash, host = where.rpartition("/")
    if slash and protocol not in (*_LOCAL_PROTOCOLS, *_TCP_PROTOCOLS[1:]):
        # The other order is old: host/unix.
        protocol, host = host, protocol
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not slash and host in _LOCAL_PROTOCOLS:
        protocol, host = host, ""
    if protocol in _LOCAL_PROTOCOLS or (not host and not protocol):
        return Display("", number, screen, f"{_SOCKETS}{number}")
    if protocol not in _TCP_PROTOCOLS or not _HOST.fullmatch(host) or host.endswith(":"):
        raise ValueError(f"not the name of an X11 display: {name!r}")
    return Display(host or "localhost", number, screen)
