"""Methods "gssapi-with-mic" and "gssapi-keyex": what they send, and what a hostile peer may try."""

from __future__ import annotations

from typing import Any

import pytest

from ssh_connection.messages.gssapi import (
    GSSAPIMIC,
    GSSAPIError,
    GSSAPIErrorToken,
    GSSAPIExchangeComplete,
    GSSAPIKeyexRequest,
    GSSAPIResponse,
    GSSAPIToken,
    decode_mechanisms,
    encode_mechanisms,
)
from ssh_connection.messages.userauth import UserauthFailure, UserauthRequest, UserauthSuccess
from ssh_connection.userauth.gssapi import GSSAPI_KEYEX, GSSAPI_WITH_MIC, signed_data
from ssh_keys.wire import PacketDecodeError, encode_string, encode_uint32
from ssh_transport.errors import MessageOrderError, ProtocolError
from ssh_transport.gss import KERBEROS_OID
from tests.connection.auth_pair import SESSION_ID, Client, Credentials, Policy, Server, run
from tests.connection.gss_mechanism import Context, Mechanism

BOTH = (GSSAPI_KEYEX, GSSAPI_WITH_MIC)
FAILURE = UserauthFailure((GSSAPI_WITH_MIC,), False).encode()


def make_client(mechanism: Mechanism, **config: Any) -> Client:
    return Client(Credentials(), methods=BOTH, gss=mechanism, **config)


def make_server(mechanism: Mechanism | None, **config: Any) -> Server:
    return Server(Policy(BOTH), gss=mechanism, **config)


# --- Both sides ----------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 7])
def test_with_mic(tokens: int, asynchronous: bool) -> None:
    server_side = Mechanism(False, tokens, asynchronous=asynchronous)
    client = make_client(Mechanism(True, tokens, asynchronous=asynchronous))
    server = make_server(server_side)
    run(client, server)
    assert client.transport.error is server.transport.error is None
    assert client.succeeded == 1
    assert server.success is not None
    assert server.success[0] == "user"
    assert server_side.asked == [("user", "user@REALM")]


def test_keyex_comes_first() -> None:
    server_side = Mechanism(False, kex=True)
    client, server = make_client(Mechanism(True, kex=True)), make_server(server_side)
    assert run(client, server) == 2  # "none", and one request
    assert client.succeeded == 1
    assert server_side.asked == [("user", "user@REALM")]


def test_method_of_the_other_context_is_not_offered() -> None:
    """RFC 4462 section 4: gssapi-keyex only if the first key exchange was by GSS-API."""
    (answer,) = make_server(Mechanism(False)).request(b"none")
    assert UserauthFailure.decode(answer, 1).authentications_that_can_continue == (GSSAPI_WITH_MIC,)
    (answer,) = make_server(Mechanism(False)).request(
        GSSAPI_KEYEX, GSSAPIKeyexRequest(b"mic").encode()
    )
    assert answer[0] == 51
    (answer,) = make_server(None).request(b"none")
    assert UserauthFailure.decode(answer, 1).authentications_that_can_continue == ()


def test_falls_back_to_its_own_context() -> None:
    """A context of the key exchange whose ticket has expired."""
    client_side = Mechanism(True, kex=True)
    client_side.kex_context = Context(True, 2, b"expired")
    client, server = make_client(client_side), make_server(Mechanism(False, kex=True))
    run(client, server)
    assert client.succeeded == 1


@pytest.mark.parametrize("kex", [False, True])
def test_other_user(kex: bool) -> None:
    server_side = Mechanism(False, kex=kex, users=("operator",))
    client, server = make_client(Mechanism(True, kex=kex)), make_server(server_side)
    run(client, server)
    assert server.success is None
    assert client.succeeded == 0
    assert "permission denied" in str(client.transport.error)


def test_no_credentials() -> None:
    """The client does not even ask; a server without its key refuses."""
    client, server = make_client(Mechanism(True, broken=True)), make_server(Mechanism(False))
    assert run(client, server) == 1
    assert "GSS-API: no credentials" in client.log
    client, server = make_client(Mechanism(True)), make_server(Mechanism(False, broken=True))
    run(client, server)
    assert "permission denied" in str(client.transport.error)


def test_other_key_is_refused_with_an_error_token() -> None:
    server = make_server(Mechanism(False, key=b"other"))
    client = make_client(Mechanism(True))
    run(client, server)
    assert client.succeeded == 0
    assert "GSS-API error of the server: GSS-API token refused" in client.log


def test_context_without_integrity() -> None:
    """Neither side goes on: the tokens could be passed on by somebody in the middle."""
    client, server = make_client(Mechanism(True, integrity=False)), make_server(Mechanism(False))
    run(client, server)
    assert client.succeeded == 0
    server = make_server(Mechanism(False, integrity=False))
    client = make_client(Mechanism(True))
    run(client, server)
    assert client.succeeded == 0
    assert server.success is None


