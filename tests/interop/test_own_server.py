"""Client programs of others at our server."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.interop.own_server import REKEY_BYTES, OwnServer
from tests.interop.peers.process import Finished
from tests.interop.peers.roles import PeerClient, PeerCopier


async def test_exec(own: OwnServer, client: PeerClient) -> None:
    done = await client.exec(own.target(), "cat; echo err >&2; exit 3", b"hello")
    assert (done.status, done.stdout) == (3, b"hello"), done.text
    assert b"err" in done.stderr


async def test_bulk_both_ways_with_rekeying(
    own: OwnServer, client: PeerClient, bulk: bytes
) -> None:
    done = await client.exec(own.target(), "cat", bulk)
    assert done.status == 0, done.text
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(bulk).digest()
    if client.name == "ssh":
        exchanges = done.stderr.count(b"SSH2_MSG_NEWKEYS received")
        assert exchanges >= len(bulk) // REKEY_BYTES // 2, done.text


async def test_copy_both_ways(
    own: OwnServer, copier: PeerCopier, tmp_path: Path, bulk: bytes
) -> None:
    source, remote, back = tmp_path / "source", tmp_path / "remote", tmp_path / "back"
    source.write_bytes(bulk[: 10 << 20])
    done = await copier.put(own.target(), source, str(remote))
    assert done.status == 0, done.text
    assert remote.read_bytes() == source.read_bytes()
    done = await copier.get(own.target(), str(remote), back)
    assert done.status == 0, done.text
    assert back.read_bytes() == source.read_bytes()


async def test_client_refuses_a_wrong_host_key(own: OwnServer, client: PeerClient) -> None:
    done = await client.exec(own.target(wrong_host_key=True), "echo no")
    assert done.status != 0, done.text
    assert done.stdout == b""


def assert_refused(client: PeerClient, done: Finished) -> None:
    """Check that a login failed."""
    assert done.stdout == b""
    # dbclient says "Disconnect received", and exits with 0.
    assert done.status != 0 or client.name == "dbclient", done.text


async def test_wrong_key_is_refused(own: OwnServer, client: PeerClient) -> None:
    done = await client.exec(own.target(wrong_key=True), "echo no")
    assert_refused(client, done)


async def test_wrong_password_is_refused(own: OwnServer, client: PeerClient) -> None:
    done = await client.exec(own.target(password="not this"), "echo no")
    assert_refused(client, done)


async def test_right_password_is_accepted(own: OwnServer, client: PeerClient) -> None:
    done = await client.exec(own.target(password=own.credentials.password), "echo in")
    assert (done.status, done.stdout) == (0, b"in\n"), done.text


async def test_copier_with_a_password(own: OwnServer, copier: PeerCopier, tmp_path: Path) -> None:
    source, remote = tmp_path / "source", tmp_path / "remote"
    source.write_bytes(b"secret")
    target = own.target(password=own.credentials.password)
    done = await copier.put(target, source, str(remote))
    assert done.status == 0, done.text
    assert remote.read_bytes() == b"secret"
