"""Messages of the key exchange methods, numbers 30 to 49.

Each method has its own meaning of these numbers (RFC 4250 section 4.1.2), so there is no common
table of them.
"""

from __future__ import annotations

from typing import TypeVar

from ssh_keys.wire import Message, PacketDecodeError, String, message

from ..errors import ProtocolError

__all__ = ["KexEcdhInit", "KexEcdhReply", "read"]

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


def read(declaration: type[M], payload: bytes) -> M:
    """Decode a payload whose number was checked; raises ProtocolError if it is malformed."""
    try:
        return declaration.decode(payload, 1)
    except PacketDecodeError as exc:
        raise ProtocolError(str(exc)) from None