# --- The server ----------------------------------------------------------------------------------


def begun(server: Server) -> Context:
    """A context of a client, with its tokens exchanged."""
    (answer,) = server.request(GSSAPI_WITH_MIC, encode_mechanisms([b"\x06\x01\x2a", KERBEROS_OID]))
    assert answer == GSSAPIResponse(KERBEROS_OID).encode()
    return Context(True)


def established(server: Server) -> Context:
    context = begun(server)
    (answer,) = server.message(GSSAPIToken(context.step(b"")).encode())
    context.step(GSSAPIToken.decode(answer, 1).token)
    assert context.complete
    return context


def mic(context: Context, user: str = "user", method: bytes = GSSAPI_WITH_MIC) -> bytes:
    return context.sign(signed_data(SESSION_ID, user, method))


def test_good_code() -> None:
    server = make_server(Mechanism(False))
    context = established(server)
    assert server.message(GSSAPIMIC(mic(context)).encode()) == [UserauthSuccess().encode()]


@pytest.mark.parametrize("what", ["session", "user", "method", "empty", "byte"])
def test_code_over_something_else(what: str) -> None:
    server = make_server(Mechanism(False))
    context = established(server)
    code = {
        "session": context.sign(signed_data(b"another session", "user", GSSAPI_WITH_MIC)),
        "user": mic(context, "root"),
        "method": mic(context, method=GSSAPI_KEYEX),
        "empty": b"",
        "byte": bytes((mic(context)[0] ^ 1,)) + mic(context)[1:],
    }[what]
    (answer,) = server.message(GSSAPIMIC(code).encode())
    assert answer[0] == 51
    assert server.success is None


def test_code_before_the_context_is_established() -> None:
    """RFC 4462 section 3.5: the server must fail the authentication."""
    server = make_server(Mechanism(False))
    (answer,) = server.message(GSSAPIMIC(mic(begun(server))).encode())
    assert answer[0] == 51


@pytest.mark.parametrize("when", [begun, established])
def test_exchange_complete_lets_nobody_in(when: Any) -> None:
    """RFC 4462 section 3.6: it must fail where messages can be protected."""
    server = make_server(Mechanism(False))
    when(server)
    (answer,) = server.message(GSSAPIExchangeComplete().encode())
    assert answer[0] == 51


def test_keyex_code_of_another_user() -> None:
    """The context is good for every request, but each is bound to its user name."""
    server_side = Mechanism(False, kex=True, users=("user", "root"))
    server = make_server(server_side)
    code = mic(Context(True), method=GSSAPI_KEYEX)
    (answer,) = server.request(GSSAPI_KEYEX, GSSAPIKeyexRequest(code).encode(), user="root")
    assert answer[0] == 51
    assert server_side.asked == []
    assert server.request(GSSAPI_KEYEX, GSSAPIKeyexRequest(code).encode()) == [
        UserauthSuccess().encode()
    ]


def test_bad_token() -> None:
    """Status codes and the error token, then the failure; never the words of the mechanism."""
    server = make_server(Mechanism(False))
    begun(server)
    error, token, failure = server.message(GSSAPIToken(b"nonsense").encode())
    fields = GSSAPIError.decode(error, 1)
    assert (fields.major_status, fields.minor_status) == (0x90000, 7)
    assert b"secret" not in fields.message
    assert GSSAPIErrorToken.decode(token, 1).error_token == b"error token"
    assert failure[0] == 51


@pytest.mark.parametrize("token", [b"", b"one more"])
def test_token_in_a_wrong_place(token: bytes) -> None:
    server = make_server(Mechanism(False))
    (begun if not token else established)(server)
    (answer,) = server.message(GSSAPIToken(token).encode())
    assert answer[0] == 51


def test_error_token_of_the_client_is_not_answered() -> None:
    """RFC 4462 section 3.9: its next request is."""
    server = make_server(Mechanism(False))
    begun(server)
    assert server.message(GSSAPIErrorToken(b"token").encode()) == []
    (answer,) = server.request(b"none")
    assert answer[0] == 51


def test_another_request_ends_the_method() -> None:
    server = make_server(Mechanism(False))
    begun(server)
    (answer,) = server.request(b"none")
    assert answer[0] == 51
    server.message(GSSAPIToken(b"token").encode())
    assert isinstance(server.transport.error, MessageOrderError)


def test_answers_of_another_method_are_out_of_order() -> None:
    """SSH_MSG_USERAUTH_INFO_RESPONSE has the number of a token: it is one here."""
    server = make_server(Mechanism(False))
    for payload in (GSSAPIMIC(b"mic").encode(), GSSAPIToken(b"token").encode()):
        server = make_server(Mechanism(False))
        server.message(payload)
        assert isinstance(server.transport.error, MessageOrderError)


