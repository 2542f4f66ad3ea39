"""What the transport does besides algorithms, with real programs: identification, markers, guesses,
extensions, new keys by time and by packets, peers that fall silent.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ssh_keys import generate_private_key
from ssh_transport import Event, ExtInfoReceived, PreBannerLine, Role, TransportCore
from ssh_transport.kex import dh_gex
from ssh_transport.kex.dh_groups import BUILT_IN, SafePrimeGroup
from ssh_transport.messages import KexInit
from ssh_transport.rekey import RekeyLimits
from tests.interop.conftest import launch
from tests.interop.own_client import connect
from tests.interop.own_server import own_server
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import Credentials
from tests.interop.peers.openssh import SSH, sshd
from tests.interop.peers.roles import PeerServer
from tests.interop.test_algorithm_product import Case, Greeting, core_for, session_of
from tests.interop.test_own_client import echo
from tests.recorded import peers
from tests.recorded.peers import PEERS, prepare_folder, sshd_config, sshd_inetd
from tests.recorded.session import Wire

CASE = Case("curve25519-sha256", "ssh-ed25519", "aes128-ctr", "hmac-sha2-256")


class Watched(Greeting):
    """A greeting that remembers what happened."""

    def __init__(self, core: TransportCore) -> None:
        super().__init__(core)
        self.events: list[Event] = []
        self.kexinit = b""
        emit = core.emit

        def remember(event: Event) -> None:
            self.events.append(event)
            emit(event)

        core.emit = remember  # type: ignore[method-assign]

    def run(self, wire: Wire) -> None:
        """See Greeting."""
        super().run(wire)
        assert self.core.strict_kex


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of the peers."""
    return prepare_folder(tmp_path)


# --- The beginning of a connection ---


def test_lines_in_front_of_the_identification_of_sshd(folder: Path) -> None:
    """RFC 4253 section 4.2, as with servers behind a port knocker or an inetd that talks."""
    command = sshd_inetd(sshd_config(folder, {}))
    talking = ["sh", "-c", r'printf "hello\r\nstay a while\n"; exec "$@"', "sh", *command]
    greeting = Watched(core_for(session_of(CASE, "sshd", Role.CLIENT), folder))
    with peers.inetd(talking, folder, home=False) as wire:
        greeting.run(wire)
    lines = [event.line for event in greeting.events if isinstance(event, PreBannerLine)]
    assert lines == [b"hello", b"stay a while"]


#: Extensions of OpenSSH 10, which we have no use for.
NEWER = {b"agent-forward", b"ext-info-in-auth@openssh.com", b"ping@openssh.com"}


@pytest.mark.parametrize(
    ("peer", "extensions"),
    [
        ("sshd", {b"server-sig-algs", b"publickey-hostbound@openssh.com"}),
        ("dropbear", {b"server-sig-algs"}),
        ("asyncssh", {b"server-sig-algs", b"global-requests-ok"}),
        ("ssh", set()),
        ("dbclient", set()),
        ("plink", set()),
        ("asyncssh-client", {b"global-requests-ok"}),
    ],
)
def test_strict_key_exchange_and_extensions(
    peer: str, extensions: set[bytes], folder: Path
) -> None:
    """Everybody is strict; nobody of today announces delay-compression."""
    role = Role.CLIENT if peer in ("sshd", "dropbear", "asyncssh") else Role.SERVER
    session = session_of(CASE, peer, role)
    greeting = Watched(core_for(session, folder))
    with PEERS[peer](session, folder) as wire:
        greeting.run(wire)
    core = greeting.core
    assert set(core.peer_extensions) - NEWER == extensions
    received = [event for event in greeting.events if isinstance(event, ExtInfoReceived)]
    assert len(received) == bool(core.peer_extensions)
    if role is Role.CLIENT:
        assert core.server_sig_algs is not None
        assert {b"ssh-ed25519", b"rsa-sha2-256"} <= set(core.server_sig_algs)


