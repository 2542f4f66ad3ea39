"""The rows of the tables: what is measured, for whom, and which number counts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.benchmarks import keys
from tests.benchmarks.importing import import_time
from tests.benchmarks.lab import Lab, Result, Value
from tests.benchmarks.proxy import throttled
from tests.interop.peers.credentials import HOST

GIB = 1 << 30

#: The libraries that share the code of the worker. Ratios are to the last one.
PYTHON = ("ssh_meta", "asyncssh")

#: Options of the ciphers that are compared, for the libraries and for OpenSSH.
CIPHERS: dict[str, dict[str, list[str]]] = {
    "aes128-gcm": {"encryption_algs": ["aes128-gcm@openssh.com"]},
    "chacha20": {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
    "aes256-ctr-etm": {
        "encryption_algs": ["aes256-ctr"],
        "mac_algs": ["hmac-sha2-256-etm@openssh.com"],
    },
}

#: Seconds for which memory is watched.
WATCH = 8.0
#: Bytes per second of a slow network.
SLOW = 20e6


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, made for several implementations."""

    name: str
    title: str
    #: Who takes part.
    implementations: tuple[str, ...]
    #: Which results are shown; the first one is that of which the ratio is taken.
    columns: tuple[str, ...]
    measure: Callable[[Lab, str], Result]


def bulk(direction: str, cipher: str) -> Row:
    """Bulk data of a command at sshd."""

    def measure(lab: Lab, implementation: str) -> Result:
        down = direction == "down"
        command = f"head -c {lab.size} /dev/zero" if down else "cat > /dev/null"
        options = CIPHERS[cipher]
        if implementation == "openssh":
            words = [f"-oCiphers={','.join(options['encryption_algs'])}"]
            if "mac_algs" in options:
                words.append(f"-oMACs={','.join(options['mac_algs'])}")
            source = None if down else lab.large_file()
            used = lab.program(["ssh", *words, HOST, command], source)
            return per_byte(used, lab.size)
        more: dict[str, Value] = dict(options)
        parameters = lab.parameters(lab.server.port, command=command, **more)
        return lab.work(implementation, f"bulk_{direction}", parameters)

    return Row(
        f"bulk-{direction}-{cipher}",
        f"session channel, {direction} with sshd, {cipher}",
        (*PYTHON, "openssh"),
        ("cpu_gb", "mb_s"),
        measure,
    )


def bulk_self(direction: str, cipher: str) -> Row:
    """Bulk data between two processes of the same implementation."""

    def measure(lab: Lab, implementation: str) -> Result:
        command = f"send {lab.size}" if direction == "down" else "receive"
        more: dict[str, Value] = dict(CIPHERS[cipher])
        with lab.serving(implementation) as (port, server):
            before = server.cpu()
            parameters = lab.parameters(port, command=command, **more)
            result = lab.work(implementation, f"bulk_{direction}", parameters)
            result["server_cpu_gb"] = (server.cpu() - before) / lab.size * 1e9
        return result

    return Row(
        f"self-{direction}-{cipher}",
        f"session channel, {direction}, both ends the same library, {cipher}",
        PYTHON,
        ("mb_s", "cpu_gb", "server_cpu_gb"),
        measure,
    )


def per_byte(used: Result, size: int) -> Result:
    """Wall and CPU time of a program as rates."""
    return used | {"mb_s": size / used["wall"] / 1e6, "cpu_gb": used["cpu"] / size * 1e9}


