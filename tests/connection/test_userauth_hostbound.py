"""Public keys bound to the host key of the server (PROTOCOL section 3.1)."""

from __future__ import annotations

import pytest

from ssh_connection.messages.userauth import (
    HostBoundQuery,
    HostBoundRequest,
    PublicKeyOK,
    PublicKeyRequest,
    UserauthFailure,
    UserauthRequest,
    UserauthSuccess,
)
from ssh_connection.userauth.publickey import HOST_BOUND, PUBLICKEY, signed_data
from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_keys.wire import encode_string
from ssh_transport.errors import ProtocolError
from tests.connection.auth_pair import SESSION_ID, Client, Credentials, Policy, Server, run

KEY = generate_private_key("ssh-ed25519")
PAIR = SSHLocalKeyPair(KEY)
HOST_KEY = b"the host key"
NAME = b"ssh-ed25519"


def server(host_key: bytes = HOST_KEY) -> Server:
    return Server(Policy(keys={KEY: {}}), host_key=host_key)


def bound(host_key: bytes, signed: bytes | None = None) -> bytes:
    """A request with one host key in it and another one in what is signed."""
    over = host_key if signed is None else signed
    data = signed_data(SESSION_ID, "user", NAME, KEY.public_data, over)
    signature = KEY.sign(data, NAME)
    return HostBoundRequest(True, NAME, KEY.public_data, host_key, signature).encode()


def test_what_is_signed() -> None:
    """The whole request in front of the signature, under its own name."""
    plain = signed_data(SESSION_ID, "user", NAME, b"blob")
    with_host = signed_data(SESSION_ID, "user", NAME, b"blob", HOST_KEY)
    assert with_host == plain.replace(
        encode_string(PUBLICKEY), encode_string(HOST_BOUND)
    ) + encode_string(HOST_KEY)


@pytest.mark.parametrize(
    "keypairs", [[PAIR], [SSHLocalKeyPair(generate_private_key("ssh-ed25519")), PAIR]]
)
def test_both_sides(keypairs: list[SSHLocalKeyPair]) -> None:
    """One key signs at once, of several each is asked about first."""
    one = Client(Credentials(), keypairs=keypairs, server_host_key=lambda: HOST_KEY)
    other = server()
    run(one, other)
    assert one.succeeded == 1
    assert other.success == ("user", {})


def test_client_goes_by_the_plain_name_without_the_extension() -> None:
    (request,) = Client(Credentials(), keypairs=[PAIR]).start()
    assert UserauthRequest.decode(request, 1).method_name == PUBLICKEY


def test_request_and_query() -> None:
    assert server().request(HOST_BOUND, bound(HOST_KEY)) == [UserauthSuccess().encode()]
    query = HostBoundQuery(False, NAME, KEY.public_data, HOST_KEY).encode()
    assert server().request(HOST_BOUND, query) == [PublicKeyOK(NAME, KEY.public_data).encode()]


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        (b"another host key", None),
        (b"", None),
        (HOST_KEY, b"another host key"),
        (b"another host key", HOST_KEY),
    ],
)
def test_other_host_key(sent: bytes, signed: bytes | None) -> None:
    """What somebody in the middle would have to pass on."""
    policy = Policy(keys={KEY: {}})
    there = Server(policy, host_key=HOST_KEY)
    (answer,) = there.request(HOST_BOUND, bound(sent, signed))
    assert answer[0] == 51
    assert there.success is None


def test_signature_of_the_one_is_none_of_the_other() -> None:
    plain = KEY.sign(signed_data(SESSION_ID, "user", NAME, KEY.public_data), NAME)
    data = HostBoundRequest(True, NAME, KEY.public_data, HOST_KEY, plain).encode()
    assert server().request(HOST_BOUND, data)[0][0] == 51
    over = KEY.sign(signed_data(SESSION_ID, "user", NAME, KEY.public_data, HOST_KEY), NAME)
    data = PublicKeyRequest(True, NAME, KEY.public_data, over).encode()
    assert server().request(PUBLICKEY, data)[0][0] == 51


def test_not_where_it_was_not_announced() -> None:
    """Without a host key to compare with there is nothing to be bound to."""
    (answer,) = server(b"").request(HOST_BOUND, bound(b""))
    assert answer[0] == 51


def test_it_is_no_method_of_its_own() -> None:
    """It counts as "publickey" where methods are required, and never shows in the list."""
    there = Server(Policy(keys={KEY: {}}), host_key=HOST_KEY, required=[(PUBLICKEY, b"password")])
    (answer,) = there.request(HOST_BOUND, bound(HOST_KEY))
    failure = UserauthFailure.decode(answer, 1)
    assert failure == UserauthFailure((b"password",), True)


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_malformed(cut: int) -> None:
    there = server()
    there.request(HOST_BOUND, bound(HOST_KEY)[:-cut])
    assert isinstance(there.transport.error, ProtocolError)
