"""Run a command at a server, with an X11 display that AsyncSSH forwards."""

from __future__ import annotations

import asyncio
import sys

import asyncssh


async def main(
    port: str, user: str, key: str, known_hosts: str, display: str, auth_path: str, command: str
) -> None:
    """Connect and run."""
    async with asyncssh.connect(
        "127.0.0.1",
        int(port),
        username=user,
        client_keys=[key],
        known_hosts=known_hosts,
        config=None,
    ) as conn:
        done = await conn.run(
            command, x11_forwarding=True, x11_display=display, x11_auth_path=auth_path
        )
        print(done.stdout, done.stderr)


asyncio.run(main(*sys.argv[1:]))
