"""The whole algorithm product with OpenSSH: every combination of four names, one connection each.

Run by hand: ``python -m tests.interop.full_product LOG client|server``. The log gets a line for
each combination; what is good already is not run again, so a run may be stopped at any time.
`client` meets one sshd that stays, `server` a new ssh for each combination. Slow methods come
last. Returns 1 if a combination failed.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from ssh_keys import SSHLocalKeyPair
from ssh_transport import Role
from tests.interop import test_algorithm_product as product
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST
from tests.interop.peers.openssh import PRIVSEP
from tests.interop.peers.process import clean_environment, free_port, serving
from tests.interop.test_algorithm_product import Case
from tests.recorded.peers import HOST_KEY_FILES, SocketWire, prepare_folder, sshd_config

Opener = Callable[[Case], AbstractContextManager[SocketWire]]

#: What takes longest, because of large groups or of arithmetic of our own, comes last.
_SLOW = ("group18", "group-exchange", "group16", "sntrup761")


def _cost(kex: str) -> int:
    return sum(index + 1 for index, part in enumerate(reversed(_SLOW)) if part in kex)


def combinations() -> list[Case]:
    """Every combination, those of slow methods last, otherwise in an order that mixes names."""
    every = [
        Case(kex, host_key, *protection)
        for kex, host_key, protection in itertools.product(
            product.KEX, product.HOST_KEYS, product.PROTECTION
        )
    ]
    random.Random(4253).shuffle(every)
    return sorted(every, key=lambda case: _cost(case.kex))


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[Opener]:
    """One sshd for all connections, which forks for each and does not start anew (`-r`)."""
    port = free_port()
    lines = {
        "KexAlgorithms": ",".join(product.KEX),
        "Ciphers": ",".join(product.CIPHER_NAMES),
        "MACs": ",".join(product.MAC_NAMES),
        "HostKeyAlgorithms": ",".join(product.HOST_KEYS),
        "Port": str(port),
        "ListenAddress": HOST,
        "MaxStartups": "500",
        "LogLevel": "ERROR",
    }
    config = sshd_config(folder, lines)
    certificates = "".join(f"HostCertificate {folder / n}-cert.pub\n" for n in HOST_KEY_FILES)
    config.write_text(certificates + config.read_text())
    PRIVSEP.mkdir(mode=0o755, exist_ok=True)
    argv = [program("sshd"), "-D", "-r", "-e", "-f", str(config)]

    @contextlib.contextmanager
    def connect(case: Case) -> Iterator[SocketWire]:
        with socket.create_connection((HOST, port), 10) as sock:
            yield SocketWire(sock)

    with serving("sshd", argv, port, folder, clean_environment(folder)):
        yield connect


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Opener]:
    """A listener for all connections, and a client for each."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        known = folder / "known_hosts"
        publics = [(folder / f"{name}.pub").read_text() for name in HOST_KEY_FILES]
        authority = (folder / "authority.pub").read_text()
        marked = [f"@cert-authority [{HOST}]:{port} {authority}"]
        known.write_text("".join([*marked, *(f"[{HOST}]:{port} {text}" for text in publics)]))
        options = {
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentityFile": "none",
            "RequiredRSASize": "1024",
        }
        environ = clean_environment(folder / "home")

        @contextlib.contextmanager
        def connect(case: Case) -> Iterator[SocketWire]:
            chosen = options | {
                "KexAlgorithms": case.kex,
                "HostKeyAlgorithms": case.host_key,
                "Ciphers": case.cipher,
                "MACs": case.mac,
            }
            words = [word for item in chosen.items() for word in ("-o", "=".join(item))]
            argv = [program("ssh"), "-F", "none", *words, "-p", str(port), f"root@{HOST}", "true"]
            with (folder / "ssh.log").open("wb") as log:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
                )
            try:
                with listener.accept()[0] as sock:
                    yield SocketWire(sock)
            finally:
                process.kill()
                process.wait()

        yield connect


class Runner:
    """Runs combinations and writes down how they went.

    Parameters:
        log: gets one line each.
        role: ours.
        folder: with the keys.
    """

    def __init__(self, log: Path, role: Role, folder: Path) -> None:
        self._log = log
        self._role = role
        self._folder = folder
        self._pairs: dict[str, SSHLocalKeyPair] = {}
        self.failed = 0

    def good(self) -> set[str]:
        """The combinations that the log knows as good."""
        if not self._log.exists():
            return set()
        lines = (line.split() for line in self._log.read_text().splitlines())
        role = self._role.name.lower()
        return {words[2] for words in lines if words[:2] == ["ok", role]}

    def run(self, opener: Opener) -> None:
        """Run what is left."""
        done = self.good()
        with self._log.open("a", buffering=1) as log:
            for case in combinations():
                if str(case) not in done:
                    log.write(self._line(case, opener) + "\n")

    def _line(self, case: Case, opener: Opener) -> str:
        name = "sshd" if self._role is Role.CLIENT else "ssh"
        session = product.session_of(case, name, self._role)
        begin = time.monotonic()
        try:
            with opener(case) as wire:
                product.greet(session, wire, self._folder, self._pair(case))
        except Exception as exc:  # whatever it is, the others are run
            self.failed += 1
            return f"FAILED {self._role.name.lower()} {case} {exc!r}"
        took = (time.monotonic() - begin) * 1000
        return f"ok {self._role.name.lower()} {case} {took:.0f}"

    def _pair(self, case: Case) -> SSHLocalKeyPair | None:
        if self._role is Role.CLIENT:
            return None
        if case.host_key not in self._pairs:
            session = product.session_of(case, "ssh", self._role)
            self._pairs[case.host_key] = product.host_key_pair(session, self._folder)
        return self._pairs[case.host_key]


def main(arguments: list[str]) -> int:
    """Run what the log does not have yet."""
    log, role = Path(arguments[0]), Role[arguments[1].upper()]
    with tempfile.TemporaryDirectory() as name:
        folder = prepare_folder(Path(name))
        product.certify(folder)
        runner = Runner(log, role, folder)
        with (sshd if role is Role.CLIENT else ssh)(folder) as opener:
            runner.run(opener)
    print(f"{len(runner.good())} of {len(combinations())} are good, {runner.failed} failed now")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
