"""What is the same for keys of all types: signature blobs, fingerprints, comparison, comments.

What differs between key types is in one module each (`eddsa`, `ecdsa`, `rsa`, ...), and which ones
there are is one table (`key_types`). The writers of file formats work on `KeyMaterial`, and
`ssh_keys.key.SSHKey` joins the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Collection
from functools import cache
from hashlib import new as new_hash
from typing import TYPE_CHECKING, Self

from ssh_keys.errors import KeyExportError, SignatureError
from ssh_keys.signature_algorithms import SIGNATURE_ALGORITHMS, names_unless_chosen
from ssh_keys.wire import PacketDecodeError, Reader, encode_string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = ["CommentHolder", "KeyMaterial", "format_fingerprint", "printable"]

#: Hashes that a fingerprint may use; MD5 is what old tools print, not a security boundary.
FINGERPRINT_HASHES = ("md5", "sha1", "sha256", "sha384", "sha512")

#: Below this size an RSA signature proves nothing to a serious attacker.
MINIMUM_RSA_BITS = 2048

#: Flags of an authenticator (PROTOCOL.u2f, "SSH U2F signatures").
FLAG_USER_PRESENT = 0x01
FLAG_USER_VERIFIED = 0x04


def printable(name: bytes) -> str:
    """Return peer-supplied bytes as text that is safe in a message or a log."""
    return ascii(name[:64].decode("ascii", "backslashreplace"))


def format_fingerprint(public_data: bytes, hash_name: str = "sha256") -> str:
    """Return the fingerprint of a key blob as `ssh-keygen -l -E <hash_name>` prints it.

    Parameters:
        public_data: the key blob (RFC 4253 section 6.6).
        hash_name: md5, sha1, sha256, sha384 or sha512.

    Raises ValueError for another hash.
    """
    name = hash_name.lower().replace("-", "")
    if name not in FINGERPRINT_HASHES:
        raise ValueError(f"unknown fingerprint hash {hash_name!r}")
    digest = new_hash(name, public_data, usedforsecurity=False).digest()
    text = digest.hex(":") if name == "md5" else b64encode(digest).decode().rstrip("=")
    return f"{name.upper()}:{text}"


@cache
def _unless_chosen(names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return names_unless_chosen(SIGNATURE_ALGORITHMS[name] for name in names)


class CommentHolder:
    """A comment, kept as the bytes that were in the file."""

    _comment: bytes | None = None

    def get_comment_bytes(self) -> bytes | None:
        """Return the comment as bytes, None if there is none."""
        return self._comment

    def get_comment(self, encoding: str = "utf-8", errors: str = "strict") -> str | None:
        """Return the comment as text, None if there is none.

        Raises UnicodeDecodeError if the bytes are not in `encoding` and `errors` is "strict".
        """
        return None if self._comment is None else self._comment.decode(encoding, errors)

    def set_comment(
        self, comment: str | bytes | None, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        """Replace the comment; None removes it."""
        if isinstance(comment, str):
            comment = comment.encode(encoding, errors)
        self._comment = comment or None


class KeyMaterial(CommentHolder, ABC):
    """What the key types implement, and what signing and comparing need.

    Attributes:
        algorithm: name of the key type (RFC 4253 section 6.6), e.g. `b"ssh-ed25519"`.
        sig_algorithms: names of the signature algorithms, best first (RFC 8332 for RSA).
        x509_sig_algorithms: further names, for keys in X.509 certificates only (RFC 6187).
        public_data: the key blob.
        is_private: whether the private part is present.
        needs_device: whether signing waits for a device, and perhaps for its user.
    """

    algorithm: bytes
    sig_algorithms: tuple[bytes, ...]
    x509_sig_algorithms: tuple[bytes, ...] = ()
    public_data: bytes
    is_private: bool
    needs_device = False

    def __init__(
        self,
        algorithm: bytes,
        sig_algorithms: tuple[bytes, ...],
        public_data: bytes,
        is_private: bool,
    ) -> None:
        self.algorithm = algorithm
        self.sig_algorithms = sig_algorithms
        self.public_data = public_data
        self.is_private = is_private

    # --- What a key type has to supply -------------------------------------------------------

    @property
    @abstractmethod
    def bits(self) -> int:
        """Size of the key in bits, as `ssh-keygen -l` prints it."""

    @property
    @abstractmethod
    def type_name(self) -> str:
        """Short name of the key type, as `ssh-keygen -l` prints it ("RSA", "ED25519")."""

    @abstractmethod
    def convert_to_public(self) -> Self:
        """Return a key with the same public part and comment, without the private part."""

    @abstractmethod
    def _private_fields(self) -> bytes:
        """Encode the fields behind the key type, as in PROTOCOL.key section 3."""

    @abstractmethod
    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Return what follows the algorithm name in the signature blob."""

    @abstractmethod
    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> int | None:
        """Check the part of the blob behind the name; raise SignatureError.

        Returns the flags of the authenticator for security keys, None for all others.
        """

    def private_key_object(self) -> PrivateKeyTypes:
        """Return the private key as an object of `cryptography`.

        Raises KeyExportError if there is no private part, or no such object for this key type.
        """
        raise KeyExportError(f"{self.get_algorithm()} keys exist only in OpenSSH's own formats")

    def public_key_object(self) -> PublicKeyTypes:
        """Return the public key as an object of `cryptography`; raises KeyExportError."""
        raise KeyExportError(f"{self.get_algorithm()} keys exist only in OpenSSH's own formats")

    # --- What is the same for all ------------------------------------------------------------

    def get_algorithm(self) -> str:
        """Return the name of the key type as text."""
        return self.algorithm.decode("ascii")

    @property
    def default_sig_algorithms(self) -> tuple[bytes, ...]:
        """The signature algorithms that `verify` accepts unless told otherwise.

        Those that are on by default, all sound ones for a type of key that has none of them. What
        rests on SHA-1 (`ssh-rsa`, `ssh-dss`), and RSA under the names of ssh.com, has to be asked
        for by name.
        """
        return _unless_chosen(self.sig_algorithms)

    @property
    def private_data(self) -> bytes:
        """The private key as in PROTOCOL.key section 3 and SSH_AGENTC_ADD_IDENTITY: a secret.

        Key type and fields, without the comment. Raises KeyExportError if there is no private part.
        """
        if not self.is_private:
            raise KeyExportError("the key has no private part")
        return encode_string(self.algorithm) + self._private_fields()

    def sign(self, data: bytes, sig_algorithm: bytes | None = None) -> bytes:
        """Sign data and return the signature blob: algorithm name and signature, both strings.

        Parameters:
            data: what is signed, in full.
            sig_algorithm: one of `sig_algorithms`, the first if not given, or of
                `x509_sig_algorithms`.

        Raises SignatureError if there is no private part, or the key has no such algorithm.
        """
        if not self.is_private:
            raise SignatureError("signing needs the private part of the key")
        if sig_algorithm is None:
            sig_algorithm = self.sig_algorithms[0]
        elif not self._makes(sig_algorithm):
            raise SignatureError(
                f"{self.get_algorithm()} keys make no {printable(sig_algorithm)} signatures"
            )
        return encode_string(sig_algorithm) + self._sign(data, sig_algorithm)

    def verify(
        self,
        data: bytes,
        signature: bytes,
        sig_algorithms: Collection[bytes] | None = None,
        *,
        minimum_rsa_bits: int = MINIMUM_RSA_BITS,
        touch_required: bool = True,
        verify_required: bool = False,
    ) -> None:
        """Check a signature blob; returning means that it is right.

        Parameters:
            data: what was signed, in full.
            signature: the blob: string algorithm name, string signature.
            sig_algorithms: names that are allowed; `default_sig_algorithms` if not given.
            minimum_rsa_bits: RSA keys smaller than this many bits prove nothing.
            touch_required: whether the user of a security key must have been present
                (`no-touch-required` of authorized_keys and certificates turns it off).
            verify_required: whether the authenticator must have verified its user, too.

        Raises SignatureError if the blob is malformed, its algorithm is not allowed or not one of
        this key, the key is too weak, or the signature is wrong.
        """
        allowed = self.default_sig_algorithms if sig_algorithms is None else sig_algorithms
        reader = Reader(signature)
        try:
            name = reader.string()
            if not self._makes(name):
                raise SignatureError(
                    f"{printable(name)} is no signature of a key of type {self.get_algorithm()}"
                )
            if name not in allowed:
                raise SignatureError(f"signature algorithm {name.decode()} is not allowed")
            self._check_strength(minimum_rsa_bits)
            flags = self._verify(data, name, reader)
        except PacketDecodeError as exc:
            raise SignatureError(f"malformed signature: {exc}") from None
        if flags is not None:
            if touch_required and not flags & FLAG_USER_PRESENT:
                raise SignatureError("the user of the security key was not present")
            if verify_required and not flags & FLAG_USER_VERIFIED:
                raise SignatureError("the user of the security key was not verified")

    def _makes(self, sig_algorithm: bytes) -> bool:
        return sig_algorithm in self.sig_algorithms or sig_algorithm in self.x509_sig_algorithms

    def _check_strength(self, minimum_rsa_bits: int) -> None:
        """Raise SignatureError if the key is too weak to prove anything; only RSA has sizes."""

    def get_fingerprint(self, hash_name: str = "sha256") -> str:
        """Return the fingerprint as `ssh-keygen -l -E <hash_name>` prints it.

        Parameters:
            hash_name: md5, sha1, sha256, sha384 or sha512.

        Raises ValueError for another hash.
        """
        return format_fingerprint(self.public_data, hash_name)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, KeyMaterial)
            and self.public_data == other.public_data
            and self.is_private == other.is_private
        )

    def __hash__(self) -> int:
        return hash((self.public_data, self.is_private))

    def __repr__(self) -> str:
        kind = "private" if self.is_private else "public"
        return f"<{type(self).__name__} {kind} {self.get_algorithm()} {self.get_fingerprint()}>"
