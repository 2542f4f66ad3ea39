"""Keys, a password and known_hosts files for one run of the tests, made by ssh-keygen."""

from __future__ import annotations

import getpass
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.availability import program

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the keys are. All of them are throw-away and live in a temporary folder."""

    folder: Path
    #: The account that logs in at servers which use the accounts of the system.
    user: str
    password: str

    @property
    def host_key(self) -> Path:
        """The private key of the servers."""
        return self.folder / "host"

    @property
    def user_key(self) -> Path:
        """The private key of the user, without a passphrase."""
        return self.folder / "user"

    @property
    def other_key(self) -> Path:
        """A key that no server has and no account accepts."""
        return self.folder / "other"

    @property
    def authorized_keys(self) -> Path:
        """An authorized_keys file with the key of the user."""
        return self.folder / "authorized_keys"

    def known_hosts(self, port: int, *, wrong: bool = False) -> Path:
        """A known_hosts file for a server on loopback.

        Args:
            port: the port of the server.
            wrong: name a key that the server does not have.
        """
        key = (self.other_key if wrong else self.host_key).with_suffix(".pub").read_text()
        path = self.folder / f"known_hosts-{port}{'-wrong' if wrong else ''}"
        path.write_text(f"[{HOST}]:{port} {key}")
        return path


def make_credentials(folder: Path) -> Credentials:
    """Generate the keys in a folder that exists."""
    made = Credentials(folder, getpass.getuser(), "correct horse battery staple")
    for path in (made.host_key, made.user_key, made.other_key):
        command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", path.name]
        subprocess.run([*command, "-f", str(path)], check=True)
    made.authorized_keys.write_text(made.user_key.with_suffix(".pub").read_text())
    return made
