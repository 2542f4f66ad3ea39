"""Options: one field each, checked when they are made, and never ignored."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import ssh_connection.options.base
import ssh_connection.options.client
import ssh_connection.options.server
from ssh_connection import (
    ClientKwargs,
    ServerKwargs,
    SSHClient,
    SSHClientConnectionOptions,
    SSHConnectionOptions,
    SSHServer,
    SSHServerConnectionOptions,
    connect,
    listen,
)
from ssh_connection.options.units import parse_bytes, parse_seconds
from ssh_keys import Status
from ssh_transport import CIPHERS, Policy

CLASSES = (SSHClientConnectionOptions, SSHServerConnectionOptions)


def names(cls: type[SSHConnectionOptions]) -> set[str]:
    """The options of a class."""
    return set(cls.option_names)


@pytest.mark.parametrize(
    ("cls", "function", "keywords"),
    [
        (SSHClientConnectionOptions, connect, ClientKwargs),
        (SSHServerConnectionOptions, listen, ServerKwargs),
    ],
)
def test_functions_take_every_option(
    cls: type[SSHConnectionOptions], function: object, keywords: type
) -> None:
    assert callable(function)
    parameters = set(inspect.signature(function).parameters) - {"kwargs", "tunnel"}
    taken = set(keywords.__annotations__) | (parameters & names(cls))
    missing = names(cls) - taken
    # A parameter of its own, and one of connect_reverse alone.
    assert missing <= {"tunnel", "local_addr"}
    assert set(keywords.__annotations__) <= names(cls)
    assert not set(keywords.__annotations__) & set(inspect.signature(function).parameters)


@pytest.mark.parametrize("keywords", [ClientKwargs, ServerKwargs])
def test_keywords_have_the_types_of_the_fields(keywords: type) -> None:
    cls = SSHClientConnectionOptions if keywords is ClientKwargs else SSHServerConnectionOptions
    types = {**SSHConnectionOptions.__annotations__, **cls.__annotations__}
    for name, hint in keywords.__annotations__.items():
        assert hint.__forward_arg__ == types[name], name


@pytest.mark.parametrize(
    "module",
    [ssh_connection.options.base, ssh_connection.options.client, ssh_connection.options.server],
)
def test_every_option_is_documented_beside_it(module: object) -> None:
    source = inspect.getsource(module)  # type: ignore[arg-type]
    lines = source.split("\n")
    found = 0
    for number, line in enumerate(lines):
        match = re.match(r"    (\w+): .*", line)
        if match and "= _derived()" not in line and "ClassVar" not in line:
            if match[1] in {n for cls in (SSHConnectionOptions, *CLASSES) for n in names(cls)}:
                assert lines[number + 1].strip().startswith('"""'), match[1]
                found += 1
    assert found > 10


# The parameters of create_connection and create_server in the API that we follow; the ones of
# agents and SFTP are added by the package that knows them.
SEED_CLIENT = (
    "tunnel family local_addr known_hosts x509_trusted_certs x509_trusted_cert_paths x509_purposes "
    "username password client_keys passphrase gss_host gss_delegate_creds client_version kex_algs "
    "encryption_algs mac_algs compression_algs signature_algs rekey_bytes rekey_seconds"
)
SEED_SERVER = (
    "family server_host_keys passphrase authorized_client_keys x509_trusted_certs "
    "x509_trusted_cert_paths x509_purposes gss_host allow_pty line_editor line_history "
    "x11_forwarding x11_auth_path process_factory session_factory session_encoding window "
    "max_pktsize server_version kex_algs encryption_algs mac_algs compression_algs signature_algs "
    "rekey_bytes rekey_seconds login_timeout"
)


@pytest.mark.parametrize(
    ("cls", "seed"),
    [(SSHClientConnectionOptions, SEED_CLIENT), (SSHServerConnectionOptions, SEED_SERVER)],
)
def test_options_of_the_seed_are_known(cls: type[SSHConnectionOptions], seed: str) -> None:
    assert set(seed.split()) - names(cls) == set()


@pytest.mark.parametrize("cls", CLASSES)
def test_unknown_options(cls: Any) -> None:
    with pytest.raises(TypeError):
        cls(no_such_option=1)


# --- Putting options together ----------------------------------------------------------------


def test_options_on_top_of_options() -> None:
    base = SSHClientConnectionOptions(username="me", password="secret", port=2222)
    same = SSHClientConnectionOptions(options=base)
    assert (same.username, same.password, same.port) == ("me", "secret", 2222)
    # A value that is the default is a value.
    changed = SSHClientConnectionOptions(options=base, password=None, port=22)
    assert (changed.username, changed.password, changed.port) == ("me", None, 22)
    assert base.password == "secret"
    with pytest.raises(TypeError):
        SSHClientConnectionOptions(options={"username": "me"})  # type: ignore[arg-type]


