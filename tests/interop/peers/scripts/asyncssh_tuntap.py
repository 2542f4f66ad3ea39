"""Tunnels of AsyncSSH, as client and as server, with a device and without.

client PORT USER KEY KNOWN_HOSTS tun|tap LOCAL REMOTE    join two devices
client PORT USER KEY KNOWN_HOSTS echo                    packets there and back
server PORT HOST_KEY AUTHORIZED_KEYS                     opens devices, echoes unit 99
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncssh

PACKET = bytes.fromhex("4500001400000000400000000a0000010a000002")
FRAME = bytes.fromhex("02000000000102000000000288b5") + bytes(1400)


async def echo(reader: asyncssh.SSHReader, writer: asyncssh.SSHWriter) -> None:
    """Send packets back."""
    while packet := await reader.read(65536):
        writer.write(packet)


class Server(asyncssh.SSHServer):
    """Opens every device."""

    def tun_requested(self, unit: int | None) -> object:
        return echo if unit == 99 else True

    tap_requested = tun_requested


async def client(port: str, user: str, key: str, known_hosts: str, kind: str, *units: str) -> None:
    """Connect, and open tunnels until the end of standard input."""
    async with asyncssh.connect(
        "127.0.0.1",
        int(port),
        username=user,
        client_keys=[key],
        known_hosts=known_hosts,
        config=None,
    ) as conn:
        if kind == "echo":
            for opening, packet in ((conn.open_tun(99), PACKET), (conn.open_tap(99), FRAME)):
                reader, writer = await opening
                for _ in range(100):
                    writer.write(packet)
                for _ in range(100):
                    assert await reader.read(65536) == packet
            print("echoed", flush=True)
            return
        forward = conn.forward_tap if kind == "tap" else conn.forward_tun
        await forward(*map(int, units))
        print("joined", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # its devices can not be closed without an exception


async def server(port: str, host_key: str, authorized_keys: str) -> None:
    """Serve until the process is ended."""
    await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_factory=Server,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
    )
    await asyncio.Event().wait()


asyncio.run({"client": client, "server": server}[sys.argv[1]](*sys.argv[2:]))
