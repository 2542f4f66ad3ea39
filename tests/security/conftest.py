"""Our own servers on loopback, as victims of the attacks of this folder."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

import ssh_meta
from ssh_keys import SSHKey, generate_private_key
from tests.security.raw_peer import HOST_KEY

USER_KEY = generate_private_key("ssh-ed25519")


@dataclass
class Record:
    """What a victim's callbacks saw."""

    users: list[str] = field(default_factory=list)
    passwords: list[tuple[str, str]] = field(default_factory=list)
    keys: list[tuple[str, SSHKey]] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    lost: list[Exception | None] = field(default_factory=list)
    connections: list[ssh_meta.SSHServerConnection] = field(default_factory=list)


@dataclass
class VictimServer:
    """A server of ours and what it saw."""

    port: int
    record: Record

    async def lost(self, count: int = 1) -> Exception | None:
        """Wait until that many connections have ended; return why the last one did."""
        async with asyncio.timeout(10):
            while len(self.record.lost) < count:
                await asyncio.sleep(0.01)
        return self.record.lost[-1]


class RecordingServer(ssh_meta.SSHServer):
    """Lets `alice` in with the test's key or the password "secret", and nobody else."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.conn: ssh_meta.SSHServerConnection | None = None

    def connection_made(self, conn: ssh_meta.SSHServerConnection) -> None:  # type: ignore[override]
        """Note the connection."""
        self.conn = conn
        self.record.connections.append(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.record.lost.append(exc)

    def begin_auth(self, username: str) -> bool:
        """Note who it is."""
        self.record.users.append(username)
        return True

    def auth_completed(self) -> None:
        """Note that somebody is in."""
        assert self.conn is not None
        self.record.completed.append(str(self.conn.get_extra_info("username")))

    def public_key_auth_supported(self) -> bool:
        """Keys are fine."""
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:
        """Alice's key."""
        self.record.keys.append((username, key))
        return username == "alice" and key == USER_KEY.convert_to_public()

    def password_auth_supported(self) -> bool:
        """Passwords are fine."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Alice's password."""
        self.record.passwords.append((username, password))
        return username == "alice" and password == "secret"


def echo(process: ssh_meta.SSHServerProcess[bytes]) -> Awaitable[None]:
    """Send everything back."""

    async def run() -> None:
        while block := await process.stdin.read(65536):
            process.stdout.write(block)
            await process.stdout.drain()
        process.exit(0)

    return run()


Serve = Callable[..., AbstractAsyncContextManager[VictimServer]]


@asynccontextmanager
async def serving(**options: object) -> AsyncIterator[VictimServer]:
    """Run a server of ours."""
    record = Record()
    defaults: dict[str, object] = {
        "server_factory": lambda: RecordingServer(record),
        "server_host_keys": [HOST_KEY],
        "process_factory": echo,
        "encoding": None,
        "auth_fail_delay": 0,
    }
    acceptor = await ssh_meta.listen("127.0.0.1", 0, **{**defaults, **options})  # type: ignore[arg-type]
    try:
        yield VictimServer(acceptor.get_port(), record)
    finally:
        acceptor.close()
        await acceptor.wait_closed()
        for conn in record.connections:
            conn.abort()
            await conn.wait_closed()


@pytest.fixture
def serve() -> Serve:
    """`async with serve(**options) as victim`."""
    return serving


@pytest.fixture(autouse=True)
def nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test may end with an exception that nobody caught, or with a traceback in the log."""
    caplog.set_level(logging.DEBUG)
    yield
    gc.collect()
    bad = [
        record
        for record in (*caplog.get_records("call"), *caplog.records)
        if record.exc_info or (record.name == "asyncio" and record.levelno >= logging.ERROR)
    ]
    assert not bad, [record.getMessage() for record in bad]
