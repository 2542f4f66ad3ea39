"""PKCS#1, SEC 1, PKCS#8 and RFC 4716: both directions, every cipher, openssl as the peer."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyEncryptionError,
    KeyExportError,
    KeyImportError,
    KeyPassphraseError,
    SSHKey,
    UnsupportedKeyError,
)
from ssh_keys.formats import der, pbe
from ssh_keys.formats.armour import encode_pem, iterate_pem
from ssh_keys.formats.block_ciphers import CIPHERS

from .support import KEY_TYPES, SECP256K1, make_key, needs_ssh_keygen, ssh_keygen

ALL_TYPES = (*KEY_TYPES, SECP256K1, "ssh-ed448", "ssh-dss")
CLASSIC_TYPES = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", SECP256K1, "ssh-rsa", "ssh-dss")
PEM_CIPHERS = ("aes128-cbc", "aes192-cbc", "aes256-cbc", "des3-cbc", "des-cbc")
PBES1 = (
    ("des-cbc", "md5"),
    ("des-cbc", "sha1"),
    ("des2-cbc", "sha1"),
    ("des3-cbc", "sha1"),
    ("rc4-40", "sha1"),
    ("rc4-128", "sha1"),
)
PBES2_CIPHERS = (
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "blowfish-cbc",
    "camellia128-cbc",
    "camellia192-cbc",
    "camellia256-cbc",
    "cast128-cbc",
    "des-cbc",
    "des3-cbc",
)
HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512")
SCHEMES = [(cipher, name, 1) for cipher, name in PBES1] + [
    (cipher, name, 2) for cipher in PBES2_CIPHERS for name in HASHES
]

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")


@pytest.fixture(params=ALL_TYPES)
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A private key of each type."""
    return make_key(request.param)


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    result = subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("form", ["pkcs8-pem", "pkcs8-der"])
def test_pkcs8_round_trip(key: SSHKey, form: str) -> None:
    assert ssh_keys.import_private_key(key.export_private_key(form)) == key
    assert ssh_keys.import_public_key(key.export_public_key(form)) == key.convert_to_public()


@pytest.mark.parametrize("name", CLASSIC_TYPES)
@pytest.mark.parametrize("form", ["pkcs1-pem", "pkcs1-der"])
def test_pkcs1_round_trip(name: str, form: str) -> None:
    key = make_key(name)
    assert ssh_keys.import_private_key(key.export_private_key(form)) == key


@pytest.mark.parametrize("form", ["pkcs1-pem", "pkcs1-der"])
def test_pkcs1_public(form: str) -> None:
    key = make_key("ssh-rsa").convert_to_public()
    assert ssh_keys.import_public_key(key.export_public_key(form)) == key
    with pytest.raises(KeyExportError, match="no form for ecdsa"):
        make_key("ecdsa-sha2-nistp256").export_public_key(form)


@pytest.mark.parametrize("name", ["ssh-ed25519", "ssh-ed448"])
def test_types_without_pkcs1(name: str) -> None:
    with pytest.raises(KeyExportError, match="no form for"):
        make_key(name).export_private_key("pkcs1-pem")


def test_rfc4716_round_trip(key: SSHKey) -> None:
    public = key.convert_to_public()
    for comment in ("short", "x" * 60, "y" * 300, 'with "quotes"', "back\\", ""):
        public.set_comment(comment)
        data = public.export_public_key("rfc4716")
        assert all(len(line) <= 72 for line in data.split(b"\n"))
        copy = ssh_keys.import_public_key(data)
        assert copy == public
        assert copy.get_comment() == (comment or None)
        assert ssh_keys.import_public_key(data.replace(b"\n", b"\r\n")) == public


