"""User authentication with OpenSSH, method by method, in both roles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

import ssh_connection
from ssh_connection.userauth.protocols import KbdIntChallenge
from ssh_keys import SSHAuthorizedKeys, generate_private_key, read_private_key
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment

ANSWERS = """#!/bin/sh
case "$1" in
    *ew*) echo better ;;
    *PIN*) echo 1234 ;;
    *) echo secret ;;
esac
"""


class Server(ssh_connection.SSHServer):
    """Takes the password "secret"."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("user", "secret")


class Expired(Server):
    """Wants a new password."""

    def validate_password(self, username: str, password: str) -> bool:
        raise ssh_connection.PasswordChangeRequired("Your password has expired.")

    def change_password(self, username: str, old_password: str, new_password: str) -> bool:
        return (old_password, new_password) == ("secret", "better")


class Questions(Server):
    """Asks twice."""

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> KbdIntChallenge:
        return "Login", "Two rounds", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> KbdIntChallenge:
        if list(responses) == ["secret"]:
            return "", "", "", [("PIN: ", True)]
        return list(responses) == ["1234"]


async def greet(process: ssh_connection.SSHServerProcess[str]) -> None:
    """Say who is in."""
    process.stdout.write(f"hello {process.get_extra_info('username')}\n")
    process.exit(5)


async def ssh(
    credentials: Credentials,
    folder: Path,
    server_factory: type[Server],
    *options: str,
    auth_methods: Sequence[str] = (),
    keys: Sequence[Path] = (),
) -> tuple[int | None, str]:
    """Log in to our server with OpenSSH's client; return its exit status and output."""
    askpass = folder / "answers"
    askpass.write_text(ANSWERS)
    askpass.chmod(0o700)
    authorized = SSHAuthorizedKeys()
    for key in keys:
        authorized.load(key.with_suffix(".pub").read_bytes())
    environ = clean_environment(folder, SSH_ASKPASS=str(askpass), SSH_ASKPASS_REQUIRE="force")
    async with ssh_connection.listen(
        HOST,
        0,
        server_factory=server_factory,
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=authorized,
        auth_methods=auth_methods,
        process_factory=greet,
    ) as acceptor:
        port = acceptor.get_port()
        words = [program("ssh"), "-F", "none", "-p", str(port)]
        for option in (
            f"UserKnownHostsFile={credentials.known_hosts(port)}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            *options,
        ):
            words += ["-o", option]
        process = await asyncio.create_subprocess_exec(
            *words,
            f"user@{HOST}",
            "x",
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    ("server_factory", "method"),
    [
        (Server, "password"),
        (Server, "keyboard-interactive"),
        (Questions, "keyboard-interactive"),
        (Expired, "password"),
    ],
)
async def test_ssh_logs_in(
    credentials: Credentials, tmp_path: Path, server_factory: type[Server], method: str
) -> None:
    options = f"PreferredAuthentications={method}"
    status, output = await ssh(credentials, tmp_path, server_factory, options)
    # From version 10 on it also shows what the server says besides its questions.
    assert (status, output.splitlines()[-1:]) == (5, ["hello user"])


async def test_ssh_with_two_keys_and_a_password(credentials: Credentials, tmp_path: Path) -> None:
    keys = (credentials.user_key, credentials.other_key)
    identities = [f"IdentityFile={key}" for key in keys]
    three = ["publickey,publickey,password"]
    answer = await ssh(credentials, tmp_path, Server, *identities, auth_methods=three, keys=keys)
    assert answer == (5, "hello user\n")
    status, output = await ssh(
        credentials,
        tmp_path,
        Server,
        identities[0],
        "PreferredAuthentications=publickey",
        auth_methods=three,
        keys=keys,
    )
    assert status == 255
    assert "Permission denied (publickey)" in output


async def test_ssh_is_refused(credentials: Credentials, tmp_path: Path) -> None:
    status, output = await ssh(
        credentials,
        tmp_path,
        Server,
        f"IdentityFile={credentials.other_key}",
        "PreferredAuthentications=publickey",
        keys=[credentials.user_key],
    )
    assert status == 255
    assert "Permission denied" in output


async def test_sshd_with_two_keys(credentials: Credentials, tmp_path: Path) -> None:
    keys = (credentials.user_key, credentials.other_key)
    authorized = tmp_path / "authorized_keys"
    authorized.write_text("".join(key.with_suffix(".pub").read_text() for key in keys))
    options = {
        "AuthorizedKeysFile": str(authorized),
        "AuthenticationMethods": "publickey,publickey",
    }
    with sshd(credentials, tmp_path, options) as server:
        known_hosts = str(credentials.known_hosts(server.port))
        pairs = [read_private_key(key) for key in keys]
        async with ssh_connection.connect(
            HOST, server.port, username=server.user, known_hosts=known_hosts, client_keys=pairs
        ) as conn:
            assert (await conn.run("exit 6")).exit_status == 6
        with pytest.raises(ssh_connection.PermissionDenied):
            await ssh_connection.connect(
                HOST,
                server.port,
                username=server.user,
                known_hosts=known_hosts,
                client_keys=pairs[:1],
            )


async def test_certificates_with_sshd(credentials: Credentials, tmp_path: Path) -> None:
    authority = generate_private_key("ssh-ed25519")
    user_key = generate_private_key("ssh-rsa", key_size=2048)
    authorized = tmp_path / "authorized_keys"
    authorized.write_bytes(b"cert-authority " + authority.export_public_key())
    with sshd(credentials, tmp_path, {"AuthorizedKeysFile": str(authorized)}) as server:
        certificate = authority.generate_user_certificate(
            user_key, "interop", principals=[server.user]
        )
        async with ssh_connection.connect(
            HOST,
            server.port,
            username=server.user,
            known_hosts=str(credentials.known_hosts(server.port)),
            client_keys=[user_key],
            client_certs=[certificate],
        ) as conn:
            assert (await conn.run("exit 6")).exit_status == 6
