"""Password-based encryption of PKCS#8 keys: PBES1 and PBES2 (RFC 8018), PKCS#12 (RFC 7292).

Costs that the file asks for are capped before anything is derived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from os import urandom

from ssh_keys.errors import (
    KeyEncryptionError,
    KeyImportError,
    KeyPassphraseError,
    UnsupportedKeyError,
)
from ssh_keys.formats.block_ciphers import CIPHERS, ContainerCipher
from ssh_keys.formats.der import (
    OID,
    SEQUENCE,
    DERReader,
    encode_integer,
    encode_null,
    encode_octets,
    encode_oid,
    encode_sequence,
)
from ssh_keys.record import Record

__all__ = ["decrypt_pkcs8", "encrypt_pkcs8", "is_encrypted_pkcs8"]

_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_PRFS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_PBES2_CIPHERS = {
    "2.16.840.1.101.3.4.1.2": "aes128-cbc",
    "2.16.840.1.101.3.4.1.22": "aes192-cbc",
    "2.16.840.1.101.3.4.1.42": "aes256-cbc",
    "1.3.14.3.2.7": "des-cbc",
    "1.2.840.113549.3.7": "des3-cbc",
    "1.3.6.1.4.1.3029.1.2": "blowfish-cbc",
    "1.2.840.113533.7.66.10": "cast128-cbc",
    "1.2.392.200011.61.1.1.1.2": "camellia128-cbc",
    "1.2.392.200011.61.1.1.1.3": "camellia192-cbc",
    "1.2.392.200011.61.1.1.1.4": "camellia256-cbc",
}

#: Cost that a file may ask for: a few seconds. OpenSSL writes 2048 iterations.
MAXIMUM_ITERATIONS = 10_000_000
#: The same for the two schemes whose loop runs in Python.
MAXIMUM_OLD_ITERATIONS = 1_000_000
MAXIMUM_SCRYPT_MEMORY = 256 << 20
MAXIMUM_SCRYPT_PARALLELISM = 16
MAXIMUM_SALT_SIZE = 1024


class OldScheme(Record):
    """A scheme of PBES1 or PKCS#12: the identifier fixes hash and cipher."""

    oid: str
    hash_name: str
    cipher: ContainerCipher
    pkcs12: bool

    def derive(self, passphrase: bytes, salt: bytes, rounds: int) -> tuple[bytes, bytes]:
        """Return key and IV."""
        if not self.pkcs12:
            secret = _pbkdf1(self.hash_name, passphrase, salt, rounds)
            return secret[:8], secret[8:16]
        # RFC 7292 appendix B.1: the passphrase as BMPString with two zero bytes behind it.
        try:
            text = passphrase.decode("utf-8").encode("utf-16-be") + b"\0\0"
        except UnicodeDecodeError:
            raise KeyEncryptionError("PKCS#12 encryption needs a passphrase in UTF-8") from None
        key = _pkcs12(self.hash_name, text, salt, rounds, self.cipher.key_size, 1)
        return key, _pkcs12(self.hash_name, text, salt, rounds, self.cipher.block_size, 2)


_OLD_SCHEMES = (
    OldScheme("1.2.840.113549.1.5.3", "md5", CIPHERS["des-cbc"], False),
    OldScheme("1.2.840.113549.1.5.10", "sha1", CIPHERS["des-cbc"], False),
    OldScheme("1.2.840.113549.1.12.1.1", "sha1", CIPHERS["rc4-128"], True),
    OldScheme("1.2.840.113549.1.12.1.2", "sha1", CIPHERS["rc4-40"], True),
    OldScheme("1.2.840.113549.1.12.1.3", "sha1", CIPHERS["des3-cbc"], True),
    OldScheme("1.2.840.113549.1.12.1.4", "sha1", CIPHERS["des2-cbc"], True),
)


def is_encrypted_pkcs8(data: bytes) -> bool:
    """Whether DER data is an EncryptedPrivateKeyInfo rather than a plain key."""
    outer = DERReader(data).sequence()
    return outer.peek() == SEQUENCE and outer.sequence().peek() == OID


def decrypt_pkcs8(data: bytes, passphrase: bytes | None) -> bytes:
    """Return the PrivateKeyInfo inside of an EncryptedPrivateKeyInfo (RFC 5958 section 3).

    Raises KeyPassphraseError if the passphrase is missing or wrong, UnsupportedKeyError for an
    unknown scheme, KeyImportError for a cost beyond the limits.
    """
    reader = DERReader(data)
    outer = reader.sequence()
    reader.end()
    algorithm = outer.sequence()
    oid = algorithm.oid()
    encrypted = outer.octets()
    outer.end()
    if oid == _PBES2:
        return _decrypt_pbes2(algorithm, encrypted, passphrase)
    for scheme in _OLD_SCHEMES:
        if scheme.oid == oid:
            parameters = algorithm.sequence()
            algorithm.end()
            salt, rounds = parameters.octets(), parameters.integer()
            parameters.end()
            _check_cost(salt, rounds, MAXIMUM_OLD_ITERATIONS)
            key, iv = scheme.derive(_required(passphrase), salt, rounds)
            return scheme.cipher.decrypt(key, iv, encrypted)
    raise UnsupportedKeyError(f"unknown PKCS#8 encryption {oid}")


