"""Our own server, as the peers' clients meet it: commands run in a real shell, SFTP is on."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import ssh_meta
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.roles import Target

#: Bytes after which our side starts another key exchange.
REKEY_BYTES = 4 << 20


@dataclass(slots=True)
class OwnServer:
    """A running server of ours."""

    port: int
    credentials: Credentials
    #: Exceptions with which connections ended, None for a clean end.
    ends: list[Exception | None] = field(default_factory=list)
    #: The handlers of its sessions, also those that have ended.
    handlers: set[asyncio.Task[None]] = field(default_factory=set)

    async def execute(self, process: ssh_meta.SSHServerProcess[bytes]) -> None:
        """Handle a session."""
        handler = asyncio.current_task()
        assert handler is not None
        self.handlers.add(handler)
        await _execute(process)

    async def handled(self) -> None:
        """Wait until no handler has a program to wait for."""
        if self.handlers:
            await asyncio.wait(self.handlers, timeout=10)

    def target(
        self, *, password: str | None = None, wrong_host_key: bool = False, wrong_key: bool = False
    ) -> Target:
        """What to tell a client.

        Args:
            password: log in with it instead of the key.
            wrong_host_key: make the client expect another host key.
            wrong_key: log in with a key that the server does not know.
        """
        made = self.credentials
        identity = made.other_key if wrong_key else made.user_key
        return Target(
            port=self.port,
            user=made.user,
            known_hosts=made.known_hosts(self.port, wrong=wrong_host_key),
            host_key=made.host_key,
            identity=None if password is not None else identity,
            password=password,
        )


class _Server(ssh_meta.SSHServer):
    """Lets one user in, by key or by password."""

    def __init__(self, own: OwnServer) -> None:
        self._own = own

    def connection_lost(self, exc: Exception | None) -> None:
        self._own.ends.append(exc)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return dest_host == HOST

    def validate_password(self, username: str, password: str) -> bool:
        made = self._own.credentials
        return username == made.user and password == made.password


async def _pump_in(reader: ssh_meta.SSHReader[bytes], writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while data := await reader.read(1 << 17):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _pump_out(reader: asyncio.StreamReader, writer: ssh_meta.SSHWriter[bytes]) -> None:
    while data := await reader.read(1 << 17):
        writer.write(data)
        await writer.drain()


async def _execute(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """Run the command of a client, or ``cat`` when it asked for a shell."""
    environ = os.environ | dict(process.env) | {"SSH_META_TERM": process.term_type or ""}
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "cat", stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.create_task(_pump_in(process.stdin, child.stdin))
    try:
        await asyncio.gather(
            _pump_out(child.stdout, process.stdout), _pump_out(child.stderr, process.stderr)
        )
        process.exit(await child.wait())
    finally:
        feeding.cancel()
        if child.returncode is None:
            child.kill()
            await child.wait()


@contextlib.asynccontextmanager
async def own_server(
    credentials: Credentials,
    algorithms: Mapping[str, str] | None = None,
    *,
    revoked_keys: str | None = None,
) -> AsyncIterator[OwnServer]:
    """Run our server on loopback until the block ends.

    Args:
        credentials: its host key and whom it lets in.
        algorithms: options of ``listen`` such as ``mac_algs``.
        revoked_keys: file name of a key revocation list.
    """
    own = OwnServer(0, credentials)
    chosen = algorithms or {}
    acceptor = await ssh_meta.listen(
        HOST,
        0,
        server_factory=lambda: _Server(own),
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=str(credentials.authorized_keys),
        process_factory=own.execute,
        sftp_factory=True,
        encoding=None,
        rekey_bytes=REKEY_BYTES,
        encryption_algs=chosen.get("encryption_algs", ()),
        mac_algs=chosen.get("mac_algs", ()),
        kex_algs=chosen.get("kex_algs", ()),
        compression_algs=chosen.get("compression_algs", ()),
        signature_algs=chosen.get("signature_algs", ()),
        revoked_keys=revoked_keys,
    )
    own.port = acceptor.get_port()
    try:
        yield own
    finally:
        acceptor.close()
        await acceptor.wait_closed()
        await own.handled()
