"""`SSHServer`: the callbacks of a server connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NotImplementedType
from typing import TYPE_CHECKING, TypeAlias

from ssh_keys import SSHKey

from .userauth.protocols import KbdIntChallenge, MaybeAwait

if TYPE_CHECKING:
    from .channel.session_server import SSHServerChannel
    from .channel.streamlocal import SSHUNIXChannel
    from .channel.tcpip import SSHTCPChannel
    from .connection.server import SSHServerConnection
    from .forward.listener import SSHListener
    from .process.server import SSHServerProcess
    from .session import SSHServerSession, SSHTCPSession, SSHTunTapSession, SSHUNIXSession
    from .stream import SSHReader, SSHWriter
    from .tuntap import SSHTunTapChannel

__all__ = [
    "NewListener",
    "NewSession",
    "NewTCPSession",
    "NewTunTapSession",
    "NewUNIXSession",
    "ProcessHandler",
    "SSHServer",
    "SocketHandler",
    "StreamHandler",
    "TunTapHandler",
]

# Any: text or bytes, which the encoding decides; a callback says which by its own annotation.
ProcessHandler: TypeAlias = "Callable[[SSHServerProcess[str]], MaybeAwait[None]] | Callable[[SSHServerProcess[bytes]], MaybeAwait[None]]"  # noqa: E501
"""Serves a session with an `SSHServerProcess`."""

StreamHandler: TypeAlias = "Callable[[SSHReader[str], SSHWriter[str], SSHWriter[str]], MaybeAwait[None]] | Callable[[SSHReader[bytes], SSHWriter[bytes], SSHWriter[bytes]], MaybeAwait[None]]"  # noqa: E501
"""Serves a session with its stdin, stdout and stderr."""

SocketHandler: TypeAlias = "Callable[[SSHReader[str], SSHWriter[str]], MaybeAwait[None]] | Callable[[SSHReader[bytes], SSHWriter[bytes]], MaybeAwait[None]]"  # noqa: E501
"""Serves a forwarded connection with what is read from it and written to it."""

TunTapHandler: TypeAlias = "Callable[[SSHReader[bytes], SSHWriter[bytes]], MaybeAwait[None]]"
"""Serves a tunnel, one packet with each read and each write."""

NewSession: TypeAlias = "bool | SSHServerSession[str] | SSHServerSession[bytes] | StreamHandler | tuple[SSHServerChannel[str], SSHServerSession[str]] | tuple[SSHServerChannel[bytes], SSHServerSession[bytes]]"  # noqa: E501
NewTCPSession: TypeAlias = "bool | SSHTCPSession[str] | SSHTCPSession[bytes] | SocketHandler | tuple[SSHTCPChannel[str], SSHTCPSession[str]] | tuple[SSHTCPChannel[bytes], SSHTCPSession[bytes]]"  # noqa: E501
NewUNIXSession: TypeAlias = "bool | SSHUNIXSession[str] | SSHUNIXSession[bytes] | SocketHandler | tuple[SSHUNIXChannel[str], SSHUNIXSession[str]] | tuple[SSHUNIXChannel[bytes], SSHUNIXSession[bytes]]"  # noqa: E501
NewTunTapSession: TypeAlias = (
    "bool | SSHTunTapSession | TunTapHandler | tuple[SSHTunTapChannel, SSHTunTapSession]"
)
NewListener: TypeAlias = "bool | SSHListener"


class SSHServer:
    """Base of the objects that `create_server` makes with its `server_factory`, one per client.

    Applications override what they need; nothing is allowed by default. Methods whose result is
    marked as awaitable may also be coroutine functions: while one runs during authentication, no
    further message of the client is looked at. A validating method lets somebody in by returning
    True itself; an exception refuses, is logged, and ends the connection.
    """

    def connection_made(self, conn: SSHServerConnection) -> None:
        """A client has connected; nothing was exchanged yet.

        Parameters:
            conn: the connection, to be kept for later use.
        """

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; always the last call.

        Parameters:
            exc: why, None if it was closed in order by one of the sides.
        """

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        """The client sent SSH_MSG_DEBUG (RFC 4253 section 11.3).

        Parameters:
            msg: the text, as it was sent.
            lang: its language tag.
            always_display: whether the client wants it to be shown in any case.
        """

    # --- Authentication ----------------------------------------------------------------------

    def begin_auth(self, username: str) -> MaybeAwait[bool]:
        """A client wants to log in; called again if it changes the user name.

        This is the place for `set_authorized_keys` and `send_auth_banner`. The name is the
        client's: do not build a path out of it, and do the same for names that do not exist.

        Return False if this user needs no authentication, True otherwise (the default).
        """
        return True

    def auth_completed(self) -> MaybeAwait[None]:
        """Authentication has succeeded; the client will be told, and can open channels then."""
        return None

    def validate_gss_principal(
        self, username: str, user_principal: str, host_principal: str
    ) -> MaybeAwait[bool]:
        """Whether a GSS-API (Kerberos) principal may log in as a user.

        It is called when the client has proved that the principal is its own; by default the user
        of the same name may log in, if it belongs to the realm of the server.

        Parameters:
            username: whom the client wants to be.
            user_principal: who the client is, such as `alice@EXAMPLE.COM`.
            host_principal: who we are, such as `host/server.example.com@EXAMPLE.COM`.
        """
        realm = host_principal.rpartition("@")[2]
        return bool(username and realm) and user_principal == f"{username}@{realm}"

    def host_based_auth_supported(self) -> bool:
        """Whether hosts are accepted in `validate_host_public_key` or `validate_host_ca_key`.

        With the option `known_client_hosts`, the method is offered anyway.
        """
        return False

    def validate_host_public_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        """Whether a key that `known_client_hosts` knows nothing about is that of a client's host.

        It is called if no key at all is listed for the host. That the host has signed, is checked
        afterwards.

        Parameters:
            client_host: name of the host: what the client says with the option
                `trust_client_host`, otherwise what the name service says about its address.
            client_addr: numeric address of the client.
            client_port: its port.
            key: the key.

        Return True to trust it; only True itself counts as such.
        """
        return False

    def validate_host_ca_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        """Whether the owner of a key may sign certificates of a client's host.

        It is called for authorities that `known_client_hosts` does not list for the host.
        Parameters and result as of `validate_host_public_key`, `key` being the authority's.
        """
        return False

    def validate_host_based_user(
        self, username: str, client_host: str, client_username: str
    ) -> MaybeAwait[bool]:
        """Whether a user of another host may log in; by default, if the names are the same.

        It is called last, when it is proved that the host speaks for the user.

        Parameters:
            username: who wants to log in.
            client_host: name of the host, as of `validate_host_public_key`.
            client_username: the user's name there.
        """
        return username == client_username

    def public_key_auth_supported(self) -> bool:
        """Whether public keys are accepted in `validate_public_key`.

        With authorized keys (an option, or `set_authorized_keys`), the method is offered anyway.
        """
        return False

    def validate_public_key(self, username: str, key: SSHKey) -> MaybeAwait[bool]:
        """Whether a user may log in with a key that no authorized keys decide about.

        It is called for each key that a client asks about, and once more for the key that signs,
        just before its signature is checked: what it was called with last is what counts.
        """
        return False

    def validate_ca_key(self, username: str, key: SSHKey) -> MaybeAwait[bool]:
        """Whether certificates signed with a key let a user in; by default none do.

        It is called for authorities that the authorized keys do not list. The certificate has been
        found to be a user's, to be valid now and from this address, and to name the user among
        its principals.

        Parameters:
            username: who wants to log in.
            key: the key that signed the certificate.
        """
        return False

    def password_auth_supported(self) -> bool:
        """Whether passwords are accepted in `validate_password`."""
        return False

    def validate_password(self, username: str, password: str) -> MaybeAwait[bool]:
        """Whether a user's password is right.

        It should take the same time for users that do not exist. Raise `PasswordChangeRequired`
        if the password is right but has to be changed.
        """
        return False

    def change_password(
        self, username: str, old_password: str, new_password: str
    ) -> MaybeAwait[bool]:
        """Change a user's password if the old one is right; True lets the user in.

        Raise `PasswordChangeRequired` if the old one is right, but the new one will not do.
        """
        return False

    def kbdint_auth_supported(self) -> bool | NotImplementedType:
        """Whether keyboard-interactive authentication is offered.

        By default it asks for a password if passwords are supported (NotImplemented).
        """
        return NotImplemented  # type: ignore[no-any-return]

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> MaybeAwait[KbdIntChallenge]:
        """Return what to ask a user first, or True or False to decide without a question.

        For users that do not exist, ask the same (RFC 4256 section 3.1).

        Parameters:
            username: who wants to log in.
            lang: language tag of the client's choice.
            submethods: names that the client prefers, with commas between.

        A challenge is a name, instructions, a language tag and prompts, each with True if the
        answer may be shown while it is typed.
        """
        return False

    def validate_kbdint_response(
        self, username: str, responses: Sequence[str]
    ) -> MaybeAwait[KbdIntChallenge]:
        """Return whether the answers are right, or what to ask next.

        Parameters:
            username: who wants to log in.
            responses: one answer per prompt.
        """
        return False

    # --- Channels ----------------------------------------------------------------------------

    def session_requested(self) -> MaybeAwait[NewSession]:
        """The client wants to open a session.

        Return an `SSHServerSession`, a function that serves stdin, stdout and stderr, or a tuple
        of a channel of `create_server_channel` and a session; False to refuse, which is the
        default unless `process_factory` or `session_factory` is given. Raise `ChannelOpenError`
        to say why.
        """
        return False

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> MaybeAwait[NewTCPSession]:
        """The client wants to be connected to a TCP port (RFC 4254 section 7.2).

        Parameters:
            dest_host, dest_port: where to.
            orig_host, orig_port: where from, as the client says.

        Return an `SSHTCPSession`, a function that serves a reader and a writer, a tuple of a
        channel of `create_tcp_channel` and a session, or True to have the connection made and
        data passed on; False (the default) to refuse. Raise `ChannelOpenError` to say why.
        """
        return False

    def unix_connection_requested(self, dest_path: str) -> MaybeAwait[NewUNIXSession]:
        """The client wants to be connected to a UNIX domain socket (PROTOCOL section 2.4).

        Parameters:
            dest_path: where to.

        Returns and raises as `connection_requested`.
        """
        return False

    def server_requested(self, listen_host: str, listen_port: int) -> MaybeAwait[NewListener]:
        """The client wants us to listen on a TCP port for it (RFC 4254 section 7.1).

        Parameters:
            listen_host: address; empty for all.
            listen_port: port; 0 for any.

        Return an `SSHListener`, or True to have it done; False (the default) to refuse.
        """
        return False

    def unix_server_requested(self, listen_path: str) -> MaybeAwait[NewListener]:
        """The client wants us to listen on a UNIX domain socket (PROTOCOL section 2.4).

        Parameters:
            listen_path: where.

        Returns as `server_requested`.
        """
        return False

    def tun_requested(self, unit: int | None) -> MaybeAwait[NewTunTapSession]:
        """The client wants a tunnel for IP packets (layer 3, PROTOCOL section 2.3).

        Keys and certificates that may not forward, or only to some addresses, are refused before.

        Parameters:
            unit: number of the device that the client wants, None if it does not matter.

        Return an `SSHTunTapSession`, a function that serves a reader and a writer of packets, a
        tuple of a channel of `create_tuntap_channel` and a session, or True to have packets passed
        on to the TUN device of that number, or one that is free, as `forward_tun` of a client
        does; False (the default) to refuse. Raise `ChannelOpenError` to say why.
        """
        return False

    def tap_requested(self, unit: int | None) -> MaybeAwait[NewTunTapSession]:
        """The client wants a tunnel for Ethernet frames (layer 2, PROTOCOL section 2.3).

        Parameters and results as of `tun_requested`, True being for a TAP device.
        """
        return False
