"""`SSHCertificate`: what OpenSSH's and X.509 certificates have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

from ssh_keys.files import append_file, write_file
from ssh_keys.key_material import CommentHolder, format_fingerprint

if TYPE_CHECKING:
    from ssh_keys.key import SSHKey

__all__ = ["SSHCertificate"]


class SSHCertificate(CommentHolder, ABC):
    """A certificate: a public key, and what somebody says about it.

    Made by `import_certificate`, `read_certificate`, `SSHKey.generate_user_certificate` and their
    like, as an `SSHOpenSSHCertificate` or `SSHX509Certificate`. Certificates compare equal and
    hash by content.

    Attributes:
        algorithm: type of the certificate, e.g. `b"ssh-ed25519-cert-v01@openssh.com"`.
        key: the public key that is certified.
        public_data: the blob that is sent.
        sig_algorithms: signature algorithms of the certified key, best first.
        host_key_algorithms: names that stand for it in negotiation, best first.
        is_x509: whether it is an X.509 certificate.
        options: the known critical options and extensions of an OpenSSH certificate, decoded;
            None for X.509, which says nothing about sessions.
    """

    is_x509 = False
    options: Mapping[str, object] | None = None

    def __init__(
        self,
        algorithm: bytes,
        key: SSHKey,
        public_data: bytes,
        sig_algorithms: tuple[bytes, ...],
        host_key_algorithms: tuple[bytes, ...],
    ) -> None:
        self.algorithm = algorithm
        self.key = key
        self.public_data = public_data
        self.sig_algorithms = sig_algorithms
        self.host_key_algorithms = host_key_algorithms

    def get_algorithm(self) -> str:
        """Return the type of the certificate as text."""
        return self.algorithm.decode("ascii")

    def get_fingerprint(self, hash_name: str = "sha256") -> str:
        """Return the fingerprint of the certified key, as `ssh-keygen -l` prints it.

        Parameters:
            hash_name: md5, sha1, sha256, sha384 or sha512.

        Raises ValueError for another hash.
        """
        return format_fingerprint(self.key.public_data, hash_name)

    def blob_for(self, algorithm: bytes) -> bytes:
        """Return what is sent if `algorithm`, of `host_key_algorithms`, was negotiated."""
        return self.public_data

    @abstractmethod
    def export_certificate(self, format_name: str = "openssh") -> bytes:
        """Return the certificate in a file format.

        Parameters:
            format_name: `openssh` (one line, as in `id_ed25519-cert.pub`) or `rfc4716`; for X.509
                also `pem` and `der`.

        Raises KeyExportError for another format.
        """

    def write_certificate(
        self, filename: str | PathLike[str], format_name: str = "openssh"
    ) -> None:
        """Write the certificate to a file, atomically.

        Parameters:
            filename: the file.
            format_name: as of `export_certificate`.

        Raises KeyExportError and OSError.
        """
        write_file(filename, self.export_certificate(format_name))

    def append_certificate(
        self, filename: str | PathLike[str], format_name: str = "openssh"
    ) -> None:
        """Add the certificate to the end of a file.

        Parameters:
            filename: the file, which is made if need be.
            format_name: as of `export_certificate`.

        Raises KeyExportError and OSError.
        """
        append_file(filename, self.export_certificate(format_name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SSHCertificate) and self.public_data == other.public_data

    def __hash__(self) -> int:
        return hash(self.public_data)
