"""Readers of X.509 certificates: DER, PEM, the wire form of RFC 6187, and lines of trust files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ssh_keys.asn1_keys import key_from_object
from ssh_keys.errors import KeyImportError, KeyTruncatedError, UnsupportedKeyError
from ssh_keys.formats.armour import decode_base64, iterate_pem
from ssh_keys.formats.der import SEQUENCE, DERReader
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.signature_algorithms import X509_KEY_TYPES
from ssh_keys.wire import PacketDecodeError, Reader
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.contents import X509Contents, decode_contents
from ssh_keys.x509.names import X509NamePattern, is_subject_text
from ssh_keys.x509.path import MAXIMUM_PATH_LENGTH

__all__ = [
    "X509_LABELS",
    "certificate_from_contents",
    "decode_x509_certificate",
    "decode_x509_der",
    "is_x509_line",
    "iterate_der",
    "iterate_x509_pem",
    "keys_of_path",
    "parse_x509_line",
    "split_der",
]

#: PEM labels of certificates (RFC 7468 section 5.1, and the older ones that OpenSSL reads).
X509_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_NAME_PREFIX = b"x509v3-"
MAXIMUM_FILE_CERTIFICATES = 1000


def decode_x509_certificate(blob: bytes) -> SSHX509Certificate:
    """Decode the key format of RFC 6187 section 2.1: a chain of certificates.

    Nothing is verified but that the first certificate has a key of the type in front. Raises
    UnsupportedKeyError for a type or key that is not known, KeyTruncatedError if the fields do not
    fill the blob, and KeyImportError for everything else.
    """
    reader = Reader(blob)
    try:
        name = reader.string()
        if name not in X509_KEY_TYPES:
            raise UnsupportedKeyError(f"unknown X.509 key type {printable(name)}")
        ders = _strings(reader, MAXIMUM_PATH_LENGTH)
        ocsp_responses = _strings(reader, len(ders))
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"X.509 key: {exc}") from None
    if not ders:
        raise KeyImportError("X.509 key without a certificate")
    holder, *intermediates = map(decode_contents, ders)
    key = _key_of(holder)
    if key.algorithm != X509_KEY_TYPES[name]:
        raise KeyImportError(f"{printable(name)} in front of a certificate of another type")
    return SSHX509Certificate(key, holder, intermediates, ocsp_responses, blob)


def _strings(reader: Reader, maximum: int) -> list[bytes]:
    count = reader.uint32()
    if count > maximum:
        raise KeyImportError(f"X.509 key with a list of {count} elements")
    return [reader.string() for _ in range(count)]


def _key_of(contents: X509Contents) -> SSHKey:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    try:
        return key_from_object(contents.certificate.public_key())
    except KeyImportError:
        raise
    except UnsupportedAlgorithm:
        raise UnsupportedKeyError("X.509 certificate with a key that is not supported") from None
    except (ValueError, TypeError, InternalError):
        raise KeyImportError("X.509 certificate with a malformed key") from None


def keys_of_path(path: Iterable[X509Contents]) -> Iterator[SSHKey]:
    """Yield the keys of certificates, those of which SSH has the type."""
    for contents in path:
        try:
            yield _key_of(contents)
        except KeyImportError:
            continue


def certificate_from_contents(contents: X509Contents) -> SSHX509Certificate:
    """Return a certificate with the SSH key that it is for; raises KeyImportError."""
    return SSHX509Certificate(_key_of(contents), contents)


def decode_x509_der(der: bytes) -> SSHX509Certificate:
    """Decode one certificate in DER; raises KeyImportError or one of its subclasses."""
    return certificate_from_contents(decode_contents(der))


def iterate_der(data: bytes) -> Iterator[bytes]:
    """Yield the DER sequences that lie one behind the other; raises KeyTruncatedError."""
    reader = DERReader(data)
    while not reader.at_end:
        yield reader.encoded(SEQUENCE)


def split_der(data: bytes) -> tuple[bytes, ...]:
    """Return a key in DER and what lies behind it; all as one if that is no DER sequence."""
    try:
        return tuple(iterate_der(data)) or (data,)
    except KeyTruncatedError:
        return (data,)


def iterate_x509_pem(data: bytes) -> Iterator[bytes]:
    """Yield the certificates, in DER, of PEM data; raises KeyImportError."""
    count = 0
    for block in iterate_pem(data):
        if block.label not in X509_LABELS:
            continue
        count += 1
        if count > MAXIMUM_FILE_CERTIFICATES:
            raise KeyImportError(f"more than {MAXIMUM_FILE_CERTIFICATES} certificates")
        # OpenSSL puts what a trusted certificate is trusted for behind it: policy of its own.
        yield next(iter(iterate_der(block.data)), b"")


def is_x509_line(text: bytes) -> bool:
    """Whether a line begins with the type of an X.509 key: `x509v3-...`."""
    return text.startswith(_NAME_PREFIX)


def parse_x509_line(line: bytes) -> SSHX509Certificate | X509NamePattern:
    """Return what is in a line behind options and host names: `x509v3-...` and one of

    the base64 of a certificate or of the key format of RFC 6187, or `Subject:` and a name. The
    type does not restrict the subject: see "Specifying X.509 subject names".

    Raises KeyImportError or one of its subclasses.
    """
    name, text = (*line.strip().split(None, 1), b"")[:2]
    if is_subject_text(text):
        return X509NamePattern.parse_line(text)
    if name not in X509_KEY_TYPES:
        raise UnsupportedKeyError(f"unknown X.509 key type {printable(name)}")
    data, comment = (*text.split(None, 1), b"", b"")[:2]
    if not data:
        raise KeyImportError("X.509 key without data")
    decoded = decode_base64(data)
    if decoded.startswith(b"\x30"):
        certificate = decode_x509_der(decoded)
    else:
        certificate = decode_x509_certificate(decoded)
    if certificate.key.algorithm != X509_KEY_TYPES[name]:
        raise KeyImportError(f"{printable(name)} in front of a certificate of another type")
    if comment:
        certificate.set_comment(comment)
    return certificate
