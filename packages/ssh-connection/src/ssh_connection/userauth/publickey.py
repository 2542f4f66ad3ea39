"""Method "publickey" (RFC 4252 section 7, RFC 8332), both roles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ssh_keys import (
    HOST_KEY_ALGORITHMS,
    Error,
    KeyImportError,
    SignatureError,
    SSHCertificate,
    SSHKey,
    SSHKeyPair,
    decode_ssh_certificate,
    decode_ssh_public_key,
    decode_x509_certificate,
)
from ssh_keys.signature_algorithms import (
    CERTIFICATE_ALGORITHMS,
    X509_KEY_TYPES,
    plain_signature,
)
from ssh_keys.wire import decode_boolean, encode_boolean, encode_byte, encode_string, encode_text
from ssh_transport.errors import ProtocolError

from ..messages.userauth import (
    SSH_MSG_USERAUTH_PK_OK,
    SSH_MSG_USERAUTH_REQUEST,
    HostBoundQuery,
    HostBoundRequest,
    PublicKeyOK,
    PublicKeyQuery,
    PublicKeyRequest,
    UserauthRequest,
)
from .exchange import SSH_CONNECTION, ClientExchange, Outcome, ServerExchange, Verdict
from .protocols import ClientCredentials, KeyOptions

__all__ = [
    "HOST_BOUND",
    "HOST_BOUND_EXTENSION",
    "PUBLICKEY",
    "PublicKeyClient",
    "algorithms_for",
    "decode_proof",
    "signed_data",
    "validate_publickey",
]

PUBLICKEY = b"publickey"

HOST_BOUND = b"publickey-hostbound-v00@openssh.com"
"""The method's name in requests that are bound to the server's host key (PROTOCOL 3.1)."""

HOST_BOUND_EXTENSION = b"publickey-hostbound@openssh.com"
"""What a server announces that takes such requests; its value is the version, `0`."""

_MAX_REASONS = 8


def signed_data(
    session_id: bytes, user: str, algorithm: bytes, blob: bytes, host_key: bytes = b""
) -> bytes:
    """Return what the signature of a request is over (RFC 4252 section 7).

    Parameters:
        host_key: the server's, if the request is bound to it (PROTOCOL section 3.1).
    """
    return b"".join(
        (
            encode_string(session_id),
            encode_byte(SSH_MSG_USERAUTH_REQUEST),
            encode_text(user),
            encode_string(SSH_CONNECTION),
            encode_string(HOST_BOUND if host_key else PUBLICKEY),
            encode_boolean(True),
            encode_string(algorithm),
            encode_string(blob),
            encode_string(host_key) if host_key else b"",
        )
    )


def algorithms_for(
    keypair: SSHKeyPair, allowed: Sequence[bytes], server_sig_algs: Sequence[bytes] | None
) -> tuple[bytes, ...]:
    """Return the public key algorithm names to try a key with, in order.

    Parameters:
        keypair: the key.
        allowed: names that we use at all; a certificate may be used if its signature may.
        server_sig_algs: names that the server said it accepts, None if it did not say. Then
            rsa-sha2-256 is the best guess for an RSA key (RFC 8332 section 3.3), and ssh-rsa,
            where it is allowed, the next.
    """
    names = [
        name
        for name in keypair.host_key_algorithms
        if name in allowed or plain_signature(_sig_algorithm(name)) in allowed
    ]
    if server_sig_algs is not None:
        for name in names:
            if name in server_sig_algs:
                return (name,)
            # Servers that accept OpenSSH's certificates need not say so; for X.509 they do.
            if name not in X509_KEY_TYPES and _sig_algorithm(name) in server_sig_algs:
                return (name,)
        return ()
    guesses = [name for name in names if _sig_algorithm(name) in (b"rsa-sha2-256", b"ssh-rsa")]
    return tuple(guesses or names[:1])


def _sig_algorithm(name: bytes) -> bytes:
    return HOST_KEY_ALGORITHMS[name].sig_algorithm if name in HOST_KEY_ALGORITHMS else name


class PublicKeyClient:
    """Tries key pairs until there is none left.

    Parameters:
        exchange: sends and receives.
        credentials: knows the key pairs.
        keypairs: the first key pairs to try; if it is exactly one, it signs without a query.
        algorithms: public key algorithm names that may be used.
        log: called with a text for each key that can not be used.
        host_key: gives the server's host key if requests are to be bound to it, else nothing.
    """

    name = PUBLICKEY

    def __init__(
        self,
        exchange: ClientExchange,
        credentials: ClientCredentials,
        keypairs: Sequence[SSHKeyPair],
        algorithms: Sequence[bytes],
        log: Callable[[str], None],
        host_key: Callable[[], bytes] = bytes,
    ) -> None:
        self._host_key = host_key
        self._exchange = exchange
        self._credentials = credentials
        self._allowed = algorithms
        self._keypairs = deque(keypairs)
        self._ask_first = len(keypairs) != 1
        self._current: tuple[SSHKeyPair, deque[bytes]] | None = None
        self._log = log
        self.unusable: list[str] = []
        """Keys that were not tried, each with the reason."""

    @property
    def ready(self) -> bool:
        """Whether there is a key to try without asking anyone."""
        return bool(self._keypairs)

    @property
    def needs_server_sig_algs(self) -> bool:
        """Whether the choice of algorithm for the next key depends on what the server accepts."""
        if not self._keypairs:
            return False
        first = self._keypairs[0]
        return len(first.sig_algorithms) > 1 or first.algorithm in X509_KEY_TYPES

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Try one key; None if there is nothing to try."""
        while True:
            choice = await self._next()
            if choice is None:
                return None
            keypair, algorithm = choice
            if self._ask_first:
                outcome = await self._query(keypair, algorithm)
                if outcome is not None:
                    return outcome
            outcome = await self._sign(keypair, algorithm)
            if outcome is not None:
                return outcome

    def try_again(self) -> None:
        """Put back the key that was tried last."""
        if self._current is not None:
            self._keypairs.appendleft(self._current[0])
            self._current = None

    async def _next(self) -> tuple[SSHKeyPair, bytes] | None:
        """Return the next key and algorithm to try."""
        while True:
            if self._current is not None and self._current[1]:
                return self._current[0], self._current[1].popleft()
            if not self._keypairs:
                self._current = None
                more = await self._exchange.resolve(self._credentials.keypairs())
                if not more:
                    return None
                self._keypairs.extend(more)
            keypair = self._keypairs.popleft()
            server_sig_algs = self._exchange.transport.server_sig_algs
            names = algorithms_for(keypair, self._allowed, server_sig_algs)
            if not names:
                self._leave_out(f"no signature algorithm in common for {keypair!r}")
            self._current = keypair, deque(names)

    def _leave_out(self, reason: str) -> None:
        self._log(reason)
        if len(self.unusable) < _MAX_REASONS:
            self.unusable.append(reason)

    async def _query(self, keypair: SSHKeyPair, algorithm: bytes) -> Outcome | None:
        """Ask whether the key would do; None if it would."""
        exchange = self._exchange
        blob = keypair.blob_for(algorithm)
        host_key = self._host_key()
        if host_key:
            bound = HostBoundQuery(False, algorithm, blob, host_key)
            exchange.request(HOST_BOUND, bound.encode())
        else:
            exchange.request(PUBLICKEY, PublicKeyQuery(False, algorithm, blob).encode())
        reply = await exchange.reply(SSH_MSG_USERAUTH_PK_OK)
        if isinstance(reply, Outcome):
            return reply
        answer = PublicKeyOK.decode(reply.data, reply.start, reply.end)
        if answer != PublicKeyOK(algorithm, blob):
            raise ProtocolError("the server accepted another key than the one it was asked about")
        return None

    async def _sign(self, keypair: SSHKeyPair, algorithm: bytes) -> Outcome | None:
        """Authenticate with a signature; None if there is none."""
        exchange = self._exchange
        blob = keypair.blob_for(algorithm)
        host_key = self._host_key()
        session_id = exchange.transport.session_id
        data = signed_data(session_id, exchange.user, algorithm, blob, host_key)
        try:
            signature = await exchange.resolve(keypair.sign(data, _sig_algorithm(algorithm)))
        except (Error, OSError, ValueError) as exc:
            # An agent that is locked or gone, a card that was pulled: the next key may work.
            self._leave_out(f"{keypair!r} did not sign: {exc}")
            return None
        if self._current is not None:
            self._current[1].clear()
        if host_key:
            bound = HostBoundRequest(True, algorithm, blob, host_key, signature)
            exchange.request(HOST_BOUND, bound.encode())
        else:
            request = PublicKeyRequest(True, algorithm, blob, signature)
            exchange.request(PUBLICKEY, request.encode())
        return await exchange.outcome()


