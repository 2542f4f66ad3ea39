"""GSS-API key exchange over a small mechanism of our own; tests/kerberos has the real one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest

from ssh_keys.algorithms import Status
from ssh_keys.wire import encode_string, encode_uint32
from ssh_transport import (
    Disconnected,
    HostKeyOffered,
    KexCompleted,
    Role,
    TransportConfig,
    keyexchange,
)
from ssh_transport import gss as gss_module
from ssh_transport.errors import (
    AlgorithmNegotiationError,
    KeyExchangeFailed,
    MessageOrderError,
    ProtocolError,
)
from ssh_transport.gss import GSSError, gssapi_available
from ssh_transport.kex import KEX_METHODS
from ssh_transport.kex.messages import (
    KexGSSComplete,
    KexGSSContinue,
    KexGSSError,
    KexGSSGroup,
    KexGSSHostkey,
    KexGSSInit,
)
from ssh_transport.messages import KexInit
from ssh_transport.negotiation import Offer, agree, negotiate
from ssh_transport.protocols import KexAlgorithm, KexContext, KexRun
from ssh_transport.suites import Suite
from tests.transport.gss_mechanism import SharedKeyContext
from tests.transport.kex_driver import HOST_KEY, Exchange
from tests.transport.pair import HOST_KEY as PAIR_HOST_KEY
from tests.transport.pair import Pair

METHODS = [row for row in KEX_METHODS if row.name.startswith(b"gss-")]
QUICK = [row for row in METHODS if b"group17" not in row.name and b"group18" not in row.name]
SUFFIX = "toWM5Slw5Ew8Mqkay+al2g=="  # of Kerberos, as in RFC 4462 section 2.3
CURVE = KEX_METHODS[f"gss-curve25519-sha256-{SUFFIX}".encode()]
GROUP = KEX_METHODS[f"gss-group14-sha256-{SUFFIX}".encode()]
GROUP_EXCHANGE = KEX_METHODS[f"gss-gex-sha256-{SUFFIX}".encode()]

by_name = pytest.mark.parametrize("method", METHODS, ids=lambda row: row.name.decode()[:-25])


NOTHING: Mapping[str, object] = {}


def exchange_of(
    method: KexAlgorithm, tokens: int = 2, options: Mapping[str, object] = NOTHING
) -> Exchange:
    """An exchange with the small mechanism."""
    contexts: dict[str, object] = {
        "client_gss": lambda: SharedKeyContext(True, tokens),
        "server_gss": lambda: SharedKeyContext(False, tokens),
        "client_random": random.Random(1).randbytes,
        "server_random": random.Random(2).randbytes,
    }
    return Exchange(method, **{**contexts, **options})  # type: ignore[arg-type]


def test_names() -> None:
    families = [row.name.decode().removesuffix(SUFFIX) for row in METHODS]
    assert families == [
        "gss-curve25519-sha256-",
        "gss-curve448-sha512-",
        "gss-nistp256-sha256-",
        "gss-nistp384-sha384-",
        "gss-nistp521-sha512-",
        "gss-group16-sha512-",
        "gss-group18-sha512-",
        "gss-group17-sha512-",
        "gss-group15-sha512-",
        "gss-gex-sha256-",
        "gss-group14-sha256-",
        "gss-gex-sha1-",
        "gss-group14-sha1-",
        "gss-group1-sha1-",
    ]


@by_name
def test_row(method: KexAlgorithm) -> None:
    name = method.name.decode().removesuffix(f"-{SUFFIX}")
    assert method.hash_name == name.rpartition("-")[2]
    insecure = name.endswith("sha1")
    assert method.status is (Status.INSECURE if insecure else Status.SUPPORTED)
    assert method.available() is gssapi_available()


@pytest.mark.parametrize(
    ("method", "tokens"),
    [(row, tokens) for row in METHODS for tokens in ((1, 2, 3, 4, 7) if row in QUICK else (2,))],
)
def test_both_sides_agree(method: KexAlgorithm, tokens: int) -> None:
    exchange = exchange_of(method, tokens)
    exchange.run()
    client, server = exchange.client, exchange.server
    assert client.proof is server.proof is None
    assert client.gss_proof == server.gss_proof is not None
    assert client.digest == server.digest
    assert client.gss_proof is not None
    assert client.gss_proof.host_key == HOST_KEY
    assert str(client.gss_proof.secret) not in repr(client.gss_proof)


def test_messages_of_an_exchange() -> None:
    """RFC 4462 section 2.1; K_S goes out once, before everything else."""
    exchange = exchange_of(CURVE, 4)
    exchange.run()
    assert [payload[0] for payload in exchange.client.sent] == [30, 31]
    assert [payload[0] for payload in exchange.server.sent] == [33, 31, 32]
    assert exchange.server.sent[0] == KexGSSHostkey(HOST_KEY).encode()
    init = KexGSSInit.decode(exchange.client.sent[0], 1)
    done = KexGSSComplete.decode(exchange.server.sent[2], 1)
    assert done.has_token
    proof = exchange.client.gss_proof
    assert proof is not None
    assert proof.fields == encode_string(init.public) + encode_string(done.public)


def test_without_a_host_key() -> None:
    """K_S is empty in the exchange hash then, and SSH_MSG_KEXGSS_HOSTKEY is not sent."""
    exchange = exchange_of(GROUP, 2, {"host_key": b""})
    exchange.run()
    assert [payload[0] for payload in exchange.server.sent] == [32]
    assert exchange.client.gss_proof is not None
    assert exchange.client.gss_proof.host_key == b""


def test_hash_of_a_group_exchange() -> None:
    """RFC 4462 section 2.2: min, n, max, p, g, e, f."""
    exchange = exchange_of(GROUP_EXCHANGE, 2, {"gex_bits": (2048, 2048, 4096)})
    exchange.run()
    request, init = exchange.client.sent
    offer, _, done = exchange.server.sent
    assert (request[0], offer[0]) == (40, 41)
    assert request[1:] == b"".join(map(encode_uint32, (2048, 2048, 4096)))
    e = encode_string(KexGSSInit.decode(init, 1).public)
    f = encode_string(KexGSSComplete.decode(done, 1).public)
    assert exchange.server.gss_proof is not None
    assert exchange.server.gss_proof.fields == request[1:] + offer[1:] + e + f


# --- What goes wrong -----------------------------------------------------------------------------


def test_no_credentials() -> None:
    for side in ("client_gss", "server_gss"):
        with pytest.raises(KeyExchangeFailed, match="without GSS-API credentials"):
            exchange_of(CURVE, 2, {side: None}).run()

    def refused() -> SharedKeyContext:
        raise GSSError("no ticket")

    with pytest.raises(KeyExchangeFailed, match="GSS-API: no ticket"):
        exchange_of(CURVE, 2, {"client_gss": refused}).run()


def test_other_key_is_noticed() -> None:
    """A server that is not who it says it is."""
    for tokens in (1, 2, 3):
        impostor = partial(SharedKeyContext, False, tokens, b"another key")
        with pytest.raises(KeyExchangeFailed, match="GSS-API: token is defective"):
            exchange_of(CURVE, tokens, {"server_gss": impostor}).run()


def test_context_has_to_protect() -> None:
    for side, initiator in (("client_gss", True), ("server_gss", False)):

        def weak(initiator: bool = initiator) -> SharedKeyContext:
            context = SharedKeyContext(initiator)
            context.protects = False
            return context

        with pytest.raises(KeyExchangeFailed, match="without mutual authentication"):
            exchange_of(CURVE, 2, {side: weak}).run()


@pytest.mark.parametrize("method", QUICK, ids=lambda row: row.name.decode()[:-25])
@pytest.mark.parametrize("who", ["client", "server"])
def test_every_changed_message_is_noticed(method: KexAlgorithm, who: str) -> None:
    """Also K_S: the message integrity code covers all of it."""
    plain = exchange_of(method, 4)
    plain.run()
    sent = plain.client.sent if who == "client" else plain.server.sent
    source = random.Random(7)
    for index, payload in enumerate(sent):
        positions = {5, len(payload) - 1, *source.sample(range(1, len(payload)), 4)}
        for position in positions:
            count = iter(range(100))

            def tamper(
                text: bytes,
                count: Iterator[int] = count,
                index: int = index,
                position: int = position,
            ) -> bytes:
                if next(count) != index:
                    return text
                return text[:position] + bytes((text[position] ^ 1,)) + text[position + 1 :]

            exchange = exchange_of(method, 4)
            getattr(exchange, who).tamper = tamper
            with pytest.raises((ProtocolError, KeyExchangeFailed)):
                exchange.run()


def replaced(index: int, *payloads: bytes) -> Callable[[bytes], bytes]:
    """Change for a server's message with that index."""
    count = iter(range(100))
    return lambda text: payloads[0] if next(count) == index else text


