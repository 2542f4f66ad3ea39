"""Packets in the log: `set_debug_level`, and what never gets there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ssh_connection import SSHClient, set_debug_level

from .loopback import QuestionServer, client, serving


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged; the level is as it was afterwards."""
    caplog.set_level(logging.DEBUG, "ssh_connection")
    yield caplog
    set_debug_level(1)


def packets(log: pytest.LogCaptureFixture) -> list[str]:
    """The records of packets, without the number of the connection."""
    found = (record.getMessage().partition("] ")[2] for record in log.records)
    return [each for each in found if each.startswith(("sending ", "received "))]


async def one_session(**kwargs: Any) -> str:
    """Log in, run a command with input, and return its output."""
    async with serving() as server, await client(server, password="secret", **kwargs) as conn:
        done = await conn.run("words", input="typed-text", env={"NAME": "hidden-value"})
        assert isinstance(done.stdout, str)
        return done.stdout


async def test_events_only_unless_it_is_asked_for(log: pytest.LogCaptureFixture) -> None:
    await one_session()
    assert packets(log) == []
    set_debug_level(2)
    set_debug_level(1)
    await one_session()
    assert packets(log) == []


@pytest.mark.parametrize("compression", ["none", "zlib@openssh.com"])
async def test_names_and_sizes(log: pytest.LogCaptureFixture, compression: str) -> None:
    set_debug_level(2)
    assert await one_session(compression_algs=[compression]) == "words\ntyped-text"
    found = packets(log)
    for each in (
        "SSH_MSG_KEXINIT (20), ",
        "key exchange (30), ",
        "SSH_MSG_NEWKEYS (21), 1 bytes",
        "SSH_MSG_USERAUTH_REQUEST (50), 50 bytes",
        "SSH_MSG_USERAUTH_SUCCESS (52), 1 bytes",
        "SSH_MSG_CHANNEL_OPEN (90), 24 bytes",
        "SSH_MSG_CHANNEL_REQUEST env (98), ",
        "SSH_MSG_CHANNEL_REQUEST exec (98), 23 bytes",
        "SSH_MSG_CHANNEL_DATA (94), 19 bytes",
        "SSH_MSG_CHANNEL_CLOSE (97), 5 bytes",
    ):
        for what in ("sending", "received"):
            assert any(record.startswith(f"{what} {each}") for record in found), (what, each)
    assert not any(": " in record or "unknown" in record for record in found)


async def test_dumps(log: pytest.LogCaptureFixture) -> None:
    set_debug_level(3)
    await one_session()
    found = packets(log)
    (opened,) = (each for each in found if each.startswith("sending SSH_MSG_CHANNEL_OPEN (90)"))
    assert opened.endswith(": 5a" + (b"\0\0\0\7session".hex()) + "000000000020000000010000")
    assert opened.replace("sending", "received") in found
    exchanges = [each for each in found if "SSH_MSG_KEXINIT" in each]
    assert len(exchanges) == 4
    assert all(": 14" in each for each in exchanges)
    assert all(record.isprintable() for record in found)


class Answers(SSHClient):
    """Answers two questions."""

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str]:
        return ["me", "1234"]


async def test_no_secret_is_ever_logged(log: pytest.LogCaptureFixture) -> None:
    set_debug_level(3)
    await one_session()
    async with (
        serving(server_factory=QuestionServer) as server,
        await client(server, client_factory=Answers) as conn,
    ):
        await conn.run("x", input="")
    text = log.text
    for secret in ("secret", "typed-text", "hidden-value"):
        assert secret not in text
        assert secret.encode().hex() not in text
    answers = b"\0\0\0\2me\0\0\0\x041234"
    assert answers.hex() not in text
    assert "SSH_MSG_USERAUTH_REQUEST (50)" in text
    assert "sending authentication (61), 19 bytes\n" in text


async def test_bulk_data_and_new_keys(log: pytest.LogCaptureFixture) -> None:
    set_debug_level(2)
    text = "0123456789abcdef" * 50_000
    async with serving() as server, await client(server, password="secret") as conn:
        done = await conn.run("x", input=text)
        assert done.stdout == f"x\n{text}"
    sizes = [
        int(each.rpartition(", ")[2].removesuffix(" bytes"))
        for each in packets(log)
        if each.startswith("received SSH_MSG_CHANNEL_DATA")
    ]
    assert sum(size - 9 for size in sizes) == 2 * len(text) + 2


@pytest.mark.parametrize("level", [0, 4, -1, "2", None, 1.5])
def test_levels_that_do_not_exist(level: Any) -> None:
    with pytest.raises(ValueError, match="1, 2 or 3"):
        set_debug_level(level)


async def test_each_connection_keeps_its_level(log: pytest.LogCaptureFixture) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        set_debug_level(3)
        await conn.run("x", input="")
        assert packets(log) == []
