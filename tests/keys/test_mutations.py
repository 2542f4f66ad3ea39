"""Every reader against files that were damaged in many ways: only documented exceptions, quickly.

The damage is deterministic. A line `python -m tests.keys.test_mutations SEED SECONDS` goes on for
longer with another seed.
"""

from __future__ import annotations

import base64
import random
import re
import sys
import time
from collections.abc import Callable

import pytest

import ssh_keys
from ssh_keys import KeyEncryptionError, KeyImportError, SSHKeyRevocationList
from ssh_keys.formats import openssh_key, pbe, ppk
from ssh_keys.wire import encode_string

from .support import VECTORS, make_key
from .test_sshcom import RSA, container, integer
from .test_x509_crl import by_root
from .x509_support import build, root

KEY = make_key("ecdsa-sha2-nistp256")
LIMITS = (
    (openssh_key, "MAXIMUM_ROUNDS", 2),
    (pbe, "MAXIMUM_ITERATIONS", 50),
    (pbe, "MAXIMUM_OLD_ITERATIONS", 50),
    (pbe, "MAXIMUM_SCRYPT_MEMORY", 1 << 20),
    (ppk, "MAXIMUM_WORK", 8192),
)
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0")


def corpus() -> list[bytes]:
    """Well-formed files of all kinds."""
    line = KEY.export_public_key()
    files = [
        b'from="192.0.2.0/24,!x*",restrict,command="a b",permitopen="h:1" ' + line,
        b'a@b,c@d cert-authority,namespaces="file,git",valid-after="20200101" ' + line,
        b"|1|QUJD|QUJD " + line + b"@revoked *,!a " + line + b"host,[h]:22 " + line,
        KEY.export_public_key("rfc4716"),
        KEY.export_public_key("pkcs8-der"),
        KEY.export_public_key("pkcs8-pem"),
        ssh_keys.create_sshsig(KEY, b"data"),
        KEY.generate_user_certificate(KEY, "id", force_command="x").export_certificate(),
    ]
    for form in ("openssh", "pkcs1-pem", "pkcs1-der", "pkcs8-pem", "pkcs8-der", "ppk", "ppk2"):
        files.append(KEY.export_private_key(form))
        if form != "pkcs1-der":
            files.append(KEY.export_private_key(form, "x", rounds=1))
    x509 = KEY.generate_x509_host_certificate(KEY, "O=Org,CN=h", principals="h.example,::1")
    files += [x509.export_certificate(form) for form in ("pem", "der", "openssh", "rfc4716")]
    files += [
        x509.public_data,
        KEY.export_private_key("pkcs8-der") + x509.export_certificate("der"),
        b"@revoked host,h* x509v3-ssh-rsa Subject:O=Org,*\nhost " + x509.export_certificate(),
        b'principals="a",cert-authority x509v3-ssh-rsa Subject:O=Org,CN=a\\,b\n',
    ]
    files.append(build(root()).export_certificate("pem") + by_root([7, 70000]))
    old = container(RSA, encode_string(b"".join(map(integer, (65537, 3, 5, 7, 11, 13)))))
    label = b"SSH2 ENCRYPTED PRIVATE KEY ----\n"
    files.append(b"---- BEGIN %b%b---- END %b" % (label, base64.encodebytes(old), label))
    krl = SSHKeyRevocationList(1, "c")
    krl.revoke_serials(KEY, 1, 5)
    krl.revoke_serials(KEY, 90, 900)
    krl.revoke_key_id(KEY, "x")
    krl.revoke_key(KEY)
    krl.revoke_hash(KEY)
    files.append(krl.export_krl())
    if VECTORS.is_dir():
        files += [path.read_bytes() for path in sorted(VECTORS.glob("*/*"))]
    return files


def _known_hosts(data: bytes) -> object:
    ssh_keys.KnownHostsEditor(data).hash_names()
    return ssh_keys.import_known_hosts(data).lookup("host", "192.0.2.1", 22)


def _authorized_keys(data: bytes) -> object:
    return ssh_keys.import_authorized_keys(data).validate(KEY, "host", "192.0.2.1")


READERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: ssh_keys.import_private_key(data, "x", True),
    ssh_keys.import_public_key,
    ssh_keys.import_certificate,
    ssh_keys.import_krl,
    ssh_keys.import_sshsig,
    ssh_keys.import_allowed_signers,
    _known_hosts,
    _authorized_keys,
    ssh_keys.decode_ssh_public_key,
    ssh_keys.decode_ssh_certificate,
    ssh_keys.decode_x509_certificate,
    lambda data: ssh_keys.load_keypairs(data, "x"),
    lambda data: ssh_keys.load_x509_trust(data),
)


def mutate(data: bytes, chooser: random.Random) -> bytes:
    """Damage some bytes."""
    changed = bytearray(data)
    for _ in range(chooser.choice((1, 1, 2, 4))):
        if not changed:
            break
        place, kind = chooser.randrange(len(changed)), chooser.randrange(6)
        if kind == 0:
            changed[place] = chooser.randrange(256)
        elif kind == 1:
            del changed[place : place + chooser.randrange(1, 9)]
        elif kind == 2:
            changed[place:place] = chooser.randbytes(chooser.randrange(1, 5))
        elif kind == 3:
            changed[place : place + 4] = chooser.choice(EXTREMES)
        elif kind == 4:
            start = chooser.randrange(len(changed))
            changed[place:place] = changed[start : start + chooser.randrange(1, 40)]
        else:
            del changed[place:]
    return bytes(changed)


def mutate_inside(data: bytes, chooser: random.Random) -> bytes:
    """Damage what is inside of base64, or the text around it."""
    bodies = re.findall(rb"[A-Za-z0-9+/=\n]{60,}", data)
    if not bodies or chooser.random() < 0.3:
        return mutate(data, chooser)
    body = chooser.choice(bodies)
    try:
        inner = base64.b64decode(body.replace(b"\n", b""))
    except ValueError:
        return mutate(data, chooser)
    head, tail = body.startswith(b"\n"), body.endswith(b"\n")
    text = base64.b64encode(mutate(inner, chooser))
    return data.replace(body, b"\n" * head + text + b"\n" * tail)


def attack(data: bytes) -> float:
    """Give damaged data to all readers; return the longest time that one took, in seconds."""
    longest = 0.0
    for read in READERS:
        start = time.perf_counter()
        try:
            read(data)
        except (KeyImportError, KeyEncryptionError) as exc:
            assert str(exc).isprintable()  # noqa: PT017 - most damage is noticed, some is not
        longest = max(longest, time.perf_counter() - start)
    return longest


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser, files = random.Random(seed), corpus()
    for module, name, value in LIMITS:
        monkeypatch.setattr(module, name, value)
    for _ in range(1500):
        assert attack(mutate_inside(chooser.choice(files), chooser)) < 5


@pytest.mark.parametrize(
    "data",
    [
        # Findings of earlier runs.
        b"-----BEGIN SSH SIGNATURE-----U1NIU0lH\n-----END SSH SIGNATURE-----\n",
        b"\0\t\x80",
    ],
)
def test_findings(data: bytes) -> None:
    attack(data)


def main(seed: int, seconds: float) -> None:
    """Go on until the time is over."""
    chooser, files = random.Random(seed), corpus()
    for module, name, value in LIMITS:
        setattr(module, name, value)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        attack(mutate_inside(chooser.choice(files), chooser))
        count += 1
    print(f"{count} files, nothing found")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
