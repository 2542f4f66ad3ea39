"""SSHFP resource records: fingerprints of host keys in the DNS (RFC 4255). Nothing is looked up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from hashlib import new as new_hash

from ssh_keys.errors import KeyExportError, KeyImportError, KeyTruncatedError
from ssh_keys.key import SSHKey
from ssh_keys.record import Record

__all__ = [
    "SSHFPRecord",
    "SSHFPStatus",
    "check_sshfp",
    "create_sshfp",
    "decode_sshfp",
    "import_sshfp",
]

#: Number of the type of these records, for DNS software that does not know its name (RFC 3597).
TYPE_CODE = 44

#: "SSHFP RR Types for public key algorithms": RFC 4255, RFC 6594, RFC 7479, RFC 8709. The keys of
#: authenticators and the post-quantum ones have no number.
ALGORITHMS = {
    b"ssh-rsa": 1,
    b"ssh-dss": 2,
    b"ecdsa-sha2-nistp256": 3,
    b"ecdsa-sha2-nistp384": 3,
    b"ecdsa-sha2-nistp521": 3,
    b"ecdsa-sha2-1.3.132.0.10": 3,
    b"ssh-ed25519": 4,
    b"ssh-ed448": 6,
}

#: "SSHFP RR types for fingerprint types", the worse ones first: hash, and size in bytes.
FINGERPRINT_TYPES = {1: ("sha1", 20), 2: ("sha256", 32)}
_TYPE_OF_HASH = {name: number for number, (name, _) in FINGERPRINT_TYPES.items()}

# What a name may be without being quoted: nothing that ends the name or the line, or a comment.
_HOST = re.compile(r"@|(?:[A-Za-z0-9_-]{1,63}|\*)(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
MAXIMUM_HOST_LENGTH = 254
#: In a zone file a byte of a name may be written as four characters, a backslash and its number.
MAXIMUM_WRITTEN_LENGTH = 4 * MAXIMUM_HOST_LENGTH

# Words of a line of a zone file (RFC 1035 section 5.1), and where comments begin.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|;.*|[()]|[^\s;()"]+')
_TTL = re.compile(r"(?:\d+[smhdw])*\d*", re.ASCII | re.IGNORECASE)
_CLASSES = ("IN", "CH", "HS", "CS")
_SMALL_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]*", re.ASCII)


class SSHFPStatus(Enum):
    """What SSHFP records say about a host key.

    `MATCH`: it is one of those that they name. `MISMATCH`: they name other keys of its algorithm,
    so it must be refused. `UNKNOWN`: they say nothing about keys of its algorithm.
    """

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class SSHFPRecord(Record):
    """One SSHFP resource record (RFC 4255 section 3).

    Attributes:
        algorithm: number of the algorithm of the key, 0 to 255.
        fingerprint_type: number of the hash, 0 to 255: 1 is SHA-1, 2 is SHA-256.
        fingerprint: hash of the key blob.
        host: name that the record belongs to, as it is written; empty if that is not known.
    """

    algorithm: int
    fingerprint_type: int
    fingerprint: bytes
    host: str = ""

    def matches(self, key: SSHKey) -> bool:
        """Return whether the record names a key (RFC 4255 section 2.3).

        One record is not all that counts: see `check_sshfp`.
        """
        known = FINGERPRINT_TYPES.get(self.fingerprint_type)
        if known is None or self.algorithm != ALGORITHMS.get(key.algorithm):
            return False
        return self.fingerprint == _fingerprint(key, known[0])

    def belongs_to(self, host: str) -> bool:
        """Return whether the record is for a host; one without a name is for every host.

        Neither the case of ASCII letters (RFC 4343) nor a dot at the end counts.
        """
        return not self.host or _folded(self.host) == _folded(host)

    def encode(self) -> bytes:
        """Return the data of the record (RFC 4255 section 3.1).

        Raises KeyExportError for a number that is not 0 to 255.
        """
        for number in (self.algorithm, self.fingerprint_type):
            if not 0 <= number <= 255:
                raise KeyExportError(f"SSHFP record with the number {number}")
        return bytes((self.algorithm, self.fingerprint_type)) + self.fingerprint

    def export(self, generic: bool = False) -> str:
        """Return the line of a zone file, as `ssh-keygen -r` prints it (RFC 4255 section 3.2).

        Parameters:
            generic: for DNS software that does not know these records (RFC 3597 section 5).

        Raises KeyExportError if the record has no name that can stand in such a file.
        """
        _check_host(self.host)
        data = self.encode()
        digest = self.fingerprint.hex()
        if generic:
            head = rf"{self.host} IN TYPE{TYPE_CODE} \# {len(data)}"
            return f"{head} {self.algorithm:02x} {self.fingerprint_type:02x} {digest}"
        return f"{self.host} IN SSHFP {self.algorithm} {self.fingerprint_type} {digest}"


def _fingerprint(key: SSHKey, hash_name: str) -> bytes:
    return new_hash(hash_name, key.public_data, usedforsecurity=False).digest()


def _folded(host: str) -> bytes:
    # Not of the text: other letters than those of ASCII have one case only.
    return host.encode("utf-8", "surrogateescape").lower().removesuffix(b".")


def _check_host(host: str) -> None:
    """Raise KeyExportError for what would not be one name in a zone file, or would be more."""
    if len(host) > MAXIMUM_HOST_LENGTH or _HOST.fullmatch(host) is None:
        raise KeyExportError(f"{host!a} is no name for the DNS")


def create_sshfp(
    host: str, key: SSHKey, hash_names: Sequence[str] = ("sha1", "sha256")
) -> tuple[SSHFPRecord, ...]:
    """Return the SSHFP records of a host key, one for each hash.

    Parameters:
        host: name of the host; names with other letters than ASCII in their form for the DNS.
        key: its key.
        hash_names: `sha1` or `sha256` (RFC 6594), in the order of the records.

    Raises KeyExportError for a name that the DNS cannot have, a hash or a type of key that has no
    number there.
    """
    _check_host(host)
    algorithm = ALGORITHMS.get(key.algorithm)
    if algorithm is None:
        raise KeyExportError(f"there are no SSHFP records of {key.get_algorithm()} keys")
    for name in hash_names:
        if name not in _TYPE_OF_HASH:
            raise KeyExportError(f"SSHFP records have no hash {name!a}")
    return tuple(
        SSHFPRecord(algorithm, _TYPE_OF_HASH[name], _fingerprint(key, name), host)
        for name in hash_names
    )


def check_sshfp(
    records: Iterable[SSHFPRecord], key: SSHKey, host: str | None = None
) -> SSHFPStatus:
    """Return what records say about a host key (RFC 4255 section 2.3, RFC 6594 section 4.1).

    If there is a SHA-256 fingerprint for the algorithm of the key, those with SHA-1 do not count.

    Parameters:
        records: the records. They prove something only if DNSSEC has validated them, which is for
            the resolver to say (RFC 4255 section 2.4).
        key: the key that the host has shown.
        host: name of the host: records of other hosts are left out. None takes all records.
    """
    algorithm = ALGORITHMS.get(key.algorithm)
    usable = [
        record
        for record in records
        if record.algorithm == algorithm
        and record.fingerprint_type in FINGERPRINT_TYPES
        and (host is None or record.belongs_to(host))
    ]
    if not usable:
        return SSHFPStatus.UNKNOWN
    best = max(record.fingerprint_type for record in usable)
    if any(record.matches(key) for record in usable if record.fingerprint_type == best):
        return SSHFPStatus.MATCH
    return SSHFPStatus.MISMATCH


def decode_sshfp(rdata: bytes, host: str = "") -> SSHFPRecord:
    """Return the record that a DNS message has in this form (RFC 4255 section 3.1).

    Parameters:
        rdata: the data of the record.
        host: the name that it belongs to.

    Raises KeyTruncatedError for data that are too short, KeyImportError for a fingerprint of
    another size than its hash has.
    """
    if len(rdata) < 3:
        raise KeyTruncatedError(f"SSHFP record of {len(rdata)} bytes")
    record = SSHFPRecord(rdata[0], rdata[1], bytes(rdata[2:]), host)
    name, size = FINGERPRINT_TYPES.get(record.fingerprint_type, ("", len(record.fingerprint)))
    if len(record.fingerprint) != size:
        raise KeyImportError(
            f"SSHFP record with {len(record.fingerprint)} bytes of {name}, which has {size}"
        )
    return record


def import_sshfp(data: str | bytes) -> tuple[SSHFPRecord, ...]:
    """Return the SSHFP records in a zone file, or in what `dig` or `ssh-keygen -r` print.

    Records may go over several lines in parentheses, and be in the generic form (`TYPE44`); those
    of other types are left out, and so are directives but for `$ORIGIN`, without which names stay
    as they are written. A line of two numbers and a fingerprint (`dig +short`) is a record without
    a name.

    Parameters:
        data: the text.

    Raises KeyImportError or one of its subclasses, with the line number, for a record that cannot
    be read, and if there is none.
    """
    text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
    records = []
    host = origin = ""
    for number, inherits, words in _entries(text.removeprefix("\ufeff")):
        try:
            if words[0].startswith("$"):
                if words[0].upper() == "$ORIGIN" and len(words) > 1:
                    origin = _absolute(words[1], origin)
                continue
            short = not inherits and len(words) > 2 and all(map(_HEX.fullmatch, words[2:]))
            if short and all(map(_SMALL_NUMBER.fullmatch, words[:2])):
                records.append(_parse_data(words, ""))
                continue
            if not inherits:
                host = _absolute(words.pop(0), origin)
            kind = _pop_type(words)
            if kind in ("SSHFP", f"TYPE{TYPE_CODE}"):
                if not host:
                    raise KeyImportError("SSHFP record without a name")
                records.append(_parse_data(words, host))
        except KeyImportError as exc:
            raise type(exc)(f"line {number}: {exc}") from None
    if not records:
        raise KeyImportError("no SSHFP record found")
    return tuple(records)


def _entries(text: str) -> Iterator[tuple[int, bool, list[str]]]:
    """Yield the entries of a zone file: line number, whether the name is that before, words.

    Raises KeyTruncatedError for a parenthesis that is not closed.
    """
    words: list[str] = []
    first, inherits, depth = 1, False, 0
    for number, line in enumerate(text.split("\n"), 1):
        if depth == 0:
            first, inherits, words = number, line[:1] in (" ", "\t"), []
        for token in _TOKEN.findall(line):
            if token in ("(", ")"):
                depth = max(depth + (1 if token == "(" else -1), 0)
            elif not token.startswith(";"):
                words.append(token)
        if depth == 0 and words:
            yield first, inherits, words
    if depth:
        raise KeyTruncatedError(f"line {first}: parenthesis that is not closed")


def _absolute(name: str, origin: str) -> str:
    """Return a name with the origin that it is relative to (RFC 1035 section 5.1).

    Raises KeyImportError for a name that the DNS cannot have.
    """
    if not origin or name.endswith("."):
        return name
    if len(name) + len(origin) > MAXIMUM_WRITTEN_LENGTH:
        raise KeyImportError("name that is too long for the DNS")
    return origin if name == "@" else f"{name}.{origin.removeprefix('.')}"


def _pop_type(words: list[str]) -> str:
    """Take what is in front of the data of a record, and return its type."""
    while words:
        word = words.pop(0).upper()
        if word not in _CLASSES and _TTL.fullmatch(word) is None:
            return word
    return ""


def _parse_data(words: Sequence[str], host: str) -> SSHFPRecord:
    """Return the record of the words behind its type; raises KeyImportError."""
    if words[:1] == [r"\#"]:
        data = _parse_hex(words[2:])
        if len(words) < 2 or words[1] != str(len(data)):
            raise KeyImportError("SSHFP record of another length than it says")
        return decode_sshfp(data, host)
    numbers = [int(word) for word in words[:2] if _SMALL_NUMBER.fullmatch(word)]
    if len(numbers) < 2 or max(numbers) > 255:
        raise KeyImportError("SSHFP record without the numbers of algorithm and hash")
    return decode_sshfp(bytes(numbers) + _parse_hex(words[2:]), host)


def _parse_hex(words: Sequence[str]) -> bytes:
    text = "".join(words)
    if len(text) % 2 or _HEX.fullmatch(text) is None:
        raise KeyImportError("SSHFP record whose fingerprint is not hexadecimal")
    return bytes.fromhex(text)
