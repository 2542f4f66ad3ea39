"""Public keys bound to the server's host key, with OpenSSH in both roles (PROTOCOL section 3.1)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import ssh_meta
from ssh_connection.userauth.publickey import HOST_BOUND, HOST_BOUND_EXTENSION
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import SSH, sshd
from tests.interop.peers.roles import Target

METHOD = HOST_BOUND.decode()


def certify(credentials: Credentials, folder: Path) -> Path:
    """A certificate of the host key; its authority is `folder/authority`."""
    keygen, authority = program("ssh-keygen"), folder / "authority"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(authority)], check=True)
    public = folder / "host.pub"
    public.write_bytes(credentials.host_key.with_suffix(".pub").read_bytes())
    words = ["-q", "-s", str(authority), "-h", "-I", "host", "-n", HOST, str(public)]
    subprocess.run([keygen, *words], check=True)
    return folder / "host-cert.pub"


@pytest.mark.parametrize("certified", [False, True])
async def test_client_with_sshd(credentials: Credentials, tmp_path: Path, certified: bool) -> None:
    options = {"LogLevel": "DEBUG3"}
    if certified:
        options["HostCertificate"] = str(certify(credentials, tmp_path))
        authority = (tmp_path / "authority.pub").read_text()
    with sshd(credentials, tmp_path, options) as running:
        known = credentials.known_hosts(running.port)
        if certified:
            known = tmp_path / "known_hosts"
            known.write_text(f"@cert-authority [{HOST}]:{running.port} {authority}")
        async with ssh_meta.connect(
            HOST,
            running.port,
            username=running.user,
            known_hosts=str(known),
            client_keys=[str(credentials.user_key)],
            agent_path=None,
        ) as conn:
            assert (await conn.run("echo in", check=True)).stdout == "in\n"
        log = (tmp_path / "sshd.log").read_text()
    assert re.search(rf"userauth-request for user \S+ service ssh-connection method {METHOD}", log)
    assert "Accepted publickey" in log


@pytest.mark.parametrize("certified", [False, True])
async def test_server_with_ssh(credentials: Credentials, tmp_path: Path, certified: bool) -> None:
    client = SSH(tmp_path, words=("-vvv",))
    certificate = certify(credentials, tmp_path) if certified else None
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key)],
        server_host_certs=[str(certificate)] if certificate else (),
        authorized_client_keys=str(credentials.authorized_keys),
        process_factory=lambda process: process.exit(0),
    ) as acceptor:
        port = acceptor.get_port()
        known = credentials.known_hosts(port)
        if certified:
            known = tmp_path / "known_hosts"
            authority = (tmp_path / "authority.pub").read_text()
            known.write_text(f"@cert-authority [{HOST}]:{port} {authority}")
        target = Target(
            port=port,
            user=credentials.user,
            known_hosts=known,
            host_key=credentials.host_key,
            identity=credentials.user_key,
        )
        done = await client.exec(target, "echo in")
    assert done.status == 0, done.text
    log = done.stderr.decode()
    # The function that says so has another name from version 10 on.
    assert f": {HOST_BOUND_EXTENSION.decode()}=<0>" in log
    assert re.search(rf"sign_and_send_pubkey: using {METHOD}", log)