def _required(passphrase: bytes | None) -> bytes:
    if passphrase is None:
        raise KeyPassphraseError("the private key is encrypted and needs a passphrase")
    return passphrase


def _check_cost(salt: bytes, rounds: int, maximum: int) -> None:
    if not len(salt) <= MAXIMUM_SALT_SIZE:
        raise KeyImportError(f"salt of {len(salt)} bytes")
    if not 1 <= rounds <= maximum:
        raise KeyImportError(f"{rounds} iterations of key derivation, not 1 to {maximum}")


def _decrypt_pbes2(algorithm: DERReader, encrypted: bytes, passphrase: bytes | None) -> bytes:
    parameters = algorithm.sequence()
    algorithm.end()
    kdf, scheme = parameters.sequence(), parameters.sequence()
    parameters.end()
    name = _PBES2_CIPHERS.get(oid := scheme.oid())
    if name is None:
        raise UnsupportedKeyError(f"unknown PBES2 cipher {oid}")
    cipher = CIPHERS[name]
    if name == "cast128-cbc" and scheme.peek() == SEQUENCE:
        # RFC 2144 appendix B.2: the IV may be left out, then it is zero. OpenSSL writes a bare IV.
        inner = scheme.sequence()
        iv = inner.octets() if inner.peek() == 0x04 else bytes(cipher.block_size)
        if inner.integer() != 8 * cipher.key_size:
            raise UnsupportedKeyError("CAST-128 with a key of another size")
        inner.end()
    else:
        iv = scheme.octets()
    scheme.end()
    if len(iv) != cipher.block_size:
        raise KeyImportError(f"{name} with an IV of {len(iv)} bytes")
    key = _derive_pbes2(kdf, cipher, passphrase)
    return cipher.decrypt(key, iv, encrypted)


def _derive_pbes2(kdf: DERReader, cipher: ContainerCipher, passphrase: bytes | None) -> bytes:
    oid = kdf.oid()
    parameters = kdf.sequence()
    kdf.end()
    if oid == _SCRYPT:
        return _derive_scrypt(parameters, cipher, passphrase)
    if oid != _PBKDF2:
        raise UnsupportedKeyError(f"unknown PBES2 key derivation {oid}")
    salt, rounds = parameters.octets(), parameters.integer()
    _check_key_length(parameters, cipher)
    hash_name = "sha1"
    if parameters.peek() == SEQUENCE:
        prf = parameters.sequence()
        hash_oid = prf.oid()
        if hash_oid not in _PRFS:
            raise UnsupportedKeyError(f"unknown PBKDF2 hash {hash_oid}")
        hash_name = _PRFS[hash_oid]
        if prf.peek() >= 0:
            prf.null()
        prf.end()
    parameters.end()
    _check_cost(salt, rounds, MAXIMUM_ITERATIONS)
    return hashlib.pbkdf2_hmac(hash_name, _required(passphrase), salt, rounds, cipher.key_size)


def _check_key_length(parameters: DERReader, cipher: ContainerCipher) -> None:
    if parameters.peek() == 0x02 and parameters.integer() != cipher.key_size:
        raise KeyImportError("key derivation and cipher have different key lengths")


def _derive_scrypt(
    parameters: DERReader, cipher: ContainerCipher, passphrase: bytes | None
) -> bytes:
    """RFC 7914 section 7.1."""
    salt = parameters.octets()
    n, r, p = parameters.integer(), parameters.integer(), parameters.integer()
    _check_key_length(parameters, cipher)
    parameters.end()
    _check_cost(salt, p, MAXIMUM_SCRYPT_PARALLELISM)
    if n < 2 or n & (n - 1) or r < 1 or 128 * n * r > MAXIMUM_SCRYPT_MEMORY:
        raise KeyImportError(f"scrypt with N = {n} and r = {r}")
    try:
        return hashlib.scrypt(
            _required(passphrase),
            salt=salt,
            n=n,
            r=r,
            p=p,
            maxmem=MAXIMUM_SCRYPT_MEMORY + (64 << 20),
            dklen=cipher.key_size,
        )
    except ValueError:
        raise KeyImportError(f"scrypt with N = {n}, r = {r} and p = {p}") from None