@pytest.mark.parametrize("kex", ["curve25519-sha256", "ecdh-sha2-nistp256"])
def test_guess_of_dropbear(kex: str, folder: Path) -> None:
    """Its client sends the first message of the method that it likes best behind its KEXINIT."""
    session = session_of(Case(kex, *str(CASE).split("+")[1:]), "dbclient", Role.SERVER)
    greeting = Watched(core_for(session, folder))
    seen: list[KexInit] = []
    exchange = greeting.core._epochs.kex
    take = exchange.receive_method

    def spy(packet: bytes, start: int, end: int) -> None:
        offers = exchange.offers()
        assert offers is not None
        seen.append(offers[1])
        take(packet, start, end)

    exchange.receive_method = spy  # type: ignore[method-assign]
    handlers = greeting.core._handlers
    handlers[handlers.index(take)] = spy
    with PEERS["dbclient"](session, folder) as wire:
        greeting.run(wire)
    init = seen[0]
    assert init.first_kex_packet_follows
    right = init.kex_algorithms[0] == kex.encode()
    assert len(seen) == (1 if right else 2)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_group_exchange_with_a_moduli_file(
    bits: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of the system's own moduli(5), which OpenSSH checks as it checks those of sshd."""
    moduli = Path("/etc/ssh/moduli")
    if not moduli.exists():
        pytest.skip("no moduli file")
    used: list[SafePrimeGroup] = []
    choose = dh_gex.choose_group

    def spy(*arguments: object) -> SafePrimeGroup:
        used.append(choose(*arguments))  # type: ignore[arg-type]
        return used[-1]

    monkeypatch.setattr(dh_gex, "choose_group", spy)
    names = ("diffie-hellman-group-exchange-sha256", *str(CASE).split("+")[1:])
    session = session_of(Case(*names), "ssh", Role.SERVER)
    core = core_for(session, folder)
    core.config.moduli, core.config.gex_bits = str(moduli), (bits, bits, 8192)
    with PEERS["ssh"](session, folder) as wire:
        Watched(core).run(wire)
    (group,) = used
    assert group.p not in {built_in.p for built_in in BUILT_IN.values()}
    assert f"{group.p:X}" in moduli.read_text()
    assert group.p.bit_length() >= bits


# --- Signature algorithms that a server announced (RFC 8308 section 3.1) ---


@pytest.fixture
def rsa(credentials: Credentials, tmp_path: Path) -> Credentials:
    """The credentials of the run with an RSA key of the user."""
    for name in ("host", "host.pub", "other", "other.pub"):
        (tmp_path / name).write_bytes((credentials.folder / name).read_bytes())
    key = generate_private_key("ssh-rsa", key_size=2048)
    key.write_private_key(str(tmp_path / "user"))
    key.write_public_key(str(tmp_path / "user.pub"))
    for name in ("host", "user"):
        (tmp_path / name).chmod(0o600)
    (tmp_path / "authorized_keys").write_bytes((tmp_path / "user.pub").read_bytes())
    return Credentials(tmp_path, credentials.user, credentials.password)


async def test_our_client_signs_as_dropbear_announced(rsa: Credentials, tmp_path: Path) -> None:
    """It knows rsa-sha2-256 only, and says so; we would use rsa-sha2-512."""
    with launch("dropbear", rsa, tmp_path) as server:
        async with connect(server, rsa) as conn:
            assert (await conn.run("echo in", check=True)).stdout == "in\n"


@pytest.mark.parametrize("name", ["rsa-sha2-256", "rsa-sha2-512"])
async def test_ssh_signs_as_our_server_announced(
    name: str, rsa: Credentials, tmp_path: Path
) -> None:
    async with own_server(rsa, {"signature_algs": name}) as own:
        done = await SSH(tmp_path).exec(own.target(), "cat", b"data")
    assert (done.status, done.stdout) == (0, b"data"), done.text
    assert f"server-sig-algs=<{name}>".encode() in done.stderr, done.text


# --- New keys, with data in flight ---


async def through_sshd(
    server: PeerServer,
    credentials: Credentials,
    data: bytes,
    *,
    rekey_seconds: float = 3600,
    switched: int = 0,
) -> None:
    """Send data through `cat` and back, then commands until sshd has switched keys so often."""
    async with connect(server, credentials, rekey_seconds=rekey_seconds) as conn:
        assert await echo(conn, data) == hashlib.sha256(data).digest()
        async with asyncio.timeout(30):
            while new_switches(server) < switched:
                assert (await conn.run("echo in", check=True)).stdout == "in\n"


def switches(log: bytes) -> int:
    """How many times sshd has switched keys, both directions."""
    return len(re.findall(rb"set_newkeys", log))


def new_switches(server: PeerServer) -> int:
    """How many times it has done so in this test."""
    assert server.process is not None
    return switches(server.process.log_path.read_bytes()[server.process.seen :])


async def test_new_keys_by_time(
    openssh_server: PeerServer, credentials: Credentials, bulk: bytes
) -> None:
    await through_sshd(
        openssh_server, credentials, bulk[: 8 << 20], rekey_seconds=0.3, switched=2 * 4
    )


async def test_new_keys_by_packets(
    openssh_server: PeerServer,
    credentials: Credentials,
    bulk: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RekeyLimits, "max_packets", 100)
    await through_sshd(openssh_server, credentials, bulk[: 16 << 20])
    assert new_switches(openssh_server) >= 2 * 4


async def test_new_keys_from_both_sides_at_once(
    credentials: Credentials, tmp_path: Path, bulk: bytes
) -> None:
    """Both sides ask after each megabyte, in both directions, so that requests cross."""
    with sshd(credentials, tmp_path, {"RekeyLimit": "1M"}) as server:
        async with connect(server, credentials, rekey_bytes=1 << 20) as conn:
            data = bulk[: 16 << 20]

            async def ask() -> None:
                for number in range(20):
                    done = await conn.run(f"echo {number}", check=True)
                    assert done.stdout == f"{number}\n"

            digest, _ = await asyncio.gather(echo(conn, data), ask())
            assert digest == hashlib.sha256(data).digest()
    assert switches((tmp_path / "sshd.log").read_bytes()) >= 2 * 8


# --- Silence ---


def children(pid: int) -> list[int]:
    """The processes that a process started, and what they started."""
    listed = subprocess.run([program("pgrep"), "-P", str(pid)], capture_output=True, check=False)
    own = [int(word) for word in listed.stdout.split()]
    return own + [each for child in own for each in children(child)]


async def test_sshd_that_falls_silent_is_noticed(credentials: Credentials, tmp_path: Path) -> None:
    with launch("sshd", credentials, tmp_path) as server:
        assert server.process is not None
        async with connect(
            server, credentials, keepalive_interval=0.2, keepalive_count_max=3
        ) as conn:
            await asyncio.sleep(1.5)
            # It answers what it does not know, too, so the connection is still there.
            assert (await conn.run("echo in", check=True)).stdout == "in\n"
            stopped = children(server.process.process.pid)
            assert stopped
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                begin = time.monotonic()
                async with asyncio.timeout(10):
                    await conn.wait_closed()
                assert 0.4 <= time.monotonic() - begin < 5
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
