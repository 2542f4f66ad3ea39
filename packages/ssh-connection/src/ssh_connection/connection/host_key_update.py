"""New host keys in time: "hostkeys-00@openssh.com" (draft-miller-sshm-hostkey-update), both roles.

After authentication a server tells all of its host keys. A client asks it to prove that it owns
those that it does not know, and can learn them before the old ones are taken away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ssh_keys import (
    KeyImportError,
    KnownHostsResult,
    SignatureError,
    SSHKey,
    SSHKeyPair,
    decode_ssh_public_key,
)
from ssh_keys.wire import PacketDecodeError, Reader, encode_string

__all__ = [
    "HOST_KEYS",
    "PROVE_HOST_KEYS",
    "HostKeyUpdate",
    "encode_strings",
    "plain_host_keys",
    "prove_host_keys",
]

HOST_KEYS = b"hostkeys-00@openssh.com"
"""Global request with which a server tells its host keys."""

PROVE_HOST_KEYS = b"hostkeys-prove-00@openssh.com"
"""Global request with which a client asks for a signature of each."""

MAX_HOST_KEYS = 64


def encode_strings(strings: Collection[bytes]) -> bytes:
    """Return strings one after the other, as both requests and the answer have them."""
    return b"".join(map(encode_string, strings))


def _decode_strings(data: bytes) -> list[bytes]:
    """Read such strings; raises PacketDecodeError, also for more than 64 of them."""
    reader = Reader(data)
    strings: list[bytes] = []
    while reader.remaining:
        if len(strings) >= MAX_HOST_KEYS:
            raise PacketDecodeError("too many host keys")
        strings.append(reader.string())
    return strings


def _signed_data(session_id: bytes, blob: bytes) -> bytes:
    return encode_string(PROVE_HOST_KEYS) + encode_string(session_id) + encode_string(blob)


# --- Servers ---------------------------------------------------------------------------------


def plain_host_keys(host_keys: Mapping[bytes, SSHKeyPair]) -> Mapping[bytes, SSHKeyPair]:
    """Return the host keys that are told to clients, by blob: those without a certificate.

    Parameters:
        host_keys: key pair by host key algorithm.
    """
    return {pair.public_data: pair for pair in host_keys.values() if pair.certificate is None}


def prove_host_keys(
    host_keys: Mapping[bytes, SSHKeyPair],
    session_id: bytes,
    data: bytes,
    allowed: Sequence[bytes],
) -> Awaitable[bytes | None] | None:
    """Return a signature for each key that a client asks about, None to refuse.

    Parameters:
        host_keys: by blob.
        session_id: of the connection, to which the signatures are bound.
        data: of the request.
        allowed: signature algorithms that may be used, the best first.

    Raises PacketDecodeError for a malformed request.
    """
    blobs = _decode_strings(data)
    if not blobs or len(set(blobs)) != len(blobs) or not all(blob in host_keys for blob in blobs):
        return None
    return _sign_all([host_keys[blob] for blob in blobs], session_id, allowed)


async def _sign_all(
    pairs: Sequence[SSHKeyPair], session_id: bytes, allowed: Sequence[bytes]
) -> bytes | None:
    signatures = []
    for pair in pairs:
        name = next((name for name in allowed if name in pair.sig_algorithms), None)
        if name is None:
            return None
        signature = pair.sign(_signed_data(session_id, pair.public_data), name)
        signatures.append(await signature if isinstance(signature, Awaitable) else signature)
    return encode_strings(signatures)


# --- Clients ---------------------------------------------------------------------------------


class HostKeyUpdate:
    """What a client does about the host keys that a server tells.

    Parameters:
        known: what known_hosts says about the host, None if it trusts every key.
        session_id: of the connection.
        request: sends a global request and gives the data of the answer.
        allowed: signature algorithms that prove something.
        minimum_rsa_bits: smallest RSA key that proves something.
    """

    def __init__(
        self,
        known: KnownHostsResult | None,
        session_id: bytes,
        request: Callable[[bytes, bytes], Awaitable[bytes]],
        allowed: Sequence[bytes],
        minimum_rsa_bits: int,
    ) -> None:
        self._known = known or KnownHostsResult()
        self._session_id = session_id
        self._request = request
        self._allowed = allowed
        self._minimum_rsa_bits = minimum_rsa_bits

    async def classify(
        self, data: bytes
    ) -> tuple[list[SSHKey], list[SSHKey], list[SSHKey], list[SSHKey]]:
        """Return the keys that are new, gone, still there, and revoked.

        New keys are proved: all of them or none. Keys of a type that we do not know are left out,
        and new ones that we would not accept.

        Parameters:
            data: of the server's request.

        Raises PacketDecodeError or SignatureError if the server did not prove what it told, and
        GlobalRequestError or ConnectionLost if it did not answer.
        """
        told = self._decode(data)
        trusted = {key.public_data: key for key in self._known.trusted_keys}
        revoked = {key.public_data for key in self._known.revoked_keys}
        strangers = [key for blob, key in told.items() if blob not in {*trusted, *revoked}]
        added = [key for key in strangers if self._is_acceptable(key)]
        if added:
            await self._prove(added)
        return (
            added,
            [key for blob, key in trusted.items() if blob not in told],
            [key for blob, key in trusted.items() if blob in told],
            [key for blob, key in told.items() if blob in revoked],
        )

    def _decode(self, data: bytes) -> dict[bytes, SSHKey]:
        keys: dict[bytes, SSHKey] = {}
        for blob in _decode_strings(data):
            try:
                key = decode_ssh_public_key(blob)
            except KeyImportError:
                continue
            keys[blob] = key
        return keys

    def _is_acceptable(self, key: SSHKey) -> bool:
        if key.type_name == "RSA" and key.bits < self._minimum_rsa_bits:
            return False
        return any(name in self._allowed for name in key.sig_algorithms)

    async def _prove(self, keys: Sequence[SSHKey]) -> None:
        blobs = [key.public_data for key in keys]
        signatures = _decode_strings(await self._request(PROVE_HOST_KEYS, encode_strings(blobs)))
        if len(signatures) != len(keys):
            raise SignatureError("the server did not sign with each of its host keys")
        for key, signature in zip(keys, signatures, strict=True):
            key.verify(
                _signed_data(self._session_id, key.public_data),
                signature,
                self._allowed,
                minimum_rsa_bits=self._minimum_rsa_bits,
            )
