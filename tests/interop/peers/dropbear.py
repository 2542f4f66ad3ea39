"""Dropbear: the server in a mount namespace of its own, and ``dbclient``."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.accounts import Account, write_accounts
from tests.interop.peers.availability import needs_root, program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.namespace import can_mount, with_home
from tests.interop.peers.process import Finished, clean_environment, free_port, run, serving
from tests.interop.peers.roles import PeerServer, Target


def convert(key: Path, folder: Path) -> Path:
    """An OpenSSH private key in Dropbear's own format."""
    converted = folder / f"{key.name}.dropbear"
    command = [program("dropbearconvert"), "openssh", "dropbear", str(key), str(converted)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return converted


@contextlib.contextmanager
def dropbear(credentials: Credentials, folder: Path) -> Iterator[PeerServer]:
    """Run a throw-away Dropbear server.

    It reads authorized_keys only from the home folder in the passwd file, so it gets one, and
    accounts of its own with it.
    """
    if not can_mount():
        needs_root("a temporary home folder for the Dropbear server")
    home = folder / "dropbear-home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    shutil.copy(credentials.authorized_keys, home / ".ssh/authorized_keys")
    (home / ".ssh/authorized_keys").chmod(0o600)
    port = free_port()
    key = convert(credentials.host_key, folder)
    listen = [program("dropbear"), "-F", "-E", "-r", str(key), "-p", f"{HOST}:{port}"]
    listen += ["-P", str(folder / "dropbear.pid")]
    etc = write_accounts(folder, [Account(credentials.user, credentials.password)])
    argv = with_home(listen, home, credentials.user, etc)
    with serving("dropbear", argv, port, folder, clean_environment(home)) as process:
        yield PeerServer("dropbear", port, credentials.user, credentials.password, process)


@dataclass(frozen=True, slots=True)
class DropbearClient:
    """Dropbear's ``dbclient``."""

    folder: Path
    name: str = "dbclient"

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """See PeerClient."""
        home = self.folder / "dbclient-home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True, mode=0o700)
        algorithm, key = target.known_hosts.read_text().split()[1:3]
        # It compares the name of the host only, without the port.
        (home / ".ssh/known_hosts").write_text(f"{HOST} {algorithm} {key}\n")
        environ = clean_environment(home)
        argv = [program("dbclient"), "-T", "-p", str(target.port)]
        if target.identity is not None:
            argv += ["-i", str(convert(target.identity, self.folder))]
        else:
            environ["DROPBEAR_PASSWORD"] = target.password or ""
        return await run([*argv, f"{target.user}@{HOST}", command], environ, data=data)
