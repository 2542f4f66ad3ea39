"""AsyncSSH and Paramiko: servers and clients as scripts in an environment of their own.

Neither is ever imported here. Their scripts in ``scripts/`` all take the same arguments.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.availability import python_with
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.process import Finished, clean_environment, free_port, run, serving
from tests.interop.peers.roles import PeerServer, Target

SCRIPTS = Path(__file__).parent / "scripts"


@contextlib.contextmanager
def python_server(module: str, credentials: Credentials, folder: Path) -> Iterator[PeerServer]:
    """Run the server of a Python peer.

    Args:
        module: ``asyncssh`` or ``paramiko``.
        credentials: its host key, whom it lets in, and the password it accepts.
        folder: for its log.
    """
    port = free_port()
    argv = [python_with(module), str(SCRIPTS / f"{module}_server.py"), "--port", str(port)]
    argv += ["--host-key", str(credentials.host_key)]
    argv += ["--authorized-keys", str(credentials.authorized_keys)]
    argv += ["--user", credentials.user, "--password", credentials.password]
    with serving(module, argv, port, folder, clean_environment(folder)) as process:
        yield PeerServer(module, port, credentials.user, credentials.password, process)


@dataclass(frozen=True, slots=True)
class PythonClient:
    """A client script that runs commands and copies files."""

    module: str
    folder: Path

    @property
    def name(self) -> str:
        """See PeerClient."""
        return self.module

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """See PeerClient."""
        return await self._run(target, ["exec", command], data)

    async def put(self, target: Target, local: Path, remote: str) -> Finished:
        """See PeerCopier."""
        return await self._run(target, ["put", str(local), remote])

    async def get(self, target: Target, remote: str, local: Path) -> Finished:
        """See PeerCopier."""
        return await self._run(target, ["get", remote, str(local)])

    async def _run(self, target: Target, words: list[str], data: bytes = b"") -> Finished:
        argv = [python_with(self.module), str(SCRIPTS / f"{self.module}_client.py")]
        argv += ["--host", HOST, "--port", str(target.port), "--user", target.user]
        argv += ["--known-hosts", str(target.known_hosts), "--rekey-bytes", str(4 << 20)]
        if target.identity is not None:
            argv += ["--key", str(target.identity)]
        else:
            argv += ["--password", target.password or ""]
        return await run([*argv, *words], clean_environment(self.folder), data=data)
