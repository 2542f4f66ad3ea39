"""Log records of connections: one line each, with the connection's number, peer text escaped.

The logger is named `ssh_connection`; what happens to its records is up to the application. Nothing
secret is ever given to it: no passwords, no responses, no private keys, no data of channels.
"""

from __future__ import annotations

import logging
from itertools import count

__all__ = ["LOGGER_NAME", "ConnectionLog", "set_log_level"]

LOGGER_NAME = "ssh_connection"

_logger = logging.getLogger(LOGGER_NAME)
_numbers = count(1)


def set_log_level(level: int | str) -> None:
    """Set the level from which on records are logged, as for `logging.Logger.setLevel`."""
    _logger.setLevel(level)


class ConnectionLog:
    """Logs for one connection: a number in front of each line, so that they can be told apart.

    Callers pass peer text through `ssh_transport.printable` first.
    """

    __slots__ = ("number", "_prefix")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self._prefix = f"[conn={self.number}] "

    def debug(self, text: str) -> None:
        """Log a step that only matters when something is wrong."""
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("%s%s", self._prefix, text)

    def info(self, text: str) -> None:
        """Log an event of the connection's life."""
        if _logger.isEnabledFor(logging.INFO):
            _logger.info("%s%s", self._prefix, text)

    def warning(self, text: str) -> None:
        """Log something that an operator should look at."""
        _logger.warning("%s%s", self._prefix, text)

    def exception(self, text: str, exc: BaseException) -> None:
        """Log a callback of the application that failed, with its traceback."""
        _logger.error("%s%s", self._prefix, text, exc_info=exc)
