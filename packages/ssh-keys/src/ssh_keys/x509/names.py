"""Distinguished names of X.509: texts, patterns, DER, and OpenSSL's hash of them.

Written from the ASN.1 of RFC 5280 section 4.1.2.4, because names are read from `known_hosts` and
compared long before an X.509 library is worth loading, and because the hash needs the encoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ssh_keys.errors import KeyImportError
from ssh_keys.formats.der import (
    SET,
    UTF8_STRING,
    DERReader,
    encode_oid,
    encode_sequence,
    encode_value,
)
from ssh_keys.record import Record

if TYPE_CHECKING:
    from cryptography.x509 import Name

__all__ = ["MAXIMUM_NAME_LENGTH", "X509Name", "X509NamePattern", "is_oid", "is_subject_text"]

#: Longest text of a name, and most attributes in one: larger names are nothing but work.
MAXIMUM_NAME_LENGTH = 4096
MAXIMUM_ATTRIBUTES = 64

COMMON_NAME = "2.5.4.3"
EMAIL_ADDRESS = "1.2.840.113549.1.9.1"

#: Keywords by object identifier: those of RFC 4514 section 3, and what OpenSSL prints for the rest.
_KEYWORDS = {
    COMMON_NAME: "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    EMAIL_ADDRESS: "emailAddress",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_OIDS = {keyword.lower(): oid for oid, keyword in _KEYWORDS.items()} | {
    "e": EMAIL_ADDRESS,
    "email": EMAIL_ADDRESS,
    "s": "2.5.4.8",
    "userid": "0.9.2342.19200300.100.1.1",
}
#: What stands in front of a subject, in lower case; PKIX-SSH knows all of them.
_MARKS = (b"subject", b"dn", b"distinguished name", b"distinguished-name", b"distinguished_name")
MAXIMUM_ARCS = 20

#: How the string types of a name are encoded (X.520, DirectoryString).
_ENCODINGS = {
    UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

Attribute = tuple[str, str]
RelativeName = tuple[Attribute, ...]


class X509Name(Record):
    """A distinguished name.

    Names compare equal if they have the same attributes with the same values in the same order;
    in which of the ASN.1 string types a value was encoded does not matter, but case does.

    Attributes:
        rdns: the relative distinguished names, each a tuple of (object identifier, value), in the
            order of the certificate: the country or organisation usually comes first.
    """

    rdns: tuple[RelativeName, ...]

    @classmethod
    def parse(cls, text: str) -> X509Name:
        """Return the name of a text such as `O=Example,OU=Ops+L=Bonn,CN=host`.

        Parameters:
            text: relative distinguished names in the order of the certificate, with commas
                between; each is keyword or object identifier, `=`, value. Several attributes of
                one are joined by `+`. A backslash in front of a special character, or of two hex
                digits, makes it part of the value (RFC 4514 section 2.4).

        Raises ValueError for a malformed text or an unknown keyword.
        """
        if len(text) > MAXIMUM_NAME_LENGTH:
            raise ValueError(f"X.509 name of {len(text)} characters")
        if not text.strip():
            return cls(())
        rdns: list[RelativeName] = []
        attributes: list[Attribute] = []
        for part, mark in _split(text):
            attributes.append(_attribute(part))
            if mark != "+":
                rdns.append(tuple(sorted(attributes)))
                attributes = []
        if sum(map(len, rdns)) > MAXIMUM_ATTRIBUTES:
            raise ValueError(f"X.509 name of more than {MAXIMUM_ATTRIBUTES} attributes")
        return cls(tuple(rdns))

    @classmethod
    def from_der(cls, data: bytes) -> X509Name:
        """Return the name that is encoded in `data`, DER of RFC 5280; raises KeyImportError."""
        reader = DERReader(data)
        names = reader.sequence()
        reader.end()
        rdns: list[RelativeName] = []
        count = 0
        while not names.at_end:
            attributes: list[Attribute] = []
            members = names.nested(SET)
            while not members.at_end:
                attribute = members.sequence()
                oid = attribute.oid()
                tag, value = attribute.value()
                attribute.end()
                attributes.append((oid, _decode(tag, value)))
            count += len(attributes)
            if not attributes or count > MAXIMUM_ATTRIBUTES:
                raise KeyImportError("X.509 name with too many attributes, or an empty part")
            rdns.append(tuple(sorted(attributes)))
        return cls(tuple(rdns))

    def __str__(self) -> str:
        return ",".join("+".join(map(_format, rdn)) for rdn in self.rdns)

    def __bool__(self) -> bool:
        return bool(self.rdns)

    def values(self, oid: str) -> tuple[str, ...]:
        """Return the values of the attributes with the object identifier `oid`, in dotted form."""
        return tuple(value for rdn in self.rdns for name, value in rdn if name == oid)

    def folded(self) -> X509Name:
        """Return the name as RFC 5280 section 7.1 compares it: without regard to case and blanks.

        That is the form to find out whether somebody is on a list of the distrusted; who is
        trusted is compared as it is written.
        """
        return X509Name(
            tuple(tuple(sorted((oid, _fold(value)) for oid, value in rdn)) for rdn in self.rdns)
        )

    def openssl_hash(self) -> int:
        """Return what names the file of a certificate in OpenSSL's directories (`x509 -hash`).

        The first four bytes of SHA-1, which is no security boundary here, over the encoding with
        all strings as UTF8String in lower case, without outer and repeated blanks.
        """
        encoded = b"".join(
            encode_value(SET, b"".join(sorted(map(_canonical, rdn)))) for rdn in self.rdns
        )
        digest = hashlib.new("sha1", encoded, usedforsecurity=False).digest()
        return int.from_bytes(digest[:4], "little")

    def to_object(self) -> Name:
        """Return the name as an object of `cryptography`; raises ValueError for bad values."""
        from cryptography import x509

        return x509.Name(
            x509.RelativeDistinguishedName(
                x509.NameAttribute(x509.ObjectIdentifier(oid), value) for oid, value in rdn
            )
            for rdn in self.rdns
        )


class X509NamePattern(Record):
    """A subject of `known_hosts` or `authorized_keys`: a whole name, or the beginning of one.

    Attributes:
        name: the name, without the `,*`.
        prefix: whether more may follow.
    """

    name: X509Name
    prefix: bool

    @classmethod
    def parse(cls, text: str) -> X509NamePattern:
        """Return the pattern of a text as `X509Name.parse` takes it, optionally with `,*` behind.

        Raises ValueError for a malformed name; also for an empty one, and `*` alone: they would
        let in whoever has any certificate.
        """
        text = text.strip()
        prefix = text.endswith(",*") and not text.endswith("\\,*")
        name = X509Name.parse(text[:-2] if prefix else text)
        if not name:
            raise ValueError("empty X.509 subject")
        return cls(name, prefix)

    @classmethod
    def parse_line(cls, text: bytes) -> X509NamePattern:
        """Return the pattern of the text behind the key type of a line: `Subject:O=...`.

        Raises KeyImportError.
        """
        name = _behind_mark(text)
        if name is None:
            raise KeyImportError("no X.509 subject")
        try:
            return cls.parse(name.decode("utf-8"))
        except ValueError as exc:
            raise KeyImportError(f"X.509 subject: {exc}") from None

    def matches(self, subject: X509Name) -> bool:
        """Whether `subject` is what is meant, exactly as it is written."""
        return self._matches(self.name, subject)

    def resembles(self, subject: X509Name) -> bool:
        """Whether `subject` is what is meant if case and blanks do not count (RFC 5280, 7.1)."""
        return self._matches(self.name.folded(), subject.folded())

    def _matches(self, name: X509Name, subject: X509Name) -> bool:
        rdns = subject.rdns[: len(name.rdns)] if self.prefix else subject.rdns
        return rdns == name.rdns

    def __str__(self) -> str:
        return f"{self.name},*" if self.prefix else str(self.name)


def is_subject_text(text: bytes) -> bool:
    """Whether what stands in place of a key is an X.509 subject."""
    return _behind_mark(text) is not None


def _behind_mark(text: bytes) -> bytes | None:
    start = text[:32].lower()
    for mark in _MARKS:
        if start.startswith(mark):
            rest = text[len(mark) :].lstrip(b" \t")
            return rest[1:] if rest[:1] in (b":", b"=") else None
    return None


@lru_cache(maxsize=64)  # each connection asks about the purposes of its options
def is_oid(text: str) -> bool:
    """Whether a text is an object identifier in dotted form."""
    arcs = text.split(".")
    return (
        text.isascii()
        and 2 <= len(arcs) <= MAXIMUM_ARCS
        and arcs[0] in ("0", "1", "2")
        and all(arc.isdigit() and (arc == "0" or arc[0] != "0") for arc in arcs)
        and all(len(arc) < MAXIMUM_ARCS for arc in arcs)
    )


def _split(text: str) -> Iterator[tuple[str, str]]:
    """Split at `,` and `+` that have no backslash in front; yields each part and what ended it."""
    start = position = 0
    while position < len(text):
        char = text[position]
        if char in ",+":
            yield text[start:position], char
            start = position + 1
        position += 2 if char == "\\" else 1
    yield text[start:], ""


def _attribute(part: str) -> Attribute:
    keyword, equals, value = part.lstrip().partition("=")
    keyword = keyword.strip()
    if not equals:
        raise ValueError(f"{part!a} is no part of an X.509 name")
    oid = _OIDS.get(keyword.lower(), keyword)
    if not is_oid(oid):
        raise ValueError(f"unknown X.509 name attribute {keyword!a}")
    value = _unescape(value)
    if not value:
        raise ValueError(f"X.509 name attribute {keyword!a} without a value")
    return oid, value


def _unescape(text: str) -> str:
    # A blank at the end counts only if it is escaped; at the beginning likewise.
    text = text.lstrip(" ")
    stripped = text.rstrip(" ")
    if stripped != text and (len(stripped) - len(stripped.rstrip("\\"))) % 2:
        stripped += " "
    out = bytearray()
    position = 0
    while position < len(stripped):
        char = stripped[position]
        if char != "\\":
            out += char.encode("utf-8", "surrogatepass")
            position += 1
            continue
        pair = stripped[position + 1 : position + 3]
        if len(pair) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in pair):
            out.append(int(pair, 16))
            position += 3
        elif pair:
            out += pair[0].encode("utf-8", "surrogatepass")
            position += 2
        else:
            raise ValueError("X.509 name that ends in a backslash")
    return out.decode("utf-8")


def _format(attribute: Attribute) -> str:
    oid, value = attribute
    escaped = "".join(
        f"\\{char}"
        if char in ',+"\\<>;='
        else "".join(f"\\{byte:02x}" for byte in char.encode())
        if not char.isprintable()
        else char
        for char in value
    )
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return f"{_KEYWORDS.get(oid, oid)}={escaped}"


def _decode(tag: int, value: bytes) -> str:
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        # A value of another type is compared as the bytes that it is.
        return f"#{tag:02x}{value.hex()}"
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        raise KeyImportError("X.509 name with characters that its type does not have") from None


def _fold(value: str) -> str:
    # Only names that are on a list of revoked ones, or constrained, get here.
    from unicodedata import normalize

    return " ".join(normalize("NFKC", value).casefold().split())


def _canonical(attribute: Attribute) -> bytes:
    oid, value = attribute
    # Lower case of ASCII letters only, and the blanks of C, as OpenSSL does it.
    text = b" ".join(value.encode().split()).lower()
    return encode_sequence(encode_oid(oid), encode_value(UTF8_STRING, text))
