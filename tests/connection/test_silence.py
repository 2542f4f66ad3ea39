"""Peers that do not even answer: each wait of `connect` ends, also with the defaults."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TypedDict

import pytest

from ssh_connection import (
    ClientKwargs,
    SSHClientConnectionOptions,
    connect,
    connect_reverse,
)
from ssh_keys import Passphrase, SSHKeyPair
from ssh_transport import ConnectionTimeoutError
from tests.connection.loopback import HOST, HOST_KEY


class Waiting(TypedDict):
    """Options that clients and servers have."""

    passphrase: Passphrase
    login_timeout: float


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port of this machine that takes no more connections: connecting to it just waits."""
    with socket.create_server((HOST, 0), backlog=0) as listener, contextlib.ExitStack() as opened:
        address = listener.getsockname()
        for _ in range(8):
            sock = opened.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(address)
        with socket.socket() as probe:
            probe.settimeout(0.5)
            try:
                probe.connect(address)
            except TimeoutError:
                yield address[1]
                return
    pytest.skip("this system has no full backlog")


@pytest.mark.parametrize("option", ["connect_timeout", "login_timeout"])
async def test_host_that_drops_packets(option: str) -> None:
    """There is no connection yet whose timer could end it."""
    with full_backlog() as port:
        given: ClientKwargs = {"known_hosts": None, "client_keys": None, option: 0.2}  # type: ignore[misc]
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionTimeoutError, match=r"after 0\.2 seconds"):
                await connect(HOST, port, **given)
            with pytest.raises(ConnectionTimeoutError):
                await connect(HOST, 22, tunnel=f"{HOST}:{port}", **given)
            with pytest.raises(ConnectionTimeoutError):
                await connect_reverse(HOST, port, server_host_keys=HOST_KEY, **{option: 0.2})  # type: ignore[arg-type]


@pytest.mark.parametrize("canonical", [False, True])
async def test_name_service_that_says_nothing(
    canonical: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def silent(*args: object, **kwargs: object) -> NoReturn:
        asked.append(args)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", silent)
    given: ClientKwargs = {"known_hosts": None, "client_keys": None, "login_timeout": 0.05}
    if canonical:
        given |= {"canonicalize_hostname": True, "canonical_domains": ["example.org"]}
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionTimeoutError, match="'somewhere'"):
            await connect("somewhere", 22, **given)
    assert len(asked) == 1


async def test_proxy_command_and_tunnel_that_say_nothing() -> None:
    given: ClientKwargs = {"known_hosts": None, "client_keys": None, "login_timeout": 0.1}
    silent: ClientKwargs = {**given, "proxy_command": ["sleep", "60"]}
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionTimeoutError):
            await connect("somewhere", 22, **silent)
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(ConnectionTimeoutError):
                await connect("somewhere", 22, tunnel=f"{HOST}:{port}", **given)


async def test_nobody_types_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".ssh" / "id_ed25519"
    path.parent.mkdir()
    HOST_KEY.write_private_key(path, passphrase="secret", rounds=1)
    asked = []

    async def ask(name: str) -> NoReturn:
        asked.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            asked.append("closed")
        raise AssertionError

    given: Waiting = {"passphrase": ask, "login_timeout": 0.5}
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionTimeoutError, match=r"private keys not read after 0\.5 sec"):
            await connect(HOST, 1, known_hosts=None, client_keys=path, **given)
        with pytest.raises(ConnectionTimeoutError, match=r"host keys not read after 0\.5 sec"):
            await connect_reverse(HOST, 1, server_host_keys=path, **given)
        # A key that was not named is left out.
        with pytest.raises(ConnectionRefusedError):
            await connect(HOST, 1, known_hosts=None, **given)
    assert asked == [str(path), "closed"] * 3
    assert "private keys not read" in caplog.text


async def test_token_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def wait(provider: object, pin: object) -> list[SSHKeyPair]:
        over.wait(20)
        return []

    monkeypatch.setattr("ssh_connection.connection.client_auth.load_pkcs11_keys", wait)
    given: ClientKwargs = {"known_hosts": None, "client_keys": None, "login_timeout": 0.05}
    given["pkcs11_provider"] = "module.so"
    try:
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionTimeoutError, match="no keys of tokens after"):
                await connect(HOST, 1, **given)
    finally:
        over.set()


async def test_an_error_of_the_system_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives up by itself, too, and its reason is the better one."""

    async def gives_up(*args: object, **kwargs: object) -> NoReturn:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", gives_up)
    given: ClientKwargs = {"known_hosts": None, "client_keys": None, "connect_timeout": 60}
    with pytest.raises(TimeoutError, match="Connection timed out") as caught:
        await connect(HOST, 22, **given)
    assert caught.value.errno == errno.ETIMEDOUT


def test_there_is_a_limit_by_default() -> None:
    assert SSHClientConnectionOptions().seconds("login_timeout") == 120
