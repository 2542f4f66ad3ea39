"""Signatures of files (PROTOCOL.sshsig), as `ssh-keygen -Y sign` and `-Y verify` make and check."""

from __future__ import annotations

import hashlib
from os import PathLike

from ssh_keys.allowed_signers import SSHAllowedSigners, read_allowed_signers
from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_importing import decode_ssh_certificate
from ssh_keys.errors import (
    KeyImportError,
    KeyTruncatedError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.files import hash_file, read_file
from ssh_keys.formats.armour import encode_pem, iterate_pem
from ssh_keys.importing import KeyPairListArg, load_keypairs
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.key_types import decode_ssh_public_key
from ssh_keys.record import Record
from ssh_keys.signature_algorithms import CERTIFICATE_KEY_TYPES
from ssh_keys.wire import PacketDecodeError, Reader, encode_string, encode_uint32

__all__ = [
    "SSHSignature",
    "create_sshsig",
    "import_sshsig",
    "validate_sshsig",
    "verify_sshsig",
]

MAGIC_PREAMBLE = b"SSHSIG"
SIG_VERSION = 1
HASHES = ("sha512", "sha256")

Data = bytes | str | PathLike[str]


class SSHSignature(Record):
    """A decoded signature, not checked yet.

    Attributes:
        public_data: blob of the key or certificate that signed.
        key: the key that signed.
        certificate: its certificate, None if it signed for itself.
        namespace: what the signature is for.
        hash_name: hash of the data: `sha512` or `sha256`.
        signature: the signature blob.
        reserved: empty, or what a later version put there.
    """

    public_data: bytes
    key: SSHKey
    certificate: SSHOpenSSHCertificate | None
    namespace: str
    hash_name: str
    signature: bytes
    reserved: bytes = b""

    def verify(self, data: Data, *, is_hashed: bool = False) -> None:
        """Check that the key signed the data; returning means that it did.

        Who the key belongs to is another question: see `verify_sshsig`.

        Parameters:
            data: the data, or the name of a file with it.
            is_hashed: whether `data` is the digest already.

        Raises SignatureError, and OSError for a file that cannot be read.
        """
        digest = _digest(data, self.hash_name, is_hashed)
        signed = signed_data(self.namespace, self.hash_name, digest, self.reserved)
        self.key.verify(signed, self.signature)

    def encode(self) -> bytes:
        """Return the blob (PROTOCOL.sshsig section 2)."""
        return b"".join(
            (
                MAGIC_PREAMBLE,
                encode_uint32(SIG_VERSION),
                encode_string(self.public_data),
                encode_string(self.namespace.encode()),
                encode_string(self.reserved),
                encode_string(self.hash_name.encode()),
                encode_string(self.signature),
            )
        )


def signed_data(namespace: str, hash_name: str, digest: bytes, reserved: bytes = b"") -> bytes:
    """Return what is signed (PROTOCOL.sshsig section 3)."""
    fields = (namespace.encode(), reserved, hash_name.encode(), digest)
    return MAGIC_PREAMBLE + b"".join(map(encode_string, fields))


def _digest(data: Data, hash_name: str, is_hashed: bool) -> bytes:
    if not is_hashed:
        if isinstance(data, bytes):
            return hashlib.new(hash_name, data).digest()
        return hash_file(data, hash_name)
    digest = data if isinstance(data, bytes) else read_file(data)
    if len(digest) != hashlib.new(hash_name).digest_size:
        raise SignatureError(f"digest of {len(digest)} bytes, which {hash_name} does not make")
    return digest


def create_sshsig(
    key: KeyPairListArg,
    data: Data,
    *,
    is_hashed: bool = False,
    hash_name: str = "sha512",
    namespace: str = "file",
    raw: bool = False,
) -> bytes:
    """Return a signature of data.

    Parameters:
        key: private key, or key pair with a certificate, as `load_keypairs` takes it; the first
            one signs.
        data: the data, or the name of a file with it.
        is_hashed: whether `data` is the digest already.
        hash_name: `sha512` or `sha256`.
        namespace: what the signature is for (`file`, `git`, `mail@example.com`); not empty.
        raw: whether to return the blob without the armour of text files.

    Raises SignatureError for an unusable hash, namespace or key, KeyImportError and OSError for a
    key or file that cannot be read.
    """
    if hash_name not in HASHES:
        raise SignatureError(f"signatures have no hash {hash_name!a}")
    if not namespace:
        raise SignatureError("a signature needs a namespace")
    pairs = load_keypairs(key)
    if not pairs:
        raise SignatureError("no key to sign with")
    pair = pairs[0]
    digest = _digest(data, hash_name, is_hashed)
    signature = pair.sign(signed_data(namespace, hash_name, digest), pair.sig_algorithms[0])
    if not isinstance(signature, bytes):
        raise SignatureError("the key signs asynchronously, which signatures of files do not")
    blob = SSHSignature(
        pair.public_data,
        _public_key(pair.public_data)[0],
        None,
        namespace,
        hash_name,
        signature,
    ).encode()
    return blob if raw else encode_pem(b"SSH SIGNATURE", blob, width=70)


def _public_key(blob: bytes) -> tuple[SSHKey, SSHOpenSSHCertificate | None]:
    if Reader(blob).string() in CERTIFICATE_KEY_TYPES:
        certificate = decode_ssh_certificate(blob)
        return certificate.key, certificate
    return decode_ssh_public_key(blob), None


def import_sshsig(data: bytes | str) -> SSHSignature:
    """Decode a signature.

    Parameters:
        data: the armoured text, or the blob.

    Raises KeyImportError or one of its subclasses.
    """
    data = data.encode() if isinstance(data, str) else bytes(data)
    if not data.startswith(MAGIC_PREAMBLE):
        # Section 1: the file starts with the header, so that nothing else can be shown as signed.
        if not data.startswith(b"-----BEGIN SSH SIGNATURE-----"):
            raise KeyImportError("not an SSH signature")
        data = next((block.data for block in iterate_pem(data)), b"")
    try:
        return _decode(data)
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"SSH signature: {exc}") from None


