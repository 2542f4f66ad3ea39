"""The process under test: one measurement of one library, as a script.

It runs in the environment of the library that it measures, so it imports nothing of ours but that
library, by name. AsyncSSH and ssh_meta have the same API and run the very same code here.

    python worker.py IMPLEMENTATION ACTION PARAMETERS-AS-JSON

prints one line of JSON with what was measured. The action ``serve`` prints its port and then serves
until its standard input ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

#: How much is written or read at a time, in bytes.
CHUNK = 1 << 17

Parameters = dict[str, Any]
Result = dict[str, float]
Action = Callable[[Any, Parameters], Awaitable[Result]]


class Meter:
    """Wall time, CPU time of this process, and growth of its memory."""

    def __init__(self) -> None:
        self.memory = rss()
        self.cpu = cpu()
        self.wall = time.perf_counter()

    def stop(self, *, count: int = 1, size: int = 0) -> Result:
        """What was spent since the meter was made, for ``count`` operations or ``size`` bytes."""
        wall = time.perf_counter() - self.wall
        used = cpu() - self.cpu
        result = {"wall": wall, "cpu": used, "rate": count / wall, "cpu_ms": used / count * 1e3}
        if size:
            result |= {"mb_s": size / wall / 1e6, "cpu_gb": used / size * 1e9}
        result["growth_mib"] = max(0.0, peak() - self.memory) / (1 << 20)
        return result


def cpu() -> float:
    """CPU seconds of this process so far, with those that the kernel spent for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rss() -> float:
    """Resident memory of this process, in bytes."""
    return _status("VmRSS")


def peak() -> float:
    """The most resident memory this process ever had, in bytes."""
    return _status("VmHWM")


def _status(name: str) -> float:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return float(line.split()[1]) * 1024
    raise LookupError(name)


class SendCounter:
    """Counts the calls that hand bytes to a socket, by putting a counter in front of them."""

    def __init__(self) -> None:
        self.sends = 0
        for name in ("send", "sendmsg", "sendall"):
            self._wrap(name)

    def _wrap(self, name: str) -> None:
        original = getattr(socket.socket, name)

        def counting(sock: socket.socket, *arguments: Any) -> Any:
            # asyncio wakes its own loop through a Unix socket pair, which is not what we count.
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                self.sends += 1
            return original(sock, *arguments)

        setattr(socket.socket, name, counting)


@asynccontextmanager
async def connected(lib: Any, parameters: Parameters) -> AsyncIterator[Any]:
    """A connection to the server under ``port``."""
    options: dict[str, Any] = {"compression_algs": ["none"], "agent_path": None, "config": None}
    for name in ("encryption_algs", "mac_algs", "kex_algs", "window"):
        if parameters.get(name):
            options[name] = parameters[name]
    async with lib.connect(
        "127.0.0.1",
        parameters["port"],
        username=parameters["user"],
        known_hosts=parameters["known_hosts"],
        client_keys=[lib.read_private_key(parameters["key"])],
        **options,
    ) as conn:
        yield conn


async def bulk_down(lib: Any, parameters: Parameters) -> Result:
    """Read what a command of the server writes."""
    async with connected(lib, parameters) as conn:
        meter = Meter()
        received = 0
        async with conn.create_process(parameters["command"], encoding=None) as process:
            while data := await process.stdout.read(CHUNK):
                received += len(data)
        result = meter.stop(size=received)
    if received != parameters["size"]:
        raise ValueError(f"received {received} of {parameters['size']} bytes")
    return result


