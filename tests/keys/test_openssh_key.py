"""The container openssh-key-v1 (PROTOCOL.key): every cipher, every refusal, every changed byte."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyEncryptionError,
    KeyExportError,
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    SSHKey,
    UnsupportedKeyError,
)
from ssh_keys.formats import openssh_key
from ssh_keys.formats.armour import encode_pem, iterate_pem
from ssh_keys.formats.openssh_ciphers import CIPHERS
from ssh_keys.wire import encode_string, encode_uint32

from .support import KEY_TYPES, make_key

ENCRYPTING = sorted(name.decode() for name, cipher in CIPHERS.items() if cipher.key_size)


@pytest.fixture(params=KEY_TYPES)
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A private key of each type."""
    return make_key(request.param)


def container_of(text: bytes) -> bytes:
    (block,) = iterate_pem(text)
    assert block.label == b"OPENSSH PRIVATE KEY"
    return block.data


def armoured(data: bytes) -> bytes:
    return encode_pem(b"OPENSSH PRIVATE KEY", data, width=70)


def test_plain_round_trip(key: SSHKey) -> None:
    data = key.export_private_key()
    copy = ssh_keys.import_private_key(data)
    assert copy == key
    assert copy.is_private
    assert copy.get_comment() == key.get_comment()
    assert copy.private_data == key.private_data
    assert ssh_keys.import_private_key(data.decode(), "not needed") == key


@pytest.mark.parametrize("cipher", ENCRYPTING)
@pytest.mark.parametrize("name", ["ssh-ed25519", "ecdsa-sha2-nistp521"])
def test_encrypted_round_trip(name: str, cipher: str) -> None:
    key = make_key(name)
    data = key.export_private_key("openssh", "pass wörd", cipher, rounds=1)
    assert cipher.encode() in container_of(data)
    assert key.private_data[-60:-40] not in container_of(data)
    copy = ssh_keys.import_private_key(data, "pass wörd")
    assert copy == key
    assert copy.get_comment() == key.get_comment()
    assert ssh_keys.import_private_key(data, "pass wörd".encode()) == key
    with pytest.raises(KeyPassphraseError, match="wrong passphrase"):
        ssh_keys.import_private_key(data, "pass word")
    for missing in (None, "", b""):
        with pytest.raises(KeyPassphraseError, match="needs a passphrase"):
            ssh_keys.import_private_key(data, missing)


def test_two_exports_share_no_salt() -> None:
    key = make_key("ssh-ed25519")
    first, second = (key.export_private_key(passphrase="x", rounds=1) for _ in range(2))
    assert first != second


def test_lines_are_as_ssh_keygen_writes_them(key: SSHKey) -> None:
    lines = key.export_private_key().split(b"\n")
    assert lines[0] == b"-----BEGIN OPENSSH PRIVATE KEY-----"
    assert lines[-2:] == [b"-----END OPENSSH PRIVATE KEY-----", b""]
    assert {len(line) for line in lines[1:-3]} == {70}


def test_without_comment(key: SSHKey) -> None:
    bare = ssh_keys.import_private_key(key.export_private_key())
    bare.set_comment(None)
    assert ssh_keys.import_private_key(bare.export_private_key()).get_comment() is None


def test_comment_is_bytes() -> None:
    key = ssh_keys.generate_private_key("ssh-ed25519", b"\xff\xfe")
    copy = ssh_keys.import_private_key(key.export_private_key())
    assert copy.get_comment_bytes() == b"\xff\xfe"


def test_text_around_and_windows_line_ends() -> None:
    key = make_key("ssh-ed25519")
    data = b"Subject: a mail\n\n" + key.export_private_key() + b"regards\n"
    assert ssh_keys.import_private_key(data) == key
    assert ssh_keys.import_private_key(data.replace(b"\n", b"\r\n")) == key


def test_export_refuses() -> None:
    key = make_key("ssh-ed25519")
    with pytest.raises(KeyExportError, match="unknown private key format 'nonsense'"):
        key.export_private_key("nonsense")
    with pytest.raises(KeyExportError, match="unknown public key format 'nonsense'"):
        key.export_public_key("nonsense")
    for cipher in ("nonsense", "none", "ünsinn"):
        with pytest.raises(KeyEncryptionError, match="unknown cipher"):
            key.export_private_key(passphrase="x", cipher_name=cipher)
    for rounds in (0, -1, 2000):
        with pytest.raises(KeyEncryptionError, match="bcrypt rounds"):
            key.export_private_key(passphrase="x", rounds=rounds)


# --- Claims of the file that are refused before any work -------------------------------------