@pytest.mark.parametrize(
    ("index", "payload", "error", "text"),
    [
        (0, KexGSSError(13, 5, b"no\nway\x1b[2J", b"").encode(), KeyExchangeFailed, r"no\\nw"),
        (0, KexGSSContinue(b"error token").encode(), KeyExchangeFailed, "defective"),
        (0, KexGSSContinue(b"").encode(), ProtocolError, "is empty"),
        (0, KexGSSComplete(b"f", b"mic", False).encode(), ProtocolError, "before its context"),
        (1, KexGSSHostkey(HOST_KEY).encode(), MessageOrderError, "33"),
        (1, KexGSSComplete(b"f", b"mic", False).encode(), ProtocolError, "before its context"),
        (2, KexGSSComplete(b"f", b"mic", False, b"more").encode(), ProtocolError, "behind"),
        (2, KexGSSComplete(b"f", b"mic", True).encode(), ProtocolError, "truncated"),
        (2, KexGSSComplete(b"f", b"mic", True, bytes(5)).encode(), ProtocolError, "behind"),
        (2, KexGSSGroup(5, 2).encode(), MessageOrderError, "41"),
    ],
)  # fmt: skip
def test_server_out_of_line(index: int, payload: bytes, error: type[Exception], text: str) -> None:
    """Four tokens: the server sends its host key, a token, and the last token with the MIC."""
    exchange = exchange_of(CURVE, 4)
    exchange.server.tamper = replaced(index, payload)
    with pytest.raises(error, match=text):
        exchange.run()


