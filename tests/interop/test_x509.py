"""X.509 certificates with AsyncSSH as client and as server, made by either side."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_keys import SSHX509Certificate, generate_private_key
from ssh_meta import (
    HostCertificateInvalid,
    HostCertificateMismatch,
    HostKeyRevoked,
    PermissionDenied,
)
from tests.interop.peers.agent import ssh_agent
from tests.interop.peers.availability import python_with
from tests.interop.peers.credentials import HOST
from tests.interop.peers.process import Finished, clean_environment, free_port, run, serving
from tests.interop.peers.python_peers import SCRIPTS

TYPES = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "ssh-ed25519",
)
USER = "user"
SUBJECT = "x509v3-ssh-rsa Subject:O=Peer,CN="


@dataclass(frozen=True)
class Made:
    """A folder with ca.pem, and key and chain of a user and a host."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.path(name)


def asyncssh_argv(made: Made, role: str, **options: object) -> list[str]:
    """The words that run the script."""
    python = python_with("asyncssh")
    python_with("OpenSSL")
    argv = [python, str(SCRIPTS / "asyncssh_x509.py"), role, "--folder", str(made.folder)]
    for name, value in options.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    return argv


def make_ours(folder: Path, name: str) -> Made:
    """Keys and certificates of ours."""
    made = Made(folder)
    root, low = generate_private_key("ecdsa-sha2-nistp384"), generate_private_key(name)
    issuer = "O=Peer,CN=Root"
    root.generate_x509_ca_certificate(root, issuer).write_certificate(made.path("ca.pem"), "pem")
    between = root.generate_x509_ca_certificate(low, "O=Peer,CN=Low", issuer, ca_path_len=0)
    for who, certify, principal in (
        ("user", low.generate_x509_user_certificate, USER),
        ("host", low.generate_x509_host_certificate, "localhost"),
    ):
        key = generate_private_key(name)
        key.write_private_key(made.path(f"{who}.key"))
        certificate = certify(key, f"O=Peer,CN={who}", "O=Peer,CN=Low", principals=[principal])
        certificate.with_chain([between.contents]).write_certificate(made.path(f"{who}.pem"), "pem")
    return made


def make(maker: str, name: str, folder: Path) -> Made:
    """Keys and certificates of a type, made by us or by AsyncSSH."""
    if maker == "ours":
        return make_ours(folder, name)
    made = Made(folder)
    subprocess.run(asyncssh_argv(made, "make", type=name), check=True, timeout=60)
    return made


