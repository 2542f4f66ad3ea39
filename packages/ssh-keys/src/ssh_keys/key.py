"""`SSHKey`: a public key, with or without its private part, and everything it can be written as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, urandom
from typing import TypeVar

from ssh_keys.certificate import (
    MAXIMUM_SERIAL,
    CertificateFields,
    CertificateType,
    SSHOpenSSHCertificate,
    sign_certificate,
)
from ssh_keys.certificate_options import PERMISSIONS, user_critical_options
from ssh_keys.errors import KeyGenerationError, KeyImportError
from ssh_keys.exporting import encode_private_key, encode_public_key
from ssh_keys.files import append_file, write_file
from ssh_keys.key_material import KeyMaterial
from ssh_keys.time_values import FOREVER, TimeValue, parse_time
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.generation import HolderKind, X509Request, sign_x509_certificate
from ssh_keys.x509.purposes import X509Purposes

__all__ = ["SSHKey"]

K = TypeVar("K", bound="SSHKey")

NONCE_SIZE = 32
Comment = str | bytes | tuple[()] | None
SignatureChoice = str | bytes | tuple[()] | None


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
                `pkcs1-der` (PKCS#1 for RSA, SEC 1 for ECDSA); `ppk` (PuTTY, version 3), `ppk2`;
                `dropbear`, which has no encryption.
            passphrase: what to encrypt with; None or empty for an unencrypted file.
            cipher_name: for `openssh` a cipher name of SSH such as `aes256-ctr`; for PKCS#8
                `aes256-cbc`, `aes192-cbc`, `aes128-cbc`, `des3-cbc`, `des-cbc`, `blowfish-cbc`,
                `cast128-cbc`, `camellia256-cbc` (also 192, 128) with PBES2; `des-cbc`, `des2-cbc`,
                `des3-cbc`, `rc4-40`, `rc4-128` with PBES1; for `pkcs1-pem` those of AES and
                Camellia, `des3-cbc` and `des-cbc`; PPK has only `aes256-cbc`.
            hash_name: hash of the key derivation of PKCS#8: `sha1`, `sha224`, `sha256`, `sha384`,
                `sha512`; with PBES1 `sha1`, or `md5` for `des-cbc`.
            pbe_version: for PKCS#8, 1 for PBES1 and PKCS#12, 2 for PBES2.
            rounds: iterations of the key derivation; for `openssh` up to 1024 rounds of bcrypt,
                of which 16 take about 0.1 s; for `ppk` passes of Argon2id over 8 MiB, up to 512.
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
        filename: str | PathLike[str],
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

    def write_public_key(self, filename: str | PathLike[str], format_name: str = "openssh") -> None:
        """Write the public key to a file, atomically.

        Parameters and errors as of `export_public_key`; OSError if the file cannot be written.
        """
        write_file(filename, self.export_public_key(format_name))

    def append_private_key(
        self,
        filename: str | PathLike[str],
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

    def append_public_key(
        self, filename: str | PathLike[str], format_name: str = "openssh"
    ) -> None:
        """Add the public key to the end of a file, which is made if need be.

        Parameters and errors as of `export_public_key`; OSError if the file cannot be written.
        """
        append_file(filename, self.export_public_key(format_name))

    # --- Certificates ------------------------------------------------------------------------

    def generate_user_certificate(
        self,
        user_key: SSHKey,
        key_id: str,
        version: int = 1,
        serial: int = 0,
        principals: str | Iterable[str] = (),
        valid_after: TimeValue = 0,
        valid_before: TimeValue = FOREVER,
        force_command: str | None = None,
        source_address: str | Iterable[str] | None = None,
        permit_x11_forwarding: bool = True,
        permit_agent_forwarding: bool = True,
        permit_port_forwarding: bool = True,
        permit_pty: bool = True,
        permit_user_rc: bool = True,
        touch_required: bool = True,
        sig_alg: SignatureChoice = (),
        comment: Comment = (),
        *,
        verify_required: bool = False,
        critical_options: Mapping[str, bytes] | None = None,
        extensions: Mapping[str, bytes] | None = None,
    ) -> SSHOpenSSHCertificate:
        """Return an OpenSSH certificate for a user's key, signed with this key.

        Parameters:
            user_key: the key to be certified; its private part is not needed.
            key_id: text for the logs of servers.
            version: version of the format, 1.
            serial: number of the certificate, 0 to 2^64-1.
            principals: user names, as a sequence, or as a text with commas between. A certificate
                without any is good for nobody.
            valid_after: first moment of validity, see "Specifying time values".
            valid_before: first moment after validity.
            force_command: command that is run whatever the user asked for.
            source_address: addresses or CIDR networks of clients, as of `principals`.
            permit_x11_forwarding: whether X11 may be forwarded, and so on.
            touch_required: false adds `no-touch-required`, for security keys.
            sig_alg: signature algorithm, the best of this key if not given.
            comment: comment of the certificate, that of the key if not given.
            verify_required: whether a security key must have verified its user.
            critical_options: further critical options by name, raw data.
            extensions: further extensions by name, raw data.

        Raises KeyGenerationError for anything that no certificate can have.
        """
        granted = (
            permit_x11_forwarding,
            permit_agent_forwarding,
            permit_port_forwarding,
            permit_pty,
            permit_user_rc,
        )
        allowed = {name: b"" for name, grant in zip(PERMISSIONS, granted, strict=True) if grant}
        if not touch_required:
            allowed["no-touch-required"] = b""
        critical = user_critical_options(force_command, source_address, verify_required)
        fields = _certificate_fields(
            CertificateType.USER,
            key_id,
            serial,
            principals,
            (valid_after, valid_before),
            {**critical, **(critical_options or {})},
            {**allowed, **(extensions or {})},
        )
        return self._certify(user_key, version, fields, sig_alg, comment)

    def generate_host_certificate(
        self,
        host_key: SSHKey,
        key_id: str,
        version: int = 1,
        serial: int = 0,
        principals: str | Iterable[str] = (),
        valid_after: TimeValue = 0,
        valid_before: TimeValue = FOREVER,
        sig_alg: SignatureChoice = (),
        comment: Comment = (),
        *,
        extensions: Mapping[str, bytes] | None = None,
    ) -> SSHOpenSSHCertificate:
        """Return an OpenSSH certificate for a host's key, signed with this key.

        Parameters as of `generate_user_certificate`; the principals are host names, in which `*`
        and `?` stand for any characters.

        Raises KeyGenerationError for anything that no certificate can have.
        """
        fields = _certificate_fields(
            CertificateType.HOST,
            key_id,
            serial,
            principals,
            (valid_after, valid_before),
            {},
            extensions or {},
        )
        return self._certify(host_key, version, fields, sig_alg, comment)

    def generate_x509_user_certificate(
        self,
        user_key: SSHKey,
        subject: str,
        issuer: str | None = None,
        serial: int | None = None,
        principals: str | Iterable[str] = (),
        valid_after: TimeValue = 0,
        valid_before: TimeValue = FOREVER,
        purposes: X509Purposes = "secureShellClient",
        hash_alg: str | tuple[()] = (),
        comment: Comment = (),
    ) -> SSHX509Certificate:
        """Return an X.509 certificate for a user's key, signed with this key (RFC 6187).

        Parameters:
            user_key: the key to be certified; its private part is not needed.
            subject: name of the user, such as `O=Example,CN=alice`, see "Specifying X.509 subject
                names".
            issuer: name of the authority; the subject itself if not given, for a self-signed
                certificate.
            serial: number of the certificate, random if not given.
            principals: user names, as a sequence, or as a text with commas between.
            valid_after: first moment of validity, see "Specifying time values".
            valid_before: last moment of validity.
            purposes: what it may be used for, see "Specifying X.509 purposes".
            hash_alg: `sha224`, `sha256`, `sha384` or `sha512`; if not given, what fits this key.
                Ed25519 and Ed448 have a hash of their own.
            comment: comment of the certificate, in ASCII; that of the key if not given.

        Raises KeyGenerationError for anything that no certificate can have.
        """
        request = X509Request(
            kind=HolderKind.USER,
            subject=subject,
            issuer=issuer,
            serial=serial,
            principals=principals,
            valid_after=valid_after,
            valid_before=valid_before,
            purposes=purposes,
            hash_alg=hash_alg,
        )
        return self._certify_x509(user_key, request, comment)

    def generate_x509_host_certificate(
        self,
        host_key: SSHKey,
        subject: str,
        issuer: str | None = None,
        serial: int | None = None,
        principals: str | Iterable[str] = (),
        valid_after: TimeValue = 0,
        valid_before: TimeValue = FOREVER,
        purposes: X509Purposes = "secureShellServer",
        hash_alg: str | tuple[()] = (),
        comment: Comment = (),
    ) -> SSHX509Certificate:
        """Return an X.509 certificate for a host's key, signed with this key (RFC 6187).

        Parameters as of `generate_x509_user_certificate`; the principals are names and numeric
        addresses of the host.

        Raises KeyGenerationError for anything that no certificate can have.
        """
        request = X509Request(
            kind=HolderKind.HOST,
            subject=subject,
            issuer=issuer,
            serial=serial,
            principals=principals,
            valid_after=valid_after,
            valid_before=valid_before,
            purposes=purposes,
            hash_alg=hash_alg,
        )
        return self._certify_x509(host_key, request, comment)

    def generate_x509_ca_certificate(
        self,
        ca_key: SSHKey,
        subject: str,
        issuer: str | None = None,
        serial: int | None = None,
        valid_after: TimeValue = 0,
        valid_before: TimeValue = FOREVER,
        ca_path_len: int | None = None,
        hash_alg: str | tuple[()] = (),
        comment: Comment = (),
    ) -> SSHX509Certificate:
        """Return an X.509 certificate for the key of an authority, signed with this key.

        Parameters:
            ca_key: the key to be certified; this key itself for a root.
            ca_path_len: how many authorities may follow below this one, any number if not given.

        The others, and errors, as of `generate_x509_user_certificate`.
        """
        request = X509Request(
            kind=HolderKind.CA,
            subject=subject,
            issuer=issuer,
            serial=serial,
            valid_after=valid_after,
            valid_before=valid_before,
            path_length=ca_path_len,
            hash_alg=hash_alg,
        )
        return self._certify_x509(ca_key, request, comment)

    def _certify_x509(
        self, key: SSHKey, request: X509Request, comment: Comment
    ) -> SSHX509Certificate:
        if isinstance(comment, tuple):
            comment = key.get_comment_bytes()
        text = comment.encode() if isinstance(comment, str) else comment
        contents = sign_x509_certificate(self, key, request, text)
        try:
            return SSHX509Certificate(key.convert_to_public(), contents)
        except KeyImportError as exc:
            raise KeyGenerationError(str(exc)) from None

    def _certify(
        self,
        key: SSHKey,
        version: int,
        fields: CertificateFields,
        sig_alg: SignatureChoice,
        comment: Comment,
    ) -> SSHOpenSSHCertificate:
        if version != 1:
            raise KeyGenerationError(f"OpenSSH certificates have no version {version}")
        name = sig_alg.encode() if isinstance(sig_alg, str) else sig_alg or None
        certificate = sign_certificate(self, key, fields, urandom(NONCE_SIZE), name)
        certificate.set_comment(key.get_comment_bytes() if isinstance(comment, tuple) else comment)
        return certificate


def _certificate_fields(
    kind: CertificateType,
    key_id: str,
    serial: int,
    principals: str | Iterable[str],
    validity: tuple[TimeValue, TimeValue],
    critical_options: Mapping[str, bytes],
    extensions: Mapping[str, bytes],
) -> CertificateFields:
    if isinstance(principals, str):
        principals = [name.strip() for name in principals.split(",")] if principals else ()
    if not 0 <= serial <= MAXIMUM_SERIAL:
        raise KeyGenerationError(f"serial number {serial} is out of range")
    try:
        valid_after, valid_before = (parse_time(moment) for moment in validity)
    except ValueError as exc:
        raise KeyGenerationError(str(exc)) from None
    return CertificateFields(
        type=kind,
        key_id=key_id,
        principals=tuple(principals),
        serial=serial,
        valid_after=valid_after,
        valid_before=valid_before,
        critical_options=critical_options,
        extensions=extensions,
    )
