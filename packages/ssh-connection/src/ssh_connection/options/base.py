"""What the options of clients and servers have in common, and how options are put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, dataclass_transform

from ssh_keys import KeyListArg, SSHKeyRevocationList, X509CertPathsArg, X509CertsArg, X509Purposes
from ssh_keys.record import Record
from ssh_keys.x509.purposes import parse_purposes
from ssh_transport.texts import DEFAULT_TEXT_ERRORS

from ..addresses import check_port
from ..channel.link import DEFAULT_MAX_PKTSIZE
from ..errors import ConfigParseError
from .algorithms import (
    ALGORITHM_OPTIONS,
    Algorithms,
    AlgorithmsArg,
    PolicyArg,
    select_algorithms,
)
from .gss import GSSHostArg, GSSSettings, gss_kex_names, gss_settings
from .units import parse_bytes, parse_seconds

if TYPE_CHECKING:
    from ..config import Directive, ServerConfig
    from ..connection.client import SSHClientConnection

__all__ = [
    "ConfigArg",
    "ProxyCommandArg",
    "RevokedKeysArg",
    "SSHConnectionOptions",
    "Seconds",
]

Seconds: TypeAlias = float | str | None
"""Seconds as a number, or text such as `1h30m`; 0 and None mean never."""

ConfigArg: TypeAlias = "str | PathLike[str] | Sequence[str | PathLike[str]] | bool | None"
"""Names of configuration files; True for the usual ones, nothing for none."""

ProxyCommandArg: TypeAlias = str | Sequence[str] | None
"""A program with its arguments."""

RevokedKeysArg: TypeAlias = KeyListArg | SSHKeyRevocationList | None
"""A key revocation list, or keys."""


class Configured(Record):
    """What configuration files come to.

    Parameters:
        found: what they give where nothing else is given.
        replacing: what they give instead of what is given.
        places: where an option comes from.
        server: the rest of the configuration of a server.
    """

    found: Mapping[str, object]
    replacing: Mapping[str, object]
    places: Mapping[str, Directive]
    server: ServerConfig | None


_PARSERS: dict[str, Callable[[str, Any], float]] = {
    "rekey_bytes": parse_bytes,
    **dict.fromkeys(
        ("connect_timeout", "login_timeout", "keepalive_interval", "rekey_seconds"), parse_seconds
    ),
}
"""The options that may be text with units."""

_NOTHING = Configured({}, {}, {}, None)

_DERIVED = object()


def _derived(*, init: Literal[False] = False) -> Any:
    """Declare an attribute of an options object that is no option: `__post_init__` sets it."""
    return _DERIVED


def _by_position(*, default: Any, kw_only: Literal[False]) -> Any:
    """Declare an option that may be given without its name."""
    return default


@dataclass_transform(
    kw_only_default=True, eq_default=False, field_specifiers=(_derived, _by_position)
)
class _OptionsMeta(type):
    """Makes options objects: on top of other options.

    The annotations of a class are its options, what they are set to is their defaults. To type
    checkers that is a dataclass; a real one would compile a function of seventy parameters at
    import, and set as many attributes for each connection.
    """

    option_names: tuple[str, ...] = ()
    option_set: frozenset[str] = frozenset()

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> None:
        super().__init__(name, bases, body)
        names = dict.fromkeys(cls.option_names)
        for own, hint in cls.__annotations__.items():
            if vars(cls).get(own) is _DERIVED:
                delattr(cls, own)
            elif "ClassVar" not in str(hint):
                names[own] = None
        for own, parse in _PARSERS.items():
            # Defaults are not looked at any more when an object is made.
            if isinstance(body.get(own), str):
                setattr(cls, own, parse(own, body[own]))
        cls.option_names = tuple(names)
        cls.option_set = frozenset(names)

    def __call__(cls, options: object = None, **kwargs: Any) -> Any:
        canonical = kwargs.pop("canonical_host", None)
        # `()` says "not given", whatever the default may be.
        kwargs = {name: value for name, value in kwargs.items() if value != ()}
        if isinstance(options, SSHConnectionOptions):
            names = cls.option_set
            kwargs = {**{k: v for k, v in options.given.items() if k in names}, **kwargs}
        elif options is not None:
            raise TypeError(f"options must be an options object, not {type(options).__name__}")
        values = kwargs
        files = _NOTHING
        configured: frozenset[str] = frozenset()
        if kwargs.get("config"):
            files = cls._configure(kwargs, canonical)
            configured = frozenset(files.found.keys() - kwargs.keys())
            values = {**files.found, **kwargs, **files.replacing}
        made: Any = cls.__new__(cls)  # type: ignore[call-overload]
        made.given, made.configured, made.configuration = kwargs, configured, files.server
        try:
            made.__init__(**values)
        except ValueError as exc:
            raise placed(exc, files.places, configured | files.replacing.keys()) from None
        return made

    def _configure(cls, given: Mapping[str, object], canonical: str | None) -> Configured:
        raise TypeError(f"{cls.__name__} reads no configuration files")


def placed(
    exc: ValueError, places: Mapping[str, Directive], configured: Collection[str]
) -> ValueError:
    """Return the error of an option as one of a configuration file, if it comes from there.

    Options are checked by what they are for, wherever they come from; the error begins with the
    name of the option.

    Parameters:
        exc: the error.
        places: where options come from.
        configured: options that do not come from anywhere else.
    """
    found = re.match(r"\w+", str(exc))
    if isinstance(exc, ConfigParseError) or found is None or found[0] not in configured:
        return exc
    place = places.get(found[0])
    return exc if place is None else place.error(str(exc))


class SSHConnectionOptions(metaclass=_OptionsMeta):
    """Options that clients and servers share.

    An options object may be used for any number of connections. `SSHClientConnectionOptions(
    options=base, port=2222)` makes a new object out of all that was given for `base` and what is
    given now.
    """

    options: SSHConnectionOptions | None = _by_position(default=None, kw_only=False)
    """Options object to take everything from that is not given here."""

    family: int = 0
    """Address family of the socket: `socket.AF_INET`, `AF_INET6`, or 0 for either."""

    host: str = ""
    """Host to connect to, empty for this machine; or address to listen on, empty for all."""

    port: int | tuple[()] = ()
    """Port to connect to or to listen on, 22 by default; 0 to listen on any."""

    config: ConfigArg = ()
    """OpenSSH configuration files, ssh_config(5) on a client and sshd_config(5) on a server: a file
    name or a list of them, or True for those of OpenSSH itself. What is given here as an option
    goes first. By default no file is read."""

    reload: bool = False
    """Whether the configuration files of `options` are read again where nothing else is given on
    top of them: an object that is used as it is keeps what they said when it was made."""

    tunnel: str | SSHClientConnection | tuple[()] | None = ()
    """Connection to go through, or [user@]host[:port] of a host to go through, with commas between
    several. A server listens there."""

    proxy_command: ProxyCommandArg = ()
    """Program to run in place of a TCP connection, as a list, or as text that is split as a shell
    does; no shell runs it. `%h` stands for the host, `%p` for the port, `%r` for the user."""

    local_addr: tuple[str, int] | None = None
    """Local host and port to connect from."""

    canonicalize_hostname: bool | Literal["always"] | tuple[()] = ()
    """Whether the host that is connected to is given its full name with `canonical_domains`, by
    looking for one that exists; "always" also for connections through a tunnel or a proxy command.
    The configuration files of a client are then evaluated once more."""

    canonical_domains: Sequence[str] = ()
    """Domains to look for the host in."""

    canonicalize_fallback_local: bool = True
    """Whether a name that is in none of the domains may be left as it is; if not, OSError."""

    canonicalize_max_dots: int = 1
    """Dots that a name may have and still be looked for in the domains."""

    canonicalize_permitted_cnames: Sequence[tuple[str, str]] = ()
    """Which names may stand for which others: pairs of pattern lists, for the name that was looked
    for and for the canonical name that the name service gave for it."""

    connect_timeout: Seconds = None
    """Seconds that connecting may take, from the look-up of the name to authentication, all in all.
    By default there is no such limit, but one for each step: see `login_timeout`."""

    tcp_keepalive: bool = True
    """Whether TCP itself finds out about dead connections (SO_KEEPALIVE)."""

    policy: PolicyArg = None
    """Which algorithms may be used as far as the options below do not choose: the name of a preset
    (`modern`, which is the default, `compat`, `legacy`, `fips`, `cnsa2`), or a `Policy`. A preset
    that is named holds for our own keys and for authorities of certificates, too."""

    utf8_decode_errors: str = DEFAULT_TEXT_ERRORS
    """What to do about texts for people that are not UTF-8, as for `bytes.decode`: banners, debug
    messages, messages of exit signals, reasons of disconnects and of channels that were not opened.
    With `strict` the connection ends with a ProtocolError. Control characters in reasons are
    escaped in any case."""

    kex_algs: AlgorithmsArg = ()
    """Key exchange methods, the preferred first."""

    encryption_algs: AlgorithmsArg = ()
    """Ciphers, the preferred first."""

    mac_algs: AlgorithmsArg = ()
    """Message authentication codes, the preferred first."""

    compression_algs: AlgorithmsArg = ()
    """Compression methods, the preferred first."""

    signature_algs: AlgorithmsArg = ()
    """Signature algorithms of user authentication, the preferred first."""

    ca_signature_algs: AlgorithmsArg = ()
    """Signature algorithms that an authority may have signed a certificate with, by default all
    that are sound."""

    host_based_auth: bool = True
    """Whether method "hostbased" may be used. A client uses it if there are keys of its host, a
    server offers it if it knows client hosts."""

    revoked_keys: RevokedKeysArg = None
    """Keys, certificates and authorities of others that are never trusted: the file name or bytes
    of a key revocation list (PROTOCOL.krl) or of public keys, an `SSHKeyRevocationList`, or a list
    of keys. It is read once; `SSHAcceptor.update` reads it again. Applies to host keys on a client,
    to keys of users and of their hosts on a server."""

    public_key_auth: bool = True
    """Whether method "publickey" may be used."""

    kbdint_auth: bool = True
    """Whether method "keyboard-interactive" may be used."""

    password_auth: bool = True
    """Whether method "password" may be used."""

    gss_host: GSSHostArg = ()
    """Name of the server in its GSS-API (Kerberos) principal. A client uses the name of the host
    by default, a server what its keytab has for the service `host`. A name asks for GSS-API key
    exchange and authentication, None forbids both."""

    gss_store: Mapping[str, str] | None = None
    """Where GSS-API credentials are, such as ``{"ccache": "FILE:krb5cc"}`` for a client
    or ``{"keytab": "krb5.keytab"}`` for a server; by default where the system has them."""

    gss_kex: bool | tuple[()] = ()
    """Whether GSS-API may be used for key exchange, with its methods in front of those that are on
    by default; by default if `gss_host`, `gss_store` or `kex_algs` asks for it."""

    gss_auth: bool | tuple[()] = ()
    """Whether GSS-API may be used for authentication. By default if another option asks for
    GSS-API; a client also tries it behind its keys wherever the gssapi package is installed."""

    x509_trusted_certs: X509CertsArg = ()
    """X.509 certificates to trust, of authorities or of the other side itself: file names, bytes,
    `SSHX509Certificate`, one or a list of them. A server trusts none by default, a client those in
    `~/.ssh/ca-bundle.crt`; None for none."""

    x509_trusted_cert_paths: X509CertPathsArg = ()
    """Directories of trusted X.509 certificates, in files named by `openssl rehash`. A client looks
    into `~/.ssh/crt` by default; None for none."""

    x509_purposes: X509Purposes = None
    """What X.509 certificates of the other side may be used for: names or object identifiers, one
    or a list of them. By default `secureShellServer` for servers and `secureShellClient` for users;
    None or `any` for any purpose."""

    rekey_bytes: int | str = 1 << 30
    """Bytes sent or received after which new keys are made; a number or text such as `1g`."""

    rekey_seconds: float | str = 3600
    """Seconds after which new keys are made; a number or text such as `1h`."""

    login_timeout: Seconds = 120
    """Seconds from the start of the connection in which authentication has to be finished; 0 or
    None for no limit. On the way there each step may take as long: the keys and their passphrases,
    a PKCS#11 module, what the agent knows, the look-up of the name and the connection of the
    socket, and each host of a tunnel. So a call with the defaults ends, whatever others do not do;
    only a passphrase function that is no coroutine function holds everything."""

    keepalive_interval: Seconds = 0
    """Seconds after which the other side is asked whether it is still there."""

    keepalive_count_max: int = 3
    """Questions without an answer after which the connection counts as dead."""

    window: int = 2 * 1024 * 1024
    """Bytes that the peer may send on a session before they are read."""

    max_pktsize: int = DEFAULT_MAX_PKTSIZE
    """Bytes in one message of a session, at most."""

    encoding: str | None = "utf-8"
    """Encoding of sessions, None for bytes."""

    errors: str = "strict"
    """What to do about errors of `encoding`, as for `bytes.decode`."""

    given: dict[str, object] = _derived()

    configured: frozenset[str] = _derived()

    configuration: ServerConfig | None = _derived()

    algorithms: Algorithms = _derived()

    gss: GSSSettings | None = _derived()

    if not TYPE_CHECKING:  # they know the options by name

        def __init__(self, **kwargs: object) -> None:
            cls = type(self)
            if not kwargs.keys() <= cls.option_set:
                unknown = kwargs.keys() - cls.option_set
                raise TypeError(f"{cls.__name__} has no option {', '.join(sorted(unknown))}")
            self.__dict__.update(kwargs)
            self.__post_init__()

    def __post_init__(self) -> None:
        """Check the values; raises ValueError or TypeError."""
        try:
            parse_purposes(self.x509_purposes)
        except ValueError as exc:
            raise ValueError(f"x509_purposes: {exc}") from None
        given = self.__dict__
        for name, parse in _PARSERS.items():
            if name in given:
                given[name] = parse(name, given[name])
        if "utf8_decode_errors" in given:
            _check_error_handler(self.utf8_decode_errors)
        if not isinstance(self.port, tuple):
            check_port("port", self.port)
        if self.canonicalize_hostname not in ((), False, True, "always"):
            raise ValueError("canonicalize_hostname must be True, False or 'always'")
        if self.keepalive_count_max < 1:
            raise ValueError("keepalive_count_max must be at least 1")
        if given.get("rekey_bytes", 1024) < 1024 or given.get("rekey_seconds", 1) <= 0:
            raise ValueError("rekey_bytes must be 1024 or more and rekey_seconds above 0")
        for name in ("window", "max_pktsize"):
            if not 0 < getattr(self, name) < 1 << 32:
                raise ValueError(f"{name} must be between 1 and 2**32 - 1")
        choices = {name: getattr(self, name, ()) for name in ALGORITHM_OPTIONS}
        self.algorithms = select_algorithms(self.policy, **choices)
        self.gss = self._gss_settings()
        if self.gss is not None and self.gss.kex:
            algorithms = self.algorithms
            names = gss_kex_names(algorithms.policy, algorithms.kex, bool(self.kex_algs))
            self.algorithms = algorithms.replace(kex=names)

    def _gss_settings(self, *, client: bool = False, delegate: bool = False) -> GSSSettings | None:
        return gss_settings(
            client=client,
            host=self.gss_host,
            store=self.gss_store,
            kex=self.gss_kex,
            auth=self.gss_auth,
            delegate=delegate,
            named=self.algorithms.gss,
        )

    def seconds(self, name: str) -> float | None:
        """Return a time option as a number, None for never."""
        value = getattr(self, name)
        return float(value) if value else None

    def __repr__(self) -> str:
        # Only names: values may be passwords and keys.
        return f"<{type(self).__name__} {' '.join(sorted(self.given))}>"


def _check_error_handler(name: str) -> None:
    try:
        b"\xff".decode("utf-8", name)
    except UnicodeDecodeError:
        pass  # which is what `strict` is for
    except (LookupError, TypeError):
        raise ValueError(f"utf8_decode_errors: no way to decode is called {name!r}") from None


def field_names(cls: type[SSHConnectionOptions]) -> tuple[str, ...]:
    """Names of the options of a class."""
    return cls.option_names
