"""The seams of the transport layer: what an algorithm implements, and what the owner does.

Buffers. A packet is opened from a buffer that the core owns and sealed into one. Behind the packet
a sealer finds at least `SEAL_SLACK` bytes that it may overwrite.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum
from typing import Protocol

from ssh_keys.algorithms import Status
from ssh_keys.record import Record, Struct

from .errors import DisconnectError

__all__ = [
    "SEAL_SLACK",
    "CipherAlgorithm",
    "CompressionAlgorithm",
    "Compressor",
    "Decompressor",
    "GSSContext",
    "GSSProof",
    "Handler",
    "HostKeyProof",
    "KexAlgorithm",
    "KexContext",
    "KexRun",
    "KexStep",
    "MAC",
    "MACAlgorithm",
    "OpenerFactory",
    "PacketOpener",
    "PacketSealer",
    "Role",
    "RunHandler",
    "SealerFactory",
]

SEAL_SLACK = 128
"""Bytes behind a sealed packet that the sealer may use."""

Handler = Callable[[bytes, int, int], None]
"""Takes (packet, start, end): the message number is `packet[start - 1]`, its fields are
`packet[start:end]`. The packet is immutable and may be kept."""

RunHandler = Callable[[list[bytes]], None]
"""Takes packets with the same message number, which came one behind another. Of each, the byte 0 is
padding_length, 1 the message number, and the fields are `packet[2 : len(packet) - packet[0]]`."""


class Role(Enum):
    """Which side of a connection we are."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # each is the only one of its kind; that of Enum hashes the name


NextNonce = Callable[[], bytes]


class PacketOpener(Protocol):
    """Verifies and decrypts the packets of one direction under one set of keys."""

    header_size: int
    """Bytes that must be there before `length` can be called (at least 4)."""
    block_size: int
    """What the length must be a multiple of (at least 8)."""
    length_in_block: bool
    """True if the four length bytes count for that multiple (RFC 4253 section 6); false where
    the length is not encrypted with the rest (AES-GCM, chacha20-poly1305, EtM)."""
    tag_size: int
    """Bytes of MAC or tag behind the packet."""
    clear_length: bool
    """True if the length is in clear, so the core reads it itself and never calls `length`."""

    @property
    def aead(self) -> tuple[Callable[[bytes, memoryview, memoryview], bytes], NextNonce] | None:
        """What `open` is made of, if that is all: the reader then does it without a call between.

        Decrypt (nonce, packet and tag, length in clear; raises InvalidTag), and the next nonce.
        """
        ...

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Return packet_length of the packet at `pos`; called once per packet, before `open`."""
        ...

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding as fresh bytes.

        Parameters:
            buf: the receive buffer, and `view` a writable view of it.
            pos: where the packet starts (its length field).
            stop: first byte behind the packet and its tag.
            seq: sequence number of the packet, 0 to 2**32 - 1.

        Raises MACError unless the packet is authentic.
        """
        ...


class PacketSealer(Protocol):
    """Encrypts and authenticates the packets of one direction under one set of keys."""

    block_size: int
    length_in_block: bool
    tag_size: int
    needs_cover: bool
    """True for CBC, whose IV is the last block sent (RFC 4251 section 9.3.1): the core sends
    SSH_MSG_IGNORE first."""

    def seal(self, buf: bytearray, view: memoryview, pos: int, body: bytes, seq: int) -> int:
        """Write the packet at `pos` and return the position behind it.

        Parameters:
            buf: the output buffer, and `view` a writable view of it.
            body: padding_length, payload and padding; its length is packet_length.
            seq: sequence number of the packet.
        """
        ...


class MAC(Protocol):
    """A keyed MAC of one direction."""

    def compute(self, head: bytes, body: bytes | memoryview) -> bytes:
        """Return the MAC over `head` and `body`, cut to the row's `digest_size`.

        Parameters:
            head: sequence number and packet_length, 8 bytes (RFC 4253 section 6.4).
            body: the rest of the packet; in clear, or encrypted for an EtM method.
        """
        ...


