"""`SSHKeyPair`: what signs, wherever the private key is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from functools import lru_cache
from typing import TYPE_CHECKING

from ssh_keys.errors import SignatureError
from ssh_keys.key_material import CommentHolder, printable
from ssh_keys.signature_algorithms import HOST_KEY_ALGORITHMS, sig_algorithm_of

if TYPE_CHECKING:
    from ssh_keys.certificate_base import SSHCertificate
    from ssh_keys.key import SSHKey

__all__ = ["SSHKeyPair", "SSHLocalKeyPair"]


@lru_cache(maxsize=64)  # there are a few types of keys, and many keys
def _host_key_algorithms(algorithm: bytes, sig_algorithms: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(
        row.name
        for row in HOST_KEY_ALGORITHMS
        if row.key_algorithm == algorithm and row.sig_algorithm in sig_algorithms
    )


class SSHKeyPair(CommentHolder, ABC):
    """A public key or certificate, and something that signs for it.

    Attributes:
        algorithm: type of the key or certificate in `public_data`.
        sig_algorithms: signature algorithms that `sign` takes, best first.
        host_key_algorithms: names that the pair can serve in `server_host_key_algorithms`
            (RFC 4253 section 7.1) and publickey requests, best first.
        public_data: blob of the key or certificate.
        certificate: the certificate that was set, None without one.
        key_public_data: blob of what the pair was made for, whatever certificate is presented.
        needs_device: whether `sign` waits for a device, and perhaps for its user: programs with an
            event loop call it in another thread.
    """

    needs_device = False
    _key_type = "unknown"

    def __init__(
        self,
        algorithm: bytes,
        sig_algorithms: tuple[bytes, ...],
        public_data: bytes,
        comment: bytes | None = None,
        host_key_algorithms: tuple[bytes, ...] | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.sig_algorithms = sig_algorithms
        self.public_data = public_data
        if host_key_algorithms is None:
            host_key_algorithms = _host_key_algorithms(algorithm, sig_algorithms)
        self.host_key_algorithms = host_key_algorithms
        self.certificate: SSHCertificate | None = None
        self.key_public_data = public_data
        self.set_comment(comment)

    @abstractmethod
    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes | Awaitable[bytes]:
        """Sign data and return the signature blob, or something to await for it.

        Parameters:
            data: what is signed, in full.
            sig_algorithm: one of `sig_algorithms`.

        Raises SignatureError if the key has no such algorithm.
        """

    def set_certificate(self, cert: SSHCertificate) -> None:
        """Present `cert` in place of the key.

        Raises SignatureError if it is for another key, or needs signatures that the key pair does
        not make.
        """
        if cert.key.public_data != self.key_public_data:
            raise SignatureError("the certificate is for another key")
        names = cert.host_key_algorithms
        if cert.is_x509:
            makes = (*self.sig_algorithms, *self._x509_sig_algorithms())
            names = tuple(name for name in names if sig_algorithm_of(name) in makes)
            if not names:
                raise SignatureError("the key pair makes no signatures for X.509 certificates")
            self.sig_algorithms = tuple(map(sig_algorithm_of, names))
        self.certificate = cert
        self.algorithm = cert.algorithm
        self.public_data = cert.public_data
        self.host_key_algorithms = names

    def _x509_sig_algorithms(self) -> tuple[bytes, ...]:
        """Signature algorithms that only X.509 certificates need."""
        return ()

    def blob_for(self, algorithm: bytes) -> bytes:
        """Return the blob to send if `algorithm`, of `host_key_algorithms`, was negotiated.

        That is `public_data`, except for RSA keys in X.509 certificates: their blob begins with
        the negotiated name (RFC 6187 section 2.1).
        """
        if self.certificate is None:
            return self.public_data
        return self.certificate.blob_for(algorithm)

    def get_key_type(self) -> str:
        """Return where the private key is: `local`, `agent`, ..."""
        return self._key_type

    def get_algorithm(self) -> str:
        """Return the type of the key or certificate as text."""
        return self.algorithm.decode("ascii")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.get_key_type()} {self.get_algorithm()}>"


class SSHLocalKeyPair(SSHKeyPair):
    """A key pair whose private key is in this process.

    Parameters:
        key: a private key.
        certificate: a certificate for it, presented in its place.

    Raises SignatureError if the key has no private part, or the certificate is for another key.
    """

    _key_type = "local"

    def __init__(self, key: SSHKey, certificate: SSHCertificate | None = None) -> None:
        if not key.is_private:
            raise SignatureError("a key pair needs the private part of the key")
        super().__init__(
            key.algorithm, key.sig_algorithms, key.public_data, key.get_comment_bytes()
        )
        self.key = key
        self.needs_device = key.needs_device
        if certificate is not None:
            self.set_certificate(certificate)

    def _x509_sig_algorithms(self) -> tuple[bytes, ...]:
        return self.key.x509_sig_algorithms

    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Sign data with `sig_algorithm` and return the blob; raises SignatureError."""
        if sig_algorithm not in self.sig_algorithms:
            raise SignatureError(f"the key pair makes no {printable(sig_algorithm)} signature")
        return self.key.sign(data, sig_algorithm)
