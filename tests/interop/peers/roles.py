"""What a peer is to a test: a server to connect to, or a client program to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.interop.peers.process import Finished, PeerProcess


@dataclass(frozen=True, slots=True)
class PeerServer:
    """A server of somebody else that runs on loopback."""

    name: str
    port: int
    user: str
    #: The password of the user, or None if the server asks the accounts of the system, where no
    #: password is known: without root it cannot have accounts of its own.
    password: str | None
    process: PeerProcess


@dataclass(frozen=True, slots=True)
class Target:
    """What a client program is told about our server."""

    port: int
    user: str
    #: OpenSSH's known_hosts file, and the host key in it.
    known_hosts: Path
    host_key: Path
    #: The private key to log in with, or None to use the password.
    identity: Path | None = None
    password: str | None = None


class PeerClient(Protocol):
    """A client program of somebody else."""

    @property
    def name(self) -> str:
        """The name that tests show."""

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """Run a command at the server with ``data`` as its standard input."""


class PeerCopier(Protocol):
    """A program of somebody else that copies files through SFTP."""

    @property
    def name(self) -> str:
        """The name that tests show."""

    async def put(self, target: Target, local: Path, remote: str) -> Finished:
        """Copy a file to the server."""

    async def get(self, target: Target, remote: str, local: Path) -> Finished:
        """Copy a file from the server."""
