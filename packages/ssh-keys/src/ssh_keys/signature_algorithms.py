"""The tables of signature and host key algorithms that the transport negotiates.

A key type can have several signature algorithms (RSA has seven), and a name in
`server_host_key_algorithms` or of a publickey request stands for a key or certificate type together
with one signature algorithm.
"""

from __future__ import annotations

from collections.abc import Iterable

from ssh_keys.algorithms import Registry, Status
from ssh_keys.record import Record

__all__ = [
    "CERTIFICATE_ALGORITHMS",
    "CERTIFICATE_KEY_TYPES",
    "HOST_KEY_ALGORITHMS",
    "SIGNATURE_ALGORITHMS",
    "X509_ALGORITHMS",
    "X509_KEY_TYPES",
    "SignatureAlgorithm",
    "certificate_algorithm",
    "names_unless_chosen",
    "plain_signature",
    "sig_algorithm_of",
]


class SignatureAlgorithm(Record):
    """A name that is negotiated or offered for a signature.

    Attributes:
        name: name in name-lists and publickey requests.
        key_algorithm: type of the key or certificate that is sent.
        sig_algorithm: name in the signature blob.
        status: whether it is on by default.
    """

    name: bytes
    key_algorithm: bytes
    sig_algorithm: bytes
    status: Status = Status.DEFAULT

    def available(self) -> bool:
        """Whether what the algorithm needs is installed."""
        return True


def _plain(name: bytes, status: Status = Status.DEFAULT) -> SignatureAlgorithm:
    return SignatureAlgorithm(name, name, name, status)


_PLAIN: Registry[SignatureAlgorithm] = Registry(
    "signature algorithm",
    (
        _plain(b"ssh-ed25519"),
        _plain(b"ecdsa-sha2-nistp256"),
        _plain(b"ecdsa-sha2-nistp384"),
        _plain(b"ecdsa-sha2-nistp521"),
        SignatureAlgorithm(b"rsa-sha2-512", b"ssh-rsa", b"rsa-sha2-512"),
        SignatureAlgorithm(b"rsa-sha2-256", b"ssh-rsa", b"rsa-sha2-256"),
        _plain(b"sk-ssh-ed25519@openssh.com"),
        _plain(b"sk-ecdsa-sha2-nistp256@openssh.com"),
        SignatureAlgorithm(
            b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
            b"sk-ecdsa-sha2-nistp256@openssh.com",
            b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        ),
        _plain(b"ssh-mldsa44-ed25519", Status.SUPPORTED),
        _plain(b"ssh-mldsa44-ed25519@openssh.com", Status.SUPPORTED),
        _plain(b"ssh-ed448", Status.SUPPORTED),
        _plain(b"ecdsa-sha2-1.3.132.0.10", Status.SUPPORTED),
        *(
            SignatureAlgorithm(name, b"ssh-rsa", name, Status.SUPPORTED)
            for name in (
                b"ssh-rsa-sha512@ssh.com",
                b"ssh-rsa-sha384@ssh.com",
                b"ssh-rsa-sha256@ssh.com",
                b"ssh-rsa-sha224@ssh.com",
            )
        ),
        _plain(b"ssh-rsa", Status.INSECURE),
        _plain(b"ssh-dss", Status.INSECURE),
    ),
)


def certificate_algorithm(key_algorithm: bytes) -> bytes:
    """Return the name of the certificate type for a key type (PROTOCOL.certkeys)."""
    if key_algorithm == b"ssh-mldsa44-ed25519":
        # No name of a vendor, as that of the key: what OpenSSH has from version 10.6 on.
        return b"ssh-mldsa44-ed25519-cert"
    return key_algorithm.removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"


def _certificate_row(row: SignatureAlgorithm) -> SignatureAlgorithm:
    # Sound, but off unless somebody trusts an authority: a client that offers these names has to
    # have one, or it will be shown a certificate that it can do nothing with.
    status = Status.SUPPORTED if row.status is Status.DEFAULT else row.status
    key_algorithm = certificate_algorithm(row.key_algorithm)
    return SignatureAlgorithm(
        certificate_algorithm(row.name), key_algorithm, row.sig_algorithm, status
    )


