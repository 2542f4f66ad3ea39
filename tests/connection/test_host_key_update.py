"""Host keys that a server tells after authentication, and that a client asks it to prove."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ssh_connection.connection import host_key_update
from ssh_connection.connection.host_key_update import (
    HOST_KEYS,
    PROVE_HOST_KEYS,
    HostKeyUpdate,
    encode_strings,
    plain_host_keys,
)
from ssh_connection.errors import GlobalRequestError
from ssh_keys import (
    KnownHostsResult,
    PacketDecodeError,
    SignatureError,
    SSHKey,
    SSHLocalKeyPair,
    generate_private_key,
)
from ssh_keys.wire import encode_string
from ssh_transport import ConnectionLost

from .loopback import (
    HOST,
    HOST_KEY,
    HOST_KEY_ECDSA,
    OTHER_KEY,
    RSA_KEY,
    client,
    server_side,
    serving,
)

WAIT = 10
KEYS = [HOST_KEY, HOST_KEY_ECDSA, RSA_KEY]
ALLOWED = (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"rsa-sha2-512", b"rsa-sha2-256")


def public(*keys: SSHKey) -> list[SSHKey]:
    return [key.convert_to_public() for key in keys]


class Handler:
    """Remembers what it is told."""

    def __init__(self, *, asynchronous: bool = False, fails: bool = False) -> None:
        self.told: asyncio.Future[Sequence[list[SSHKey]]]
        self.told = asyncio.get_running_loop().create_future()
        self.calls = 0
        self._asynchronous = asynchronous
        self._fails = fails

    def __call__(self, *keys: list[SSHKey]) -> Any:
        self.calls += 1
        if not self.told.done():
            self.told.set_result(keys)
        if self._fails:
            raise RuntimeError("the handler failed")
        return asyncio.sleep(0) if self._asynchronous else None


# --- Both roles ------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512"])
async def test_all_kinds_of_keys(asynchronous: bool, algorithm: str) -> None:
    handler = Handler(asynchronous=asynchronous)
    revoked = generate_private_key("ssh-ed25519")
    trusted = public(HOST_KEY, OTHER_KEY, RSA_KEY)
    known: Any = (trusted, [], public(HOST_KEY_ECDSA, revoked))
    async with (
        serving(server_host_keys=KEYS, send_server_host_keys=True) as server,
        await client(
            server,
            password="secret",
            known_hosts=known,
            server_host_key_algs=[algorithm],
            server_host_keys_handler=handler,
        ),
    ):
        added, removed, retained, bad = await asyncio.wait_for(handler.told, WAIT)
    assert added == []
    assert removed == public(OTHER_KEY)
    assert retained == public(HOST_KEY, RSA_KEY)
    assert bad == public(HOST_KEY_ECDSA)


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512"])
async def test_new_keys_are_proved(algorithm: str) -> None:
    handler = Handler()
    first = RSA_KEY if "rsa" in algorithm else HOST_KEY
    async with (
        serving(server_host_keys=KEYS, send_server_host_keys=True) as server,
        await client(
            server,
            password="secret",
            known_hosts=(public(first), [], []),
            server_host_key_algs=[algorithm, "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"],
            server_host_keys_handler=handler,
        ),
    ):
        added, removed, retained, bad = await asyncio.wait_for(handler.told, WAIT)
    assert set(added) == set(public(*KEYS)) - set(public(first))
    assert (removed, retained, bad) == ([], public(first), [])


async def test_certificates_are_not_told() -> None:
    handler = Handler()
    authority = generate_private_key("ssh-ed25519")
    cert = authority.generate_host_certificate(HOST_KEY, "h", principals=[HOST])
    async with (
        serving(server_host_keys=[(HOST_KEY, cert)], send_server_host_keys=True) as server,
        await client(
            server,
            password="secret",
            known_hosts=([], [authority], []),
            server_host_keys_handler=handler,
        ),
    ):
        added, *_ = await asyncio.wait_for(handler.told, WAIT)
    assert added == public(HOST_KEY)


@pytest.mark.parametrize("sends", [False, True])
async def test_nobody_is_told_who_did_not_ask(sends: bool) -> None:
    handler = Handler()
    async with serving(server_host_keys=KEYS, send_server_host_keys=sends) as server:
        kwargs: Any = {} if sends else {"server_host_keys_handler": handler}
        async with await client(server, password="secret", **kwargs) as conn:
            assert (await conn.run("x", input="")).exit_status == 7
    assert handler.calls == 0


async def test_handler_that_fails_does_not_end_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = Handler(fails=True)
    async with (
        serving(send_server_host_keys=True) as server,
        await client(server, password="secret", server_host_keys_handler=handler) as conn,
    ):
        await asyncio.wait_for(handler.told, WAIT)
        assert (await conn.run("x", input="")).exit_status == 7
    assert "the handler of host keys failed" in caplog.text


async def test_server_may_tell_once() -> None:
    handler = Handler()
    async with (
        serving(send_server_host_keys=True) as server,
        await client(server, password="secret", server_host_keys_handler=handler) as conn,
    ):
        await asyncio.wait_for(handler.told, WAIT)
        mux = server_side(server)._require_mux()
        mux.send_global_request(HOST_KEYS, encode_strings([OTHER_KEY.public_data]))
        await conn.run("x", input="")
    assert handler.calls == 1


# --- A server that cheats --------------------------------------------------------------------


class Answer:
    """A server that answers with signatures for something."""

    def __init__(self, *signatures: bytes, error: Exception | None = None) -> None:
        self.signatures = signatures
        self.error = error
        self.asked: list[tuple[bytes, bytes]] = []

    async def __call__(self, name: bytes, data: bytes) -> bytes:
        self.asked.append((name, data))
        if self.error is not None:
            raise self.error
        return encode_strings(self.signatures)


def signature(
    key: SSHKey, blob: bytes = b"", session_id: bytes = b"session", name: bytes = PROVE_HOST_KEYS
) -> bytes:
    blob = blob or key.public_data
    data = encode_string(name) + encode_string(session_id) + encode_string(blob)
    return key.sign(data, key.sig_algorithms[0])


def update(answer: Answer, *trusted: SSHKey) -> HostKeyUpdate:
    known = KnownHostsResult(tuple(public(*trusted)))
    return HostKeyUpdate(known, b"session", answer, ALLOWED, 2048)


TOLD = encode_strings([OTHER_KEY.public_data])


async def test_proof() -> None:
    answer = Answer(signature(OTHER_KEY))
    assert await update(answer, HOST_KEY).classify(TOLD) == (
        public(OTHER_KEY),
        public(HOST_KEY),
        [],
        [],
    )
    assert answer.asked == [(PROVE_HOST_KEYS, TOLD)]
    # Nothing to prove, nothing to ask.
    answer = Answer()
    assert await update(answer, OTHER_KEY).classify(TOLD) == ([], [], public(OTHER_KEY), [])
    assert not answer.asked


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(signature(HOST_KEY)),
        Answer(signature(HOST_KEY, OTHER_KEY.public_data)),
        Answer(signature(OTHER_KEY, HOST_KEY.public_data)),
        Answer(signature(OTHER_KEY, session_id=b"another")),
        Answer(signature(OTHER_KEY, name=HOST_KEYS)),
        Answer(signature(OTHER_KEY), signature(OTHER_KEY)),
        Answer(b""),
        Answer(*[b""] * 65),
        Answer(error=GlobalRequestError(PROVE_HOST_KEYS)),
    ],
)
async def test_wrong_proof(answer: Answer) -> None:
    with pytest.raises((SignatureError, PacketDecodeError, GlobalRequestError)):
        await update(answer).classify(TOLD)


async def test_sha1_proves_nothing() -> None:
    told = encode_strings([RSA_KEY.public_data])
    data = encode_string(PROVE_HOST_KEYS) + encode_string(b"session")
    data += encode_string(RSA_KEY.public_data)
    with pytest.raises(SignatureError):
        await update(Answer(RSA_KEY.sign(data, b"ssh-rsa"))).classify(told)
    assert await update(Answer(RSA_KEY.sign(data, b"rsa-sha2-256"))).classify(told)


@pytest.mark.parametrize("data", [b"\0", TOLD[:-1], TOLD + b"\0", encode_strings([b"x"] * 65)])
async def test_malformed_list(data: bytes) -> None:
    with pytest.raises(PacketDecodeError):
        await update(Answer()).classify(data)


async def test_keys_that_are_left_out() -> None:
    told = encode_strings([b"", b"nonsense", encode_string(b"ssh-new") + b"x"])
    answer = Answer()
    assert await update(answer).classify(told) == ([], [], [], [])
    strict = HostKeyUpdate(None, b"session", answer, (b"rsa-sha2-512",), 4096)
    told = encode_strings([OTHER_KEY.public_data, RSA_KEY.public_data])
    assert await strict.classify(told) == ([], [], [], [])
    assert not answer.asked
    # A known key of a type that we would not accept any more is not gone.
    known = KnownHostsResult(tuple(public(OTHER_KEY)))
    strict = HostKeyUpdate(known, b"session", answer, (b"rsa-sha2-512",), 4096)
    assert await strict.classify(told) == ([], [], public(OTHER_KEY), [])


async def test_cheating_server_does_not_reach_the_handler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler()
    real, counter = host_key_update._signed_data, iter(range(256))

    def never_the_same(session_id: bytes, blob: bytes) -> bytes:
        return real(session_id + bytes((next(counter),)), blob)

    monkeypatch.setattr(host_key_update, "_signed_data", never_the_same)
    async with (
        serving(server_host_keys=KEYS, send_server_host_keys=True) as server,
        await client(server, password="secret", server_host_keys_handler=handler) as conn,
    ):
        for _ in range(200):
            if "are not believed" in caplog.text:
                break
            await asyncio.sleep(0.02)
        assert (await conn.run("x", input="")).exit_status == 7
    assert handler.calls == 0


# --- A client that cheats --------------------------------------------------------------------


@pytest.mark.parametrize(
    "blobs",
    [
        [],
        [OTHER_KEY.public_data],
        [HOST_KEY.public_data, OTHER_KEY.public_data],
        [HOST_KEY.public_data, HOST_KEY.public_data],
        [b""],
    ],
)
async def test_server_signs_only_for_its_keys(blobs: list[bytes]) -> None:
    async with (
        serving(send_server_host_keys=True) as server,
        await client(server, password="secret") as conn,
    ):
        with pytest.raises(GlobalRequestError):
            await conn._require_mux().global_request(PROVE_HOST_KEYS, encode_strings(blobs))


async def test_server_that_tells_nothing_proves_nothing() -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        with pytest.raises(GlobalRequestError):
            await conn._require_mux().global_request(
                PROVE_HOST_KEYS, encode_strings([HOST_KEY.public_data])
            )


async def test_key_that_makes_no_allowed_signature() -> None:
    pairs = {RSA_KEY.public_data: SSHLocalKeyPair(RSA_KEY)}
    question = encode_strings([RSA_KEY.public_data])
    refused = host_key_update.prove_host_keys(pairs, b"session", question, (b"ssh-ed25519",))
    assert refused is not None
    assert await refused is None
    proved = host_key_update.prove_host_keys(pairs, b"session", question, (b"rsa-sha2-256",))
    assert proved is not None
    assert await proved


async def test_malformed_question() -> None:
    async with serving(send_server_host_keys=True) as server:
        conn = await client(server, password="secret")
        with pytest.raises(ConnectionLost, match="truncated"):
            await conn._require_mux().global_request(PROVE_HOST_KEYS, b"\0\0")
        await conn.wait_closed()


def test_plain_host_keys() -> None:
    cert = OTHER_KEY.generate_host_certificate(HOST_KEY, "h")
    pairs = {b"a": SSHLocalKeyPair(HOST_KEY, cert), b"b": SSHLocalKeyPair(RSA_KEY)}
    pairs[b"c"] = pairs[b"b"]
    assert list(plain_host_keys(pairs)) == [RSA_KEY.public_data]
