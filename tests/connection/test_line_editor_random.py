"""Sessions with a terminal, and everything that can happen in any order: nothing typed is lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from ssh_connection import BreakReceived, SSHServerProcess
from ssh_connection.editor.channel import SSHLineEditorChannel as Implementation

from .channels import RawPeer
from .test_line_editor_channel import Recorder, start_terminal

SEEDS = range(10)


def type_something(dice: random.Random, peer: RawPeer, chan: Implementation[Any]) -> str:
    """Have the client type as much as it may; return the characters of it that are text."""
    size = dice.randint(0, chan.receive_room)
    typed = bytes(dice.choices(b"abc def\r\r", k=size))
    if size:
        peer.send(94, 0, typed)
    peer.sent()
    return typed.replace(b"\r", b"").decode()


async def settle(peer: RawPeer, chan: Implementation[Any]) -> None:
    """Wait until all that was typed is with the session."""
    async with asyncio.timeout(10):
        while chan._typed_left() or chan._edit_scheduled or chan._breaking or chan._end_waits:
            await asyncio.sleep(0)
            peer.sent()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ["nothing", "bytes", "eof", "close", "eof and close"])
async def test_session_of_callbacks(seed: int, end: str) -> None:
    dice = random.Random(seed)
    peer, session = RawPeer(), Recorder()
    lost: list[Exception | None] = []
    session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
    window = dice.choice([50, 300, 2000, 20000])
    chan = start_terminal(peer, session, window=window, room=1 << 30)
    typed = ""
    breaks: list[asyncio.Future[bool]] = []
    for _ in range(dice.randint(5, 60)):
        match dice.randrange(7):
            case 0 | 1:
                typed += type_something(dice, peer, chan)
            case 2:
                session.chan.pause_reading()
            case 3:
                session.chan.resume_reading()
            case 4:
                session.chan.write("news\n")
            case 5 if chan.receive_room >= 2:
                session.answer = asyncio.get_running_loop().create_future()
                breaks.append(session.answer)
                peer.send(94, 0, b"\r\x03")
            case _:
                await asyncio.sleep(0)
    if end == "bytes":
        session.chan.set_encoding(None)
    if "eof" in end:
        peer.send(96, 0)
    if "close" in end:
        peer.send(97, 0)
    session.chan.resume_reading()
    for answer in breaks:
        if not answer.done():
            answer.set_result(True)
    await settle(peer, chan)
    assert peer.error is None
    got = "".join(
        each if isinstance(each, str) else each.decode()
        for each in session.got
        if isinstance(each, str | bytes) and each != "eof"
    )
    got = got.translate({ord(char): None for char in "\r\n\x03"})
    assert typed.startswith(got)
    if "eof" in end or end == "bytes":
        assert got == typed
    else:
        assert len(typed) - len(got) <= 1024  # the line that is not complete
    assert (session.got[-1:] == ["eof"]) == ("eof" in end)
    assert lost == ([None] if "close" in end else [])
    if end == "nothing":
        assert chan.receive_room + chan._typed_credit == window
    elif end == "bytes":
        assert chan.receive_room + chan.credit == window


@pytest.mark.parametrize("seed", SEEDS)
async def test_readers_of_all_kinds(seed: int) -> None:
    dice = random.Random(seed)
    got: list[Any] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        stdin = process.stdin
        while not stdin.at_eof():
            try:
                match dice.randrange(4):
                    case 0:
                        got.append(await stdin.readline())
                    case 1:
                        got.append(await stdin.read(dice.randint(1, 50)))
                    case 2:
                        got.append(await stdin.readexactly(dice.randint(1, 20)))
                    case _:
                        async with asyncio.timeout(dice.choice([0, 0.001, 10])):
                            got.append(await stdin.readuntil("a\n"))
            except asyncio.IncompleteReadError as exc:
                got.append(exc.partial)
            except (BreakReceived, TimeoutError):
                continue
            await asyncio.sleep(0)
        process.exit(0)

    peer = RawPeer()
    window = dice.choice([60, 300, 3000])
    chan = start_terminal(peer, SSHServerProcess(handler), window=window)
    await asyncio.sleep(0)
    typed = ""
    for _ in range(dice.randint(5, 80)):
        typed += type_something(dice, peer, chan)
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
    peer.send(96, 0)
    async with asyncio.timeout(20):
        while not chan._close_wanted:
            await asyncio.sleep(0)
            peer.sent()
    assert peer.error is None
    assert "".join(got).replace("\n", "") == typed
