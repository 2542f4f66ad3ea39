"""Messages of the connection protocol (RFC 4254).

CHANNEL_DATA, CHANNEL_EXTENDED_DATA and CHANNEL_WINDOW_ADJUST are packed and parsed by hand on the
data path (`ssh_connection.mux`, `ssh_connection.channel.base`); a test holds both forms together.
"""

from __future__ import annotations

from ssh_keys.wire import Boolean, Message, Rest, String, Text, UInt32, message

from ..constants import (
    SSH_MSG_CHANNEL_CLOSE,
    SSH_MSG_CHANNEL_DATA,
    SSH_MSG_CHANNEL_EOF,
    SSH_MSG_CHANNEL_EXTENDED_DATA,
    SSH_MSG_CHANNEL_FAILURE,
    SSH_MSG_CHANNEL_OPEN,
    SSH_MSG_CHANNEL_OPEN_CONFIRMATION,
    SSH_MSG_CHANNEL_OPEN_FAILURE,
    SSH_MSG_CHANNEL_REQUEST,
    SSH_MSG_CHANNEL_SUCCESS,
    SSH_MSG_CHANNEL_WINDOW_ADJUST,
    SSH_MSG_GLOBAL_REQUEST,
    SSH_MSG_REQUEST_FAILURE,
    SSH_MSG_REQUEST_SUCCESS,
)

__all__ = [
    "BreakRequest",
    "CancelStreamlocalForward",
    "CancelTcpipForward",
    "ChannelClose",
    "ChannelData",
    "ChannelEof",
    "ChannelExtendedData",
    "ChannelFailure",
    "ChannelOpen",
    "ChannelOpenConfirmation",
    "ChannelOpenFailure",
    "ChannelRequest",
    "ChannelSuccess",
    "ChannelWindowAdjust",
    "DirectStreamlocal",
    "DirectTcpip",
    "EnvRequest",
    "ExecRequest",
    "ExitSignalRequest",
    "ExitStatusRequest",
    "ForwardedStreamlocal",
    "ForwardedTcpip",
    "GlobalRequest",
    "PtyRequest",
    "RequestFailure",
    "RequestSuccess",
    "SignalRequest",
    "StreamlocalForward",
    "SubsystemRequest",
    "TcpipForward",
    "TcpipForwardReply",
    "TunOpen",
    "WindowChangeRequest",
    "X11Open",
    "X11Request",
    "XonXoffRequest",
]


@message(SSH_MSG_GLOBAL_REQUEST)
class GlobalRequest(Message):
    """RFC 4254 section 4."""

    request_name: String
    want_reply: Boolean
    request_data: Rest = b""


@message(SSH_MSG_REQUEST_SUCCESS)
class RequestSuccess(Message):
    """RFC 4254 section 4."""

    response_data: Rest = b""


@message(SSH_MSG_REQUEST_FAILURE)
class RequestFailure(Message):
    """RFC 4254 section 4."""


@message(SSH_MSG_CHANNEL_OPEN)
class ChannelOpen(Message):
    """RFC 4254 section 5.1."""

    channel_type: String
    sender_channel: UInt32
    initial_window_size: UInt32
    maximum_packet_size: UInt32
    type_data: Rest = b""


