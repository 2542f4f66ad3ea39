"""Certificates of keys that we hold: presented where they may be of use, never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssh_connection import PermissionDenied
from ssh_connection.userauth.publickey import algorithms_for
from ssh_keys import (
    SSHAuthorizedKeys,
    SSHKey,
    SSHKeyPair,
    SSHLocalKeyPair,
    generate_private_key,
)
from ssh_transport import DisconnectError

from .loopback import HOST_KEY, OTHER_KEY, RSA_KEY, USER_KEY, authorized, client, serving

CA = generate_private_key("ssh-ed25519")
USER_CERT = CA.generate_user_certificate(USER_KEY, "user", principals=["user"])
RSA_CERT = CA.generate_user_certificate(RSA_KEY, "rsa", principals=["user"])
HOST_CERT = CA.generate_host_certificate(HOST_KEY, "host", principals=["127.0.0.1"])

ED25519_CERT_NAME = b"ssh-ed25519-cert-v01@openssh.com"


def trusting(authority: SSHKey) -> SSHAuthorizedKeys:
    """Authorized keys with an authority in them."""
    return SSHAuthorizedKeys(b"cert-authority " + authority.export_public_key())


def test_a_certificate_may_be_used_if_its_signature_may() -> None:
    pair = SSHLocalKeyPair(USER_KEY, USER_CERT)
    assert algorithms_for(pair, [b"ssh-ed25519"], [b"ssh-ed25519"]) == (ED25519_CERT_NAME,)
    assert algorithms_for(pair, [b"ssh-ed25519"], None) == (ED25519_CERT_NAME,)
    assert algorithms_for(pair, [b"rsa-sha2-256"], None) == ()
    rsa = SSHLocalKeyPair(RSA_KEY, RSA_CERT)
    allowed = [b"rsa-sha2-512", b"rsa-sha2-256"]
    assert algorithms_for(rsa, allowed, [b"rsa-sha2-256"]) == (
        b"rsa-sha2-256-cert-v01@openssh.com",
    )
    assert algorithms_for(rsa, allowed, None) == (b"rsa-sha2-256-cert-v01@openssh.com",)


async def test_key_is_tried_behind_its_certificate(tmp_path: Path) -> None:
    USER_KEY.write_private_key(tmp_path / "key")
    USER_CERT.write_certificate(tmp_path / "key-cert.pub")
    async with serving(authorized_client_keys=authorized()) as server:
        for kwargs in (
            {"client_keys": tmp_path / "key"},
            {"client_keys": [USER_KEY], "client_certs": [USER_CERT]},
            {"client_keys": [(USER_KEY, USER_CERT)]},
        ):
            async with await client(server, **kwargs) as conn:
                assert conn.get_extra_info("username") == "user"
        # The key of an authority lets nobody in by itself.
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[OTHER_KEY], client_certs=[USER_CERT])


async def test_host_certificate_is_shown_to_those_who_ask() -> None:
    async with (
        serving(server_host_keys=[HOST_KEY], server_host_certs=[HOST_CERT]) as server,
        await client(server, password="secret") as conn,
    ):
        assert conn.get_extra_info("server_host_key_algorithm") == "ssh-ed25519"
        assert conn.get_server_host_key() == HOST_KEY.convert_to_public()


async def test_reasons_for_leaving_out_a_key_are_told() -> None:
    async with serving(authorized_client_keys=authorized()) as server:
        with pytest.raises(PermissionDenied, match="no signature algorithm in common"):
            await client(server, client_keys=[USER_KEY], signature_algs="rsa-sha2-256")


async def test_certificates_are_tried_before_plain_keys() -> None:
    """Each key that is refused counts: behind many keys, a certificate would come too late."""
    keys = [*(generate_private_key("ssh-ed25519") for _ in range(4)), RSA_KEY, USER_KEY]
    async with serving(authorized_client_keys=trusting(CA), max_auth_tries=2) as server:
        async with await client(server, client_keys=keys, client_certs=[USER_CERT]) as conn:
            assert conn.get_extra_info("username") == "user"
        with pytest.raises(DisconnectError, match="too many authentication failures"):
            await client(server, client_keys=keys)


async def test_certificate_for_the_key_of_a_source() -> None:
    class Source:
        async def keypairs(self) -> list[SSHKeyPair]:
            return [SSHLocalKeyPair(OTHER_KEY), pair]

    pair = SSHLocalKeyPair(USER_KEY)
    async with serving(authorized_client_keys=trusting(CA)) as server:
        async with await client(server, key_sources=(Source(),), client_certs=[USER_CERT]) as conn:
            assert conn.get_extra_info("username") == "user"
        # What the source has is left as it is.
        assert pair.certificate is None
        with pytest.raises(PermissionDenied):
            await client(server, key_sources=(Source(),))


async def test_host_certificate_is_not_presented_by_users(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    USER_KEY.write_private_key(tmp_path / "key")
    CA.generate_host_certificate(USER_KEY, "h").write_certificate(tmp_path / "key-cert.pub")
    async with (
        serving(authorized_client_keys=authorized(), max_auth_tries=1) as server,
        await client(server, client_keys=[tmp_path / "key"]) as conn,
    ):
        assert conn.get_extra_info("username") == "user"
    assert "no user certificate" in caplog.text
