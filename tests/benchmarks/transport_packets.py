"""CPU time per packet of every default cipher, against the bare primitives it is made of.

Run by hand: ``python -m tests.benchmarks.transport_packets [rounds] [cipher or MAC name ...]``.
Sealing and opening alternate with the bare calls in one process, chunk by chunk, so noise of the
machine meets all of them; the table has the medians over the rounds, in microseconds.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import process_time_ns

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ssh_keys.algorithms import Status
from ssh_transport.ciphers import CIPHERS
from ssh_transport.mac import MACS
from ssh_transport.protocols import (
    SEAL_SLACK,
    CipherAlgorithm,
    MACAlgorithm,
    PacketOpener,
    PacketSealer,
)

SIZES = (64, 1024, 32768)
CHUNK_BYTES = 1 << 16
NANO = 1000.0

# One buffer for all, as hot in the caches as that of a busy connection.
BUFFER = bytearray(2 * CHUNK_BYTES + SEAL_SLACK)
VIEW = memoryview(BUFFER)
BODIES = {size: os.urandom(size) for size in SIZES}

Call = Callable[[], object]


@dataclass
class Row:
    """Nanoseconds per packet, one entry per chunk."""

    seal: list[float] = field(default_factory=list)
    open: list[float] = field(default_factory=list)
    bare_seal: list[float] = field(default_factory=list)
    bare_open: list[float] = field(default_factory=list)


def bare_gcm(key_size: int, body: bytes) -> tuple[Call, Call]:
    """The two calls of AES-GCM, with everything that is not the call prepared."""
    aead = AESGCM(os.urandom(key_size))
    nonce, data = os.urandom(12), bytes(4)
    sealed = aead.encrypt(nonce, body, data)
    return (lambda: aead.encrypt(nonce, body, data)), (lambda: aead.decrypt(nonce, sealed, data))


def bare_chacha(body: bytes) -> tuple[Call, Call]:
    """The calls that chacha20-poly1305@openssh.com needs, contexts kept."""
    nonce, block, length = bytes(16), bytes(64), bytes(4)
    main, head = (Cipher(ChaCha20(os.urandom(32), nonce), None).encryptor() for _ in range(2))
    tag_key = os.urandom(32)
    tag = Poly1305.generate_tag(tag_key, body)

    def seal() -> None:
        head.reset_nonce(nonce)
        head.update(length)
        main.reset_nonce(nonce)
        main.update(block)
        main.update(body)
        Poly1305.generate_tag(tag_key, body)

    def open_() -> None:
        head.reset_nonce(nonce)
        head.update(length)
        main.reset_nonce(nonce)
        main.update(block)
        Poly1305.verify_tag(tag_key, body, tag)
        main.update(body)

    return seal, open_


def bare_ctr(key_size: int, mac: MACAlgorithm, body: bytes) -> tuple[Call, Call]:
    """One cipher call and one MAC of a packet, contexts kept."""
    cipher = Cipher(AES(os.urandom(key_size)), modes.CTR(bytes(16))).encryptor()
    if mac.name.startswith(b"umac"):
        umac, head = mac.new(os.urandom(mac.key_size)).compute, bytes(8)

        def with_umac() -> None:
            cipher.update(body)
            umac(head, body)

        return with_umac, with_umac
    algorithm = hashes.SHA512() if b"512" in mac.name else hashes.SHA256()
    keyed = hmac.HMAC(os.urandom(mac.key_size), algorithm)

    def both() -> None:
        cipher.update(body)
        running = keyed.copy()
        running.update(body)
        running.finalize()

    return both, both


def bare(cipher: CipherAlgorithm, mac: MACAlgorithm | None, body: bytes) -> tuple[Call, Call]:
    """The bare calls of a pair."""
    if mac is not None:
        return bare_ctr(cipher.key_size, mac, body)
    if b"gcm" in cipher.name:
        return bare_gcm(cipher.key_size, body)
    return bare_chacha(body)


class Lane:
    """One direction with its keys, a buffer for one chunk of packets and a packet size."""

    def __init__(self, cipher: CipherAlgorithm, mac: MACAlgorithm | None, size: int) -> None:
        key, iv = os.urandom(cipher.key_size), os.urandom(cipher.iv_size)
        mac_key = os.urandom(mac.key_size) if mac else b""
        self.sealer: PacketSealer = cipher.sealer(key, iv, mac_key, mac)
        self.opener: PacketOpener = cipher.opener(key, iv, mac_key, mac)
        self.body = BODIES[size][: size - 4 if self.sealer.length_in_block else size]
        self.count = min(64, CHUNK_BYTES // size)
        self.packet = len(self.body) + 4 + self.sealer.tag_size
        self.seq = 0
        self.row = Row()
        self.bare_seal, self.bare_open = bare(cipher, mac, self.body)

    def chunk(self) -> None:
        """Seal and open one chunk of packets, and do as many bare calls."""
        buf, view, body = BUFFER, VIEW, self.body
        seal, open_ = self.sealer.seal, self.opener.open
        numbers = range(self.seq, self.seq + self.count)
        self.seq += self.count
        length = None if self.opener.clear_length else self.opener.length
        times = [process_time_ns()]
        pos = 0
        for seq in numbers:
            pos = seal(buf, view, pos, body, seq)
        times.append(process_time_ns())
        pos = 0
        for seq in numbers:
            if length is not None:
                length(buf, pos, seq)
            stop = pos + self.packet
            open_(buf, view, pos, stop, seq)
            pos = stop
        times.append(process_time_ns())
        for call in (self.bare_seal, self.bare_open):
            for _ in numbers:
                call()
            times.append(process_time_ns())
        row = self.row
        for values, begin, end in zip(
            (row.seal, row.open, row.bare_seal, row.bare_open), times, times[1:], strict=False
        ):
            values.append((end - begin) / self.count)


def pairs(wanted: set[str]) -> Iterator[tuple[CipherAlgorithm, MACAlgorithm | None]]:
    """The ciphers with their MACs: the default ones, or those that were named."""
    for cipher in CIPHERS:
        named = cipher.name.decode() in wanted
        if not named and (wanted or cipher.status is not Status.DEFAULT):
            continue
        if cipher.tag_size:
            yield cipher, None
            continue
        for mac in MACS:
            if mac.name.decode() in wanted or (not wanted and mac.name.startswith(b"hmac-sha2-")
                                               and b"-96" not in mac.name):  # fmt: skip
                yield cipher, mac


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    rounds = int(arguments[0]) if arguments else 200
    lanes = [
        (cipher, mac, size, Lane(cipher, mac, size))
        for cipher, mac in pairs(set(arguments[1:]))
        for size in SIZES
    ]
    for _ in range(rounds):
        for *_, lane in lanes:
            lane.chunk()
    print(f"{'cipher, MAC':<52}{'bytes':>6}{'seal':>8}{'bare':>8}{'':>7}{'open':>8}{'bare':>8}")
    for cipher, mac, size, lane in lanes:
        name = cipher.name.decode() + (f" {mac.name.decode()}" if mac else "")
        row = lane.row
        seal, open_, bare_seal, bare_open = (
            statistics.median(values) / NANO
            for values in (row.seal, row.open, row.bare_seal, row.bare_open)
        )
        print(
            f"{name:<52}{size:>6}{seal:8.2f}{bare_seal:8.2f}{seal / bare_seal:6.2f}x"
            f"{open_:8.2f}{bare_open:8.2f}{open_ / bare_open:6.2f}x"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
