"""What two SSH_MSG_KEXINIT come to: rows of the tables, and how each direction is protected.

Found once for each pair of offers, not once for each connection: nearly all connections of a
process negotiate the same.
"""

from __future__ import annotations

from collections.abc import Callable

from ssh_keys import sig_algorithm_of
from ssh_keys.record import Record

from .ciphers import CIPHERS
from .compression import COMPRESSIONS
from .constants import NULL_HOST_KEY
from .derivation import HASHES, Hash
from .kex import KEX_METHODS
from .mac import MACS
from .protocols import CipherAlgorithm, CompressionAlgorithm, KexAlgorithm, MACAlgorithm, Role

__all__ = ["Direction", "NegotiatedAlgorithms", "Suite", "suite_of"]


class NegotiatedAlgorithms(Record):
    """The outcome of one negotiation; `cs` is client to server, `sc` server to client.

    A MAC is empty where the cipher authenticates by itself.
    """

    kex: bytes
    host_key: bytes
    cipher_cs: bytes
    cipher_sc: bytes
    mac_cs: bytes
    mac_sc: bytes
    compression_cs: bytes
    compression_sc: bytes


class Direction(Record):
    """How the packets of one direction are protected.

    Parameters:
        cipher, compression: their rows.
        mac: its row, None if the cipher authenticates by itself.
        keys: letter of the derivation (RFC 4253 section 7.2) and size in bytes of the key, the
            initial IV and the key of the MAC.
        max_bytes: what the cipher is good for under one key.
    """

    cipher: CipherAlgorithm
    compression: CompressionAlgorithm
    mac: MACAlgorithm | None
    keys: tuple[tuple[bytes, int], ...]
    max_bytes: int


class Suite(Record):
    """Everything that follows from a negotiation.

    Parameters:
        algorithms: the names.
        method: of the key exchange, and `new_hash` begins its hash.
        sig_algorithm: the name in the server's signature, empty if there is none to come.
        outgoing, incoming: what we send and what the peer sends.
    """

    algorithms: NegotiatedAlgorithms
    method: KexAlgorithm
    new_hash: Callable[[bytes], Hash]
    sig_algorithm: bytes
    outgoing: Direction
    incoming: Direction


def suite_of(role: Role, algorithms: NegotiatedAlgorithms) -> Suite:
    """Return what follows from names that were negotiated."""
    a = algorithms
    # RFC 4253 section 7.2: A, C and E are client to server; B, D and F server to client.
    to_server = _direction(a.cipher_cs, a.mac_cs, a.compression_cs, (b"C", b"A", b"E"))
    to_client = _direction(a.cipher_sc, a.mac_sc, a.compression_sc, (b"D", b"B", b"F"))
    client = role is Role.CLIENT
    method = KEX_METHODS[a.kex]
    return Suite(
        algorithms=a,
        method=method,
        new_hash=HASHES[method.hash_name],
        sig_algorithm=b"" if a.host_key == NULL_HOST_KEY else sig_algorithm_of(a.host_key),
        outgoing=to_server if client else to_client,
        incoming=to_client if client else to_server,
    )


def _direction(
    cipher: bytes, mac: bytes, compression: bytes, letters: tuple[bytes, bytes, bytes]
) -> Direction:
    row = CIPHERS[cipher]
    mac_row = MACS[mac] if mac else None
    sizes = (row.key_size, row.iv_size, mac_row.key_size if mac_row else 0)
    return Direction(
        cipher=row,
        compression=COMPRESSIONS[compression],
        mac=mac_row,
        keys=tuple(zip(letters, sizes, strict=True)),
        max_bytes=row.rekey_blocks * row.block_size,
    )
