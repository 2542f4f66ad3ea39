"""Host-based authentication (RFC 4252 section 9): both roles, and clients that cheat."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import PermissionDenied, SSHAcceptor, SSHServerConnection, connect
from ssh_connection.connection import keysign as keysign_module
from ssh_connection.connection.client_hosts import resolve_host
from ssh_connection.messages.userauth import HostbasedRequest, UserauthFailure
from ssh_connection.userauth.hostbased import signed_data
from ssh_keys import (
    PacketDecodeError,
    SSHAuthorizedKeys,
    SSHKey,
    SSHLocalKeyPair,
    generate_private_key,
)

from ..processes import Family
from .auth_pair import SESSION_ID, Policy
from .auth_pair import Server as Driver
from .loopback import (
    HOST,
    HOST_KEY_ECDSA,
    OTHER_KEY,
    RSA_KEY,
    USER_KEY,
    Server,
    client,
    client_options,
    server_side,
    serving,
)

CLIENT_HOST = generate_private_key("ssh-ed25519")
CA = generate_private_key("ssh-ed25519")
NAME = "client.example.org"


def line(key: SSHKey, names: str = NAME, marker: str = "") -> bytes:
    """A line of a known_hosts file."""
    return f"{marker} {names} ".lstrip().encode() + key.export_public_key()


KNOWN = line(CLIENT_HOST)


def vouched(**kwargs: Any) -> Any:
    """Options of a client whose host vouches for `user`."""
    return {
        "client_host_keys": [CLIENT_HOST],
        "client_host": NAME,
        "client_username": "user",
        **kwargs,
    }


def hosts(known: Any = KNOWN, **kwargs: Any) -> Any:
    """Options of a server that knows client hosts."""
    return {"known_client_hosts": known, "trust_client_host": True, **kwargs}


async def is_let_in(of_server: Any, of_client: Any) -> bool:
    async with serving(**of_server) as server:
        try:
            async with await client(server, **of_client):
                return True
        except PermissionDenied:
            return False


# --- Both roles ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [CLIENT_HOST, RSA_KEY], ids=["ed25519", "rsa"])
async def test_known_host(key: SSHKey) -> None:
    of_client = vouched(client_host_keys=[OTHER_KEY, key])
    async with serving(**hosts(line(key))) as server, await client(server, **of_client) as conn:
        assert conn.get_extra_info("username") == "user"
        assert (await conn.run("x", input="")).exit_status == 7
        assert server_side(server).check_key_permission("pty")


async def test_host_key_with_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "host"
    CLIENT_HOST.write_private_key(path, passphrase="secret", rounds=1)
    asked: list[str] = []

    async def passphrase(filename: str) -> str:
        asked.append(filename)
        return "secret"

    named = vouched(client_host_keys=[path], passphrase=passphrase)
    async with serving(**hosts()) as server, await client(server, **named) as conn:
        assert conn.get_extra_info("username") == "user"
    assert asked == [str(path)]


@pytest.mark.parametrize(
    ("of_server", "of_client"),
    [
        ({}, {"client_host": "other.example.org"}),
        ({}, {"client_host_keys": [OTHER_KEY]}),
        ({}, {"client_username": "other"}),
        ({}, {"username": "other"}),
        ({"host_based_auth": False}, {}),
        ({}, {"host_based_auth": False}),
        ({}, {"client_host_keys": None}),
        ({"known_client_hosts": None}, {}),
        ({"known_client_hosts": b""}, {}),
        ({"known_client_hosts": ()}, {}),
        ({"known_client_hosts": KNOWN + line(CLIENT_HOST, "*", "@revoked")}, {}),
        ({"known_client_hosts": line(OTHER_KEY)}, {}),
        # A line for the address says nothing about the name that a client sends.
        ({"known_client_hosts": line(CLIENT_HOST, HOST)}, {}),
        ({"signature_algs": "rsa-sha2-512"}, {}),
    ],
    ids=str,
)
async def test_refused(of_server: dict[str, Any], of_client: dict[str, Any]) -> None:
    assert await is_let_in(hosts(), vouched())
    assert not await is_let_in(hosts(**of_server), vouched(**of_client))


@pytest.mark.parametrize(
    ("names", "good"), [([NAME], True), (["*.example.org"], True), (["other"], False)]
)
async def test_certificate_of_a_client_host(names: list[str], good: bool) -> None:
    cert = CA.generate_host_certificate(CLIENT_HOST, "host", principals=names)
    of_client = vouched(client_host_certs=[cert])
    known = line(CA, "*.example.org", "@cert-authority")
    assert await is_let_in(hosts(known), of_client) is good


async def test_user_certificate_of_a_client_host() -> None:
    cert = CA.generate_user_certificate(CLIENT_HOST, "user", principals=[NAME])
    known = line(CA, "*", "@cert-authority")
    assert not await is_let_in(hosts(known), vouched(client_host_certs=[cert]))


async def test_x509_certificate_of_a_client_host() -> None:
    """The X.509 certificates that a server trusts are trusted for users, not for their hosts."""
    root = generate_private_key("ecdsa-sha2-nistp256")
    ca = root.generate_x509_ca_certificate(root, "CN=authority")
    cert = root.generate_x509_host_certificate(
        HOST_KEY_ECDSA, f"CN={NAME}", "CN=authority", principals=[NAME], purposes=None
    )
    of_client = vouched(client_host_keys=[SSHLocalKeyPair(HOST_KEY_ECDSA, cert)])
    of_server = hosts(([], [], [], [ca], [], [], []), x509_trusted_certs=[ca], x509_purposes="any")
    assert not await is_let_in(of_server, of_client)


async def test_host_comes_before_keys_and_needs_no_password() -> None:
    async with serving(**hosts()) as server:
        async with await client(server, **vouched(), password="wrong", client_keys=[OTHER_KEY]):
            pass
        # Where the host is not known, the others are tried.
        of_client = vouched(client_host_keys=[OTHER_KEY], password="secret")
        async with await client(server, **of_client):
            pass


async def test_two_factors() -> None:
    authorized = SSHAuthorizedKeys(USER_KEY.export_public_key() + CLIENT_HOST.export_public_key())
    of_server = hosts(authorized_client_keys=authorized, auth_methods="hostbased,publickey")
    assert await is_let_in(of_server, vouched(client_keys=[USER_KEY]))
    assert not await is_let_in(of_server, vouched())
    assert not await is_let_in(of_server, {"client_keys": [USER_KEY]})
    # One key can not be both.
    assert not await is_let_in(of_server, vouched(client_keys=[CLIENT_HOST]))


class Callbacks(Server):
    """Decides about hosts itself."""

    asked: list[tuple[object, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def host_based_auth_supported(self) -> bool:
        return True

    def validate_host_public_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        self.asked.append(("key", client_host, client_addr, key))
        return key == CLIENT_HOST.convert_to_public()

    def validate_host_ca_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        assert client_port > 0
        self.asked.append(("ca", client_host, client_addr, key))
        return key == CA.convert_to_public()

    async def validate_host_based_user(
        self, username: str, client_host: str, client_username: str
    ) -> bool:
        await asyncio.sleep(0)
        self.asked.append(("user", username, client_host, client_username))
        return (username, client_username) == ("user", "someone")


def asked_by(server: SSHAcceptor[SSHServerConnection]) -> list[tuple[object, ...]]:
    """What the only connection was asked."""
    made = server_side(server).owner
    assert isinstance(made, Callbacks)
    return made.asked


async def test_callbacks() -> None:
    cert = CA.generate_host_certificate(OTHER_KEY, "host", principals=[NAME])
    of_server = hosts(None, server_factory=Callbacks)
    async with serving(**of_server) as server:
        async with await client(server, **vouched(client_username="someone")):
            asked = asked_by(server)
            key = CLIENT_HOST.convert_to_public()
            assert asked == [("key", NAME, HOST, key), ("user", "user", NAME, "someone")]
        of_client = vouched(client_username="someone", client_host_keys=[(OTHER_KEY, cert)])
        async with await client(server, **of_client):
            asked = asked_by(server)
            assert asked[0] == ("ca", NAME, HOST, CA.convert_to_public())
        with pytest.raises(PermissionDenied):
            await client(server, **vouched())
        of_client = vouched(client_username="someone", client_host_keys=[OTHER_KEY])
        with pytest.raises(PermissionDenied):
            await client(server, **of_client)


# --- The name of the host --------------------------------------------------------------------


async def test_name_of_the_client_is_not_believed_by_default() -> None:
    resolved = await resolve_host(HOST)
    known = line(CLIENT_HOST, resolved)
    of_server = hosts(known, trust_client_host=False)
    assert await is_let_in(of_server, vouched(client_host="somewhere.else"))
    of_server = hosts(trust_client_host=False)
    assert not await is_let_in(of_server, vouched())


async def test_default_name_of_a_client() -> None:
    known = line(CLIENT_HOST, await resolve_host(HOST))
    assert await is_let_in(hosts(known), vouched(client_host=None))


class Resolver:
    """A name service with one name for every address."""

    def __init__(self, name: str, addresses: list[str]) -> None:
        self.name = name
        self.addresses = addresses

    async def getnameinfo(self, address: object, flags: int) -> tuple[str, str]:
        if not self.name:
            raise OSError("no name")
        return self.name, "0"

    async def getaddrinfo(self, name: str, port: object, **kwargs: object) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in self.addresses]


@pytest.mark.parametrize(
    ("name", "addresses", "expected"),
    [
        ("Host.Example.org.", ["192.0.2.1"], "host.example.org"),
        ("host", ["192.0.2.9", "::ffff:192.0.2.1"], "host"),
        # Whoever has the address can claim any name.
        ("bank.example.org", ["192.0.2.9"], "192.0.2.1"),
        ("bank.example.org", [], "192.0.2.1"),
        ("198.51.100.1", ["192.0.2.1"], "192.0.2.1"),
        ("", [], "192.0.2.1"),
    ],
)
async def test_resolve_host(
    monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str], expected: str
) -> None:
    resolver = Resolver(name, addresses)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: resolver)
    assert await resolve_host("192.0.2.1") == expected


@pytest.mark.parametrize("lookup", [False, True])
async def test_names_in_authorized_keys(lookup: bool) -> None:
    name = await resolve_host(HOST)
    if name == HOST:
        pytest.skip("the loopback address has no name here")
    text = f'from="{name}" '.encode() + USER_KEY.export_public_key()
    cert_text = f'cert-authority,from="{name}" '.encode() + CA.export_public_key()
    cert = CA.generate_user_certificate(OTHER_KEY, "x", principals=["user"])
    async with serving(
        authorized_client_keys=SSHAuthorizedKeys(text + cert_text), rdns_lookup=lookup
    ) as server:
        for keys in ([USER_KEY], [SSHLocalKeyPair(OTHER_KEY, cert)]):
            try:
                async with await client(server, client_keys=keys):
                    assert lookup
            except PermissionDenied:
                assert not lookup


# --- Options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kwargs",
    [
        {"client_host": "müller.example.org"},
        {"client_host": "a\nb"},
        {"client_username": "a\0b"},
        {"client_host_keysign": "/nonexistent/ssh-keysign"},
    ],
)
async def test_options_that_can_not_be(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        await is_let_in(hosts(), vouched(**kwargs))


# --- ssh-keysign -----------------------------------------------------------------------------

KEYSIGN = """#!{python}
import os, stat, struct, sys
data = sys.stdin.buffer.read()
length, version, number, size = struct.unpack(">IBII", data[:13])
assert length == len(data) - 4 and version == 2 and size == len(data) - 13
assert stat.S_ISSOCK(os.fstat(number).st_mode)
sys.path[:0] = {path!r}
from ssh_keys import read_private_key
key = read_private_key({key!r})
signature = key.sign(data[13:])
body = {answer}
sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
"""


def keysign(
    folder: Path, answer: str = "b'\\2' + struct.pack('>I', len(signature)) + signature"
) -> str:
    """A program that answers as ssh-keysign does."""
    CLIENT_HOST.write_private_key(folder / "host")
    program = folder / "ssh-keysign"
    key = str(folder / "host")
    program.write_text(KEYSIGN.format(python=sys.executable, path=sys.path, key=key, answer=answer))
    program.chmod(stat.S_IRWXU)
    return str(program)


async def test_keysign(tmp_path: Path) -> None:
    public = CLIENT_HOST.convert_to_public()
    of_client = vouched(client_host_keysign=keysign(tmp_path), client_host_keys=[public])
    assert await is_let_in(hosts(), of_client)


@pytest.mark.parametrize(
    "answer",
    [
        "b''",
        "b'\\2'",
        "b'\\1' + struct.pack('>I', len(signature)) + signature",
        "b'\\2' + struct.pack('>I', 15) + b'\\0\\0\\0\\x0bssh-ed25520'",
        "b'\\2' + struct.pack('>I', 1 << 31) + signature",
        "sys.exit(1)",
        "bytes(1 << 20)",
    ],
)
async def test_keysign_that_fails(tmp_path: Path, answer: str) -> None:
    public = CLIENT_HOST.convert_to_public()
    of_client = vouched(client_host_keysign=keysign(tmp_path, answer), client_host_keys=[public])
    assert not await is_let_in(hosts(), of_client)


async def test_keysign_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysign_module, "_TIMEOUT", 0.2)
    program = tmp_path / "slow"
    family = Family(tmp_path / "fifo")
    program.write_text(f"#!/bin/sh\n{family.command}\n")
    program.chmod(stat.S_IRWXU)
    public = CLIENT_HOST.convert_to_public()
    of_client = vouched(client_host_keysign=program, client_host_keys=[public])
    assert not await is_let_in(hosts(), of_client)
    family.wait_gone()


def test_where_keysign_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysign_module, "_PLACES", (str(tmp_path / "no"), str(tmp_path)))
    with pytest.raises(ValueError, match="not installed"):
        keysign_module.find_keysign(True)
    program = tmp_path / "ssh-keysign"
    program.write_text("")
    with pytest.raises(ValueError, match="can not be run"):
        keysign_module.find_keysign(program)
    program.chmod(stat.S_IRWXU)
    assert keysign_module.find_keysign(True) == str(program)


def test_host_keys_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysign_module, "_FOLDER", str(tmp_path))
    CLIENT_HOST.write_public_key(tmp_path / "ssh_host_ed25519_key.pub")
    RSA_KEY.write_public_key(tmp_path / "ssh_host_rsa_key.pub")
    OTHER_KEY.write_public_key(tmp_path / "something_else.pub")
    (tmp_path / "ssh_host_new_key.pub").write_text("ssh-new AAAA\n")
    pairs = keysign_module.load_keysign_keys("ssh-keysign", None, lambda: 3)
    assert [pair.public_data for pair in pairs] == [CLIENT_HOST.public_data, RSA_KEY.public_data]
    assert {pair.get_key_type() for pair in pairs} == {"keysign"}


async def test_keysign_through_a_tunnel(tmp_path: Path) -> None:
    """It wants to see the socket, which a connection through another one does not have."""
    public = CLIENT_HOST.convert_to_public()
    of_client = vouched(client_host_keysign=keysign(tmp_path), client_host_keys=[public])
    async with (
        serving(**hosts()) as server,
        await client(server, password="secret") as outer,
    ):
        port = server.get_port()
        with pytest.raises(PermissionDenied):
            await connect(HOST, port, tunnel=outer, **client_options(port, of_client))
        # The name of the host is that of the machine, without an address to look up.
        known: Any = {"password": "secret", "client_host": None}
        inner = vouched(client_host_keys=[OTHER_KEY], **known)
        async with connect(HOST, port, tunnel=outer, **client_options(port, inner)) as conn:
            assert conn.get_extra_info("username") == "user"


# --- Clients that cheat ----------------------------------------------------------------------


def driver() -> Driver:
    return Driver(Policy((b"hostbased",), keys={CLIENT_HOST.convert_to_public(): {}}))


def request(**changes: Any) -> bytes:
    """Method data with a good signature, unless a change makes it bad."""
    values = {
        "session_id": SESSION_ID,
        "user": "user",
        "algorithm": b"ssh-ed25519",
        "blob": CLIENT_HOST.public_data,
        "host": NAME.encode() + b".",
        "client_user": "user",
        "signer": CLIENT_HOST,
        **changes,
    }
    signer = values.pop("signer")
    signature = signer.sign(signed_data(**values))
    sent = {**values, **changes.get("sent", {})}
    return HostbasedRequest(
        sent["algorithm"], sent["blob"], sent["host"], sent["client_user"], signature
    ).encode()


def is_failure(answers: list[bytes]) -> bool:
    (answer,) = answers
    return not UserauthFailure.decode(answer, 1).partial_success


def test_order_of_the_questions() -> None:
    server = driver()
    server.request(b"hostbased", request())
    assert server.success == ("user", {})
    policy = server.auth._policy
    assert isinstance(policy, Policy)
    assert policy.calls[1:3] == [
        ("host", NAME, CLIENT_HOST.public_data),
        ("host user", "user", NAME, "user"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"session_id": b"another session"},
        {"user": "root"},
        {"signer": OTHER_KEY},
        {"blob": OTHER_KEY.public_data, "signer": OTHER_KEY},
        {"algorithm": b"ssh-dss"},
        {"algorithm": b"ecdsa-sha2-nistp256"},
        {"algorithm": b"nonsense"},
        {"host": b""},
        {"host": b"."},
        {"host": b"a" * 300},
        {"host": b"a\nb"},
        {"host": b"a,b"},
        {"host": b"*"},
        {"host": b"[client.example.org]:22"},
        {"host": b"client.example.org/24"},
        {"client_user": "user\0"},
        {"host": b"\xff.example.org"},
        {"client_user": "u" * 2000},
        {"client_user": "root"},
    ],
    ids=str,
)
def test_requests_that_are_refused(changes: dict[str, Any]) -> None:
    server = driver()
    assert is_failure(server.request(b"hostbased", request(**changes)))
    assert server.success is None


@pytest.mark.parametrize("field", ["host", "client_user", "algorithm"])
def test_signature_covers_every_field(field: str) -> None:
    other = {"host": b"other.example.org.", "client_user": "other", "algorithm": b"x"}[field]
    values: dict[str, Any] = {
        "session_id": SESSION_ID,
        "user": "user",
        "algorithm": b"ssh-ed25519",
        "blob": CLIENT_HOST.public_data,
        "host": NAME.encode(),
        "client_user": "user",
    }
    signature = CLIENT_HOST.sign(signed_data(**{**values, field: other}))
    data = HostbasedRequest(
        values["algorithm"], values["blob"], values["host"], values["client_user"], signature
    ).encode()
    server = driver()
    assert is_failure(server.request(b"hostbased", data))
    policy = server.auth._policy
    assert isinstance(policy, Policy)
    # The application is not asked about what nobody has signed.
    assert not [call for call in policy.calls if call[0] == "host user"]


def test_signature_for_another_method() -> None:
    from ssh_connection.userauth.publickey import signed_data as publickey_data

    blob = CLIENT_HOST.public_data
    signature = CLIENT_HOST.sign(publickey_data(SESSION_ID, "user", b"ssh-ed25519", blob))
    data = HostbasedRequest(b"ssh-ed25519", blob, NAME.encode(), "user", signature).encode()
    assert is_failure(driver().request(b"hostbased", data))


def test_malformed_request() -> None:
    for data in (b"", request()[:-1], request() + b"\0"):
        server = driver()
        server.request(b"hostbased", data)
        assert server.transport.error is not None
        assert server.success is None
        with pytest.raises(PacketDecodeError):
            HostbasedRequest.decode(data)
