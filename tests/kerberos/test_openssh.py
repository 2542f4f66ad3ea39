"""OpenSSH with Debian's GSS-API key exchange, in both roles, over Kerberos."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_transport import KEX_METHODS
from tests.interop.peers.availability import find_program, missing, program
from tests.interop.peers.credentials import Credentials, make_credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, run
from tests.kerberos.realm import HOST, USER, Realm
from tests.kerberos.test_own import LOOPBACK, serving


def gss_names() -> list[str]:
    """The methods of `ssh -Q kex-gss` without the hyphen; nothing if OpenSSH is not patched."""
    ssh = find_program("ssh")
    if ssh is None:
        return []
    asked = subprocess.run([ssh, "-Q", "kex-gss"], capture_output=True, text=True, check=False)
    return [name.rstrip("-") for name in asked.stdout.split()]


NAMES = gss_names()


def test_there_is_something_to_prove() -> None:
    if not NAMES:
        missing("an OpenSSH with GSS-API key exchange")
    assert all(KEX_METHODS.select([name]) for name in NAMES)


@pytest.fixture(scope="module")
def credentials(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Keys of sshd."""
    return make_credentials(tmp_path_factory.mktemp("credentials"))


@contextmanager
def openssh(credentials: Credentials, folder: Path, options: Mapping[str, str]) -> Iterator[int]:
    """An sshd that takes nothing but GSS-API."""
    lines = {
        "GSSAPIAuthentication": "yes",
        "GSSAPIStrictAcceptorCheck": "no",
        "PubkeyAuthentication": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "yes",
        **options,
    }
    with sshd(credentials, folder, lines) as running:
        yield running.port


async def ask(port: int, command: str = "echo hello $USER", **options: Any) -> str:
    """Run a command at an sshd."""
    options = {"known_hosts": b"", "client_keys": None, "gss_host": HOST, **options}
    async with ssh_meta.connect(LOOPBACK, port, username=USER, **options) as conn:
        return str((await conn.run(command, check=True)).stdout)


@pytest.mark.parametrize("name", NAMES)
async def test_client_key_exchange(
    realm: Realm, credentials: Credentials, tmp_path: Path, name: str
) -> None:
    options = {"GSSAPIKeyExchange": "yes", "GSSAPIKexAlgorithms": f"{name}-"}
    with openssh(credentials, tmp_path, options) as port:
        for auth in ("gssapi-keyex", "gssapi-with-mic"):
            text = await ask(port, kex_algs=[name], preferred_auth=auth, rekey_bytes=100_000)
            assert text == f"hello {USER}\n"


async def test_client_key_re_exchange(
    realm: Realm, credentials: Credentials, tmp_path: Path
) -> None:
    with openssh(credentials, tmp_path, {"GSSAPIKeyExchange": "yes"}) as port:
        text = await ask(port, "head -c 3000000 /dev/zero | tr '\\0' x", rekey_bytes=500_000)
        assert text == "x" * 3_000_000


async def test_client_with_mic_after_an_ordinary_key_exchange(
    realm: Realm, credentials: Credentials, tmp_path: Path
) -> None:
    with openssh(credentials, tmp_path, {}) as port:
        known = credentials.known_hosts(port)
        for delegate in (False, True):
            text = await ask(
                port,
                "echo $KRB5CCNAME; klist 2>/dev/null | grep -c krbtgt || true",
                known_hosts=str(known),
                gss_kex=False,
                gss_delegate_creds=delegate,
            )
            assert (text.split()[-1] == "1") is delegate, text


async def test_refused_by_sshd(realm: Realm, credentials: Credentials, tmp_path: Path) -> None:
    """The principal has no right to the account: failure, and no error of ours."""
    with (
        openssh(credentials, tmp_path, {"GSSAPIKeyExchange": "yes"}) as port,
        pytest.raises(ssh_meta.PermissionDenied, match="gssapi-keyex, gssapi-with-mic"),
    ):
        await ssh_meta.connect(
            LOOPBACK,
            port,
            username="daemon",
            known_hosts=b"",
            client_keys=None,
            gss_host=HOST,
        )


async def ssh_says(port: int, folder: Path, options: Mapping[str, str]) -> tuple[str, str]:
    """What OpenSSH's client prints, and its log."""
    settings = {
        "GSSAPIAuthentication": "yes",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "User": USER,
        **options,
    }
    words = [word for item in settings.items() for word in ("-o", "=".join(item))]
    argv = [program("ssh"), "-v", "-F", "none", *words, "-p", str(port), HOST, "whoever"]
    done = await run(argv, clean_environment(folder))
    assert done.status == 0, done.text
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name", NAMES)
async def test_server_key_exchange(realm: Realm, tmp_path: Path, name: str) -> None:
    async with serving(gss_host=HOST, kex_algs=[name]) as (port, server):
        for auth in ("gssapi-keyex", "gssapi-with-mic"):
            text, log = await ssh_says(
                port,
                tmp_path,
                {
                    "GSSAPIKeyExchange": "yes",
                    "GSSAPIKexAlgorithms": f"{name}-",
                    "PreferredAuthentications": auth,
                },
            )
            assert text == f"hello {USER}\n"
            assert f"kex: algorithm: {name}-" in log
            assert f'Authenticated to {HOST} ([{LOOPBACK}]:{port}) using "{auth}"' in log
        assert len(server.asked) == 2


async def test_server_without_a_host_key(realm: Realm, tmp_path: Path) -> None:
    """The null host key algorithm (RFC 4462 section 5)."""
    async with serving(gss_kex=True, server_host_keys=None) as (port, _):
        text, log = await ssh_says(port, tmp_path, {"GSSAPIKeyExchange": "yes"})
        assert text == f"hello {USER}\n"
        assert "host key algorithm: null" in log


async def test_server_with_mic_and_delegation(
    realm: Realm, credentials: Credentials, tmp_path: Path
) -> None:
    async with serving(gss_auth=True, server_host_keys=[str(credentials.host_key)]) as (
        port,
        server,
    ):
        known = tmp_path / "known_hosts"
        known.write_text(f"[{HOST}]:{port} {credentials.host_key.with_suffix('.pub').read_text()}")
        options = {"UserKnownHostsFile": str(known), "GSSAPIDelegateCredentials": "yes"}
        text, log = await ssh_says(port, tmp_path, options)
        assert text == f"hello {USER}\n"
        assert 'using "gssapi-with-mic"' in log
        (conn,) = server.connections
        assert conn.get_extra_info("gss_delegated_creds") is not None