@pytest.fixture(params=[(maker, name) for maker in ("ours", "asyncssh") for name in TYPES])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Certificates of each key type, made by us and by AsyncSSH."""
    maker, name = request.param
    return make(maker, name, tmp_path)


@pytest.fixture
def ecdsa(tmp_path: Path) -> Made:
    """Certificates where their type does not matter."""
    return make_ours(tmp_path, "ecdsa-sha2-nistp256")


@contextlib.contextmanager
def asyncssh_server(made: Made, authorized: str = f"{SUBJECT}user") -> Iterator[int]:
    """AsyncSSH as a server that has nothing but an X.509 certificate."""
    port = free_port()
    argv = asyncssh_argv(
        made,
        "server",
        port=port,
        key=made.path("host.key"),
        chain=made.path("host.pem"),
        trusted=made.path("ca.pem"),
        authorized_keys=made.write("authorized_keys", authorized + "\n"),
    )
    with serving("asyncssh", argv, port, made.folder, clean_environment(made.folder)):
        yield port


def our_options(made: Made, **changes: object) -> dict[str, Any]:
    """How our client connects."""
    return {
        "username": USER,
        "client_keys": [(made.path("user.key"), made.path("user.pem"))],
        "x509_trusted_certs": made.path("ca.pem"),
        "known_hosts": b"",
        **changes,
    }


async def greet(process: ssh_meta.SSHServerProcess[str]) -> None:
    process.stdout.write("in\n")
    process.exit(0)


@contextlib.asynccontextmanager
async def our_server(
    made: Made, authorized: str = f"{SUBJECT}user", **options: Any
) -> AsyncIterator[int]:
    """A server of ours."""
    values: dict[str, Any] = {"x509_trusted_certs": made.path("ca.pem"), **options}
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[(made.path("host.key"), made.path("host.pem"))],
        authorized_client_keys=made.write("authorized", authorized + "\n"),
        process_factory=greet,
        **values,
    ) as server:
        yield server.get_port()


async def asyncssh_client(made: Made, port: int, **options: object) -> Finished:
    """AsyncSSH as a client that has nothing but an X.509 certificate."""
    values = {
        "port": port,
        "key": made.path("user.key"),
        "chain": made.path("user.pem"),
        "trusted": made.path("ca.pem"),
        "known_hosts": made.write("known_hosts", ""),
        **options,
    }
    return await run(asyncssh_argv(made, "client", **values), clean_environment(made.folder))


# --- Both roles, every type ------------------------------------------------------------------


async def test_our_client(made: Made) -> None:
    with asyncssh_server(made) as port:
        async with ssh_meta.connect("localhost", port, **our_options(made)) as conn:
            certificate = conn.get_extra_info("server_host_certificate")
            assert isinstance(certificate, SSHX509Certificate)
            assert str(certificate.subject) == "O=Peer,CN=host"
            assert (await conn.run("x")).exit_status == 6


async def test_our_server(made: Made) -> None:
    async with our_server(made) as port:
        done = await asyncssh_client(made, port)
    assert (done.status, done.stdout) == (0, b"in\n"), done.text


async def test_ourselves(made: Made) -> None:
    async with (
        our_server(made) as port,
        ssh_meta.connect("localhost", port, **our_options(made)) as conn,
    ):
        assert (await conn.run("x")).stdout == "in\n"


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known_hosts", "error"),
    [
        (b"@revoked * x509v3-ssh-rsa Subject:O=PEER,CN=Host\n", HostKeyRevoked),
        (b"@revoked elsewhere x509v3-ssh-rsa Subject:O=Peer,CN=host\n", None),
        (b"* x509v3-ssh-rsa Subject:O=Peer,CN=other\n", HostCertificateMismatch),
        (b"* x509v3-ssh-rsa Subject:O=Peer,CN=host\n", None),
        (b"* x509v3-ssh-rsa Subject:O=Peer,*\n", None),
    ],
)
async def test_our_client_goes_by_known_hosts(
    ecdsa: Made, known_hosts: bytes, error: type[Exception] | None
) -> None:
    async with our_server(ecdsa) as port:
        options = our_options(ecdsa, known_hosts=known_hosts)
        if error is None:
            async with ssh_meta.connect("localhost", port, **options):
                pass
        else:
            with pytest.raises(error):
                async with ssh_meta.connect("localhost", port, **options):
                    pytest.fail("believed")


@pytest.mark.parametrize("name", ["revoked", "listed", "authority"])
async def test_our_client_and_certificates_in_known_hosts(ecdsa: Made, name: str) -> None:
    host, between = (
        line.decode().strip()
        for line in (
            each.export_certificate()
            for each in ssh_meta.read_certificate_list(ecdsa.path("host.pem"))
        )
    )
    lines = {
        "revoked": f"@revoked * {between}\n",
        "listed": f"* {host}\n",
        "authority": f"@cert-authority * {between}\n",
    }
    trusted = ecdsa.path("ca.pem") if name == "revoked" else None
    options = our_options(ecdsa, known_hosts=lines[name].encode(), x509_trusted_certs=trusted)
    async with our_server(ecdsa) as port:
        if name == "revoked":
            with pytest.raises(HostKeyRevoked):
                async with ssh_meta.connect("localhost", port, **options):
                    pytest.fail("believed")
            return
        async with ssh_meta.connect("localhost", port, **options) as conn:
            assert isinstance(conn.get_extra_info("server_host_certificate"), SSHX509Certificate)
        if name == "listed":
            # The line says who is meant; an authority has to be asked about the name.
            async with ssh_meta.connect(HOST, port, **options):
                pass
            return
        with pytest.raises(HostCertificateMismatch):
            async with ssh_meta.connect(HOST, port, **options):
                pytest.fail("believed")


async def test_our_client_wants_the_purpose_of_servers(ecdsa: Made) -> None:
    async with our_server(ecdsa) as port:
        options = our_options(ecdsa, x509_purposes="serverAuth")
        with pytest.raises(HostCertificateInvalid, match="another purpose"):
            async with ssh_meta.connect("localhost", port, **options):
                pytest.fail("believed")


async def test_our_client_without_trust_asks_for_the_key(ecdsa: Made) -> None:
    """Without an authority there is no certificate to see; the key in it can still be known."""
    key = ssh_meta.read_private_key(ecdsa.path("host.key"))
    line = b"* " + key.export_public_key()
    async with our_server(ecdsa) as port:
        options = our_options(ecdsa, known_hosts=line, x509_trusted_certs=None)
        async with ssh_meta.connect("localhost", port, **options) as conn:
            assert conn.get_extra_info("server_host_certificate") is None


@pytest.mark.parametrize(
    ("authorized", "user", "good"),
    [
        (f"{SUBJECT}user", USER, True),
        ("x509v3-ssh-rsa Subject:O=Peer,*", USER, True),
        (f"{SUBJECT}other", USER, False),
        (f"{SUBJECT}user", "root", False),
        (f'principals="nobody,{USER}" {SUBJECT}user', "root", True),
        (f'principals="nobody" {SUBJECT}user', USER, False),
        (f'from="192.0.2.1" {SUBJECT}user', USER, False),
        ("cert-authority x509v3-ssh-rsa Subject:O=Peer,CN=Low", USER, True),
        ("cert-authority x509v3-ssh-rsa Subject:O=Peer,CN=user", USER, False),
    ],
)
async def test_our_server_goes_by_authorized_keys(
    ecdsa: Made, authorized: str, user: str, good: bool
) -> None:
    async with our_server(ecdsa, authorized) as port:
        options = our_options(ecdsa, username=user)
        if good:
            async with ssh_meta.connect("localhost", port, **options) as conn:
                assert (await conn.run("x")).stdout == "in\n"
        else:
            with pytest.raises(PermissionDenied):
                async with ssh_meta.connect("localhost", port, **options):
                    pytest.fail("let in")


@pytest.mark.parametrize(
    "options",
    [
        {"x509_trusted_certs": None},
        {"x509_trusted_certs": ()},
        {"x509_purposes": "secureShellServer"},
        {"signature_algs": "ssh-ed25519"},
    ],
)
async def test_our_server_refuses(ecdsa: Made, options: dict[str, Any]) -> None:
    async with our_server(ecdsa, **options) as port:
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect("localhost", port, **our_options(ecdsa)):
                pytest.fail("let in")
        done = await asyncssh_client(ecdsa, port)
        assert done.status == 255, done.text


async def test_our_server_with_the_certificate_of_an_authority_in_its_line(ecdsa: Made) -> None:
    between = ssh_meta.read_certificate_list(ecdsa.path("user.pem"))[1]
    line = f"cert-authority,restrict {between.export_certificate().decode().strip()}"
    async with our_server(ecdsa, line, x509_trusted_certs=None) as port:
        async with ssh_meta.connect("localhost", port, **our_options(ecdsa)) as conn:
            assert (await conn.run("x")).stdout == "in\n"
        done = await asyncssh_client(ecdsa, port)
        assert (done.status, done.stdout) == (0, b"in\n"), done.text


async def test_directories_of_both_roles(ecdsa: Made, tmp_path: Path) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(Path(ecdsa.path("ca.pem")).read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, timeout=60)
    paths: dict[str, Any] = {"x509_trusted_certs": None, "x509_trusted_cert_paths": str(folder)}
    async with our_server(ecdsa, **paths) as port:
        options = {**our_options(ecdsa), **paths}
        async with ssh_meta.connect("localhost", port, **options) as conn:
            assert (await conn.run("x")).stdout == "in\n"


async def test_authorities_of_the_user(
    ecdsa: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients look into ~/.ssh/ca-bundle.crt and ~/.ssh/crt."""
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home.parent))
    options = our_options(ecdsa, x509_trusted_certs=())
    async with our_server(ecdsa) as port:
        with pytest.raises(ssh_meta.HostKeyNotVerifiable):
            async with ssh_meta.connect("localhost", port, **options):
                pytest.fail("believed")
        (home / "ca-bundle.crt").write_bytes(Path(ecdsa.path("ca.pem")).read_bytes())
        for _ in range(2):
            async with ssh_meta.connect("localhost", port, **options):
                pass
        (home / "ca-bundle.crt").rename(home / "ca.pem")
        (home / "crt").mkdir()
        (home / "ca.pem").rename(home / "crt" / "ca.pem")
        subprocess.run(["openssl", "rehash", str(home / "crt")], check=True, timeout=60)
        async with ssh_meta.connect("localhost", port, **options):
            pass