def test_rfc4716_example() -> None:
    """The second example of RFC 4716 section 3.6, whose key is of 1024 bits."""
    text = """---- BEGIN SSH2 PUBLIC KEY ----
Comment: This is my public key for use on \\
servers which I don't like.
AAAAB3NzaC1kc3MAAACBAPY8ZOHY2yFSJA6XYC9HRwNHxaehvx5wOJ0rzZdzoSOXxbET
W6ToHv8D1UJ/z+zHo9Fiko5XybZnDIaBDHtblQ+Yp7StxyltHnXF1YLfKD1G4T6JYrdH
YI14Om1eg9e4NnCRleaqoZPF3UGfZia6bXrGTQf3gJq2e7Yisk/gF+1VAAAAFQDb8D5c
vwHWTZDPfX0D2s9Rd7NBvQAAAIEAlN92+Bb7D4KLYk3IwRbXblwXdkPggA4pfdtW9vGf
J0/RHd+NjB4eo1D+0dix6tXwYGN7PKS5R/FXPNwxHPapcj9uL1Jn2AWQ2dsknf+i/FAA
vioUPkmdMc0zuWoSOEsSNhVDtX3WdvVcGcBq9cetzrtOKWOocJmJ80qadxTRHtUAAACB
AN7CY+KKv1gHpRzFwdQm7HK9bb1LAo2KwaoXnadFgeptNBQeSXG1vO+JsvphVMBJc9HS
n24VYtYtsMu74qXviYjziVucWKjjKEb11juqnF0GDlB3VVmxHLmxnAz643WK42Z7dLM5
sY29ouezv4Xz2PuMch5VGPP+CDqzCM4loWgV
---- END SSH2 PUBLIC KEY ----
"""
    key = ssh_keys.import_public_key(text)
    assert key.algorithm == b"ssh-dss"
    assert key.get_comment() == "This is my public key for use on servers which I don't like."


