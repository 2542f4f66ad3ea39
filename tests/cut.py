"""Ends a scenario at each turn of its event loop, and looks for what it left behind.

A turn is one call of the loop's selector, so a loop that waits takes none: how many there are
hardly depends on how busy the machine is.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import selectors
import socket
import stat
import sys
import tempfile
import warnings
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Protocol, TypeAlias

__all__ = ["Cut", "Scenario", "Way", "cut_everywhere"]

WAIT = 20
"""Seconds after which something hangs."""

_LAST_TURN = 3000


class Way(Enum):
    """How a scenario is ended."""

    LOOP = "the loop ends"
    """The main task returns, and `asyncio.run` cancels all others."""
    CANCEL = "the task is cancelled"
    """The loop goes on: everything has to be closed without its end."""
    BOTH = "the task is cancelled, and soon the loop ends"
    """So whoever cleans up is cancelled, too."""
    LOST = "the connections are lost"
    """Their sockets are shut down."""


class Connected(Protocol):
    """A connection of ours."""

    def get_extra_info(self, name: str, default: object = None) -> object: ...


class Cut:
    """What a scenario gets.

    Parameters:
        turns: turns from `begin` to the end; None for no end before that of the scenario.
        gap: turns from the first end to the second, if there are two.
    """

    def __init__(self, turns: int | None, gap: int = 0) -> None:
        self._turns = turns
        self._gap = gap
        self._counting = False
        self._steps: list[Callable[[], None]] = []
        self.connections: list[Connected] = []
        self.made = False

    def begin(self, *connections: Connected) -> None:
        """From here on the scenario may be ended: what was before is tested elsewhere.

        Parameters:
            connections: which ones `Way.LOST` is about; none for all sockets of TCP.
        """
        self._counting = True
        self.connections += connections

    def do(self, *steps: Callable[[], None]) -> None:
        """Say what an end is: the first step, and behind the gap the second."""
        self._steps += steps

    def turn(self) -> bool:
        """One more turn of the loop; return whether something is done in it."""
        if not self._counting or self._turns is None or not self._steps:
            return False
        if self._turns:
            self._turns -= 1
            return False
        self.made = True
        self._turns = self._gap
        asyncio.get_running_loop().call_soon(self._steps.pop(0))
        return True

    def lose(self) -> None:
        """Shut the connections down, as a network does."""
        for each in self.connections:
            sock = each.get_extra_info("socket")
            if isinstance(sock, TransportSocket):
                _shut_down(sock.fileno())


def _shut_down(descriptor: int) -> None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as sock:
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if sock.family != socket.AF_UNIX and not listens:
            sock.shutdown(socket.SHUT_RDWR)


Scenario: TypeAlias = Callable[[Cut], Coroutine[object, object, None]]


class _Selector(selectors.DefaultSelector):
    """Counts the turns."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self._cut = cut

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0 if self._cut.turn() else timeout)


class _Loop(asyncio.SelectorEventLoop):
    """Has what was accepted in the hands of a protocol at once.

    asyncio does that in a task. It loses the socket if the task is cancelled before its first turn,
    or if the server is closed before that.
    """

    def _accept_connection2(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        conn: socket.socket,
        extra: dict[str, object],
        sslcontext: object = None,
        server: object = None,
        *_: object,
        **__: object,
    ) -> Coroutine[object, object, None]:
        self._make_socket_transport(conn, factory(), extra=extra, server=server)  # type: ignore[attr-defined]
        return asyncio.sleep(0)


