"""Terminals and X11 displays of clients that mean no good, at our server."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import tracemalloc
from pathlib import Path

import pytest

import ssh_meta
from ssh_keys.wire import encode_string, encode_uint32
from ssh_transport import DisconnectReason
from tests.security.conftest import USER_KEY, Serve
from tests.security.live_peer import (
    LivePeer,
    attacking_client,
    channel_data,
    channel_request,
    open_session,
)

DATA, SUCCESS, FAILURE = 94, 99, 100
PROTOCOL_ERROR = DisconnectReason.SSH_DISCONNECT_PROTOCOL_ERROR


def pty_request(
    number: int, term: bytes = b"xterm", columns: int = 80, rows: int = 24, modes: bytes = b"\0"
) -> bytes:
    """The request for a terminal."""
    size = b"".join(encode_uint32(value) for value in (columns, rows, 0, 0))
    return channel_request(number, b"pty-req", encode_string(term) + size + encode_string(modes))


async def start_terminal(peer: LivePeer, window: int = 1 << 20, **options: int) -> int:
    """Log in and start a shell with a terminal."""
    await peer.authenticate("alice", USER_KEY)
    number = await open_session(peer, window=window)
    peer.send(pty_request(number, **options))  # type: ignore[arg-type]
    await peer.expect(SUCCESS)
    peer.send(channel_request(number, b"shell"))
    await peer.expect(SUCCESS)
    return number


@pytest.mark.parametrize("columns", [0, 1, 2, 7, 0xFFFFFFFF])
@pytest.mark.parametrize("seed", range(3))
async def test_anything_may_be_typed(serve: Serve, seed: int, columns: int) -> None:
    """Whatever comes, the server goes on, and lines are no longer than they may be."""
    lines: list[str] = []

    async def read(process: ssh_meta.SSHServerProcess[str]) -> None:
        while True:
            try:
                line = await process.stdin.readline()
            except (ssh_meta.BreakReceived, ssh_meta.TerminalSizeChanged):
                continue
            lines.append(line)
            process.stdout.write(line)
            if line == "the end\n":
                process.exit(0)
                return

    dice = random.Random(seed)
    pieces = [b"\x1b", b"\x1b[", b"\x1b[200~", b"\x1b]", b"\x1bO", b"\x9b", b"\r", b"\x15", b"\x19"]
    pieces += [b"\x1b[A", b"\x04", b"\x03", b"\xff", b"\xe4\xb8\x96", b"\xcc\x81", b"\t", b"a" * 99]
    async with (
        serve(
            process_factory=read, encoding="utf-8", errors="replace", max_line_length=200
        ) as victim,
        attacking_client(victim.port) as peer,
    ):
        number = await start_terminal(peer, columns=columns, rows=columns)
        for _ in range(100):
            typed = b"".join(dice.choices([*pieces, dice.randbytes(3)], k=20))
            peer.send(channel_data(number, typed))
            size = b"".join(encode_uint32(dice.choice((0, 1, 5, 300, 1 << 31))) for _ in range(4))
            peer.send(channel_request(number, b"window-change", size, reply=False))
            await asyncio.sleep(0)
        # Out of whatever has begun, to a line of its own.
        peer.send(channel_data(number, b"\x18\x1b[201~\x18a\x1b[201~\r\x03the end\r"))
        await peer.expect(97)
    assert lines[-1] == "the end\n"
    assert max(map(len, lines)) <= 201


@pytest.mark.parametrize("typed", [b"\x1b[A\r", b"abcdefg\r", b"\x1b[D", b"\x1b]52;c;AAAA"])
async def test_memory_of_a_terminal_is_bounded(serve: Serve, typed: bytes) -> None:
    """Nobody reads, on either side: four megabytes are typed and take no more than the windows."""
    stop = asyncio.Event()

    async def read_nothing(process: ssh_meta.SSHServerProcess[str]) -> None:
        await stop.wait()

    window = 1 << 17
    async with (
        serve(process_factory=read_nothing, encoding="utf-8", window=window) as victim,
        attacking_client(victim.port) as peer,
    ):
        number = await start_terminal(peer, window=0)
        peer.send(channel_data(number, b"x" * 1000 + b"\r"))
        room = {"left": window - 1001}

        def adjusted(payload: bytes) -> None:
            room["left"] += int.from_bytes(payload[5:9], "big")

        peer.on_payload(93, adjusted)
        gc.collect()
        tracemalloc.start()
        try:
            sent = 0
            piece = typed * (4096 // len(typed))
            for _ in range(1000):
                if room["left"] < len(piece):
                    await asyncio.sleep(0.001)
                    continue
                peer.send(channel_data(number, piece))
                room["left"] -= len(piece)
                sent += len(piece)
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # What this client keeps of its own is in it, too.
        assert peak < 16 * window, (sent, peak)
        assert not victim.record.lost
        stop.set()


# --- X11 -------------------------------------------------------------------------------------


def x11_request(
    number: int,
    protocol: bytes = b"MIT-MAGIC-COOKIE-1",
    cookie: bytes = b"00" * 16,
    screen: int = 0,
) -> bytes:
    """The request to forward X11."""
    fields = encode_string(protocol) + encode_string(cookie) + encode_uint32(screen)
    return channel_request(number, b"x11-req", b"\0" + fields)


@pytest.mark.parametrize("allowed", [False, True])
async def test_x11_has_to_be_allowed(serve: Serve, tmp_path: Path, allowed: bool) -> None:
    path = tmp_path / "auth"
    async with (
        serve(x11_forwarding=allowed, x11_auth_path=path) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        number = await open_session(peer)
        peer.send(x11_request(number))
        await peer.expect(SUCCESS if allowed else FAILURE)
        assert path.exists() == allowed


@pytest.mark.parametrize(
    "request_data",
    [
        {"cookie": b""},
        {"cookie": b"0"},
        {"cookie": b"zz" * 16},
        {"cookie": b"00\n\n" * 8},
        {"cookie": b"00" * 30_000},
        {"protocol": b""},
        {"protocol": b"a b\n"},
        {"protocol": b"x" * 30_000},
        {"screen": (1 << 32) - 1},
    ],
    ids=["none", "odd", "no digits", "blanks", "long", "no name", "blank", "long name", "screen"],
)
async def test_strange_x11_requests(
    serve: Serve, tmp_path: Path, request_data: dict[str, object]
) -> None:
    path = tmp_path / "auth"
    async with (
        serve(x11_forwarding=True, x11_auth_path=path) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        number = await open_session(peer)
        peer.send(x11_request(number, **request_data))  # type: ignore[arg-type]
        await peer.expect(FAILURE)
        assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" + encode_string(b"x") + b"\0\0\0\x09x"])
async def test_cut_x11_request(serve: Serve, tmp_path: Path, data: bytes) -> None:
    async with (
        serve(x11_forwarding=True, x11_auth_path=tmp_path / "auth") as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        number = await open_session(peer)
        peer.send(channel_request(number, b"x11-req", data))
        code, _ = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR


async def test_one_display_for_a_session(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "auth"
    async with (
        serve(x11_forwarding=True, x11_auth_path=path) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        number = await open_session(peer)
        peer.send(x11_request(number))
        await peer.expect(SUCCESS)
        size = path.stat().st_size
        for _ in range(20):
            peer.send(x11_request(number))
            await peer.expect(FAILURE)
        assert path.stat().st_size == size
        # Nothing but loopback can reach it.
        display = int(path.read_bytes().split(b"\x00\x12MIT")[0][-2:])
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex(("127.0.0.1", 6000 + display)) == 0
        mine = socket.gethostbyname(socket.gethostname())
        if not mine.startswith("127."):
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((mine, 6000 + display)) != 0