@pytest.mark.parametrize("cipher", PEM_CIPHERS)
@pytest.mark.parametrize("name", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_dek_info(name: str, cipher: str) -> None:
    key = make_key(name)
    data = key.export_private_key("pkcs1-pem", "secret", cipher)
    assert b"Proc-Type: 4,ENCRYPTED\nDEK-Info: " in data
    assert ssh_keys.import_private_key(data, "secret") == key
    with pytest.raises(KeyPassphraseError):
        ssh_keys.import_private_key(data, "wrong")
    with pytest.raises(KeyPassphraseError, match="needs a passphrase"):
        ssh_keys.import_private_key(data)


@pytest.mark.parametrize(("cipher", "hash_name", "version"), SCHEMES)
def test_pkcs8_encryption(cipher: str, hash_name: str, version: int) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    for form in ("pkcs8-pem", "pkcs8-der"):
        data = key.export_private_key(form, "sécret", cipher, hash_name, version, rounds=3)
        assert ssh_keys.import_private_key(data, "sécret") == key
        with pytest.raises(KeyPassphraseError):
            ssh_keys.import_private_key(data, "wrong")
        with pytest.raises(KeyPassphraseError, match="needs a passphrase"):
            ssh_keys.import_private_key(data)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("pkcs1-der", "x"), KeyExportError, "no encryption"),
        (("pkcs1-pem", "x", "aes256-ctr"), KeyEncryptionError, "unknown cipher"),
        (("pkcs8-pem", "x", "rc4-40", "sha1", 2), KeyEncryptionError, "PBES2 has no"),
        (("pkcs8-pem", "x", "aes256-cbc", "md5", 2), KeyEncryptionError, "PBES2 has no"),
        (("pkcs8-pem", "x", "aes256-cbc", "sha1", 1), KeyEncryptionError, "PBES1 has no"),
        (("pkcs8-pem", "x", "aes256-cbc", "sha1", 3), KeyEncryptionError, "no version 3"),
        (("pkcs8-pem", "x", "aes256-cbc", "sha1", 2, 0), KeyEncryptionError, "0 iterations"),
        (("pkcs8-pem", "x", "des-cbc", "sha1", 1, 2**31), KeyEncryptionError, "iterations"),
    ],
)
def test_exports_that_are_refused(
    arguments: tuple[str, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make_key("ecdsa-sha2-nistp256").export_private_key(*arguments)  # type: ignore[arg-type]


def test_old_schemes_need_utf8() -> None:
    key = make_key("ecdsa-sha2-nistp256")
    with pytest.raises(KeyEncryptionError, match="UTF-8"):
        key.export_private_key("pkcs8-pem", b"\xff", "des3-cbc", "sha1", 1)


# --- The limits ------------------------------------------------------------------------------


def _pkcs8(algorithm: bytes, encrypted: bytes = bytes(16)) -> bytes:
    return der.encode_sequence(algorithm, der.encode_octets(encrypted))


def _pbes2(
    kdf: bytes,
    cipher: str = "2.16.840.1.101.3.4.1.42",
    iv: bytes = bytes(16),
    data: bytes = bytes(16),
) -> bytes:
    scheme = der.encode_sequence(der.encode_oid(cipher), der.encode_octets(iv))
    return _pkcs8(
        der.encode_sequence(
            der.encode_oid("1.2.840.113549.1.5.13"), der.encode_sequence(kdf, scheme)
        ),
        data,
    )


def _pbkdf2(salt: bytes = b"salt", rounds: int = 1, *more: bytes) -> bytes:
    values = der.encode_octets(salt), der.encode_integer(rounds)
    return der.encode_sequence(
        der.encode_oid("1.2.840.113549.1.5.12"), der.encode_sequence(*values, *more)
    )


def _scrypt(n: int, r: int, p: int, salt: bytes = b"salt") -> bytes:
    return der.encode_sequence(
        der.encode_oid("1.3.6.1.4.1.11591.4.11"),
        der.encode_sequence(der.encode_octets(salt), *map(der.encode_integer, (n, r, p))),
    )


def _pbes1(rounds: int, oid: str = "1.2.840.113549.1.5.3") -> bytes:
    parameters = der.encode_sequence(der.encode_octets(b"8 octets"), der.encode_integer(rounds))
    return _pkcs8(der.encode_sequence(der.encode_oid(oid), parameters))


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (_pbes2(_pbkdf2(rounds=2**31)), KeyImportError, "2147483648 iterations"),
        (_pbes2(_pbkdf2(rounds=0)), KeyImportError, "0 iterations"),
        (_pbes2(_pbkdf2(salt=bytes(2000))), KeyImportError, "salt of 2000"),
        (_pbes2(_pbkdf2(b"s", 1, der.encode_integer(16))), KeyImportError, "key lengths"),
        (_pbes2(_pbkdf2(), iv=bytes(8)), KeyImportError, "IV of 8"),
        (_pbes2(_pbkdf2(), "1.2.3"), UnsupportedKeyError, "cipher 1.2.3"),
        (_pbes2(_scrypt(2**30, 8, 1)), KeyImportError, "scrypt with N"),
        (_pbes2(_scrypt(1000, 8, 1)), KeyImportError, "scrypt with N"),
        (_pbes2(_scrypt(1, 8, 1)), KeyImportError, "scrypt with N"),
        (_pbes2(_scrypt(16, 2**30, 1)), KeyImportError, "scrypt with N"),
        (_pbes2(_scrypt(16, 8, 2**31)), KeyImportError, "iterations"),
        (_pbes1(2**31), KeyImportError, "iterations"),
        (_pbes1(1, "1.2.840.113549.1.5.1"), UnsupportedKeyError, "encryption"),
        (_pbes1(1, "1.2.3.4"), UnsupportedKeyError, "encryption 1.2.3.4"),
        (
            _pbes2(
                _pbkdf2(b"s", 1, der.encode_sequence(der.encode_oid("1.2.3"), der.encode_null()))
            ),
            UnsupportedKeyError,
            "hash 1.2.3",
        ),
        (
            _pbes2(der.encode_sequence(der.encode_oid("1.2.3"), der.encode_sequence())),
            UnsupportedKeyError,
            "derivation 1.2.3",
        ),
    ],
)
def test_costs_and_schemes_are_refused_at_once(
    data: bytes, error: type[Exception], text: str
) -> None:
    start = time.perf_counter()
    with pytest.raises(error, match=text):
        ssh_keys.import_private_key(data, "x")
    assert time.perf_counter() - start < 1


