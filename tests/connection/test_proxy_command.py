"""Proxy commands: a program as the socket of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ssh_connection import ClientKwargs, SSHClientConnection, connect, get_server_auth_methods
from ssh_connection.proxy import proxy_arguments
from ssh_transport.errors import ConnectionLost, ConnectionTimeoutError
from tests.connection.loopback import HOST, client_options, serving
from tests.event_loops import LoopFactory, event_loops
from tests.processes import Family, alive

each_event_loop = pytest.mark.parametrize(
    "new_loop", [pytest.param(factory, id=name) for name, factory in event_loops().items()]
)

RELAY = """
import os, socket, sys, threading
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("relay", os.getpid(), file=sys.stderr, flush=True)
def back():
    while data := sock.recv(65536):
        os.write(1, data)
    os.close(1)
    os._exit(0)
threading.Thread(target=back).start()
while data := os.read(0, 65536):
    sock.sendall(data)
sock.shutdown(socket.SHUT_WR)
"""


@pytest.fixture
def relay(tmp_path: Path) -> list[str]:
    """A proxy command that connects to %h and %p."""
    script = tmp_path / "relay.py"
    script.write_text(RELAY)
    return [sys.executable, str(script), "%h", "%p"]


async def through(port: int, command: str | list[str], timeout: float = 20) -> SSHClientConnection:
    """Connect by a proxy command."""
    given: ClientKwargs = {"password": "secret", "connect_timeout": timeout}
    given["proxy_command"] = command
    return await connect(HOST, port, **client_options(port, given))


async def test_list_and_text(relay: list[str]) -> None:
    async with serving() as acceptor:
        port = acceptor.get_port()
        for command in (relay, " ".join(f"'{word}'" for word in relay)):
            async with await through(port, command) as conn:
                done = await conn.run("hello", input="x" * 3_000_000)
                assert done.stdout == "hello\n" + "x" * 3_000_000
                assert conn.get_extra_info("peername") == (HOST, port)
                pid = conn.get_extra_info("proxy_pid")
                assert alive(pid)
            assert not alive(pid)


async def test_program_ends_with_an_aborted_connection(relay: list[str]) -> None:
    async with serving() as acceptor:
        conn = await through(acceptor.get_port(), relay)
        pid = conn.get_extra_info("proxy_pid")
        conn.abort()
        await conn.wait_closed()
        assert not alive(pid)


async def test_connection_ends_with_the_program(
    relay: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as acceptor:
        conn = await through(acceptor.get_port(), relay)
        pid = conn.get_extra_info("proxy_pid")
        assert isinstance(pid, int)
        os.kill(pid, 9)
        await asyncio.wait_for(conn.wait_closed(), 5)
        assert not alive(pid)
    # What it wrote to its standard error went to the log.
    assert f"proxy command: relay {pid}" in caplog.text


async def test_its_last_words_are_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    words = "import sys; print('first\\nno \\x1b[31m route', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ConnectionLost, match=r"ended with status 3: no \\x1b\[31m route"):
        await through(22, [sys.executable, "-c", words])
    assert "proxy command: first" in caplog.text
    assert "\x1b" not in caplog.text


@each_event_loop
def test_program_ends_before_the_loop_knows_that_it_runs(new_loop: LoopFactory) -> None:
    async def connect_late() -> None:
        task = asyncio.create_task(through(22, ["sh", "-c", "exit 3"]))
        for _ in range(10):
            await asyncio.sleep(0)
            time.sleep(0.02)
        with pytest.raises(ConnectionLost, match="ended with status 3"):
            await task

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(connect_late())


async def test_program_that_does_not_end() -> None:
    """It closes its output and ignores everything else: it is killed."""
    words = (
        "import os, signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.close(1);"
        " time.sleep(60)"
    )
    with pytest.raises(ConnectionLost, match="status -9"):
        await through(22, [sys.executable, "-c", words])


def writes_its_pid(path: Path) -> list[str]:
    """A proxy command that does nothing for a minute, whatever becomes of its input."""
    words = f"import os, time; open({str(path)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    return [sys.executable, "-c", words]


async def test_time_out_ends_the_program(tmp_path: Path) -> None:
    out = tmp_path / "pid"
    with pytest.raises(ConnectionTimeoutError):
        await through(22, writes_its_pid(out), timeout=2)
    assert not alive(int(out.read_text()))


@each_event_loop
def test_what_the_program_started_ends_with_it(
    tmp_path: Path,
    new_loop: LoopFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Given up, and aborted with the loop: without a terminal there is no other end for it."""
    monkeypatch.setattr("ssh_transport.command.has_terminal", lambda: False)
    first, second = Family(tmp_path / "first"), Family(tmp_path / "second")

    async def give_up() -> None:
        with pytest.raises(ConnectionTimeoutError):
            await through(22, ["sh", "-c", first.command], timeout=1)
        await asyncio.to_thread(first.wait_gone)
        words = f"echo runs >&2; {second.command}"
        task = asyncio.create_task(through(22, ["sh", "-c", words]))
        await asyncio.to_thread(second.wait_started)
        while "proxy command: runs" not in caplog.text:
            await asyncio.sleep(0.01)
        task.cancel()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(give_up())
    second.wait_gone()