class MACAlgorithm(Record):
    """Row of the MAC table."""

    name: bytes
    key_size: int
    digest_size: int
    etm: bool
    new: Callable[[bytes], MAC]
    status: Status = Status.DEFAULT
    probe: Callable[[], bool] | None = None

    def available(self) -> bool:
        """Whether what the algorithm needs is installed."""
        return self.probe is None or self.probe()


SealerFactory = Callable[[bytes, bytes, bytes, MACAlgorithm | None], PacketSealer]
OpenerFactory = Callable[[bytes, bytes, bytes, MACAlgorithm | None], PacketOpener]
"""Both take (key, iv, mac_key, mac row); mac is None and mac_key empty for an AEAD cipher."""


class CipherAlgorithm(Record):
    """Row of the cipher table. Sizes in bytes; `tag_size` 0 means that a MAC is needed."""

    name: bytes
    key_size: int
    iv_size: int
    block_size: int
    tag_size: int
    sealer: SealerFactory
    opener: OpenerFactory
    status: Status = Status.DEFAULT
    rekey_blocks: int = 1 << 30
    """Cipher blocks after which new keys are due (RFC 4344 section 3.2)."""
    probe: Callable[[], bool] | None = None

    def available(self) -> bool:
        """Whether what the algorithm needs is installed."""
        return self.probe is None or self.probe()


class Compressor(Protocol):
    """Compresses the payloads of one direction."""

    def compress(self, payload: bytes) -> bytes:
        """Return the compressed payload, flushed so that the peer can read all of it."""
        ...


class Decompressor(Protocol):
    """Decompresses the payloads of one direction."""

    def decompress(self, data: bytes, limit: int) -> bytes:
        """Return the payload; raises CompressionError if malformed or above `limit` bytes."""
        ...


class CompressionAlgorithm(Record):
    """Row of the compression table; `delayed` methods start after authentication."""

    name: bytes
    delayed: bool
    compressor: Callable[[], Compressor] | None
    decompressor: Callable[[], Decompressor] | None
    status: Status = Status.DEFAULT

    def available(self) -> bool:
        """Whether what the algorithm needs is installed."""
        return True


# --- Key exchange ----------------------------------------------------------------------------


class KexStep(Struct):
    """What a method wants next: send these payloads, then receive a message of this number.

    Parameters:
        send: whole payloads, message number first.
        expect: the message number that is legal next; None if the method is finished.
        or_expect: further numbers that are legal next.
        failure: what ends the connection once the payloads are sent; nothing comes behind it.
    """

    send: tuple[bytes, ...] = ()
    expect: int | None = None
    or_expect: tuple[int, ...] = ()
    failure: DisconnectError | None = None

    def __init__(
        self,
        send: tuple[bytes, ...] = (),
        expect: int | None = None,
        or_expect: tuple[int, ...] = (),
        failure: DisconnectError | None = None,
    ) -> None:
        # Made in each handshake, as others below: this takes a fifth of what is inherited.
        values = self.__dict__
        values["send"] = send
        values["expect"] = expect
        values["or_expect"] = or_expect
        values["failure"] = failure


class HostKeyProof(Struct):
    """What the exchange hash is made of (RFC 4253 section 8, RFC 5656 section 4, ...).

    The hash runs over V_C, V_S, I_C, I_S and K_S, which the core knows, then `fields`, then
    `secret`.

    Parameters:
        fields: the method's own fields between K_S and K, encoded.
        secret: K as it enters the hash and the key derivation: an encoded mpint or string.
        host_key: client: the K_S that the server sent.
        signature: client: the server's signature of the exchange hash.
    """

    fields: bytes
    secret: bytes
    host_key: bytes = b""
    signature: bytes = b""

    _hidden = ("secret",)

    def __init__(
        self, fields: bytes, secret: bytes, host_key: bytes = b"", signature: bytes = b""
    ) -> None:
        values = self.__dict__
        values["fields"] = fields
        values["secret"] = secret
        values["host_key"] = host_key
        values["signature"] = signature


