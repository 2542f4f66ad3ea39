"""Why an algorithm was chosen, and why another one was not."""

from __future__ import annotations

import pytest

from ssh_transport import KEX_METHODS, Explanation, Role, explain
from ssh_transport.messages import KexInit

from .pair import Pair, connected

KEX = "key exchange method"


def explained(pair: Pair, role: Role) -> Explanation:
    core = pair.client if role is Role.CLIENT else pair.server
    explanation = core.explain()
    assert explanation is not None
    return explanation


def test_nothing_to_explain_before_the_peer_spoke() -> None:
    assert Pair().client.explain() is None


@pytest.mark.parametrize("role", list(Role))
def test_explanation_names_what_was_negotiated(role: Role) -> None:
    pair = connected(ciphers=(b"aes128-ctr",))
    algorithms = pair.client.algorithms
    assert algorithms is not None
    chosen = {choice.kind: choice.chosen for choice in explained(pair, role).choices}
    assert chosen == {
        KEX: algorithms.kex,
        "host key algorithm": algorithms.host_key,
        "cipher client to server": algorithms.cipher_cs,
        "cipher server to client": algorithms.cipher_sc,
        "MAC client to server": algorithms.mac_cs,
        "MAC server to client": algorithms.mac_sc,
        "compression client to server": algorithms.compression_cs,
        "compression server to client": algorithms.compression_sc,
    }


@pytest.mark.parametrize("role", list(Role))
def test_new_keys_that_were_only_asked_for_change_nothing(role: Role) -> None:
    """Our offer for them must not be set beside the peer's last one: it has one host key only."""
    pair = connected()
    before = explained(pair, role)
    core = pair.client if role is Role.CLIENT else pair.server
    core.request_rekey()
    assert explained(pair, role) == before


CLIENT_KEX = (b"ecdh-sha2-nistp521", b"curve25519-sha256", b"ecdh-sha2-nistp256")
SERVER_KEX = (b"ecdh-sha2-nistp256", b"curve25519-sha256", b"curve448-sha512")


def test_every_refusal_of_the_client_has_its_reason() -> None:
    pair = Pair(client={"kex_algorithms": CLIENT_KEX}, server={"kex_algorithms": SERVER_KEX})
    choice = explained(pair.start(), Role.CLIENT)[KEX]
    assert (choice.ours, choice.theirs) == (CLIENT_KEX, SERVER_KEX)
    assert choice.chosen == b"curve25519-sha256"
    assert choice.why == "our first name that the server also offers"
    refused = choice.refused
    assert refused[b"ecdh-sha2-nistp521"] == "the peer does not offer it"
    assert refused[b"ecdh-sha2-nistp256"] == "the client prefers curve25519-sha256"
    assert refused[b"curve448-sha512"] == "not in our list: offered only by name"
    assert refused[b"mlkem768x25519-sha256"] == "not in our list; the peer does not offer it either"
    assert "insecure" in refused[b"diffie-hellman-group1-sha1"]
    assert {*refused, choice.chosen} == {row.name for row in KEX_METHODS}


def test_the_server_tells_the_same_from_its_side() -> None:
    pair = Pair(client={"kex_algorithms": CLIENT_KEX}, server={"kex_algorithms": SERVER_KEX})
    choice = explained(pair.start(), Role.SERVER)[KEX]
    assert choice.why == "the client's first name that we also offer"
    assert choice.refused[b"ecdh-sha2-nistp256"] == "the client prefers curve25519-sha256"
    assert choice.refused[b"curve448-sha512"] == "the peer does not offer it"
    assert choice.refused[b"ecdh-sha2-nistp521"] == "not in our list: offered only by name"


def test_first_choice_and_mac_that_is_not_needed() -> None:
    explanation = explained(connected(), Role.CLIENT)
    assert explanation[KEX].why == "our first choice"
    mac = explanation["MAC server to client"]
    assert mac.chosen == b""
    assert mac.why == "not needed: aes128-gcm@openssh.com authenticates"
    assert not explanation.failed


def test_a_failure_is_explained_on_both_sides() -> None:
    pair = Pair(client={"macs": (b"hmac-md5",)}, ciphers=(b"aes128-ctr",)).start()
    for role in Role:
        explanation = explained(pair, role)
        assert [choice.kind for choice in explanation.failed] == [
            "MAC client to server",
            "MAC server to client",
        ]
        assert explanation.failed[0].why == "the two sides have nothing in common"
        assert explanation[KEX].chosen == KEX_METHODS.names()[0]


def test_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = connected(ciphers=(b"aes128-ctr",), macs=(b"hmac-sha2-256",))
    row = KEX_METHODS[b"curve448-sha512"].replace(probe=lambda: False)
    monkeypatch.setitem(KEX_METHODS._by_name, row.name, row)
    refused = explained(pair, Role.CLIENT)[KEX].refused
    assert refused[row.name] == "not in our list: needs a library that is not installed"


def init(*kex: bytes) -> KexInit:
    none = ((),) * 9
    return KexInit(
        kex,
        *none,
        first_kex_packet_follows=False,
        reserved=0,
    )


def test_what_a_peer_invents_is_shown_escaped() -> None:
    ours = init(b"curve25519-sha256", b"ext-info-c")
    theirs = init(b"evil\x1b[2J", b"ext-info-s")
    choice = explain(Role.CLIENT, ours, theirs)[KEX]
    assert choice.refused[b"evil\x1b[2J"] == "we do not know it"
    text = str(explain(Role.CLIENT, ours, theirs))
    assert "\x1b" not in text
    assert "not evil\\x1b[2J: we do not know it" in text
    assert "ext-info" not in text
    with pytest.raises(KeyError):
        explain(Role.CLIENT, ours, theirs)["colour"]


def test_report_shows_lists_and_choice() -> None:
    text = str(explained(connected(kex_algorithms=CLIENT_KEX), Role.CLIENT))
    first = text.splitlines()[:3]
    names = ", ".join(name.decode() for name in CLIENT_KEX)
    assert first == [
        f"{KEX}: ecdh-sha2-nistp521, our first choice",
        f"  we offer {names}",
        f"  the peer offers {names}",
    ]