async def validate_publickey(exchange: ServerExchange, request: UserauthRequest) -> Verdict:
    """Server: answer a query, or check a signature. Raises PacketDecodeError.

    The policy is asked again when the signature comes, so that the last key it was asked about
    is always the one that signed; only then do the key's options count.
    """
    attempt = _decode_attempt(request)
    host_key = b""
    if isinstance(attempt, HostBoundQuery | HostBoundRequest):
        host_key = attempt.server_host_key
        if not host_key or host_key != exchange.host_key:
            # Somebody else's host key: the client talks to a server that it does not mean.
            return Verdict.REFUSED
    algorithm, blob = attempt.public_key_algorithm_name, attempt.public_key_blob
    proof = decode_proof(exchange, algorithm, blob)
    if proof is None:
        return Verdict.REFUSED
    key, certificate = proof
    answer = (
        exchange.policy.validate_key(exchange.user, key)
        if certificate is None
        else exchange.policy.validate_certificate(exchange.user, certificate)
    )
    options = await exchange.resolve(answer)
    if options is None:
        return Verdict.REFUSED
    if not isinstance(attempt, PublicKeyRequest | HostBoundRequest):
        exchange.send(PublicKeyOK(algorithm, blob).encode())
        return Verdict.ANSWERED
    session_id = exchange.conversation.transport.session_id
    try:
        key.verify(
            signed_data(session_id, request.user_name, algorithm, blob, host_key),
            attempt.signature,
            (_sig_algorithm(algorithm),),
            minimum_rsa_bits=exchange.minimum_rsa_bits,
            touch_required=_touch_required(options, certificate),
            verify_required=_verify_required(options, certificate),
        )
    except SignatureError:
        return Verdict.REFUSED
    exchange.key_options = options
    # The same key in a certificate is not another one.
    exchange.key_blob = key.public_data
    exchange.certificate = certificate
    return Verdict.ACCEPTED