def test_scrypt() -> None:
    """A key encrypted with parts that hashlib and other tests vouch for."""
    key = make_key("ecdsa-sha2-nistp256")
    secret = hashlib.scrypt(b"x", salt=b"salt", n=16, r=8, p=1, dklen=32)
    plain = key.export_private_key("pkcs8-der")
    encrypted = CIPHERS["aes256-cbc"].encrypt(secret, bytes(16), plain)
    assert ssh_keys.import_private_key(_pbes2(_scrypt(16, 8, 1), data=encrypted), "x") == key


@pytest.mark.parametrize("with_iv", [True, False])
@pytest.mark.parametrize(("bits", "good"), [(128, True), (40, False)])
def test_cast_parameters_of_rfc_2144(with_iv: bool, bits: int, good: bool) -> None:
    """The form that the RFC asks for, which OpenSSL does not write."""
    key = make_key("ecdsa-sha2-nistp256")
    iv = b"8 octets" if with_iv else bytes(8)
    secret = hashlib.pbkdf2_hmac("sha1", b"x", b"salt", 1, 16)
    encrypted = CIPHERS["cast128-cbc"].encrypt(secret, iv, key.export_private_key("pkcs8-der"))
    values = (*((der.encode_octets(iv),) if with_iv else ()), der.encode_integer(bits))
    scheme = der.encode_sequence(
        der.encode_oid("1.2.840.113533.7.66.10"), der.encode_sequence(*values)
    )
    pbes2 = der.encode_sequence(
        der.encode_oid("1.2.840.113549.1.5.13"), der.encode_sequence(_pbkdf2(), scheme)
    )
    data = _pkcs8(pbes2, encrypted)
    if good:
        assert ssh_keys.import_private_key(data, "x") == key
    else:
        with pytest.raises(UnsupportedKeyError, match="another size"):
            ssh_keys.import_private_key(data, "x")


# --- Hostile data ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("passphrase", ["", "x"])
def test_every_changed_byte(name: str, passphrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbe, "MAXIMUM_ITERATIONS", 1000)
    key = make_key(name)
    data = key.export_private_key("pkcs8-der", passphrase, rounds=1)
    for position in range(len(data)):
        for value in (0x01, 0x80):
            changed = bytearray(data)
            changed[position] ^= value
            try:
                ssh_keys.import_private_key(bytes(changed), "x", True)
            except (KeyImportError, KeyEncryptionError):
                continue
    for end in range(len(data)):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(data[:end], "x", True)
    with pytest.raises(KeyImportError):
        ssh_keys.import_private_key(data + b"\0", "x", True)


@given(st.binary(max_size=200))
def test_arbitrary_der(data: bytes) -> None:
    for body in (
        data,
        b"\x30" + data,
        der.encode_sequence(data),
        _pkcs8(data),
        _pkcs8(b"0" + data),
    ):
        for read in (ssh_keys.import_private_key, ssh_keys.import_public_key):
            with pytest.raises(KeyImportError):
                read(body)
            with pytest.raises(KeyImportError):
                read(encode_pem(b"PRIVATE KEY", body) + encode_pem(b"PUBLIC KEY", body))


def classic(headers: str) -> str:
    return f"-----BEGIN RSA PRIVATE KEY-----\n{headers}\n\nMAA=\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n!!!!\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        classic("Proc-Type: 4,ENCRYPTED"),
        classic("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,zz"),
        classic("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00"),
        classic("Proc-Type: 4,ENCRYPTED\nDEK-Info: ROT13,00"),
        "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n",
        "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\nComment: x\n---- END SSH2 PUBLIC KEY ----\n",
        f"---- BEGIN SSH2 PUBLIC KEY ----\n{'X' * 70}: 1\n---- END SSH2 PUBLIC KEY ----\n",
        f"---- BEGIN SSH2 PUBLIC KEY ----\nX: {'1' * 1100}\n---- END SSH2 PUBLIC KEY ----\n",
        "---- BEGIN SSH2 PUBLIC KEY ----\nX: a\\",
    ],
)
def test_malformed_armour(text: str) -> None:
    for read in (ssh_keys.import_private_key, ssh_keys.import_public_key):
        with pytest.raises(KeyImportError):
            read(text)


