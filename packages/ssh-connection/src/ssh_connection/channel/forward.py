"""What channels of forwarded connections have in common (RFC 4254 section 7)."""

from __future__ import annotations

from typing import AnyStr

from .state import HalfState
from .text import SSHChannel

__all__ = ["SSHForwardChannel"]


class SSHForwardChannel(SSHChannel[AnyStr]):
    """A channel that begins at once and is closed when both directions have ended."""

    def opened(self) -> None:
        """The channel is open: make the session known to it and start it."""
        super().opened()
        self._start()

    def _deliver_eof(self) -> None:
        super()._deliver_eof()
        if self.sending is HalfState.EOF:
            self._close()

    def _half_closed(self) -> None:
        if self.receiving is HalfState.EOF and not self._held:
            self._close()
