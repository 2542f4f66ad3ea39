"""Logins at the real sshd with keys on devices: a PKCS#11 token, a security key."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssh_connection
import ssh_keys
from ssh_keys import SSHKey, authenticator
from tests.interop.peers.availability import find_program
from tests.interop.peers.credentials import HOST, Credentials, make_credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.roles import PeerServer

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "123456"
KINDS = {"rsa:3072": "01", "EC:prime256v1": "02", "EC:secp521r1": "03"}
SECURITY_KEYS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Credentials whose authorized_keys the tests rewrite."""
    return make_credentials(tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def server(own: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerServer]:
    """A real sshd that reads them."""
    with sshd(own, tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PKCS#11 module with a token."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not MODULE.exists() or find_program("pkcs11-tool") is None:
        pytest.skip("softhsm2 and opensc are not installed (.ci/install-peers does that)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")

    def run(*words: str) -> None:
        subprocess.run([*words, "--pin", PIN], check=True, capture_output=True, timeout=60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        run("softhsm2-util", "--init-token", "--free", "--label", "login", "--so-pin", "1" * 8)
        for kind, number in KINDS.items():
            login = ("pkcs11-tool", "--module", str(MODULE), "--token-label", "login", "--login")
            run(*login, "--keypairgen", "--key-type", kind, "--label", kind, "--id", number)
        yield str(MODULE)


async def whoami(own: Credentials, server: PeerServer, **options: object) -> str:
    """Log in and run a command."""
    async with ssh_connection.connect(
        HOST,
        server.port,
        username=server.user,
        known_hosts=str(own.known_hosts(server.port)),
        **options,  # type: ignore[arg-type]
    ) as connection:
        result = await connection.run("echo in", check=True)
    return str(result.stdout).strip()


@pytest.mark.parametrize("number", KINDS.values(), ids=KINDS)
async def test_token(number: str, own: Credentials, server: PeerServer, token: str) -> None:
    (pair,) = ssh_keys.load_pkcs11_keys(token, PIN, key_id=number)
    own.authorized_keys.write_bytes(
        ssh_keys.decode_ssh_public_key(pair.public_data).export_public_key()
    )
    assert await whoami(own, server, client_keys=[pair]) == "in"
    options = {"pkcs11_provider": token, "pkcs11_pin": PIN}
    assert await whoami(own, server, client_keys=None, **options) == "in"


async def test_token_with_a_certificate(own: Credentials, server: PeerServer, token: str) -> None:
    (pair,) = ssh_keys.load_pkcs11_keys(token, PIN, key_id="02")
    authority = ssh_keys.read_private_key(own.other_key)
    key = ssh_keys.decode_ssh_public_key(pair.public_data)
    certificate = authority.generate_user_certificate(key, "token", principals=[server.user])
    own.authorized_keys.write_bytes(b"cert-authority " + authority.export_public_key())
    options = {"pkcs11_provider": token, "pkcs11_pin": lambda label: PIN}
    assert await whoami(own, server, client_keys=None, client_certs=certificate, **options) == "in"


async def test_token_of_the_server(own: Credentials, token: str) -> None:
    """The host key may be on a token, too."""
    (pair,) = ssh_keys.load_pkcs11_keys(token, PIN, key_id="02")
    key = ssh_keys.decode_ssh_public_key(pair.public_data)
    user = ssh_keys.read_private_key(own.user_key)
    async with (
        ssh_connection.listen(
            HOST,
            0,
            server_host_keys=[pair],
            authorized_client_keys=ssh_keys.import_authorized_keys(user.export_public_key()),
        ) as listener,
        ssh_connection.connect(
            HOST,
            listener.get_port(),
            username="ada",
            client_keys=[user],
            known_hosts=([key], [], []),
        ) as connection,
    ):
        assert connection.get_extra_info("username") == "ada"


@pytest.fixture
def security_key(monkeypatch: pytest.MonkeyPatch) -> object:
    """A security key in software, in place of those on USB."""
    pytest.importorskip("fido2", reason="python-fido2 is not installed")
    from tests.keys.ctap_authenticator import Authenticator

    device = Authenticator(pin="1234")
    monkeypatch.setattr(authenticator, "list_devices", lambda: iter((device,)))
    return device


@pytest.mark.parametrize("kind", SECURITY_KEYS)
@pytest.mark.parametrize("options", ["", "verify-required ", "no-touch-required "])
async def test_security_key(
    kind: str, options: str, own: Credentials, server: PeerServer, security_key: object
) -> None:
    key = ssh_keys.generate_private_key(
        kind,
        pin="1234",
        verify_required=options.startswith("verify"),
        touch_required=not options.startswith("no-touch"),
    )
    own.authorized_keys.write_bytes(options.encode() + key.export_public_key())
    assert await whoami(own, server, client_keys=[key]) == "in"


async def test_sshd_insists_on_touch_and_verification(
    own: Credentials, server: PeerServer, security_key: object
) -> None:
    for kind in SECURITY_KEYS:
        silent = ssh_keys.generate_private_key(kind, pin="1234", touch_required=False)
        for options, key in ((b"", silent), (b"verify-required ", touched(kind))):
            own.authorized_keys.write_bytes(options + key.export_public_key())
            with pytest.raises(ssh_connection.PermissionDenied):
                await whoami(own, server, client_keys=[key])


def touched(kind: str) -> SSHKey:
    """A key that does not verify its user."""
    return ssh_keys.generate_private_key(kind, pin="1234")


async def test_the_loop_goes_on_while_a_device_signs(
    own: Credentials, server: PeerServer, security_key: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user takes his time to touch the key, and nothing else waits for him."""
    key = ssh_keys.generate_private_key(SECURITY_KEYS[0], pin="1234")
    own.authorized_keys.write_bytes(key.export_public_key())
    touch = threading.Event()
    call = type(security_key).call  # type: ignore[attr-defined]

    def slow(self: object, cmd: int, data: bytes = b"", *rest: object, **more: object) -> bytes:
        if data[:1] == b"\2":
            assert touch.wait(20)
        answer: bytes = call(self, cmd, data)
        return answer

    monkeypatch.setattr(type(security_key), "call", slow)
    login = asyncio.create_task(whoami(own, server, client_keys=[key]))
    for _ in range(20):
        await asyncio.sleep(0.02)
        assert not login.done()
    touch.set()
    assert await login == "in"
