"""Log records of connections: one line each, with the connection's number, peer text escaped.

The logger is named `ssh_connection`; what happens to its records is up to the application. Nothing
secret is ever given to it: no passwords, no responses, no private keys, no data of channels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from functools import partial
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Final

from ssh_transport.errors import printable

if TYPE_CHECKING:
    from ssh_transport.core import TransportCore

__all__ = [
    "LOGGER_NAME",
    "ConnectionLog",
    "Peer",
    "SSHLogger",
    "set_debug_level",
    "set_log_level",
    "trace_packets",
]

LOGGER_NAME = "ssh_connection"

_logger = logging.getLogger(LOGGER_NAME)
_numbers = count(1)
_DEBUG_LEVELS: Final = (1, 2, 3)
_tracer: Callable[[TransportCore, ConnectionLog], None] | None = None


def set_log_level(level: int | str) -> None:
    """Set the level from which on records are logged, as for `logging.Logger.setLevel`."""
    _logger.setLevel(level)


def set_debug_level(level: int) -> None:
    """Set how much is logged of connections that are made from now on, besides what always is.

    Nothing of it is seen unless the level of the log is DEBUG, see `set_log_level`. Levels 2 and 3
    make every packet slower.

    Parameters:
        level: 1 for events only; 2 for one record for each packet, with its name and size; 3 for
            what is in the packets, too, as hexadecimal digits. Requests for authentication, the
            data of channels and all but the names of channel requests are never shown.

    Raises ValueError for another level.
    """
    global _tracer
    if level not in _DEBUG_LEVELS:
        raise ValueError(f"debug level must be 1, 2 or 3, not {level!r}")
    if level == 1:
        _tracer = None
        return
    # Imported here because few ever need it.
    tracing = import_module(".tracing", __package__)
    _tracer = partial(tracing.trace_connection, dump=level == 3)


def trace_packets(core: TransportCore, log: ConnectionLog) -> None:
    """Have the packets of a new connection logged, if that is what the debug level says."""
    if _tracer is not None:
        _tracer(core, log)


class Peer:
    """Something the peer sent, escaped when it is shown."""

    __slots__ = ("_text",)

    def __init__(self, text: object) -> None:
        self._text = text

    def __str__(self) -> str:
        text = self._text
        return printable(text if isinstance(text, bytes) else str(text))


class SSHLogger(logging.LoggerAdapter[logging.Logger]):
    """Logger for what an application has to say about a connection or channel.

    It is used as `logging.Logger`; its records stand among ours, with the same numbers in front.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__(_logger)
        self._prefix = prefix

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        """Put the numbers in front of a message."""
        return f"{self._prefix}{msg}", kwargs


class ConnectionLog:
    """Logs for one connection: a number in front of each line, so that they can be told apart.

    Texts have `%s` where the arguments go, as for `logging.Logger`. Arguments that come from the
    peer are wrapped in `Peer`, which escapes them when, and only if, the record is made.
    """

    __slots__ = ("_prefix", "number")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self._prefix = f"[conn={self.number}] "

    def for_application(self, channel: int | None = None) -> SSHLogger:
        """Return a logger for the application, of the connection or of one of its channels."""
        place = "" if channel is None else f", chan={channel}"
        return SSHLogger(f"[conn={self.number}{place}] ")

    def debug(self, text: str, *args: object) -> None:
        """Log a step that only matters when something is wrong."""
        if _logger.isEnabledFor(logging.DEBUG):
            message = self._prefix + text
            _logger.debug(message, *args)

    def info(self, text: str, *args: object) -> None:
        """Log an event of the connection's life."""
        if _logger.isEnabledFor(logging.INFO):
            message = self._prefix + text
            _logger.info(message, *args)

    def warning(self, text: str, *args: object) -> None:
        """Log something that an operator should look at."""
        message = self._prefix + text
        _logger.warning(message, *args)

    def exception(self, text: str, exc: BaseException) -> None:
        """Log a callback of the application that failed, with its traceback."""
        _logger.error("%s%s", self._prefix, text, exc_info=exc)
