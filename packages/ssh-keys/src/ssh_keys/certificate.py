"""OpenSSH certificates (PROTOCOL.certkeys, draft-miller-ssh-cert): what they hold, who they bind.

A certificate that could be decoded has a right signature of its signing key. Whether that key is
trusted, is the caller's to decide; whether the certificate is good for what it is presented for,
is what `SSHOpenSSHCertificate.validate` says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from functools import cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_options import CRITICAL_OPTIONS, encode_option_list, option_values
from ssh_keys.errors import (
    CertificateError,
    CertificateExpiredError,
    CertificatePrincipalError,
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
)
from ssh_keys.exporting import openssh_line
from ssh_keys.formats.rfc4716 import encode_rfc4716
from ssh_keys.key_material import MINIMUM_RSA_BITS, printable
from ssh_keys.patterns import match_wildcard, parse_address
from ssh_keys.record import Record
from ssh_keys.signature_algorithms import HOST_KEY_ALGORITHMS, certificate_algorithm
from ssh_keys.time_values import FOREVER, current_time
from ssh_keys.wire import Reader, encode_string, encode_uint32, encode_uint64

if TYPE_CHECKING:
    from ssh_keys.key import SSHKey

__all__ = ["CertificateFields", "CertificateType", "SSHOpenSSHCertificate", "sign_certificate"]

MAXIMUM_SERIAL = 0xFFFFFFFFFFFFFFFF
MAXIMUM_PRINCIPALS = 256
_NO_OPTIONS: Mapping[str, bytes] = {}


class CertificateType(IntEnum):
    """What a certificate speaks for."""

    USER = 1
    HOST = 2


class CertificateFields(Record, kw_only=True):
    """What a certificate says, in the words of PROTOCOL.certkeys.

    Attributes:
        type: user or host.
        key_id: free text of the authority, for logs.
        principals: user or host names.
        serial: number that the authority gave it, 0 if it does not number.
        valid_after: first second of validity, since 1970.
        valid_before: first second after validity, 2^64-1 for none.
        critical_options: raw data by name.
        extensions: raw data by name.
    """

    type: CertificateType
    key_id: str
    principals: tuple[str, ...] = ()
    serial: int = 0
    valid_after: int = 0
    valid_before: int = FOREVER
    critical_options: Mapping[str, bytes] = _NO_OPTIONS
    extensions: Mapping[str, bytes] = _NO_OPTIONS


@cache
def _names_for(key_algorithm: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the type of the certificate of a key, and the names that stand for it."""
    algorithm = certificate_algorithm(key_algorithm)
    names = (row.name for row in HOST_KEY_ALGORITHMS if row.key_algorithm == algorithm)
    return algorithm, tuple(names)


