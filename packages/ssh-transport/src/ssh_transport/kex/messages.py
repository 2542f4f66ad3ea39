"""Messages of the key exchange methods, numbers 30 to 49.

Each method has its own meaning of these numbers (RFC 4250 section 4.1.2), so there is no common
table of them.
"""

from __future__ import annotations

from typing import TypeVar

from ssh_keys.wire import Message, MPInt, PacketDecodeError, String, UInt32, message

from ..errors import ProtocolError

__all__ = [
    "KexDhGexGroup",
    "KexDhGexInit",
    "KexDhGexReply",
    "KexDhGexRequest",
    "KexEcdhInit",
    "KexEcdhReply",
    "KexRSADone",
    "KexRSAPubkey",
    "KexRSASecret",
    "KexdhInit",
    "KexdhReply",
    "read",
]

M = TypeVar("M", bound=Message)


@message(30)
class KexEcdhInit(Message):
    """SSH_MSG_KEX_ECDH_INIT (RFC 5656 section 4); SSH_MSG_KEX_HYBRID_INIT has the same form."""

    q_c: String


@message(31)
class KexEcdhReply(Message):
    """SSH_MSG_KEX_ECDH_REPLY (RFC 5656 section 4); SSH_MSG_KEX_HYBRID_REPLY has the same form."""

    k_s: String
    q_s: String
    signature: String


@message(30)
class KexdhInit(Message):
    """SSH_MSG_KEXDH_INIT (RFC 4253 section 8)."""

    e: MPInt


@message(31)
class KexdhReply(Message):
    """SSH_MSG_KEXDH_REPLY (RFC 4253 section 8)."""

    k_s: String
    f: MPInt
    signature: String


@message(34)
class KexDhGexRequest(Message):
    """SSH_MSG_KEY_DH_GEX_REQUEST (RFC 4419 section 3); sizes in bits."""

    min: UInt32
    n: UInt32
    max: UInt32


@message(31)
class KexDhGexGroup(Message):
    """SSH_MSG_KEX_DH_GEX_GROUP (RFC 4419 section 3)."""

    p: MPInt
    g: MPInt


@message(32)
class KexDhGexInit(Message):
    """SSH_MSG_KEX_DH_GEX_INIT (RFC 4419 section 3)."""

    e: MPInt


@message(33)
class KexDhGexReply(Message):
    """SSH_MSG_KEX_DH_GEX_REPLY (RFC 4419 section 3)."""

    k_s: String
    f: MPInt
    signature: String


@message(30)
class KexRSAPubkey(Message):
    """SSH_MSG_KEXRSA_PUBKEY (RFC 4432 section 4)."""

    k_s: String
    k_t: String


@message(31)
class KexRSASecret(Message):
    """SSH_MSG_KEXRSA_SECRET (RFC 4432 section 4)."""

    encrypted: String


@message(32)
class KexRSADone(Message):
    """SSH_MSG_KEXRSA_DONE (RFC 4432 section 4)."""

    signature: String


def read(declaration: type[M], payload: bytes) -> M:
    """Decode a payload whose number was checked; raises ProtocolError if it is malformed."""
    try:
        return declaration.decode(payload, 1)
    except PacketDecodeError as exc:
        raise ProtocolError(str(exc)) from None
