"""Key pairs on devices: signing waits for a token or for a touch, so it runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator

from ssh_keys import SSHKeyPair

__all__ = ["DeviceKeyPair", "off_loop"]


class DeviceKeyPair(SSHKeyPair):
    """A key pair that signs in another thread, so that the event loop goes on.

    Parameters:
        pair: the key pair whose `sign` waits for a device.
    """

    needs_device = True

    def __init__(self, pair: SSHKeyPair) -> None:
        super().__init__(
            pair.algorithm,
            pair.sig_algorithms,
            pair.public_data,
            pair.get_comment_bytes(),
            pair.host_key_algorithms,
        )
        self.certificate = pair.certificate
        self.key_public_data = pair.key_public_data
        self._pair = pair
        self._key_type = pair.get_key_type()

    async def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Sign data and return the signature blob; raises what the key pair raises."""
        signature = await asyncio.to_thread(self._pair.sign, data, sig_algorithm)
        return await signature if isinstance(signature, Awaitable) else signature


def off_loop(pairs: Iterable[SSHKeyPair]) -> Iterator[SSHKeyPair]:
    """Return key pairs of which none waits for a device in the thread of the event loop."""
    for pair in pairs:
        yield DeviceKeyPair(pair) if pair.needs_device else pair
