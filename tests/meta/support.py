"""Servers and clients of ours that talk to each other on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import ssh_meta
from ssh_meta import generate_private_key

HOST_KEY = generate_private_key("ssh-ed25519", "host")
USER_KEY = generate_private_key("ssh-ed25519", "user")


class Server(ssh_meta.SSHServer):
    """Lets everybody in who has the test's key or the password "secret"; forwards everything."""

    def public_key_auth_supported(self) -> bool:
        """Keys are fine."""
        return True

    def validate_public_key(self, username: str, key: ssh_meta.SSHKey) -> bool:
        """The test's key."""
        return key == USER_KEY.convert_to_public()

    def password_auth_supported(self) -> bool:
        """Passwords are fine."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """The test's password."""
        return password == "secret"

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """Forward it."""
        return True


async def process(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """`echo` sends everything back, `fail` writes to stderr and exits with 3."""
    if process.command == "fail":
        process.stderr.write(b"it failed\n")
        process.exit(3)
        return
    while block := await process.stdin.read(65536):
        process.stdout.write(block)
        await process.stdout.drain()
    process.exit(0)


@asynccontextmanager
async def running_server(**options: object) -> AsyncIterator[int]:
    """Run a server of ours and give its port."""
    settings: dict[str, object] = {
        "server_factory": Server,
        "server_host_keys": [HOST_KEY],
        "process_factory": process,
        "encoding": None,
        **options,
    }
    acceptor = await ssh_meta.listen("127.0.0.1", 0, **settings)  # type: ignore[arg-type]
    async with acceptor:
        yield acceptor.get_port()


def known_hosts() -> ssh_meta.SSHKnownHosts:
    """What a client knows about the server's host key."""
    line = HOST_KEY.export_public_key().decode()
    return ssh_meta.import_known_hosts(f"* {line}")


@asynccontextmanager
async def connected(port: int, **options: object) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """Connect a client of ours."""
    settings: dict[str, object] = {
        "username": "alice",
        "known_hosts": known_hosts(),
        "client_keys": [USER_KEY],
        **options,
    }
    async with ssh_meta.connect("127.0.0.1", port, **settings) as conn:  # type: ignore[arg-type]
        yield conn