def build(
    cipher: bytes = b"none",
    kdf: bytes = b"none",
    options: bytes = b"",
    count: int = 1,
    public: bytes | None = None,
    section: bytes | None = None,
    tail: bytes = b"",
) -> bytes:
    key = make_key("ssh-ed25519")
    public = key.public_data if public is None else public
    if section is None:
        section = padded(b"\0" * 8 + key.private_data + encode_string(b""))
    return armoured(
        openssh_key.AUTH_MAGIC
        + encode_string(cipher)
        + encode_string(kdf)
        + encode_string(options)
        + encode_uint32(count)
        + encode_string(public)
        + encode_string(section)
        + tail
    )


def padded(section: bytes, block: int = 8) -> bytes:
    return section + bytes(range(1, -len(section) % block + 1))


def bcrypt_options(salt: bytes, rounds: int) -> bytes:
    return encode_string(salt) + encode_uint32(rounds)


def test_built_container_is_read() -> None:
    assert ssh_keys.import_private_key(build()) == make_key("ssh-ed25519")


@pytest.mark.parametrize("rounds", [0, 1025, 2**31, 2**32 - 1])
def test_costs_are_capped(rounds: int) -> None:
    data = build(b"aes256-ctr", b"bcrypt", bcrypt_options(b"s" * 16, rounds), section=bytes(64))
    start = time.perf_counter()
    with pytest.raises(KeyImportError, match=f"{rounds} bcrypt rounds"):
        ssh_keys.import_private_key(data, "x")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("salt", [b"", b"s" * 1025])
def test_salt_sizes(salt: bytes) -> None:
    data = build(b"aes256-ctr", b"bcrypt", bcrypt_options(salt, 1), section=bytes(64))
    with pytest.raises(KeyImportError, match=f"salt of {len(salt)} bytes"):
        ssh_keys.import_private_key(data, "x")


@pytest.mark.parametrize("length", [2**30, 2**31, 2**32 - 1])
def test_claimed_lengths_allocate_nothing(length: int) -> None:
    data = openssh_key.AUTH_MAGIC + encode_uint32(length) + b"none"
    with pytest.raises(KeyTruncatedError, match="string"):
        ssh_keys.import_private_key(armoured(data))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"cipher": b"rot13"}, UnsupportedKeyError, "cipher 'rot13'"),
        ({"kdf": b"scrypt"}, UnsupportedKeyError, "derivation 'scrypt'"),
        ({"count": 0}, UnsupportedKeyError, "0 keys"),
        ({"count": 2}, UnsupportedKeyError, "2 keys"),
        ({"count": 2**32 - 1}, UnsupportedKeyError, "keys"),
        ({"options": b"x"}, KeyImportError, "without key derivation"),
        ({"cipher": b"aes256-ctr"}, KeyImportError, "without key derivation"),
        (
            {"kdf": b"bcrypt", "options": bcrypt_options(b"s", 1)},
            KeyImportError,
            "without a cipher",
        ),
        ({"public": b"junk"}, KeyImportError, "public key"),
        ({"section": b""}, KeyTruncatedError, "blocks"),
        ({"section": bytes(9)}, KeyTruncatedError, "blocks"),
        ({"section": bytes(8)}, KeyTruncatedError, "private key"),
        ({"section": b"\0" * 7 + b"\1"}, KeyImportError, "check numbers"),
        ({"tail": b"\0"}, KeyTruncatedError, "behind"),
    ],
)
def test_containers_that_are_refused(
    changes: dict[str, object], error: type[KeyImportError], text: str
) -> None:
    with pytest.raises(error, match=text):
        ssh_keys.import_private_key(build(**changes))  # type: ignore[arg-type]


def test_padding_is_checked() -> None:
    section = b"\0" * 8 + make_key("ssh-ed25519").private_data + encode_string(b"")
    wrong = section + b"\7" * (-len(section) % 8 or 8)
    with pytest.raises(KeyImportError, match="padding"):
        ssh_keys.import_private_key(build(section=wrong))
    # More padding than one block is legal as long as it counts on.
    longer = section + bytes(range(1, -len(section) % 8 + 9))
    assert ssh_keys.import_private_key(build(section=longer)) == make_key("ssh-ed25519")


def test_public_key_of_another_private_key() -> None:
    other = make_key("ssh-ed25519", 1)
    with pytest.raises(KeyImportError, match="is another one"):
        ssh_keys.import_private_key(build(public=other.public_data))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda public, secret: (public, secret[:32]), "32 bytes, not 64"),
        (lambda public, secret: (public, secret[:32] + bytes(32)), "another public key"),
        (lambda public, secret: (public, bytes(32) + secret[32:]), "belong together"),
        (lambda public, secret: (public[:31], secret[:32] + public[:31]), "63 bytes"),
    ],
)
def test_ed25519_parts_that_do_not_belong_together(change, text) -> None:  # type: ignore[no-untyped-def]
    key = make_key("ssh-ed25519")
    public, secret = change(key.public_data[-32:], key.private_data[-64:])
    fields = encode_string(b"ssh-ed25519") + encode_string(public) + encode_string(secret)
    section = padded(b"\0" * 8 + fields + encode_string(b""))
    with pytest.raises(KeyImportError, match=text):
        ssh_keys.import_private_key(build(section=section))