def _decode_attempt(
    request: UserauthRequest,
) -> PublicKeyQuery | PublicKeyRequest | HostBoundQuery | HostBoundRequest:
    data = request.method_data
    signed, _ = decode_boolean(data, 0, len(data))
    if request.method_name == HOST_BOUND:
        return HostBoundRequest.decode(data) if signed else HostBoundQuery.decode(data)
    return PublicKeyRequest.decode(data) if signed else PublicKeyQuery.decode(data)


def decode_proof(
    exchange: ServerExchange, algorithm: bytes, blob: bytes
) -> tuple[SSHKey, SSHCertificate | None] | None:
    """Server: return the key that has to sign, and the certificate that it is in.

    None if the algorithm is not allowed or belongs to something else. A certificate may be used
    with the signature algorithms of its key.
    """
    if algorithm not in HOST_KEY_ALGORITHMS:
        return None
    row = HOST_KEY_ALGORITHMS[algorithm]
    if not {algorithm, plain_signature(row.sig_algorithm)} & {*exchange.sig_algorithms}:
        return None
    try:
        if algorithm in X509_KEY_TYPES:
            chain = decode_x509_certificate(blob)
            fits = chain.key.algorithm == X509_KEY_TYPES[algorithm]
            return (chain.key, chain) if fits else None
        if algorithm in CERTIFICATE_ALGORITHMS:
            certificate = decode_ssh_certificate(blob)
            right = certificate.algorithm == row.key_algorithm
            return (certificate.key, certificate) if right else None
        key = decode_ssh_public_key(blob)
    except KeyImportError:
        return None
    return (key, None) if key.algorithm == row.key_algorithm else None


def _touch_required(options: KeyOptions, certificate: SSHCertificate | None) -> bool:
    """Whether the user of a security key must have been present.

    Both the line in authorized_keys and the certificate have to say that it is not needed.
    """
    waived = "no-touch-required" in options
    return not (
        waived and (certificate is None or "no-touch-required" in (certificate.options or ()))
    )


def _verify_required(options: KeyOptions, certificate: SSHCertificate | None) -> bool:
    """Whether the authenticator must have verified its user: either may ask for it."""
    asked = certificate is not None and "verify-required" in (certificate.options or ())
    return asked or "verify-required" in options
