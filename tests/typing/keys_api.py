"""What a type checker says about an application with keys; see client_api.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type

import ssh_meta
from ssh_meta import SSHKey, SSHKeyPair, SSHKnownHosts


def keys() -> None:
    """Keys, read and written."""
    key = ssh_meta.generate_private_key("ssh-rsa", key_size=3072)
    assert_type(key, SSHKey)
    assert_type(key.export_private_key("openssh", passphrase="secret"), bytes)
    assert_type(key.get_fingerprint(), str)
    assert_type(ssh_meta.read_private_key("file", "secret"), SSHKey)
    assert_type(ssh_meta.load_keypairs(["file", key]), Sequence[SSHKeyPair])
    assert_type(ssh_meta.import_known_hosts("* ssh-ed25519 AAAA"), SSHKnownHosts)
    try:
        key.verify(b"data", key.sign(b"data"))
    except ssh_meta.SignatureError:
        pass


def wrong_calls(key: SSHKey) -> None:
    """What is not of its type."""
    key.sign("text")  # type: ignore[arg-type]
    ssh_meta.read_private_key(5)  # type: ignore[arg-type]