class _Records(logging.Handler):
    """Keeps what nobody may see in a log."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        # The watcher of children and the end of a transport both ask for the status of a child.
        # Which of their warnings it is depends on the version of Python.
        if record.getMessage().startswith(("Unknown child process", "child process pid")):
            return
        if record.exc_info or record.name == "asyncio":
            self._faults.append(f"logged: {self.format(record)}")


class _Run:
    """One run of a scenario.

    Parameters:
        scenario: what is run.
        cut, way: when and how it is ended.
        allowed: exceptions that it may end with if its connections are lost.
        faults: gets what is wrong.
    """

    def __init__(
        self,
        scenario: Scenario,
        cut: Cut,
        way: Way,
        allowed: tuple[type[BaseException], ...],
        faults: list[str],
    ) -> None:
        self._scenario = scenario
        self._cut = cut
        self._way = way
        self._allowed = allowed
        self.faults = faults

    def run(self) -> bool:
        """Run it, and return whether it was ended before its own end."""
        selector = _Selector(self._cut)
        with asyncio.Runner(loop_factory=lambda: _Loop(selector)) as runner:
            runner.get_loop().set_exception_handler(self._unhandled)
            runner.run(self._main(selector))
        return self._cut.made

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        details = {name: value for name, value in context.items() if name != "message"}
        self.faults.append(f"{context['message']}: {details}")

    async def _main(self, selector: _Selector) -> None:
        loop = asyncio.get_running_loop()
        own = len(selector.get_map())
        ending = loop.create_future()
        task = loop.create_task(self._scenario(self._cut), name="scenario")
        cancelled: list[bool] = []

        def cancel() -> None:
            cancelled.append(task.cancel())

        def end() -> None:
            if not ending.done():
                ending.set_result(None)

        def lose() -> None:
            if self._cut.connections:
                self._cut.lose()
            else:
                for key in tuple(selector.get_map().values()):
                    _shut_down(key.fd)

        steps = {
            Way.LOOP: [end],
            Way.CANCEL: [cancel],
            Way.BOTH: [cancel, end],
            Way.LOST: [lose],
        }
        self._cut.do(*steps[self._way])
        await asyncio.wait((task, ending), timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            return
        if not task.done():
            self.faults.append(f"the scenario hangs: {task.get_stack()[-1:]}")
            return
        self._check_end(task, cancelled == [True])
        if self._way is not Way.BOTH:
            await self._settle(selector, own)

    def _check_end(self, task: asyncio.Task[None], cancelled: bool) -> None:
        if cancelled and not task.cancelled():
            self.faults.append("the cancellation got lost")
        if task.cancelled():
            if not cancelled:
                self.faults.append("cancelled, and nobody asked for it")
            return
        error = task.exception()
        if error is not None and not (
            self._way is Way.LOST and self._cut.made and isinstance(error, self._allowed)
        ):
            self.faults.append(f"failed with {error!r}")

    async def _settle(self, selector: _Selector, own: int) -> None:
        """Wait until nothing goes on any more."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + WAIT
        while len(asyncio.all_tasks()) > 1 or len(selector.get_map()) > own:
            if loop.time() > limit:
                tasks = asyncio.all_tasks() - {asyncio.current_task()}
                keys = [each.data for each in selector.get_map().values()]
                self.faults.append(f"still there: {tasks}, {keys}")
                return
            await asyncio.sleep(0.001)


@contextmanager
def _watched(faults: list[str], folder: Path) -> Iterator[None]:
    """Collect the garbage, the log, and what is open at the end and was not at the beginning."""
    handler = _Records(faults)
    hook = sys.unraisablehook
    before = set(os.listdir("/dev/fd"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sys.unraisablehook = lambda args: faults.append(f"unraisable: {args.exc_value!r}")
        logging.getLogger().addHandler(handler)
        try:
            yield
            gc.collect()
        finally:
            logging.getLogger().removeHandler(handler)
            sys.unraisablehook = hook
    faults += [f"{each.category.__name__}: {each.message}" for each in caught]
    faults += [f"open: {_target(name)}" for name in set(os.listdir("/dev/fd")) - before]
    faults += [f"left: {path.name}" for path in folder.iterdir()]
    with suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        faults.append("a child process is left")


def _target(name: str) -> str:
    try:
        target = os.readlink(f"/dev/fd/{name}")
    except OSError:
        return ""  # the listing itself
    # libffi keeps itself open from the first callback on that somebody makes in C.
    return "" if "/libffi.so" in target else target


def cut_everywhere(
    scenario: Scenario,
    way: Way,
    folder: Path,
    *,
    allowed: tuple[type[BaseException], ...] = (OSError,),
    gaps: tuple[int, ...] = (0, 1, 3, 6),
    turns: int | None = None,
) -> int:
    """End a scenario at each turn, and return how many turns it has.

    Parameters:
        scenario: is run again and again; it closes all that it opens when it is cancelled.
        way: how it is ended.
        folder: for temporary files; has to be empty each time.
        allowed: exceptions that it may end with if its connections are lost.
        gaps: turns between the two ends of `Way.BOTH`: one of them for each turn.
        turns: end it here only, to look for a fault.
    """
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    gc.collect()
    gc.freeze()
    try:
        for number in count() if turns is None else (turns,):
            gap = gaps[number % len(gaps)]
            found: list[str] = []
            with _watched(found, folder):
                # Nothing of it is held by anybody when the garbage is collected.
                made = _Run(scenario, Cut(number, gap), way, allowed, found).run()
            faults = [each for each in found if each != "open: "]
            where = f"{way.value}, turn {number}, gap {gap}"
            assert not faults, "\n".join((where, *faults))
            if not made:
                return number
            assert number < _LAST_TURN
        return 0
    finally:
        gc.unfreeze()
        tempfile.tempdir = before
