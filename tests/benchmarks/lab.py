"""Everything that measurements share: keys, servers, workers, and files in memory."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.peers.availability import find_program, find_python
from tests.interop.peers.credentials import Credentials, make_credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment
from tests.interop.peers.roles import PeerServer

WORKER = Path(__file__).with_name("worker.py")

#: What runs in this environment; everything else is a peer.
OURS = ("ssh_meta", "ssh_keys", "nacl.bindings")

#: Seconds after which one measurement is given up.
TIMEOUT = 600.0

Value = str | int | float | bool | list[str] | None
Result = dict[str, float]


@dataclass(slots=True)
class WorkerProcess:
    """A worker that goes on running: a server, or a holder of connections."""

    process: subprocess.Popen[bytes]
    started: dict[str, float]

    def status(self, name: str) -> float:
        """A line of the status of the process, such as ``VmRSS``, in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1]) * 1024
        raise LookupError(name)

    def cpu(self) -> float:
        """CPU seconds that the process has used."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let the peak of the resident memory start again from here."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@dataclass(slots=True)
class Lab:
    """One run of the benchmarks."""

    folder: Path
    credentials: Credentials
    server: PeerServer
    #: Size of what is moved in one bulk measurement, in bytes.
    size: int
    environ: Mapping[str, str] = field(default_factory=dict)

    def python(self, implementation: str) -> str | None:
        """The interpreter of the environment that holds an implementation."""
        return sys.executable if implementation in OURS else find_python()

    def parameters(self, port: int, **more: Value) -> dict[str, Value]:
        """What a client worker needs to know, and more."""
        known: dict[str, Value] = {
            "port": port,
            "user": self.credentials.user,
            "key": str(self.credentials.user_key),
            "known_hosts": str(self.credentials.known_hosts(port)),
            "size": self.size,
        }
        return known | more

    def command(
        self,
        implementation: str,
        action: str,
        parameters: Mapping[str, Value],
        worker: Path = WORKER,
    ) -> list[str]:
        """The command line of a worker."""
        python = self.python(implementation)
        if python is None:
            raise FileNotFoundError("the environment of the peers; .ci/install-peers makes it")
        return [python, str(worker), implementation, action, json.dumps(parameters)]

    def work(
        self,
        implementation: str,
        action: str,
        parameters: Mapping[str, Value],
        worker: Path = WORKER,
    ) -> Result:
        """Run a worker to its end and return what it measured."""
        done = subprocess.run(
            self.command(implementation, action, parameters, worker),
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace")[-3000:])
        result: Result = json.loads(done.stdout.splitlines()[-1])
        return result

    @contextlib.contextmanager
    def worker(
        self, implementation: str, action: str, parameters: Mapping[str, Value]
    ) -> Iterator[WorkerProcess]:
        """Run a worker until the block ends, from when it has said that it is ready."""
        process = subprocess.Popen(
            self.command(implementation, action, parameters),
            env=dict(self.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the worker {implementation} {action} did not start")
            yield WorkerProcess(process, json.loads(line))
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    @contextlib.contextmanager
    def serving(self, implementation: str, **more: Value) -> Iterator[tuple[int, WorkerProcess]]:
        """Run a server of an implementation; give its port and its process."""
        parameters: dict[str, Value] = {
            "host_key": str(self.credentials.host_key),
            "authorized_keys": str(self.credentials.authorized_keys),
        }
        with self.worker(implementation, "serve", parameters | more) as running:
            yield int(running.started["port"]), running

    def program(self, argv: Sequence[str], source: Path | None = None) -> Result:
        """Run a program of OpenSSH and return its wall and CPU time.

        Args:
            argv: the program and its arguments, without options of the connection.
            source: a file to use as its standard input.
        """
        program = find_program(argv[0])
        if program is None:
            raise FileNotFoundError(argv[0])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        with (source or Path(os.devnull)).open("rb") as stdin:
            done = subprocess.run(
                [program, *self.openssh_options(), *argv[1:]],
                env=dict(self.environ),
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT,
                check=False,
            )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace")[-3000:])
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": wall, "cpu": cpu}

    def openssh_options(self) -> list[str]:
        """Options with which programs of OpenSSH reach the server of this lab."""
        known_hosts = self.credentials.known_hosts(self.server.port)
        options = {
            "Port": str(self.server.port),
            "User": self.credentials.user,
            "IdentityFile": str(self.credentials.user_key),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(known_hosts),
            "BatchMode": "yes",
        }
        return [
            "-F",
            "none",
            *(word for item in options.items() for word in ("-o", "=".join(item))),
        ]

    def large_file(self) -> Path:
        """A file of ``size`` bytes in memory."""
        path = self.folder / "large"
        if not path.exists() or path.stat().st_size != self.size:
            block = os.urandom(1 << 20)
            with path.open("wb") as file:
                for _ in range(self.size >> 20):
                    file.write(block)
        return path

    def small_files(self, count: int, size: int) -> Path:
        """A folder of small files in memory."""
        folder = self.folder / f"small-{count}-{size}"
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:05}").write_bytes(os.urandom(size))
        return folder


@contextlib.contextmanager
def laboratory(size: int) -> Iterator[Lab]:
    """Make keys, start sshd, and clean all of it up in the end."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="ssh-meta-bench-", dir=memory if memory.is_dir() else None
    ) as name:
        folder = Path(name)
        credentials = make_credentials(folder)
        quiet = {"LogLevel": "ERROR", "MaxStartups": "1000"}
        with sshd(credentials, folder, quiet) as server:
            environ = clean_environment(folder)
            yield Lab(folder, credentials, server, size, environ)
