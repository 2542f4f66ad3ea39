"""OpenSSH: sshd on a high port with a configuration of its own, ssh, sftp and scp."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.peers.accounts import Account, write_accounts
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.namespace import can_mount, with_home
from tests.interop.peers.process import Finished, clean_environment, free_port, run, serving
from tests.interop.peers.roles import PeerServer, Target

#: sshd wants this folder for its unprivileged child when it is started by root.
PRIVSEP = Path("/run/sshd")


@contextlib.contextmanager
def sshd(
    credentials: Credentials,
    folder: Path,
    options: Mapping[str, str] | None = None,
    accounts: Sequence[Account] = (),
) -> Iterator[PeerServer]:
    """Run a throw-away sshd. It knows the password of the user if it can have accounts of its own.

    Args:
        credentials: its host key and whom it lets in.
        folder: for its configuration and its log.
        options: more lines of its configuration.
        accounts: who else has a password.
    """
    port = free_port()
    lines = {
        "Port": str(port),
        "ListenAddress": HOST,
        "HostKey": str(credentials.host_key),
        "AuthorizedKeysFile": str(credentials.authorized_keys),
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "yes",
        "KbdInteractiveAuthentication": "no",
        "AcceptEnv": "SSH_META_*",
        "MaxStartups": "200",
        "MaxSessions": "200",
        "LogLevel": "DEBUG1",
        "Subsystem": f"sftp {program('sftp-server')}",
    } | dict(options or {})
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    if os.geteuid() == 0:
        PRIVSEP.mkdir(mode=0o755, exist_ok=True)
    # Not -e: what its children log would get into the standard error of their sessions.
    argv = [program("sshd"), "-D", "-E", str(folder / "sshd.log"), "-f", str(config)]
    # Since version 9.8 it shuts out addresses that fail to log in, which is what many tests do.
    forgiving = ["-o", "PerSourcePenalties=no"]
    if subprocess.run([*argv, *forgiving, "-t"], capture_output=True, check=False).returncode == 0:
        argv += forgiving
    password = None
    if can_mount():
        home = folder / "sshd-home"
        home.mkdir(exist_ok=True)
        password = credentials.password
        etc = write_accounts(folder, [Account(credentials.user, password), *accounts])
        argv = with_home(argv, home, credentials.user, etc)
    with serving("sshd", argv, port, folder, clean_environment(folder)) as process:
        yield PeerServer("sshd", port, credentials.user, password, process)


def _options(target: Target, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Options of ssh, sftp and scp for a target, and the environment to run them in."""
    options = {
        "UserKnownHostsFile": str(target.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "NumberOfPasswordPrompts": "1",
        "RekeyLimit": "4M",
        "ConnectTimeout": "20",
        "User": target.user,
    }
    environ = clean_environment(folder, TERM="xterm")
    if target.identity is not None:
        options |= {"IdentityFile": str(target.identity), "PreferredAuthentications": "publickey"}
    else:
        askpass = folder / "askpass"
        askpass.write_text('#!/bin/sh\nprintf "%s\\n" "$SSH_META_PASSWORD"\n')
        askpass.chmod(0o700)
        options |= {"PreferredAuthentications": "password", "IdentityFile": "none"}
        environ |= {
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "SSH_META_PASSWORD": target.password or "",
        }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", *words], environ


@dataclass(frozen=True, slots=True)
class SSH:
    """OpenSSH's ``ssh``, talkative, so that a test can count the key exchanges in its log."""

    folder: Path
    name: str = "ssh"
    #: More options of the configuration.
    options: Mapping[str, str] = field(default_factory=dict)
    #: More words of the command line.
    words: tuple[str, ...] = ()

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """See PeerClient."""
        options, environ = _options(target, self.folder)
        options += [word for item in self.options.items() for word in ("-o", "=".join(item))]
        argv = [program("ssh"), "-v", *options, *self.words, "-p", str(target.port), HOST]
        return await run([*argv, command] if command else argv, environ, data=data)


@dataclass(frozen=True, slots=True)
class SFTP:
    """OpenSSH's ``sftp`` with a batch."""

    folder: Path
    name: str = "sftp"

    async def put(self, target: Target, local: Path, remote: str) -> Finished:
        """See PeerCopier."""
        return await self._batch(target, f'put "{local}" "{remote}"\n')

    async def get(self, target: Target, remote: str, local: Path) -> Finished:
        """See PeerCopier."""
        return await self._batch(target, f'get "{remote}" "{local}"\n')

    async def _batch(self, target: Target, batch: str) -> Finished:
        options, environ = _options(target, self.folder)
        # A batch file sets BatchMode, which forbids the password: commands come on standard input.
        argv = [program("sftp"), *options, "-P", str(target.port), HOST]
        return await run(argv, environ, data=batch.encode())


@dataclass(frozen=True, slots=True)
class SCP:
    """OpenSSH's ``scp``, which speaks SFTP since version 9."""

    folder: Path
    name: str = "scp"

    async def put(self, target: Target, local: Path, remote: str) -> Finished:
        """See PeerCopier."""
        return await self._copy(target, str(local), f"{HOST}:{remote}")

    async def get(self, target: Target, remote: str, local: Path) -> Finished:
        """See PeerCopier."""
        return await self._copy(target, f"{HOST}:{remote}", str(local))

    async def _copy(self, target: Target, source: str, destination: str) -> Finished:
        options, environ = _options(target, self.folder)
        argv = [program("scp"), "-s", *options, "-P", str(target.port), source, destination]
        return await run(argv, environ)
