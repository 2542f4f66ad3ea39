"""A real `ssh-agent` for each test, and agents that lie."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FakeAgent = Callable[[Talk], AbstractAsyncContextManager[str]]


@dataclass
class RunningAgent:
    """An `ssh-agent` process and its socket."""

    path: str
    process: subprocess.Popen[bytes]

    def ssh_add(self, *arguments: str, check: bool = True) -> str:
        """Run `ssh-add` against this agent and return what it prints."""
        done = subprocess.run(
            ["ssh-add", *arguments],
            env={"SSH_AUTH_SOCK": self.path, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=check,
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout + done.stderr


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        yield Path(folder)


@pytest.fixture
def agent(socket_folder: Path) -> Iterator[RunningAgent]:
    """A real agent, ended with the test."""
    program = shutil.which("ssh-agent")
    if program is None or shutil.which("ssh-add") is None:
        pytest.skip("ssh-agent and ssh-add are not installed")
    path = str(socket_folder / "agent")
    process = subprocess.Popen(
        [program, "-D", "-a", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        # It prints the variables for the shell once its socket listens.
        assert process.stdout is not None
        assert b"SSH_AUTH_SOCK" in process.stdout.readline()
        yield RunningAgent(path, process)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def fake_agent(socket_folder: Path) -> FakeAgent:
    """Return a function that serves one callback as an agent: `async with fake_agent(talk)`."""

    @asynccontextmanager
    async def serve(talk: Talk) -> AsyncIterator[str]:
        path = str(socket_folder / "fake")
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await talk(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_unix_server(connected, path)
        try:
            yield path
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return serve
