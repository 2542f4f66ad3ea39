"""What a SOCKS client says before its data: versions 4, 4A and 5, without input or output.

Version 5 is RFC 1928. Version 4 is described in "SOCKS: A protocol for TCP proxy across firewalls"
(Ying-Da Lee, 1992), and 4A is its extension for names that the server shall resolve: an address
0.0.0.x, and the name behind the user.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from ssh_keys.record import Record
from ssh_transport.errors import printable

__all__ = ["MAX_FIELD", "Reply", "SocksError", "SocksHandshake", "SocksRequest", "encode_reply"]

MAX_FIELD: Final = 255
"""Bytes of a user or host in version 4; version 5 has no room for more."""

_VERSION_4: Final = 4
_VERSION_5: Final = 5
_CONNECT: Final = 1
_NO_AUTHENTICATION: Final = 0
_NO_ACCEPTABLE_METHODS: Final = 0xFF
_IPV4, _DOMAIN_NAME, _IPV6 = 1, 3, 4
_GRANTED, _REJECTED = 90, 91


class Reply(IntEnum):
    """What becomes of a request (RFC 1928 section 6)."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    CONNECTION_REFUSED = 5
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class SocksError(ValueError):
    """A client asked for something that does not exist, or that is not done.

    Parameters:
        reason: what is wrong, safe to print.
        reply: what to send before the connection is closed; may be empty.
    """

    def __init__(self, reason: str, reply: bytes = b"") -> None:
        super().__init__(reason)
        self.reply = reply


class SocksRequest(Record):
    """Where a client wants to go.

    Parameters:
        version: 4 or 5.
        host: an address or a name, printable and without spaces.
        port: the TCP port.
    """

    version: int
    host: str
    port: int


class SocksHandshake:
    """Reads the messages of one client; whatever pieces they come in.

    `output` is what has to be sent to the client after a call of `feed`; whoever sends it takes it
    away.
    """

    def __init__(self) -> None:
        self.output = b""
        self._buffer = bytearray()
        self._method_chosen = False

    def feed(self, data: bytes) -> SocksRequest | None:
        """Take a piece of what the client sends; return its request, once it is there.

        What is behind the request belongs to the connection: see `rest`.

        Parameters:
            data: any number of bytes. Not more than 521 are waited for.

        Raises SocksError.
        """
        self._buffer += data
        if not self._buffer:
            return None
        if not self._method_chosen:
            if self._buffer[0] == _VERSION_4:
                return self._version_4()
            if self._buffer[0] != _VERSION_5:
                raise SocksError(f"version {self._buffer[0]} does not exist")
            if not self._choose_method():
                return None
        return self._version_5()

    def rest(self) -> bytes:
        """Return what came behind the request."""
        return bytes(self._buffer)

    # --- Version 4 ---------------------------------------------------------------------------

    def _version_4(self) -> SocksRequest | None:
        data = self._buffer
        if len(data) >= 2 and data[1] != _CONNECT:
            raise _error(_VERSION_4, Reply.COMMAND_NOT_SUPPORTED, f"command {data[1]}")
        end = self._terminator(8, "user")
        if end < 0:
            return None
        address = IPv4Address(bytes(data[4:8]))
        host = str(address)
        if 0 < int(address) <= 0xFF:
            begin, end = end + 1, self._terminator(end + 1, "host")
            if end < 0:
                return None
            host = _name(_VERSION_4, bytes(data[begin:end]))
        return self._request(_VERSION_4, host, 2, end + 1)

    def _terminator(self, begin: int, what: str) -> int:
        """Return where the byte NUL is that ends a field, -1 if it is still to come."""
        limit = begin + MAX_FIELD + 1
        end = self._buffer.find(b"\0", begin, limit)
        if end < 0 and len(self._buffer) >= limit:
            reason = f"{what} of more than {MAX_FIELD} bytes"
            raise _error(_VERSION_4, Reply.GENERAL_FAILURE, reason)
        return end

    # --- Version 5 ---------------------------------------------------------------------------

    def _choose_method(self) -> bool:
        """Answer the client's methods (RFC 1928 section 3); whether they are all there."""
        data = self._buffer
        if len(data) < 2 or len(data) < 2 + data[1]:
            return False
        methods = data[2 : 2 + data[1]]
        if _NO_AUTHENTICATION not in methods:
            reply = bytes((_VERSION_5, _NO_ACCEPTABLE_METHODS))
            raise SocksError("the client wants to authenticate", reply)
        del data[: 2 + data[1]]
        self._method_chosen = True
        self.output += bytes((_VERSION_5, _NO_AUTHENTICATION))
        return True

    def _version_5(self) -> SocksRequest | None:
        """Read the request (RFC 1928 section 4)."""
        data = self._buffer
        if data and data[0] != _VERSION_5:
            raise _error(_VERSION_5, Reply.GENERAL_FAILURE, f"version {data[0]} in a request")
        if len(data) >= 2 and data[1] != _CONNECT:
            raise _error(_VERSION_5, Reply.COMMAND_NOT_SUPPORTED, f"command {data[1]}")
        if len(data) >= 3 and data[2]:
            raise _error(_VERSION_5, Reply.GENERAL_FAILURE, "reserved byte is not 0")
        if len(data) < 5:
            return None
        size, begin = {_IPV4: (4, 4), _IPV6: (16, 4), _DOMAIN_NAME: (data[4], 5)}.get(
            data[3], (0, 0)
        )
        if not begin:
            reason = f"address type {data[3]}"
            raise _error(_VERSION_5, Reply.ADDRESS_TYPE_NOT_SUPPORTED, reason)
        end = begin + size
        if len(data) < end + 2:
            return None
        address = bytes(data[begin:end])
        if data[3] == _IPV4:
            host = str(IPv4Address(address))
        elif data[3] == _IPV6:
            host = str(IPv6Address(address))
        else:
            host = _name(_VERSION_5, address)
        return self._request(_VERSION_5, host, end, end + 2)

    def _request(self, version: int, host: str, port_place: int, end: int) -> SocksRequest:
        port = int.from_bytes(self._buffer[port_place : port_place + 2], "big")
        if not port:
            raise _error(version, Reply.GENERAL_FAILURE, "port 0")
        del self._buffer[:end]
        return SocksRequest(version, host, port)


def encode_reply(version: int, reply: Reply) -> bytes:
    """Return the answer to a request.

    The address in it is 0.0.0.0 with port 0: from where the server has connected is unknown here.

    Parameters:
        version: of the request.
        reply: what became of it; version 4 only knows success and failure.
    """
    if version == _VERSION_4:
        return bytes((0, _GRANTED if reply is Reply.SUCCEEDED else _REJECTED)) + bytes(6)
    return bytes((_VERSION_5, reply, 0, _IPV4)) + bytes(6)


def _error(version: int, reply: Reply, reason: str) -> SocksError:
    return SocksError(reason, encode_reply(version, reply))


def _name(version: int, name: bytes) -> str:
    """Return the name of a host: what no resolver should ever be asked is refused."""
    try:
        host = name.decode()
    except UnicodeDecodeError:
        host = ""
    if not host or not host.isprintable() or " " in host:
        reason = f"'{printable(name)}' is no name of a host"
        raise _error(version, Reply.GENERAL_FAILURE, reason)
    return host
