"""Messages of the key exchange methods, numbers 30 to 49.

Each method has its own meaning of these numbers (RFC 4250 section 4.1.2), so there is no common
table of them.
"""

from __future__ import annotations

from typing import TypeVar

from ssh_keys.wire import (
    Boolean,
    Message,
    MPInt,
    PacketDecodeError,
    Rest,
    String,
    UInt32,
    decode_string,
    message,
)

from ..errors import ProtocolError

__all__ = [
    "KexDhGexGroup",
    "KexDhGexInit",
    "KexDhGexReply",
    "KexDhGexRequest",
    "KexDhGexRequestOld",
    "KexEcdhInit",
    "KexEcdhReply",
    "KexGSSComplete",
    "KexGSSContinue",
    "KexGSSError",
    "KexGSSGroup",
    "KexGSSGroupReq",
    "KexGSSHostkey",
    "KexGSSInit",
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


@message(30)
class KexDhGexRequestOld(Message):
    """SSH_MSG_KEX_DH_GEX_REQUEST_OLD (RFC 4419 section 5); size in bits."""

    n: UInt32


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


@message(30)
class KexGSSInit(Message):
    """SSH_MSG_KEXGSS_INIT (RFC 4462 section 2.1, RFC 8732 section 5.1)."""

    output_token: String
    public: String
    """`mpint e` in a finite field, `string Q_C` on a curve: the same on the wire."""


@message(31)
class KexGSSContinue(Message):
    """SSH_MSG_KEXGSS_CONTINUE (RFC 4462 section 2.1)."""

    output_token: String


@message(32)
class KexGSSComplete(Message):
    """SSH_MSG_KEXGSS_COMPLETE (RFC 4462 section 2.1, RFC 8732 section 5.1)."""

    public: String
    """`mpint f` in a finite field, `string Q_S` on a curve."""
    per_msg_token: String
    has_token: Boolean
    rest: Rest = b""

    def final_token(self) -> bytes:
        """Return the output_token at the end; raises ProtocolError if it is malformed."""
        try:
            token, stop = decode_string(self.rest, 0, len(self.rest))
        except PacketDecodeError as exc:
            raise ProtocolError(f"KexGSSComplete.output_token: {exc}") from None
        if stop != len(self.rest):
            raise ProtocolError("KexGSSComplete: bytes behind the last field")
        return token


@message(33)
class KexGSSHostkey(Message):
    """SSH_MSG_KEXGSS_HOSTKEY (RFC 4462 section 2.1)."""

    k_s: String


@message(34)
class KexGSSError(Message):
    """SSH_MSG_KEXGSS_ERROR (RFC 4462 section 2.1)."""

    major_status: UInt32
    minor_status: UInt32
    message: String
    language: String


@message(40)
class KexGSSGroupReq(Message):
    """SSH_MSG_KEXGSS_GROUPREQ (RFC 4462 section 2.2); sizes in bits."""

    min: UInt32
    n: UInt32
    max: UInt32


@message(41)
class KexGSSGroup(Message):
    """SSH_MSG_KEXGSS_GROUP (RFC 4462 section 2.2)."""

    p: MPInt
    g: MPInt


def read(declaration: type[M], payload: bytes) -> M:
    """Decode a payload whose number was checked; raises ProtocolError if it is malformed."""
    try:
        return declaration.decode(payload, 1)
    except PacketDecodeError as exc:
        raise ProtocolError(str(exc)) from None
