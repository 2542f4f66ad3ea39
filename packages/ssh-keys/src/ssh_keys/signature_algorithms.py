"""The tables of signature and host key algorithms that the transport negotiates.

A key type can have several signature algorithms (RSA has three, RFC 8332), and a name in
`server_host_key_algorithms` or of a publickey request stands for a key or certificate type together
with one signature algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

from ssh_keys.algorithms import Registry, Status

__all__ = [
    "HOST_KEY_ALGORITHMS",
    "SIGNATURE_ALGORITHMS",
    "SignatureAlgorithm",
    "sig_algorithm_of",
]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
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


SIGNATURE_ALGORITHMS: Registry[SignatureAlgorithm] = Registry(
    "signature algorithm",
    (
        _plain(b"ssh-ed25519"),
        _plain(b"ecdsa-sha2-nistp256"),
        _plain(b"ecdsa-sha2-nistp384"),
        _plain(b"ecdsa-sha2-nistp521"),
        SignatureAlgorithm(b"rsa-sha2-512", b"ssh-rsa", b"rsa-sha2-512"),
        SignatureAlgorithm(b"rsa-sha2-256", b"ssh-rsa", b"rsa-sha2-256"),
        _plain(b"ssh-ed448", Status.SUPPORTED),
        _plain(b"ssh-rsa", Status.INSECURE),
        _plain(b"ssh-dss", Status.INSECURE),
    ),
)

HOST_KEY_ALGORITHMS: Registry[SignatureAlgorithm] = Registry(
    "host key algorithm", SIGNATURE_ALGORITHMS
)


def sig_algorithm_of(host_key_algorithm: bytes) -> bytes:
    """Return the name in the signature blob for a negotiated host key algorithm.

    Raises KeyError for an unknown name.
    """
    return HOST_KEY_ALGORITHMS[host_key_algorithm].sig_algorithm
