"""Options of servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from ssh_keys import (
    CertListArg,
    KeyPairListArg,
    KnownHostsArg,
    Passphrase,
    SSHAuthorizedKeys,
    X509Purposes,
)

from .. import config
from ..addresses import check_port
from ..protocols import ExecInterceptor, SubsystemFactory
from ..userauth.gssapi import GSSAPI_KEYEX, GSSAPI_WITH_MIC
from ..userauth.server import SERVER_METHODS
from .algorithms import AlgorithmsArg
from .base import Configured, Seconds, SSHConnectionOptions, _derived, placed
from .units import parse_seconds

if TYPE_CHECKING:
    from ..config import ServerRules
    from ..server import ProcessHandler, SSHServer, StreamHandler

__all__ = ["AuthorizedKeysArg", "SSHServerConnectionOptions"]

AuthorizedKeysArg: TypeAlias = str | Path | SSHAuthorizedKeys | Sequence[str | Path] | None
"""File names, or an `SSHAuthorizedKeys`."""

_ABOUT = ("username", "client_addr", "client_host", "accept_addr", "accept_port")
"""The options that say whom the configuration file is asked about."""


class SSHServerConnectionOptions(SSHConnectionOptions):
    """Options of `listen` and `create_server`."""

    server_factory: Callable[[], SSHServer] | None = None
    """Makes the object whose callbacks are called, one per connection; `SSHServer` by default."""

    accept_addr: str = ""
    """Whom `Match` in the configuration file is about until there is a client, in this and the four
    options below: the address that it would connect to. It is for who asks what a file says about
    somebody (`sshd -T -C`); each login is evaluated with what it is really about."""

    accept_port: int = 0
    """The port that the client would connect to, for `Match LocalPort`."""

    username: str = ""
    """The user who would log in, for `Match User` and `Match Group`."""

    client_host: str = ""
    """The name of the client's host, for `Match Host`; by default its address."""

    client_addr: str = ""
    """The address of the client, for `Match Address`."""

    server_version: str | bytes | tuple[()] = ()
    """Software version in our identification string, without the `SSH-2.0-`."""

    server_host_keys: KeyPairListArg | tuple[()] | None = ()
    """Private keys that prove who the server is: file names, bytes of keys, keys or key pairs, one
    or a list of them. At least one is needed, unless GSS-API (`gss_kex`) proves it."""

    server_host_certs: CertListArg = ()
    """Certificates for the host keys: file names, bytes, `SSHCertificate`, one or a list of them;
    those beside key files (`-cert.pub`) are found anyway. Of several for one key, the last counts,
    before one beside the file."""

    send_server_host_keys: bool = False
    """Whether clients are told all host keys after authentication, so that they can learn new ones
    before the old ones are taken away."""

    passphrase: Passphrase = None
    """Passphrase of encrypted host keys, or a function or coroutine function of the file name that
    returns it."""

    server_host_key_algs: AlgorithmsArg = ()
    """Host key algorithms that may be used if there is a key for them, the preferred first."""

    moduli: str | Path | None = None
    """moduli(5) file with the groups for `diffie-hellman-group-exchange-*`, by default those of RFC
    3526. It is read when the server begins, and once per process; ssh-transport's `ModuliFileError`
    names the line that cannot be used."""

    authorized_client_keys: AuthorizedKeysArg = None
    """authorized_keys files, or their content, that hold for all users."""

    known_client_hosts: KnownHostsArg | None = None
    """Hosts that may vouch for their users, with their keys: everything that `known_hosts` of
    clients takes. Users get in with the name that they have there, see
    `SSHServer.validate_host_based_user`."""

    trust_client_host: bool = False
    """Whether the name that a client sends for its host is believed; otherwise the name counts that
    the name service knows for its address."""

    rdns_lookup: bool = False
    """Whether the name of a client's host is looked up, so that `from=` in authorized keys can be
    about names. It is only as good as the name service."""

    auth_methods: str | Sequence[str] = ()
    """What a user has to get through: methods with commas between, like `publickey,password` for
    both in this order. Several, in a list or with blanks between, are alternatives. By default any
    one method will do."""

    max_auth_tries: int = 6
    """Failed attempts after which the connection is closed."""

    max_auth_requests: int = 64
    """Authentication messages of any kind after which the connection is closed."""

    auth_fail_delay: float = 0.005
    """Seconds that a refusal takes at least, so that its time says nothing about the user."""

    allow_pty: bool = True
    """Whether sessions may have a terminal."""

    line_editor: bool = True
    """Whether lines that are typed at a terminal are edited and shown here, see
    `SSHLineEditorChannel`; sessions that read bytes get what the terminal sends in any case."""

    line_echo: bool = True
    """Whether the line editor shows what is typed, until `set_echo` says otherwise."""

    line_history: int = 1000
    """Lines that the line editor of a session remembers, 0 for none."""

    max_line_length: int = 1024
    """Characters that a line can have in the line editor."""

    x11_forwarding: bool = False
    """Whether sessions may forward X11 displays of their clients, see
    `SSHServerChannel.get_x11_display`."""

    x11_auth_path: str | Path | None = None
    """Xauthority file that gets the cookies of forwarded displays; by default that of XAUTHORITY,
    or `~/.Xauthority`."""

    agent_forwarding: bool = True
    """Whether clients may let us use their agents, see `SSHServerChannel.get_agent_path`."""

    process_factory: ProcessHandler | None = None
    """Function or coroutine function that serves a session, with an `SSHServerProcess`."""

    session_factory: StreamHandler | None = None
    """Function or coroutine function that serves a session, with stdin, stdout and stderr."""

    session_encoding: str | tuple[()] | None = ()
    """Another name of `encoding`."""

    subsystems: Mapping[str, SubsystemFactory] | None = None
    """What serves which subsystem, before the session of the application is asked."""

    exec_interceptors: tuple[ExecInterceptor, ...] = ()
    """What looks at commands before the session of the application does."""

    max_sessions: int = 10
    """Sessions that one client may have open."""

    max_channels: int = 1000
    """Channels of any kind that one client may have open."""

    max_listeners: int = 100
    """Ports and paths that one client may have us listen on."""

    max_startups: tuple[int, int, int] | int = (10, 30, 100)
    """Connections that are not authenticated yet: from the first number on, new ones are refused at
    random with a probability of the second number in percent, which grows until, at the third
    number, all are refused."""

    idle_timeout: Seconds = 0
    """Seconds without any open channel after which a connection is closed."""

    x509_purposes: X509Purposes = "secureShellClient"
    """What X.509 certificates of users may be used for: names or object identifiers, one or a list
    of them; None or `any` for any purpose."""

    methods: tuple[bytes, ...] = _derived()

    required_methods: tuple[tuple[bytes, ...], ...] = _derived()

    @classmethod
    def _configure(cls, given: Mapping[str, object], canonical: str | None) -> Configured:
        user, addr, host, local, port = (given.get(name) for name in _ABOUT)
        login = None
        if user or addr or host or local or port:
            where = (str(local or ""), cast(int, port or 0))
            login = config.login_of(str(user or ""), str(addr or ""), where, str(host or ""))
        rules, configuration = config.server_config(given["config"], login)
        found = {n: value for n, value in rules.options.items() if n in cls.option_names}
        return Configured(found, {}, rules.places, configuration)

    def with_rules(self, rules: ServerRules) -> Self:
        """Return the options for one user: what was given, then what the configuration says.

        Raises ValueError for what contradicts each other, ConfigParseError if that is in a file.
        """
        given = {name: value for name, value in self.given.items() if name != "config"}
        names = type(self).option_names
        found = {name: value for name, value in rules.options.items() if name in names}
        try:
            return type(self)(**{**found, **given})  # type: ignore[arg-type]
        except ValueError as exc:
            raise placed(exc, rules.places, found.keys() - given.keys()) from None

    def __post_init__(self) -> None:
        """Check the values; raises ValueError or TypeError."""
        if not isinstance(self.session_encoding, tuple):
            self.encoding = self.session_encoding
        super().__post_init__()
        check_port("accept_port", self.accept_port)
        self.idle_timeout = parse_seconds("idle_timeout", self.idle_timeout)
        gss = self.gss is not None and self.gss.auth
        switches = {
            GSSAPI_KEYEX: gss,
            GSSAPI_WITH_MIC: gss,
            b"hostbased": self.host_based_auth,
            b"publickey": self.public_key_auth,
            b"keyboard-interactive": self.kbdint_auth,
            b"password": self.password_auth,
        }
        self.methods = tuple(name for name in SERVER_METHODS if switches[name])
        self.required_methods = _parse_methods(self.auth_methods, self.methods)
        if isinstance(self.max_startups, int):
            self.max_startups = (self.max_startups, 100, self.max_startups)
        start, rate, full = self.max_startups
        if not (0 < start <= full and 0 <= rate <= 100):
            raise ValueError("max_startups must be three numbers like (10, 30, 100)")
        for name in ("max_auth_tries", "max_auth_requests", "max_sessions", "max_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.line_history < 0 or self.max_line_length < 1:
            raise ValueError("line_history must be 0 or more, max_line_length at least 1")


def _parse_methods(
    choice: str | Sequence[str], enabled: Sequence[bytes]
) -> tuple[tuple[bytes, ...], ...]:
    lists = choice.split() if isinstance(choice, str) else choice
    required = tuple(tuple(name.strip().encode() for name in each.split(",")) for each in lists)
    for names in required:
        for name in names:
            if name not in enabled:
                raise ValueError(f"auth_methods: {name.decode()!r} is not an enabled method")
    return required
