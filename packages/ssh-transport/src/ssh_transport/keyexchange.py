"""One key exchange: KEXINIT, the method's run, exchange hash, keys, NEWKEYS (RFC 4253 7 to 9).

The states of an exchange are in `KexState`; the core tells it which packets arrived, and it tells
the core what to send and when to switch keys. It decides nothing about trust: the host key goes
to the owner as an event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from struct import Struct
from typing import Protocol
from weakref import proxy

from ssh_keys import (
    HOST_KEY_ALGORITHMS,
    KeyImportError,
    SignatureError,
    SSHCertificate,
    SSHKey,
    decode_ssh_certificate,
    decode_ssh_public_key,
    decode_x509_certificate,
)
from ssh_keys.signature_algorithms import X509_KEY_TYPES
from ssh_keys.wire import PacketDecodeError

from .config import TransportConfig
from .constants import NULL_HOST_KEY, SSH_MSG_NEWKEYS
from .derivation import derive
from .errors import HostKeyMismatch, KeyExchangeFailed, MessageOrderError, ProtocolError
from .messages import KexInit
from .negotiation import (
    GSS_METHODS,
    Offer,
    agree,
    decode_fields,
    decode_kexinit,
    encode_kexinit,
    guess_is_right,
    our_offer,
)
from .protocols import (
    GSSContext,
    GSSProof,
    HostKeyProof,
    KexContext,
    KexRun,
    KexStep,
    PacketOpener,
    PacketSealer,
    Role,
)
from .slow_steps import SlowStep
from .suites import Direction, Suite

__all__ = ["KexHost", "KexState", "KeyExchange", "decode_host_key"]

_LENGTH = Struct(">I").pack
_NEWKEYS = bytes((SSH_MSG_NEWKEYS,))
_CERTIFICATE = (b"-cert-v01@openssh.com", b"-cert")


class KexState(Enum):
    """Where a key exchange stands."""

    IDLE = "no exchange"
    INIT_SENT = "our KEXINIT was sent"
    EXCHANGE = "messages of the method"
    DECISION = "waiting for a signature or for trust in the host key"
    NEWKEYS_SENT = "waiting for the peer's NEWKEYS"


class KexHost(Protocol):
    """What a key exchange needs from the connection that it belongs to."""

    def exchange_started(self) -> None:
        """Our KEXINIT is about to be sent: nothing but the exchange may be sent from now on."""

    def write_kex(self, payload: bytes) -> None:
        """Send a payload of the key exchange."""

    def use_outgoing_keys(self, sealer: PacketSealer, direction: Direction) -> None:
        """Our NEWKEYS was sent: seal with new keys from now on."""

    def use_incoming_keys(self, opener: PacketOpener) -> None:
        """The peer's NEWKEYS was received: open with new keys from now on."""

    def host_key_offered(
        self, key: SSHKey, blob: bytes, certificate: SSHCertificate | None
    ) -> None:
        """Client: the server proved to own this key; answer `KeyExchange.host_key_accepted`."""

    def signature_awaited(self, signature: Awaitable[bytes]) -> None:
        """Server: the host key signs elsewhere; answer `KeyExchange.signature_provided`."""

    def kexinit_received(self, theirs: KexInit) -> None:
        """The peer's KEXINIT was read; nothing was answered yet."""

    def run_elsewhere(self, step: SlowStep) -> bool:
        """Run a slow step off the event loop and answer `KeyExchange.step_finished`.

        False if there is nowhere to run it: the exchange then does it itself.
        """


def decode_host_key(algorithm: bytes, blob: bytes) -> tuple[SSHKey, SSHCertificate | None]:
    """Return the key in K_S, and the certificate if the algorithm is one of certificates.

    Whether the certificate is good for anything, only its owner can tell: what `validate` checks
    is not checked here. Raises KeyImportError.
    """
    certificate: SSHCertificate
    if algorithm in X509_KEY_TYPES:
        certificate = decode_x509_certificate(blob)
    elif HOST_KEY_ALGORITHMS[algorithm].key_algorithm.endswith(_CERTIFICATE):
        certificate = decode_ssh_certificate(blob)
    else:
        return decode_ssh_public_key(blob), None
    return certificate.key, certificate


