"""Start and stop peer programs: time-outs, readiness, logs, and no process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds a server may take until it accepts a connection.
START_TIMEOUT = 20.0
#: Seconds a server may take to end after SIGTERM, before SIGKILL.
STOP_TIMEOUT = 5.0
#: Seconds a client program may take.
CLIENT_TIMEOUT = 90.0

#: How much of a log goes into the report of a failed test, in characters.
LOG_TAIL = 6000


class PeerError(Exception):
    """A peer did not start, or did not end in time."""


@dataclass(slots=True)
class PeerProcess:
    """A running server program and where it logs."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path
    #: Where the log stood when the present test began, so that a report shows only what is new.
    seen: int = 0

    def whole_log(self) -> str:
        """What was logged since the present test began."""
        return self.log_path.read_bytes()[self.seen :].decode("utf-8", "replace")

    def new_log(self) -> str:
        """The last part of what was logged since the present test began, for people."""
        return self.whole_log()[-LOG_TAIL:]

    def mark(self) -> None:
        """Remember the present end of the log."""
        self.seen = self.log_path.stat().st_size

    def stop(self) -> None:
        """End the program, politely first."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_TIMEOUT)


@dataclass(slots=True)
class Running:
    """The servers that run now, for the report of a failed test."""

    peers: list[PeerProcess] = field(default_factory=list)


RUNNING = Running()


def free_port() -> int:
    """A TCP port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment without the agent and the configuration of whoever runs the tests.

    The realm of a test (tests/kerberos) is in the environment of its process, and goes on.
    """
    realm = {name: value for name, value in os.environ.items() if name.startswith("KRB5")}
    environ = realm | {
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
    }
    return environ | extra


@contextlib.contextmanager
def serving(
    name: str, argv: Sequence[str], port: int, folder: Path, environ: Mapping[str, str]
) -> Iterator[PeerProcess]:
    """Run a server program until the block ends; enter the block once it accepts connections.

    Raises:
        PeerError: it ended, or did not listen in time. The message carries its log.
    """
    log_path = folder / f"{name}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environ)
        )
    peer = PeerProcess(name, process, log_path)
    RUNNING.peers.append(peer)
    try:
        wait_until_listening(peer, port)
        yield peer
    finally:
        RUNNING.peers.remove(peer)
        peer.stop()


def wait_until_listening(peer: PeerProcess, port: int) -> None:
    """Return when the port accepts a connection, or raise PeerError."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if peer.process.poll() is not None:
            raise PeerError(f"{peer.name} ended at once: {peer.new_log()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise PeerError(f"{peer.name} does not listen on {port}: {peer.new_log()}")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a client program ended, and what it wrote."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """All that may explain a failure."""
        return (
            f"{' '.join(self.argv)}\nstatus {self.status}\n"
            f"{self.stdout[-2000:].decode('utf-8', 'replace')}\n"
            f"{self.stderr[-LOG_TAIL:].decode('utf-8', 'replace')}"
        )


async def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    data: bytes = b"",
    timeout: float = CLIENT_TIMEOUT,
) -> Finished:
    """Run a client program to its end, giving it ``data`` on standard input.

    Raises:
        PeerError: it did not end within ``timeout`` seconds; it was killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environ),
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(data), timeout)
    except TimeoutError:
        raise PeerError(f"{' '.join(argv)} did not end within {timeout} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(tuple(argv), process.returncode, stdout, stderr)
