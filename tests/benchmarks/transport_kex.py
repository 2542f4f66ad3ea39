"""CPU time of every key exchange method, both sides, against its public-key operations.

Run by hand: ``python -m tests.benchmarks.transport_kex [rounds]``. The bare column has the calls
into the libraries that both sides together cannot do without: keys, encapsulations, agreements; no
messages, no checks of ours, no exchange hash, no host key. The whole handshake is that of two cores
in memory up to the new keys, with an Ed25519 host key; its bare column has a signature and its
check besides. The least of all rounds, in microseconds: what else the machine does only adds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from time import monotonic, process_time_ns

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.signing import SigningKey, VerifyKey

from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_transport import HostKeyOffered, KexCompleted, Role, TransportConfig, TransportCore
from ssh_transport.kex import KEX_METHODS, dh
from ssh_transport.kex.dh_groups import BUILT_IN
from ssh_transport.packet import ReceiveBuffer
from ssh_transport.packet_writer import OutputPool
from tests.transport.kex_driver import Exchange

Call = Callable[[], object]


def x25519() -> None:
    """Two keys, two agreements, by libsodium, which takes less than OpenSSL."""
    one, two = os.urandom(32), os.urandom(32)
    crypto_scalarmult(one, crypto_scalarmult_base(two))
    crypto_scalarmult(two, crypto_scalarmult_base(one))


def x448() -> None:
    """Two keys, two agreements."""
    one, two = X448PrivateKey.generate(), X448PrivateKey.generate()
    for private, peer in ((one, two), (two, one)):
        public = peer.public_key().public_bytes_raw()
        private.exchange(X448PublicKey.from_public_bytes(public))


def nist(curve: ec.EllipticCurve) -> Call:
    """Two keys, two agreements."""

    def run() -> None:
        one, two = (ec.generate_private_key(curve) for _ in range(2))
        for private, peer in ((one, two), (two, one)):
            point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
            private.exchange(ec.ECDH(), public)

    return run


def mlkem768() -> None:
    """A key, an encapsulation, a decapsulation."""
    private = MLKEM768PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    _, ciphertext = MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    private.decapsulate(ciphertext)


def mlkem1024() -> None:
    """A key, an encapsulation, a decapsulation."""
    private = MLKEM1024PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    _, ciphertext = MLKEM1024PublicKey.from_public_bytes(public).encapsulate()
    private.decapsulate(ciphertext)


def group(bits: int) -> Call:
    """Four exponentiations in OpenSSL."""
    numbers = BUILT_IN[bits]

    def run() -> None:
        one, agree_one = dh.start(numbers, os.urandom)
        two, agree_two = dh.start(numbers, os.urandom)
        agree_one(two)
        agree_two(one)

    return run


def both(*calls: Call) -> Call:
    """One call after the other."""

    def run() -> None:
        for call in calls:
            call()

    return run


P256, P384, P521 = nist(ec.SECP256R1()), nist(ec.SECP384R1()), nist(ec.SECP521R1())

BARE: dict[str, Call] = {
    "mlkem768x25519-sha256": both(mlkem768, x25519),
    "mlkem768nistp256-sha256": both(mlkem768, P256),
    "mlkem1024nistp384-sha384": both(mlkem1024, P384),
    "curve25519-sha256": x25519,
    "curve448-sha512": x448,
    "ecdh-sha2-nistp256": P256,
    "ecdh-sha2-nistp384": P384,
    "ecdh-sha2-nistp521": P521,
    "diffie-hellman-group14-sha256": group(2048),
    "diffie-hellman-group16-sha512": group(4096),
    "diffie-hellman-group18-sha512": group(8192),
}


HOST_KEY = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
SECRET = SigningKey.generate()
SHARED: dict[Role, tuple[ReceiveBuffer, OutputPool]] = {
    role: (ReceiveBuffer(), OutputPool()) for role in Role
}


def signature() -> None:
    """A signature and its check, as libsodium has them."""
    VerifyKey(bytes(SECRET.verify_key)).verify(SECRET.sign(b"x" * 32))


def side(role: Role, name: str) -> Callable[[], TransportCore]:
    """What makes one side, with what all connections of an event loop share."""
    config = TransportConfig(
        role=role,
        kex_algorithms=(name.encode(),),
        host_keys={b"ssh-ed25519": HOST_KEY} if role is Role.SERVER else {},
    )
    buffer, pool = SHARED[role]
    return partial(
        TransportCore, config, random=os.urandom, clock=monotonic, buffer=buffer, pool=pool
    )


def handshake(name: str) -> Call:
    """Two cores, from nothing to new keys on both sides."""
    new_client, new_server = side(Role.CLIENT, name), side(Role.SERVER, name)

    def run() -> None:
        client, server = new_client(), new_server()
        client.start()
        server.start()
        done: set[TransportCore] = set()
        while len(done) < 2:
            for one, other in ((client, server), (server, client)):
                if data := one.take_output():
                    other.feed(data)
                for event in other.drain_events():
                    if isinstance(event, HostKeyOffered):
                        other.accept_host_key()
                    elif isinstance(event, KexCompleted):
                        done.add(other)

    return run


def timed(call: Call) -> float:
    """CPU microseconds of one call."""
    begin = process_time_ns()
    call()
    return (process_time_ns() - begin) / 1000


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    rounds = int(arguments[0]) if arguments else 100
    print(f"{'method':<34}{'both sides':>12}{'bare':>8}{'':>7}{'handshake':>11}{'bare':>8}")
    for name, bare in BARE.items():
        times: list[list[float]] = [[], [], [], []]
        greeting = handshake(name)
        for _ in range(rounds):
            exchange = Exchange(KEX_METHODS[name.encode()])  # each is good for one run
            calls = (exchange.run, bare, greeting, signature)
            for one, call in zip(times, calls, strict=True):
                one.append(timed(call))
        method, floor, whole, signed = map(min, times)
        print(f"{name:<34}{method:12.0f}{floor:8.0f}{method / floor:6.2f}x", end="")
        print(f"{whole:11.0f}{floor + signed:8.0f}{whole / (floor + signed):6.2f}x")


if __name__ == "__main__":
    main(sys.argv[1:])