class GSSProof(Struct):
    """What the exchange hash is made of if GSS-API proves who the server is (RFC 4462 section 2).

    Parameters:
        fields: the method's own fields between K_S and K, encoded.
        secret: K, encoded.
        host_key: K_S if the server sent it, else empty.
    """

    fields: bytes
    secret: bytes
    host_key: bytes = b""

    _hidden = ("secret",)


KexRun = Generator["KexStep | HostKeyProof | GSSProof", bytes, None]
"""One run of a method in one role, as a generator.

It yields a `KexStep` and is sent the whole payload (number first) of the message that it
expected. Exactly once it yields a `HostKeyProof`: a server is sent its signature of the exchange
hash, a client is sent the exchange hash once the signature was found good. Instead it may yield a
`GSSProof`, and is sent the exchange hash in both roles. The last `KexStep` has `expect=None`. It
raises `ProtocolError` or `KeyExchangeFailed` for what the peer did wrong.
"""


class GSSContext(Protocol):
    """A GSS-API security context (RFC 2743); its methods raise `ssh_transport.gss.GSSError`."""

    @property
    def complete(self) -> bool:
        """Whether the context is established."""
        ...

    @property
    def protects(self) -> bool:
        """Whether both sides are authenticated, and messages can be."""
        ...

    @property
    def integrity(self) -> bool:
        """Whether messages can be authenticated (integ_avail)."""
        ...

    @property
    def initiator_name(self) -> str:
        """The client's name, once the context is established."""
        ...

    @property
    def acceptor_name(self) -> str:
        """The server's name, once the context is established."""
        ...

    def step(self, token: bytes) -> bytes:
        """Take the peer's token (empty at the beginning), return ours (empty if there is none)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return a message integrity code."""
        ...

    def verify(self, message: bytes, code: bytes) -> None:
        """Check a message integrity code."""
        ...


class KexContext(Struct):
    """What a method may need from the connection.

    Parameters:
        role: ours.
        hash_name: the method's hash ("sha256").
        random: gives that many random bytes.
        host_key: server: K_S, the blob of the negotiated host key.
        gex_bits: (min, n, max) of a group exchange, in bits (RFC 4419, RFC 8270): what a client
            asks for; a server chooses no group below min.
        moduli: server: path of a moduli(5) file, or None for the built-in groups.
        gss: makes the security context of a GSS-API method, raising `GSSError`.
        gss_errors: whether the peer is told why its GSS-API token was refused.
    """

    role: Role
    hash_name: str
    random: Callable[[int], bytes]
    host_key: bytes = b""
    gex_bits: tuple[int, int, int] = (2048, 3072, 8192)
    moduli: str | None = None
    gss: Callable[[], GSSContext] | None = None
    gss_errors: bool = True

    def __init__(
        self,
        role: Role,
        hash_name: str,
        random: Callable[[int], bytes],
        host_key: bytes = b"",
        gex_bits: tuple[int, int, int] = (2048, 3072, 8192),
        moduli: str | None = None,
        gss: Callable[[], GSSContext] | None = None,
        gss_errors: bool = True,
    ) -> None:
        values = self.__dict__
        values["role"] = role
        values["hash_name"] = hash_name
        values["random"] = random
        values["host_key"] = host_key
        values["gex_bits"] = gex_bits
        values["moduli"] = moduli
        values["gss"] = gss
        values["gss_errors"] = gss_errors


class KexAlgorithm(Record):
    """Row of the key exchange table."""

    name: bytes
    hash_name: str
    client: Callable[[KexContext], KexRun]
    server: Callable[[KexContext], KexRun]
    status: Status = Status.DEFAULT
    post_quantum: bool = False
    slow: bool = False
    """True if one step takes milliseconds, so that it is better run off the event loop."""
    probe: Callable[[], bool] | None = None
    needs: str = ""
    """What has to be installed for it, for error texts."""

    def available(self) -> bool:
        """Whether what the algorithm needs is installed."""
        return self.probe is None or self.probe()
