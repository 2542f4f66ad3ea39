"""Keys that OpenSSH's agent does not have, in an agent of the test that has them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from ssh_agent import connect_agent
from ssh_keys import SignatureError, SSHKey, SSHLocalKeyPair, generate_private_key
from ssh_keys.key_types import decode_ssh_private_key
from ssh_keys.wire import Reader, encode_string, encode_uint32
from tests.agent.conftest import FakeAgent

SECP256K1 = "ecdsa-sha2-1.3.132.0.10"
SUCCESS = b"\x06"


@dataclass
class Agent:
    """Remembers what is added, and signs with the key of the test."""

    key: SSHKey
    added: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other (draft-ietf-sshm-ssh-agent)."""
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            writer.write(encode_string(self.answer(await reader.readexactly(size))))
            await writer.drain()

    def answer(self, request: bytes) -> bytes:
        """Answer SSH_AGENTC_ADD_IDENTITY, _REQUEST_IDENTITIES and _SIGN_REQUEST."""
        body = Reader(request[1:])
        if request[0] == 17:
            self.added.append(body.rest())
            return SUCCESS
        if request[0] == 11:
            identity = encode_string(self.key.public_data) + encode_string(b"rare")
            return b"\x0c" + encode_uint32(1) + identity
        assert request[0] == 13
        assert body.string() == self.key.public_data
        return b"\x0e" + encode_string(self.key.sign(body.string()))


async def test_secp256k1(fake_agent: FakeAgent) -> None:
    key = generate_private_key(SECP256K1, "rare")
    agent = Agent(key)
    async with fake_agent(agent.talk) as path, connect_agent(path) as client:
        await client.add_keys([key])
        sent = Reader(agent.added[0])
        assert decode_ssh_private_key(sent) == key
        assert sent.string() == b"rare"
        (pair,) = await client.get_keys()
        assert pair.sig_algorithms == pair.host_key_algorithms == (SECP256K1.encode(),)
        signature = await pair.sign(b"data", SECP256K1.encode())
        key.verify(b"data", signature)


async def test_secp256k1_with_a_certificate(fake_agent: FakeAgent) -> None:
    key = generate_private_key(SECP256K1)
    certificate = key.generate_user_certificate(key, "id", principals=["alice"])
    agent = Agent(key)
    async with fake_agent(agent.talk) as path, connect_agent(path) as client:
        await client.add_keys([SSHLocalKeyPair(key, certificate)])
    sent = Reader(agent.added[0])
    assert sent.string() == f"{SECP256K1}-cert-v01@openssh.com".encode()
    assert sent.string() == certificate.public_data
    numbers = Reader(key.private_data)
    for _ in range(3):
        numbers.string()
    assert sent.mpint() == numbers.mpint()


async def test_no_signatures_under_the_names_of_ssh_com(fake_agent: FakeAgent) -> None:
    """There is no flag that asks an agent for them, and it would make another signature."""
    agent = Agent(generate_private_key("ssh-rsa", key_size=2048))
    async with fake_agent(agent.talk) as path, connect_agent(path) as client:
        (pair,) = await client.get_keys()
        assert pair.sig_algorithms == (b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa")
        with pytest.raises(SignatureError, match="makes no"):
            await pair.sign(b"data", b"ssh-rsa-sha256@ssh.com")
