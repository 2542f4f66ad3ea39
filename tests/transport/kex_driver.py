"""Runs a key exchange method against itself in memory, as the core would."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ssh_keys.wire import encode_string
from ssh_transport.errors import MessageOrderError
from ssh_transport.protocols import (
    GSSContext,
    GSSProof,
    HostKeyProof,
    KexAlgorithm,
    KexContext,
    KexRun,
    KexStep,
    Role,
)

HOST_KEY = b"the host key blob"
Random = Callable[[int], bytes]
Tamper = Callable[[bytes], bytes]
MakeContext = Callable[[], GSSContext]


def untouched(payload: bytes) -> bytes:
    """The payload as it is."""
    return payload


@dataclass
class Side:
    """One side of an exchange."""

    run: KexRun
    tamper: Tamper = untouched
    expect: tuple[int, ...] = ()
    done: bool = False
    proof: HostKeyProof | None = None
    gss_proof: GSSProof | None = None
    digest: bytes = b""
    sent: list[bytes] = field(default_factory=list)
    outbox: list[bytes] = field(default_factory=list)


def exchange_hash(hash_name: str, proof: HostKeyProof | GSSProof, host_key: bytes) -> bytes:
    """H with fixed identification strings and KEXINITs (RFC 4253 section 8)."""
    known = (b"SSH-2.0-client", b"SSH-2.0-server", b"client KEXINIT", b"server KEXINIT", host_key)
    message = b"".join(map(encode_string, known)) + proof.fields + proof.secret
    return hashlib.new(hash_name, message).digest()


class Exchange:
    """A client and a server with one method.

    Set `client.tamper` or `server.tamper` before `run` to change what that side sends.
    """

    def __init__(
        self,
        method: KexAlgorithm,
        *,
        client_random: Random = os.urandom,
        server_random: Random = os.urandom,
        gex_bits: tuple[int, int, int] = (2048, 3072, 8192),
        moduli: str | None = None,
        host_key: bytes = HOST_KEY,
        client_gss: MakeContext | None = None,
        server_gss: MakeContext | None = None,
        gss_errors: bool = True,
    ) -> None:
        self.method = method
        self.host_key = host_key
        client = KexContext(
            Role.CLIENT, method.hash_name, client_random, gex_bits=gex_bits, gss=client_gss
        )
        server = KexContext(
            Role.SERVER,
            method.hash_name,
            server_random,
            host_key=host_key,
            moduli=moduli,
            gss=server_gss,
            gss_errors=gss_errors,
        )
        self.client = Side(method.client(client))
        self.server = Side(method.server(server))

    def run(self) -> None:
        """Run to the end; what the methods raise comes through."""
        sides = (self.client, self.server)
        for side in sides:
            self._handle(side, next(side.run))
        while not all(side.done for side in sides):
            for side, peer in (sides, sides[::-1]):
                while peer.outbox:
                    payload = peer.outbox.pop(0)
                    if payload[0] not in side.expect:
                        raise MessageOrderError(f"message {payload[0]}")
                    self._handle(side, side.run.send(payload))

    def _handle(self, side: Side, wanted: KexStep | HostKeyProof | GSSProof) -> None:
        if isinstance(wanted, HostKeyProof | GSSProof):
            wanted = side.run.send(self._prove(side, wanted))
            assert isinstance(wanted, KexStep)
        for payload in wanted.send:
            side.sent.append(payload)
            side.outbox.append(side.tamper(payload))
        if wanted.failure is not None:
            raise wanted.failure
        side.done = wanted.expect is None
        side.expect = () if wanted.expect is None else (wanted.expect, *wanted.or_expect)
        if side.done:
            side.run.close()

    def _prove(self, side: Side, wanted: HostKeyProof | GSSProof) -> bytes:
        assert side.proof is None, "a second proof"
        assert side.gss_proof is None, "a second proof"
        hash_name = self.method.hash_name
        if isinstance(wanted, GSSProof):
            side.gss_proof = wanted
            side.digest = exchange_hash(hash_name, wanted, wanted.host_key)
            return side.digest
        side.proof = wanted
        if side is self.client:
            side.digest = exchange_hash(hash_name, wanted, wanted.host_key)
            return side.digest
        side.digest = exchange_hash(hash_name, wanted, self.host_key)
        return b"signature of " + side.digest