def test_subclass_adds_options_and_wiring() -> None:
    class More(SSHClientConnectionOptions):
        agent_path: str | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.agent_path:
                self.host_key_alias = self.agent_path

    base = More(agent_path="/a", username="me")
    more = More(options=base, port=1)
    assert (more.agent_path, more.host_key_alias, more.username, more.port) == ("/a", "/a", "me", 1)
    # Options that a class does not have are left behind.
    plain = SSHClientConnectionOptions(options=base)
    assert plain.username == "me"
    assert plain.host_key_alias == ()


def test_secrets_are_not_shown() -> None:
    options = SSHClientConnectionOptions(password="hunter2", passphrase="hunter3", username="me")
    assert "hunter" not in repr(options)
    assert "password" in repr(options)


# --- Values ----------------------------------------------------------------------------------


def test_algorithms() -> None:
    default = SSHClientConnectionOptions().algorithms
    assert default.ciphers == CIPHERS.names(Status.DEFAULT)
    text = "aes256-ctr,aes128-ctr"
    names: list[str | bytes] = ["aes256-ctr", b"aes128-ctr"]
    for choice in (text, text.encode(), names):
        options = SSHServerConnectionOptions(encryption_algs=choice)
        assert options.algorithms.ciphers == (b"aes256-ctr", b"aes128-ctr")
    options = SSHServerConnectionOptions(encryption_algs="^aes256-ctr")
    assert options.algorithms.ciphers[0] == b"aes256-ctr"
    options = SSHServerConnectionOptions(encryption_algs="-aes*")
    assert all(not name.startswith(b"aes") for name in options.algorithms.ciphers)
    options = SSHServerConnectionOptions(signature_algs="+ssh-rsa")
    assert options.algorithms.signatures[-1] == b"ssh-rsa"
    assert b"ssh-rsa" not in default.signatures


