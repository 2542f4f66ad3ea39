"""`SSHAgentKeyPair`: a key or certificate whose private part is in an agent."""

from __future__ import annotations

from typing import Protocol, Self

from ssh_keys import SignatureError, SSHKeyPair, SSHLocalKeyPair
from ssh_keys.signature_algorithms import (
    HOST_KEY_ALGORITHMS,
    certificate_algorithm,
    plain_signature,
)
from ssh_keys.wire import PacketDecodeError, Reader, encode_string

from .errors import AgentError, AgentProtocolError
from .messages import SSHAgentRsaFlag

__all__ = ["AgentSigner", "SSHAgentKeyPair", "private_contents"]

#: What a sign request says for the signature algorithms that it has to name (section 4.5.1).
_FLAGS = {
    b"rsa-sha2-256": SSHAgentRsaFlag.SSH_AGENT_RSA_SHA2_256,
    b"rsa-sha2-512": SSHAgentRsaFlag.SSH_AGENT_RSA_SHA2_512,
}

#: Fields of a private key (PROTOCOL.key) that are public ones, and come first.
_PUBLIC_FIELDS = {
    b"ssh-ed25519": 0,
    b"ssh-mldsa44-ed25519": 1,
    b"ecdsa-sha2-nistp256": 2,
    b"ecdsa-sha2-nistp384": 2,
    b"ecdsa-sha2-nistp521": 2,
    b"ecdsa-sha2-1.3.132.0.10": 2,
    b"ssh-rsa": 2,
    b"ssh-dss": 4,
}


class AgentSigner(Protocol):
    """What a key pair needs from its agent; `SSHAgentClient` is one."""

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        """Return a signature blob."""
        ...

    async def remove_keys(self, keylist: list[SSHKeyPair]) -> None:
        """Remove keys from the agent."""
        ...


class SSHAgentKeyPair(SSHKeyPair):
    """A key pair that signs in an agent.

    Made by `SSHAgentClient.get_keys`. It signs as long as the connection to the agent is open.

    Parameters:
        agent: where the private part is.
        algorithm: type of the key or certificate.
        public_data: blob of the key or certificate.
        comment: the agent's comment.
    """

    _key_type = "agent"

    def __init__(
        self, agent: AgentSigner, algorithm: bytes, public_data: bytes, comment: bytes | None
    ) -> None:
        sig_algorithms = dict.fromkeys(
            row.sig_algorithm
            for row in HOST_KEY_ALGORITHMS
            # An agent cannot be asked for the RSA signatures of ssh.com: there are no flags.
            if row.key_algorithm == algorithm and not row.name.endswith(b"@ssh.com")
        )
        super().__init__(algorithm, tuple(sig_algorithms), public_data, comment)
        self._agent = agent

    @classmethod
    def from_identity(cls, agent: AgentSigner, key_blob: bytes, comment: bytes) -> Self | None:
        """Return the key pair for a blob that the agent lists, None if its type is not known."""
        try:
            algorithm = Reader(key_blob).string()
        except PacketDecodeError:
            return None
        pair = cls(agent, algorithm, key_blob, comment)
        return pair if pair.sig_algorithms else None

    async def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Have the agent sign data, and return the signature blob.

        Parameters:
            data: what is signed, in full.
            sig_algorithm: one of `sig_algorithms`.

        Raises SignatureError if the key has no such algorithm, AgentFailure if the agent or its
        user refused, AgentProtocolError if the agent made another signature than that.
        """
        if sig_algorithm not in self.sig_algorithms:
            raise SignatureError(f"the key in the agent makes no {sig_algorithm!r} signature")
        wanted = plain_signature(sig_algorithm)
        signature = await self._agent.sign(self.key_public_data, data, _FLAGS.get(wanted, 0))
        try:
            reader = Reader(signature)
            made = reader.string()
        except PacketDecodeError:
            raise AgentProtocolError("malformed signature from the agent") from None
        if made != wanted:
            # Agents that do not know the flags make SHA-1 signatures, which servers refuse with
            # no word about why.
            raise AgentProtocolError(
                f"the agent made a {made[:64]!r} signature instead of {wanted!r}"
            )
        if made != sig_algorithm:
            # With an X.509 certificate the same signature has another name (RFC 6187).
            return encode_string(sig_algorithm) + reader.rest()
        return signature

    def _x509_sig_algorithms(self) -> tuple[bytes, ...]:
        return (b"rsa2048-sha256",) if b"rsa-sha2-256" in self.sig_algorithms else ()

    async def remove(self) -> None:
        """Remove this key from the agent; raises AgentFailure if it is not there any more."""
        await self._agent.remove_keys([self])


def private_contents(pair: SSHKeyPair) -> bytes:
    """Return type and contents of a private key as SSH_AGENTC_ADD_IDENTITY has them: a secret.

    With a certificate, its blob stands where the public fields of the plain key are.

    Raises AgentError if the private part is not in this process, or agents know no such
    certificate.
    """
    if not isinstance(pair, SSHLocalKeyPair):
        raise AgentError(f"a key of type {pair.get_key_type()!r} cannot be put into an agent")
    key = pair.key
    if pair.algorithm == key.algorithm:
        return key.private_data
    certified = pair.algorithm == certificate_algorithm(key.algorithm)
    if not certified or key.algorithm not in _PUBLIC_FIELDS:
        raise AgentError(f"a certificate {pair.get_algorithm()!r} cannot be put into an agent")
    fields = Reader(key.private_data)
    for _ in range(1 + _PUBLIC_FIELDS[key.algorithm]):
        fields.string()
    return encode_string(pair.algorithm) + encode_string(pair.public_data) + fields.rest()