def _decode(blob: bytes) -> SSHSignature:
    reader = Reader(blob)
    if reader.take(len(MAGIC_PREAMBLE)) != MAGIC_PREAMBLE:
        raise KeyImportError("not an SSH signature")
    version = reader.uint32()
    if version != SIG_VERSION:
        raise UnsupportedKeyError(f"SSH signature of version {version}")
    public_data, namespace = reader.string(), reader.text()
    reserved, hash_name, signature = reader.string(), reader.string(), reader.string()
    reader.end()
    if not namespace:
        raise KeyImportError("SSH signature without a namespace")
    if hash_name.decode("ascii", "replace") not in HASHES:
        raise UnsupportedKeyError(f"SSH signature with the hash {printable(hash_name)}")
    key, certificate = _public_key(public_data)
    return SSHSignature(
        public_data, key, certificate, namespace, hash_name.decode(), signature, reserved
    )


def verify_sshsig(
    data: Data,
    sig: Data,
    principal: str,
    allowed_signers: SSHAllowedSigners | bytes | str | PathLike[str],
    *,
    namespace: str | None = None,
    is_hashed: bool = False,
    now: float | None = None,
) -> SSHSignature:
    """Check that somebody signed data; returning the signature means that he did.

    Parameters:
        data: the data, or the name of a file with it.
        sig: the signature, or the name of a file with it.
        principal: who is said to have signed.
        allowed_signers: whose keys count: an `SSHAllowedSigners`, the bytes of such a file, or its
            name.
        namespace: what the signature must be for; None takes any that the signer is allowed.
        is_hashed: whether `data` is the digest already.
        now: the time of the check in seconds since 1970; the present if not given.

    Raises SignatureError if the signature is malformed, wrong, for another namespace, or not of
    somebody who may sign; KeyImportError and OSError for files that cannot be read.
    """
    try:
        signature = import_sshsig(sig if isinstance(sig, bytes) else read_file(sig))
    except KeyImportError as exc:
        raise SignatureError(str(exc)) from None
    if namespace is not None and signature.namespace != namespace:
        raise SignatureError(f"signature for {signature.namespace!a}, not for {namespace!a}")
    if isinstance(allowed_signers, bytes):
        allowed_signers = SSHAllowedSigners(allowed_signers)
    elif not isinstance(allowed_signers, SSHAllowedSigners):
        allowed_signers = read_allowed_signers(allowed_signers)
    signature.verify(data, is_hashed=is_hashed)
    allowed_signers.check(
        principal, signature.key, signature.certificate, signature.namespace, now=now
    )
    return signature


def validate_sshsig(
    data: Data,
    sig: Data,
    principal: str,
    allowed_signers: SSHAllowedSigners | bytes | str | PathLike[str],
    *,
    is_hashed: bool = False,
) -> bool:
    """Return whether somebody signed data; parameters as of `verify_sshsig`, which says why not.

    Raises KeyImportError and OSError for files that cannot be read.
    """
    try:
        verify_sshsig(data, sig, principal, allowed_signers, is_hashed=is_hashed)
    except SignatureError:
        return False
    return True
