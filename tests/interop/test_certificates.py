"""Certificates of ssh-keygen: host and user certificates with OpenSSH and AsyncSSH, both roles."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_meta import (
    HostCertificateExpired,
    HostCertificateInvalid,
    HostCertificateMismatch,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
    PermissionDenied,
)
from tests.interop.own_server import own_server
from tests.interop.peers.availability import program
from tests.interop.peers.certificates import (
    EXPIRED,
    Authority,
    CertifiedCredentials,
    certified,
    make_authority,
)
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import SSH, sshd
from tests.interop.peers.process import Finished
from tests.interop.peers.putty import CertifiedPlink
from tests.interop.peers.python_peers import PythonClient, python_server
from tests.interop.peers.roles import PeerClient, PeerServer

SERVERS = ("sshd", "asyncssh")
CLIENTS = ("ssh", "asyncssh")


@pytest.fixture(params=["ed25519", "rsa", "ecdsa"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Authority:
    """An authority with each type of key."""
    return make_authority(tmp_path, request.param)


@pytest.fixture
def made(credentials: Credentials, authority: Authority, tmp_path: Path) -> CertifiedCredentials:
    """Credentials whose user has a good certificate, and whose host has one, too."""
    folder = tmp_path / "certified"
    folder.mkdir()
    made = certified(credentials, folder, authority)
    authority.certify(made.host_key, HOST, host=True)
    authority.certify(made.user_key, f"nobody,{made.user}")
    return made


@pytest.fixture
def ed25519(tmp_path: Path) -> Authority:
    """An authority where its type does not matter."""
    return make_authority(tmp_path, name="only")


@pytest.fixture
def one(credentials: Credentials, ed25519: Authority, tmp_path: Path) -> CertifiedCredentials:
    """Credentials like `made`, of that authority."""
    folder = tmp_path / "one"
    folder.mkdir()
    made = certified(credentials, folder, ed25519)
    ed25519.certify(made.host_key, HOST, host=True)
    ed25519.certify(made.user_key, made.user)
    return made


@contextlib.contextmanager
def peer_server(name: str, made: CertifiedCredentials, folder: Path) -> Iterator[PeerServer]:
    """A server of a peer that has a host certificate and trusts the authority."""
    if name == "asyncssh":
        with python_server(name, made, folder) as server:
            yield server
        return
    options = {
        "HostCertificate": f"{made.host_key}-cert.pub",
        "TrustedUserCAKeys": str(made.authority),
        "AuthorizedKeysFile": "none",
        "CASignatureAlgorithms": "+ssh-rsa",
    }
    with sshd(made, folder, options) as server:
        yield server


def connect(
    server: PeerServer, made: CertifiedCredentials, **options: Any
) -> AbstractAsyncContextManager[ssh_meta.SSHClientConnection]:
    """Connect to a peer with nothing but certificates."""
    kwargs: dict[str, Any] = {
        "username": server.user,
        "known_hosts": str(made.known_hosts(server.port)),
        "client_keys": [str(made.user_key)],
        "agent_path": None,
        **options,
    }
    return ssh_meta.connect(HOST, server.port, **kwargs)


# --- Our client ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVERS)
async def test_our_client(name: str, made: CertifiedCredentials, tmp_path: Path) -> None:
    with peer_server(name, made, tmp_path) as server:
        async with connect(server, made) as conn:
            assert (await conn.run("exit 6")).exit_status == 6
            shown = conn.get_extra_info("server_host_certificate")
            assert isinstance(shown, ssh_meta.SSHCertificate)
            assert (
                shown.public_data
                == ssh_meta.read_certificate(f"{made.host_key}-cert.pub").public_data
            )
        # Without its certificate, the key of the user is nobody's.
        with pytest.raises(PermissionDenied):
            async with connect(
                server, made, client_keys=[ssh_meta.read_private_key(made.user_key)]
            ):
                pass


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"principals": "example.org"}, HostCertificateMismatch),
        ({"principals": HOST, "validity": EXPIRED}, HostCertificateExpired),
        ({"principals": ""}, HostCertificateMismatch),
    ],
)
async def test_our_client_refuses_a_bad_host_certificate(
    one: CertifiedCredentials,
    ed25519: Authority,
    tmp_path: Path,
    kwargs: dict[str, Any],
    error: type[HostKeyNotVerifiable],
) -> None:
    ed25519.certify(one.host_key, host=True, **kwargs)
    with peer_server("sshd", one, tmp_path) as server, pytest.raises(error):
        async with connect(server, one):
            pass


async def test_our_client_refuses_authorities(one: CertifiedCredentials, tmp_path: Path) -> None:
    with peer_server("sshd", one, tmp_path) as server:
        with pytest.raises(HostKeyUnknown):
            async with connect(
                server, one, known_hosts=str(one.known_hosts(server.port, wrong=True))
            ):
                pass
        line = f"[{HOST}]:{server.port} {one.authority.read_text()}"
        for revoked in (line, f"* {one.host_key.with_suffix('.pub').read_text()}"):
            known = f"@cert-authority {line}@revoked {revoked}".encode()
            with pytest.raises(HostKeyRevoked):
                async with connect(server, one, known_hosts=known):
                    pass


async def test_sha1_signature_of_an_authority(credentials: Credentials, tmp_path: Path) -> None:
    authority = make_authority(tmp_path, "rsa")
    folder = tmp_path / "sha1"
    folder.mkdir()
    made = certified(credentials, folder, authority)
    authority.certify(made.host_key, HOST, host=True, sig_algorithm="ssh-rsa")
    authority.certify(made.user_key, made.user)
    with peer_server("sshd", made, tmp_path) as server:
        with pytest.raises(HostCertificateInvalid, match="not allowed"):
            async with connect(server, made):
                pass
        async with connect(server, made, ca_signature_algs="+ssh-rsa") as conn:
            assert (await conn.run("exit 6")).exit_status == 6


async def test_application_vouches_for_the_authority(
    one: CertifiedCredentials, tmp_path: Path
) -> None:
    authority = ssh_meta.read_public_key(one.authority)
    asked: list[tuple[object, ...]] = []

    class Client(ssh_meta.SSHClient):
        def validate_host_ca_key(
            self, host: str, addr: str, port: int, key: ssh_meta.SSHKey
        ) -> bool:
            asked.append((host, addr, port))
            return key == authority

    with peer_server("sshd", one, tmp_path) as server:
        async with connect(server, one, known_hosts=b"", client_factory=Client) as conn:
            assert (await conn.run("exit 6")).exit_status == 6
        assert asked == [(HOST, HOST, server.port)]


async def test_last_certificate_of_a_host_key_counts(
    one: CertifiedCredentials, ed25519: Authority, tmp_path: Path
) -> None:
    beside = Path(f"{one.host_key}-cert.pub")
    first = shutil.copy(beside, tmp_path / "first.pub")
    ed25519.certify(one.host_key, f"{HOST},other", host=True)
    for named in ([first, beside], [beside, first]):
        shown = []
        lines = {"HostCertificate": f"{named[0]}\nHostCertificate {named[1]}"}
        with sshd(one, tmp_path, lines) as peer:
            async with connect(peer, one) as conn:
                shown.append(conn.get_extra_info("server_host_certificate"))
        ours = await ssh_meta.listen(
            HOST,
            0,
            server_host_keys=[str(one.host_key)],
            server_host_certs=list(map(str, named)),
            authorized_client_keys=str(one.authorized_keys),
        )
        port = ours.get_port()
        known = str(one.known_hosts(port))
        keys = [str(one.user_key)]
        async with (
            ours,
            ssh_meta.connect(
                HOST, port, username=one.user, known_hosts=known, client_keys=keys
            ) as conn,
        ):
            shown.append(conn.get_extra_info("server_host_certificate"))
        assert shown == [ssh_meta.read_certificate(named[1])] * 2


# --- Our server ------------------------------------------------------------------------------


async def run_client(
    name: str, made: CertifiedCredentials, folder: Path, command: str = "echo in", **options: str
) -> Finished:
    """Run a client of a peer at our server."""
    client = PythonClient(name, folder) if name == "asyncssh" else SSH(folder, options=options)
    async with own_server(made) as own:
        return await client.exec(own.target(), command)


@pytest.mark.parametrize("name", CLIENTS)
async def test_our_server(name: str, made: CertifiedCredentials, tmp_path: Path) -> None:
    done = await run_client(name, made, tmp_path)
    assert (done.status, done.stdout) == (0, b"in\n"), done.text
    if name == "ssh":
        assert b"Server host certificate" in done.stderr, done.text


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    "kwargs",
    [
        {"principals": "nobody"},
        {"principals": ""},
        {"validity": EXPIRED},
        {"options": ["source-address=192.0.2.0/24"]},
        {"options": ["critical:unknown@example.org=x"]},
        {"host": True},
    ],
    ids=str,
)
async def test_our_server_refuses(
    name: str,
    one: CertifiedCredentials,
    ed25519: Authority,
    tmp_path: Path,
    kwargs: dict[str, Any],
) -> None:
    ed25519.certify(one.user_key, **{"principals": one.user, **kwargs})
    done = await run_client(name, one, tmp_path)
    assert (done.status, done.stdout) == (255, b""), done.text


async def test_our_server_refuses_another_authority(
    one: CertifiedCredentials, tmp_path: Path
) -> None:
    make_authority(tmp_path, name="another").certify(one.user_key, one.user)
    done = await run_client("ssh", one, tmp_path)
    assert (done.status, done.stdout) == (255, b""), done.text
    assert b"Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('cert-authority,principals="staff,ops"', 0),
        ('cert-authority,principals="ops"', 255),
        ("cert-authority", 255),
        ('cert-authority,principals="staff",from="192.0.2.1"', 255),
    ],
)
async def test_principals_of_authorized_keys(
    one: CertifiedCredentials, ed25519: Authority, tmp_path: Path, line: str, status: int
) -> None:
    ed25519.certify(one.user_key, "staff")
    one.authorized_keys.write_text(f"{line} {one.authority.read_text()}")
    done = await run_client("ssh", one, tmp_path)
    assert done.status == status, done.text


async def test_our_server_forces_the_command_of_a_certificate(
    one: CertifiedCredentials, ed25519: Authority, tmp_path: Path
) -> None:
    options = ["force-command=echo forced; exit 4", "source-address=127.0.0.0/8"]
    ed25519.certify(one.user_key, one.user, options=options)
    done = await run_client("ssh", one, tmp_path, "echo wanted")
    assert (done.status, done.stdout) == (4, b"forced\n"), done.text


async def test_our_server_forwards_only_what_a_certificate_permits(
    one: CertifiedCredentials, ed25519: Authority, tmp_path: Path
) -> None:
    options = {"ExitOnForwardFailure": "yes", "RemoteForward": f"0 {HOST}:9"}
    ed25519.certify(one.user_key, one.user, options=["no-port-forwarding"])
    done = await run_client("ssh", one, tmp_path, **options)
    assert done.status == 255, done.text
    assert b"remote port forwarding failed" in done.stderr


@pytest.mark.parametrize(
    ("kwargs", "why"),
    [
        ({"principals": "example.org"}, b"Certificate invalid: name is not a listed principal"),
        ({"principals": HOST, "validity": EXPIRED}, b"Certificate invalid: expired"),
    ],
)
async def test_openssh_refuses_a_bad_certificate_of_our_server(
    one: CertifiedCredentials,
    ed25519: Authority,
    tmp_path: Path,
    kwargs: dict[str, Any],
    why: bytes,
) -> None:
    ed25519.certify(one.host_key, host=True, **kwargs)
    done = await run_client("ssh", one, tmp_path)
    assert (done.status, done.stdout) == (255, b""), done.text
    assert why in done.stderr, done.text


# --- Revocation ------------------------------------------------------------------------------


async def test_revocation_list_of_ssh_keygen(
    one: CertifiedCredentials, ed25519: Authority, tmp_path: Path
) -> None:
    """A list by serial number and key id, as ssh-keygen -k makes it, in both roles."""
    words = [program("ssh-keygen"), "-q", "-s", str(ed25519.key), "-V", "always:forever"]
    user, host = one.user_key.with_suffix(".pub"), one.host_key.with_suffix(".pub")
    subprocess.run([*words, "-I", "me", "-z", "7", "-n", one.user, str(user)], check=True)
    subprocess.run([*words, "-I", "web", "-h", "-n", HOST, str(host)], check=True)
    krl, orders = tmp_path / "krl", tmp_path / "orders"
    orders.write_text("serial: 5-9\nid: web\n")
    make = [program("ssh-keygen"), "-q", "-k", "-f", str(krl), "-s", str(one.authority)]
    subprocess.run([*make, str(orders)], check=True)
    for revoked, status in ((None, 0), (str(krl), 255)):
        async with own_server(one, revoked_keys=revoked) as own:
            done = await SSH(tmp_path).exec(own.target(), "echo in")
            assert done.status == status, done.text
    with peer_server("sshd", one, tmp_path) as server:
        async with connect(server, one):
            pass
        with pytest.raises(HostKeyRevoked):
            async with connect(server, one, revoked_keys=str(krl)):
                pytest.fail("a revoked host is trusted")


# --- Others ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plink", "paramiko"])
@pytest.mark.parametrize(("principals", "status"), [("me", 0), ("other", None)])
async def test_user_certificate_of_others(
    one: CertifiedCredentials,
    ed25519: Authority,
    credentials: Credentials,
    tmp_path: Path,
    name: str,
    principals: str,
    status: int | None,
) -> None:
    """Programs that know user certificates; of hosts they want a plain key here."""
    cert = ed25519.certify(one.user_key, one.user if principals == "me" else principals)
    if name == "plink":
        client: PeerClient = CertifiedPlink(tmp_path, cert)
    else:
        client = PythonClient(name, tmp_path)
    async with own_server(one) as own:
        target = replace(own.target(), known_hosts=credentials.known_hosts(own.port))
        done = await client.exec(target, "echo in")
    if status == 0:
        assert (done.status, done.stdout) == (0, b"in\n"), done.text
    else:
        assert done.status != 0, done.text
        assert done.stdout == b"", done.text