def test_token_after_the_last_one() -> None:
    """The client's context is complete after its second token of three."""
    for payload in (
        KexGSSContinue(b"one more").encode(),
        KexGSSComplete(b"f", b"mic", True, encode_string(b"one more")).encode(),
    ):
        exchange = exchange_of(CURVE, 3)
        exchange.server.tamper = replaced(2, payload)
        with pytest.raises(ProtocolError, match="behind the last one"):
            exchange.run()


def test_server_refuses_an_empty_token() -> None:
    exchange = exchange_of(CURVE)
    exchange.client.tamper = lambda _: KexGSSInit(b"", bytes(31) + b"\x09").encode()
    with pytest.raises(ProtocolError, match="is empty"):
        exchange.run()


class Endless(SharedKeyContext):
    """A context that is never complete."""

    def __init__(self) -> None:
        super().__init__(True)

    def step(self, token: bytes) -> bytes:
        """One more token."""
        return b"token"


class Faulty(SharedKeyContext):
    """A context of which one call fails or gives nothing."""

    def __init__(self, initiator: bool, fault: str) -> None:
        super().__init__(initiator, 4)
        self.fault = fault

    def step(self, token: bytes) -> bytes:
        """Nothing, or one token too many."""
        made = super().step(token)
        if self.fault == "silent at once" or (self.fault == "silent" and token):
            return b""
        return made or (b"more" if self.fault == "talks on" else b"")

    def sign(self, message: bytes) -> bytes:
        """No code."""
        if self.fault == "sign":
            raise GSSError("context has expired")
        return super().sign(message)


