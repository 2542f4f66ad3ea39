"""Our client and our server, over Kerberos: key exchange, both methods of authentication."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_transport.errors import AlgorithmNegotiationError, DisconnectError, KeyExchangeFailed
from tests.kerberos.realm import HOST, REALM, USER, Realm

HOST_KEY = ssh_meta.generate_private_key("ssh-ed25519")
LOOPBACK = "127.0.0.1"

KEX_NAMES = (
    "gss-curve25519-sha256",
    "gss-nistp256-sha256",
    "gss-group14-sha256",
    "gss-group14-sha1",
    "gss-group16-sha512",
    "gss-gex-sha256",
    "gss-gex-sha1",
)


class Server(ssh_meta.SSHServer):
    """Notes who asked; lets in whom the default does."""

    asked: list[tuple[str, str, str]]
    connections: list[ssh_meta.SSHServerConnection]

    def connection_made(self, conn: ssh_meta.SSHServerConnection) -> None:  # type: ignore[override]
        self.connections.append(conn)

    def validate_gss_principal(
        self, username: str, user_principal: str, host_principal: str
    ) -> bool | Awaitable[bool]:
        self.asked.append((username, user_principal, host_principal))
        return super().validate_gss_principal(username, user_principal, host_principal)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[int, type[Server]]]:
    """A server of ours that greets whoever gets in."""

    class Mine(Server):
        asked: list[tuple[str, str, str]] = []  # noqa: RUF012
        connections: list[ssh_meta.SSHServerConnection] = []  # noqa: RUF012

    def greet(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write(f"hello {process.get_extra_info('username')}\n")
        process.exit(0)

    options.setdefault("server_host_keys", [HOST_KEY])
    async with ssh_meta.listen(
        LOOPBACK, 0, server_factory=Mine, process_factory=greet, **options
    ) as acceptor:
        yield acceptor.get_port(), Mine


async def greeting(port: int, **options: Any) -> tuple[str, str]:
    """Connect and return what the server says, and the key exchange method."""
    options = {"username": USER, "client_keys": None, "known_hosts": None, **options}
    async with ssh_meta.connect(LOOPBACK, port, gss_host=HOST, **options) as conn:
        done = await conn.run("whoever", check=True)
        return str(done.stdout), str(conn.get_extra_info("kex_alg") or "")


@pytest.mark.parametrize("kex", KEX_NAMES)
async def test_key_exchange_and_keyex(realm: Realm, kex: str) -> None:
    """The host key is not looked up: the key exchange proves who the server is."""
    async with serving(gss_host=HOST, kex_algs=[kex]) as (port, server):
        text, _ = await greeting(
            port, kex_algs=[kex], known_hosts=b"", preferred_auth="gssapi-keyex"
        )
        assert text == f"hello {USER}\n"
        principals = (USER, f"{USER}@{REALM}", f"host/{HOST}@{REALM}")
        assert server.asked == [principals]
        (conn,) = server.connections
        assert conn.get_extra_info("gss_principal") == f"{USER}@{REALM}"
        assert conn.get_extra_info("gss_delegated_creds") is None


async def test_with_mic(realm: Realm) -> None:
    async with serving(gss_host=HOST) as (port, server):
        text, _ = await greeting(port, gss_kex=False, preferred_auth="gssapi-with-mic")
        assert text == f"hello {USER}\n"
        assert server.asked == [(USER, f"{USER}@{REALM}", f"host/{HOST}@{REALM}")]


async def test_all_of_it_by_default(realm: Realm) -> None:
    """Naming the host asks for both: the method is one of GSS-API, and so is authentication."""
    async with serving(gss_host=HOST) as (port, server):
        await greeting(port, known_hosts=b"")
        assert len(server.asked) == 1


async def test_server_without_a_host_key(realm: Realm) -> None:
    async with serving(gss_kex=True, server_host_keys=None) as (port, _):
        assert (await greeting(port, known_hosts=b""))[0] == f"hello {USER}\n"
        with pytest.raises(AlgorithmNegotiationError):
            await greeting(port, gss_kex=False)


async def test_key_re_exchange(realm: Realm) -> None:
    for keys in ([HOST_KEY], None):
        async with (
            serving(gss_host=HOST, server_host_keys=keys, rekey_bytes=4096) as (port, _),
            ssh_meta.connect(
                LOOPBACK, port, gss_host=HOST, username=USER, client_keys=None, known_hosts=b""
            ) as conn,
        ):
            for _ in range(20):
                assert (await conn.run("whoever " + "x" * 1000)).exit_status == 0


async def test_client_tries_it_behind_its_keys(realm: Realm) -> None:
    """Without an option, a client uses its ticket where the server takes it."""
    async with serving(gss_auth=True) as (port, server):
        key = ssh_meta.generate_private_key("ssh-ed25519")
        async with ssh_meta.connect(
            HOST, port, username=USER, client_keys=[key], known_hosts=None
        ) as conn:
            assert (await conn.run("whoever")).stdout == f"hello {USER}\n"
        assert len(server.asked) == 1
        with pytest.raises(ssh_meta.PermissionDenied):
            await ssh_meta.connect(
                HOST, port, username=USER, client_keys=[key], known_hosts=None, gss_auth=False
            )


async def test_delegation(realm: Realm) -> None:
    """The server gets credentials that it can use: here, for a ticket to itself."""
    async with serving(gss_host=HOST) as (port, server):
        for kex in (True, False):
            await greeting(port, gss_delegate_creds=True, gss_kex=kex)
            credentials: Any = server.connections.pop().get_extra_info("gss_delegated_creds")
            assert str(credentials.name) == f"{USER}@{REALM}"
            assert credentials.usage == "initiate"


async def test_other_user_is_refused(realm: Realm) -> None:
    async with serving(gss_host=HOST) as (port, server):
        with pytest.raises(ssh_meta.PermissionDenied):
            await greeting(port, username="somebody")
        # Each method once: the one of the key exchange and the one of its own.
        assert [each[0] for each in server.asked] == ["somebody", "somebody"]


async def test_application_decides(realm: Realm) -> None:
    class Late(Server):
        asked: list[tuple[str, str, str]] = []  # noqa: RUF012
        connections: list[ssh_meta.SSHServerConnection] = []  # noqa: RUF012

        async def validate_gss_principal(
            self, username: str, user_principal: str, host_principal: str
        ) -> bool:
            return (username, user_principal) == ("operator", f"{USER}@{REALM}")

    async with ssh_meta.listen(
        LOOPBACK, 0, server_factory=Late, server_host_keys=[HOST_KEY], gss_host=HOST
    ) as acceptor:
        port = acceptor.get_port()
        options: dict[str, Any] = {"client_keys": None, "known_hosts": None, "gss_host": HOST}
        for auth in ("gssapi-keyex", "gssapi-with-mic"):
            async with ssh_meta.connect(
                LOOPBACK, port, username="operator", preferred_auth=auth, **options
            ):
                pass
            with pytest.raises(ssh_meta.PermissionDenied):
                await ssh_meta.connect(
                    LOOPBACK, port, username=USER, preferred_auth=auth, **options
                )


async def test_one_of_two_factors(realm: Realm) -> None:
    """RFC 4462 section 3.7: partial success."""
    key = ssh_meta.generate_private_key("ssh-ed25519")
    authorized = ssh_meta.import_authorized_keys(key.export_public_key().decode())
    async with serving(
        gss_host=HOST,
        auth_methods="gssapi-with-mic,publickey",
        authorized_client_keys=authorized,
    ) as (port, server):
        assert (await greeting(port, client_keys=[key]))[0] == f"hello {USER}\n"
        assert len(server.asked) == 1
        with pytest.raises(ssh_meta.PermissionDenied):
            await greeting(port)


@pytest.fixture
def no_ticket(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user has none."""
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")


