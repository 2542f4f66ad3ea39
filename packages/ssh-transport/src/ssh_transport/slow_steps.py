"""Steps of a key exchange that take milliseconds, as objects that may run anywhere.

The core stays sans-IO: it pauses, hands out a step and goes on when it is told that the step is
done. An event loop runs it in a thread; without a hook the core runs it at once.
"""

from __future__ import annotations

from .errors import KeyExchangeFailed
from .protocols import GSSProof, HostKeyProof, KexRun, KexStep

__all__ = ["SlowStep"]


class SlowStep:
    """One step of a `KexRun`: call it once, from any thread, then `core.step_finished(step)`.

    It touches nothing but the run, so neither the core nor the loop need a lock.

    Parameters:
        run: the run, which nobody else uses until the step is done.
        value: the message that the run expects; None to start it.
    """

    __slots__ = ("_abandoned", "_error", "_result", "_run", "_value")

    def __init__(self, run: KexRun, value: bytes | None) -> None:
        self._run = run
        self._value = value
        self._result: KexStep | HostKeyProof | GSSProof | None = None
        self._error: Exception | None = None
        self._abandoned = False

    def __call__(self) -> None:
        """Do the work; never raises: what goes wrong is for `outcome`."""
        if self._abandoned:
            return
        try:
            # A generator that was not started takes nothing but None, and next is send(None).
            self._result = next(self._run) if self._value is None else self._run.send(self._value)
        except Exception as exc:
            self._error = exc

    def outcome(self) -> KexStep | HostKeyProof | GSSProof:
        """Return what the run yielded, or raise what it raised.

        Raises KeyExchangeFailed if the step never ran.
        """
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise KeyExchangeFailed("key exchange was given up")
        return self._result

    def abandon(self) -> None:
        """The connection ended: a step that waits for its turn need not run any more."""
        self._abandoned = True