@pytest.mark.parametrize(
    ("side", "fault", "text"),
    [
        ("client_gss", "silent at once", "no token to begin with"),
        ("client_gss", "silent", "no token to go on with"),
        ("client_gss", "talks on", "wants to go on behind the end"),
        ("server_gss", "silent", "no token to go on with"),
        ("server_gss", "sign", "context has expired"),
    ],
)
def test_faulty_mechanism(side: str, fault: str, text: str) -> None:
    def make() -> Faulty:
        return Faulty(side == "client_gss", fault)

    with pytest.raises(KeyExchangeFailed, match=text):
        exchange_of(CURVE, 4, {side: make}).run()


def send_tokens(run: KexRun) -> None:
    """More tokens than anybody needs."""
    for _ in range(50):
        run.send(KexGSSContinue(b"token").encode())


def test_tokens_are_counted() -> None:
    """Neither side goes on for ever, whatever the other one wants."""
    with pytest.raises(ProtocolError, match=r"too many|before its context"):
        exchange_of(CURVE, 100).run()
    run = CURVE.client(KexContext(Role.CLIENT, "sha256", os.urandom, gss=Endless))
    next(run)
    with pytest.raises(ProtocolError, match="too many"):
        send_tokens(run)
    run = CURVE.server(KexContext(Role.SERVER, "sha256", os.urandom, gss=Endless))
    next(run)
    run.send(KexGSSInit(b"token", bytes(31) + b"\x09").encode())
    with pytest.raises(ProtocolError, match="before its context"):
        send_tokens(run)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gss_module, "find_spec", lambda name: None)
    gssapi_available.cache_clear()
    try:
        assert not any(name.startswith(b"gss-") for name in KEX_METHODS.names())
        for name in (CURVE.name, "gss-gex-sha256"):
            with pytest.raises(ValueError, match="needs the gssapi package: install the extra"):
                KEX_METHODS.select([name])
    finally:
        gssapi_available.cache_clear()


# --- Through the core ----------------------------------------------------------------------------


def test_core_with_gss_api() -> None:
    """The host key comes authenticated, so nobody is asked about it; again in a key re-exchange."""
    pair = Pair(
        kex_algorithms=(CURVE.name,),
        client={"gss": lambda: SharedKeyContext(True, 4)},
        server={"gss": lambda: SharedKeyContext(False, 4)},
    ).start()
    assert pair.of_type(Role.CLIENT, HostKeyOffered) == []
    assert pair.client.session_id == pair.server.session_id != b""
    assert pair.client.host_key is not None
    assert pair.client.host_key.public_data == PAIR_HOST_KEY.public_data
    first = pair.client.gss_context
    assert first is not None
    assert first.complete
    pair.authenticate()
    pair.server.request_rekey()
    pair.pump()
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 2
    # RFC 4462 section 4: authentication never goes by the context of a key re-exchange.
    assert pair.client.gss_context is first
    assert not pair.of_type(Role.CLIENT, Disconnected)


def gss_pair(
    *,
    client: Mapping[str, object] = NOTHING,
    server: Mapping[str, object] = NOTHING,
    kex: tuple[bytes, ...] = (CURVE.name,),
) -> Pair:
    """Two cores that share the small mechanism."""
    return Pair(
        kex_algorithms=kex,
        client={"gss": lambda: SharedKeyContext(True), **client},
        server={"gss": lambda: SharedKeyContext(False), **server},
    )


def test_context_of_a_later_exchange_does_not_authenticate() -> None:
    """The first exchange was an ordinary one, so there is nothing for gssapi-keyex."""
    pair = gss_pair(kex=(b"curve25519-sha256", CURVE.name)).start().authenticate()
    for core in (pair.client, pair.server):
        core.config.kex_algorithms = (CURVE.name,)
    pair.server.request_rekey()
    pair.pump()
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 2
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.kex == CURVE.name
    assert pair.client.gss_context is None
    assert pair.server.gss_context is None


