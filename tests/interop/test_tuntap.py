"""Tunnels with the devices of OpenSSH and AsyncSSH at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.connection.packets import frame, ipv4, ipv6
from tests.interop.own_client import connect
from tests.interop.peers.availability import program, python_with
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, free_port, run, serving
from tests.interop.peers.python_peers import SCRIPTS
from tests.interop.peers.roles import PeerServer
from tests.networks import assert_joined, free_unit, needs_devices, wait_gone

KINDS = ["tun", "tap"]
SCRIPT = str(SCRIPTS / "asyncssh_tuntap.py")


def forward(conn: ssh_meta.SSHClientConnection, kind: str, *units: int | None) -> Any:
    """`forward_tun` or `forward_tap`."""
    return (conn.forward_tap if kind == "tap" else conn.forward_tun)(*units)


class Tunnels(ssh_meta.SSHServer):
    """Opens every device, and echoes what unit 99 gets."""

    def tun_requested(self, unit: int | None) -> Any:
        return echo if unit == 99 else True

    def tap_requested(self, unit: int | None) -> Any:
        return self.tun_requested(unit)


async def echo(reader: ssh_meta.SSHReader[bytes], writer: ssh_meta.SSHWriter[bytes]) -> None:
    """Send packets back."""
    async for packet in reader:
        writer.write(packet)


def our_server(credentials: Credentials, keys: str = "") -> Any:
    """A server of ours."""
    return ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=keys or str(credentials.authorized_keys),
        server_factory=Tunnels,
    )


# --- sshd ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_our_client_at_sshd(credentials: Credentials, tmp_path: Path, kind: str) -> None:
    needs_devices()
    with sshd(credentials, tmp_path, {"PermitTunnel": "yes"}) as server:
        unit = free_unit()
        async with connect(server, credentials) as conn, forward(conn, kind, None, unit) as here:
            await assert_joined(here.get_extra_info("interface"), f"{kind}{unit}")
        await wait_gone(f"{kind}{unit}")


async def test_our_client_serves_itself_at_sshd(credentials: Credentials, tmp_path: Path) -> None:
    """The kernel at the other end speaks first, and answers: no device at this end."""
    needs_devices()
    with sshd(credentials, tmp_path, {"PermitTunnel": "yes"}) as server:
        unit = free_unit()
        async with connect(server, credentials) as conn:
            reader, writer = await conn.open_tap(unit)
            ip = program("ip")
            for words in (["addr", "add", "10.98.0.1/24", "dev"], ["link", "set", "up", "dev"]):
                subprocess.run([ip, *words, f"tap{unit}"], check=True)
            # ARP: who has 10.98.0.1?
            question = bytes.fromhex("ffffffffffff02000000000108060001080006040001")
            question += bytes.fromhex("0200000000010a6200020000000000000a620001")
            async with asyncio.timeout(20):
                while True:
                    writer.write(question)
                    answer = await reader.read()
                    if answer[12:14] == b"\x08\x06" and answer[20:22] == b"\0\2":
                        break
            assert answer[28:32] == bytes([10, 98, 0, 1])
            assert answer[:6] == question[6:12]


@pytest.mark.parametrize(
    ("permitted", "refused"), [("no", "tun"), ("no", "tap"), ("ethernet", "tun")]
)
async def test_sshd_refuses(
    credentials: Credentials, tmp_path: Path, permitted: str, refused: str
) -> None:
    with sshd(credentials, tmp_path, {"PermitTunnel": permitted}) as server:
        async with connect(server, credentials) as conn:
            opening = conn.open_tap if refused == "tap" else conn.open_tun
            with pytest.raises(ssh_meta.ChannelOpenError, match="open failed"):
                await opening()


# --- ssh -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(*argv: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client program that goes on until the end of its standard input."""
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, env=clean_environment(folder), stdin=pipe, stdout=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def ssh_words(credentials: Credentials, port: int, kind: str, units: str) -> list[str]:
    """Of the ssh program."""
    options: Mapping[str, str] = {
        "Tunnel": "ethernet" if kind == "tap" else "point-to-point",
        "UserKnownHostsFile": str(credentials.known_hosts(port)),
        "IdentityFile": str(credentials.user_key),
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ExitOnForwardFailure": "yes",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    where = ["-p", str(port), f"{credentials.user}@{HOST}"]
    return [program("ssh"), "-F", "none", "-N", *words, "-w", units, *where]


@pytest.mark.parametrize("kind", KINDS)
async def test_ssh_at_our_server(credentials: Credentials, tmp_path: Path, kind: str) -> None:
    needs_devices()
    here, there = free_unit(), free_unit()
    async with our_server(credentials) as acceptor:
        words = ssh_words(credentials, acceptor.get_port(), kind, f"{there}:{here}")
        async with running(*words, folder=tmp_path):
            await assert_joined(f"{kind}{there}", f"{kind}{here}")


async def test_ssh_gets_the_unit_of_its_key(credentials: Credentials, tmp_path: Path) -> None:
    needs_devices()
    here, there, other = free_unit(), free_unit(), free_unit()
    keys = tmp_path / "authorized_keys"
    keys.write_text(f'tunnel="{here}" {credentials.authorized_keys.read_text()}')
    async with our_server(credentials, str(keys)) as acceptor:
        port = acceptor.get_port()
        words = ssh_words(credentials, port, "tun", f"{there}:any")
        async with running(*words, folder=tmp_path):
            await assert_joined(f"tun{there}", f"tun{here}")
        refused = await run(
            ssh_words(credentials, port, "tun", f"{other}:{other}"), clean_environment(tmp_path)
        )
        assert refused.status == 255, refused.text
        assert b"Tunnel not permitted" in refused.stderr


# --- AsyncSSH --------------------------------------------------------------------------------


def asyncssh_client(credentials: Credentials, port: int, *words: str) -> list[str]:
    """The command line of its client."""
    known_hosts = str(credentials.known_hosts(port))
    argv = [python_with("asyncssh"), SCRIPT, "client", str(port), credentials.user]
    return [*argv, str(credentials.user_key), known_hosts, *words]


@contextlib.contextmanager
def asyncssh_server(credentials: Credentials, folder: Path) -> Any:
    """Its server."""
    port = free_port()
    argv = [python_with("asyncssh"), SCRIPT, "server", str(port)]
    argv += [str(credentials.host_key), str(credentials.authorized_keys)]
    with serving("asyncssh", argv, port, folder, clean_environment(folder)) as process:
        yield PeerServer("asyncssh", port, credentials.user, None, process)


async def test_asyncssh_at_our_server_without_devices(
    credentials: Credentials, tmp_path: Path
) -> None:
    async with our_server(credentials) as acceptor:
        argv = asyncssh_client(credentials, acceptor.get_port(), "echo")
        done = await run(argv, clean_environment(tmp_path))
    assert done.stdout == b"echoed\n", done.text


@pytest.mark.parametrize("kind", KINDS)
async def test_asyncssh_at_our_server(credentials: Credentials, tmp_path: Path, kind: str) -> None:
    needs_devices()
    here, there = free_unit(), free_unit()
    async with our_server(credentials) as acceptor:
        argv = asyncssh_client(credentials, acceptor.get_port(), kind, str(there), str(here))
        async with running(*argv, folder=tmp_path) as process:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"joined\n"
            await assert_joined(f"{kind}{there}", f"{kind}{here}")


async def test_our_client_at_asyncssh_without_devices(
    credentials: Credentials, tmp_path: Path
) -> None:
    with asyncssh_server(credentials, tmp_path) as server:
        async with connect(server, credentials) as conn:
            for opening, packets in (
                (conn.open_tun, [ipv4(), ipv6(bytes(1400)), ipv4(bytes(30_000))]),
                (conn.open_tap, [frame(), frame(bytes(1500))]),
            ):
                reader, writer = await opening(99)
                for packet in packets * 30:
                    writer.write(packet)
                assert [await reader.read() for _ in packets * 30] == packets * 30


@pytest.mark.parametrize("kind", KINDS)
async def test_our_client_at_asyncssh(credentials: Credentials, tmp_path: Path, kind: str) -> None:
    needs_devices()
    with asyncssh_server(credentials, tmp_path) as server:
        unit = free_unit()
        async with connect(server, credentials) as conn, forward(conn, kind, None, unit) as here:
            await assert_joined(here.get_extra_info("interface"), f"{kind}{unit}")
