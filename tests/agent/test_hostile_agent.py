"""Agents that lie, stall or vanish: always one documented error, and never a hang."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssh_agent import (
    AgentConnectionError,
    AgentError,
    AgentExtensionFailure,
    AgentProtocolError,
    AgentTimeoutError,
    SSHAgentClient,
    connect_agent,
)
from ssh_keys import generate_private_key
from ssh_keys.wire import encode_string, encode_uint32
from tests.agent.conftest import FakeAgent, Talk

KEY = generate_private_key("ssh-ed25519")
RSA_KEY = generate_private_key("ssh-rsa", key_size=2048)

OPERATIONS: dict[str, Callable[[SSHAgentClient], Awaitable[object]]] = {
    "get_keys": lambda client: client.get_keys(),
    "sign": lambda client: client.sign(b"blob", b"data"),
    "add_keys": lambda client: client.add_keys([KEY]),
    "add_smartcard_keys": lambda client: client.add_smartcard_keys("provider"),
    "remove_all": lambda client: client.remove_all(),
    "lock": lambda client: client.lock("secret"),
    "query_extensions": lambda client: client.query_extensions(),
}


def frame(body: bytes) -> bytes:
    """A message as it travels."""
    return len(body).to_bytes(4, "big") + body


def answering(*answers: bytes) -> Talk:
    """An agent that gives these raw bytes to one request after the other, then goes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            length = int.from_bytes(await reader.readexactly(4), "big")
            await reader.readexactly(length)
            writer.write(answer)
            await writer.drain()
        writer.write_eof()
        await reader.read()

    return talk


BAD_FRAMES = {
    "nothing": b"",
    "half a length": b"\x00\x00",
    "no content": b"\x00\x00\x00\x00",
    "4 GiB": b"\xff\xff\xff\xff\x06",
    "256 KiB and one": b"\x00\x04\x00\x01\x06",
    "cut": frame(b"\x0c\x00\x00\x00\x00")[:-1],
    "a request": frame(b"\x0b"),
    "unknown number": frame(b"\xc8"),
    "success with fields": frame(b"\x06\x00"),
    "wrong kind": frame(b"\x63\x00\x00\x00\x00"),
    "identities without a count": frame(b"\x0c"),
    "4 billion identities": frame(b"\x0c\xff\xff\xff\xff"),
    "an identity too long": frame(b"\x0c\x00\x00\x00\x01" + encode_uint32(1 << 31) + bytes(8)),
    "bytes behind identities": frame(b"\x0c\x00\x00\x00\x00\x00"),
    "empty signature message": frame(b"\x0e"),
    "signature too long": frame(b"\x0e\xff\xff\xff\xff"),
    "bytes behind the signature": frame(b"\x0e" + encode_string(b"x") + b"\x00"),
    "extension of another name": frame(b"\x1d" + encode_string(b"other")),
    "extension names cut": frame(b"\x06\x00\x00\x00\x09quer"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("answer", BAD_FRAMES)
async def test_bad_answer_is_one_error(fake_agent: FakeAgent, answer: str, operation: str) -> None:
    async with fake_agent(answering(BAD_FRAMES[answer])) as path, connect_agent(path) as client:
        async with asyncio.timeout(10):
            with pytest.raises(AgentError) as caught:
                await OPERATIONS[operation](client)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_refusal_is_told_apart(fake_agent: FakeAgent, operation: str) -> None:
    async with fake_agent(answering(frame(b"\x1c"))) as path, connect_agent(path) as client:
        if operation == "query_extensions":
            assert await client.query_extensions() == []
        else:
            with pytest.raises(AgentExtensionFailure, match="failed to"):
                await OPERATIONS[operation](client)


@pytest.mark.parametrize(
    "answer",
    [b"\x06" + encode_string(b"a@b"), b"\x1d" + encode_string(b"query") + encode_string(b"a@b")],
    ids=["the draft's form", "its successor's"],
)
async def test_both_forms_of_extension_names(fake_agent: FakeAgent, answer: bytes) -> None:
    async with fake_agent(answering(frame(answer))) as path, connect_agent(path) as client:
        assert await client.query_extensions() == ["a@b"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=120), operation=st.sampled_from(sorted(OPERATIONS)))
def test_any_bytes_end_in_a_result_or_one_error(
    fake_agent: FakeAgent, data: bytes, operation: str
) -> None:
    async def run() -> None:
        async with fake_agent(answering(data)) as path, connect_agent(path) as client:
            try:
                async with asyncio.timeout(10):
                    await OPERATIONS[operation](client)
            except AgentError:
                pass

    asyncio.run(run())


async def test_agent_that_never_answers(fake_agent: FakeAgent) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        fake_agent(silent) as path,
        connect_agent(path, timeout=0.05) as client,
    ):
        waiting = asyncio.create_task(client.get_keys())
        with pytest.raises(AgentTimeoutError, match=r"list its keys within 0\.05 seconds"):
            await client.get_keys()
        with pytest.raises(AgentError):
            await waiting
        with pytest.raises(AgentConnectionError):
            await client.get_keys()


