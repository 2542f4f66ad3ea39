"""Key exchange by encryption to a transient RSA key (RFC 4432).

The key is made for one exchange and then forgotten: a key that is used again would open all of
its sessions to whoever gets it (section 8).
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ssh_keys.record import Record
from ssh_keys.wire import PacketDecodeError, Reader, encode_mpint, encode_string

from ..errors import KeyExchangeFailed, ProtocolError
from ..protocols import HostKeyProof, KexContext, KexRun, KexStep
from .messages import KexRSADone, KexRSAPubkey, KexRSASecret, read

__all__ = ["RSA1024_SHA1", "RSA2048_SHA256", "RSAMethod", "client", "server"]

# As for host keys: more would let a server keep a client busy for seconds.
_MAX_BITS = 16384


class RSAMethod(Record):
    """Parameters of a method (RFC 4432 section 4).

    Parameters:
        hash: HASH.
        min_bits: MINKLEN, which is also the size of the keys that we make.
    """

    hash: hashes.HashAlgorithm
    min_bits: int

    @property
    def padding(self) -> padding.OAEP:
        """RSAES-OAEP with HASH throughout and an empty label."""
        return padding.OAEP(padding.MGF1(self.hash), self.hash, None)

    def secret_bits(self, key_bits: int) -> int:
        """Return the size of K: KLEN - 2 HLEN - 49 (section 4)."""
        return key_bits - 2 * 8 * self.hash.digest_size - 49


RSA1024_SHA1 = RSAMethod(hashes.SHA1(), 1024)
RSA2048_SHA256 = RSAMethod(hashes.SHA256(), 2048)


def _encode_key(key: rsa.RSAPublicKey) -> bytes:
    numbers = key.public_numbers()
    return encode_string(b"ssh-rsa") + encode_mpint(numbers.e) + encode_mpint(numbers.n)


def _decode_key(blob: bytes, method: RSAMethod) -> rsa.RSAPublicKey:
    reader = Reader(blob)
    try:
        name, exponent, modulus = reader.string(), reader.mpint(), reader.mpint()
        reader.end()
    except PacketDecodeError as exc:
        raise ProtocolError(f"transient RSA key: {exc}") from None
    if name != b"ssh-rsa":
        raise KeyExchangeFailed("transient key is not an RSA key")
    bits = modulus.bit_length() if modulus > 0 else 0
    if not method.min_bits <= bits <= _MAX_BITS:
        raise KeyExchangeFailed(f"transient RSA key has {bits} bits, not {method.min_bits}")
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (ValueError, OverflowError):  # the second for a negative exponent
        raise KeyExchangeFailed("transient RSA key is malformed") from None


def _decode_secret(plain: bytes, limit: int) -> int:
    reader = Reader(plain)
    secret = reader.mpint()
    reader.end()
    if not 0 <= secret < 1 << limit:
        raise PacketDecodeError("secret out of range")
    return secret


def client(context: KexContext, method: RSAMethod) -> KexRun:
    """Run an exchange as the client."""
    offer = read(KexRSAPubkey, (yield KexStep(expect=KexRSAPubkey.number)))
    key = _decode_key(offer.k_t, method)
    bits = method.secret_bits(key.key_size)
    secret = encode_mpint(int.from_bytes(context.random(bits // 8 + 1), "big") % (1 << bits))
    try:
        encrypted = key.encrypt(secret, method.padding)
    except ValueError:  # an exponent or a modulus that OpenSSL does not compute with
        raise KeyExchangeFailed("transient RSA key is malformed") from None
    done = read(KexRSADone, (yield KexStep((KexRSASecret(encrypted).encode(),), KexRSADone.number)))
    fields = encode_string(offer.k_t) + encode_string(encrypted)
    yield HostKeyProof(fields, secret, offer.k_s, done.signature)
    yield KexStep()


def server(context: KexContext, method: RSAMethod) -> KexRun:
    """Run an exchange as the server."""
    key = rsa.generate_private_key(65537, method.min_bits)
    blob = _encode_key(key.public_key())
    offer = KexRSAPubkey(context.host_key, blob).encode()
    encrypted = read(KexRSASecret, (yield KexStep((offer,), KexRSASecret.number))).encrypted
    try:
        plain = key.decrypt(encrypted, method.padding)
        secret = encode_mpint(_decode_secret(plain, method.secret_bits(key.key_size)))
    except ValueError:
        # One answer for every cause, decoding errors (which are ValueErrors) too.
        raise KeyExchangeFailed("secret cannot be decrypted") from None
    signature = yield HostKeyProof(encode_string(blob) + encode_string(encrypted), secret)
    yield KexStep((KexRSADone(signature).encode(),))
