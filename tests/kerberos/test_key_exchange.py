"""Every GSS-API key exchange method, over Kerberos."""

from __future__ import annotations

import pytest

from ssh_transport.errors import KeyExchangeFailed
from ssh_transport.gss import GSSAPIContext, GSSError
from ssh_transport.kex import KEX_METHODS
from ssh_transport.kex.messages import KexGSSHostkey
from ssh_transport.protocols import KexAlgorithm
from tests.kerberos.realm import HOST, REALM, USER, Realm
from tests.transport.kex_driver import Exchange

METHODS = [row for row in KEX_METHODS if row.name.startswith(b"gss-")]
CURVE = KEX_METHODS[KEX_METHODS.select(["gss-curve25519-sha256"])[0]]

by_name = pytest.mark.parametrize("method", METHODS, ids=lambda row: row.name.decode()[:-25])


@by_name
def test_kerberos(realm: Realm, method: KexAlgorithm) -> None:
    contexts: list[GSSAPIContext] = []

    def acceptor() -> GSSAPIContext:
        contexts.append(GSSAPIContext.acceptor(store={"keytab": str(realm.keytab)}))
        return contexts[-1]

    exchange = Exchange(
        method,
        client_gss=lambda: GSSAPIContext.initiator(HOST, delegate=True),
        server_gss=acceptor,
    )
    exchange.run()
    assert exchange.client.digest == exchange.server.digest
    (context,) = contexts
    assert context.initiator_name == f"{USER}@{REALM}"
    assert context.delegated_credentials is not None


def test_kerberos_code_of_another_hash(realm: Realm) -> None:
    exchange = Exchange(
        CURVE,
        client_gss=lambda: GSSAPIContext.initiator(HOST),
        server_gss=lambda: GSSAPIContext.acceptor(HOST),
    )
    exchange.server.tamper = lambda text: (
        KexGSSHostkey(b"another key").encode() if text[0] == 33 else text
    )
    with pytest.raises(KeyExchangeFailed, match="Message Integrity"):
        exchange.run()


def test_kerberos_errors(realm: Realm) -> None:
    with pytest.raises(KeyExchangeFailed, match="not found in Kerberos database"):
        Exchange(CURVE, client_gss=lambda: GSSAPIContext.initiator("unknown.host")).run()
    with pytest.raises(GSSError) as caught:
        GSSAPIContext.acceptor("unknown.host", store={"keytab": str(realm.keytab)})
    assert caught.value.major
    with pytest.raises(GSSError):
        GSSAPIContext.acceptor(HOST).step(b"not a token")
    with pytest.raises(GSSError):
        GSSAPIContext.initiator(HOST, store={"ccache": f"FILE:{realm.folder}/none"})
