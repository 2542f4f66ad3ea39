"""Table "Channels, files, local parts" of the requirements, on loopback, in both roles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import ssh_meta
from ssh_connection.channel.link import DEFAULT_MAX_PKTSIZE
from ssh_keys.wire import Reader, encode_boolean, encode_string, encode_uint32
from ssh_transport import DisconnectReason
from tests.security.conftest import USER_KEY, Serve
from tests.security.live_peer import (
    WAIT,
    LivePeer,
    attacking_client,
    attacking_server,
    channel_data,
    channel_open,
    channel_request,
    confirmed,
    global_request,
    open_session,
    userauth_request,
)

PROTOCOL_ERROR = DisconnectReason.SSH_DISCONNECT_PROTOCOL_ERROR
CONFIRMATION, OPEN_FAILURE, WINDOW_ADJUST, DATA, EOF, CLOSE, SUCCESS, FAILURE = (
    91,
    92,
    93,
    94,
    96,
    97,
    99,
    100,
)


def exec_request(number: int, command: bytes = b"echo") -> bytes:
    """The request that starts a command."""
    return channel_request(number, b"exec", encode_string(command))


async def logged_in(peer: LivePeer) -> None:
    """Authenticate as alice."""
    await peer.authenticate("alice", USER_KEY)


# --- Our server ------------------------------------------------------------------------------


async def test_echo_works(serve: Serve) -> None:
    """The attacks below fail for the right reason: this works."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        peer.send(exec_request(chan))
        await peer.expect(SUCCESS)
        peer.send(channel_data(chan, b"hello"))
        assert (await peer.expect(DATA)).endswith(b"hello")


def extended_data(number: int, datatype: int) -> bytes:
    """SSH_MSG_CHANNEL_EXTENDED_DATA."""
    return b"\x5f" + encode_uint32(number) + encode_uint32(datatype) + encode_string(b"x")


PTY = encode_string(b"xterm") + bytes(16)

