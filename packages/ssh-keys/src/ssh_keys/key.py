"""`SSHKey`: a public key, with or without its private part, and everything it can be written as."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ssh_keys.exporting import encode_private_key, encode_public_key
from ssh_keys.files import append_file, write_file
from ssh_keys.key_material import KeyMaterial

__all__ = ["SSHKey"]

K = TypeVar("K", bound="SSHKey")


class SSHKey(KeyMaterial):
    """A public key, with or without its private part.

    Not made directly but by `generate_private_key`, `import_private_key`, `read_public_key` and
    their like. Keys compare equal and hash by content: same public key, and both or neither with
    a private part; the comment does not count.
    """

    def _with_comment(self, other: K) -> K:
        other.set_comment(self.get_comment_bytes())
        return other

    def export_private_key(
        self,
        format_name: str = "openssh",
        passphrase: str | bytes | None = None,
        cipher_name: str = "aes256-cbc",
        hash_name: str = "sha256",
        pbe_version: int = 2,
        rounds: int = 128,
        ignore_few_rounds: bool = False,
    ) -> bytes:
        """Return the private key in a file format.

        Parameters:
            format_name: `openssh` (PROTOCOL.key); `pkcs8-pem`, `pkcs8-der`; `pkcs1-pem`,
                `pkcs1-der` (PKCS#1 for RSA, SEC 1 for ECDSA).
            passphrase: what to encrypt with; None or empty for an unencrypted file.
            cipher_name: for `openssh` a cipher name of SSH such as `aes256-ctr`; for PKCS#8
                `aes256-cbc`, `aes192-cbc`, `aes128-cbc`, `des3-cbc`, `des-cbc`, `blowfish-cbc`,
                `cast128-cbc` with PBES2; `des-cbc`, `des2-cbc`, `des3-cbc`, `rc4-40`, `rc4-128`
                with PBES1; for `pkcs1-pem` the three of AES, `des3-cbc` and `des-cbc`.
            hash_name: hash of the key derivation of PKCS#8: `sha1`, `sha224`, `sha256`, `sha384`,
                `sha512`; with PBES1 `sha1`, or `md5` for `des-cbc`.
            pbe_version: for PKCS#8, 1 for PBES1 and PKCS#12, 2 for PBES2.
            rounds: iterations of the key derivation; for `openssh` up to 1024 rounds of bcrypt,
                of which 16 take about 0.1 s.
            ignore_few_rounds: accepted for compatibility; few rounds are never warned about.

        Raises KeyExportError if there is no private part, or the format cannot hold the key, and
        KeyEncryptionError for a cipher, hash or number of rounds that the format does not have.
        """
        return encode_private_key(
            self, format_name, passphrase, cipher_name, hash_name, pbe_version, rounds
        )

    def export_public_key(self, format_name: str = "openssh") -> bytes:
        """Return the public key in a file format.

        Parameters:
            format_name: `openssh` (one line, as in `id_ed25519.pub`), `rfc4716`, `pkcs8-pem`,
                `pkcs8-der` (SubjectPublicKeyInfo), `pkcs1-pem`, `pkcs1-der` (only RSA).

        Raises KeyExportError for a format that is not known or cannot hold the key.
        """
        return encode_public_key(self, format_name)

    def write_private_key(
        self,
        filename: str | Path,
        format_name: str = "openssh",
        passphrase: str | bytes | None = None,
        cipher_name: str = "aes256-cbc",
        hash_name: str = "sha256",
        pbe_version: int = 2,
        rounds: int = 128,
        ignore_few_rounds: bool = False,
    ) -> None:
        """Write the private key to a file that only its owner can read, atomically.

        Parameters and errors as of `export_private_key`; OSError if the file cannot be written.
        """
        data = self.export_private_key(
            format_name, passphrase, cipher_name, hash_name, pbe_version, rounds, ignore_few_rounds
        )
        write_file(filename, data, private=True)

    def write_public_key(self, filename: str | Path, format_name: str = "openssh") -> None:
        """Write the public key to a file, atomically.

        Parameters and errors as of `export_public_key`; OSError if the file cannot be written.
        """
        write_file(filename, self.export_public_key(format_name))

    def append_private_key(
        self,
        filename: str | Path,
        format_name: str = "openssh",
        passphrase: str | bytes | None = None,
        cipher_name: str = "aes256-cbc",
        hash_name: str = "sha256",
        pbe_version: int = 2,
        rounds: int = 128,
        ignore_few_rounds: bool = False,
    ) -> None:
        """Add the private key to the end of a file, which is made (mode 0600) if need be.

        Parameters and errors as of `export_private_key`; OSError if the file cannot be written.
        """
        data = self.export_private_key(
            format_name, passphrase, cipher_name, hash_name, pbe_version, rounds, ignore_few_rounds
        )
        append_file(filename, data, private=True)

    def append_public_key(self, filename: str | Path, format_name: str = "openssh") -> None:
        """Add the public key to the end of a file, which is made if need be.

        Parameters and errors as of `export_public_key`; OSError if the file cannot be written.
        """
        append_file(filename, self.export_public_key(format_name))
