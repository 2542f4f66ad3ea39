"""Both sides of user authentication talk to each other: every method in every outcome."""

from __future__ import annotations

import pytest

from ssh_connection.errors import PasswordChangeRequired, PermissionDenied
from ssh_keys import SSHKeyPair, SSHLocalKeyPair, generate_private_key

from .auth_pair import Client, Credentials, Policy, Server, run

ED25519 = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
OTHER = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
ECDSA = SSHLocalKeyPair(generate_private_key("ecdsa-sha2-nistp256"))
RSA = SSHLocalKeyPair(generate_private_key("ssh-rsa", key_size=2048))

BOTH_WAYS = pytest.mark.parametrize("asynchronous", [False, True])


def succeeded(client: Client, server: Server) -> bool:
    """Whether both sides agree that the user is in; they must agree in any case."""
    assert client.crash is None
    assert server.crash is None
    assert client.transport.is_authenticated == server.transport.is_authenticated
    assert bool(client.succeeded) == (server.success is not None)
    return bool(client.succeeded)


@BOTH_WAYS
def test_no_authentication_needed(asynchronous: bool) -> None:
    client, server = Client(Credentials()), Server(Policy(needed=False, asynchronous=asynchronous))
    assert run(client, server) == 1
    assert succeeded(client, server)
    assert server.success == ("user", {})


@BOTH_WAYS
def test_password(asynchronous: bool) -> None:
    policy = Policy(asynchronous=asynchronous)
    client = Client(Credentials(["wrong", "secret"], asynchronous=asynchronous))
    server = Server(policy)
    assert run(client, server) == 3
    assert succeeded(client, server)
    assert policy.calls == [
        ("begin", "user"),
        ("password", "user", "wrong"),
        ("password", "user", "secret"),
        ("completed", "user", {}),
    ]


@BOTH_WAYS
def test_wrong_password(asynchronous: bool) -> None:
    client = Client(Credentials(["wrong", "wronger"], asynchronous=asynchronous))
    server = Server(Policy([b"password"], asynchronous=asynchronous))
    assert run(client, server) == 3
    assert not succeeded(client, server)
    assert isinstance(client.transport.error, PermissionDenied)
    assert client.transport.error.reason == (
        "permission denied for user user: tried password (2); the server accepts password"
    )


@BOTH_WAYS
def test_password_is_changed(asynchronous: bool) -> None:
    policy = Policy([b"password"], asynchronous=asynchronous)
    policy.required_change = [
        PasswordChangeRequired("expired", "en"),
        PasswordChangeRequired("too short"),
    ]
    credentials = Credentials(
        ["secret"], changes=[("secret", "x"), ("secret", "better")], asynchronous=asynchronous
    )
    client, server = Client(credentials), Server(policy)
    run(client, server)
    assert succeeded(client, server)
    assert credentials.change_prompts == [("expired", "en"), ("too short", "en-US")]
    assert credentials.events == ["changed"]
    assert policy.calls[2:4] == [
        ("change", "user", "secret", "x"),
        ("change", "user", "secret", "better"),
    ]


def test_password_change_is_refused() -> None:
    policy = Policy([b"password"])
    policy.required_change = [PasswordChangeRequired("expired")]
    credentials = Credentials(["secret"], changes=[("not the old one", "x")])
    client, server = Client(credentials), Server(policy)
    run(client, server)
    assert not succeeded(client, server)
    assert credentials.events == ["change failed"]


def test_password_change_is_given_up() -> None:
    policy = Policy([b"password"])
    policy.required_change = [PasswordChangeRequired("expired")]
    client, server = Client(Credentials(["secret"])), Server(policy)
    run(client, server)
    assert not succeeded(client, server)
    assert isinstance(client.transport.error, PermissionDenied)


@BOTH_WAYS
@pytest.mark.parametrize("keypair", [ED25519, ECDSA, RSA], ids=lambda pair: pair.get_algorithm())
def test_one_key_signs_at_once(keypair: SSHLocalKeyPair, asynchronous: bool) -> None:
    policy = Policy(keys={keypair.key: {"no-pty": True}}, asynchronous=asynchronous)
    client = Client(Credentials(asynchronous=asynchronous), keypairs=[keypair])
    server = Server(policy)
    assert run(client, server) == 1
    assert succeeded(client, server)
    assert server.success == ("user", {"no-pty": True})
    blob = keypair.public_data
    assert policy.calls[1:] == [("key", "user", blob), ("completed", "user", {"no-pty": True})]