def sftp(direction: str, *, own: bool = False) -> Row:
    """One large file through SFTP, with sshd or with a server of the same implementation."""

    def measure(lab: Lab, implementation: str) -> Result:
        large, copy = lab.large_file(), lab.folder / "copy"
        copy.unlink(missing_ok=True)
        get = direction == "get"
        paths: dict[str, Value] = {
            "remote": str(large if get else copy),
            "local": str(copy if get else large),
            "encryption_algs": ["aes128-gcm@openssh.com"],
        }
        if implementation == "openssh":
            words = [f"{HOST}:{large}", str(copy)] if get else [str(large), f"{HOST}:{copy}"]
            cipher = "-oCiphers=aes128-gcm@openssh.com"
            result = per_byte(lab.program(["scp", "-s", "-q", cipher, *words]), lab.size)
        elif own:
            with lab.serving(implementation) as (port, server):
                before = server.cpu()
                result = lab.work(
                    implementation, f"sftp_{direction}", lab.parameters(port, **paths)
                )
                result["server_cpu_gb"] = (server.cpu() - before) / lab.size * 1e9
        else:
            parameters = lab.parameters(lab.server.port, **paths)
            result = lab.work(implementation, f"sftp_{direction}", parameters)
        if copy.stat().st_size != lab.size:
            raise ValueError(f"copied {copy.stat().st_size} of {lab.size} bytes")
        copy.unlink()
        return result

    if own:
        columns = ("mb_s", "cpu_gb", "server_cpu_gb")
        title = f"SFTP {direction} of one file, both ends the same library"
        return Row(f"self-sftp-{direction}", title, PYTHON, columns, measure)
    title = f"SFTP {direction} of one file with sshd"
    return Row(f"sftp-{direction}", title, (*PYTHON, "openssh"), ("cpu_gb", "mb_s"), measure)


def files(direction: str, count: int = 1000, size: int = 4096) -> Row:
    """Many small files through SFTP with sshd."""

    def measure(lab: Lab, implementation: str) -> Result:
        source, copy = lab.small_files(count, size), lab.folder / "copies"
        shutil.rmtree(copy, ignore_errors=True)
        get = direction == "get"
        if implementation == "openssh":
            copied = [f"{HOST}:{source}", str(copy)] if get else [str(source), f"{HOST}:{copy}"]
            used = lab.program(["scp", "-s", "-q", "-r", *copied])
            result = used | {"rate": count / used["wall"], "cpu_ms": used["cpu"] / count * 1e3}
        else:
            paths: dict[str, Value] = {
                "remote": str(source if get else copy),
                "local": str(copy if get else source),
            }
            parameters = lab.parameters(lab.server.port, count=count, **paths)
            result = lab.work(implementation, f"files_{direction}", parameters)
        copied_count = sum(1 for _ in copy.iterdir())
        shutil.rmtree(copy)
        if copied_count != count:
            raise ValueError(f"copied {copied_count} of {count} files")
        return result

    title = f"SFTP {direction} of {count} files of {size} bytes with sshd"
    columns = ("rate", "cpu_ms")
    return Row(f"files-{direction}", title, (*PYTHON, "openssh"), columns, measure)


def operations(name: str, title: str, action: str, *, count: int, parallel: int) -> Row:
    """Many small operations at sshd."""

    def measure(lab: Lab, implementation: str) -> Result:
        remote = str(lab.small_files(1, 10) / "00000")
        parameters = lab.parameters(lab.server.port, count=count, parallel=parallel, remote=remote)
        return lab.work(implementation, action, parameters)

    return Row(name, title, PYTHON, ("cpu_ms", "rate"), measure)


def handshakes(name: str, *, count: int, parallel: int, own: bool = False) -> Row:
    """Connect with a key and close again; sends are counted in a run of their own."""

    def measure(lab: Lab, implementation: str) -> Result:
        more: dict[str, Value] = {"count": count, "parallel": parallel}
        more["kex_algs"] = ["curve25519-sha256"]

        def once(port: int) -> Result:
            result = lab.work(implementation, "handshake", lab.parameters(port, **more))
            counting = lab.parameters(port, **more) | {"count": 20, "count_sends": True}
            counted = lab.work(implementation, "handshake", counting)
            return result | {"sends": counted["sends"]}

        if own:
            with lab.serving(implementation) as (port, _):
                return once(port)
        return once(lab.server.port)

    where = "both ends the same library" if own else "with sshd"
    title = f"handshake with publickey, {where}, {parallel} at a time"
    return Row(name, title, PYTHON, ("cpu_ms", "rate", "sends"), measure)


def slow_application(lab: Lab, implementation: str) -> Result:
    """sshd sends 1 GiB to an application that hardly reads."""
    command = f"head -c {GIB} /dev/zero"
    parameters = lab.parameters(lab.server.port, command=command, seconds=WATCH)
    return lab.work(implementation, "slow_application", parameters)