@each_event_loop
def test_program_ends_with_the_task_that_connects(tmp_path: Path, new_loop: LoopFactory) -> None:
    """The loop ends right behind: it leaves no program, no zombie and no open pipe."""
    out = tmp_path / "pid"

    async def give_up() -> None:
        task = asyncio.create_task(through(22, writes_its_pid(out)))
        while not out.exists() or not out.read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(give_up())
    assert not alive(int(out.read_text()))
    gc.collect()


@each_event_loop
def test_program_ends_with_the_event_loop(relay: list[str], new_loop: LoopFactory) -> None:
    """Nobody closes the connection."""

    async def forget() -> object:
        async with serving() as acceptor:
            conn = await through(acceptor.get_port(), relay)
            assert (await conn.run("hello", input="x" * 3_000_000)).exit_status == 7
            return conn.get_extra_info("proxy_pid")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        pid = runner.run(forget())
    assert not alive(pid)
    gc.collect()


@each_event_loop
def test_child_that_holds_the_pipes(
    relay: list[str], tmp_path: Path, new_loop: LoopFactory
) -> None:
    """Nobody reads any more what is on its way to the program, and its output never ends."""
    holder = tmp_path / "holder"
    line = f"exec 3<&0; sleep 60 <&3 & echo $! > {holder}; exec '{relay[0]}' '{relay[1]}' %h %p"

    async def kill_and_wait() -> None:
        async with serving() as acceptor:
            conn = await through(acceptor.get_port(), ["sh", "-c", line])
            pid = conn.get_extra_info("proxy_pid")
            assert isinstance(pid, int)
            process = await conn.create_process("hello")
            os.kill(pid, signal.SIGSTOP)
            process.stdin.write("x" * 1_500_000)
            await asyncio.sleep(0)  # more than the pipe takes is on its way now
            os.kill(pid, signal.SIGKILL)
            await asyncio.wait_for(conn.wait_closed(), 10)
            assert not alive(pid)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(kill_and_wait())
    gc.collect()
    with contextlib.suppress(ProcessLookupError):  # without a terminal it has ended, too
        os.kill(int(holder.read_text()), signal.SIGKILL)


async def test_program_that_floods_its_standard_error() -> None:
    words = "import sys; sys.stderr.write('x' * 5_000_000); sys.exit(1)"
    with pytest.raises(ConnectionLost, match=r"status 1: x{1000}$"):
        await through(22, [sys.executable, "-c", words])


async def test_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        await through(22, ["no-such-program-at-all"])


async def test_probing_goes_by_it_too(relay: list[str]) -> None:
    async with serving() as acceptor:
        port = acceptor.get_port()
        methods = await get_server_auth_methods(HOST, port, "user", proxy_command=relay)
    assert "password" in methods


async def test_it_excludes_other_ways(relay: list[str]) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        await connect(HOST, 22, tunnel="jump", proxy_command=relay, known_hosts=None)


def test_tokens() -> None:
    def words(command: str | list[str]) -> list[str]:
        return proxy_arguments(command, "host.example", 2222, "me")

    assert words("nc -X5 %h %p") == ["nc", "-X5", "host.example", "2222"]
    assert words(["run", "%r@%h:%p", "100%%", ""]) == ["run", "me@host.example:2222", "100%", ""]
    # No shell sees it: what is special to one is an ordinary character.
    assert words("echo '$HOME; %h' `x`") == ["echo", "$HOME; host.example", "`x`"]
    for wrong in ("", [], [""], "nc %x", "nc %", "nc 'open"):
        with pytest.raises(ValueError):
            words(wrong)


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=x", "a;b", "$(x)", "`x`", "a b", "a\nb", "a'b", 'a"b', "a|b", "a\x7f"]
)
def test_names_that_are_none(host: str) -> None:
    with pytest.raises(ValueError, match="can not be given to a command"):
        proxy_arguments("nc %h %p", host, 22, "me")
    with pytest.raises(ValueError, match="can not be given to a command"):
        proxy_arguments("nc %r", "host", 22, host.replace(" ", " -"))
    # What is not used may be anything.
    assert proxy_arguments("nc %p", host, 22, host) == ["nc", "22"]
