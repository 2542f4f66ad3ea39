"""Host keys in OpenSSH certificates: what the core checks, and what it leaves to its owner."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest

from ssh_keys import SSHKey, SSHLocalKeyPair, generate_private_key
from ssh_transport import Disconnected, DisconnectReason, HostKeyOffered, KeyExchangeFailed, Role

from .pair import Pair, connected

AUTHORITY = generate_private_key("ssh-ed25519")


def certified(key: SSHKey) -> SSHLocalKeyPair:
    return SSHLocalKeyPair(key, AUTHORITY.generate_host_certificate(key, "host", principals=["a"]))


ED25519 = certified(generate_private_key("ssh-ed25519"))
P256 = certified(generate_private_key("ecdsa-sha2-nistp256"))
RSA = certified(generate_private_key("ssh-rsa", key_size=2048))

KEYS = [
    (b"ssh-ed25519-cert-v01@openssh.com", ED25519),
    (b"ecdsa-sha2-nistp256-cert-v01@openssh.com", P256),
    (b"rsa-sha2-512-cert-v01@openssh.com", RSA),
    (b"rsa-sha2-256-cert-v01@openssh.com", RSA),
]


def claiming(name: bytes, pair: SSHLocalKeyPair) -> SSHLocalKeyPair:
    """A pair of a server that shows it where it does not belong."""
    liar = copy(pair)
    liar.host_key_algorithms = (name,)
    return liar


def with_key(name: bytes, pair: SSHLocalKeyPair) -> dict[str, Any]:
    return {
        "client": {"host_key_algorithms": (name,)},
        "server": {"host_key_algorithms": (name,), "host_keys": {name: pair}},
    }


@pytest.mark.parametrize(("name", "key_pair"), KEYS)
def test_owner_gets_key_and_certificate(name: bytes, key_pair: SSHLocalKeyPair) -> None:
    pair = connected(**with_key(name, key_pair))
    (offer,) = pair.of_type(Role.CLIENT, HostKeyOffered)
    assert offer.certificate is not None
    assert offer.certificate == key_pair.certificate
    assert offer.key == offer.certificate.key == pair.client.host_key
    assert offer.blob == key_pair.public_data
    assert offer.certificate.signing_key == AUTHORITY.convert_to_public()


def test_certificate_has_to_stay_the_same_in_a_rekey() -> None:
    name, key_pair = KEYS[0]
    pair = connected(**with_key(name, key_pair))
    pair.client.request_rekey()
    pair.pump()
    assert not pair.client.closed
    pair.server.config.host_keys = {name: certified(generate_private_key("ssh-ed25519"))}
    pair.client.request_rekey()
    pair.pump()
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert "changed its host key" in end.error.reason


@pytest.mark.parametrize(
    ("name", "key_pair"),
    [
        (b"ssh-ed25519-cert-v01@openssh.com", SSHLocalKeyPair(generate_private_key("ssh-ed25519"))),
        (b"ssh-ed25519", ED25519),
        (b"ecdsa-sha2-nistp256-cert-v01@openssh.com", ED25519),
    ],
    ids=["plain key for a certificate", "certificate for a plain key", "other type"],
)
def test_what_was_not_negotiated_is_refused(name: bytes, key_pair: SSHLocalKeyPair) -> None:
    pair = Pair(**with_key(name, claiming(name, key_pair))).start()
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert end.error.code == DisconnectReason.SSH_DISCONNECT_KEY_EXCHANGE_FAILED
    assert not pair.of_type(Role.CLIENT, HostKeyOffered)


def test_damaged_certificate_is_refused() -> None:
    name, key_pair = KEYS[0]
    data = bytearray(key_pair.public_data)
    data[-1] ^= 1  # in the signature of the authority
    damaged = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
    damaged.public_data = bytes(data)
    pair = Pair(**with_key(name, claiming(name, damaged))).start()
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert isinstance(end.error, KeyExchangeFailed)
    assert "host key cannot be used" in end.error.reason
