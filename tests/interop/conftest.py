"""Fixtures of the interop tests: peers as servers, peers as clients, and our own server."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from tests.interop.own_server import OwnServer, own_server
from tests.interop.peers.credentials import Credentials, make_credentials
from tests.interop.peers.dropbear import DropbearClient, dropbear
from tests.interop.peers.openssh import SCP, SFTP, SSH, sshd
from tests.interop.peers.process import RUNNING
from tests.interop.peers.putty import PSFTP, Plink
from tests.interop.peers.python_peers import PythonClient, python_server
from tests.interop.peers.roles import PeerClient, PeerCopier, PeerServer

SERVERS = ("sshd", "dropbear", "paramiko", "asyncssh")
CLIENTS = ("ssh", "dbclient", "plink", "paramiko", "asyncssh")
COPIERS = ("sftp", "scp", "psftp", "paramiko", "asyncssh")

#: Size of what is sent back and forth in one test, in bytes.
BULK = 64 << 20


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(autouse=True)
def _mark_logs() -> None:
    """Let a report show only what peers logged during its test."""
    for peer in RUNNING.peers:
        peer.mark()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of the running peers to the report of a failed test."""
    report = yield
    if report.failed:
        for peer in RUNNING.peers:
            report.sections.append((f"log of {peer.name}", peer.new_log()))
    return report


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Throw-away keys for the whole run."""
    return make_credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture(scope="session")
def bulk() -> bytes:
    """64 MiB that do not repeat."""
    return random.Random(4253).randbytes(BULK)


def launch(
    name: str, credentials: Credentials, folder: Path
) -> contextlib.AbstractContextManager[PeerServer]:
    """The launcher of a server, by name."""
    if name == "sshd":
        return sshd(credentials, folder)
    if name == "dropbear":
        return dropbear(credentials, folder)
    return python_server(name, credentials, folder)


@pytest.fixture(scope="session", params=SERVERS)
def server(
    request: pytest.FixtureRequest,
    credentials: Credentials,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerServer]:
    """Each server of the peers in turn."""
    name: str = request.param
    with launch(name, credentials, tmp_path_factory.mktemp(name)) as running:
        yield running


@pytest.fixture(scope="session")
def openssh_server(
    credentials: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PeerServer]:
    """OpenSSH's server, for tests that need nobody else."""
    with sshd(credentials, tmp_path_factory.mktemp("sshd-only")) as running:
        yield running


def make_client(name: str, folder: Path) -> PeerClient:
    """A client program, by name."""
    if name == "ssh":
        return SSH(folder)
    if name == "dbclient":
        return DropbearClient(folder)
    if name == "plink":
        return Plink(folder)
    return PythonClient(name, folder)


def make_copier(name: str, folder: Path) -> PeerCopier:
    """A program that copies files, by name."""
    if name == "sftp":
        return SFTP(folder)
    if name == "scp":
        return SCP(folder)
    if name == "psftp":
        return PSFTP(folder)
    return PythonClient(name, folder)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> PeerClient:
    """Each client program of the peers in turn."""
    name: str = request.param
    return make_client(name, tmp_path)


@pytest.fixture(params=COPIERS)
def copier(request: pytest.FixtureRequest, tmp_path: Path) -> PeerCopier:
    """Each file copying program of the peers in turn."""
    name: str = request.param
    return make_copier(name, tmp_path)


@pytest.fixture
async def own(credentials: Credentials) -> AsyncIterator[OwnServer]:
    """Our own server, in the event loop of the test."""
    async with own_server(credentials) as running:
        yield running
