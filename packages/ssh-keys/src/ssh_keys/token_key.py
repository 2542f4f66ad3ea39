"""`TokenBackedKey`: an `SSHKey` whose private part is somewhere else, and signs there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from ssh_keys.errors import KeyExportError
from ssh_keys.key import SSHKey
from ssh_keys.wire import Reader

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = ["TokenBackedKey"]


class TokenBackedKey(SSHKey):
    """A private key that can sign, and certify others, but cannot be written anywhere.

    Parameters:
        public: the public key, whose comment it has.
        sign: makes what follows the name of the algorithm in a signature blob, out of the data and
            that name; raises SignatureError.
    """

    needs_device = True

    def __init__(self, public: SSHKey, sign: Callable[[bytes, bytes], bytes]) -> None:
        super().__init__(public.algorithm, public.sig_algorithms, public.public_data, True)
        self.x509_sig_algorithms = public.x509_sig_algorithms
        self.set_comment(public.get_comment_bytes())
        self._public = public
        self._sign_there = sign

    @property
    def bits(self) -> int:
        """Size of the key in bits."""
        return self._public.bits

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return self._public.type_name

    def convert_to_public(self) -> SSHKey:  # type: ignore[override]
        """Return the public key."""
        return self._with_comment(self._public.convert_to_public())

    def _private_fields(self) -> bytes:
        raise KeyExportError("the private key does not leave its token")

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        return self._sign_there(data, sig_algorithm)

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> int | None:
        return self._public._verify(data, sig_algorithm, signature)

    def _check_strength(self, minimum_rsa_bits: int) -> None:
        self._public._check_strength(minimum_rsa_bits)

    def public_key_object(self) -> PublicKeyTypes:
        """Return the public key as an object of `cryptography`."""
        return self._public.public_key_object()

    def private_key_object(self) -> NoReturn:
        """Raise KeyExportError: nobody gets the private key."""
        raise KeyExportError("the private key does not leave its token")
