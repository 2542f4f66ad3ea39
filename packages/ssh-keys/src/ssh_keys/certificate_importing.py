"""Readers of certificates: from blobs, data, files, and mixed lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike

from ssh_keys.certificate import (
    MAXIMUM_PRINCIPALS,
    CertificateFields,
    CertificateType,
    SSHOpenSSHCertificate,
)
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_options import decode_option_list
from ssh_keys.errors import (
    KeyImportError,
    KeyTruncatedError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.files import parse_file
from ssh_keys.formats.armour import decode_base64
from ssh_keys.formats.rfc4716 import iterate_rfc4716
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.key_types import KEY_TYPES, decode_ssh_public_key
from ssh_keys.signature_algorithms import CERTIFICATE_KEY_TYPES, X509_KEY_TYPES
from ssh_keys.wire import PacketDecodeError, Reader
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.decoding import (
    decode_x509_certificate,
    decode_x509_der,
    is_x509_line,
    iterate_der,
    iterate_x509_pem,
    parse_x509_line,
    split_der,
)

__all__ = [
    "CertListArg",
    "certificates_beside_key",
    "certificates_for",
    "check_certified",
    "decode_ssh_certificate",
    "import_certificate",
    "load_certificates",
    "read_certificate",
    "read_certificate_list",
]

_KINDS = {int(kind): kind for kind in CertificateType}

CertReference = str | PathLike[str] | bytes | SSHCertificate
CertListArg = CertReference | Sequence[CertReference]


def decode_ssh_certificate(blob: bytes) -> SSHOpenSSHCertificate:
    """Decode the blob of an OpenSSH certificate and check its signature.

    Raises UnsupportedKeyError for an unknown type, KeyTruncatedError if the fields do not fill the
    blob, and KeyImportError for values that make no certificate, or a wrong signature. Which
    algorithms and sizes are good enough, is up to `SSHOpenSSHCertificate.validate`.
    """
    try:
        certificate, body = _decode(blob)
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"certificate: {exc}") from None
    signing_key = certificate.signing_key
    try:
        signing_key.verify(
            body, certificate.signature, signing_key.sig_algorithms, minimum_rsa_bits=0
        )
    except SignatureError as exc:
        raise KeyImportError(f"certificate: {exc}") from None
    return certificate


def _decode(blob: bytes) -> tuple[SSHOpenSSHCertificate, bytes]:
    reader = Reader(blob)
    name = reader.string()
    if name not in CERTIFICATE_KEY_TYPES:
        raise UnsupportedKeyError(f"unknown certificate type {printable(name)}")
    reader.string()  # the nonce
    start = reader.position
    base = CERTIFICATE_KEY_TYPES[name]
    key = KEY_TYPES[base].decode_public(reader)
    if not key.public_data.endswith(blob[start : reader.position]):
        raise KeyImportError("certificate with a key that is not in its shortest form")
    serial, type_number = reader.uint64(), reader.uint32()
    key_id, principals = reader.text(), _decode_principals(reader.string())
    valid_after, valid_before = reader.uint64(), reader.uint64()
    critical_options = decode_option_list(reader.string())
    extensions = decode_option_list(reader.string())
    reader.string()  # reserved
    ca_blob = reader.string()
    end = reader.position
    signature = reader.string()
    reader.end()
    kind = _KINDS.get(type_number)
    if kind is None:
        raise UnsupportedKeyError(f"certificate of the unknown kind {type_number}")
    # Looked at before anything of it is decoded: chains of certificates do not exist.
    if Reader(ca_blob).string() in CERTIFICATE_KEY_TYPES:
        raise KeyImportError("certificate signed by a certificate")
    fields = CertificateFields(
        type=kind,
        key_id=key_id,
        principals=principals,
        serial=serial,
        valid_after=valid_after,
        valid_before=valid_before,
        critical_options=critical_options,
        extensions=extensions,
    )
    signing_key = decode_ssh_public_key(ca_blob)
    return SSHOpenSSHCertificate(key, fields, signing_key, signature, blob), blob[:end]


def _decode_principals(data: bytes) -> tuple[str, ...]:
    reader = Reader(data)
    principals: list[str] = []
    while reader.remaining:
        if len(principals) >= MAXIMUM_PRINCIPALS:
            raise KeyImportError(f"certificate with more than {MAXIMUM_PRINCIPALS} principals")
        principals.append(reader.text())
    return tuple(principals)


def _decode_any(blob: bytes) -> SSHCertificate:
    try:
        is_x509 = Reader(blob).string() in X509_KEY_TYPES
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"certificate: {exc}") from None
    return decode_x509_certificate(blob) if is_x509 else decode_ssh_certificate(blob)


def parse_certificate_line(line: bytes) -> SSHCertificate:
    """Return the certificate of one line: type, base64 and optional comment.

    Raises KeyImportError or one of its subclasses.
    """
    if is_x509_line(line):
        found = parse_x509_line(line)
        if not isinstance(found, SSHX509Certificate):
            raise KeyImportError("an X.509 subject in place of a certificate")
        return found
    parts = line.split(None, 2)
    if len(parts) < 2:
        raise KeyImportError("not a certificate line")
    certificate = decode_ssh_certificate(decode_base64(parts[1]))
    if certificate.algorithm != parts[0]:
        raise KeyImportError(f"{printable(parts[0])} in front of another certificate")
    if len(parts) > 2:
        certificate.set_comment(parts[2].rstrip())
    return certificate


def _certificates(data: bytes) -> Iterator[SSHCertificate]:
    if data.startswith(b"\x30"):
        yield from map(decode_x509_der, iterate_der(data))
        return
    if b"-----BEGIN " in data:
        yield from map(decode_x509_der, iterate_x509_pem(data))
        return
    if b"---- BEGIN SSH2 PUBLIC KEY ----" in data:
        for blob, comment in iterate_rfc4716(data):
            certificate = _decode_any(blob)
            certificate.set_comment(comment)
            yield certificate
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.strip()
        if line and not line.startswith(b"#"):
            try:
                yield parse_certificate_line(line)
            except KeyImportError as exc:
                raise type(exc)(f"line {number}: {exc}") from None


def certificates_beside_key(data: bytes) -> Sequence[SSHCertificate]:
    """Return the X.509 certificates behind a private key in PEM or DER; raises KeyImportError."""
    if data.startswith(b"\x30"):
        return tuple(map(decode_x509_der, split_der(data)[1:]))
    if b" CERTIFICATE-----" not in data:
        return ()
    return tuple(map(decode_x509_der, iterate_x509_pem(data)))


def certificates_for(
    key_blob: bytes, certificates: Sequence[SSHCertificate]
) -> Iterator[SSHCertificate]:
    """Yield the certificates of a key; those of X.509 with the others that lead to an authority.

    Parameters:
        key_blob: the plain public key.
        certificates: certificates of any keys.
    """
    others = [each.contents for each in certificates if isinstance(each, SSHX509Certificate)]
    # Each once, where it is named last: the one beside the file of the key may be named, too.
    for certificate in reversed(dict.fromkeys(reversed(certificates))):
        if certificate.key.public_data != key_blob:
            continue
        if isinstance(certificate, SSHX509Certificate) and not certificate.intermediates:
            yield certificate.with_chain(others)
        else:
            yield certificate


def check_certified(keys: Sequence[SSHKey], certificates: Sequence[SSHCertificate]) -> None:
    """Raise KeyImportError if certificates that were named with keys are for none of them."""
    holders = {key.public_data for key in keys}
    if certificates and not any(each.key.public_data in holders for each in certificates):
        raise KeyImportError(f"the certificate is not for the key: {certificates[0]!r}")


def import_certificate(data: str | bytes) -> SSHCertificate:
    """Return the first certificate in data.

    Parameters:
        data: an OpenSSH certificate, as one line or as RFC 4716; or an X.509 certificate, in one
            of these forms, PEM or DER. The signature of an OpenSSH certificate is checked; whether
            an X.509 certificate leads to a trusted one, is up to `X509Trust.validate`.

    Raises KeyImportError or one of its subclasses.
    """
    data = data.encode() if isinstance(data, str) else bytes(data)
    for certificate in _certificates(data):
        return certificate
    raise KeyImportError("no certificate found")


def read_certificate(filename: str | PathLike[str]) -> SSHCertificate:
    """Return the first certificate in a file; raises OSError and KeyImportError."""
    return read_certificate_list(filename)[0]


def read_certificate_list(filename: str | PathLike[str]) -> Sequence[SSHCertificate]:
    """Return all certificates in a file, which has at least one.

    Raises OSError, and KeyImportError as `import_certificate` does.
    """
    return parse_file(filename, some_certificates)


def some_certificates(data: bytes) -> Sequence[SSHCertificate]:
    """Return all certificates in data, which has at least one; errors of `import_certificate`."""
    certificates = list(_certificates(data))
    if not certificates:
        raise KeyImportError("no certificate found")
    return certificates


def load_certificates(certlist: CertListArg) -> Sequence[SSHCertificate]:
    """Return certificates from everything that an option for certificates takes.

    Parameters:
        certlist: a file name, the bytes of a certificate, an `SSHCertificate`, or a sequence of
            them. A file may hold several.

    Raises OSError, and KeyImportError as `import_certificate` does.
    """
    certificates: list[SSHCertificate] = []
    if isinstance(certlist, str | PathLike | bytes | SSHCertificate):
        certlist = (certlist,)
    for reference in certlist:
        if isinstance(reference, SSHCertificate):
            certificates.append(reference)
        elif isinstance(reference, bytes):
            certificates.append(import_certificate(reference))
        else:
            certificates.extend(read_certificate_list(reference))
    return certificates
