"""Keys out of a shared secret, against OpenSSL's own SSHKDF."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from ssh_keys.wire import encode_mpint
from ssh_transport.derivation import HASHES, derive

OPENSSL = shutil.which("openssl")


def by_openssl(hash_name: str, secret: bytes, digest: bytes, session_id: bytes, *key: str) -> bytes:
    """What the program `openssl kdf` derives; `key` is letter and size."""
    letter, size = key
    options = {
        "digest": hash_name,
        "hexkey": secret.hex(),
        "hexxcghash": digest.hex(),
        "hexsession_id": session_id.hex(),
        "type": letter,
    }
    words = [word for name, value in options.items() for word in ("-kdfopt", f"{name}:{value}")]
    assert OPENSSL is not None
    done = subprocess.run(
        [OPENSSL, "kdf", "-keylen", size, *words, "-binary", "SSHKDF"],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no SSHKDF in this openssl: it came with 3.0")
    return done.stdout


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("first", [True, False], ids=["first exchange", "later one"])
def test_keys_are_those_of_openssl(hash_name: str, first: bool) -> None:
    """RFC 4253 section 7.2; sizes of less and of several blocks of each hash, and none."""
    new = HASHES[hash_name]
    secret = encode_mpint(int.from_bytes(hashlib.shake_256(b"K").digest(40), "big"))
    digest = new(b"H").digest()
    session_id = digest if first else new(b"the first H").digest()
    sizes = {"A": 16, "B": 12, "C": 64, "D": 8, "E": 200, "F": 0}
    keys = derive(
        new(secret + digest), session_id, [(name.encode(), size) for name, size in sizes.items()]
    )
    expected = [
        by_openssl(hash_name, secret, digest, session_id, letter, str(size)) if size else b""
        for letter, size in sizes.items()
    ]
    assert keys == expected
