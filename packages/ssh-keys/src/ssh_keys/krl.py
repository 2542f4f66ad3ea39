"""Key revocation lists (PROTOCOL.krl): read, check, write."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from os import PathLike

from ssh_keys.certificate import MAXIMUM_SERIAL, SSHOpenSSHCertificate
from ssh_keys.errors import (
    KeyGenerationError,
    KeyImportError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.files import parse_file, write_file
from ssh_keys.formats.armour import decode_base64
from ssh_keys.key import SSHKey
from ssh_keys.key_material import format_fingerprint
from ssh_keys.key_types import decode_ssh_public_key
from ssh_keys.krl_serials import (
    SERIAL_BITMAP,
    SERIAL_LIST,
    SERIAL_RANGE,
    SerialSet,
    encode_serials,
)
from ssh_keys.time_values import TimeValue, parse_time
from ssh_keys.wire import (
    PacketDecodeError,
    Reader,
    encode_byte,
    encode_string,
    encode_uint32,
    encode_uint64,
)

__all__ = ["SSHKeyRevocationList", "import_krl", "read_krl"]

MAGIC = b"SSHKRL\n\0"
FORMAT_VERSION = 1
SECTION_CERTIFICATES, SECTION_EXPLICIT_KEY, SECTION_SHA1 = 1, 2, 3
SECTION_SIGNATURE, SECTION_SHA256, SECTION_EXTENSION = 4, 5, 255
CERT_KEY_ID, CERT_EXTENSION = 0x23, 0x39


class _Authority:
    """What is revoked of the certificates of one authority."""

    __slots__ = ("key_ids", "serials")

    def __init__(self) -> None:
        self.serials = SerialSet()
        self.key_ids: set[str] = set()


class SSHKeyRevocationList:
    """A list of keys and certificates that must not be trusted any more.

    Parameters:
        version: number that grows with each change.
        comment: free text.
        generated: when the list was made, see "Specifying time values".

    Raises KeyGenerationError for a version or time out of range.
    """

    def __init__(self, version: int = 0, comment: str = "", generated: TimeValue = "now") -> None:
        if not 0 <= version <= MAXIMUM_SERIAL:
            raise KeyGenerationError(f"revocation list of version {version}")
        self.version = version
        self.comment = comment
        try:
            self.generated = parse_time(generated)
        except ValueError as exc:
            raise KeyGenerationError(str(exc)) from None
        self._authorities: dict[bytes, _Authority] = {}
        self._keys: set[bytes] = set()
        self._sha1: set[bytes] = set()
        self._sha256: set[bytes] = set()

    # --- Checking ----------------------------------------------------------------------------

    def revocation_reason(self, key: SSHKey | SSHOpenSSHCertificate) -> str | None:
        """Return why a key or certificate is revoked, None if it is not.

        A certificate is also revoked with its own key, and with the key of its authority. Serial
        number 0 means a certificate without a number, which no list of serials can mean.
        """
        if isinstance(key, SSHKey):
            return self._key_reason(key.public_data)
        reason = self._key_reason(key.key.public_data)
        if reason is None and (reason := self._key_reason(key.signing_key.public_data)):
            reason = f"authority: {reason}"
        if reason is not None:
            return reason
        for blob in (key.signing_key.public_data, b""):
            authority = self._authorities.get(blob)
            if authority is None:
                continue
            if key.fields.key_id in authority.key_ids:
                return "key id is revoked"
            if key.fields.serial and key.fields.serial in authority.serials:
                return "serial number is revoked"
        return None

    def is_revoked(self, key: SSHKey | SSHOpenSSHCertificate) -> bool:
        """Return whether a key or certificate is revoked."""
        return self.revocation_reason(key) is not None

    def entries(self) -> Sequence[tuple[str, str, str]]:
        """Return what is in the list, for a person: kind, value and authority of each entry.

        The kinds are "serial" (a number, or two with "-" between), "key id", "key" (its SHA256
        fingerprint), "sha1" and "sha256" (fingerprints). The authority is the fingerprint of its
        key for serials and key ids, empty if the entry is for any authority, and for keys.
        """
        found = []
        for blob, authority in self._authorities.items():
            signer = format_fingerprint(blob) if blob else ""
            for first, last in authority.serials.merged():
                text = str(first) if first == last else f"{first}-{last}"
                found.append(("serial", text, signer))
            found += [("key id", name, signer) for name in sorted(authority.key_ids)]
        found += [("key", format_fingerprint(blob), "") for blob in sorted(self._keys)]
        for kind, digests in (("sha1", self._sha1), ("sha256", self._sha256)):
            texts = (b64encode(digest).decode().rstrip("=") for digest in sorted(digests))
            found += [(kind, f"{kind.upper()}:{text}", "") for text in texts]
        return found

    def _key_reason(self, blob: bytes) -> str | None:
        if blob in self._keys:
            return "key is revoked"
        if hashlib.sha256(blob).digest() in self._sha256:
            return "hash of the key is revoked"
        if self._sha1 and hashlib.sha1(blob, usedforsecurity=False).digest() in self._sha1:
            return "hash of the key is revoked"
        return None

    # --- Building ----------------------------------------------------------------------------

    def _authority(self, ca_key: SSHKey | None) -> _Authority:
        blob = b"" if ca_key is None else ca_key.public_data
        return self._authorities.setdefault(blob, _Authority())

    def revoke_key(self, key: SSHKey) -> None:
        """Revoke a key itself."""
        self._keys.add(key.public_data)

    def revoke_hash(self, key: SSHKey, hash_name: str = "sha256") -> None:
        """Revoke a key by its hash, which takes less space (PROTOCOL.krl section 4).

        Parameters:
            key: the key.
            hash_name: `sha256` or `sha1`.

        Raises KeyGenerationError for another hash.
        """
        if hash_name == "sha256":
            self._sha256.add(hashlib.sha256(key.public_data).digest())
        elif hash_name == "sha1":
            self._sha1.add(hashlib.sha1(key.public_data, usedforsecurity=False).digest())
        else:
            raise KeyGenerationError(f"revocation lists have no hash {hash_name!a}")

    def revoke_fingerprint(self, fingerprint: str) -> None:
        """Revoke the key with a fingerprint, as logs and `ssh-keygen -l` have it: `SHA256:...`.

        Raises KeyImportError for anything else.
        """
        self._sha256.add(decode_fingerprint(fingerprint))

    def revoke_serials(self, ca_key: SSHKey | None, first: int, last: int | None = None) -> None:
        """Revoke certificates by serial number.

        Parameters:
            ca_key: key of the authority; None for all authorities.
            first: first serial, 1 to 2^64-1.
            last: last serial, only the first if not given.

        Raises KeyGenerationError for a range that does not exist.
        """
        last = first if last is None else last
        if not 1 <= first <= last <= MAXIMUM_SERIAL:
            raise KeyGenerationError(f"serial numbers {first} to {last}")
        self._authority(ca_key).serials.add(first, last)

    def revoke_key_id(self, ca_key: SSHKey | None, key_id: str) -> None:
        """Revoke all certificates with a key id (PROTOCOL.krl section 2.4).

        Parameters:
            ca_key: their authority; None for all.
            key_id: the key id.
        """
        self._authority(ca_key).key_ids.add(key_id)

    def revoke_certificate(self, certificate: SSHOpenSSHCertificate) -> None:
        """Revoke a certificate by its serial number, or by its key id if it has none."""
        if certificate.fields.serial:
            self.revoke_serials(certificate.signing_key, certificate.fields.serial)
        else:
            self.revoke_key_id(certificate.signing_key, certificate.fields.key_id)

    # --- Writing -----------------------------------------------------------------------------

    def export_krl(self) -> bytes:
        """Return the list in binary form."""
        parts = [
            MAGIC,
            encode_uint32(FORMAT_VERSION),
            encode_uint64(self.version),
            encode_uint64(self.generated),
            encode_uint64(0),
            encode_string(b""),
            encode_string(self.comment.encode()),
        ]
        # In the order in which they were added, as ssh-keygen has them.
        for blob, authority in self._authorities.items():
            body = encode_string(blob) + encode_string(b"")
            body += encode_serials(authority.serials.merged())
            if authority.key_ids:
                names = sorted(name.encode() for name in authority.key_ids)
                listed = b"".join(map(encode_string, names))
                body += encode_byte(CERT_KEY_ID) + encode_string(listed)
            parts += [encode_byte(SECTION_CERTIFICATES), encode_string(body)]
        for number, values in (
            (SECTION_EXPLICIT_KEY, self._keys),
            (SECTION_SHA1, self._sha1),
            (SECTION_SHA256, self._sha256),
        ):
            if values:
                listed = b"".join(map(encode_string, sorted(values)))
                parts += [encode_byte(number), encode_string(listed)]
        return b"".join(parts)

    def write_krl(self, filename: str | PathLike[str]) -> None:
        """Write the list to the file `filename`, atomically; raises OSError."""
        write_file(filename, self.export_krl())

    # --- Reading -----------------------------------------------------------------------------

    def _read_section(self, number: int, data: bytes) -> None:
        if number == SECTION_CERTIFICATES:
            self._read_certificates(Reader(data))
        elif number == SECTION_EXPLICIT_KEY:
            # Each is decoded, so that a damaged one is noticed instead of revoking nothing.
            self._keys.update(decode_ssh_public_key(blob).public_data for blob in _strings(data))
        elif number in (SECTION_SHA1, SECTION_SHA256):
            size, known = (20, self._sha1) if number == SECTION_SHA1 else (32, self._sha256)
            for digest in _strings(data):
                if len(digest) != size:
                    raise KeyImportError(f"revocation list with a hash of {len(digest)} bytes")
                known.add(digest)
        elif number == SECTION_EXTENSION:
            _check_extension(Reader(data))
        elif number == SECTION_SIGNATURE:
            raise UnsupportedKeyError("revocation list with a signature of the old kind")
        else:
            raise UnsupportedKeyError(f"revocation list with the unknown section {number}")

    def _read_certificates(self, reader: Reader) -> None:
        blob = reader.string()
        reader.string()  # reserved
        ca_key = decode_ssh_public_key(blob) if blob else None
        authority = self._authority(ca_key)
        while reader.remaining:
            number, data = reader.byte(), Reader(reader.string())
            if number == SERIAL_LIST:
                while data.remaining:
                    serial = data.uint64()
                    authority.serials.add(serial, serial)
            elif number == SERIAL_RANGE:
                first, last = data.uint64(), data.uint64()
                if first > last:
                    raise KeyImportError("revocation list with a range that ends before it begins")
                authority.serials.add(first, last)
            elif number == SERIAL_BITMAP:
                offset, bitmap = data.uint64(), data.mpint()
                if bitmap < 0 or offset + bitmap.bit_length() - 1 > MAXIMUM_SERIAL:
                    raise KeyImportError("revocation list with a bitmap out of range")
                authority.serials.add_bitmap(offset, bitmap)
            elif number == CERT_KEY_ID:
                while data.remaining:
                    authority.key_ids.add(data.text())
            elif number == CERT_EXTENSION:
                _check_extension(data)
            else:
                raise UnsupportedKeyError(f"revocation list with the unknown section {number:#x}")
            data.end()


def _strings(data: bytes) -> Iterator[bytes]:
    reader = Reader(data)
    while reader.remaining:
        yield reader.string()


def _check_extension(reader: Reader) -> None:
    name, critical = reader.text(), reader.boolean()
    reader.string()
    reader.end()
    if critical:
        raise UnsupportedKeyError(f"revocation list with the critical extension {name!a}")


def decode_fingerprint(text: str) -> bytes:
    """Return the digest in a fingerprint of the form `SHA256:...`; raises KeyImportError."""
    name, _, digest = text.partition(":")
    if name != "SHA256":
        raise KeyImportError(f"{text!a} is no SHA256 fingerprint")
    digest = digest.rstrip("=")
    try:
        data = decode_base64(f"{digest}=".encode("ascii"))
    except (KeyImportError, UnicodeEncodeError):
        data = b""
    if len(data) != 32:
        raise KeyImportError(f"{text!a} is no SHA256 fingerprint")
    return data


def import_krl(data: bytes) -> SSHKeyRevocationList:
    """Decode a revocation list.

    Raises UnsupportedKeyError for a version, section or critical extension that is not known,
    KeyImportError or KeyTruncatedError for malformed data. Nothing is skipped: a list that cannot
    be understood as a whole revokes nothing reliably.
    """
    if not data.startswith(MAGIC):
        raise KeyImportError("not a revocation list")
    reader = Reader(data, len(MAGIC))
    try:
        version = reader.uint32()
        if version != FORMAT_VERSION:
            raise UnsupportedKeyError(f"revocation list in format {version}")
        number, generated, _flags = reader.uint64(), reader.uint64(), reader.uint64()
        reader.string()  # reserved
        krl = SSHKeyRevocationList(number, reader.text(), generated)
        while reader.remaining:
            krl._read_section(reader.byte(), reader.string())
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"revocation list: {exc}") from None
    return krl


def read_krl(filename: str | PathLike[str]) -> SSHKeyRevocationList:
    """Read a revocation list from a file; raises OSError, and KeyImportError as `import_krl`."""
    return parse_file(filename, import_krl)
