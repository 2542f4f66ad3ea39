"""User certificates on a server: whom they let in, and what they and their lines restrict."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from nacl.bindings import crypto_sign

from ssh_connection import (
    ChannelListenError,
    ChannelOpenError,
    PermissionDenied,
    SSHClientConnection,
)
from ssh_connection.messages.userauth import PublicKeyQuery, PublicKeyRequest, UserauthFailure
from ssh_connection.userauth.options import KeyGrant
from ssh_connection.userauth.publickey import signed_data
from ssh_keys import (
    SSHAuthorizedKeys,
    SSHKey,
    SSHKeyPair,
    SSHLocalKeyPair,
    SSHOpenSSHCertificate,
    generate_private_key,
)
from ssh_keys.sk import ED25519 as SK_ED25519
from ssh_keys.sk import SKEd25519Key
from ssh_keys.wire import encode_string, encode_uint32

from .auth_pair import SESSION_ID, Policy
from .auth_pair import Server as Driver
from .loopback import HOST, OTHER_KEY, RSA_KEY, USER_KEY, Server, client, server_side, serving

CA = generate_private_key("ssh-ed25519")
OTHER_CA = generate_private_key("ssh-ed25519")
ED25519_CERT = b"ssh-ed25519-cert-v01@openssh.com"


def certificate(ca: SSHKey = CA, key: SSHKey = USER_KEY, **kwargs: Any) -> SSHOpenSSHCertificate:
    """A certificate of `user`, unless told otherwise."""
    return ca.generate_user_certificate(key, "id", **{"principals": ["user"], **kwargs})


def authority(*options: str, ca: SSHKey = CA) -> SSHAuthorizedKeys:
    """Authorized keys with one line for an authority for each of the options."""
    text = ca.export_public_key().decode()
    lines = (f"cert-authority{',' if each else ''}{each} {text}" for each in options or ("",))
    return SSHAuthorizedKeys("".join(lines))


def keys(cert: SSHOpenSSHCertificate) -> Any:
    """What a client gets to log in with nothing but a certificate."""
    return [SSHLocalKeyPair(RSA_KEY if cert.key.type_name == "RSA" else USER_KEY, cert)]


async def is_let_in(
    cert: SSHOpenSSHCertificate, authorized: SSHAuthorizedKeys | None = None, **kwargs: Any
) -> bool:
    """Whether a server lets `user` in with a certificate."""
    username = kwargs.pop("username", "user")
    async with serving(
        authorized_client_keys=authority() if authorized is None else authorized, **kwargs
    ) as server:
        try:
            async with await client(server, client_keys=keys(cert), username=username) as conn:
                return bool(conn.get_extra_info("username") == username)
        except PermissionDenied:
            return False


# --- Who gets in -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", [USER_KEY, RSA_KEY], ids=["ed25519", "rsa"])
@pytest.mark.parametrize("ca", [CA, RSA_KEY], ids=["ed25519", "rsa"])
async def test_certificate_of_a_known_authority(ca: SSHKey, key: SSHKey) -> None:
    assert await is_let_in(certificate(ca, key), authority(ca=ca))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"principals": ["root"]},
        {"principals": []},
        {"principals": ["use", "users", "*"]},
        {"valid_before": "20200101"},
        {"valid_after": "+1d"},
        {"source_address": ["192.0.2.0/24"]},
        {"critical_options": {"unknown@example.org": b""}},
        {"ca": OTHER_CA},
        {"ca": RSA_KEY, "sig_alg": "ssh-rsa"},
    ],
    ids=str,
)
async def test_certificate_that_lets_nobody_in(kwargs: dict[str, Any]) -> None:
    ca = kwargs.get("ca", CA)
    known = authority(ca=CA if ca is OTHER_CA else ca)
    assert not await is_let_in(certificate(**kwargs), known)


async def test_unknown_extension_does_no_harm() -> None:
    assert await is_let_in(certificate(extensions={"unknown@example.org": b"x"}))


async def test_source_address_of_the_client() -> None:
    assert await is_let_in(certificate(source_address=["192.0.2.1", "127.0.0.0/8"]))


async def test_host_certificate_lets_nobody_in() -> None:
    assert not await is_let_in(CA.generate_host_certificate(USER_KEY, "id", principals=["user"]))


async def test_authority_is_no_user() -> None:
    async with serving(authorized_client_keys=authority()) as server:
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[CA])
    # Nor does the line of a key make it an authority.
    plain = SSHAuthorizedKeys(CA.export_public_key())
    assert not await is_let_in(certificate(), plain)
    # And a certificate does not stand for its key.
    assert not await is_let_in(certificate(), SSHAuthorizedKeys(USER_KEY.export_public_key()))


@pytest.mark.parametrize(
    ("options", "good"),
    [
        (['principals="admin,staff"'], True),
        (['principals="admin"'], False),
        (['principals="admin"', 'principals="staff"'], True),
        # Without principals= the certificate has to name the user.
        ([""], False),
        (["", 'principals="staff"'], True),
        (['from="192.0.2.1",principals="staff"'], False),
        (['from="127.0.0.1",principals="staff"'], True),
        (['expiry-time="20200101",principals="staff"'], False),
    ],
)
async def test_lines_of_authorities(options: list[str], good: bool) -> None:
    assert await is_let_in(certificate(principals=["staff"]), authority(*options)) is good


async def test_empty_user_name() -> None:
    assert not await is_let_in(certificate(), username="")


async def test_signature_algorithm_of_the_certified_key() -> None:
    cert = certificate(key=RSA_KEY)
    assert await is_let_in(cert, signature_algs="rsa-sha2-256")
    assert not await is_let_in(cert, signature_algs="ssh-ed25519")
    assert not await is_let_in(certificate(), ca_signature_algs="rsa-sha2-512")


# --- The callback ----------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_callback(asynchronous: bool) -> None:
    asked: list[tuple[str, SSHKey]] = []

    class Authorities(Server):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: SSHKey) -> bool:
            raise AssertionError("a certificate is not a key")

        def validate_ca_key(self, username: str, key: SSHKey) -> Any:
            asked.append((username, key))
            good = key == CA.convert_to_public()

            async def later() -> bool:
                await asyncio.sleep(0)
                return good

            return later() if asynchronous else good

    async with serving(server_factory=Authorities) as server:
        async with await client(server, client_keys=keys(certificate())):
            assert set(asked) == {("user", CA.convert_to_public())}
            conn = server_side(server)
            assert conn.get_key_option("cert-authority") is None
            assert conn.check_certificate_permission("pty")
        asked.clear()
        for bad in (certificate(OTHER_CA), certificate(principals=["root"])):
            with pytest.raises(PermissionDenied):
                await client(server, client_keys=keys(bad))
        # Only certificates that are good otherwise are worth the question.
        assert set(asked) == {("user", OTHER_CA.convert_to_public())}


async def test_callback_that_is_not_overridden() -> None:
    class Keys(Server):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: SSHKey) -> bool:
            return True

    async with serving(server_factory=Keys) as server:
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=keys(certificate()))


# --- What is restricted ----------------------------------------------------------------------

NOTHING: dict[str, Any] = {
    f"permit_{name}": False
    for name in ("x11_forwarding", "agent_forwarding", "port_forwarding", "pty", "user_rc")
}
PERMISSIONS = ("X11-forwarding", "agent-forwarding", "port-forwarding", "pty", "user-rc")


async def may_connect(conn: SSHClientConnection) -> bool:
    listener = await asyncio.start_server(lambda reader, writer: writer.close(), HOST, 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        try:
            _, writer = await conn.open_connection(HOST, port)
        except ChannelOpenError:
            return False
        writer.close()
        return True


async def may_listen(conn: SSHClientConnection) -> bool:
    try:
        async with conn.forward_remote_port("", 0, HOST, 9):
            return True
    except ChannelListenError:
        return False


async def may_have_pty(conn: SSHClientConnection) -> bool:
    try:
        process = await conn.create_process(term_type="xterm", request_pty="force")
    except ChannelOpenError:
        return False
    async with process:
        process.stdin.write_eof()
        await process.wait()
    return True


@pytest.mark.parametrize(
    ("kwargs", "options", "permitted"),
    [
        ({}, "", True),
        (NOTHING, "", False),
        ({}, "restrict", False),
        (NOTHING, "restrict", False),
    ],
)
async def test_permissions(kwargs: dict[str, Any], options: str, permitted: bool) -> None:
    async with (
        serving(authorized_client_keys=authority(options)) as server,
        await client(server, client_keys=keys(certificate(**kwargs))) as conn,
    ):
        side = server_side(server)
        assert await may_connect(conn) is permitted
        assert await may_listen(conn) is permitted
        assert await may_have_pty(conn) is permitted
        for name in PERMISSIONS:
            assert side.check_certificate_permission(name) is not bool(kwargs)
            assert side.check_key_permission(name) is not bool(options)


async def test_port_forwarding_alone_is_not_permitted() -> None:
    cert = certificate(permit_port_forwarding=False)
    async with (
        serving(authorized_client_keys=authority()) as server,
        await client(server, client_keys=keys(cert)) as conn,
    ):
        assert not await may_connect(conn)
        assert await may_have_pty(conn)


async def test_forced_command() -> None:
    cert = certificate(force_command="forced")
    async with (
        serving(authorized_client_keys=authority('environment="A=1"')) as server,
        await client(server, client_keys=keys(cert)) as conn,
    ):
        for command in ("wanted", None):
            assert (await conn.run(command, input="")).stdout == "forced\n"
        assert (await conn.run(subsystem="sftp", command=None, input="")).stdout == "forced\n"
        side = server_side(server)
        assert side.get_certificate_option("force-command") == "forced"
        assert side.get_certificate_option("source-address", 7) == 7
        assert side.get_key_option("command") is None
        assert side.get_key_option("environment") == {"A": "1"}


@pytest.mark.parametrize(("command", "good"), [("forced", True), ("other", False)])
async def test_two_commands(command: str, good: bool) -> None:
    cert = certificate(force_command="forced")
    assert await is_let_in(cert, authority(f'command="{command}"')) is good


async def test_permitopen_of_the_authority() -> None:
    async with (
        serving(authorized_client_keys=authority('permitopen="localhost:1"')) as server,
        await client(server, client_keys=keys(certificate())) as conn,
    ):
        assert not await may_connect(conn)


async def test_without_a_certificate() -> None:
    async with (
        serving(authorized_client_keys=SSHAuthorizedKeys(USER_KEY.export_public_key())) as server,
        await client(server, client_keys=[USER_KEY]),
    ):
        side = server_side(server)
        assert side.check_certificate_permission("pty")
        assert side.get_certificate_option("force-command") is None


# --- Several keys ----------------------------------------------------------------------------


def test_grants_add_up_to_every_restriction() -> None:
    first = certificate(permit_pty=False, force_command="x").options
    second = certificate(permit_user_rc=False).options
    grant = KeyGrant().with_key({"no-X11-forwarding": True}, first)
    assert grant is not None
    both = grant.with_key({"environment": {"A": "1"}}, second)
    assert both is not None
    assert both.key_options == {"no-X11-forwarding": True, "environment": {"A": "1"}}
    assert both.restrictions == {
        "no-X11-forwarding": True,
        "no-pty": True,
        "no-user-rc": True,
        "command": "x",
        "environment": {"A": "1"},
    }
    assert both.certificate_options is not None
    assert "permit-pty" not in both.certificate_options
    assert "permit-user-rc" not in both.certificate_options
    assert both.certificate_options["permit-X11-forwarding"] is True
    assert both.certificate_options["force-command"] == "x"
    assert both.with_key({"command": "y"}) is None
    assert both.with_key({}, certificate(force_command="y").options) is None
    plain = both.with_key({"no-agent-forwarding": True})
    assert plain is not None
    assert plain.certificate_options == both.certificate_options
    assert KeyGrant().with_key({}) == KeyGrant()


async def test_key_and_its_certificate_are_one_factor() -> None:
    authorized = authority()
    authorized.load(USER_KEY.export_public_key())
    authorized.load(OTHER_KEY.export_public_key())
    async with serving(
        authorized_client_keys=authorized, auth_methods="publickey,publickey"
    ) as server:
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[USER_KEY], client_certs=[certificate()])
        async with await client(
            server, client_keys=[USER_KEY, OTHER_KEY], client_certs=[certificate()]
        ):
            pass


# --- Security keys ---------------------------------------------------------------------------


class SoftwareToken(SSHKeyPair):
    """A FIDO authenticator that says whatever it is told about its user."""

    def __init__(self, flags: int, cert: SSHOpenSSHCertificate | None = None) -> None:
        super().__init__(SK_ED25519, (SK_ED25519,), TOKEN_KEY.public_data)
        self._flags = flags
        if cert is not None:
            self.set_certificate(cert)

    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        tail = bytes((self._flags,)) + encode_uint32(1)
        head = hashlib.sha256(b"ssh:").digest()
        raw = crypto_sign(head + tail + hashlib.sha256(data).digest(), TOKEN_SECRET)[:64]
        return encode_string(SK_ED25519) + encode_string(raw) + tail


TOKEN_SECRET = generate_private_key("ssh-ed25519").private_data[-64:]
TOKEN_KEY = SKEd25519Key(TOKEN_SECRET[32:], b"ssh:")
PRESENT, VERIFIED = 1, 4


@pytest.mark.parametrize(
    ("options", "flags", "good"),
    [
        ("", PRESENT, True),
        ("", 0, False),
        ("no-touch-required ", 0, True),
        ("verify-required ", PRESENT, False),
        ("verify-required ", PRESENT | VERIFIED, True),
    ],
)
async def test_security_key(options: str, flags: int, good: bool) -> None:
    line = options.encode() + TOKEN_KEY.export_public_key()
    async with serving(authorized_client_keys=SSHAuthorizedKeys(line)) as server:
        assert await _logs_in(server, SoftwareToken(flags)) is good


@pytest.mark.parametrize(
    ("options", "kwargs", "flags", "good"),
    [
        ("", {}, PRESENT, True),
        ("", {}, 0, False),
        ("no-touch-required", {}, 0, False),
        ("", {"touch_required": False}, 0, False),
        ("no-touch-required", {"touch_required": False}, 0, True),
        ("verify-required", {}, PRESENT, False),
        ("", {"verify_required": True}, PRESENT, False),
        ("", {"verify_required": True}, PRESENT | VERIFIED, True),
    ],
)
async def test_certificate_of_a_security_key(
    options: str, kwargs: dict[str, Any], flags: int, good: bool
) -> None:
    cert = certificate(key=TOKEN_KEY, **kwargs)
    async with serving(authorized_client_keys=authority(options)) as server:
        assert await _logs_in(server, SoftwareToken(flags, cert)) is good


async def _logs_in(server: Any, pair: SSHKeyPair) -> bool:
    try:
        async with await client(server, client_keys=[pair]):
            return True
    except PermissionDenied:
        return False


# --- Clients that cheat ----------------------------------------------------------------------


def driver(**config: object) -> Driver:
    """A server's driver that trusts the authority for everybody."""
    return Driver(Policy(keys={CA.convert_to_public(): {}}), **config)


