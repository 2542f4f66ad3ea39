"""Method "hostbased" (RFC 4252 section 9), both roles: a host vouches for its user."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ssh_keys import Error, SignatureError, SSHKeyPair, sig_algorithm_of
from ssh_keys.record import Record
from ssh_keys.wire import encode_byte, encode_string, encode_text

from ..messages.userauth import SSH_MSG_USERAUTH_REQUEST, HostbasedRequest, UserauthRequest
from .exchange import SSH_CONNECTION, ClientExchange, Outcome, ServerExchange, Verdict
from .protocols import MaybeAwait
from .publickey import algorithms_for, decode_proof
from .saslprep import SASLPrepError, saslprep

__all__ = ["HOSTBASED", "HostIdentity", "HostbasedClient", "signed_data", "validate_hostbased"]

HOSTBASED = b"hostbased"

MAX_HOST_NAME = 255
"""Characters of the longest name of a client host that is looked at (RFC 1035 section 2.3.4)."""

_MAX_USER_NAME = 1024

# Names and addresses; nothing that means something else in a known_hosts file.
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:")


class HostIdentity(Record):
    """What a client's host says about the client.

    Parameters:
        keypairs: the host keys, or what signs with them.
        host: gives the fully qualified name of the host.
        user: name of the user on the host.
    """

    keypairs: Sequence[SSHKeyPair]
    host: Callable[[], MaybeAwait[str]]
    user: str


def signed_data(
    session_id: bytes, user: str, algorithm: bytes, blob: bytes, host: bytes, client_user: str
) -> bytes:
    """Return what the host signs (RFC 4252 section 9).

    Parameters:
        user: who wants to log in.
        algorithm, blob: of the host key.
        host: name of the client's host, as it is sent.
        client_user: the user there.
    """
    return b"".join(
        (
            encode_string(session_id),
            encode_byte(SSH_MSG_USERAUTH_REQUEST),
            encode_text(user),
            encode_string(SSH_CONNECTION),
            encode_string(HOSTBASED),
            encode_string(algorithm),
            encode_string(blob),
            encode_string(host),
            encode_text(client_user),
        )
    )


class HostbasedClient:
    """Has the host vouch for the user with one of its keys after the other.

    Parameters:
        exchange: sends and receives.
        identity: the host and its user.
        algorithms: public key algorithm names that may be used.
        log: called with a text for each key that can not be used.
    """

    name = HOSTBASED

    def __init__(
        self,
        exchange: ClientExchange,
        identity: HostIdentity,
        algorithms: Sequence[bytes],
        log: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._identity = identity
        self._host: bytes | None = None
        self._allowed = algorithms
        self._keypairs = deque(identity.keypairs)
        self._log = log
        self._current: tuple[SSHKeyPair, deque[bytes]] | None = None

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Try one host key; None if there is nothing to try."""
        exchange, user = self._exchange, self._identity.user
        while True:
            choice = self._next()
            if choice is None:
                return None
            keypair, algorithm = choice
            host = await self._host_name()
            blob = keypair.blob_for(algorithm)
            session_id = exchange.transport.session_id
            data = signed_data(session_id, exchange.user, algorithm, blob, host, user)
            try:
                signature = await exchange.resolve(keypair.sign(data, sig_algorithm_of(algorithm)))
            except (Error, OSError, ValueError) as exc:
                self._log(f"host key {keypair!r} did not sign: {exc}")
                continue
            request = HostbasedRequest(algorithm, blob, host, user, signature)
            exchange.request(HOSTBASED, request.encode())
            return await exchange.outcome()

    async def _host_name(self) -> bytes:
        if self._host is None:
            name = await self._exchange.resolve(self._identity.host())
            # With a dot at its end it can not be taken for a relative name (RFC 4252 section 9).
            self._host = name.encode("ascii", "backslashreplace").removesuffix(b".") + b"."
        return self._host

    def _next(self) -> tuple[SSHKeyPair, bytes] | None:
        while self._current is None or not self._current[1]:
            if not self._keypairs:
                return None
            keypair = self._keypairs.popleft()
            known = self._exchange.transport.server_sig_algs
            names = algorithms_for(keypair, self._allowed, known)
            if not names:
                self._log(f"no signature algorithm in common for host key {keypair!r}")
            self._current = keypair, deque(names)
        return self._current[0], self._current[1].popleft()


async def validate_hostbased(exchange: ServerExchange, request: UserauthRequest) -> Verdict:
    """Server: check that a host we know says who its user is. Raises PacketDecodeError.

    The application is asked about the user last, when it is proved that the host said so.
    """
    claim = HostbasedRequest.decode(request.method_data)
    algorithm, blob = claim.public_key_algorithm, claim.host_key
    proof = decode_proof(exchange, algorithm, blob)
    host, client_user = _host_name(claim.client_host_name), _user_name(claim.client_user_name)
    if proof is None or host is None or client_user is None:
        return Verdict.REFUSED
    key, certificate = proof
    policy = exchange.policy
    name = await exchange.resolve(policy.validate_client_host(host, key, certificate))
    if name is None:
        return Verdict.REFUSED
    session_id = exchange.conversation.transport.session_id
    try:
        key.verify(
            signed_data(
                session_id,
                request.user_name,
                algorithm,
                blob,
                claim.client_host_name,
                claim.client_user_name,
            ),
            claim.signature,
            (sig_algorithm_of(algorithm),),
            minimum_rsa_bits=exchange.minimum_rsa_bits,
        )
    except SignatureError:
        return Verdict.REFUSED
    answer = policy.validate_host_based_user(exchange.user, name, client_user)
    if await exchange.resolve(answer) is not True:
        return Verdict.REFUSED
    exchange.key_blob = key.public_data
    return Verdict.ACCEPTED


def _host_name(sent: bytes) -> str | None:
    """Return the name of a host in its usual form, None if it can not be one."""
    name = sent.removesuffix(b".")
    if not 0 < len(name) <= MAX_HOST_NAME or not name.isascii():
        return None
    text = name.decode("ascii").lower()
    return text if _HOST_CHARACTERS.issuperset(text) else None


def _user_name(sent: str) -> str | None:
    """Return the name of a user as names of users are compared, None if it can not be one."""
    try:
        return saslprep(sent) if len(sent.encode()) <= _MAX_USER_NAME else None
    except SASLPrepError:
        return None
