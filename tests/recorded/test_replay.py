"""Sessions with real peers, replayed without them: what we send is the same, byte for byte."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.record_session import sessions
from ssh_transport import CIPHERS, KEX_METHODS, MACS, Role
from tests.recorded.session import DATA, TALKS, Session, Talk, drive, fixed_library
from tests.recorded.tape import FOLDER, OURS, THEIRS, Player, Tape, load

MAX_SIZE = 2 << 20  # of all recordings

PATHS = sorted(FOLDER.glob("*.txt"))


def name(path: Path) -> str:
    return path.stem


def playable(path: Path) -> Tape:
    """A recording, unless this machine lacks what it needs."""
    tape = load(path)
    session = tape.session
    if session.compression != "none" and tape.about["zlib"] != zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip(f"compressed by zlib {tape.about['zlib']}, another one may do it otherwise")
    for row in (
        KEX_METHODS[session.kex.encode()],
        CIPHERS[session.cipher.encode()],
        MACS[session.mac.encode()],
    ):
        if not row.available():
            pytest.skip(f"{row.name.decode()} is not available here")
    return tape


def talk_for(session: Session) -> Talk:
    return TALKS[session.role](session.core(), rekey=session.rekey)


def check(tape: Tape, talk: Talk) -> None:
    """What a session has to have come to."""
    session = tape.session
    assert talk.done
    assert talk.exchanges == 1 + session.rekey
    if session.role is Role.CLIENT:
        assert talk.received == DATA * talk.exchanges
    algorithms = talk.core.algorithms
    assert algorithms is not None
    assert algorithms.kex == session.kex.encode()
    assert algorithms.host_key == session.host_key.encode()
    assert algorithms.cipher_cs == algorithms.cipher_sc == session.cipher.encode()
    mac = b"" if CIPHERS[algorithms.cipher_cs].tag_size else session.mac.encode()
    assert algorithms.mac_cs == algorithms.mac_sc == mac
    assert algorithms.compression_cs == session.compression.encode()


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_replay(path: Path) -> None:
    tape = playable(path)
    talk, player = talk_for(tape.session), Player(tape)
    with fixed_library(tape.session):
        drive(talk, player)
    assert player.finished
    check(tape, talk)


class Splitter:
    """Plays a recording in pieces of other sizes."""

    def __init__(self, tape: Tape, cut: Callable[[bytes], list[bytes]]) -> None:
        self.sent = bytearray()
        self._pieces = [part for who, data in tape.pieces if who == THEIRS for part in cut(data)]

    def send(self, data: bytes) -> None:
        self.sent += data

    def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def by_bytes(data: bytes) -> list[bytes]:
    return [data[start : start + 1] for start in range(len(data))]


def by_sevens(data: bytes) -> list[bytes]:
    return [data[start : start + 7] for start in range(0, len(data), 7)]


@pytest.mark.parametrize("cut", [by_bytes, by_sevens])
@pytest.mark.parametrize("path", PATHS[:: len(PATHS) // 12 or 1], ids=name)
def test_replay_in_other_pieces(path: Path, cut: Callable[[bytes], list[bytes]]) -> None:
    tape = playable(path)
    talk, splitter = talk_for(tape.session), Splitter(tape, cut)
    with fixed_library(tape.session):
        drive(talk, splitter)
    check(tape, talk)
    assert splitter.sent == b"".join(data for who, data in tape.pieces if who == OURS)


def test_every_session_is_recorded_and_nothing_else() -> None:
    assert {path.stem for path in PATHS} == {session.name for session in sessions()}


#: Programs that were not told what to offer: dbclient is told the cipher and the MAC only.
@pytest.mark.parametrize("peer", ["dropbear", "dbclient", "plink", "tinysshd"])
def test_every_name_that_a_peer_offers_and_we_have_is_recorded(peer: str) -> None:
    tapes = [tape for tape in map(load, PATHS) if tape.session.peer == peer]
    tape = next(tape for tape in tapes if tape.session.compression == "none")
    talk = talk_for(tape.session)
    with fixed_library(tape.session):
        drive(talk, Player(tape))
    explanation = talk.core.explain()
    assert explanation is not None
    offered = {
        "kex": {*explanation["key exchange method"].theirs} & {row.name for row in KEX_METHODS},
        "cipher": {*explanation["cipher client to server"].theirs} & {row.name for row in CIPHERS},
        "mac": {*explanation["MAC client to server"].theirs} & {row.name for row in MACS},
    }
    if all(CIPHERS[name].tag_size for name in offered["cipher"]):
        del offered["mac"]  # which it then only offers
    for field, names in offered.items():
        assert names <= {getattr(each.session, field).encode() for each in tapes}, field


def test_recordings_are_small() -> None:
    assert sum(path.stat().st_size for path in PATHS) < MAX_SIZE


def test_a_byte_of_ours_that_changed_is_noticed() -> None:
    tape = load(PATHS[0])
    index = max(i for i, (who, _) in enumerate(tape.pieces) if who == OURS)
    who, data = tape.pieces[index]
    tape.pieces[index] = who, data[:-1] + bytes([data[-1] ^ 1])
    with fixed_library(tape.session), pytest.raises(AssertionError, match="not the"):
        drive(talk_for(tape.session), Player(tape))
