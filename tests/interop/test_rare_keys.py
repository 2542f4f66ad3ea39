"""Keys and signatures that only AsyncSSH has besides us: files and logins, in both directions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import ssh_meta
from ssh_keys import (
    CertificateError,
    CertificateType,
    SSHCertificate,
    SSHKey,
    SSHOpenSSHCertificate,
    create_sshsig,
    generate_private_key,
    import_allowed_signers,
    import_certificate,
    import_private_key,
    import_public_key,
    verify_sshsig,
)
from tests.interop.peers.availability import python_with
from tests.interop.peers.credentials import HOST
from tests.interop.peers.process import clean_environment, free_port, run, serving
from tests.interop.peers.python_peers import SCRIPTS

SECP256K1 = "ecdsa-sha2-1.3.132.0.10"
SSH_COM = tuple(f"ssh-rsa-sha{size}@ssh.com" for size in (224, 256, 384, 512))
TYPES = (SECP256K1, "ssh-rsa")
PRIVATE_FORMATS = ("openssh", "pkcs1-der", "pkcs1-pem", "pkcs8-der", "pkcs8-pem")
LOCKED_FORMATS = ("openssh", "pkcs1-pem", "pkcs8-pem")
PUBLIC_FORMATS = ("openssh", "rfc4716", "pkcs8-der", "pkcs8-pem")
USER = "me"


def asyncssh(role: str, folder: Path, **options: object) -> list[str]:
    """The words that run the script."""
    argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_keys.py"), role]
    for name, value in {"folder": folder, **options}.items():
        argv += [f"--{name}", str(value)]
    return argv


def signature_names(key: SSHKey) -> list[str]:
    """The names under which a key signs."""
    return [name.decode() for name in key.sig_algorithms]


# --- Files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_we_read_its_files(name: str, tmp_path: Path) -> None:
    subprocess.run(asyncssh("make", tmp_path, type=name), check=True, timeout=60)

    def data(kind: str, form: str) -> bytes:
        return (tmp_path / f"{kind}.{form}").read_bytes()

    key = import_private_key(data("private", "openssh"))
    assert (key.get_algorithm(), key.get_comment()) == (name, "made")
    for form in PRIVATE_FORMATS:
        assert import_private_key(data("private", form)) == key
    for form in LOCKED_FORMATS:
        assert import_private_key(data("locked", form), "secret") == key
    public = key.convert_to_public()
    for form in PUBLIC_FORMATS:
        assert import_public_key(data("public", form)) == public
    made = [path.name.removeprefix("signature.") for path in tmp_path.glob("signature.*")]
    assert sorted(made) == sorted(signature_names(key))
    for algorithm in made:
        public.verify(b"data", data("signature", algorithm), [algorithm.encode()])
        certificate = import_certificate(data("certificate", algorithm))
        assert certificate.key == public
        check_authority(certificate, algorithm)
    signers = import_allowed_signers(b"me " + data("public", "openssh"))
    verify_sshsig(b"data", (tmp_path / "data.sig").read_bytes(), "me", signers)


def check_authority(certificate: SSHCertificate, algorithm: str) -> None:
    """The signature of an authority is believed, if it is named or on by default."""
    assert isinstance(certificate, SSHOpenSSHCertificate)
    certificate.validate(CertificateType.USER, USER, sig_algorithms=[algorithm.encode()])
    if algorithm in ("ssh-rsa", *SSH_COM):
        with pytest.raises(CertificateError, match="not allowed"):
            certificate.validate(CertificateType.USER, USER)
    else:
        certificate.validate(CertificateType.USER, USER)


@pytest.mark.parametrize("name", TYPES)
def test_it_reads_our_files(name: str, tmp_path: Path) -> None:
    key = generate_private_key(name)
    fingerprint = key.get_fingerprint()
    expected = {"data.sig": "True"}
    for form in PRIVATE_FORMATS:
        key.write_private_key(tmp_path / f"private.{form}", form)
        expected[f"private.{form}"] = fingerprint
    for form in LOCKED_FORMATS:
        key.write_private_key(tmp_path / f"locked.{form}", form, "secret")
        expected[f"locked.{form}"] = fingerprint
    for form in PUBLIC_FORMATS:
        key.write_public_key(tmp_path / f"public.{form}", form)
        expected[f"public.{form}"] = fingerprint
    for algorithm in signature_names(key):
        signature = key.sign(b"data", algorithm.encode())
        (tmp_path / f"signature.{algorithm}").write_bytes(signature)
        expected[f"signature.{algorithm}"] = "True"
        certificate = key.generate_user_certificate(key, "id", sig_alg=algorithm)
        certificate.write_certificate(tmp_path / f"certificate.{algorithm}")
        expected[f"certificate.{algorithm}"] = fingerprint
    (tmp_path / "data.sig").write_bytes(create_sshsig(key, b"data"))
    argv = asyncssh("read", tmp_path)
    done = subprocess.run(argv, check=True, timeout=60, capture_output=True, text=True)
    assert dict(line.split(" ", 1) for line in done.stdout.splitlines()) == expected


# --- Logins ----------------------------------------------------------------------------------


@pytest.fixture(params=[SECP256K1, f"{SECP256K1}-cert-v01@openssh.com", *SSH_COM])
def algorithm(request: pytest.FixtureRequest) -> str:
    """The name that the host and the user have to be proved with."""
    name: str = request.param
    return name


@pytest.fixture
def folder(algorithm: str, tmp_path: Path) -> Path:
    """Keys of a user and a host, perhaps certified, and the files that trust them."""
    name = SECP256K1 if algorithm.startswith("ecdsa") else "ssh-rsa"
    user, host = generate_private_key(name), generate_private_key(name)
    user.write_private_key(tmp_path / "user")
    host.write_private_key(tmp_path / "host")
    if "-cert" not in algorithm:
        (tmp_path / "known_hosts").write_bytes(b"* " + host.export_public_key())
        user.write_public_key(tmp_path / "authorized_keys")
        return tmp_path
    ca = generate_private_key(name)
    for key, certify, principal in (
        (user, ca.generate_user_certificate, USER),
        (host, ca.generate_host_certificate, HOST),
    ):
        path = tmp_path / f"{'user' if key is user else 'host'}-cert.pub"
        certify(key, "id", principals=[principal]).write_certificate(path)
    (tmp_path / "known_hosts").write_bytes(b"@cert-authority * " + ca.export_public_key())
    (tmp_path / "authorized_keys").write_bytes(b"cert-authority " + ca.export_public_key())
    return tmp_path


def signature_of(algorithm: str) -> str:
    """The name of the signature, with a certificate or without."""
    return algorithm.removesuffix("-cert-v01@openssh.com")


async def test_our_client(algorithm: str, folder: Path) -> None:
    port = free_port()
    argv = asyncssh("server", folder, port=port, signature=signature_of(algorithm))
    with serving("asyncssh", argv, port, folder, clean_environment(folder)):
        async with ssh_meta.connect(
            HOST,
            port,
            username=USER,
            client_keys=[str(folder / "user")],
            known_hosts=str(folder / "known_hosts"),
            server_host_key_algs=[algorithm],
            signature_algs=[signature_of(algorithm)],
            agent_path=None,
        ) as conn:
            assert (await conn.run("x")).exit_status == 6


async def greet(process: ssh_meta.SSHServerProcess[str]) -> None:
    process.stdout.write("in\n")
    process.exit(0)


async def test_our_server(algorithm: str, folder: Path) -> None:
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "authorized_keys"),
        server_host_key_algs=[algorithm],
        signature_algs=[signature_of(algorithm)],
        process_factory=greet,
    ) as server:
        signature = signature_of(algorithm)
        argv = asyncssh("client", folder, port=server.get_port(), signature=signature)
        done = await run(argv, clean_environment(folder))
    assert (done.status, done.stdout) == (0, b"in\n"), done.text
