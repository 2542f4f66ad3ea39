"""The client with the real `ssh-agent`: everything that OpenSSH's own tools can confirm."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from ssh_agent import (
    AgentConnectionError,
    AgentError,
    AgentFailure,
    SSHAgentClient,
    SSHAgentKeyPair,
    connect_agent,
    constraints,
)
from ssh_keys import (
    KeyImportError,
    SignatureError,
    SSHKey,
    SSHLocalKeyPair,
    generate_private_key,
    import_public_key,
    sig_algorithm_of,
)
from tests.agent.conftest import RunningAgent

KEY_TYPES = {
    "ssh-ed25519": "ED25519",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "ssh-rsa": "RSA",
}


def new_key(algorithm: str = "ssh-ed25519") -> SSHKey:
    """A key with a comment."""
    return generate_private_key(algorithm, f"my {algorithm}")


@pytest.mark.parametrize("algorithm", KEY_TYPES)
async def test_key_added_by_us_is_listed_and_signs(agent: RunningAgent, algorithm: str) -> None:
    key = new_key(algorithm)
    async with connect_agent(agent.path) as client:
        await client.add_keys([key])
        assert f"my {algorithm} ({KEY_TYPES[algorithm]})" in agent.ssh_add("-l")
        assert key.get_fingerprint() in agent.ssh_add("-l")
        (pair,) = await client.get_keys()
        assert isinstance(pair, SSHAgentKeyPair)
        assert pair.get_key_type() == "agent"
        assert pair.get_algorithm() == algorithm
        assert pair.get_comment() == f"my {algorithm}"
        assert pair.public_data == key.public_data
        assert pair.sig_algorithms == tuple(
            name for name in key.sig_algorithms if not name.endswith(b"@ssh.com")
        )
        for sig_algorithm in pair.sig_algorithms:
            signature = await pair.sign(b"data", sig_algorithm)
            key.convert_to_public().verify(b"data", signature, [sig_algorithm])
            with pytest.raises(SignatureError):
                key.convert_to_public().verify(b"other data", signature, [sig_algorithm])


@pytest.mark.parametrize("algorithm", KEY_TYPES)
async def test_key_added_by_openssh(agent: RunningAgent, tmp_path: Path, algorithm: str) -> None:
    key = new_key(algorithm)
    key.write_private_key(tmp_path / "key")
    agent.ssh_add(str(tmp_path / "key"))
    async with connect_agent(agent.path) as client:
        (pair,) = await client.get_keys()
        assert pair.public_data == key.public_data
        signature = await pair.sign(b"data", pair.sig_algorithms[0])
        key.verify(b"data", signature)
        await pair.remove()
        assert await client.get_keys() == []
    assert "no identities" in agent.ssh_add("-l", check=False)


async def test_newer_keys(agent: RunningAgent) -> None:
    """Those of `ssh-mldsa44-ed25519`, which OpenSSH has from version 10.6 on."""
    known = subprocess.run(["ssh", "-Q", "key"], capture_output=True, text=True, check=True)
    key, ca = new_key("ssh-mldsa44-ed25519"), new_key()
    certificate = ca.generate_user_certificate(key, "name", principals=["alice"])
    pairs = [SSHLocalKeyPair(key), SSHLocalKeyPair(key, certificate)]
    async with connect_agent(agent.path) as client:
        if "ssh-mldsa44-ed25519" not in known.stdout.split():
            for pair in pairs:
                with pytest.raises(AgentFailure, match="refused to add a key"):
                    await client.add_keys([pair])
            return
        await client.add_keys(pairs)
        found = await client.get_keys()
        assert {each.public_data for each in found} == {each.public_data for each in pairs}
        for each in found:
            signature = await each.sign(b"data", each.sig_algorithms[0])
            key.verify(b"data", signature)


@pytest.mark.parametrize("algorithm", KEY_TYPES)
async def test_certificate_signs_in_the_agent(agent: RunningAgent, algorithm: str) -> None:
    key, ca = new_key(algorithm), new_key()
    certificate = ca.generate_user_certificate(key, "name", principals=["alice"])
    pair = SSHLocalKeyPair(key, certificate)
    async with connect_agent(agent.path) as client:
        await client.add_keys([pair])
        assert f"{KEY_TYPES[algorithm]}-CERT" in agent.ssh_add("-l")
        (found,) = await client.get_keys()
        assert found.public_data == certificate.public_data
        assert found.get_algorithm() == f"{algorithm}-cert-v01@openssh.com"
        assert found.host_key_algorithms[0].endswith(b"-cert-v01@openssh.com")
        for sig_algorithm in found.sig_algorithms:
            signature = await found.sign(b"data", sig_algorithm)
            key.verify(b"data", signature, [sig_algorithm])
        await found.remove()
        assert await client.get_keys() == []


@pytest.mark.parametrize("algorithm", KEY_TYPES)
async def test_x509_certificates_of_keys_in_the_agent(agent: RunningAgent, algorithm: str) -> None:
    """The agent knows nothing of X.509; the key in it signs what the certificate needs."""
    key = new_key(algorithm)
    certificate = key.generate_x509_user_certificate(key, "CN=alice")
    async with connect_agent(agent.path) as client:
        await client.add_keys([key])
        (pair,) = await client.get_keys()
        pair.set_certificate(certificate)
        assert pair.host_key_algorithms == certificate.host_key_algorithms
        for name in pair.host_key_algorithms:
            sig_algorithm = sig_algorithm_of(name)
            signature = await pair.sign(b"data", sig_algorithm)
            key.verify(b"data", signature, [sig_algorithm])
            with pytest.raises(SignatureError):
                key.verify(b"other data", signature, [sig_algorithm])
        with pytest.raises(AgentError):
            await client.add_keys([SSHLocalKeyPair(key, certificate)])


async def test_keys_are_chosen_by_blob(agent: RunningAgent) -> None:
    keys = [new_key(), new_key(), new_key()]
    async with connect_agent(agent.path) as client:
        await client.add_keys(keys)
        wanted = [keys[2].public_data, keys[0].public_data]
        found = await client.get_keys(wanted)
        assert sorted(pair.public_data for pair in found) == sorted(wanted)
        assert await client.get_keys([]) == []


async def test_remove_keys(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key(), new_key(), new_key()])
        pairs = await client.get_keys()
        await client.remove_keys(pairs[:1])
        assert [pair.public_data for pair in await client.get_keys()] == [
            pair.public_data for pair in pairs[1:]
        ]
        with pytest.raises(AgentFailure, match="refused to remove a key"):
            await client.remove_keys(pairs[:1])
        await client.remove_all()
        assert await client.get_keys() == []


async def test_default_keys_are_added(
    agent: RunningAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    async with connect_agent(agent.path) as client:
        await client.add_keys()
        assert await client.get_keys() == []
        key = new_key()
        key.write_private_key(tmp_path / ".ssh" / "id_ed25519")
        new_key("ecdsa-sha2-nistp256").write_private_key(
            tmp_path / ".ssh" / "id_ecdsa", passphrase="secret"
        )
        await client.add_keys()
        assert [pair.public_data for pair in await client.get_keys()] == [key.public_data]
        await client.add_keys(passphrase="secret")
        assert len(await client.get_keys()) == 2


async def test_encrypted_key_file(agent: RunningAgent, tmp_path: Path) -> None:
    key = new_key()
    key.write_private_key(tmp_path / "key", passphrase="secret")
    async with connect_agent(agent.path) as client:
        await client.add_keys(str(tmp_path / "key"), "secret")
        assert [pair.public_data for pair in await client.get_keys()] == [key.public_data]


async def test_the_pass_phrase_of_a_key_may_be_asked_for(
    agent: RunningAgent, tmp_path: Path
) -> None:
    key = new_key()
    key.write_private_key(tmp_path / "key", passphrase="secret")
    asked: list[str] = []

    async def ask(filename: str) -> str:
        asked.append(filename)
        await asyncio.sleep(0)
        return "secret"

    async with connect_agent(agent.path) as client:
        await client.add_keys(str(tmp_path / "key"), ask)
        assert [pair.public_data for pair in await client.get_keys()] == [key.public_data]
        await client.remove_all()
        await client.add_keys(str(tmp_path / "key"), lambda filename: "secret")
        assert len(await client.get_keys()) == 1
        with pytest.raises(KeyImportError):
            await client.add_keys(str(tmp_path / "key"), lambda filename: "wrong")
    assert asked == [str(tmp_path / "key")]


async def test_agent_keys_cannot_be_added(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()])
        with pytest.raises(AgentError, match="'agent' cannot be put into an agent"):
            await client.add_keys(await client.get_keys())


async def test_lifetime(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()], lifetime=1)
        assert len(await client.get_keys()) == 1
        async with asyncio.timeout(10):
            while await client.get_keys():
                await asyncio.sleep(0.1)


async def test_confirmation_that_nobody_can_give_is_a_refusal(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()], confirm=True)
        (pair,) = await client.get_keys()
        with pytest.raises(AgentFailure, match="refused to sign"):
            await pair.sign(b"data", b"ssh-ed25519")


async def test_destination_constraint_is_enforced(agent: RunningAgent) -> None:
    """The agent refuses the key to a connection that is not bound to the right host."""
    host, other, session_id = new_key(), new_key(), b"h" * 32
    hop = constraints.DestinationHop("example.com", [constraints.KeySpec(host.public_data)])
    limit = constraints.restrict_destination([hop])
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()], constraints=[limit])

    async with connect_agent(agent.path) as client:
        signature = other.sign(session_id, b"ssh-ed25519")
        await client.bind_session(other.public_data, session_id, signature, is_forwarding=False)
        assert await client.get_keys() == []

    async with connect_agent(agent.path) as client:
        signature = host.sign(session_id, b"ssh-ed25519")
        await client.bind_session(host.public_data, session_id, signature, is_forwarding=False)
        assert len(await client.get_keys()) == 1

    async with connect_agent(agent.path) as client:
        with pytest.raises(AgentError, match="bind the session"):
            await client.bind_session(host.public_data, b"x", signature, is_forwarding=False)


async def test_unknown_constraint_is_refused(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        limit = constraints.extension_constraint("unknown@example.com", b"")
        with pytest.raises(AgentFailure, match="refused to add a key"):
            await client.add_keys([new_key()], constraints=[limit])
        assert await client.get_keys() == []


async def test_lock_and_unlock(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()])
        await client.lock("open sesame")
        assert await client.get_keys() == []
        with pytest.raises(AgentFailure, match="refused to lock"):
            await client.lock("again")
        with pytest.raises(AgentFailure, match="refused to unlock"):
            await client.unlock("wrong")
        await client.unlock("open sesame")
        assert len(await client.get_keys()) == 1


async def test_smartcard_that_is_not_there(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        with pytest.raises(AgentFailure, match="refused to add the keys of a token"):
            await client.add_smartcard_keys("/nonexistent/pkcs11.so", "1234")
        with pytest.raises(AgentFailure, match="refused to add the keys of a token"):
            await client.add_smartcard_keys("/nonexistent/pkcs11.so", lifetime=60, confirm=True)
        with pytest.raises(AgentFailure, match="refused to remove the keys of a token"):
            await client.remove_smartcard_keys("/nonexistent/pkcs11.so", "1234")


async def test_extensions(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        names = await client.query_extensions()
        assert all("@" in name or name == "query" for name in names)
        with pytest.raises(AgentFailure, match=r"unknown@example\.com"):
            await client.request_extension("unknown@example.com", b"contents")


async def test_signature_of_another_kind_of_key(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()])
        (pair,) = await client.get_keys()
        with pytest.raises(SignatureError, match="rsa-sha2-256"):
            await pair.sign(b"data", b"rsa-sha2-256")
        with pytest.raises(AgentFailure, match="refused to sign"):
            await client.sign(new_key().public_data, b"data")


async def test_many_requests_at_once(agent: RunningAgent) -> None:
    """More than may wait at once, each with its own answer."""
    async with connect_agent(agent.path) as client:
        key = new_key()
        await client.add_keys([key])
        (pair,) = await client.get_keys()
        messages = [b"message %d" % number for number in range(600)]
        signatures = await asyncio.gather(
            *(pair.sign(message, b"ssh-ed25519") for message in messages)
        )
    for message, signature in zip(messages, signatures, strict=True):
        key.verify(message, signature)


async def test_cancelled_request_harms_no_other(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        key = new_key()
        await client.add_keys([key])
        (pair,) = await client.get_keys()
        lost = asyncio.create_task(pair.sign(b"lost", b"ssh-ed25519"))
        await asyncio.sleep(0)
        lost.cancel()
        key.verify(b"kept", await pair.sign(b"kept", b"ssh-ed25519"))
        with pytest.raises(asyncio.CancelledError):
            await lost


async def test_data_larger_than_a_message(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()])
        (pair,) = await client.get_keys()
        with pytest.raises(AgentError, match="at most 262144"):
            await pair.sign(bytes(1 << 18), b"ssh-ed25519")
        assert len(await client.get_keys()) == 1


async def test_path_from_the_environment(
    agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent.path)
    client = await connect_agent()
    assert await client.get_keys() == []
    client.close()
    await client.wait_closed()


async def test_no_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(AgentConnectionError, match="SSH_AUTH_SOCK is not set"):
        await connect_agent()
    missing = str(tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        await connect_agent(missing)
    with pytest.raises(AgentConnectionError):
        async with connect_agent("a\0b"):
            pytest.fail("connected to nothing")


async def test_closed_client(agent: RunningAgent) -> None:
    client = await connect_agent(agent.path)
    client.close()
    client.close()
    with pytest.raises(AgentConnectionError, match="was closed"):
        await client.get_keys()
    await client.wait_closed()
    await client.wait_closed()


async def test_agent_that_dies(agent: RunningAgent) -> None:
    async with connect_agent(agent.path) as client:
        await client.add_keys([new_key()])
        (pair,) = await client.get_keys()
        agent.process.kill()
        agent.process.wait()
        with pytest.raises(AgentConnectionError):
            await pair.sign(b"data", b"ssh-ed25519")
        with pytest.raises(AgentConnectionError):
            await pair.sign(b"data", b"ssh-ed25519")


async def test_agent_of_another_connection(agent: RunningAgent) -> None:
    """Where a path goes, something that opens a stream goes too (a forwarded agent)."""

    class Opener:
        async def open_agent_connection(
            self,
        ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(agent.path)

    async with connect_agent(Opener()) as client:
        assert isinstance(client, SSHAgentClient)
        await client.add_keys([new_key()])
        assert len(await client.get_keys()) == 1


def test_public_line_of_ssh_add(agent: RunningAgent, tmp_path: Path) -> None:
    """What `ssh-add -L` prints is the key that we put in."""
    key = new_key()

    async def add() -> None:
        async with connect_agent(agent.path) as client:
            await client.add_keys([key])

    asyncio.run(add())
    assert import_public_key(agent.ssh_add("-L")).public_data == key.public_data
