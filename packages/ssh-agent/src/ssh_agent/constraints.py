"""Constraints on keys added to an agent: draft-miller-ssh-agent section 4.2.6, PROTOCOL.agent."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from ssh_keys.record import Record
from ssh_keys.wire import (
    encode_boolean,
    encode_byte,
    encode_string,
    encode_text,
    encode_uint32,
)

__all__ = [
    "Constraint",
    "DestinationHop",
    "KeySpec",
    "associated_certificates",
    "confirm_use",
    "extension_constraint",
    "lifetime",
    "restrict_destination",
]

Constraint = bytes
"""One encoded constraint. Constraints of a request follow each other without a separator."""


class ConstraintType(IntEnum):
    """Constraint identifiers (section 5.2; the extension's number is that of PROTOCOL.agent)."""

    SSH_AGENT_CONSTRAIN_LIFETIME = 1
    SSH_AGENT_CONSTRAIN_CONFIRM = 2
    # The draft's -02 says 3. Agents in use, and the draft's successors, have always used 255.
    SSH_AGENT_CONSTRAIN_EXTENSION = 255


def lifetime(seconds: int) -> Constraint:
    """The agent forgets the key after this time (section 4.2.6.1).

    Parameters:
        seconds: 1 to 2**32 - 1, counted from when the key is added.

    Raises ValueError if `seconds` is out of range.
    """
    if not 1 <= seconds <= 0xFFFFFFFF:
        raise ValueError(f"lifetime out of range: {seconds} seconds")
    return encode_byte(ConstraintType.SSH_AGENT_CONSTRAIN_LIFETIME) + encode_uint32(seconds)


def confirm_use() -> Constraint:
    """The agent asks its user before each signature (section 4.2.6.2)."""
    return encode_byte(ConstraintType.SSH_AGENT_CONSTRAIN_CONFIRM)


def extension_constraint(name: str, details: bytes) -> Constraint:
    """A vendor's constraint (section 4.2.6.3).

    Parameters:
        name: name with the vendor's domain, `name@example.com`.
        details: what the vendor defines.
    """
    return encode_byte(ConstraintType.SSH_AGENT_CONSTRAIN_EXTENSION) + encode_text(name) + details


class KeySpec(Record):
    """A host key in a destination constraint.

    Parameters:
        key_blob: the host's public key, or that of its certificate authority.
        is_ca: whether it is a certificate authority's.
    """

    key_blob: bytes
    is_ca: bool = False

    def encode(self) -> bytes:
        """Return the wire form."""
        return encode_string(self.key_blob) + encode_boolean(self.is_ca)


class DestinationHop(Record):
    """One hop that a key may be used for.

    Parameters:
        to_hostname: host that may be logged in to, with `to_hostkeys` that it may have.
        to_username: user on that host; "" for every user.
        from_hostname: host from where, with its keys; "" is where the agent runs.
    """

    to_hostname: str
    to_hostkeys: Sequence[KeySpec]
    to_username: str = ""
    from_hostname: str = ""
    from_hostkeys: Sequence[KeySpec] = ()

    def encode(self) -> bytes:
        """Return the wire form; raises ValueError for a hop to nowhere."""
        if not self.to_hostname or not self.to_hostkeys:
            raise ValueError("a destination needs a host name and a host key")
        if bool(self.from_hostname) != bool(self.from_hostkeys):
            raise ValueError("the host that a hop starts from needs a name and a host key")
        start = self._end("", self.from_hostname, self.from_hostkeys)
        destination = self._end(self.to_username, self.to_hostname, self.to_hostkeys)
        return encode_string(encode_string(start) + encode_string(destination) + encode_string(b""))

    @staticmethod
    def _end(username: str, hostname: str, hostkeys: Sequence[KeySpec]) -> bytes:
        return (
            encode_text(username)
            + encode_text(hostname)
            + encode_string(b"")  # reserved
            + b"".join(spec.encode() for spec in hostkeys)
        )


def restrict_destination(hops: Sequence[DestinationHop]) -> Constraint:
    """The key may only be used along these hops (PROTOCOL.agent section 2)."""
    details = encode_string(b"".join(hop.encode() for hop in hops))
    return extension_constraint("restrict-destination-v00@openssh.com", details)


def associated_certificates(certificates: Sequence[bytes], *, certs_only: bool) -> Constraint:
    """Certificates for the keys of a token (PROTOCOL.agent section 3).

    Parameters:
        certificates: certificates in their wire encoding.
        certs_only: whether the plain keys are left out of the agent.
    """
    blob = b"".join(encode_string(certificate) for certificate in certificates)
    return extension_constraint(
        "associated-certs-v00@openssh.com", encode_boolean(certs_only) + encode_string(blob)
    )