@BOTH_WAYS
def test_several_keys_are_asked_for_in_order(asynchronous: bool) -> None:
    policy = Policy(keys={ECDSA.key: {}}, asynchronous=asynchronous)
    client = Client(Credentials(asynchronous=asynchronous), keypairs=[ED25519, ECDSA, OTHER])
    server = Server(policy)
    assert run(client, server) == 3
    assert succeeded(client, server)
    # The last key that the policy was asked about is the one that signed.
    assert [call[2] for call in policy.calls if call[0] == "key"] == [
        ED25519.public_data,
        ECDSA.public_data,
        ECDSA.public_data,
    ]


def test_options_are_those_of_the_key_that_signed() -> None:
    policy = Policy(keys={ED25519.key: {"command": "all"}, OTHER.key: {"command": "little"}})
    server = Server(policy)
    asking = Client(Credentials(), keypairs=[ED25519, OTHER])
    (query,) = asking.start()
    assert server.message(query)[0][0] == 60
    signing = Client(Credentials(), keypairs=[OTHER])
    server.message(signing.start()[0])
    assert server.success == ("user", {"command": "little"})


def test_keys_from_the_callback_come_last() -> None:
    credentials = Credentials(keypairs=[[OTHER], [ECDSA]])
    client, server = Client(credentials, keypairs=[ED25519]), Server(Policy(keys={ECDSA.key: {}}))
    run(client, server)
    assert succeeded(client, server)


def test_unknown_keys_then_password() -> None:
    client = Client(Credentials(["secret"]), keypairs=[ED25519, OTHER])
    server = Server(Policy())
    run(client, server)
    assert succeeded(client, server)


def test_key_that_does_not_sign_is_skipped() -> None:
    class Locked(SSHKeyPair):
        def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
            raise OSError("the agent is locked")

    locked = Locked(b"ssh-ed25519", (b"ssh-ed25519",), OTHER.public_data)
    client = Client(Credentials(), keypairs=[locked, ED25519])
    server = Server(Policy(keys={OTHER.key: {}, ED25519.key: {}}))
    run(client, server)
    assert succeeded(client, server)
    assert any("the agent is locked" in line for line in client.log)


@pytest.mark.parametrize(
    ("server_sig_algs", "names"),
    [
        ((b"rsa-sha2-512", b"rsa-sha2-256"), [b"rsa-sha2-512"]),
        ((b"rsa-sha2-256",), [b"rsa-sha2-256"]),
        ((b"ssh-ed25519",), []),
        ((b"ssh-rsa",), []),
    ],
)
def test_server_sig_algs_choose(server_sig_algs: tuple[bytes, ...], names: list[bytes]) -> None:
    client = Client(Credentials(), server_sig_algs, keypairs=[RSA])
    first = client.start()[0]
    assert [name for name in (b"rsa-sha2-512", b"rsa-sha2-256") if name in first] == names


def test_rsa_waits_for_the_extensions() -> None:
    client = Client(Credentials(), None, keypairs=[RSA])
    assert client.start() == []
    client.transport.server_sig_algs = (b"rsa-sha2-512",)
    client.auth.extensions_known()
    assert b"rsa-sha2-512" in client.transport.take()[0]
    client.auth.extensions_known()
    assert client.transport.take() == []


def test_rsa_without_extensions_guesses() -> None:
    client = Client(Credentials(), None, keypairs=[RSA])
    client.start()
    client.auth.extensions_known()
    assert b"rsa-sha2-256" in client.transport.take()[0]


@BOTH_WAYS
def test_keyboard_interactive(asynchronous: bool) -> None:
    policy = Policy(asynchronous=asynchronous)
    policy.challenges = [
        ("Login", "Answer,\nplease", "en", [("Name? ", True), ("PIN? ", False)]),
        ("", "", "", []),
        True,
    ]
    credentials = Credentials(answers=[["me", "\N{SNOWMAN}"], []], asynchronous=asynchronous)
    client, server = Client(credentials), Server(policy)
    assert run(client, server) == 4
    assert succeeded(client, server)
    assert credentials.prompts == [
        ("Login", "Answer,\nplease", "en", [("Name? ", True), ("PIN? ", False)]),
        ("", "", "", []),
    ]
    assert policy.calls[1:4] == [
        ("challenge", "user", "", ""),
        ("responses", "user", ["me", "\N{SNOWMAN}"]),
        ("responses", "user", []),
    ]


