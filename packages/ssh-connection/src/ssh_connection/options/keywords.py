"""The keywords of `connect`, `listen` and their like, for type checkers.

Each is a field of an options class; `tests/connection/test_options.py` holds both together. The
exceptions are the parameters that these functions name themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from ssh_keys import (
    CertListArg,
    KeyListArg,
    KeyPairListArg,
    KnownHostsArg,
    Passphrase,
    X509CertPathsArg,
    X509CertsArg,
    X509Purposes,
)

from ..protocols import AgentForwarder, ExecInterceptor, KeyPairSource, SubsystemFactory
from .algorithms import AlgorithmsArg, PolicyArg
from .base import ProxyCommandArg, RevokedKeysArg, Seconds
from .client import HostKeysHandler, PasswordArg
from .gss import GSSHostArg
from .server import AuthorizedKeysArg

if TYPE_CHECKING:
    from ..channel.session_client import TermSize
    from ..client import SSHClient
    from ..server import ProcessHandler, SSHServer, StreamHandler

__all__ = [
    "ClientKwargs",
    "CommonKwargs",
    "CreateConnectionKwargs",
    "CreateServerKwargs",
    "ServerKwargs",
]


class CommonKwargs(TypedDict, total=False):
    """Keywords of clients and servers."""

    reload: bool
    proxy_command: ProxyCommandArg
    canonicalize_hostname: bool | Literal["always"] | tuple[()]
    canonical_domains: Sequence[str]
    canonicalize_fallback_local: bool
    canonicalize_max_dots: int
    canonicalize_permitted_cnames: Sequence[tuple[str, str]]
    connect_timeout: Seconds
    tcp_keepalive: bool
    utf8_decode_errors: str
    policy: PolicyArg
    kex_algs: AlgorithmsArg
    encryption_algs: AlgorithmsArg
    mac_algs: AlgorithmsArg
    compression_algs: AlgorithmsArg
    signature_algs: AlgorithmsArg
    ca_signature_algs: AlgorithmsArg
    revoked_keys: RevokedKeysArg
    host_based_auth: bool
    public_key_auth: bool
    kbdint_auth: bool
    password_auth: bool
    gss_host: GSSHostArg
    gss_store: Mapping[str, str] | None
    gss_kex: bool | tuple[()]
    gss_auth: bool | tuple[()]
    x509_trusted_certs: X509CertsArg
    x509_trusted_cert_paths: X509CertPathsArg
    x509_purposes: X509Purposes
    rekey_bytes: int | str
    rekey_seconds: float | str
    login_timeout: Seconds
    keepalive_interval: Seconds
    keepalive_count_max: int
    window: int
    max_pktsize: int
    encoding: str | None
    errors: str


class CreateConnectionKwargs(CommonKwargs, total=False):
    """Keywords of `create_connection`: fields of `SSHClientConnectionOptions`."""

    client_version: str | bytes | tuple[()]
    known_hosts: KnownHostsArg | tuple[()] | None
    host_key_alias: str | tuple[()] | None
    server_host_key_algs: AlgorithmsArg
    canonical: bool
    final: bool
    server_host_keys_handler: HostKeysHandler | None
    username: str | tuple[()] | None
    password: PasswordArg
    client_host_keysign: bool | str | Path
    client_host_keys: KeyPairListArg | KeyListArg | None
    client_host_certs: CertListArg
    client_host: str | None
    client_username: str | tuple[()]
    client_keys: KeyPairListArg | tuple[()] | None
    client_certs: CertListArg
    passphrase: Passphrase
    ignore_encrypted: bool | tuple[()]
    pkcs11_provider: str | Path | tuple[()] | None
    pkcs11_pin: str | Callable[[str], str | None] | None
    key_sources: tuple[KeyPairSource, ...]
    agent_forwarder: AgentForwarder | None
    gss_delegate_creds: bool | tuple[()]
    preferred_auth: str | Sequence[str] | tuple[()]
    disable_trivial_auth: bool
    command: str | None
    subsystem: str | None
    env: Mapping[str, str] | Sequence[str] | None
    send_env: Sequence[str] | None
    request_pty: bool | Literal["force", "auto"]
    term_type: str | None
    term_size: TermSize | None
    term_modes: Mapping[int, int] | None
    x11_forwarding: bool | Literal["ignore_failure"]
    x11_display: str | None
    x11_auth_path: str | Path | None
    x11_single_connection: bool


class CreateServerKwargs(CommonKwargs, total=False):
    """Keywords of `create_server`: fields of `SSHServerConnectionOptions`."""

    accept_addr: str
    accept_port: int
    username: str
    client_host: str
    client_addr: str
    server_version: str | bytes | tuple[()]
    server_host_keys: KeyPairListArg | tuple[()] | None
    server_host_certs: CertListArg
    send_server_host_keys: bool
    passphrase: Passphrase
    server_host_key_algs: AlgorithmsArg
    moduli: str | Path | None
    authorized_client_keys: AuthorizedKeysArg
    known_client_hosts: KnownHostsArg | None
    trust_client_host: bool
    rdns_lookup: bool
    auth_methods: str | Sequence[str]
    max_auth_tries: int
    max_auth_requests: int
    auth_fail_delay: float
    allow_pty: bool
    line_editor: bool
    line_echo: bool
    line_history: int
    max_line_length: int
    x11_forwarding: bool
    x11_auth_path: str | Path | None
    agent_forwarding: bool
    process_factory: ProcessHandler | None
    session_factory: StreamHandler | None
    session_encoding: str | tuple[()] | None
    subsystems: Mapping[str, SubsystemFactory] | None
    exec_interceptors: tuple[ExecInterceptor, ...]
    max_sessions: int
    max_channels: int
    max_listeners: int
    max_startups: tuple[int, int, int] | int
    idle_timeout: Seconds


class ClientKwargs(CreateConnectionKwargs, total=False):
    """Keywords of `connect`: fields of `SSHClientConnectionOptions`."""

    client_factory: Callable[[], SSHClient] | None


class ServerKwargs(CreateServerKwargs, total=False):
    """Keywords of `listen`: fields of `SSHServerConnectionOptions`."""

    server_factory: Callable[[], SSHServer] | None
