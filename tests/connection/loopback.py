"""A server and clients on loopback, with keys made for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from ssh_connection import (
    ClientKwargs,
    ServerKwargs,
    SSHAcceptor,
    SSHClientConnection,
    SSHServer,
    SSHServerConnection,
    SSHServerProcess,
    connect,
    listen,
)
from ssh_connection.options.base import ConfigArg
from ssh_connection.userauth.protocols import KbdIntChallenge
from ssh_keys import SSHAuthorizedKeys, generate_private_key

HOST_KEY = generate_private_key("ssh-ed25519")
HOST_KEY_ECDSA = generate_private_key("ecdsa-sha2-nistp256")
USER_KEY = generate_private_key("ssh-ed25519")
OTHER_KEY = generate_private_key("ssh-ed25519")
RSA_KEY = generate_private_key("ssh-rsa", key_size=2048)

HOST = "127.0.0.1"


def authorized(*lines: str) -> SSHAuthorizedKeys:
    """Authorized keys: USER_KEY without options, or with those of each line."""
    text = USER_KEY.export_public_key().decode().strip()
    return SSHAuthorizedKeys("\n".join(f"{line} {text}".strip() for line in lines or ("",)))


def known_hosts(port: int) -> bytes:
    """A known_hosts file that knows HOST_KEY."""
    return f"[{HOST}]:{port} ".encode() + HOST_KEY.export_public_key()


class Server(SSHServer):
    """Lets in `user` with `secret`, by password or question; allows all forwarding."""

    def __init__(self) -> None:
        self.conn: SSHServerConnection | None = None
        self.calls: list[tuple[object, ...]] = []

    def connection_made(self, conn: SSHServerConnection) -> None:
        self.conn = conn
        self.calls.append(("made",))

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(("lost", exc))

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        self.calls.append(("debug", msg, lang, always_display))

    def begin_auth(self, username: str) -> bool:
        self.calls.append(("begin", username))
        return username != "guest"

    def auth_completed(self) -> None:
        self.calls.append(("completed",))

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("user", "secret")

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        return True

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return True

    def unix_server_requested(self, listen_path: str) -> bool:
        return True


class QuestionServer(Server):
    """Asks two questions."""

    def kbdint_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    async def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> KbdIntChallenge:
        await asyncio.sleep(0)
        return "Login", "Two questions", "", [("Name: ", True), ("PIN: ", False)]

    async def validate_kbdint_response(self, username: str, responses: object) -> KbdIntChallenge:
        await asyncio.sleep(0)
        return responses == ["me", "1234"]


async def echo(process: SSHServerProcess[str]) -> None:
    """Write what was asked for and what is read, exit with status 7."""
    what = process.command or process.subsystem or "shell"
    process.stdout.write(f"{what}\n")
    process.stdout.write(await process.stdin.read())
    process.exit(7)


@asynccontextmanager
async def serving(
    *, config: ConfigArg = (), **kwargs: Unpack[ServerKwargs]
) -> AsyncIterator[SSHAcceptor[SSHServerConnection]]:
    """A listening server; at the end all of its connections are closed."""
    kwargs.setdefault("server_factory", Server)
    kwargs.setdefault("server_host_keys", [HOST_KEY])
    kwargs.setdefault("auth_fail_delay", 0)
    if not kwargs.keys() & {"process_factory", "session_factory"}:
        kwargs["process_factory"] = echo
    acceptor = await listen(HOST, 0, config=config, **kwargs)
    async with acceptor:
        try:
            yield acceptor
        finally:
            for conn in acceptor.connections:
                conn.abort()
                await conn.wait_closed()


def client_options(port: int, kwargs: ClientKwargs) -> ClientKwargs:
    """Defaults of a client in tests: nothing from the home directory, no trust in strangers."""
    kwargs.setdefault("known_hosts", known_hosts(port))
    kwargs.setdefault("username", "user")
    kwargs.setdefault("client_keys", None)
    return kwargs


async def client(
    acceptor: SSHAcceptor[SSHServerConnection], **kwargs: Unpack[ClientKwargs]
) -> SSHClientConnection:
    """A connection to a server."""
    port = acceptor.get_port()
    return await connect(HOST, port, **client_options(port, kwargs))


def server_side(acceptor: SSHAcceptor[SSHServerConnection]) -> SSHServerConnection:
    """The server's end of the only connection."""
    (conn,) = acceptor.connections
    return conn


def owner(conn: SSHServerConnection) -> Server:
    """The callbacks of a server connection."""
    made = conn.owner
    assert isinstance(made, Server)
    return made