def test_ecdsa_parts_that_do_not_belong_together() -> None:
    key, other = make_key("ecdsa-sha2-nistp256"), make_key("ecdsa-sha2-nistp256", 1)
    mixed = other.private_data[:-32] + key.private_data[-32:]
    section = padded(b"\0" * 8 + mixed + encode_string(b""))
    with pytest.raises(KeyImportError):
        ssh_keys.import_private_key(build(public=other.public_data, section=section))


# --- Hostile files ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEY_TYPES)
@pytest.mark.parametrize("passphrase", ["", "x"])
def test_every_changed_byte(name: str, passphrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh_key, "MAXIMUM_ROUNDS", 4)
    key = make_key(name)
    data = container_of(
        key.export_private_key(passphrase=passphrase, cipher_name="aes256-ctr", rounds=1)
    )
    # Key derivation costs 5 ms for each attempt, so an encrypted key gets every seventh byte.
    for position in range(0, len(data), 7 if passphrase else 1):
        changed = bytearray(data)
        changed[position] ^= 0x55
        try:
            other = ssh_keys.import_private_key(armoured(bytes(changed)), passphrase, True)
        except KeyImportError:
            continue
        # Nothing but the comment and the check numbers may change unnoticed.
        assert other == key


@pytest.mark.parametrize("name", ["ssh-ed25519", "ssh-rsa"])
def test_every_truncation(name: str) -> None:
    data = container_of(make_key(name).export_private_key())
    for end in range(len(data)):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(armoured(data[:end]))


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"])
def test_authenticated_ciphers_notice_every_bit(cipher: str) -> None:
    key = make_key("ssh-ed25519")
    data = container_of(key.export_private_key(passphrase="x", cipher_name=cipher, rounds=1))
    start = data.index(key.public_data) + len(key.public_data) + 4
    for position in range(start, len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(KeyPassphraseError):
            ssh_keys.import_private_key(armoured(bytes(changed)), "x")


@given(st.binary(max_size=300))
def test_arbitrary_containers(data: bytes) -> None:
    for body in (data, openssh_key.AUTH_MAGIC + data):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(armoured(body), "x")


@given(st.binary(max_size=300))
def test_arbitrary_files(data: bytes) -> None:
    head = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
    for text in (data, head + data, head + data + b"\n-----END OPENSSH PRIVATE KEY-----\n"):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(text, "x")
        with pytest.raises(KeyImportError):
            ssh_keys.import_public_key(text)


# --- cryptography's own reader and writer as an oracle ----------------------------------------


def test_cryptography_reads_ours(key: SSHKey) -> None:
    for passphrase in (None, "x"):
        data = key.export_private_key(passphrase=passphrase, cipher_name="aes256-ctr", rounds=1)
        theirs = serialization.load_ssh_private_key(
            data, passphrase.encode() if passphrase else None
        )
        line = theirs.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        assert key.export_public_key().startswith(line)
    public = serialization.load_ssh_public_key(key.export_public_key())
    assert public == key.public_key_object()


def test_we_read_cryptographys(key: SSHKey) -> None:
    theirs = key.private_key_object()
    plain = serialization.NoEncryption()
    locked = serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(b"x")
    for encryption in (plain, locked):
        data = theirs.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
        )
        assert ssh_keys.import_private_key(data, "x") == key


def test_example_of_known_bytes() -> None:
    """A container written out by hand, so that reader and writer cannot share a mistake."""
    seed = bytes(range(32))
    key = ssh_keys.eddsa.Ed25519Key.from_seed(seed)
    public = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + public
    section = b"\x01\x02\x03\x04" * 2 + blob + b"\0\0\0\x40" + seed + public + b"\0\0\0\x02hi"
    section += b"\1\2\3\4\5\6\7"[: -len(section) % 8]
    expected = (
        b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\1\0\0\0\x33"
        + blob
        + len(section).to_bytes(4, "big")
        + section
    )
    assert key.public_data == blob
    written = openssh_key.encode(
        blob, key.private_data, b"hi", b"", "none", 0, lambda size: b"\x01\x02\x03\x04"[:size]
    )
    assert written == expected
    assert base64.b64encode(written).startswith(b"b3BlbnNzaC1rZXktdjEA")