# --- Null host key (RFC 4462 section 5) ----------------------------------------------------------


def test_server_without_a_host_key() -> None:
    pair = gss_pair(server={"host_keys": {}}).start()
    assert pair.server.config.host_key_algorithms == (b"null",)
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.host_key == b"null"
    assert pair.client.host_key is None
    pair.authenticate()
    for core in (pair.client, pair.server):
        core.request_rekey()
        pair.pump()
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 3
    assert not pair.of_type(Role.CLIENT, Disconnected)


def test_server_with_a_host_key_does_not_offer_null() -> None:
    """And of a client's list it stands last."""
    pair = gss_pair().start()
    explanation = pair.server.explain()
    assert explanation is not None
    choice = explanation["host key algorithm"]
    assert choice.ours == (b"ssh-ed25519",)
    assert choice.theirs[-1] == b"null"
    assert choice.theirs.count(b"null") == 1
    assert choice.chosen == b"ssh-ed25519"


def test_method_that_signs_is_not_chosen_without_a_key() -> None:
    """RFC 4253 section 7.1: a method that needs a key that signs is passed over."""
    pair = gss_pair(kex=(b"curve25519-sha256", CURVE.name), server={"host_keys": {}}).start()
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.kex == CURVE.name
    for core in (pair.client, pair.server):
        explanation = core.explain()
        assert explanation is not None
        choice = explanation["key exchange method"]
        assert choice.chosen == CURVE.name
        assert "can be used with the other choices" in choice.why
        assert choice.refused[b"curve25519-sha256"] == "it cannot be used with the other choices"


def test_null_is_never_chosen_for_a_method_that_signs() -> None:
    """Whatever a peer offers: the server would have to prove who it is by nothing."""
    names = (b"null", b"ssh-ed25519")
    client = kexinit((b"curve25519-sha256", CURVE.name), names)
    server = kexinit((b"curve25519-sha256",), names)
    for role, ours, theirs in ((Role.CLIENT, client, server), (Role.SERVER, server, client)):
        assert negotiate(role, ours, theirs).host_key == b"ssh-ed25519"
    only_null = kexinit((b"curve25519-sha256",), (b"null",))
    with pytest.raises(AlgorithmNegotiationError):
        negotiate(Role.CLIENT, client, only_null)


def kexinit(kex: tuple[bytes, ...], host_keys: tuple[bytes, ...]) -> KexInit:
    """An SSH_MSG_KEXINIT with these names."""
    rest = ((b"aes128-ctr",), (b"hmac-sha2-256",), (b"none",))
    names = [each for each in rest for _ in range(2)]
    return KexInit(kex, host_keys, *names, (), (), False, 0)  # type: ignore[call-arg, arg-type]


