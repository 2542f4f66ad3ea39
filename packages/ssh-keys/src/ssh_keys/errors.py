"""Exceptions of ssh-keys, and the root that every package of the project derives from.

::

    Error(code, reason, lang)
    ValueError
    ├─ KeyImportError ─ KeyPassphraseError, KeyTruncatedError, UnsupportedKeyError
    ├─ KeyExportError
    ├─ KeyEncryptionError ─ KeyPassphraseError   (also a KeyImportError)
    ├─ KeyGenerationError
    ├─ SignatureError
    ├─ CertificateError ─ CertificateExpiredError, CertificatePrincipalError,
    │                     CertificateRevokedError
    └─ PacketDecodeError                          (ssh_keys.wire)
"""

from __future__ import annotations

__all__ = [
    "CertificateError",
    "CertificateExpiredError",
    "CertificatePrincipalError",
    "CertificateRevokedError",
    "Error",
    "KeyEncryptionError",
    "KeyExportError",
    "KeyGenerationError",
    "KeyImportError",
    "KeyPassphraseError",
    "KeyTruncatedError",
    "SignatureError",
    "UnsupportedKeyError",
]


class Error(Exception):
    """Root of the errors that carry a code of an SSH protocol.

    Parameters:
        code: number of the protocol that the error belongs to (a disconnect reason of RFC 4253
            section 11.1, a channel open failure of RFC 4254 section 5.1, an `SSH_FX_*` status).
        reason: what went wrong, for a person.
        lang: language tag of `reason` (RFC 3066).
    """

    def __init__(self, code: int, reason: str, lang: str = "en-US") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.lang = lang


class KeyImportError(ValueError):
    """Key, certificate or trust file that cannot be read; the text says what and where."""


class KeyEncryptionError(ValueError):
    """Encryption or decryption of a key that failed, or a cipher that is not known."""


class KeyPassphraseError(KeyImportError, KeyEncryptionError):
    """The key is encrypted, and the passphrase is missing or wrong.

    Applications catch the one as KeyImportError and the other as KeyEncryptionError.
    """


class KeyTruncatedError(KeyImportError):
    """The data ends too early, or goes on after its end."""


class UnsupportedKeyError(KeyImportError):
    """Well-formed data that uses a key type, cipher or format that is not supported."""


class KeyExportError(ValueError):
    """Key or certificate that cannot be written in the format that was asked for."""


class KeyGenerationError(ValueError):
    """Parameters that no key or certificate can be made from."""


class CertificateError(ValueError):
    """A certificate that is not good for what it is presented for."""


class CertificateExpiredError(CertificateError):
    """A certificate that is not valid any more, or not yet."""


class CertificatePrincipalError(CertificateError):
    """A certificate for somebody else."""


class CertificateRevokedError(CertificateError):
    """A certificate that is listed as one not to be trusted, or that such a one issued."""


class SignatureError(ValueError):
    """A signature that is malformed, of an algorithm that is not allowed, or wrong."""