@pytest.mark.parametrize(
    "option", ["kex_algs", "encryption_algs", "mac_algs", "compression_algs", "signature_algs"]
)
@pytest.mark.parametrize("value", [["nothing\n"], "nothing", "-*"])
def test_wrong_algorithms(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{option}: ") as caught:
        SSHClientConnectionOptions(**{option: value})  # type: ignore[arg-type]
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"rekey_bytes": 1},
        {"rekey_bytes": "1x"},
        {"rekey_seconds": 0},
        {"rekey_seconds": "soon"},
        {"login_timeout": -1},
        {"login_timeout": float("nan")},
        {"keepalive_interval": "1 hour"},
        {"keepalive_count_max": 0},
        {"window": 0},
        {"window": 1 << 32},
        {"max_pktsize": 0},
    ],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_values_out_of_range(cls: type[SSHConnectionOptions], kwargs: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        cls(**kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"max_startups": (0, 1, 2)},
        {"max_startups": (3, 1, 2)},
        {"max_startups": (1, 101, 2)},
        {"max_sessions": 0},
        {"max_auth_tries": 0},
        {"auth_methods": "telepathy"},
        {"auth_methods": "password", "password_auth": False},
    ],
)
def test_values_of_a_server_out_of_range(kwargs: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        SSHServerConnectionOptions(**kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\nb", "a\0", "\x1b[2J"])
@pytest.mark.parametrize("option", ["host", "username"])
def test_names_with_control_characters(option: str, name: str) -> None:
    with pytest.raises(ValueError, match=option):
        SSHClientConnectionOptions(**{option: name})  # type: ignore[arg-type]


def test_authentication_methods() -> None:
    options = SSHClientConnectionOptions(preferred_auth="password, publickey, telepathy")
    assert options.methods == (b"password", b"publickey")
    options = SSHClientConnectionOptions(preferred_auth=["password"], password_auth=False)
    assert options.methods == ()
    server = SSHServerConnectionOptions(auth_methods="publickey,password keyboard-interactive")
    assert server.required_methods == ((b"publickey", b"password"), (b"keyboard-interactive",))
    assert SSHServerConnectionOptions(max_startups=5).max_startups == (5, 100, 5)
    assert SSHServerConnectionOptions(session_encoding=None).encoding is None


@pytest.mark.parametrize(
    ("text", "value"), [(5, 5), ("5", 5), ("5k", 5120), ("1G", 1 << 30), ("2t", 2 << 40)]
)
def test_sizes(text: int | str, value: int) -> None:
    assert parse_bytes("size", text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, 0),
        (1.5, 1.5),
        ("90", 90),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("1d", 86400),
        ("1W", 604800),
    ],
)
def test_times(text: float | str | None, value: float) -> None:
    assert parse_seconds("time", text) == value


@pytest.mark.parametrize("text", ["", "-1", "1y", "h", "1 m"])
def test_malformed_times(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_seconds("time", text)


# --- Callback classes ------------------------------------------------------------------------


def test_callback_classes_allow_nothing_by_themselves() -> None:
    server = SSHServer()
    assert server.begin_auth("x") is True
    for name in ("public_key", "password"):
        assert getattr(server, f"{name}_auth_supported")() is False
    assert server.kbdint_auth_supported() is NotImplemented
    assert server.session_requested() is False
    assert server.connection_requested("", 0, "", 0) is False
    assert server.unix_connection_requested("") is False
    assert server.server_requested("", 0) is False
    assert server.unix_server_requested("") is False
    client = SSHClient()
    assert client.public_key_auth_requested() is None
    assert client.password_auth_requested() is None
    assert client.kbdint_auth_requested() is None


@pytest.mark.parametrize("cls", [SSHClient, SSHServer])
def test_callback_classes_have_the_methods_of_the_api(cls: type) -> None:
    text = (Path(__file__).parent / "data" / "callbacks.txt").read_text()
    wanted = {line.split(".")[1] for line in text.split() if line.startswith(cls.__name__ + ".")}
    assert wanted
    has = {name for name in vars(cls) if not name.startswith("_")}
    assert wanted <= has


def test_hints_of_the_callback_classes_resolve() -> None:
    assert get_type_hints(SSHClient.validate_host_public_key)["return"] is bool


# --- Policies --------------------------------------------------------------------------------


def test_policy_chooses_what_the_options_do_not() -> None:
    fips = Policy.named("fips")
    options = SSHServerConnectionOptions(policy="fips", mac_algs="-*-etm@openssh.com")
    chosen = options.algorithms
    assert chosen.policy is fips
    assert (chosen.kex, chosen.ciphers) == (fips.kex_algorithms, fips.ciphers)
    assert chosen.macs == tuple(name for name in fips.macs if b"etm" not in name)
    assert chosen.signatures == chosen.own_signatures == chosen.ca_signatures
    assert b"ssh-ed25519" not in chosen.signatures + chosen.host_keys + chosen.own_host_keys
    assert b"ecdsa-sha2-nistp256-cert-v01@openssh.com" in chosen.own_host_keys
    own = fips.select(ciphers="aes256-ctr")
    assert SSHClientConnectionOptions(policy=own).algorithms.ciphers == (b"aes256-ctr",)
    # A prefix refers to the policy.
    more = SSHClientConnectionOptions(policy="fips", encryption_algs="+aes256-cbc").algorithms
    assert more.ciphers == (*fips.ciphers, b"aes256-cbc")


def test_policy_by_default() -> None:
    default = SSHClientConnectionOptions().algorithms
    modern = SSHClientConnectionOptions(policy="modern").algorithms
    assert default.policy is modern.policy
    assert (default.kex, default.ciphers, default.host_keys) == (
        modern.kex,
        modern.ciphers,
        modern.host_keys,
    )
    # Keys of our own and authorities that we name may be of a rare type, unless a preset is named.
    assert b"ssh-ed448" in default.own_signatures
    assert b"ssh-ed448" in default.ca_signatures
    assert b"ssh-ed448" in default.own_host_keys
    assert b"ssh-ed448" not in modern.own_signatures + modern.ca_signatures + modern.own_host_keys
    chosen = SSHClientConnectionOptions(signature_algs="ssh-ed25519").algorithms
    assert chosen.own_signatures == (b"ssh-ed25519",)
    # RSA keys are no rare type: their rare names have to be chosen.
    name = b"ssh-rsa-sha256@ssh.com"
    assert name not in default.own_signatures + default.ca_signatures + default.own_host_keys
    chosen = SSHClientConnectionOptions(signature_algs=f"+{name.decode()}").algorithms
    assert name in chosen.own_signatures
    for algorithms in (default, modern):
        everything = algorithms.own_host_keys + algorithms.ca_signatures + algorithms.signatures
        assert b"ssh-rsa" not in everything
        assert b"ssh-dss" not in everything


def test_policy_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"^policy: no policy is named 'none'"):
        SSHClientConnectionOptions(policy="none")
    with pytest.raises(ValueError, match=r"^ca_signature_algs: "):
        SSHClientConnectionOptions(ca_signature_algs="nothing")


@pytest.mark.parametrize("port", [-1, 65536])
def test_impossible_ports(port: int) -> None:
    for options in (SSHClientConnectionOptions, SSHServerConnectionOptions):
        with pytest.raises(ValueError, match="port must be between 0 and 65535"):
            options(port=port)
        with pytest.raises(TypeError, match="port must be a number"):
            options(port="22")  # type: ignore[arg-type]


def test_defaults_of_an_own_class_may_have_units() -> None:
    class Patient(SSHClientConnectionOptions):
        rekey_bytes: int | str = "1m"
        login_timeout: float | str | None = "2m"

    assert Patient().rekey_bytes == 1 << 20
    assert Patient().seconds("login_timeout") == 120
    assert Patient(login_timeout="1m").seconds("login_timeout") == 60