async def test_old_names_only_if_named(tmp_path: Path) -> None:
    """x509v3-ssh-rsa signs with SHA-1: neither side uses it unless told to."""
    made = make_ours(tmp_path, "ssh-rsa")
    old = "x509v3-ssh-rsa"
    async with our_server(made) as port:
        refused = our_options(made, signature_algs=[old], public_key_auth=True)
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect("localhost", port, **refused):
                pytest.fail("let in")
        done = await asyncssh_client(made, port, signature=old)
        assert done.status == 255, done.text
    async with our_server(made, signature_algs=[old]) as port:
        async with ssh_meta.connect("localhost", port, **refused):
            pass
        done = await asyncssh_client(made, port, signature=old)
        assert done.status == 0, done.text
    with asyncssh_server(made) as port:
        async with ssh_meta.connect(
            "localhost", port, **our_options(made, server_host_key_algs=[old])
        ) as conn:
            assert isinstance(conn.get_extra_info("server_host_certificate"), SSHX509Certificate)


@pytest.mark.parametrize("name", ["user", "low", "root"])
async def test_our_server_and_revoked_keys(ecdsa: Made, name: str) -> None:
    """A revocation list holds for the keys of the whole path."""
    user, low = ssh_meta.read_certificate_list(ecdsa.path("user.pem"))
    keys = {"user": user.key, "low": low.key}
    keys["root"] = ssh_meta.read_certificate(ecdsa.path("ca.pem")).key
    async with our_server(ecdsa, revoked_keys=[keys[name]]) as port:
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect("localhost", port, **our_options(ecdsa)):
                pytest.fail("let in")
    host = ssh_meta.read_certificate(ecdsa.path("host.pem"))
    keys["user"] = host.key
    async with our_server(ecdsa) as port:
        with pytest.raises(HostKeyRevoked):
            async with ssh_meta.connect(
                "localhost", port, **our_options(ecdsa, revoked_keys=[keys[name]])
            ):
                pytest.fail("believed")


