"""PuTTY's ``plink`` and ``psftp``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST
from tests.interop.peers.process import Finished, clean_environment, run
from tests.interop.peers.roles import Target


def _convert(key: Path, folder: Path) -> Path:
    """An OpenSSH private key in PuTTY's own format."""
    converted = folder / f"{key.name}.ppk"
    command = [program("puttygen"), str(key), "-O", "private", "-o", str(converted)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return converted


def _options(target: Target, folder: Path) -> list[str]:
    """Options that both programs take; ``-batch`` forbids any question."""
    key = target.known_hosts.with_suffix(".key")
    key.write_text(target.known_hosts.read_text().partition(" ")[2])
    printed = subprocess.run(
        [program("ssh-keygen"), "-l", "-f", str(key)], check=True, capture_output=True, text=True
    )
    fingerprint = printed.stdout.split()[1]
    options = ["-batch", "-P", str(target.port), "-l", target.user, "-hostkey", fingerprint]
    if target.identity is not None:
        return [*options, "-noagent", "-i", str(_convert(target.identity, folder))]
    return [*options, "-noagent", "-pw", target.password or ""]


@dataclass(frozen=True, slots=True)
class Plink:
    """PuTTY's command line client."""

    folder: Path
    name: str = "plink"

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """See PeerClient."""
        argv = [program("plink"), "-ssh", *_options(target, self.folder), HOST, command]
        return await run(argv, clean_environment(self.folder), data=data)


@dataclass(frozen=True, slots=True)
class PSFTP:
    """PuTTY's SFTP client."""

    folder: Path
    name: str = "psftp"

    async def put(self, target: Target, local: Path, remote: str) -> Finished:
        """See PeerCopier."""
        return await self._batch(target, f'put "{local}" "{remote}"\n')

    async def get(self, target: Target, remote: str, local: Path) -> Finished:
        """See PeerCopier."""
        return await self._batch(target, f'get "{remote}" "{local}"\n')

    async def _batch(self, target: Target, batch: str) -> Finished:
        script = self.folder / "psftp.batch"
        script.write_text(batch)
        argv = [program("psftp"), *_options(target, self.folder), "-b", str(script), HOST]
        return await run(argv, clean_environment(self.folder))


@dataclass(frozen=True, slots=True)
class CertifiedPlink:
    """``plink`` that logs in with a certificate."""

    folder: Path
    certificate: Path
    name: str = "plink"

    async def exec(self, target: Target, command: str, data: bytes = b"") -> Finished:
        """See PeerClient."""
        options = _options(target, self.folder)
        key = Path(options[-1])
        convert = [program("puttygen"), str(key), "--certificate", str(self.certificate)]
        subprocess.run([*convert, "-o", str(key)], check=True, stdin=subprocess.DEVNULL)
        argv = [program("plink"), "-v", "-ssh", *options, HOST, command]
        return await run(argv, clean_environment(self.folder), data=data)
