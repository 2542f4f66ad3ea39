"""Networks of their own on this machine, with the device of a tunnel in each of them.

A device that the code under test has opened is moved into a network namespace: it goes on working,
and what is sent there has no other way to the other end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from struct import pack

import pytest

from tests.interop.peers.availability import program

INTERFACES = Path("/sys/class/net")

_ECHO = """
import socket, sys
kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(kind, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 7))
print("ready", flush=True)
while True:
    data, who = sock.recvfrom(65536)
    sock.sendto(data[::-1], who)
"""

#: A packet may be lost: neighbours have to find each other first.
_ASK = """
import os, socket, sys
kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(kind, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 7))
sock.settimeout(1)
for size in map(int, sys.argv[2:]):
    data = os.urandom(size)
    for _ in range(20):
        sock.send(data)
        try:
            while sock.recv(65536) != data[::-1]:
                pass
            break
        except TimeoutError:
            pass
    else:
        sys.exit(f"no answer to {size} bytes")
"""


@cache
def _why_not() -> str:
    """Why there can be no devices here, empty if there can be."""
    try:
        device = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(device, 0x400454CA, pack("16sH22x", b"", 0x1001))
        finally:
            os.close(device)
    except OSError as exc:
        return str(exc)
    made = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return made.stderr.decode(errors="replace")


def needs_devices() -> None:
    """Skip the test where devices can not be opened, in CI as well."""
    if reason := _why_not():
        pytest.skip(f"needs /dev/net/tun, CAP_NET_ADMIN and network namespaces: {reason}")
    program("ip")


def free_unit() -> int:
    """A number that no device of this machine has."""
    while True:
        unit = random.randrange(1000, 1_000_000)
        if not any((INTERFACES / f"{kind}{unit}").exists() for kind in ("tun", "tap")):
            return unit


async def wait_there(interface: str) -> None:
    """Wait until somebody has made an interface."""
    async with asyncio.timeout(20):
        while not (INTERFACES / interface).exists():
            await asyncio.sleep(0.01)


async def wait_gone(interface: str) -> None:
    """Wait until an interface that was not moved is not there."""
    async with asyncio.timeout(20):
        while (INTERFACES / interface).exists():
            await asyncio.sleep(0.01)


class Network:
    """A network namespace.

    Parameters:
        pid: a process that has it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def argv(self, *words: str) -> list[str]:
        """The command line of a program that runs there."""
        return ["nsenter", "-t", str(self._pid), "-n", *words]

    def take(self, interface: str, *addresses: str) -> None:
        """Move an interface there, and give it addresses."""
        ip = program("ip")
        self._do(ip, "link", "set", "dev", interface, "netns", str(self._pid))
        for address in addresses:
            words = ["nodad"] if ":" in address else []
            self._do(*self.argv(ip, "addr", "add", address, "dev", interface, *words))
        self._do(*self.argv(ip, "link", "set", "dev", interface, "up"))

    @staticmethod
    def _do(*argv: str) -> None:
        done = subprocess.run(argv, capture_output=True, check=False)
        assert not done.returncode, (argv, done.stderr)

    async def ask(self, address: str, sizes: list[int]) -> None:
        """Send datagrams to an echo, and compare what comes back."""
        words = self.argv(sys.executable, "-ISc", _ASK, address, *map(str, sizes))
        asking = await asyncio.create_subprocess_exec(*words, stderr=subprocess.PIPE)
        _, errors = await asyncio.wait_for(asking.communicate(), 120)
        assert not asking.returncode, errors

    @contextmanager
    def echo(self, address: str) -> Iterator[None]:
        """Send datagrams that come to an address back, in another order."""
        words = self.argv(sys.executable, "-ISc", _ECHO, address)
        with subprocess.Popen(words, stdout=subprocess.PIPE) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == b"ready\n"
            try:
                yield
            finally:
                echo.kill()


@contextmanager
def network() -> Iterator[Network]:
    """A network with nothing in it."""
    words = ["unshare", "-n", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield Network(holder.pid)
        holder.kill()


async def assert_joined(here: str, there: str) -> None:
    """Move two interfaces to networks of their own, and send datagrams from one to the other."""
    networks = ["10.99.0.{}"]
    if Path("/proc/sys/net/ipv6").exists():
        networks.append("fd99::{}")
    await wait_there(here)
    await wait_there(there)
    with network() as one, network() as other:
        one.take(here, *(f"{each.format(1)}/24" for each in networks))
        other.take(there, *(f"{each.format(2)}/24" for each in networks))
        for address in (each.format(2) for each in networks):
            with other.echo(address):
                # The longest one comes in fragments.
                await one.ask(address, [1, 100, 1000, 1400, 5000])