def test_host_key_of_a_server_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 4462 section 2.1: with `null`, SSH_MSG_KEXGSS_HOSTKEY must not be sent."""

    def talkative(context: KexContext) -> KexRun:
        return CURVE.server(context.replace(host_key=PAIR_HOST_KEY.public_data))

    def on_talkative(role: Role, ours: Offer, theirs: Offer) -> Suite:
        return agree(role, ours, theirs).replace(method=CURVE.replace(server=talkative))

    monkeypatch.setattr(keyexchange, "agree", on_talkative)
    pair = gss_pair(server={"host_keys": {}}).start()
    (event,) = pair.of_type(Role.CLIENT, Disconnected)
    assert "said that it has none" in str(event.error)


def test_server_needs_a_host_key_or_such_a_method() -> None:
    with pytest.raises(ValueError, match="needs a host key"):
        TransportConfig(
            role=Role.SERVER,
            kex_algorithms=(b"curve25519-sha256",),
            gss=lambda: SharedKeyContext(False),
        )


# --- What the peer is told of an error -----------------------------------------------------------


def sent_on_failure(exchange: Exchange) -> tuple[list[bytes], list[bytes]]:
    """What both sides sent until the exchange failed."""
    with pytest.raises(KeyExchangeFailed, match="GSS-API"):
        exchange.run()
    return exchange.client.sent, exchange.server.sent


def test_server_tells_the_status_and_sends_the_error_token() -> None:
    """RFC 4462 section 2.1: SSH_MSG_KEXGSS_ERROR first, then the error token; not our text."""
    impostor = partial(SharedKeyContext, True, 2, b"another key")
    _, sent = sent_on_failure(exchange_of(CURVE, 2, {"client_gss": impostor}))
    error = KexGSSError.decode(sent[0], 1)
    assert (error.major_status, error.minor_status) == (0x90000, 7)
    assert b"defective" not in error.message
    assert sent[1:] == [KexGSSContinue(b"error token").encode()]


def test_client_sends_the_error_token() -> None:
    impostor = partial(SharedKeyContext, False, 3, b"another key", True)
    sent, _ = sent_on_failure(exchange_of(CURVE, 3, {"server_gss": impostor}))
    assert sent[1:] == [KexGSSContinue(b"error token").encode()]


def test_errors_can_be_kept() -> None:
    """RFC 4462 section 9."""
    impostor = partial(SharedKeyContext, True, 2, b"another key")
    exchange = exchange_of(CURVE, 2, {"client_gss": impostor, "gss_errors": False})
    _, sent = sent_on_failure(exchange)
    assert sent == []


def test_error_reaches_the_client() -> None:
    pair = Pair(
        kex_algorithms=(CURVE.name,),
        client={"gss": lambda: SharedKeyContext(True, 2, b"another key")},
        server={"gss": lambda: SharedKeyContext(False, 2)},
    ).start()
    (event,) = pair.of_type(Role.CLIENT, Disconnected)
    assert "GSS-API error of the server: GSS-API token refused" in str(event.error)
    (event,) = pair.of_type(Role.SERVER, Disconnected)
    assert "token is defective" in str(event.error)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package counts as installed."""
    monkeypatch.setattr(gss_module, "find_spec", lambda name: name)
    gssapi_available.cache_clear()
    yield
    gssapi_available.cache_clear()


@pytest.mark.usefixtures("installed")
def test_family_names() -> None:
    """Options name the method without its mechanism, as `ssh -Q kex-gss` or as AsyncSSH does."""
    assert KEX_METHODS.select(["gss-gex-sha256"]) == (GROUP_EXCHANGE.name,)
    assert KEX_METHODS.select("gss-group14-sha256-,gss-gex-sha256") == (
        GROUP.name,
        GROUP_EXCHANGE.name,
    )
    assert GROUP.name not in KEX_METHODS.select("-gss-group14-sha256", default=KEX_METHODS.names())
    with pytest.raises(ValueError, match="unknown key exchange method 'gss-nothing'"):
        KEX_METHODS.select(["gss-nothing"])


def test_config_without_gss_api() -> None:
    """GSS-API methods that nobody gave credentials for are not offered."""
    config = TransportConfig(role=Role.CLIENT, kex_algorithms=(CURVE.name, b"curve25519-sha256"))
    assert config.kex_algorithms == (b"curve25519-sha256",)
    with pytest.raises(ValueError, match="needs gss"):
        TransportConfig(role=Role.CLIENT, kex_algorithms=(CURVE.name,))


def test_core_refuses_an_impostor() -> None:
    pair = Pair(
        kex_algorithms=(CURVE.name,),
        client={"gss": lambda: SharedKeyContext(True, 2)},
        server={"gss": lambda: SharedKeyContext(False, 2, b"another key")},
    ).start()
    (event,) = pair.of_type(Role.SERVER, Disconnected)
    assert "GSS-API" in str(event.error)
    assert not pair.of_type(Role.CLIENT, KexCompleted)