def test_kinds_that_ssh_does_not_have() -> None:
    for other in (x25519.X25519PrivateKey.generate(), ec.generate_private_key(ec.SECP224R1())):
        data = other.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with pytest.raises(KeyImportError, match="no SSH key type"):
            ssh_keys.import_private_key(data)
        public = other.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(KeyImportError, match="no SSH key type"):
            ssh_keys.import_public_key(public)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x05\x02\x01\x00\x05\x00",
        b"\x30\x82\x00\x05\x02\x01\x00\x05\x00",
        b"\x30\x85\x00\x00\x00\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x31\x00",
    ],
)
def test_der_lengths(data: bytes) -> None:
    with pytest.raises(ssh_keys.KeyTruncatedError):
        der.DERReader(data).sequence()


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("integer", b"\x02\x00"),
        ("integer", b"\x02\x02\x00\x01"),
        ("integer", b"\x02\x02\xff\x80"),
        ("oid", b"\x06\x00"),
        ("oid", b"\x06\x01\x80"),
        ("oid", b"\x06\x02\x80\x01"),
        ("oid", b"\x06\x10\x2a" + b"\xff" * 14 + b"\x01"),
        ("null", b"\x05\x01\x00"),
    ],
)
def test_der_values_that_are_malformed(method: str, data: bytes) -> None:
    with pytest.raises(ssh_keys.KeyTruncatedError):
        getattr(der.DERReader(data), method)()


@given(st.integers(0, 2**70), st.lists(st.integers(0, 2**40), max_size=5), st.binary(max_size=300))
def test_der_round_trip(number: int, arcs: list[int], data: bytes) -> None:
    oid = ".".join(map(str, (2, 5, *arcs)))
    encoded = der.encode_sequence(
        der.encode_integer(number), der.encode_oid(oid), der.encode_octets(data), der.encode_null()
    )
    reader = der.DERReader(encoded).sequence()
    assert (reader.integer(), reader.oid(), reader.octets()) == (number, oid, data)
    reader.null()
    reader.end()
    assert reader.peek() == -1


# --- openssl and ssh-keygen ------------------------------------------------------------------


@needs_openssl
@pytest.mark.parametrize("name", ALL_TYPES)
def test_openssl_reads_ours(name: str) -> None:
    key = make_key(name)
    public = key.export_public_key("pkcs8-pem")
    forms = ["pkcs8-pem", *(["pkcs1-pem"] if name in CLASSIC_TYPES else [])]
    for form in forms:
        for passphrase in ("", "secret"):
            data = key.export_private_key(form, passphrase)
            assert openssl("pkey", "-passin", "pass:secret", "-pubout", data=data) == public
    assert openssl("pkey", "-pubin", "-pubout", data=public) == public


@needs_openssl
@pytest.mark.parametrize(
    ("cipher", "hash_name", "version"),
    [row for row in SCHEMES if row[0].startswith(("aes", "camellia", "des3"))],
)
def test_openssl_decrypts_ours(cipher: str, hash_name: str, version: int) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    data = key.export_private_key("pkcs8-pem", "secret", cipher, hash_name, version)
    printed = openssl("pkey", "-passin", "pass:secret", "-pubout", data=data)
    assert printed == key.export_public_key("pkcs8-pem")


@needs_openssl
@pytest.mark.parametrize("cipher", ["des-cbc", "des2-cbc", "rc4-40", "rc4-128"])
def test_openssl_decrypts_ours_with_its_legacy_provider(cipher: str) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    data = key.export_private_key("pkcs8-pem", "secret", cipher, "sha1", 1)
    legacy = ("-provider", "legacy", "-provider", "default")
    printed = openssl("pkey", *legacy, "-passin", "pass:secret", "-pubout", data=data)
    assert printed == key.export_public_key("pkcs8-pem")