#: The rows for certificates; for RSA there are three names for one type of certificate, and none
#: with the signatures of ssh.com.
CERTIFICATE_ALGORITHMS: Registry[SignatureAlgorithm] = Registry(
    "certificate algorithm",
    (_certificate_row(row) for row in _PLAIN if not row.name.endswith(b"@ssh.com")),
)

#: Key type by type of the certificate.
CERTIFICATE_KEY_TYPES: dict[bytes, bytes] = {
    certificate_algorithm(row.key_algorithm): row.key_algorithm for row in _PLAIN
}


def _x509(name: bytes, sig: bytes, status: Status = Status.SUPPORTED) -> SignatureAlgorithm:
    return SignatureAlgorithm(name, name, sig, status)


#: The rows for X.509 certificates (RFC 6187 section 3; those of EdDSA are in use without an RFC).
#: They are off unless somebody trusts an authority, as those of OpenSSH's certificates are.
X509_ALGORITHMS: Registry[SignatureAlgorithm] = Registry(
    "X.509 algorithm",
    (
        _x509(b"x509v3-ssh-ed25519", b"ssh-ed25519"),
        _x509(b"x509v3-ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256"),
        _x509(b"x509v3-ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp384"),
        _x509(b"x509v3-ecdsa-sha2-nistp521", b"ecdsa-sha2-nistp521"),
        _x509(b"x509v3-rsa2048-sha256", b"rsa2048-sha256"),
        _x509(b"x509v3-ssh-ed448", b"ssh-ed448"),
        _x509(b"x509v3-ecdsa-sha2-1.3.132.0.10", b"ecdsa-sha2-1.3.132.0.10"),
        _x509(b"x509v3-ssh-rsa", b"ssh-rsa", Status.INSECURE),
        _x509(b"x509v3-ssh-dss", b"ssh-dss", Status.INSECURE),
    ),
)

#: Type of the key within by name of the X.509 algorithm.
X509_KEY_TYPES: dict[bytes, bytes] = {
    row.name: row.name.removeprefix(b"x509v3-") for row in X509_ALGORITHMS
} | {b"x509v3-rsa2048-sha256": b"ssh-rsa"}

SIGNATURE_ALGORITHMS: Registry[SignatureAlgorithm] = _PLAIN.extended(*X509_ALGORITHMS)

HOST_KEY_ALGORITHMS: Registry[SignatureAlgorithm] = Registry(
    "host key algorithm", (*X509_ALGORITHMS, *CERTIFICATE_ALGORITHMS, *_PLAIN)
)


def names_unless_chosen(rows: Iterable[SignatureAlgorithm]) -> tuple[bytes, ...]:
    """Return the names that a key is used with, or believed with, if nobody chose any.

    Those that are on by default; for a type of key that has none of them, the sound ones: whoever
    has a key of a rare type, or trusts one, means it.
    """
    rows = tuple(rows)
    usual = {row.key_algorithm for row in rows if row.status is Status.DEFAULT}
    return tuple(
        row.name
        for row in rows
        if row.status is Status.DEFAULT
        or (row.status is Status.SUPPORTED and row.key_algorithm not in usual)
    )


def plain_signature(sig_algorithm: bytes) -> bytes:
    """Return the algorithm that makes the same signature under the name of plain keys.

    RFC 6187 gave RSA with SHA-256 a name before RFC 8332 did.
    """
    return b"rsa-sha2-256" if sig_algorithm == b"rsa2048-sha256" else sig_algorithm


def sig_algorithm_of(host_key_algorithm: bytes) -> bytes:
    """Return the name in the signature blob for a negotiated host key algorithm.

    Raises KeyError for an unknown name.
    """
    return HOST_KEY_ALGORITHMS[host_key_algorithm].sig_algorithm