async def bulk_up(lib: Any, parameters: Parameters) -> Result:
    """Write to a command of the server until it ends."""
    block = os.urandom(CHUNK)
    async with connected(lib, parameters) as conn:
        meter = Meter()
        async with conn.create_process(parameters["command"], encoding=None) as process:
            for _ in range(parameters["size"] // CHUNK):
                process.stdin.write(block)
                await process.stdin.drain()
            process.stdin.write_eof()
            await process.wait()
        return meter.stop(size=parameters["size"])


async def sftp_get(lib: Any, parameters: Parameters) -> Result:
    """Copy one large file from the server."""
    async with connected(lib, parameters) as conn, conn.start_sftp_client() as sftp:
        meter = Meter()
        await sftp.get(parameters["remote"], parameters["local"])
        return meter.stop(size=parameters["size"])


async def sftp_put(lib: Any, parameters: Parameters) -> Result:
    """Copy one large file to the server."""
    async with connected(lib, parameters) as conn, conn.start_sftp_client() as sftp:
        meter = Meter()
        await sftp.put(parameters["local"], parameters["remote"])
        return meter.stop(size=parameters["size"])


async def files_get(lib: Any, parameters: Parameters) -> Result:
    """Copy a folder of small files from the server."""
    async with connected(lib, parameters) as conn, conn.start_sftp_client() as sftp:
        meter = Meter()
        await sftp.get(parameters["remote"], parameters["local"], recurse=True)
        return meter.stop(count=parameters["count"])


async def files_put(lib: Any, parameters: Parameters) -> Result:
    """Copy a folder of small files to the server."""
    async with connected(lib, parameters) as conn, conn.start_sftp_client() as sftp:
        meter = Meter()
        await sftp.put(parameters["local"], parameters["remote"], recurse=True)
        return meter.stop(count=parameters["count"])


async def stat(lib: Any, parameters: Parameters) -> Result:
    """Ask for the attributes of a file, ``parallel`` requests at a time."""
    count, parallel, path = parameters["count"], parameters["parallel"], parameters["remote"]
    async with connected(lib, parameters) as conn, conn.start_sftp_client() as sftp:
        meter = Meter()
        if parallel == 1:
            for _ in range(count):
                await sftp.stat(path)
        else:
            await in_parallel((lambda: sftp.stat(path) for _ in range(count)), parallel)
        return meter.stop(count=count)


async def execute(lib: Any, parameters: Parameters) -> Result:
    """Run ``true`` on one connection, ``parallel`` channels at a time."""
    count = parameters["count"]
    async with connected(lib, parameters) as conn:
        meter = Meter()
        await in_parallel(
            (lambda: conn.run("true", check=True) for _ in range(count)), parameters["parallel"]
        )
        return meter.stop(count=count)


async def in_parallel(jobs: Iterable[Callable[[], Awaitable[Any]]], parallel: int) -> None:
    """Run jobs, at most ``parallel`` at a time."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    await asyncio.gather(*(work() for _ in range(parallel)))


async def handshake(lib: Any, parameters: Parameters) -> Result:
    """Connect with a key and close, ``parallel`` connections at a time."""
    counter = SendCounter() if parameters.get("count_sends") else None
    count = parameters["count"]

    async def once() -> None:
        async with connected(lib, parameters):
            pass

    await once()  # what is loaded on first use does not count
    before = counter.sends if counter else 0
    meter = Meter()
    await in_parallel((once for _ in range(count)), parameters["parallel"])
    result = meter.stop(count=count)
    if counter:
        result["sends"] = (counter.sends - before) / count
    return result


async def slow_application(lib: Any, parameters: Parameters) -> Result:
    """Let the server send while the application here takes one chunk every 50 ms."""
    async with connected(lib, parameters) as conn:
        meter = Meter()
        async with conn.create_process(parameters["command"], encoding=None) as process:
            end = time.monotonic() + parameters["seconds"]
            while time.monotonic() < end:
                await process.stdout.read(CHUNK)
                await asyncio.sleep(0.05)
            result = meter.stop()
            process.close()
        return result


async def slow_peer(lib: Any, parameters: Parameters) -> Result:
    """Send to a peer with a large window behind a slow network, waiting in ``drain`` as told."""
    block = bytes(CHUNK)
    written = 0
    async with connected(lib, parameters) as conn:
        meter = Meter()
        process = await conn.create_process(parameters["command"], encoding=None)

        async def send() -> None:
            nonlocal written
            while written < parameters["size"]:
                process.stdin.write(block)
                await process.stdin.drain()
                written += len(block)

        try:
            async with asyncio.timeout(parameters["seconds"]):
                await send()
        except TimeoutError:
            pass
        result = meter.stop()
        result["written_mib"] = written / (1 << 20)
        conn.abort()
    return result


async def consume(lib: Any, parameters: Parameters) -> Result:
    """Open a large window and read: the far side of a memory test."""
    async with connected(lib, parameters) as conn:
        process = await conn.create_process(
            parameters["command"], encoding=None, window=parameters["window"]
        )
        received = 0
        try:
            async with asyncio.timeout(parameters["seconds"]):
                while data := await process.stdout.read(CHUNK):
                    received += len(data)
        except TimeoutError:
            pass
        conn.abort()
    return {"received_mib": received / (1 << 20)}


async def idle(lib: Any, parameters: Parameters) -> Result:
    """Open connections and hold them until standard input ends."""
    count = parameters["count"]
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(connected(lib, parameters))
        print(json.dumps({"count": count}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    return {"count": count}


async def serve(lib: Any, parameters: Parameters) -> Result:
    """Serve until standard input ends. Commands: ``send SIZE``, ``receive``, ``true``."""
    block = bytes(CHUNK)

    async def handle(process: Any) -> None:
        verb, *words = (process.command or "true").split()
        try:
            await obey(process, verb, words)
        except (lib.Error, OSError):
            return  # the far side of a memory test goes away without a word
        process.exit(0)

    async def obey(process: Any, verb: str, words: list[str]) -> None:
        if verb == "send":
            for _ in range(int(words[0]) // CHUNK):
                process.stdout.write(block)
                await process.stdout.drain()
        elif verb == "receive":
            while await process.stdin.read(CHUNK):
                pass

    options = {"window": parameters["window"]} if parameters.get("window") else {}
    if lib.__name__ == "ssh_meta":
        options["max_startups"] = 1000  # AsyncSSH takes any number of connections at a time
    acceptor = await lib.listen(
        "127.0.0.1",
        0,
        server_host_keys=[parameters["host_key"]],
        authorized_client_keys=parameters["authorized_keys"],
        process_factory=handle,
        sftp_factory=True,
        encoding=None,
        login_timeout=0,
        **options,
    )
    print(json.dumps({"port": acceptor.get_port()}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    acceptor.close()
    return {}


ACTIONS: dict[str, Action] = {
    action.__name__: action
    for action in (
        bulk_down,
        bulk_up,
        consume,
        execute,
        files_get,
        files_put,
        handshake,
        idle,
        serve,
        sftp_get,
        sftp_put,
        slow_application,
        slow_peer,
        stat,
    )
}


def main() -> None:
    """Run the action named on the command line."""
    implementation, action, parameters = sys.argv[1:]
    lib = importlib.import_module(implementation)
    result = asyncio.run(_run(ACTIONS[action], lib, json.loads(parameters)))
    print(json.dumps(result), flush=True)


async def _run(action: Action, lib: Any, parameters: Parameters) -> Result:
    return await action(lib, parameters)


if __name__ == "__main__":
    main()
