"""Peers that do not follow RFC 4252 and RFC 4256, one sin at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection.errors import IllegalUserName, PermissionDenied
from ssh_connection.messages.userauth import (
    KeyboardInteractiveRequest,
    PasswordChangeRequestData,
    PasswordRequest,
    PublicKeyOK,
    PublicKeyQuery,
    PublicKeyRequest,
    UserauthBanner,
    UserauthFailure,
    UserauthRequest,
    UserauthSuccess,
    encode_info_request,
    encode_info_response,
)
from ssh_connection.userauth.publickey import signed_data
from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_keys.wire import encode_string, encode_uint32
from ssh_transport.errors import (
    DisconnectError,
    MessageOrderError,
    ProtocolError,
    ServiceNotAvailable,
)

from .auth_pair import SESSION_ID, Client, Credentials, Policy, Server

ED25519 = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
OTHER = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
RSA = SSHLocalKeyPair(generate_private_key("ssh-rsa", key_size=2048))

PASSWORD = PasswordRequest(False, "secret").encode()
FAILURE = 51


def failed(answers: list[bytes], *, partial: bool = False) -> bool:
    """Whether the one answer is a failure."""
    (answer,) = answers
    return UserauthFailure.decode(answer, 1).partial_success is partial


def signed(
    pair: SSHLocalKeyPair, algorithm: bytes = b"ssh-ed25519", user: str = "user", **kwargs: bytes
) -> bytes:
    """Method data with a good signature, unless an argument makes it bad."""
    session_id = kwargs.get("session_id", SESSION_ID)
    data = signed_data(session_id, user, algorithm, pair.public_data)
    signature = pair.sign(data, kwargs.get("sig_algorithm", algorithm))
    return PublicKeyRequest(True, algorithm, pair.public_data, signature).encode()


# --- against a server ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [51, 52, 53, 60, 62, 79])
def test_messages_of_a_server_have_no_handler_on_a_server(number: int) -> None:
    # The core disconnects for what has no handler (phases.py, CVE-2018-10933).
    assert number not in Server(Policy()).auth.handlers()


def test_info_response_without_a_question() -> None:
    server = Server(Policy())
    assert server.message(encode_info_response(["x"])) == []
    assert isinstance(server.transport.error, MessageOrderError)


def test_info_response_after_the_exchange() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)]), False]
    server = Server(policy)
    data = KeyboardInteractiveRequest(b"", "").encode()
    server.request(b"keyboard-interactive", data)
    assert failed(server.message(encode_info_response(["x"])))
    server.message(encode_info_response(["x"]))
    assert isinstance(server.transport.error, MessageOrderError)


def test_request_ends_a_keyboard_interactive_exchange() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)])]
    server = Server(policy)
    server.request(b"keyboard-interactive", KeyboardInteractiveRequest(b"", "").encode())
    (answer,) = server.request(b"password", PASSWORD)
    assert answer == UserauthSuccess().encode()


@pytest.mark.parametrize("responses", [[], ["a", "b"]])
def test_wrong_number_of_responses(responses: list[str]) -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)])]
    server = Server(policy)
    server.request(b"keyboard-interactive", KeyboardInteractiveRequest(b"", "").encode())
    assert failed(server.message(encode_info_response(responses)))
    assert not any(call[0] == "responses" for call in policy.calls)


def test_response_that_claims_many_more_than_there_are() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)])]
    server = Server(policy)
    server.request(b"keyboard-interactive", KeyboardInteractiveRequest(b"", "").encode())
    server.message(b"\x3d" + encode_uint32(0xFFFFFFFF) + encode_string(b"x"))
    assert isinstance(server.transport.error, ProtocolError)


def test_long_secrets_are_not_looked_at() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)])]
    server = Server(policy)
    long = "x" * 1025
    assert failed(server.request(b"password", PasswordRequest(False, long).encode()))
    change = PasswordChangeRequestData(True, long, "new")
    assert failed(server.request(b"password", change.encode()))
    server.request(b"keyboard-interactive", KeyboardInteractiveRequest(b"", "").encode())
    assert failed(server.message(encode_info_response([long])))
    assert {call[0] for call in policy.calls} == {"begin", "challenge"}


@pytest.mark.parametrize("service", [b"ssh-userauth", b"", b"ssh-connection\0", b"shell"])
def test_other_service(service: bytes) -> None:
    server = Server(Policy())
    assert server.request(b"password", PASSWORD, service=service) == []
    assert isinstance(server.transport.error, ServiceNotAvailable)
    assert not server.success


@pytest.mark.parametrize("user", ["x" * 1025, "a\0b", "a\nb", "\x1b[2J", "\ud7ff\ue000"])
def test_user_name_that_can_not_be_one(user: str) -> None:
    policy = Policy()
    server = Server(policy)
    server.request(b"password", PASSWORD, user=user)
    assert isinstance(server.transport.error, IllegalUserName)
    assert server.transport.error.reason.isprintable()
    assert policy.calls == []


def test_change_of_user_starts_anew() -> None:
    policy = Policy(keys={ED25519.key: {}})
    server = Server(policy, required=[(b"publickey", b"password")])
    assert failed(server.request(b"publickey", signed(ED25519)), partial=True)
    # Not even the first user's password helps somebody else ...
    assert failed(server.request(b"password", PASSWORD, user="other"))
    # ... nor the first user, once they have come back.
    assert failed(server.request(b"password", PASSWORD))
    assert [call for call in policy.calls if call[0] == "begin"] == [
        ("begin", "user"),
        ("begin", "other"),
        ("begin", "user"),
    ]
    assert not server.success


def test_failures_are_counted_over_users_and_methods() -> None:
    server = Server(Policy())
    wrong = PasswordRequest(False, "wrong").encode()
    for number in range(5):
        assert failed(server.request(b"password", wrong, user=f"user{number}"))
    assert server.request(b"publickey", signed(OTHER)) == []
    assert isinstance(server.transport.error, PermissionDenied)
    assert not server.success


def test_none_is_not_a_failure_but_not_free() -> None:
    server = Server(Policy(), max_requests=10)
    for _ in range(10):
        assert failed(server.request(b"none"))
    assert server.request(b"none") == []
    assert isinstance(server.transport.error, PermissionDenied)


def test_queries_have_an_end() -> None:
    server = Server(Policy(keys={ED25519.key: {}}), max_requests=10)
    query = PublicKeyQuery(False, b"ssh-ed25519", ED25519.public_data).encode()
    for _ in range(10):
        assert server.request(b"publickey", query)[0][0] == 60
    server.request(b"publickey", query)
    assert isinstance(server.transport.error, PermissionDenied)


def test_responses_have_an_end() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [])] * 30
    server = Server(policy, max_requests=10)
    server.request(b"keyboard-interactive", KeyboardInteractiveRequest(b"", "").encode())
    for _ in range(9):
        assert server.message(encode_info_response([]))[0][0] == 60
    server.message(encode_info_response([]))
    assert isinstance(server.transport.error, PermissionDenied)


@pytest.mark.parametrize("method", [b"hostbased", b"gssapi-with-mic", b"", b"publickey\0", b"\xff"])
def test_method_that_is_not_there(method: bytes) -> None:
    server = Server(Policy())
    (answer,) = server.request(method, b"\0" * 64)
    assert UserauthFailure.decode(answer, 1).authentications_that_can_continue == (
        b"publickey",
        b"keyboard-interactive",
        b"password",
    )


def test_method_that_is_switched_off() -> None:
    policy = Policy([b"publickey"])
    server = Server(policy)
    assert failed(server.request(b"password", PASSWORD))
    assert ("password", "user", "secret") not in policy.calls


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(signed(ED25519, session_id=b"another session"), id="session"),
        pytest.param(signed(ED25519, user="other"), id="user"),
        pytest.param(signed(ED25519)[:-1] + bytes((signed(ED25519)[-1] ^ 1,)), id="bit"),
        pytest.param(
            PublicKeyRequest(True, b"ssh-ed25519", ED25519.public_data, b"").encode(), id="empty"
        ),
        pytest.param(
            PublicKeyRequest(
                True,
                b"ssh-ed25519",
                ED25519.public_data,
                OTHER.sign(
                    signed_data(SESSION_ID, "user", b"ssh-ed25519", ED25519.public_data),
                    b"ssh-ed25519",
                ),
            ).encode(),
            id="other key",
        ),
        pytest.param(signed(RSA, b"ssh-rsa"), id="algorithm that is not allowed"),
        pytest.param(
            signed(RSA, b"rsa-sha2-512", sig_algorithm=b"rsa-sha2-256"),
            id="signature of another algorithm",
        ),
        pytest.param(
            signed(RSA, b"rsa-sha2-512", sig_algorithm=b"ssh-rsa"), id="SHA-1 under another name"
        ),
        pytest.param(
            PublicKeyRequest(True, b"ssh-ed25519", RSA.public_data, b"x").encode(),
            id="key of another type",
        ),
        pytest.param(
            PublicKeyRequest(True, b"ssh-ed25519", ED25519.public_data + b"x", b"x").encode(),
            id="bytes behind the key",
        ),
        pytest.param(PublicKeyQuery(False, b"nothing", b"").encode(), id="unknown algorithm"),
        pytest.param(
            PublicKeyQuery(False, b"ssh-ed25519", OTHER.public_data).encode(), id="unknown key"
        ),
    ],
)
def test_bad_keys_and_signatures(data: bytes) -> None:
    server = Server(Policy(keys={ED25519.key: {}, RSA.key: {}}))
    assert failed(server.request(b"publickey", data))
    assert not server.success


def test_query_with_a_signature_flag_needs_the_signature() -> None:
    server = Server(Policy(keys={ED25519.key: {}}))
    query = PublicKeyQuery(True, b"ssh-ed25519", ED25519.public_data).encode()
    server.request(b"publickey", query)
    assert isinstance(server.transport.error, ProtocolError)


def test_replay_in_another_session() -> None:
    server = Server(Policy(keys={ED25519.key: {}}))
    request = signed(ED25519)
    server.transport.session_id = b"the next session"
    assert failed(server.request(b"publickey", request))


def test_pipelined_requests_are_answered_in_order() -> None:
    policy = Policy(asynchronous=True)
    server = Server(policy)
    for word in ("one", "two", "secret", "four"):
        data = PasswordRequest(False, word).encode()
        server.transport.receive(
            UserauthRequest("user", b"ssh-connection", b"password", data).encode()
        )
    assert server.transport.paused
    assert server.transport.sent == []
    server.background.run()
    assert [answer[0] for answer in server.transport.take()] == [51, 51, 52]
    assert [call[2] for call in policy.calls if call[0] == "password"] == ["one", "two", "secret"]
    assert not server.transport.paused


def test_requests_after_success_are_not_looked_at() -> None:
    policy = Policy()
    server = Server(policy)
    server.request(b"password", PASSWORD)
    assert server.request(b"password", PASSWORD, user="root") == []
    assert server.success == ("user", {})


def test_connection_lost_while_a_callback_runs() -> None:
    server = Server(Policy(asynchronous=True))
    server.transport.receive(UserauthRequest("user", b"ssh-connection", b"none", b"").encode())
    server.auth.close()
    assert server.background.cancelled == 1
    assert server.background.pending == []
    assert server.transport.sent == []


def test_refusals_take_the_same_time_for_everybody() -> None:
    now = 0.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    class Slow(Policy):
        def validate_password(self, user: str, password: str) -> bool:
            nonlocal now
            now += 0.003 if user == "known" else 0.0
            return False

    times: dict[str, set[float]] = {}
    for user in ("known", "unknown"):
        server = Server(
            Slow(), clock=lambda: now, sleep=sleep, min_fail_seconds=0.005, max_tries=100
        )
        for _ in range(3):
            started = now
            assert failed(server.request(b"password", PASSWORD, user=user))
            times.setdefault(user, set()).add(round(now - started, 9))
    for user in times:
        # Always the same for one user, whatever the callback took.
        assert len(times[user]) == 1
        assert 0.005 <= min(times[user]) < 0.01
    assert all(seconds > 0 for seconds in slept)


def test_slow_checks_are_rounded_up() -> None:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Slow(Policy):
        def validate_password(self, user: str, password: str) -> bool:
            nonlocal now
            now += 0.05
            return False

    server = Server(Slow(), clock=lambda: now, sleep=sleep, min_fail_seconds=0.005)
    server.request(b"password", PASSWORD)
    assert 0.05 < now <= 0.1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_requests_end_in_an_answer_or_a_disconnect(data: st.DataObject) -> None:
    payloads = {
        b"password": PASSWORD,
        b"publickey": signed(ED25519),
        b"keyboard-interactive": KeyboardInteractiveRequest(b"", "").encode(),
    }
    method = data.draw(st.sampled_from(sorted(payloads)))
    raw = bytearray(payloads[method])
    position = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        del raw[position:]
    else:
        raw[position] ^= 1 << data.draw(st.integers(0, 7))
    policy = Policy(keys={ED25519.key: {}})
    policy.challenges = [False]
    server = Server(policy)
    answers = server.request(method, bytes(raw))
    assert server.crash is None
    if server.transport.error is None:
        assert len(answers) == 1
    else:
        assert isinstance(server.transport.error, DisconnectError)
        assert answers == []
    # A flipped bit never lets anybody in, except in a field that nobody looks at.
    if method == b"publickey":
        assert not server.success or bytes(raw[1:]) == payloads[method][1:]


# --- against a client ------------------------------------------------------------------------


def started(**config: Any) -> Client:
    """A client that has sent its first request and waits for the answer."""
    client = Client(Credentials(["secret"]), **config)
    client.start()
    return client


@pytest.mark.parametrize("number", [50, 61, 62, 79])
def test_messages_of_a_client_have_no_handler_on_a_client(number: int) -> None:
    assert number not in started().auth.handlers()


def test_method_message_that_was_not_asked_for() -> None:
    client = started()
    client.message(PublicKeyOK(b"ssh-ed25519", ED25519.public_data).encode())
    assert isinstance(client.transport.error, MessageOrderError)


def test_info_request_instead_of_an_answer_to_a_signature() -> None:
    client = started(keypairs=[ED25519])
    client.message(encode_info_request("", "", "", [("Password: ", False)]))
    assert isinstance(client.transport.error, MessageOrderError)


@pytest.mark.parametrize(
    "answer",
    [
        PublicKeyOK(b"ssh-ed25519", OTHER.public_data),
        PublicKeyOK(b"rsa-sha2-512", ED25519.public_data),
    ],
)
def test_server_accepts_another_key(answer: PublicKeyOK) -> None:
    client = started(keypairs=[ED25519, RSA])
    client.message(answer.encode())
    assert isinstance(client.transport.error, ProtocolError)
    assert client.transport.take() == []


def test_success_before_the_first_request() -> None:
    client = Client(Credentials(), None, keypairs=[RSA])
    assert client.start() == []
    client.message(UserauthSuccess().encode())
    assert isinstance(client.transport.error, MessageOrderError)
    assert not client.succeeded


def test_success_while_the_user_is_still_typing() -> None:
    client = Client(Credentials(["secret"], asynchronous=True))
    client.auth.start()
    client.transport.receive(UserauthFailure((b"password",), False).encode())
    assert len(client.background.pending) == 1
    client.transport.receive(UserauthSuccess().encode())
    assert isinstance(client.transport.error, MessageOrderError)
    assert not client.transport.is_authenticated
    client.auth.close()


def test_success_twice() -> None:
    client = started()
    client.message(UserauthSuccess().encode())
    assert client.succeeded == 1
    client.message(UserauthSuccess().encode())
    assert client.succeeded == 1
    assert isinstance(client.transport.error, MessageOrderError)


def test_server_that_never_decides() -> None:
    credentials = Credentials(answers=[[]] * 1000)
    client = Client(credentials, max_messages=20)
    client.start()
    client.message(UserauthFailure((b"keyboard-interactive",), False).encode())
    sent = 2
    while client.transport.error is None:
        sent += len(client.message(encode_info_request("", "", "", [])))
    assert sent == 20
    assert isinstance(client.transport.error, PermissionDenied)


def test_server_of_partial_successes() -> None:
    client = Client(Credentials(["secret"] * 1000), max_messages=20)
    client.start()
    partial = UserauthFailure((b"password",), True).encode()
    while client.transport.error is None:
        client.message(partial)
    assert isinstance(client.transport.error, PermissionDenied)
    assert not client.succeeded


def test_server_of_banners() -> None:
    client = started()
    banner = UserauthBanner(b"hello \xff\x1b", b"").encode()
    for _ in range(32):
        client.message(banner)
    assert client.transport.error is None
    client.message(banner)
    assert isinstance(client.transport.error, ProtocolError)


def test_prompts_that_are_claimed_but_not_there() -> None:
    client = Client(Credentials(answers=[["x"]]))
    client.start()
    client.message(UserauthFailure((b"keyboard-interactive",), False).encode())
    client.message(b"\x3c" + encode_string(b"") * 3 + encode_uint32(0x7FFFFFFF))
    assert isinstance(client.transport.error, ProtocolError)


def test_methods_of_the_server_are_escaped_in_the_error() -> None:
    client = started()
    client.message(UserauthFailure((b"\x1b[2Jevil\n",), False).encode())
    assert isinstance(client.transport.error, PermissionDenied)
    assert client.transport.error.reason.isprintable()


@pytest.mark.parametrize("text", [b"", b"\x00", b"\x00\x00\x00\x04abc"])
def test_truncated_answers(text: bytes) -> None:
    client = started()
    client.message(b"\x33" + text)
    assert isinstance(client.transport.error, ProtocolError)


def test_secrets_are_in_no_repr() -> None:
    message = PasswordRequest(False, "hunter2")
    change = PasswordChangeRequestData(True, "hunter2", "hunter3")
    request = UserauthRequest("user", b"ssh-connection", b"password", message.encode())
    for thing in (message, change, request):
        assert "hunter" not in repr(thing)