@message(SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
class ChannelOpenConfirmation(Message):
    """RFC 4254 section 5.1."""

    recipient_channel: UInt32
    sender_channel: UInt32
    initial_window_size: UInt32
    maximum_packet_size: UInt32
    type_data: Rest = b""


@message(SSH_MSG_CHANNEL_OPEN_FAILURE)
class ChannelOpenFailure(Message):
    """RFC 4254 section 5.1."""

    recipient_channel: UInt32
    reason_code: UInt32
    description: String
    language_tag: String = b""


@message(SSH_MSG_CHANNEL_WINDOW_ADJUST)
class ChannelWindowAdjust(Message):
    """RFC 4254 section 5.2."""

    recipient_channel: UInt32
    bytes_to_add: UInt32


@message(SSH_MSG_CHANNEL_DATA)
class ChannelData(Message):
    """RFC 4254 section 5.2."""

    recipient_channel: UInt32
    data: String


@message(SSH_MSG_CHANNEL_EXTENDED_DATA)
class ChannelExtendedData(Message):
    """RFC 4254 section 5.2."""

    recipient_channel: UInt32
    data_type_code: UInt32
    data: String


@message(SSH_MSG_CHANNEL_EOF)
class ChannelEof(Message):
    """RFC 4254 section 5.3."""

    recipient_channel: UInt32


@message(SSH_MSG_CHANNEL_CLOSE)
class ChannelClose(Message):
    """RFC 4254 section 5.3."""

    recipient_channel: UInt32


@message(SSH_MSG_CHANNEL_REQUEST)
class ChannelRequest(Message):
    """RFC 4254 section 5.4."""

    recipient_channel: UInt32
    request_type: String
    want_reply: Boolean
    request_data: Rest = b""


@message(SSH_MSG_CHANNEL_SUCCESS)
class ChannelSuccess(Message):
    """RFC 4254 section 5.4."""

    recipient_channel: UInt32


@message(SSH_MSG_CHANNEL_FAILURE)
class ChannelFailure(Message):
    """RFC 4254 section 5.4."""

    recipient_channel: UInt32


# --- Data of channel requests (the part behind want_reply) -----------------------------------


@message()
class PtyRequest(Message):
    """ "pty-req", RFC 4254 section 6.2. Sizes in characters, then in pixels."""

    term: Text
    width: UInt32
    height: UInt32
    pixel_width: UInt32
    pixel_height: UInt32
    terminal_modes: String


@message()
class X11Request(Message):
    """ "x11-req", RFC 4254 section 6.3.1; the cookie in hexadecimal digits."""

    single_connection: Boolean
    authentication_protocol: String
    authentication_cookie: String
    screen_number: UInt32

    def __repr__(self) -> str:
        # Who has the cookie can use the display.
        protocol, screen = self.authentication_protocol, self.screen_number
        return f"X11Request({self.single_connection}, {protocol!r}, {screen})"


@message()
class EnvRequest(Message):
    """ "env", RFC 4254 section 6.4."""

    variable_name: String
    variable_value: String


@message()
class ExecRequest(Message):
    """ "exec", RFC 4254 section 6.5."""

    command: String


@message()
class SubsystemRequest(Message):
    """ "subsystem", RFC 4254 section 6.5."""

    subsystem_name: Text


@message()
class WindowChangeRequest(Message):
    """ "window-change", RFC 4254 section 6.7."""

    width: UInt32
    height: UInt32
    pixel_width: UInt32
    pixel_height: UInt32


@message()
class XonXoffRequest(Message):
    """ "xon-xoff", RFC 4254 section 6.8."""

    client_can_do: Boolean


@message()
class SignalRequest(Message):
    """ "signal", RFC 4254 section 6.9; name without "SIG"."""

    signal_name: Text


@message()
class BreakRequest(Message):
    """ "break", RFC 4335 section 3; length in milliseconds."""

    break_length: UInt32


@message()
class ExitStatusRequest(Message):
    """ "exit-status", RFC 4254 section 6.10."""

    exit_status: UInt32


@message()
class ExitSignalRequest(Message):
    """ "exit-signal", RFC 4254 section 6.10; name without "SIG"."""

    signal_name: Text
    core_dumped: Boolean
    error_message: String
    language_tag: String


# --- Forwarding: data of channel opens and of global requests ---------------------------------


@message()
class TcpipForward(Message):
    """ "tcpip-forward", RFC 4254 section 7.1. Port 0: the server chooses."""

    address_to_bind: Text
    port_to_bind: UInt32


@message()
class TcpipForwardReply(Message):
    """Reply to "tcpip-forward" with port 0, RFC 4254 section 7.1."""

    bound_port: UInt32


@message()
class CancelTcpipForward(Message):
    """ "cancel-tcpip-forward", RFC 4254 section 7.1."""

    address_to_bind: Text
    port_to_bind: UInt32


@message()
class DirectTcpip(Message):
    """ "direct-tcpip", RFC 4254 section 7.2."""

    host_to_connect: Text
    port_to_connect: UInt32
    originator_address: Text
    originator_port: UInt32


@message()
class ForwardedTcpip(Message):
    """ "forwarded-tcpip", RFC 4254 section 7.2."""

    connected_address: Text
    connected_port: UInt32
    originator_address: Text
    originator_port: UInt32


@message()
class X11Open(Message):
    """ "x11", RFC 4254 section 6.3.2."""

    originator_address: Text
    originator_port: UInt32


@message()
class StreamlocalForward(Message):
    """ "streamlocal-forward@openssh.com", PROTOCOL section 2.4."""

    socket_path: Text


@message()
class CancelStreamlocalForward(Message):
    """ "cancel-streamlocal-forward@openssh.com", PROTOCOL section 2.4."""

    socket_path: Text


@message()
class DirectStreamlocal(Message):
    """ "direct-streamlocal@openssh.com", PROTOCOL section 2.4."""

    socket_path: Text
    reserved_string: String = b""
    reserved_uint32: UInt32 = 0


@message()
class ForwardedStreamlocal(Message):
    """ "forwarded-streamlocal@openssh.com", PROTOCOL section 2.4."""

    socket_path: Text
    reserved: String = b""


@message()
class TunOpen(Message):
    """ "tun@openssh.com", PROTOCOL section 2.3. Unit 0x7fffffff: the server chooses."""

    tunnel_mode: UInt32
    remote_unit_number: UInt32