def test_tokens_are_counted() -> None:
    server = make_server(Mechanism(False, 1000), max_requests=1000)
    server.request(GSSAPI_WITH_MIC, encode_mechanisms([KERBEROS_OID]))
    context = Context(True, 1000)
    answer, count = b"", 0
    while not answer or answer[0] == 61:
        token = context.step(GSSAPIToken.decode(answer, 1).token if answer else b"")
        *_, answer = server.message(GSSAPIToken(token).encode())
        count += 1
    assert answer[0] == 51
    assert count <= 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode_uint32(1),
        encode_uint32(0) + b"x",
        encode_uint32(0xFFFFFFFF) + encode_string(KERBEROS_OID),
        encode_uint32(65) + encode_string(KERBEROS_OID) * 65,
        encode_uint32(2) + encode_string(KERBEROS_OID),
    ],
)
def test_malformed_mechanisms(data: bytes) -> None:
    """CVE-2025-58181: the count is believed only together with the bytes that are there."""
    with pytest.raises(PacketDecodeError):
        decode_mechanisms(data)
    server = make_server(Mechanism(False))
    server.request(GSSAPI_WITH_MIC, data)
    assert isinstance(server.transport.error, ProtocolError)


@pytest.mark.parametrize("names", [[], [b"\x06\x06\x2b\x06\x01\x05\x05\x02"]])
def test_other_mechanisms(names: list[bytes]) -> None:
    """RFC 4462 section 7.3: not SPNEGO, among others."""
    (answer,) = make_server(Mechanism(False)).request(GSSAPI_WITH_MIC, encode_mechanisms(names))
    assert answer[0] == 51


# --- The client ----------------------------------------------------------------------------------


def asked(client: Client) -> None:
    """The client has asked for gssapi-with-mic."""
    client.start()
    (request,) = client.message(FAILURE)
    fields = UserauthRequest.decode(request, 1)
    assert fields.method_name == GSSAPI_WITH_MIC
    assert decode_mechanisms(fields.method_data) == [KERBEROS_OID]


def test_server_chooses_a_mechanism_that_was_not_offered() -> None:
    client = make_client(Mechanism(True))
    asked(client)
    client.message(GSSAPIResponse(b"\x06\x01\x2a").encode())
    assert isinstance(client.transport.error, ProtocolError)


def test_server_skips_its_choice() -> None:
    client = make_client(Mechanism(True))
    asked(client)
    client.message(GSSAPIToken(b"token").encode())
    assert isinstance(client.transport.error, MessageOrderError)


def test_server_sends_an_empty_token_or_one_too_many() -> None:
    client = make_client(Mechanism(True))
    asked(client)
    client.message(GSSAPIResponse(KERBEROS_OID).encode())
    client.message(GSSAPIToken(b"").encode())
    assert isinstance(client.transport.error, ProtocolError)
    client = make_client(Mechanism(True, 1))
    asked(client)
    assert [each[0] for each in client.message(GSSAPIResponse(KERBEROS_OID).encode())] == [61, 66]
    client.message(GSSAPIToken(b"token").encode())
    assert isinstance(client.transport.error, MessageOrderError)


def test_bad_token_of_the_server() -> None:
    """The error token, and a request for something else, which there is not: the end."""
    client = make_client(Mechanism(True))
    asked(client)
    client.message(GSSAPIResponse(KERBEROS_OID).encode())
    client.message(GSSAPIToken(b"nonsense").encode())
    assert "GSS-API: secret reason" in client.log
    assert "permission denied" in str(client.transport.error)


def test_server_without_an_end() -> None:
    """A server that goes on for ever with tokens, or with errors."""
    client = make_client(Mechanism(True, 1000))
    asked(client)
    server = Context(False, 1000)
    answers = client.message(GSSAPIResponse(KERBEROS_OID).encode())
    count = 0
    while answers and client.transport.error is None:
        token = server.step(GSSAPIToken.decode(answers[-1], 1).token)
        answers = client.message(GSSAPIToken(token).encode())
        count += 1
        assert count < 50
    assert "GSS-API: the mechanism does not come to an end" in client.log


def test_errors_of_the_server_are_escaped() -> None:
    client = make_client(Mechanism(True))
    asked(client)
    client.message(GSSAPIResponse(KERBEROS_OID).encode())
    client.message(GSSAPIError(1, 2, b"no\nway\x1b[2J", b"").encode())
    assert r"GSS-API error of the server: no\nway\x1b[2J" in client.log
    client.message(GSSAPIErrorToken(b"x").encode())
    client.message(UserauthFailure((), False).encode())
    assert "permission denied" in str(client.transport.error)


def test_success_before_the_proof_counts_as_none() -> None:
    """With disable_trivial_auth, a server that lets us in before we proved anything is left."""
    client = make_client(Mechanism(True), allow_trivial=False)
    asked(client)
    client.message(UserauthSuccess().encode())
    assert client.succeeded == 0
    assert "without asking for a proof" in str(client.transport.error)