#: What ends the connection with a protocol error, given the number of an open session.
VIOLATIONS: dict[str, Callable[[int], bytes]] = {
    "data on a channel that is not": lambda chan: channel_data(chan + 77, b"x"),
    "data with a wrong length": lambda chan: b"\x5e" + encode_uint32(chan) + encode_uint32(99),
    "data with bytes behind": lambda chan: channel_data(chan, b"x") + b"x",
    "data without a length": lambda chan: b"\x5e" + encode_uint32(chan),
    "cut channel number": lambda chan: b"\x5e\x00\x00",
    "more than the largest packet": lambda chan: channel_data(chan, bytes(DEFAULT_MAX_PKTSIZE + 1)),
    "stderr of a client": lambda chan: (
        b"\x5f" + encode_uint32(chan) + encode_uint32(1) + encode_string(b"x")
    ),
    "window above 4 GiB": lambda chan: b"\x5d" + encode_uint32(chan) + encode_uint32((1 << 32) - 1),
    "reply that was not asked for": lambda chan: b"\x63" + encode_uint32(chan),
    "failure that was not asked for": lambda chan: b"\x64" + encode_uint32(chan),
    "confirmation that was not asked for": lambda chan: b"\x5b" + encode_uint32(chan) + bytes(12),
    "open failure that was not asked for": lambda chan: (
        b"\x5c" + encode_uint32(chan) + encode_uint32(1) + encode_string(b"") * 2
    ),
    "reply to no global request": lambda chan: b"\x51",
    "failure of no global request": lambda chan: b"\x52",
    "request without a type": lambda chan: b"\x62" + encode_uint32(chan),
    "cut pty request": lambda chan: channel_request(
        chan, b"pty-req", encode_string(b"xterm") + bytes(9)
    ),
    "pty request with bytes behind": lambda chan: channel_request(
        chan, b"pty-req", PTY + encode_string(b"\x00") + b"x"
    ),
    "cut pty modes": lambda chan: channel_request(
        chan, b"pty-req", PTY + encode_string(b"\x01\x00\x00")
    ),
    "cut exec request": lambda chan: channel_request(chan, b"exec", encode_uint32(100) + b"ls"),
    "cut env request": lambda chan: channel_request(chan, b"env", encode_string(b"LANG")),
    "cut window change": lambda chan: channel_request(chan, b"window-change", bytes(15)),
    "global request without a type": lambda chan: b"\x50",
    "open without fields": lambda chan: b"\x5a" + encode_string(b"session"),
    "open with half its fields": lambda chan: channel_open()[:-3],
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_violation_ends_the_connection(serve: Serve, violation: str) -> None:
    """CVE-2026-59850, x/crypto 9beb694, GHSA-cqjc-rmpq-xprq and their like."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        peer.send(VIOLATIONS[violation](chan))
        code, reason = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR
        assert reason
        error = await victim.lost()
        assert isinstance(error, ssh_meta.ProtocolError)


@pytest.mark.parametrize("after", [EOF, CLOSE])
@pytest.mark.parametrize(
    "payload",
    [channel_data(0, b"x"), b"\x60" + bytes(4), b"\x5f" + bytes(4) + encode_uint32(1) + bytes(4)],
    ids=["data", "eof", "extended data"],
)
async def test_data_behind_the_end(serve: Serve, after: int, payload: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        assert chan == 0
        peer.send(bytes((after,)) + encode_uint32(chan), payload)
        code, _ = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR


async def test_second_close_is_an_error(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        peer.send(*[bytes((CLOSE,)) + encode_uint32(chan)] * 2)
        code, _ = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR


@pytest.mark.parametrize("encoding", [None, "utf-8"])
async def test_window_overrun(serve: Serve, encoding: str | None) -> None:
    """What is more than the window was allowed is never kept."""
    read = asyncio.Event()

    async def reads_nothing(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        await read.wait()

    async with (
        serve(process_factory=reads_nothing, window=65536, encoding=encoding) as victim,
        attacking_client(victim.port) as peer,
    ):
        await logged_in(peer)
        peer.send(channel_open())
        chan, window, size = confirmed(await peer.expect(CONFIRMATION))
        assert window == 65536
        peer.send(exec_request(chan))
        await peer.expect(SUCCESS)
        for _ in range(window // size):
            peer.send(channel_data(chan, bytes(size)))
        await asyncio.sleep(0.05)
        assert not [said for said in peer.said if said[0] == WINDOW_ADJUST]
        peer.send(channel_data(chan, b"x"))
        code, reason = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR
        assert "window" in reason
        read.set()


@pytest.mark.parametrize("size", [0, 1])
async def test_tiny_packets(serve: Serve, size: int) -> None:
    """CVE-2026-39834, CVE-2026-59843: a packet size of 0 is refused, 1 is slow and works."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(channel_open(max_packet=size))
        answer = await peer.expect(CONFIRMATION, OPEN_FAILURE, 1)
        if size == 0:
            assert answer[0] != CONFIRMATION
        else:
            chan = confirmed(answer)[0]
            peer.send(exec_request(chan))
            await peer.expect(SUCCESS)
            peer.send(channel_data(chan, b"abc"))
            for letter in b"abc":
                assert (await peer.expect(DATA))[-5:] == encode_string(bytes((letter,)))


async def test_no_window_no_data(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer, window=0)
        peer.send(exec_request(chan))
        await peer.expect(SUCCESS)
        peer.send(channel_data(chan, b"abc"))
        peer.send(global_request(b"keepalive@openssh.com"))
        await peer.expect(81, 82)
        assert not [said for said in peer.said if said[0] == DATA]
        peer.send(b"\x5d" + encode_uint32(chan) + encode_uint32(2))
        assert (await peer.expect(DATA)).endswith(b"ab")


async def test_sessions_are_counted(serve: Serve) -> None:
    async with serve(max_sessions=3) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chans = [await open_session(peer, number) for number in range(3)]
        for _ in range(100):
            peer.send(channel_open(99))
        for _ in range(100):
            await peer.expect(OPEN_FAILURE)
        # CVE-2026-3982: what was refused has left nothing behind.
        peer.send(bytes((CLOSE,)) + encode_uint32(chans[0]))
        await peer.expect(CLOSE)
        await open_session(peer, 4)


@pytest.mark.parametrize(
    "kind",
    [
        b"unknown@example.com",
        b"",
        b"\xff\x1b",
        b"x11",
        b"forwarded-tcpip",
        b"auth-agent@openssh.com",
        b"tun@openssh.com",
    ],
)
async def test_other_channel_types_are_refused(serve: Serve, kind: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(channel_open(kind=kind, rest=encode_string(b"localhost") + bytes(12)))
        answer = await peer.expect(OPEN_FAILURE)
        assert Reader(answer, 5).uint32() in (1, 2, 3)
        await open_session(peer)


@pytest.mark.parametrize("rest", [b"", encode_string(b"x"), encode_string(b"\x00") + bytes(4)])
async def test_malformed_direct_tcpip(serve: Serve, rest: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(channel_open(kind=b"direct-tcpip", rest=rest))
        await peer.expect(OPEN_FAILURE, 1)


async def test_forwarding_has_to_be_allowed(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        target = encode_string(b"127.0.0.1") + encode_uint32(victim.port)
        peer.send(
            channel_open(kind=b"direct-tcpip", rest=target + encode_string(b"127.0.0.1") + bytes(4))
        )
        await peer.expect(OPEN_FAILURE)
        peer.send(global_request(b"tcpip-forward", encode_string(b"") + encode_uint32(0)))
        await peer.expect(82)
        peer.send(global_request(b"streamlocal-forward@openssh.com", encode_string(b"/tmp/x")))
        await peer.expect(82)


@pytest.mark.parametrize(
    "name",
    [b"", b"A=B", b"LD_PRELOAD\x00", b"\xff", b"x" * 70_000],
    ids=lambda name: repr(name[:12]),
)
async def test_strange_environment_is_refused(serve: Serve, name: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        peer.send(channel_request(chan, b"env", encode_string(name) + encode_string(b"1")))
        await peer.expect(FAILURE)


async def test_environment_is_bounded(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        accepted = 0
        for number in range(600):
            peer.send(
                channel_request(
                    chan, b"env", encode_string(b"V%d" % number) + encode_string(b"x" * 100)
                )
            )
        for _ in range(600):
            accepted += (await peer.expect(SUCCESS, FAILURE))[0] == SUCCESS
        assert accepted <= 256


async def test_one_session_one_command(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        peer.send(exec_request(chan), exec_request(chan), channel_request(chan, b"shell"))
        await peer.expect(SUCCESS)
        await peer.expect(FAILURE)
        await peer.expect(FAILURE)


async def test_requests_behind_a_pending_answer_are_bounded(serve: Serve) -> None:
    decide = asyncio.Event()

    class Slow(ssh_meta.SSHServerSession[bytes]):
        async def exec_requested(self, command: str) -> bool:
            await decide.wait()
            return True

    class Server(ssh_meta.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def session_requested(self) -> ssh_meta.SSHServerSession[bytes]:
            return Slow()

    async with (
        serve(server_factory=Server, process_factory=None) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.request_userauth()
        peer.send(userauth_request(b"alice", b"none"))
        await peer.expect(52)
        chan = await open_session(peer)
        for _ in range(200):
            peer.send(exec_request(chan))
        await peer.expect_disconnect()
        decide.set()


@pytest.mark.parametrize("reply", [True, False])
async def test_global_request_flood_is_answered_in_order(serve: Serve, reply: bool) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        for number in range(2000):
            peer.send(global_request(b"unknown-%d@example.com" % number, reply=reply))
        for _ in range(2000 if reply else 0):
            await peer.expect(82)
        await open_session(peer)


async def test_unknown_requests_are_refused(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        chan = await open_session(peer)
        for kind in (b"unknown@example.com", b"", b"\xff", b"exit-status", b"xon-xoff"):
            peer.send(channel_request(chan, kind, bytes(4)))
            assert (await peer.expect(FAILURE, 1))[0] == FAILURE


async def test_subsystem_that_is_not_offered(serve: Serve) -> None:
    class Server(ssh_meta.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def session_requested(self) -> ssh_meta.SSHServerSession[bytes]:
            return ssh_meta.SSHServerSession()

    async with (
        serve(server_factory=Server, process_factory=None) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.request_userauth()
        peer.send(userauth_request(b"alice", b"none"))
        await peer.expect(52)
        chan = await open_session(peer)
        peer.send(channel_request(chan, b"subsystem", encode_string(b"sftp")))
        assert (await peer.expect(SUCCESS, FAILURE))[0] == FAILURE


async def test_broken_sftp_ends_its_channel_only(serve: Serve) -> None:
    async with serve(sftp_factory=True) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        for data in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", encode_string(b"\x03" + bytes(8))):
            chan = await open_session(peer)
            peer.send(channel_request(chan, b"subsystem", encode_string(b"sftp")))
            await peer.expect(SUCCESS)
            peer.send(channel_data(chan, data))
            await peer.expect(CLOSE)
            peer.send(bytes((CLOSE,)) + encode_uint32(chan))
        await open_session(peer)


# --- Our client ------------------------------------------------------------------------------

Attack = Callable[[LivePeer, int], Awaitable[None]]


async def friendly_login(peer: LivePeer) -> None:
    """Let our client in."""
    await asyncio.shield(peer.ready)
    peer.send(b"\x06" + encode_string(b"ssh-userauth"))
    await peer.expect(50)
    peer.send(bytes((52,)))


class HostileServer:
    """Lets our client in, confirms its sessions, and then attacks."""

    def __init__(self, attack: Attack, *, window: int = 1 << 20, max_packet: int = 32768) -> None:
        self.attack = attack
        self.window = window
        self.max_packet = max_packet
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, peer: LivePeer) -> None:
        self.tasks.append(asyncio.ensure_future(self.run(peer)))

    async def run(self, peer: LivePeer) -> None:
        await friendly_login(peer)
        opened = await peer.expect(90)
        reader = Reader(opened, 1)
        reader.string()
        number = reader.uint32()
        peer.send(
            b"\x5b"
            + encode_uint32(number)
            + encode_uint32(0)
            + encode_uint32(self.window)
            + encode_uint32(self.max_packet)
        )
        await self.attack(peer, number)

    async def stop(self) -> None:
        """Wait for the attacks, end what still runs; raise what they ran into."""
        await asyncio.wait(self.tasks, timeout=WAIT)
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, AssertionError):
                raise result


async def client(port: int, **options: object) -> ssh_meta.SSHClientConnection:
    """Connect our client."""
    settings: dict[str, object] = {
        "username": "alice",
        "password": "secret",
        "known_hosts": None,
        "client_keys": None,
        "agent_path": None,
        **options,
    }
    async with asyncio.timeout(WAIT):
        return await ssh_meta.connect("127.0.0.1", port, **settings)  # type: ignore[arg-type]


CLIENT_VIOLATIONS: dict[str, Callable[[int], list[bytes]]] = {
    "data before the answer to exec is fine, more than the window is not": lambda chan: (
        [channel_data(chan, bytes(32768))] * 80
    ),
    "data that is larger than a packet": lambda chan: [
        channel_data(chan, bytes(DEFAULT_MAX_PKTSIZE + 1))
    ],
    "data on another channel": lambda chan: [channel_data(chan + 1, b"x")],
    "unknown extended data": lambda chan: [extended_data(chan, 7)],
    "a second confirmation": lambda chan: [b"\x5b" + encode_uint32(chan) + bytes(12)],
    "cut exit status": lambda chan: [channel_request(chan, b"exit-status", b"\x00", reply=False)],
    "data behind EOF": lambda chan: [b"\x60" + encode_uint32(chan), channel_data(chan, b"x")],
    "replies to nothing": lambda chan: [b"\x63" + encode_uint32(chan)] * 10,
    "global replies to nothing": lambda chan: [b"\x51"],
    "window above 4 GiB": lambda chan: [
        b"\x5d" + encode_uint32(chan) + encode_uint32((1 << 32) - 1)
    ],
}


@pytest.mark.parametrize("violation", CLIENT_VIOLATIONS)
async def test_server_violation_ends_the_connection(violation: str) -> None:
    ended: list[tuple[int, str]] = []

    async def attack(peer: LivePeer, number: int) -> None:
        await peer.expect(98)
        peer.send(*CLIENT_VIOLATIONS[violation](number))
        ended.append(await peer.expect_disconnect())

    hostile = HostileServer(attack)
    async with attacking_server(hostile) as (port, _):
        conn = await client(port)
        async with asyncio.timeout(WAIT):
            with pytest.raises(ssh_meta.Error):
                await conn.run("command", check=True)
            await conn.wait_closed()
        await hostile.stop()
    assert ended[0][0] == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "kind",
    [
        b"session",
        b"direct-tcpip",
        b"forwarded-tcpip",
        b"forwarded-streamlocal@openssh.com",
        b"x11",
        b"auth-agent@openssh.com",
        b"unknown@example.com",
    ],
)
async def test_client_refuses_channels_that_it_did_not_ask_for(kind: bytes) -> None:
    """CVE-2023-38408 and others: a server reaches nothing through us unasked."""
    answers: list[int] = []

    async def attack(peer: LivePeer, number: int) -> None:
        rest = encode_string(b"127.0.0.1") + encode_uint32(22) + encode_string(b"") + bytes(4)
        peer.send(channel_open(5, kind=kind, rest=rest))
        answers.append((await peer.expect(CONFIRMATION, OPEN_FAILURE))[0])
        peer.close()

    hostile = HostileServer(attack)
    async with attacking_server(hostile) as (port, _):
        conn = await client(port)
        with pytest.raises(ssh_meta.Error):
            await conn.run("command", check=True)
        await conn.wait_closed()
        await hostile.stop()
    assert answers == [OPEN_FAILURE]


async def test_confirmation_with_packet_size_zero() -> None:
    async def attack(peer: LivePeer, number: int) -> None:
        await peer.expect_end()

    hostile = HostileServer(attack, max_packet=0)
    async with attacking_server(hostile) as (port, _):
        conn = await client(port)
        async with asyncio.timeout(WAIT):
            with pytest.raises(ssh_meta.Error):
                await conn.run("command", input="data", check=True)
        conn.abort()
        await conn.wait_closed()
        await hostile.stop()


async def test_server_text_in_errors_is_escaped() -> None:
    async def attack(peer: LivePeer, number: int) -> None:
        await peer.expect(98)
        peer.send(b"\x63" + encode_uint32(number))
        signal = encode_string(b"KILL\x1b[2J") + encode_boolean(False)
        text = encode_string(b"\x1b]0;owned\x07") + encode_string(b"\x00")
        peer.send(channel_request(number, b"exit-signal", signal + text, reply=False))
        peer.send(b"\x61" + encode_uint32(number))
        await peer.expect_end()

    hostile = HostileServer(attack)
    async with attacking_server(hostile) as (port, _):
        async with await client(port) as conn:
            async with asyncio.timeout(WAIT):
                with pytest.raises(ssh_meta.ProcessError) as caught:
                    await conn.run("command", check=True)
            assert str(caught.value).isprintable()
        await hostile.stop()


async def test_sftp_answers_of_a_hostile_server() -> None:
    """Wrong ids, lengths and orders end the SFTP session with one error, not the connection."""
    for version_reply in (
        b"\xff\xff\xff\xff",
        encode_string(b"\x02"),
        encode_string(b"\x02" + encode_uint32(99)),
        encode_string(b"\x65" + bytes(8)),
        encode_string(b"\x02" + encode_uint32(3) + encode_uint32(1 << 31)),
    ):

        async def attack(peer: LivePeer, number: int, reply: bytes = version_reply) -> None:
            await peer.expect(98)
            peer.send(b"\x63" + encode_uint32(number), channel_data(number, reply))
            await peer.expect(CLOSE)
            peer.send(b"\x61" + encode_uint32(number))
            await peer.expect_end()

        hostile = HostileServer(attack)
        async with attacking_server(hostile) as (port, _):
            async with await client(port) as conn:
                async with asyncio.timeout(WAIT):
                    with pytest.raises(ssh_meta.SFTPError):
                        await conn.start_sftp_client()
                assert not conn.is_closed()
            await hostile.stop()