def test_keyboard_interactive_is_refused() -> None:
    policy = Policy([b"keyboard-interactive"])
    policy.challenges = [("", "", "", [("PIN? ", False)]), False]
    client, server = Client(Credentials(answers=[["1234"]])), Server(policy)
    run(client, server)
    assert not succeeded(client, server)
    assert isinstance(client.transport.error, PermissionDenied)


def test_keyboard_interactive_is_given_up_for_a_password() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)]), ("", "", "", [("Again? ", False)])]
    client, server = Client(Credentials(["secret"], answers=[["1234"]])), Server(policy)
    run(client, server)
    assert succeeded(client, server)


def test_wrong_number_of_answers_is_the_callers_error() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)])]
    client, server = Client(Credentials(answers=[["1", "2"]])), Server(policy)
    run(client, server)
    assert isinstance(client.crash, ValueError)
    assert not client.succeeded


@BOTH_WAYS
def test_two_factors(asynchronous: bool) -> None:
    policy = Policy(keys={ED25519.key: {"no-pty": True}}, asynchronous=asynchronous)
    credentials = Credentials(["secret"], asynchronous=asynchronous)
    client = Client(credentials, keypairs=[ED25519])
    server = Server(policy, required=[(b"publickey", b"password")])
    run(client, server)
    assert succeeded(client, server)
    # What restricted the first factor still counts after the second.
    assert server.success == ("user", {"no-pty": True})


def test_factors_in_the_wrong_order() -> None:
    policy = Policy(keys={ED25519.key: {}})
    client = Client(Credentials(["secret"]), methods=(b"password",))
    server = Server(policy, required=[(b"publickey", b"password")])
    run(client, server)
    assert not succeeded(client, server)
    assert ("password", "user", "secret") not in policy.calls


def test_alternative_factors() -> None:
    policy = Policy()
    policy.challenges = [("", "", "", [("PIN? ", False)]), True]
    client = Client(
        Credentials(["secret"], answers=[["1"]]), methods=(b"password", b"keyboard-interactive")
    )
    server = Server(
        policy,
        required=[(b"publickey", b"password"), (b"password", b"keyboard-interactive")],
    )
    run(client, server)
    assert succeeded(client, server)


def test_two_keys_have_to_differ() -> None:
    policy = Policy(keys={ED25519.key: {"no-pty": True}, OTHER.key: {"no-user-rc": True}})
    server = Server(policy, required=[(b"publickey", b"publickey")])
    same = Client(Credentials(keypairs=[[ED25519]]), keypairs=[ED25519])
    run(same, server)
    assert not succeeded(same, server)
    server = Server(policy, required=[(b"publickey", b"publickey")])
    different = Client(Credentials(), keypairs=[ED25519, OTHER])
    run(different, server)
    assert succeeded(different, server)
    assert server.success == ("user", {"no-pty": True, "no-user-rc": True})


def test_trivial_authentication_can_be_refused() -> None:
    client = Client(Credentials(), allow_trivial=False)
    run(client, Server(Policy(needed=False)))
    assert isinstance(client.transport.error, PermissionDenied)
    assert not client.succeeded
    policy = Policy()
    policy.challenges = [("", "", "", []), True]
    client = Client(Credentials(answers=[[]]), allow_trivial=False)
    run(client, Server(policy))
    assert isinstance(client.transport.error, PermissionDenied)
    client = Client(Credentials(["secret"]), allow_trivial=False)
    run(client, Server(Policy()))
    assert client.succeeded


def test_names_are_prepared() -> None:
    policy = Policy()
    client = Client(Credentials(["\N{ANGSTROM SIGN}"]), user="a\N{SOFT HYPHEN}b")
    run(client, Server(policy))
    assert policy.calls[1] == ("password", "ab", "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}")


def test_callback_that_fails_on_the_client() -> None:
    class Broken(Credentials):
        def password(self) -> str | None:
            raise RuntimeError("no terminal")

    client, server = Client(Broken()), Server(Policy([b"password"]))
    run(client, server)
    assert isinstance(client.crash, RuntimeError)
    assert not server.success


def test_callback_that_fails_on_the_server_lets_nobody_in() -> None:
    class Broken(Policy):
        async def validate_password(self, user: str, password: str) -> bool:
            raise RuntimeError("database is down")

    client, server = Client(Credentials(["secret"])), Server(Broken())
    run(client, server)
    assert isinstance(server.crash, RuntimeError)
    assert not server.success
    assert not client.succeeded
