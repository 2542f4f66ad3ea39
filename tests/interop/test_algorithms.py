"""Every algorithm of the slice with OpenSSH, and with AsyncSSH where OpenSSH lacks it."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssh_meta
from tests.interop.conftest import launch
from tests.interop.own_client import connect
from tests.interop.own_server import own_server
from tests.interop.peers.credentials import Credentials
from tests.interop.peers.openssh import SSH
from tests.interop.peers.roles import PeerServer

AEAD = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
CTR = ("aes128-ctr", "aes192-ctr", "aes256-ctr")
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
KEX = ("curve25519-sha256", "ecdh-sha2-nistp256")
POST_QUANTUM = "mlkem768x25519-sha256"

#: Options of ``connect`` for each case, and the same for ``ssh -o``.
CASES = (
    *({"encryption_algs": cipher} for cipher in AEAD),
    *({"encryption_algs": cipher, "mac_algs": MACS[0]} for cipher in CTR),
    *({"encryption_algs": "aes128-ctr", "mac_algs": mac} for mac in MACS),
    *({"kex_algs": kex} for kex in KEX),
    {"compression_algs": "zlib@openssh.com"},
)
OPENSSH_NAMES = {"encryption_algs": "Ciphers", "mac_algs": "MACs", "kex_algs": "KexAlgorithms"}

#: Large enough for several packets in each direction.
DATA = bytes(range(256)) * 2000


def case_id(case: dict[str, str]) -> str:
    """The name of a case."""
    return "+".join(case.values())


async def echo(server: PeerServer, credentials: Credentials, case: dict[str, str]) -> bytes:
    """Send data through ``cat`` at a server with the algorithms of a case."""
    async with connect(
        server,
        credentials,
        encryption_algs=case.get("encryption_algs", ()),
        mac_algs=case.get("mac_algs", ()),
        kex_algs=case.get("kex_algs", ()),
        compression_algs=case.get("compression_algs", ()),
    ) as conn:
        done = await conn.run("cat", input=DATA, encoding=None, check=True)
    assert isinstance(done.stdout, bytes)
    return done.stdout


@pytest.mark.parametrize("case", CASES, ids=case_id)
async def test_client_with_sshd(
    openssh_server: PeerServer, credentials: Credentials, case: dict[str, str]
) -> None:
    assert await echo(openssh_server, credentials, case) == DATA


@pytest.mark.parametrize("case", CASES, ids=case_id)
async def test_server_with_ssh(
    credentials: Credentials, tmp_path: Path, case: dict[str, str]
) -> None:
    options = {OPENSSH_NAMES[name]: value for name, value in case.items() if name in OPENSSH_NAMES}
    if "compression_algs" in case:
        options["Compression"] = "yes"
    async with own_server(credentials, case) as own:
        done = await SSH(tmp_path, options=options).exec(own.target(), "cat", DATA)
    assert (done.status, done.stdout) == (0, DATA), done.text
    for value in case.values():
        assert value.encode() in done.stderr


# The peers that know ML-KEM.
@pytest.mark.parametrize("server", ["asyncssh", "paramiko"], indirect=True)
async def test_client_with_post_quantum_key_exchange(
    server: PeerServer, credentials: Credentials
) -> None:
    assert await echo(server, credentials, {"kex_algs": POST_QUANTUM}) == DATA


@pytest.fixture(params=("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"))
def user_key(request: pytest.FixtureRequest) -> ssh_meta.SSHKey:
    """A key of each type, made by us."""
    name: str = request.param
    return ssh_meta.generate_private_key(name)


@pytest.fixture
def with_key(user_key: ssh_meta.SSHKey, credentials: Credentials, tmp_path: Path) -> Credentials:
    """The credentials of the run with another user key."""
    for name in ("host", "host.pub", "other", "other.pub"):
        (tmp_path / name).write_bytes((credentials.folder / name).read_bytes())
    (tmp_path / "host").chmod(0o600)
    user_key.write_private_key(str(tmp_path / "user"))
    (tmp_path / "user").chmod(0o600)
    user_key.write_public_key(str(tmp_path / "user.pub"))
    (tmp_path / "authorized_keys").write_bytes((tmp_path / "user.pub").read_bytes())
    return Credentials(tmp_path, credentials.user, credentials.password)


async def test_key_types_at_sshd(with_key: Credentials, tmp_path: Path) -> None:
    with launch("sshd", with_key, tmp_path) as server:
        assert await echo(server, with_key, {}) == DATA


async def test_key_types_at_our_server(with_key: Credentials, tmp_path: Path) -> None:
    async with own_server(with_key) as own:
        done = await SSH(tmp_path).exec(own.target(), "cat", DATA)
    assert (done.status, done.stdout) == (0, DATA), done.text