class SSHOpenSSHCertificate(SSHCertificate):
    """An OpenSSH certificate whose signature is right.

    Attributes:
        signing_key: the public key of the authority.
        signature: signature blob of the authority.
        fields: everything else that it says.
    """

    options: Mapping[str, object]

    def __init__(
        self,
        key: SSHKey,
        fields: CertificateFields,
        signing_key: SSHKey,
        signature: bytes,
        public_data: bytes,
    ) -> None:
        algorithm, names = _names_for(key.algorithm)
        super().__init__(algorithm, key, public_data, key.sig_algorithms, names)
        self.fields = fields
        self.signing_key = signing_key
        self.signature = signature
        self.options = option_values(fields.critical_options, fields.extensions)

    @property
    def principals(self) -> tuple[str, ...]:
        """The user or host names that it is for."""
        return self.fields.principals

    @property
    def signature_algorithm(self) -> bytes:
        """The algorithm that the authority signed with."""
        return Reader(self.signature).string()

    # --- Validation --------------------------------------------------------------------------

    def validate(
        self,
        cert_type: CertificateType,
        principal: str,
        *,
        now: float | None = None,
        sig_algorithms: Collection[bytes] | None = None,
        minimum_rsa_bits: int = MINIMUM_RSA_BITS,
    ) -> None:
        """Check that the certificate is good for somebody now; returning means that it is.

        Parameters:
            cert_type: what it is presented as.
            principal: user or host name; empty leaves the principals to the caller.
            now: the time in seconds since 1970; the present if not given.
            sig_algorithms: what the authority may have signed with; everything but SHA-1 if not
                given.
            minimum_rsa_bits: smallest RSA key, of the authority and of the holder.

        A principal is compared as a whole; in host certificates it may be a pattern with `*`. A
        certificate without principals is good for nobody. `source-address` needs the address of
        the client, see `check_source_address`.

        Raises CertificateError; CertificateExpiredError outside of the time of validity,
        CertificatePrincipalError if it is for somebody else.
        """
        fields = self.fields
        if fields.type != cert_type:
            raise CertificateError(f"{fields.type.name.lower()} certificate used as another kind")
        moment = current_time() if now is None else now
        if moment < fields.valid_after:
            raise CertificateExpiredError("certificate is not valid yet")
        if moment >= fields.valid_before:
            raise CertificateExpiredError("certificate has expired")
        known = CRITICAL_OPTIONS if cert_type == CertificateType.USER else ()
        for name in fields.critical_options:
            if name not in known:
                raise CertificateError(f"certificate with the unknown critical option {name!a}")
        self._check_signature_policy(sig_algorithms, minimum_rsa_bits)
        if principal and not self._is_for(principal):
            raise CertificatePrincipalError(f"certificate is not for {principal!a}")

    def _check_signature_policy(
        self, sig_algorithms: Collection[bytes] | None, minimum_rsa_bits: int
    ) -> None:
        allowed = self.signing_key.default_sig_algorithms
        if sig_algorithms is not None:
            allowed = tuple(sig_algorithms)
        if self.signature_algorithm not in allowed:
            name = self.signature_algorithm.decode("ascii", "backslashreplace")
            raise CertificateError(f"certificate signed with {name!a}, which is not allowed")
        for key in (self.signing_key, self.key):
            if key.type_name == "RSA" and key.bits < minimum_rsa_bits:
                raise CertificateError(f"certificate with an RSA key of {key.bits} bits")

    def _is_for(self, principal: str) -> bool:
        if self.fields.type == CertificateType.USER:
            return principal in self.principals
        host = principal.lower()
        return any(match_wildcard(host, pattern.lower()) for pattern in self.principals)

    def check_source_address(self, client_addr: str) -> None:
        """Check the critical option `source-address`; returning means that it allows the client.

        Parameters:
            client_addr: numeric address of the client.

        Raises CertificateError.
        """
        networks = self.options.get("source-address")
        if networks is None:
            return
        address = parse_address(client_addr)
        if address is None or not isinstance(networks, list):
            raise CertificateError("certificate is bound to addresses, the client's is not known")
        if not any(address in ip_network(network) for network in networks):
            raise CertificateError("certificate is not for the address of the client")

    # --- Writing -----------------------------------------------------------------------------

    def export_certificate(self, format_name: str = "openssh") -> bytes:
        """Return the certificate in a file format.

        Parameters:
            format_name: `openssh` (one line, as in `id_ed25519-cert.pub`) or `rfc4716`.

        Raises KeyExportError for another format.
        """
        if format_name == "openssh":
            return openssh_line(self.algorithm, self.public_data, self.get_comment_bytes())
        if format_name == "rfc4716":
            return encode_rfc4716(self.public_data, self.get_comment_bytes())
        raise KeyExportError(f"unknown certificate format {format_name!r}")

    def __repr__(self) -> str:
        return (
            f"<SSHOpenSSHCertificate {self.fields.type.name.lower()} {self.get_algorithm()} "
            f"{self.fields.key_id!a} serial {self.fields.serial}>"
        )


def encode_body(key: SSHKey, nonce: bytes, fields: CertificateFields, signing_key: SSHKey) -> bytes:
    """Return what the authority signs: everything up to and including its key."""
    key_fields = key.public_data[4 + len(key.algorithm) :]
    principals = b"".join(encode_string(name.encode()) for name in fields.principals)
    return b"".join(
        (
            encode_string(certificate_algorithm(key.algorithm)),
            encode_string(nonce),
            key_fields,
            encode_uint64(fields.serial),
            encode_uint32(fields.type),
            encode_string(fields.key_id.encode()),
            encode_string(principals),
            encode_uint64(fields.valid_after),
            encode_uint64(fields.valid_before),
            encode_string(encode_option_list(fields.critical_options)),
            encode_string(encode_option_list(fields.extensions)),
            encode_string(b""),
            encode_string(signing_key.public_data),
        )
    )


def sign_certificate(
    ca_key: SSHKey,
    key: SSHKey,
    fields: CertificateFields,
    nonce: bytes,
    sig_algorithm: bytes | None = None,
) -> SSHOpenSSHCertificate:
    """Return a new certificate.

    Parameters:
        ca_key: private key of the authority.
        key: the key to be certified.
        fields: what to say about it.
        nonce: 16 or more random bytes.
        sig_algorithm: one of the authority's, its best if not given.

    Raises KeyGenerationError for fields that no certificate can have.
    """
    if not ca_key.is_private:
        raise KeyGenerationError("the signing key has no private part")
    if sig_algorithm is not None and sig_algorithm not in ca_key.sig_algorithms:
        name = printable(sig_algorithm)
        raise KeyGenerationError(f"{ca_key.get_algorithm()} keys make no signature {name}")
    if len(fields.principals) > MAXIMUM_PRINCIPALS or not all(fields.principals):
        raise KeyGenerationError(f"more than {MAXIMUM_PRINCIPALS} principals, or an empty one")
    if fields.valid_after >= fields.valid_before:
        raise KeyGenerationError("the certificate would end before it begins")
    signing_key, holder = ca_key.convert_to_public(), key.convert_to_public()
    try:
        body = encode_body(holder, nonce, fields, signing_key)
        signature = ca_key.sign(body, sig_algorithm)
        return SSHOpenSSHCertificate(
            holder, fields, signing_key, signature, body + encode_string(signature)
        )
    except (KeyImportError, ValueError) as exc:
        raise KeyGenerationError(str(exc)) from None
