"""Options of client connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ssh_keys import (
    CertListArg,
    KeyListArg,
    KeyPairListArg,
    KnownHostsArg,
    Passphrase,
    SSHKey,
    X509Purposes,
)

from .. import config
from ..protocols import AgentForwarder, KeyPairSource
from ..userauth.client import CLIENT_METHODS
from ..userauth.gssapi import GSSAPI_KEYEX, GSSAPI_WITH_MIC
from ..userauth.hostbased import HOSTBASED
from ..userauth.publickey import PUBLICKEY
from ..userauth.saslprep import SASLPrepError, saslprep
from .algorithms import AlgorithmsArg
from .base import Configured, SSHConnectionOptions, _derived
from .gss import GSSSettings

if TYPE_CHECKING:
    from ..channel.session_client import TermSize
    from ..client import SSHClient

__all__ = ["HostKeysHandler", "PasswordArg", "SSHClientConnectionOptions"]

HostKeysHandler: TypeAlias = Callable[
    [list[SSHKey], list[SSHKey], list[SSHKey], list[SSHKey]], Awaitable[None] | None
]
"""Takes host keys that are new, gone, still there, and revoked."""

PasswordArg: TypeAlias = str | Callable[[], str | Awaitable[str | None] | None] | None
"""A password, or what is called when one is needed: it returns the password, None for none."""


class SSHClientConnectionOptions(SSHConnectionOptions):
    """Options of `connect` and `create_connection`."""

    client_factory: Callable[[], SSHClient] | None = None
    """Makes the object whose callbacks are called; `SSHClient` by default."""

    client_version: str | bytes | tuple[()] = ()
    """Software version in our identification string, without the `SSH-2.0-`."""

    known_hosts: KnownHostsArg | tuple[()] | None = ()
    """Host keys to trust: file names, bytes of a file, `SSHKnownHosts`, a function of host, address
    and port, or lists of keys; by default `~/.ssh/known_hosts`. None trusts every host: then
    nothing protects against somebody in the middle."""

    host_key_alias: str | tuple[()] | None = ()
    """Name to look up in known_hosts in place of the host's."""

    server_host_key_algs: AlgorithmsArg = ()
    """Host key algorithms, the preferred first; by default those of keys that are known for the
    host come first. `default` stands for the same."""

    canonical: bool = False
    """Whether the host is given by its canonical name: configuration files are evaluated a second
    time then, in which `Match canonical` applies and, as in OpenSSH, `Match final` as well."""

    final: bool = False
    """Whether configuration files are evaluated a second time, in which `Match final` applies and,
    as in OpenSSH, `Match canonical` as well, though no `Match final` in them asks for it."""

    server_host_keys_handler: HostKeysHandler | None = None
    """Called when the server tells its host keys after authentication, as OpenSSH's does, with four
    lists: keys that are new, and which the server has proved to own; known ones that are gone;
    known ones that are still there; and revoked ones. Whether to change known_hosts is its own
    decision (`ssh_keys.KnownHostsEditor`)."""

    username: str | tuple[()] | None = ()
    """User to log in as; by default, and with None, the local user."""

    password: PasswordArg = None
    """Password, or a function or coroutine function that returns it."""

    client_host_keysign: bool | str | Path = False
    """Whether OpenSSH's program ssh-keysign signs for the host this runs on, or its path. It reads
    the host keys itself (and has to be allowed to: EnableSSHKeysign in ssh_config(5))."""

    client_host_keys: KeyPairListArg | KeyListArg | None = None
    """Keys of the host this runs on, which vouches for its user then: private keys as of
    `client_keys`; with `client_host_keysign` public keys, by default those in `/etc/ssh`."""

    client_host_certs: CertListArg = ()
    """Certificates for these keys; those beside key files (`-cert.pub`) are found anyway."""

    client_host: str | None = None
    """Name of the host this runs on, as servers know it; by default what the name service says
    about the local address of the connection."""

    client_username: str | tuple[()] = ()
    """User on the host this runs on, the local user by default."""

    client_keys: KeyPairListArg | tuple[()] | None = ()
    """Private keys: file names, bytes of keys, keys or key pairs, one or a list of them; by default
    the keys in `~/.ssh` that need no passphrase. None or an empty list for no keys."""

    client_certs: CertListArg = ()
    """Certificates for the private keys: file names, bytes, `SSHCertificate`, one or a list; those
    beside key files (`-cert.pub`) are found anyway."""

    passphrase: Passphrase = None
    """Passphrase of encrypted keys, or a function or coroutine function of the file name that
    returns it."""

    ignore_encrypted: bool | tuple[()] = ()
    """Whether keys that can not be decrypted are left out instead of refused; by default only for
    the keys that are not named."""

    pkcs11_provider: str | Path | tuple[()] | None = ()
    """PKCS#11 module (such as `opensc-pkcs11.so`) whose tokens hold more private keys; they are
    tried behind `client_keys`. Needs the extra `pkcs11` of ssh-keys."""

    pkcs11_pin: str | Callable[[str], str | None] | None = None
    """PIN of the tokens, or a function of the label of a token that returns it; it is called in
    another thread."""

    key_sources: tuple[KeyPairSource, ...] = ()
    """Where more keys come from (an agent); they are tried behind `client_keys`."""

    agent_forwarder: AgentForwarder | None = None
    """Connects to an agent that servers may use through us while the connection lasts: whoever
    rules the server can sign with its keys. None for no agent."""

    gss_delegate_creds: bool | tuple[()] = ()
    """Whether the server is given our GSS-API credentials, to act for us elsewhere; by default it
    is not."""

    preferred_auth: str | Sequence[str] | tuple[()] = ()
    """Authentication methods in the order of preference, as a list or text with commas; others are
    not used."""

    disable_trivial_auth: bool = False
    """Whether to refuse a server that lets us in without asking for a proof."""

    command: str | None = None
    """Command that sessions run unless told otherwise."""

    subsystem: str | None = None
    """Subsystem that sessions ask for unless told otherwise."""

    env: Mapping[str, str] | Sequence[str] | None = None
    """Environment variables of sessions: a mapping, or a list of NAME=value."""

    send_env: Sequence[str] | None = None
    """Names of local environment variables that sessions send, with wildcards."""

    request_pty: bool | Literal["force", "auto"] = True
    """Whether sessions ask for a terminal: True if they have a `term_type`, "auto" if they are a
    shell as well, "force" always, False never."""

    term_type: str | None = None
    """Terminal type of sessions, as in `xterm`."""

    term_size: TermSize | None = None
    """Size of their terminal: width and height in characters, optionally also in pixels."""

    term_modes: Mapping[int, int] | None = None
    """Modes of their terminal: `PTY_*` opcode to value."""

    x11_forwarding: bool | Literal["ignore_failure"] = False
    """Whether servers may use our X11 display while a session lasts: everything that is typed and
    shown there is theirs, then. "ignore_failure" goes on without if it does not work."""

    x11_display: str | None = None
    """Name of the display, by default that of DISPLAY."""

    x11_auth_path: str | Path | None = None
    """Xauthority file with the cookie of the display; by default that of XAUTHORITY, or
    `~/.Xauthority`. The server gets another cookie."""

    x11_single_connection: bool = False
    """Whether a session may connect to the display only once."""

    x509_purposes: X509Purposes = "secureShellServer"
    """What X.509 certificates of servers may be used for: names or object identifiers, one or a
    list of them; None or `any` for any purpose."""

    methods: tuple[bytes, ...] = _derived()

    def __post_init__(self) -> None:
        """Check the values; raises ValueError or TypeError."""
        if self.server_host_key_algs == "default":
            self.server_host_key_algs = ()
        super().__post_init__()
        self.methods = self._methods()
        _check_name("host", self.host)
        for name in ("username", "client_username"):
            value = getattr(self, name)
            if isinstance(value, str):
                _check_name(name, value)
        if self.client_host is not None:
            _check_name("client_host", self.client_host)
            if not self.client_host.isascii():
                raise ValueError("client_host is not ASCII")

    @classmethod
    def _configure(cls, given: Mapping[str, object], canonical: str | None) -> Configured:
        found, places = config.client_config(given["config"], given, cls.option_names, canonical)
        # The host that was given is what the file knows it by.
        return Configured(found, {"host": found.pop("host")}, places, None)

    def _gss_settings(self, *, client: bool = True, delegate: bool = False) -> GSSSettings | None:
        return super()._gss_settings(client=client, delegate=self.gss_delegate_creds is True)

    def _methods(self) -> tuple[bytes, ...]:
        choice, gss = self.preferred_auth, self.gss
        return _usable_methods(
            tuple(choice.split(",") if isinstance(choice, str) else choice),
            (
                (GSSAPI_KEYEX, gss is not None and gss.auth),
                (GSSAPI_WITH_MIC, gss is not None and gss.auth),
                (HOSTBASED, self.host_based_auth),
                (PUBLICKEY, self.public_key_auth),
                (b"keyboard-interactive", self.kbdint_auth),
                (b"password", self.password_auth),
            ),
            gss_wanted=gss is not None and gss.wanted,
        )


@lru_cache(maxsize=64)  # most connections use the same ones
def _usable_methods(
    names: tuple[str, ...], switches: tuple[tuple[bytes, bool], ...], *, gss_wanted: bool
) -> tuple[bytes, ...]:
    """Return the authentication methods that are used, in the order of preference.

    Parameters:
        names: those that were chosen, in the order of preference; empty for the usual order.
        switches: method and whether it is on.
        gss_wanted: whether somebody asked for GSS-API.
    """
    usual: tuple[bytes, ...] = CLIENT_METHODS
    if not gss_wanted:
        # It must not keep a key from going with the first request.
        keys = (HOSTBASED, PUBLICKEY)
        usual = (*keys, *(name for name in usual if name not in keys))
    off = {name for name, on in switches if not on}
    wanted = tuple(name.strip().encode() for name in names) or usual
    return tuple(name for name in wanted if name in CLIENT_METHODS and name not in off)


def _check_name(option: str, value: str) -> None:
    """Refuse names that would be something else where a name is put into a line or a path."""
    if not value.isprintable() and any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
        raise ValueError(f"{option} has a control character in it")
    if option.endswith("username"):
        try:
            saslprep(value)
        except SASLPrepError as exc:
            raise ValueError(f"{option}: {exc}") from None
