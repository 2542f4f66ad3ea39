"""The option `revoked_keys`: nothing else that is said about a key counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssh_connection import PermissionDenied, SSHClient
from ssh_connection.connection.revocation import load_revoked_keys
from ssh_keys import (
    KeyImportError,
    SSHAuthorizedKeys,
    SSHKey,
    SSHKeyRevocationList,
    SSHLocalKeyPair,
    generate_private_key,
)
from ssh_transport import HostKeyRevoked

from .loopback import HOST, HOST_KEY, OTHER_KEY, USER_KEY, Server, authorized, client, serving

CA = generate_private_key("ssh-ed25519")


def revoking(*keys: SSHKey) -> SSHKeyRevocationList:
    """A list with keys on it."""
    made = SSHKeyRevocationList()
    for key in keys:
        made.revoke_key(key)
    return made


def test_every_form(tmp_path: Path) -> None:
    krl = revoking(HOST_KEY, OTHER_KEY)
    krl.write_krl(tmp_path / "krl")
    public = HOST_KEY.export_public_key() + OTHER_KEY.export_public_key()
    (tmp_path / "keys").write_bytes(public)
    forms: list[Any] = [
        krl,
        krl.export_krl(),
        b"# both\n\n" + public,
        str(tmp_path / "krl"),
        tmp_path / "krl",
        tmp_path / "keys",
        str(tmp_path / "keys"),
        [HOST_KEY, OTHER_KEY],
        (HOST_KEY.export_public_key(), str(tmp_path / "keys")),
    ]
    for form in forms:
        loaded = load_revoked_keys(form)
        assert loaded is not None
        assert loaded.is_revoked(HOST_KEY)
        assert loaded.is_revoked(OTHER_KEY)
        assert not loaded.is_revoked(USER_KEY)
    single = load_revoked_keys(HOST_KEY)
    assert single is not None
    assert single.is_revoked(HOST_KEY)
    assert load_revoked_keys(None) is None


async def test_list_that_can_not_be_read(tmp_path: Path) -> None:
    """It must not pass for an empty one."""
    (tmp_path / "bad").write_bytes(b"SSHKRL\n\0" + bytes(3))
    (tmp_path / "empty").write_bytes(b"")
    for name, error in [
        ("bad", KeyImportError),
        ("nothing", FileNotFoundError),
        ("empty", KeyImportError),
    ]:
        with pytest.raises(error):
            async with serving(revoked_keys=tmp_path / name):
                pass
        async with serving() as server:
            with pytest.raises(error):
                await client(server, password="secret", revoked_keys=tmp_path / name)


# --- Host keys -------------------------------------------------------------------------------


class Trusting(SSHClient):
    """Trusts everybody."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        return True

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        return True


@pytest.mark.parametrize(
    "known", [([HOST_KEY], [], []), ([], [CA], []), ([], [], []), None], ids=str
)
@pytest.mark.parametrize("revoked", [HOST_KEY, CA], ids=["key", "authority"])
async def test_host(known: Any, revoked: SSHKey) -> None:
    cert = CA.generate_host_certificate(HOST_KEY, "id", serial=7, principals=[HOST])
    kwargs: Any = {"password": "secret", "known_hosts": known, "client_factory": Trusting}
    names = ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"]
    async with serving(server_host_keys=[(HOST_KEY, cert)]) as server:
        async with await client(server, server_host_key_algs=names, **kwargs) as conn:
            assert conn.get_extra_info("server_host_certificate") == cert
        with pytest.raises(HostKeyRevoked):
            await client(
                server, server_host_key_algs=names, revoked_keys=revoking(revoked), **kwargs
            )


async def test_serial_and_key_id_of_a_host_certificate() -> None:
    cert = CA.generate_host_certificate(HOST_KEY, "web-7", serial=7, principals=[HOST])
    by_serial, by_id, other = (SSHKeyRevocationList() for _ in range(3))
    by_serial.revoke_serials(CA, 5, 9)
    by_id.revoke_key_id(CA, "web-7")
    other.revoke_serials(CA, 8)
    async with serving(server_host_keys=[(HOST_KEY, cert)]) as server:
        kwargs: Any = {"password": "secret", "known_hosts": ([], [CA], [])}
        for krl in (by_serial, by_id):
            with pytest.raises(HostKeyRevoked):
                await client(server, revoked_keys=krl, **kwargs)
        async with await client(server, revoked_keys=other, **kwargs):
            pass


# --- Users -----------------------------------------------------------------------------------


class Believing(Server):
    """Lets every key in."""

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:
        return True

    def validate_ca_key(self, username: str, key: SSHKey) -> bool:
        return True


@pytest.mark.parametrize("factory", [Server, Believing])
async def test_user(factory: type[Server]) -> None:
    cert = CA.generate_user_certificate(USER_KEY, "me", serial=7, principals=["user"])
    keys = authorized()
    keys.load(b"cert-authority " + CA.export_public_key())
    by_serial = SSHKeyRevocationList()
    by_serial.revoke_serials(CA, 7)
    plain, certified = SSHLocalKeyPair(USER_KEY), SSHLocalKeyPair(USER_KEY, cert)
    for revoked, pair, good in [
        (revoking(OTHER_KEY), plain, True),
        (revoking(OTHER_KEY), certified, True),
        (revoking(USER_KEY), plain, False),
        (revoking(USER_KEY), certified, False),
        (revoking(CA), plain, True),
        (revoking(CA), certified, False),
        (by_serial, plain, True),
        (by_serial, certified, False),
    ]:
        async with serving(
            server_factory=factory, authorized_client_keys=keys, revoked_keys=revoked
        ) as server:
            try:
                async with await client(server, client_keys=[pair]):
                    assert good
            except PermissionDenied:
                assert not good


async def test_client_host() -> None:
    for revoked, good in [(OTHER_KEY, True), (CA, False)]:
        async with serving(
            known_client_hosts=b"name " + CA.export_public_key(),
            trust_client_host=True,
            revoked_keys=revoking(revoked),
        ) as server:
            kwargs: Any = {
                "client_host_keys": [CA],
                "client_host": "name",
                "client_username": "user",
            }
            try:
                async with await client(server, **kwargs):
                    assert good
            except PermissionDenied:
                assert not good


async def test_update_reads_the_list_again(tmp_path: Path) -> None:
    path = tmp_path / "krl"
    revoking(OTHER_KEY).write_krl(path)
    keys = SSHAuthorizedKeys(USER_KEY.export_public_key())
    async with serving(authorized_client_keys=keys, revoked_keys=path) as server:
        async with await client(server, client_keys=[USER_KEY]):
            pass
        revoking(USER_KEY).write_krl(path)
        server.update()
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[USER_KEY])