def request(pair: SSHKeyPair, algorithm: bytes, signer: SSHKey = USER_KEY) -> bytes:
    """Method data of a signed request."""
    data = signed_data(SESSION_ID, "user", algorithm, pair.public_data)
    signature = signer.sign(data, signer.sig_algorithms[0])
    return PublicKeyRequest(True, algorithm, pair.public_data, signature).encode()


def is_failure(answers: list[bytes]) -> bool:
    (answer,) = answers
    return not UserauthFailure.decode(answer, 1).partial_success


def test_driver_lets_in() -> None:
    server = driver()
    cert = certificate(permit_pty=False)
    server.request(b"publickey", request(SSHLocalKeyPair(USER_KEY, cert), ED25519_CERT))
    assert server.success == ("user", {"no-pty": True})


def test_signature_of_somebody_else() -> None:
    server = driver()
    data = request(SSHLocalKeyPair(USER_KEY, certificate()), ED25519_CERT, OTHER_KEY)
    assert is_failure(server.request(b"publickey", data))
    # The authority itself may not sign in place of the holder, either.
    data = request(SSHLocalKeyPair(USER_KEY, certificate()), ED25519_CERT, CA)
    assert is_failure(server.request(b"publickey", data))
    assert server.success is None


@pytest.mark.parametrize(
    ("algorithm", "blob"),
    [
        (b"ssh-ed25519", certificate().public_data),
        (ED25519_CERT, USER_KEY.public_data),
        (ED25519_CERT, certificate(key=RSA_KEY).public_data),
        (b"ecdsa-sha2-nistp256-cert-v01@openssh.com", certificate().public_data),
        (ED25519_CERT, certificate().public_data[:-1]),
        (ED25519_CERT, certificate().public_data + b"\0"),
        (ED25519_CERT, certificate().public_data[:-1] + b"\xff"),
        (ED25519_CERT, b""),
        (b"ssh-ed25519-cert-v02@openssh.com", certificate().public_data),
    ],
)
def test_blob_that_is_no_such_certificate(algorithm: bytes, blob: bytes) -> None:
    server = driver()
    query = PublicKeyQuery(False, algorithm, blob).encode()
    assert is_failure(server.request(b"publickey", query))
    assert server.transport.error is None


def test_sha1_signature_in_a_certificate() -> None:
    server = driver()
    pair = SSHLocalKeyPair(RSA_KEY, certificate(key=RSA_KEY))
    name = b"ssh-rsa-cert-v01@openssh.com"
    data = signed_data(SESSION_ID, "user", name, pair.public_data)
    signature = RSA_KEY.sign(data, b"ssh-rsa")
    good_name = PublicKeyRequest(True, name, pair.public_data, signature).encode()
    assert is_failure(server.request(b"publickey", good_name))
    other_name = b"rsa-sha2-512-cert-v01@openssh.com"
    swapped = PublicKeyRequest(True, other_name, pair.public_data, signature).encode()
    assert is_failure(server.request(b"publickey", swapped))
    assert server.success is None