async def test_keys_in_an_agent(tmp_path: Path) -> None:
    """With the chain in `client_certs`, in the order in which a file happens to have it."""
    made = make_ours(tmp_path, "ssh-rsa")
    with ssh_agent() as agent_path:
        async with ssh_meta.connect_agent(agent_path) as client:
            await client.add_keys([made.path("user.key")])
        chain = list(reversed(ssh_meta.read_certificate_list(made.path("user.pem"))))
        options = our_options(made, client_keys=None, client_certs=chain, agent_path=agent_path)
        async with (
            our_server(made) as port,
            ssh_meta.connect("localhost", port, **options) as conn,
        ):
            assert (await conn.run("x")).stdout == "in\n"


@pytest.mark.parametrize("maker", ["ours", "asyncssh"])
@pytest.mark.parametrize("key_type", ["ssh-ed448", "ecdsa-sha2-1.3.132.0.10"])
async def test_rare_types_if_named(key_type: str, maker: str, tmp_path: Path) -> None:
    """Sound, but off by default, as the plain keys of the type are."""
    made, name = make(maker, key_type, tmp_path), f"x509v3-{key_type}"
    with asyncssh_server(made) as port:
        options = our_options(made, server_host_key_algs=[name])
        async with ssh_meta.connect("localhost", port, **options) as conn:
            assert (await conn.run("x")).exit_status == 6
    async with our_server(made, signature_algs=[name]) as port:
        done = await asyncssh_client(made, port)
        assert (done.status, done.stdout) == (0, b"in\n"), done.text


async def test_dsa_if_named(tmp_path: Path) -> None:
    name = "x509v3-ssh-dss"
    for folder in ("host", "user"):
        (tmp_path / folder).mkdir()
    host = make_ours(tmp_path / "host", "ecdsa-sha2-nistp256")
    user = make_ours(tmp_path / "user", "ssh-dss")
    trusted = user.path("ca.pem")
    words = {"trusted": host.path("ca.pem"), "signature": name}
    async with our_server(host, x509_trusted_certs=trusted, signature_algs=[name]) as port:
        done = await asyncssh_client(user, port, **words)
        assert (done.status, done.stdout) == (0, b"in\n"), done.text
        options = our_options(user, x509_trusted_certs=words["trusted"], signature_algs=[name])
        async with ssh_meta.connect("localhost", port, **options) as conn:
            assert (await conn.run("x")).stdout == "in\n"
    async with our_server(host, x509_trusted_certs=trusted) as port:
        done = await asyncssh_client(user, port, **words)
        assert done.status == 255, done.text


async def test_names_of_client_hosts_hold_for_x509(ecdsa: Made) -> None:
    """`from=` goes by the name of the client's host, if the server looks it up."""
    line = f'from="!localhost,*" {SUBJECT}user'
    async with (
        our_server(ecdsa, line) as port,
        ssh_meta.connect("localhost", port, **our_options(ecdsa)),
    ):
        pass
    async with our_server(ecdsa, line, rdns_lookup=True) as port:
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect("localhost", port, **our_options(ecdsa)):
                pytest.fail("let in")
