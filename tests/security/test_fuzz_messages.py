"""Changed and invented messages of both upper layers, under keys, on loopback.

Whatever comes, our side goes on, or ends the connection with a documented error; the fixture of
this folder fails the test if a traceback got into the log.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

import ssh_meta
from ssh_keys.wire import encode_string, encode_uint32
from ssh_transport import DisconnectError
from tests.security.conftest import USER_KEY, Serve, VictimServer
from tests.security.live_peer import (
    WAIT,
    LivePeer,
    attacking_client,
    attacking_server,
    channel_data,
    channel_open,
    channel_request,
    global_request,
    password_request,
    userauth_request,
)
from tests.security.raw_peer import HOST_KEY

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "60"))  # connections per test
MESSAGES = 40  # messages per connection, unless the victim ends it before

AUTHORITY = ssh_meta.generate_private_key("ssh-ed25519")
CERTIFICATE = AUTHORITY.generate_user_certificate(USER_KEY, "id", principals=["alice"])

USERAUTH = [
    userauth_request(b"alice", b"none"),
    password_request(b"alice", b"wrong"),
    userauth_request(
        b"alice",
        b"publickey",
        b"\x00" + encode_string(b"ssh-ed25519") + encode_string(USER_KEY.public_data),
    ),
    userauth_request(b"alice", b"keyboard-interactive", encode_string(b"") * 2),
    userauth_request(
        b"alice",
        b"publickey",
        b"\x00"
        + encode_string(b"ssh-ed25519-cert-v01@openssh.com")
        + encode_string(CERTIFICATE.public_data),
    ),
    userauth_request(
        b"alice",
        b"hostbased",
        encode_string(b"ssh-ed25519")
        + encode_string(AUTHORITY.public_data)
        + encode_string(b"host.example.org.")
        + encode_string(b"alice")
        + encode_string(encode_string(b"ssh-ed25519") + encode_string(bytes(64))),
    ),
    b"\x3d" + encode_uint32(1) + encode_string(b"answer"),
    b"\x05" + encode_string(b"ssh-userauth"),
    b"\xc0" + encode_string(b"ping"),
    b"\x02" + encode_string(b"ignored"),
    b"\x04\x00" + encode_string(b"debug") + encode_string(b""),
]

# What is neither of the one layer nor of the other.
OTHERS = USERAUTH[-4:]

PTY = encode_string(b"xterm") + encode_uint32(80) * 4 + encode_string(b"\x01\x00\x00\x00\x03\x00")
ADDRESS = encode_string(b"127.0.0.1") + encode_uint32(1)

CONNECTION = [
    channel_open(0),
    channel_open(1, kind=b"direct-tcpip", rest=ADDRESS * 2),
    channel_open(2, kind=b"direct-streamlocal@openssh.com", rest=encode_string(b"/x") + ADDRESS),
    channel_request(0, b"pty-req", PTY),
    channel_request(0, b"env", encode_string(b"LANG") + encode_string(b"C")),
    channel_request(0, b"exec", encode_string(b"echo")),
    channel_request(0, b"shell"),
    channel_request(0, b"subsystem", encode_string(b"sftp")),
    channel_request(0, b"window-change", bytes(16), reply=False),
    channel_request(0, b"signal", encode_string(b"TERM"), reply=False),
    channel_request(0, b"break", encode_uint32(500)),
    channel_data(0, b"\x00\x00\x00\x05\x01\x00\x00\x00\x03"),
    channel_data(0, encode_string(b"\x0b" + encode_uint32(1) + encode_string(b"/"))),
    b"\x5d" + encode_uint32(0) + encode_uint32(1000),
    b"\x60" + encode_uint32(0),
    b"\x61" + encode_uint32(0),
    global_request(b"tcpip-forward", encode_string(b"") + encode_uint32(0)),
    global_request(b"cancel-tcpip-forward", encode_string(b"") + encode_uint32(1)),
    global_request(b"no-more-sessions@openssh.com", reply=False),
    global_request(b"keepalive@openssh.com"),
    global_request(b"hostkeys-prove-00@openssh.com", encode_string(HOST_KEY.public_data)),
    channel_request(0, b"auth-agent-req@openssh.com"),
    *OTHERS,
]


def changed(rng: random.Random, payload: bytes) -> bytes:
    """A message with something wrong, most of the time."""
    data = bytearray(payload)
    kind = rng.randrange(6)
    if kind == 0:
        return payload
    place = rng.randrange(len(data))
    if kind == 1:
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        data[place:place] = rng.randbytes(rng.randrange(1, 9))
    elif kind == 4:
        data[place : place + 4] = rng.choice(
            [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", encode_uint32(len(data))]
        )
    else:
        data[1:] = rng.randbytes(rng.randrange(60))
    return bytes(data) or b"\x00"


async def attack(victim: VictimServer, messages: list[bytes], seed: int, *, login: bool) -> None:
    """One connection that sends changed messages until it is ended or has sent them all."""
    rng = random.Random(seed)
    async with attacking_client(victim.port) as peer:
        if login:
            await peer.authenticate("alice", USER_KEY)
        else:
            await peer.request_userauth()
        for _ in range(MESSAGES):
            if peer.lost.done():
                break
            peer.send(changed(rng, rng.choice(messages)))
            await asyncio.sleep(0)
        await still_there_or_gone(peer)


async def still_there_or_gone(peer: LivePeer) -> None:
    """The victim answers, or has closed the connection: it does not just sit there."""
    if not peer.lost.done():
        peer.send(b"\xc0" + encode_string(b"still there?"))
        async with asyncio.timeout(WAIT):
            while not peer.lost.done() and not any(said[0] == 193 for said in peer.said):
                peer._news.clear()
                await peer._news.wait()


@pytest.mark.parametrize("layer", ["userauth", "connection"])
async def test_changed_messages(serve: Serve, layer: str) -> None:
    messages = USERAUTH if layer == "userauth" else CONNECTION
    async with serve(
        sftp_factory=True,
        max_auth_tries=20,
        process_factory=None,
        max_startups=(100, 100, 100),
        send_server_host_keys=True,
        known_client_hosts=b"host.example.org " + AUTHORITY.export_public_key(),
        trust_client_host=True,
    ) as victim:
        for seed in range(ROUNDS):
            await attack(victim, messages, seed, login=layer == "connection")
        await victim.lost(ROUNDS)
        for error in victim.record.lost:
            assert error is None or isinstance(error, DisconnectError)
        if layer == "userauth":
            assert victim.record.completed == []


async def test_fuzzed_server_is_as_good_as_before(serve: Serve) -> None:
    """What the attacks leave behind does not disturb others."""
    async with serve(sftp_factory=True) as victim:
        for seed in range(10):
            await attack(victim, CONNECTION, 1000 + seed, login=True)
        async with ssh_meta.connect(
            "127.0.0.1",
            victim.port,
            username="alice",
            client_keys=[USER_KEY],
            known_hosts=None,
            agent_path=None,
        ) as conn:
            assert (await conn.run("echo", input="x" * 100_000)).stdout == "x" * 100_000


# --- Our client against a server that sends changed messages -----------------------------------

SERVER_AUTH = [
    b"\x06" + encode_string(b"ssh-userauth"),
    b"\x33" + encode_string(b"publickey,password,keyboard-interactive") + b"\x00",
    b"\x33" + encode_string(b"password") + b"\x01",
    b"\x35" + encode_string(b"banner") + encode_string(b"en"),
    b"\x3c" + encode_string(b"ssh-ed25519") + encode_string(USER_KEY.public_data),
    b"\x3c" + encode_string(b"") * 3 + encode_uint32(1) + encode_string(b"Password: ") + b"\x00",
    b"\x07" + encode_uint32(1) + encode_string(b"server-sig-algs") + encode_string(b"ssh-ed25519"),
    *OTHERS,
]

SERVER_CHANNEL = [
    b"\x5b" + encode_uint32(0) * 2 + encode_uint32(1 << 20) + encode_uint32(32768),
    b"\x5c" + encode_uint32(0) + encode_uint32(1) + encode_string(b"no") + encode_string(b""),
    b"\x63" + encode_uint32(0),
    b"\x64" + encode_uint32(0),
    channel_data(0, b"output\xff\xfe"),
    b"\x5f" + encode_uint32(0) + encode_uint32(1) + encode_string(b"error"),
    channel_request(0, b"exit-status", encode_uint32(3), reply=False),
    channel_request(
        0,
        b"exit-signal",
        encode_string(b"TERM") + b"\x01" + encode_string(b"text") + encode_string(b""),
        reply=False,
    ),
    channel_request(0, b"xon-xoff", b"\x01", reply=False),
    channel_open(9, kind=b"forwarded-tcpip", rest=ADDRESS * 2),
    b"\x5d" + encode_uint32(0) + encode_uint32(1000),
    b"\x60" + encode_uint32(0),
    b"\x61" + encode_uint32(0),
    global_request(b"hostkeys-00@openssh.com", encode_string(USER_KEY.public_data), reply=False),
    global_request(b"keepalive@openssh.com"),
    channel_open(10, kind=b"auth-agent@openssh.com"),
    b"\x51" + encode_string(encode_string(b"ssh-ed25519") + encode_string(bytes(64))),
    *OTHERS,
]


class FuzzingServer:
    """Lets a client in if it is to, and then sends changed messages until it hears no more."""

    def __init__(self, seed: int, *, login: bool) -> None:
        self.rng = random.Random(seed)
        self.login = login
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, peer: LivePeer) -> None:
        self.tasks.append(asyncio.ensure_future(self.run(peer)))

    async def run(self, peer: LivePeer) -> None:
        """Serve one client."""
        await asyncio.shield(peer.ready)
        messages = SERVER_CHANNEL if self.login else SERVER_AUTH
        peer.send(SERVER_AUTH[0])
        await peer.expect(50)
        if self.login:
            peer.send(b"\x34")
            await peer.expect(90)
            peer.send(SERVER_CHANNEL[0])
        for _ in range(MESSAGES):
            if peer.lost.done():
                return
            peer.send(changed(self.rng, self.rng.choice(messages)))
            await asyncio.sleep(0)
        peer.close()


@pytest.mark.parametrize("login", [False, True], ids=["userauth", "connection"])
async def test_changed_messages_of_a_server(login: bool) -> None:
    for seed in range(ROUNDS):
        hostile = FuzzingServer(seed, login=login)
        async with attacking_server(hostile) as (port, _):
            async with asyncio.timeout(WAIT):
                try:
                    async with ssh_meta.connect(
                        "127.0.0.1",
                        port,
                        username="alice",
                        password="secret",
                        client_keys=[USER_KEY],
                        known_hosts=None,
                        agent_path=None,
                        agent_forwarding="no-such-agent",
                        client_host_keys=[AUTHORITY],
                        client_host="host.example.org",
                        server_host_keys_handler=lambda *keys: None,
                    ) as conn:
                        await conn.run("command", input="input" * 1000)
                except ssh_meta.Error:
                    pass
            for task in hostile.tasks:
                task.cancel()
            await asyncio.gather(*hostile.tasks, return_exceptions=True)