def encrypt_pkcs8(
    data: bytes,
    passphrase: bytes,
    cipher_name: str,
    hash_name: str,
    version: int,
    rounds: int,
    random: Callable[[int], bytes] = urandom,
) -> bytes:
    """Return an EncryptedPrivateKeyInfo.

    Parameters:
        data: a PrivateKeyInfo.
        passphrase: the passphrase.
        cipher_name: `aes256-cbc`, `aes192-cbc`, `aes128-cbc`, `des3-cbc`, `des-cbc`,
            `blowfish-cbc`, `cast128-cbc` with version 2; `des-cbc` (MD5 or SHA-1), `des3-cbc`,
            `des2-cbc`, `rc4-128`, `rc4-40` (SHA-1) with version 1.
        hash_name: `sha1`, `sha224`, `sha256`, `sha384`, `sha512`, for version 1 see above.
        version: 1 for PBES1 and PKCS#12, 2 for PBES2.
        rounds: iterations of the key derivation.
        random: source of salt and IV.

    Raises KeyEncryptionError for a combination that does not exist.
    """
    limit = MAXIMUM_ITERATIONS if version == 2 else MAXIMUM_OLD_ITERATIONS
    if not 1 <= rounds <= limit:
        raise KeyEncryptionError(f"{rounds} iterations of key derivation, not 1 to {limit}")
    encrypt = {1: _encrypt_old, 2: _encrypt_pbes2}.get(version)
    if encrypt is None:
        raise KeyEncryptionError(f"password-based encryption has no version {version}")
    algorithm, encrypted = encrypt(data, passphrase, cipher_name, hash_name, rounds, random)
    return encode_sequence(algorithm, encode_octets(encrypted))


def _encrypt_old(
    data: bytes,
    passphrase: bytes,
    cipher_name: str,
    hash_name: str,
    rounds: int,
    random: Callable[[int], bytes],
) -> tuple[bytes, bytes]:
    for scheme in _OLD_SCHEMES:
        if (scheme.cipher.name, scheme.hash_name) == (cipher_name, hash_name):
            salt = random(8)
            key, iv = scheme.derive(passphrase, salt, rounds)
            parameters = encode_sequence(encode_octets(salt), encode_integer(rounds))
            algorithm = encode_sequence(encode_oid(scheme.oid), parameters)
            return algorithm, scheme.cipher.encrypt(key, iv, data)
    raise KeyEncryptionError(f"PBES1 has no {cipher_name!r} with {hash_name!r}")


def _encrypt_pbes2(
    data: bytes,
    passphrase: bytes,
    cipher_name: str,
    hash_name: str,
    rounds: int,
    random: Callable[[int], bytes],
) -> tuple[bytes, bytes]:
    cipher_oids = {name: oid for oid, name in _PBES2_CIPHERS.items()}
    hash_oids = {name: oid for oid, name in _PRFS.items()}
    if cipher_name not in cipher_oids or hash_name not in hash_oids:
        raise KeyEncryptionError(f"PBES2 has no {cipher_name!r} with {hash_name!r}")
    cipher = CIPHERS[cipher_name]
    salt, iv = random(16), random(cipher.block_size)
    key = hashlib.pbkdf2_hmac(hash_name, passphrase, salt, rounds, cipher.key_size)
    values = [encode_octets(salt), encode_integer(rounds)]
    if cipher_name in ("blowfish-cbc", "cast128-cbc"):
        # Ciphers whose identifier does not tell the length of the key.
        values.append(encode_integer(cipher.key_size))
    if hash_name != "sha1":
        # SHA-1 is the default, which DER leaves out.
        values.append(encode_sequence(encode_oid(hash_oids[hash_name]), encode_null()))
    kdf = encode_sequence(encode_oid(_PBKDF2), encode_sequence(*values))
    scheme = encode_sequence(encode_oid(cipher_oids[cipher_name]), encode_octets(iv))
    algorithm = encode_sequence(encode_oid(_PBES2), encode_sequence(kdf, scheme))
    return algorithm, cipher.encrypt(key, iv, data)


def _hash(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _pbkdf1(hash_name: str, passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    """RFC 8018 section 5.1, the whole digest."""
    digest = passphrase + salt
    for _ in range(rounds):
        digest = _hash(hash_name, digest)
    return digest


def _pkcs12(
    hash_name: str, text: bytes, salt: bytes, rounds: int, size: int, purpose: int
) -> bytes:
    """RFC 7292 appendix B.2; purpose 1 is a key, 2 an IV."""
    block = hashlib.new(hash_name, usedforsecurity=False).block_size

    def filled(data: bytes) -> bytes:
        length = -(-len(data) // block) * block
        return (data * (length // len(data) + 1))[:length] if data else b""

    state = filled(salt) + filled(text)
    result = b""
    while len(result) < size:
        digest = bytes((purpose,)) * block + state
        for _ in range(rounds):
            digest = _hash(hash_name, digest)
        result += digest
        step = int.from_bytes(filled(digest), "big") + 1
        mask = (1 << 8 * block) - 1
        state = b"".join(
            ((int.from_bytes(state[at : at + block], "big") + step) & mask).to_bytes(block, "big")
            for at in range(0, len(state), block)
        )
    return result[:size]
