"""Which keys a client tries: named ones, those of the home directory, those of sources."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ssh_connection import SSHClient, SSHClientConnectionOptions, connect, listen
from ssh_connection.connection.client_auth import load_client_keys, local_username
from ssh_connection.logging import ConnectionLog
from ssh_keys import (
    KeyImportError,
    KeyPassphraseError,
    SSHKey,
    SSHKeyPair,
    SSHLocalKeyPair,
    generate_private_key,
    import_authorized_keys,
)

ED25519 = generate_private_key("ssh-ed25519")
ECDSA = generate_private_key("ecdsa-sha2-nistp256")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with an empty .ssh."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


async def load(**kwargs: object) -> Sequence[bytes]:
    """The public keys that a client would try."""
    options = SSHClientConnectionOptions(**kwargs)  # type: ignore[arg-type]
    return [pair.public_data for pair in await load_client_keys(options, ConnectionLog())]


class Source:
    """An agent."""

    def __init__(self, *keys: SSHKey) -> None:
        self._keys = keys

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        return [SSHLocalKeyPair(key) for key in self._keys]


class Broken:
    """An agent that is not there."""

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        raise FileNotFoundError("no socket")


async def test_home_directory(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert await load() == []
    ECDSA.write_private_key(home / "id_ecdsa")
    ED25519.write_private_key(home / "id_ed25519")
    (home / "id_rsa").write_text("no key\n")
    assert await load() == [ED25519.public_data, ECDSA.public_data]
    assert "id_rsa" in caplog.text
    assert await load(client_keys=None) == []
    assert await load(client_keys=[]) == []
    assert await load(public_key_auth=False) == []


async def test_home_directory_with_a_passphrase(home: Path) -> None:
    ED25519.write_private_key(home / "id_ed25519", passphrase="open sesame", rounds=1)
    assert await load() == []
    assert await load(passphrase="open sesame") == [ED25519.public_data]
    with pytest.raises(KeyPassphraseError):
        await load(ignore_encrypted=False)


async def test_named_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ED25519.write_private_key(path, passphrase="open sesame", rounds=1)
    for form in (ED25519, [ED25519], ED25519.export_private_key(), SSHLocalKeyPair(ED25519)):
        assert await load(client_keys=form) == [ED25519.public_data]
    for name in (path, str(path), [path]):
        assert await load(client_keys=name, passphrase=lambda file: "open sesame") == [
            ED25519.public_data
        ]
    with pytest.raises(KeyPassphraseError):
        await load(client_keys=path)
    assert await load(client_keys=path, ignore_encrypted=True) == []
    with pytest.raises(FileNotFoundError):
        await load(client_keys=tmp_path / "nothing")
    with pytest.raises(KeyImportError):
        await load(client_keys=b"nothing")


async def ask(name: str) -> str:
    """A passphrase function that waits."""
    await asyncio.sleep(0)
    return "open sesame" if name.endswith(("key", "id_ed25519")) else "wrong"


async def test_passphrase_from_a_coroutine(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "key"
    ED25519.write_private_key(path, passphrase="open sesame", rounds=1)
    assert await load(client_keys=path, passphrase=ask) == [ED25519.public_data]
    ED25519.write_private_key(home / "id_ed25519", passphrase="open sesame", rounds=1)
    assert await load(passphrase=ask) == [ED25519.public_data]


async def test_passphrase_of_a_callback_and_of_a_host_key(tmp_path: Path) -> None:
    """A coroutine gives the passphrase of the server's host key and of the client's key."""
    path = tmp_path / "key"
    ED25519.write_private_key(path, passphrase="open sesame", rounds=1)

    class Client(SSHClient):
        async def public_key_auth_requested(self) -> str:
            return str(path)

    authorized = import_authorized_keys(ED25519.export_public_key())
    async with (
        listen(
            "127.0.0.1",
            0,
            server_host_keys=[path],
            passphrase=ask,
            authorized_client_keys=authorized,
        ) as server,
        connect(
            "127.0.0.1",
            server.get_port(),
            client_factory=Client,
            client_keys=None,
            passphrase=ask,
            known_hosts=([ED25519.convert_to_public()], [], []),
            username="ada",
        ) as connection,
    ):
        assert connection.get_extra_info("username") == "ada"


class Silent:
    """An agent that does not answer."""

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        await asyncio.Event().wait()
        return []


async def test_source_that_does_not_answer() -> None:
    sources = (Silent(), Source(ECDSA))
    keys = await load(client_keys=None, key_sources=sources, login_timeout=0.05)
    assert keys == [ECDSA.public_data]


async def test_sources_come_last_and_keys_once() -> None:
    sources = (Broken(), Source(ECDSA, ED25519))
    assert await load(client_keys=None, key_sources=sources) == [
        ECDSA.public_data,
        ED25519.public_data,
    ]
    assert await load(client_keys=[ED25519], key_sources=sources) == [
        ED25519.public_data,
        ECDSA.public_data,
    ]


def test_local_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    assert local_username() == "somebody"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("ssh_connection.connection.client_auth.getuser", nobody)
    with pytest.raises(ValueError, match="username"):
        local_username()