@pytest.mark.usefixtures("no_ticket")
async def test_without_a_ticket() -> None:
    async with serving(gss_host=HOST) as (port, _):
        with pytest.raises(KeyExchangeFailed, match="GSS-API"):
            await greeting(port, kex_algs=["gss-curve25519-sha256"])
        # With other methods to fall back to, the reason is that nothing else let us in.
        with pytest.raises(ssh_meta.PermissionDenied, match="gssapi-with-mic"):
            await greeting(port)


async def test_store(realm: Realm, no_ticket: None) -> None:
    """Credentials from where the application says."""
    store = {"ccache": f"FILE:{realm.ccache}"}
    async with serving(gss_store={"keytab": str(realm.keytab)}) as (port, _):
        assert (await greeting(port, gss_store=store))[0] == f"hello {USER}\n"


async def test_server_for_which_there_is_no_ticket(realm: Realm) -> None:
    async with serving(gss_host=HOST) as (port, _):
        with pytest.raises(DisconnectError):
            await ssh_meta.connect(
                LOOPBACK,
                port,
                gss_host="unknown.host",
                username=USER,
                client_keys=None,
                known_hosts=None,
            )


async def test_server_without_a_key_is_told_at_once(realm: Realm, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gss_host: no key to accept clients with"):
        await ssh_meta.listen(
            LOOPBACK,
            0,
            server_host_keys=[HOST_KEY],
            gss_host=HOST,
            gss_store={"keytab": f"FILE:{tmp_path}/none"},
        )


async def test_key_of_another_service_accepts_nobody(realm: Realm, tmp_path: Path) -> None:
    """Without `gss_host` any key of service `host` will do, but none of another service."""
    keytab = tmp_path / "http.keytab"
    realm.add_service("HTTP", keytab)
    with pytest.raises(ValueError, match="no key to accept clients with"):
        await ssh_meta.listen(
            LOOPBACK,
            0,
            server_host_keys=[HOST_KEY],
            gss_auth=True,
            gss_store={"keytab": f"FILE:{keytab}"},
        )


def test_ticket_is_there(realm: Realm) -> None:
    """What the tests rely on."""
    listed = subprocess.run(["klist"], capture_output=True, text=True, check=True).stdout
    assert f"{USER}@{REALM}" in listed