class KeyExchange:
    """The key exchanges of one connection, one after another.

    Parameters:
        config: names and limits.
        host: the connection, which this does not keep alive.
        random: gives that many random bytes.
    """

    def __init__(
        self, config: TransportConfig, host: KexHost, random: Callable[[int], bytes]
    ) -> None:
        self._config = config
        self._host: KexHost = proxy(host)
        self._random = random
        self._client = config.role is Role.CLIENT
        self.state = KexState.IDLE
        self.session_id = b""
        self.suite: Suite | None = None
        self.host_key: SSHKey | None = None
        self.versions = (b"", b"")  # V_C, V_S
        self._host_key_blob = b""
        self._our_payload = b""
        self._our_offer: Offer | None = None
        self._negotiated: tuple[Offer, bytes] | None = None
        self._their_payload = b""
        self._drop_guess = False
        self._run: KexRun | None = None
        self._step: SlowStep | None = None
        self._expect: tuple[int, ...] = ()
        self._proof: HostKeyProof | GSSProof | None = None
        self.gss_context: GSSContext | None = None
        self._exchange_hash = b""
        self._offered_key: SSHKey | None = None
        self.host_key_signature = b""
        self._new_opener: PacketOpener | None = None

    # --- KEXINIT ---

    def start(self) -> None:
        """Send our KEXINIT (RFC 4253 section 7.1); does nothing if an exchange is running."""
        if self.state is not KexState.IDLE:
            return
        names = self._config.host_key_algorithms
        if self.suite is not None:
            # The host key has to stay the same (CVE-2026-60002), so ask for nothing else.
            names = (self.suite.algorithms.host_key,)
        elif self._client and self._config.gss is not None:
            # RFC 4462 section 5: who knows GSS-API methods knows this one. Last, and only good
            # for these methods.
            names = (*names, NULL_HOST_KEY)
        self._our_offer = our_offer(self._config, names, first=not self.session_id)
        self._our_payload = encode_kexinit(self._random(16), self._our_offer)
        self.state = KexState.INIT_SENT
        self._host.exchange_started()
        self._host.write_kex(self._our_payload)

    def receive_kexinit(self, packet: bytes, start: int, end: int) -> None:
        """Handle the peer's KEXINIT, answering with ours if it was not sent yet."""
        if self._their_payload:
            raise MessageOrderError("KEXINIT during a key exchange")
        theirs = decode_kexinit(packet, start, end)
        self.start()
        ours = self._our_offer
        assert ours is not None
        self._their_payload = packet[start - 1 : end]
        self._negotiated = ours, theirs.fields
        self._host.kexinit_received(theirs.init)
        self.suite = suite = agree(self._config.role, ours, theirs)
        self._drop_guess = theirs.init.first_kex_packet_follows and not guess_is_right(
            ours.init, theirs.init
        )
        self.state = KexState.EXCHANGE
        method = suite.method
        config = self._config
        host_key = b""
        if not self._client and self._shows_host_key(suite):
            name = suite.algorithms.host_key
            host_key = config.host_keys[name].blob_for(name)
        context = KexContext(
            config.role,
            method.hash_name,
            self._random,
            host_key,
            config.gex_bits,
            config.moduli,
            self._new_gss_context if config.gss else None,
            config.gss_errors,
        )
        if self._client:
            self._run = method.client(context)
        else:
            self._host_key_blob = host_key
            self._run = method.server(context)
        self._take_step(None)

    def offers(self) -> tuple[KexInit, KexInit] | None:
        """Return ours and theirs of the last negotiation; None before there was one."""
        if self._negotiated is None:
            return None
        ours, theirs = self._negotiated
        # Only what is common is kept as a message.
        return ours.init, decode_fields(theirs).init

    def _shows_host_key(self, suite: Suite) -> bool:
        """Server: whether K_S is sent."""
        if not suite.sig_algorithm:
            return False
        # With GSS-API it need not be, and Debian's client breaks off behind it ("buffer is
        # read-only", 9.2).
        by_gss = suite.algorithms.kex.startswith(GSS_METHODS)
        return not (by_gss and b"OpenSSH" in self.versions[0])

    # --- Messages of the method ---

    def receive_method(self, packet: bytes, start: int, end: int) -> None:
        """Handle a message 30 to 49: it must be exactly the one that the method expects."""
        if self._drop_guess:
            self._drop_guess = False
            return
        number = packet[start - 1]
        if self.state is not KexState.EXCHANGE or number not in self._expect:
            raise MessageOrderError(f"message {number} out of order in key exchange")
        self._take_step(packet[start - 1 : end])

    def _take_step(self, value: bytes | None) -> None:
        """Start the run (None) or give it a message, off the event loop if that takes long."""
        assert self._run is not None
        assert self.suite is not None
        self._expect = ()
        if not self.suite.method.slow:
            self._send_to_run(value)
            return
        # Before the call: the step may be finished before it returns.
        self._step = step = SlowStep(self._run, value)
        if not self._host.run_elsewhere(step):
            step()
            self.step_finished(step)

    @property
    def working(self) -> bool:
        """Whether a slow step runs elsewhere."""
        return self._step is not None

    def step_finished(self, step: SlowStep) -> None:
        """Go on behind a step; raises what it raised."""
        self._step = None
        try:
            self._advance(step.outcome())
        except PacketDecodeError as exc:
            raise ProtocolError(str(exc)) from None

    def _send_to_run(self, value: bytes | None) -> None:
        run = self._run
        assert run is not None
        try:
            # A generator that was not started takes nothing but None, and next is send(None).
            self._advance(next(run) if value is None else run.send(value))
        except PacketDecodeError as exc:
            raise ProtocolError(str(exc)) from None

    def _advance(self, wanted: KexStep | HostKeyProof | GSSProof) -> None:
        if isinstance(wanted, HostKeyProof):
            self._proof = wanted
            if self._client:
                self._verify(wanted)
            else:
                self._sign(wanted)
            return
        if isinstance(wanted, GSSProof):
            self._proof = wanted
            self._use_gss_host_key(wanted.host_key)
            self._send_to_run(self._hash(wanted, wanted.host_key))
            return
        for payload in wanted.send:
            self._host.write_kex(payload)
        if wanted.failure is not None:
            raise wanted.failure
        if wanted.expect is None:
            self._send_newkeys()
        else:
            self._expect = (wanted.expect, *wanted.or_expect)

    def _new_gss_context(self) -> GSSContext:
        assert self._config.gss is not None
        context = self._config.gss()
        if not self.session_id:
            # RFC 4462 section 4: authentication goes by the first one, never by a later one.
            self.gss_context = context
        return context

    def _use_gss_host_key(self, blob: bytes) -> None:
        """Client: take the host key, if one was sent, that GSS-API is about to authenticate."""
        if not self._client or not blob:
            return
        assert self.suite is not None
        if not self.suite.sig_algorithm:
            raise ProtocolError("host key of a server that said that it has none")
        if self.host_key is not None and blob != self._host_key_blob:
            raise HostKeyMismatch("server changed its host key in a key re-exchange")
        name = self.suite.algorithms.host_key
        try:
            self.host_key = self.host_key or decode_host_key(name, blob)[0]
        except KeyImportError as exc:
            raise KeyExchangeFailed(f"server's host key cannot be used: {exc}") from None
        self._host_key_blob = blob

    def _hash(self, proof: HostKeyProof | GSSProof, host_key: bytes) -> bytes:
        ours, theirs = self._our_payload, self._their_payload
        init_c, init_s = (ours, theirs) if self._client else (theirs, ours)
        v_c, v_s = self.versions
        # Each of the strings as `encode_string` has it.
        message = b"".join(
            (
                *(_LENGTH(len(v_c)), v_c, _LENGTH(len(v_s)), v_s),
                *(_LENGTH(len(init_c)), init_c, _LENGTH(len(init_s)), init_s),
                *(_LENGTH(len(host_key)), host_key, proof.fields, proof.secret),
            )
        )
        assert self.suite is not None
        digest = self.suite.new_hash(message).digest()
        self._exchange_hash = digest
        if not self.session_id:
            self.session_id = digest
        return digest

    # --- Server: prove the host key ---

    def _sign(self, proof: HostKeyProof) -> None:
        assert self.suite is not None
        key_pair = self._config.host_keys[self.suite.algorithms.host_key]
        digest = self._hash(proof, self._host_key_blob)
        try:
            signature = key_pair.sign(digest, self.suite.sig_algorithm)
        except SignatureError as exc:
            raise KeyExchangeFailed(f"our host key cannot sign: {exc}") from exc
        if isinstance(signature, bytes):
            self._send_to_run(signature)
        else:
            self.state = KexState.DECISION
            self._host.signature_awaited(signature)

    def signature_provided(self, signature: bytes) -> None:
        """Go on with a signature that was made elsewhere."""
        if self.state is not KexState.DECISION or self._client:
            raise ValueError("no signature is awaited")
        self.state = KexState.EXCHANGE
        self._send_to_run(signature)

    # --- Client: verify the host key ---

    def _verify(self, proof: HostKeyProof) -> None:
        assert self.suite is not None
        if self.host_key is not None and proof.host_key != self._host_key_blob:
            raise HostKeyMismatch("server changed its host key in a key re-exchange")
        try:
            key, certificate = (
                (self.host_key, None)
                if self.host_key is not None
                else decode_host_key(self.suite.algorithms.host_key, proof.host_key)
            )
        except KeyImportError as exc:
            raise KeyExchangeFailed(f"server's host key cannot be used: {exc}") from None
        digest = self._hash(proof, proof.host_key)
        try:
            key.verify(
                digest,
                proof.signature,
                (self.suite.sig_algorithm,),
                minimum_rsa_bits=self._config.min_rsa_bits,
            )
        except SignatureError as exc:
            raise KeyExchangeFailed(f"server's host key signature: {exc}") from None
        if self.host_key is not None:
            self._send_to_run(digest)
            return
        self.state = KexState.DECISION
        self._offered_key, self._host_key_blob = key, proof.host_key
        self.host_key_signature = proof.signature
        self._host.host_key_offered(key, proof.host_key, certificate)

    def host_key_accepted(self) -> None:
        """Client: the owner trusts the key that was offered."""
        if self.state is not KexState.DECISION or not self._client:
            raise ValueError("no host key is offered")
        self.host_key = self._offered_key
        self.state = KexState.EXCHANGE
        self._send_to_run(self._exchange_hash)

    # --- NEWKEYS ---

    def _send_newkeys(self) -> None:
        self._run = None
        suite, proof = self.suite, self._proof
        assert suite is not None
        assert proof is not None
        self._host.write_kex(_NEWKEYS)
        self.state = KexState.NEWKEYS_SENT
        prefix = suite.new_hash(proof.secret + self._exchange_hash)
        ours, theirs = suite.outgoing, suite.incoming
        key, iv, mac_key = derive(prefix, self.session_id, ours.keys)
        sealer = ours.cipher.sealer(key, iv, mac_key, ours.mac)
        key, iv, mac_key = derive(prefix, self.session_id, theirs.keys)
        self._new_opener = theirs.cipher.opener(key, iv, mac_key, theirs.mac)
        self._proof = None
        self._host.use_outgoing_keys(sealer, ours)

    def receive_newkeys(self, packet: bytes, start: int, end: int) -> None:
        """Handle the peer's NEWKEYS: the exchange is complete."""
        if start != end:
            raise ProtocolError("NEWKEYS with fields")
        if self.state is not KexState.NEWKEYS_SENT or self._new_opener is None:
            raise MessageOrderError("NEWKEYS out of order")
        opener, self._new_opener = self._new_opener, None
        self._their_payload = self._our_payload = b""
        self._exchange_hash = b""
        self._expect = ()
        self.state = KexState.IDLE
        self._host.use_incoming_keys(opener)

    def abandon(self) -> None:
        """Drop everything that belongs to an unfinished exchange."""
        if self._step is not None:
            # The run may be in another thread at this moment: it is dropped, not closed.
            self._step.abandon()
        elif self._run is not None:
            self._run.close()
        self._step = None
        self._run = self._proof = self._new_opener = None
        self._our_payload = self._their_payload = self._exchange_hash = b""
