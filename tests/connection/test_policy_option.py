"""The option `policy`, from `connect` and `listen` down to what is negotiated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ssh_connection import PermissionDenied, SSHClientConnectionOptions
from ssh_keys import generate_private_key, import_private_key
from ssh_transport import PRESETS, AlgorithmNegotiationError, KeyExchangeFailed, Policy

from .loopback import (
    HOST,
    HOST_KEY,
    HOST_KEY_ECDSA,
    RSA_KEY,
    USER_KEY,
    authorized,
    client,
    serving,
)

P384 = generate_private_key("ecdsa-sha2-nistp384")
KEYS = [HOST_KEY, HOST_KEY_ECDSA, P384, RSA_KEY]


def knows(port: int) -> bytes:
    """A known_hosts file with all the host keys."""
    return b"".join(f"[{HOST}]:{port} ".encode() + key.export_public_key() for key in KEYS)


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("side", ["client", "server"])
async def test_one_side_is_enough(name: str, side: str) -> None:
    policy = Policy.named(name)
    of_server: Any = {"policy": name} if side == "server" else {"policy": "legacy"}
    of_client: Any = {"policy": name} if side == "client" else {"policy": "legacy"}
    async with serving(server_host_keys=KEYS, **of_server) as server:
        known = knows(server.get_port())
        async with await client(server, password="secret", known_hosts=known, **of_client) as conn:
            for what, names in [
                ("kex", policy.kex_algorithms),
                ("send_cipher", policy.ciphers),
                ("recv_cipher", policy.ciphers),
                ("server_host_key_algorithm", policy.host_key_algorithms),
            ]:
                assert str(conn.get_extra_info(what)).encode() in names, what


async def test_nothing_in_common() -> None:
    async with serving(server_host_keys=KEYS, policy="cnsa2") as server:
        known = knows(server.get_port())
        with pytest.raises((AlgorithmNegotiationError, KeyExchangeFailed)):
            await client(
                server,
                password="secret",
                known_hosts=known,
                encryption_algs="aes128-gcm@openssh.com",
            )


async def test_host_keys_outside_of_the_policy() -> None:
    with pytest.raises(ValueError, match="no host key has an algorithm that may be used"):
        async with serving(server_host_keys=[HOST_KEY], policy="fips"):
            pass


@pytest.mark.parametrize("side", ["client", "server"])
async def test_user_keys_outside_of_the_policy(side: str) -> None:
    fips: Any = {"policy": "fips"}
    async with serving(
        server_host_keys=KEYS,
        authorized_client_keys=authorized(),
        **(fips if side == "server" else {}),
    ) as server:
        known = knows(server.get_port())
        with pytest.raises(PermissionDenied, match="no signature algorithm in common"):
            await client(
                server,
                client_keys=[USER_KEY],
                known_hosts=known,
                **(fips if side == "client" else {"policy": "compat"}),
            )


async def test_small_rsa_host_key() -> None:
    pem = rsa.generate_private_key(65537, 1024).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    small = import_private_key(pem)
    async with serving(server_host_keys=[small]) as server:
        for kwargs in ({}, {"policy": "compat"}):
            with pytest.raises(KeyExchangeFailed, match="1024 bits"):
                await client(server, password="secret", known_hosts=None, **kwargs)  # type: ignore[arg-type]
        async with await client(
            server, password="secret", known_hosts=None, policy="legacy"
        ) as conn:
            assert conn.get_server_host_key() == small.convert_to_public()


def test_files_may_name_what_nothing_here_matches(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Ciphers rot*,aes256-c?r\nMACs +rot*\n")
    options = SSHClientConnectionOptions(host="host", config=str(file), username="user")
    assert options.algorithms.ciphers == (b"aes256-ctr",)
    assert options.algorithms.macs == Policy.named("modern").macs
    file.write_text("Ciphers rot*\n")
    with pytest.raises(ValueError, match="none of the algorithms is known"):
        SSHClientConnectionOptions(host="host", config=str(file), username="user")


def test_a_pattern_that_adds_nothing_is_told() -> None:
    with pytest.raises(ValueError, match=r"encryption_algs: no cipher matches 'rot\*'"):
        SSHClientConnectionOptions(host="host", username="user", encryption_algs="+rot*")