async def test_agent_that_never_reads(fake_agent: FakeAgent) -> None:
    """A request that cannot be sent is bounded by the same time-out, and so is closing."""

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await asyncio.Event().wait()

    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))
    async with fake_agent(deaf) as path, asyncio.timeout(10):
        async with connect_agent(path, timeout=0.1) as client:
            results = await asyncio.gather(
                *(client.sign(b"blob", bytes(200_000)) for _ in range(20)), return_exceptions=True
            )
        assert all(isinstance(result, AgentConnectionError) for result in results)
    del results  # their tracebacks hold everything
    gc.collect()
    assert not reported, "an error that nobody looks at ends up on the terminal"


async def test_agent_that_talks_without_being_asked(fake_agent: FakeAgent) -> None:
    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"\x06"))
        await reader.read()

    async with fake_agent(eager) as path, connect_agent(path) as client:
        await client.wait_closed()
        with pytest.raises(AgentProtocolError, match="nobody asked for"):
            await client.remove_all()


async def test_flood_of_answers_is_not_stored(fake_agent: FakeAgent) -> None:
    """The connection ends at the first answer too many, whatever follows it."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        while True:
            writer.write(frame(b"\x0c\x00\x00\x00\x00") * 1000)
            await writer.drain()

    async with fake_agent(flood) as path, connect_agent(path) as client:
        async with asyncio.timeout(10):
            assert await client.get_keys() == []
            await client.wait_closed()
        with pytest.raises(AgentProtocolError, match="nobody asked for"):
            await client.get_keys()


async def test_identities_that_are_no_keys_are_left_out(fake_agent: FakeAgent) -> None:
    blobs = [
        b"",
        b"\xff\xff\xff\xff",
        encode_string(b"future-key@example.com") + b"data",
        KEY.public_data,
    ]
    answer = b"\x0c" + encode_uint32(len(blobs))
    answer += b"".join(encode_string(blob) + encode_string(b"\xff\n\x1b[31m") for blob in blobs)
    async with fake_agent(answering(frame(answer))) as path, connect_agent(path) as client:
        (pair,) = await client.get_keys()
        assert pair.public_data == KEY.public_data
        assert pair.get_comment_bytes() == b"\xff\n\x1b[31m"
        assert "\x1b" not in repr(pair)


@pytest.mark.parametrize(
    "signature",
    [encode_string(b"ssh-rsa") + encode_string(b"x"), b"", b"\x00\x00\x00\xff"],
    ids=["SHA-1", "empty", "cut"],
)
async def test_agent_that_ignores_the_rsa_flags(fake_agent: FakeAgent, signature: bytes) -> None:
    listed = b"\x0c" + encode_uint32(1) + encode_string(RSA_KEY.public_data) + encode_string(b"")
    talk = answering(frame(listed), frame(b"\x0e" + encode_string(signature)))
    async with fake_agent(talk) as path, connect_agent(path) as client:
        (pair,) = await client.get_keys()
        with pytest.raises(AgentProtocolError, match="signature"):
            await pair.sign(b"data", b"rsa-sha2-512")