def slow_peer(lab: Lab, implementation: str) -> Result:
    """Our client sends 1 GiB; the peer has a large window and a slow network."""
    with (
        lab.serving("asyncssh", window=GIB) as (port, _),
        throttled(port, to_server=SLOW) as slow,
    ):
        parameters = lab.parameters(slow, command="receive", seconds=WATCH, size=GIB)
        return lab.work(implementation, "slow_peer", parameters)


def server_memory(*, freeze_after: int = 0, rate: float = 0) -> Callable[[Lab, str], Result]:
    """Our server sends 1 GiB to a client with a large window and a slow or frozen network."""

    def measure(lab: Lab, implementation: str) -> Result:
        with (
            lab.serving(implementation) as (port, server),
            throttled(port, to_client=rate, freeze_after=freeze_after) as slow,
        ):
            before = server.status("VmRSS")
            parameters = lab.parameters(slow, command=f"send {GIB}", window=GIB, seconds=WATCH)
            lab.work("asyncssh", "consume", parameters)
            return {"growth_mib": max(0.0, server.status("VmHWM") - before) / (1 << 20)}

    return measure


def idle(lab: Lab, implementation: str, count: int = 300) -> Result:
    """Memory of a server for each connection that does nothing."""
    with lab.serving(implementation) as (port, server):
        # The first connections load what every later one shares.
        with lab.worker(implementation, "idle", lab.parameters(port, count=10)):
            pass
        time.sleep(0.5)
        before = server.status("VmRSS")
        with lab.worker(implementation, "idle", lab.parameters(port, count=count)):
            time.sleep(1)
            grown = server.status("VmRSS") - before
    return {"kib_each": grown / count / 1024}


def rows() -> list[Row]:
    """All rows, in the order in which they are shown."""
    both = ("down", "up")
    found = [bulk(direction, cipher) for cipher in CIPHERS for direction in both]
    found += [bulk_self(direction, cipher) for cipher in CIPHERS for direction in both]
    found += [sftp("get"), sftp("put"), sftp("get", own=True), sftp("put", own=True)]
    found += [
        files("get"),
        files("put"),
        handshakes("handshake", count=60, parallel=1),
        handshakes("handshake-20", count=200, parallel=20),
        handshakes("self-handshake", count=60, parallel=1, own=True),
        handshakes("self-handshake-20", count=200, parallel=20, own=True),
        operations("stat", "SFTP stat, one after another", "stat", count=5000, parallel=1),
        operations("stat-64", "SFTP stat, 64 at a time", "stat", count=10000, parallel=64),
        operations("exec", "exec true, one after another", "execute", count=200, parallel=1),
        operations("exec-50", "exec true, 50 at a time", "execute", count=500, parallel=50),
    ]
    memory = ("growth_mib",)
    found += [
        Row("memory-application", slow_application.__doc__ or "", PYTHON, memory, slow_application),
        Row("memory-client", slow_peer.__doc__ or "", PYTHON, memory, slow_peer),
        Row(
            "memory-server",
            "Our server sends 1 GiB; the client has a large window and a slow network.",
            PYTHON,
            memory,
            server_memory(rate=SLOW),
        ),
        Row(
            "memory-frozen",
            "A client opens a window of 1 GiB and freezes; growth of the server.",
            PYTHON,
            memory,
            server_memory(freeze_after=1 << 20),
        ),
        Row("memory-idle", idle.__doc__ or "", PYTHON, ("kib_each",), idle),
        Row("import", "import", (*PYTHON, "paramiko"), ("cpu_ms", "rss_mib"), import_time),
        Row("import-keys", "import", keys.IMPLEMENTATIONS, ("cpu_ms", "rss_mib"), import_time),
    ]
    found += [
        Row(
            name,
            f"{keys.TITLES[action]}: {subject}",
            keys.implementations(action, subject),
            ("cpu_us",),
            partial(keys.measure, action=action, subject=subject),
        )
        for name, action, subject in keys.actions()
    ]
    return found


def select(names: list[str]) -> list[Row]:
    """The rows whose names start with one of the given words; all of them without any."""
    return [row for row in rows() if not names or any(row.name.startswith(name) for name in names)]