@needs_openssl
@pytest.mark.parametrize(
    "options",
    [
        ("-v2", "aes-256-cbc"),
        ("-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"),
        ("-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA1"),
        ("-v2", "des3", "-v2prf", "hmacWithSHA384"),
        ("-scrypt",),
        ("-v1", "PBE-SHA1-3DES"),
        ("-v1", "PBE-SHA1-2DES"),
        ("-v1", "PBE-MD5-DES"),
        ("-v1", "PBE-SHA1-DES"),
        ("-v1", "PBE-SHA1-RC4-128"),
        ("-v1", "PBE-SHA1-RC4-40"),
        ("-v2", "des"),
        ("-v2", "bf"),
        ("-v2", "cast"),
        ("-v2", "camellia-128-cbc"),
        ("-v2", "camellia-192-cbc"),
        ("-v2", "camellia-256-cbc"),
        ("-nocrypt",),
    ],
)
def test_we_read_openssl_pkcs8(options: tuple[str, ...]) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    data = openssl(
        *("pkcs8", "-topk8", "-provider", "legacy", "-provider", "default"),
        *options,
        *("-passout", "pass:secret"),
        data=key.export_private_key("pkcs8-pem"),
    )
    assert ssh_keys.import_private_key(data, "secret") == key


@needs_openssl
@pytest.mark.parametrize(
    "cipher",
    [
        "-aes128",
        "-aes192",
        "-aes256",
        "-des3",
        "-des",
        "-camellia128",
        "-camellia192",
        "-camellia256",
    ],
)
@pytest.mark.parametrize("name", ["ssh-rsa", "ecdsa-sha2-nistp256"])
def test_we_read_openssl_pem(name: str, cipher: str) -> None:
    key = make_key(name)
    command = ("rsa", "-traditional") if name == "ssh-rsa" else ("ec",)
    data = openssl(
        *command,
        *("-provider", "legacy", "-provider", "default", cipher, "-passout", "pass:secret"),
        data=key.export_private_key("pkcs1-pem"),
    )
    (block,) = iterate_pem(data)
    assert b"DEK-Info" in block.headers
    assert ssh_keys.import_private_key(data, "secret") == key


@needs_ssh_keygen
@pytest.mark.parametrize("name", KEY_TYPES)
def test_ssh_keygen_converts(name: str, tmp_path: Path) -> None:
    key, path = make_key(name), tmp_path / "id"
    for form in ("rfc4716", "pkcs8-pem", "pkcs1-pem"):
        if name == "ssh-ed25519" and form != "rfc4716":
            continue  # ssh-keygen 9.2 has no other form for it
        if form == "pkcs1-pem" and name != "ssh-rsa":
            continue
        kind = {"rfc4716": "RFC4716", "pkcs8-pem": "PKCS8", "pkcs1-pem": "PEM"}[form]
        path.write_bytes(key.export_public_key(form))
        printed = ssh_keygen("-i", "-m", kind, "-f", path)
        assert printed.split()[1] == key.export_public_key().decode().split()[1]
        key.write_public_key(path)
        written = ssh_keygen("-e", "-m", kind, "-f", path)
        assert ssh_keys.import_public_key(written) == key.convert_to_public()


@needs_ssh_keygen
@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_we_read_what_ssh_keygen_writes_in_old_formats(
    form: str, passphrase: str, tmp_path: Path
) -> None:
    for number, options in enumerate((("rsa", "-b", "2048"), ("ecdsa", "-b", "256"))):
        path = tmp_path / f"id{number}"
        ssh_keygen("-q", "-t", *options, "-m", form, "-N", passphrase, "-f", path)
        key = ssh_keys.read_private_key(path, passphrase)
        public = ssh_keys.read_public_key(tmp_path / f"id{number}.pub")
        assert key.convert_to_public() == public
