"""AsyncSSH, in both roles, over Kerberos: among others the methods that OpenSSH lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_transport.kex import KEX_METHODS
from tests.interop.peers.availability import ROOT, python_with
from tests.interop.peers.credentials import Credentials, make_credentials
from tests.interop.peers.process import clean_environment, free_port, run
from tests.interop.peers.process import serving as peer_serving
from tests.kerberos.realm import HOST, USER, Realm
from tests.kerberos.test_own import LOOPBACK, serving

SCRIPT = ROOT / "tests" / "interop" / "peers" / "scripts" / "asyncssh_gss.py"
SUFFIX = b"toWM5Slw5Ew8Mqkay+al2g=="
NAMES = [
    row.name.removesuffix(b"-" + SUFFIX).decode()
    for row in KEX_METHODS
    if row.name.startswith(b"gss-")
]


@pytest.fixture(scope="module")
def credentials(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Keys of the server."""
    return make_credentials(tmp_path_factory.mktemp("credentials"))


def command(role: str, port: int, *words: str) -> list[str]:
    """A command line of the peer."""
    python = python_with("asyncssh")
    python_with("gssapi")
    return [python, str(SCRIPT), role, "--port", str(port), "--host", HOST, *words]


@pytest.mark.parametrize("name", NAMES)
async def test_client(realm: Realm, credentials: Credentials, tmp_path: Path, name: str) -> None:
    port = free_port()
    argv = command("server", port, "--host-key", str(credentials.host_key), "--kex", name)
    options: dict[str, Any] = {"known_hosts": b"", "client_keys": None, "gss_host": HOST}
    with peer_serving("asyncssh", argv, port, tmp_path, clean_environment(tmp_path)):
        for auth in ("gssapi-keyex", "gssapi-with-mic"):
            async with ssh_meta.connect(
                LOOPBACK,
                port,
                username=USER,
                kex_algs=[name],
                preferred_auth=auth,
                gss_delegate_creds=auth == "gssapi-with-mic",
                **options,
            ) as conn:
                assert (await conn.run("whoever", check=True)).stdout == f"hello {USER}\n"


async def test_client_at_a_server_without_a_host_key(realm: Realm, tmp_path: Path) -> None:
    """The null host key algorithm (RFC 4462 section 5)."""
    port = free_port()
    with peer_serving(
        "asyncssh", command("server", port), port, tmp_path, clean_environment(tmp_path)
    ):
        async with ssh_meta.connect(
            LOOPBACK, port, username=USER, known_hosts=b"", client_keys=None, gss_host=HOST
        ) as conn:
            assert (await conn.run("whoever", check=True)).stdout == f"hello {USER}\n"
            assert conn.get_server_host_key() is None


async def ask(port: int, folder: Path, *words: str) -> None:
    """Let AsyncSSH's client run three commands."""
    done = await run(command("client", port, "--user", USER, *words), clean_environment(folder))
    assert (done.status, done.stdout.decode()) == (0, f"hello {USER}\n" * 3), done.text


@pytest.mark.parametrize("name", NAMES)
async def test_server(realm: Realm, tmp_path: Path, name: str) -> None:
    async with serving(gss_host=HOST, kex_algs=[name]) as (port, server):
        for auth in ("gssapi-keyex", "gssapi-with-mic"):
            await ask(port, tmp_path, "--kex", name, "--auth", auth)
        assert len(server.asked) == 2


async def test_server_after_an_ordinary_key_exchange(realm: Realm, tmp_path: Path) -> None:
    async with serving(gss_auth=True) as (port, server):
        await ask(port, tmp_path, "--no-kex", "--delegate")
        (conn,) = server.connections
        assert conn.get_extra_info("gss_delegated_creds") is not None


async def test_key_re_exchange(realm: Realm, tmp_path: Path) -> None:
    async with serving(gss_host=HOST) as (port, _):
        await ask(port, tmp_path, "--rekey-bytes", "2000")
