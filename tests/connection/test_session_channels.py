"""Session channels between a client and a server of ours: requests of both roles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ssh_connection.channel.session_client import SSHClientChannel
from ssh_connection.channel.session_server import SSHServerChannel
from ssh_connection.constants import (
    EXTENDED_DATA_STDERR,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    PTY_ECHO,
    PTY_OP_OSPEED,
)
from ssh_connection.errors import ChannelOpenError
from ssh_connection.session import SSHClientSession, SSHServerSession
from tests.connection.channels import RawPeer, encode, serve_session
from tests.connection.mux_pair import Pair


class Server(SSHServerSession[Any]):
    """Accepts everything and remembers it."""

    refuse: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.chan: SSHServerChannel[Any] | None = None

    def connection_made(self, chan: SSHServerChannel[Any]) -> None:
        self.chan = chan
        self.seen.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.append(("lost", exc))

    def session_started(self) -> None:
        self.seen.append("started")

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self.seen.append(("pty", term_type, term_size, dict(term_modes)))
        return "pty" not in self.refuse

    def shell_requested(self) -> bool:
        self.seen.append("shell")
        return "shell" not in self.refuse

    def exec_requested(self, command: str) -> Any:
        self.seen.append(("exec", command))
        return "exec" not in self.refuse

    def subsystem_requested(self, subsystem: str) -> bool:
        self.seen.append(("subsystem", subsystem))
        return "subsystem" not in self.refuse

    def data_received(self, data: Any, datatype: int | None) -> None:
        self.seen.append(data)

    def eof_received(self) -> bool:
        self.seen.append("eof")
        return True

    def break_received(self, msec: int) -> bool:
        self.seen.append(("break", msec))
        return True

    def signal_received(self, signal: str) -> None:
        self.seen.append(("signal", signal))

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self.seen.append(("size", width, height, pixwidth, pixheight))


class Client(SSHClientSession[Any]):
    """Remembers what happened."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.chan: SSHClientChannel[Any] | None = None

    def connection_made(self, chan: SSHClientChannel[Any]) -> None:
        self.chan = chan
        self.seen.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.append(("lost", exc))

    def session_started(self) -> None:
        self.seen.append("started")

    def data_received(self, data: Any, datatype: int | None) -> None:
        self.seen.append((data, datatype))

    def eof_received(self) -> bool:
        self.seen.append("eof")
        return True

    def xon_xoff_requested(self, client_can_do: bool) -> None:
        self.seen.append(("xon-xoff", client_can_do))

    def exit_status_received(self, status: int) -> None:
        self.seen.append(("status", status))

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.seen.append(("signal", signal, core_dumped, msg, lang))


async def create(
    pair: Pair, server: Server, *args: Any, **kwargs: Any
) -> tuple[SSHClientChannel[Any], Client, SSHServerChannel[Any]]:
    """Start a session and return both channels."""
    channels = serve_session(pair, lambda: server)
    chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
    client = Client()
    await chan.create(lambda: client, *args, **kwargs)
    return chan, client, channels[0]


async def test_command_with_environment_and_terminal() -> None:
    async with Pair() as pair:
        server = Server()
        chan, client, served = await create(
            pair,
            server,
            "ls -l",
            env={"LANG": "C", "NAME": "wert\u00e9"},
            request_pty=True,
            term_type="xterm",
            term_size=(80, 24),
            term_modes={PTY_ECHO: 1, PTY_OP_OSPEED: 38400},
        )
        assert client.seen == ["made", "started"]
        assert server.seen == [
            "made",
            ("pty", "xterm", (80, 24, 0, 0), {PTY_ECHO: 1, PTY_OP_OSPEED: 38400}),
            ("exec", "ls -l"),
            "started",
        ]
        assert chan.get_command() == served.get_command() == "ls -l"
        assert chan.get_subsystem() is served.get_subsystem() is None
        environment = {"LANG": "C", "NAME": "wert\u00e9"}
        assert dict(chan.get_environment()) == dict(served.get_environment()) == environment
        assert served.get_terminal_type() == "xterm"
        assert served.get_terminal_size() == (80, 24, 0, 0)
        assert served.get_terminal_mode(PTY_ECHO) == 1
        assert served.get_terminal_mode(1) is None
        assert dict(served.get_terminal_modes()) == {PTY_ECHO: 1, PTY_OP_OSPEED: 38400}
        assert chan.get_extra_info("connection") is pair.client.services
        assert chan.get_extra_info("username") == "user"
        assert chan.get_extra_info("nothing", 5) == 5
        chan.set_extra_info(nothing=6)
        assert chan.get_extra_info("nothing", 5) == 6


async def test_shell_and_subsystem() -> None:
    async with Pair() as pair:
        server = Server()
        _, _, served = await create(pair, server)
        assert server.seen == ["made", "shell", "started"]
        assert served.get_command() is served.get_subsystem() is served.get_terminal_type() is None
        server = Server()
        chan, _, served = await create(pair, server, subsystem="sftp")
        assert server.seen == ["made", ("subsystem", "sftp"), "started"]
        assert chan.get_subsystem() == served.get_subsystem() == "sftp"


async def test_data_signals_and_sizes_in_order() -> None:
    async with Pair() as pair:
        server = Server()
        chan, client, served = await create(pair, server, "cat")
        chan.write("eins")
        chan.send_signal("INT")
        chan.send_signal(15)
        chan.writelines(["zw", "ei"])
        chan.change_terminal_size(100, 50, 1000, 500)
        chan.send_break(250)
        chan.terminate()
        chan.kill()
        chan.write_eof()
        chan.write_eof()
        served.set_xon_xoff(True)
        served.write("out")
        served.write_stderr("err")
        served.writelines_stderr(["e", "rr"])
        await pair.settle()
        assert server.seen[3:] == [
            "eins",
            ("signal", "INT"),
            ("signal", "TERM"),
            "zwei",
            ("size", 100, 50, 1000, 500),
            ("break", 250),
            ("signal", "TERM"),
            ("signal", "KILL"),
            "eof",
        ]
        assert served.get_terminal_size() == (100, 50, 1000, 500)
        assert client.seen[2:] == [
            ("xon-xoff", True),
            ("out", None),
            ("err", EXTENDED_DATA_STDERR),
            ("err", EXTENDED_DATA_STDERR),
        ]
        with pytest.raises(BrokenPipeError):
            chan.write("behind EOF")
        with pytest.raises(ValueError, match="99"):
            chan.send_signal(99)
        with pytest.raises(ValueError, match="Invalid data type"):
            chan.write("x", EXTENDED_DATA_STDERR)
        with pytest.raises(TypeError):
            served.write(b"bytes on a text channel")


@pytest.mark.parametrize("status", [0, 1, 255, 0xFFFFFFFF])
async def test_exit_status_comes_behind_all_data(status: int) -> None:
    async with Pair() as pair:
        server = Server()
        chan, client, served = await create(pair, server, "x")
        served.write("a" * 100_000)
        served.exit(status)
        served.exit(99)
        await chan.wait_closed()
        assert client.seen[-3:] == ["eof", ("status", status), ("lost", None)]
        assert sum(len(item[0]) for item in client.seen[2:-3]) == 100_000
        assert (chan.get_exit_status(), chan.get_returncode()) == (status, status)
        assert chan.get_exit_signal() is None
        await served.wait_closed()
        assert server.seen[-1] == ("lost", None)
        assert pair.client.mux.channels == pair.server.mux.channels == ()
        assert pair.client.services.idle == pair.server.services.idle == 1


@pytest.mark.parametrize(("name", "returncode"), [("TERM", -15), ("SEGV", -11), ("ODD@x", -99)])
async def test_exit_signal(name: str, returncode: int) -> None:
    async with Pair() as pair:
        chan, client, served = await create(pair, Server(), "x")
        assert chan.get_exit_status() is chan.get_returncode() is None
        served.exit_with_signal(name, True, "text\x1b", "de")
        await chan.wait_closed()
        assert client.seen[-2:] == [("signal", name, True, "text\x1b", "de"), ("lost", None)]
        assert chan.get_exit_signal() == (name, True, "text\x1b", "de")
        assert (chan.get_exit_status(), chan.get_returncode()) == (-1, returncode)


async def test_exit_status_out_of_range() -> None:
    async with Pair() as pair:
        _, _, served = await create(pair, Server(), "x")
        for status in (-1, 1 << 32):
            with pytest.raises(ValueError, match="uint32"):
                served.exit(status)
        assert not served.is_closing()


@pytest.mark.parametrize(
    ("refused", "kwargs", "code"),
    [
        ("pty", {"command": "x", "request_pty": True}, OPEN_REQUEST_PTY_FAILED),
        ("exec", {"command": "x"}, OPEN_REQUEST_SESSION_FAILED),
        ("shell", {}, OPEN_REQUEST_SESSION_FAILED),
        ("subsystem", {"subsystem": "x"}, OPEN_REQUEST_SESSION_FAILED),
    ],
)
async def test_refused_requests(refused: str, kwargs: dict[str, Any], code: int) -> None:
    class Refusing(Server):
        refuse = frozenset({refused})

    async with Pair() as pair:
        server = Refusing()
        with pytest.raises(ChannelOpenError) as info:
            await create(pair, server, **kwargs)
        assert info.value.code == code
        await pair.settle()
        assert pair.client.mux.channels == pair.server.mux.channels == ()
        assert server.seen[-1] == ("lost", None)
        if refused == "pty":
            assert not any(item == ("exec", "x") for item in server.seen)


async def test_terminals_can_be_forbidden() -> None:
    async with Pair() as pair:
        server = Server()
        serve_session(pair, lambda: server, allow_pty=False)
        chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
        with pytest.raises(ChannelOpenError):
            await chan.create(Client, "x", request_pty=True)
        assert not any(item[0] == "pty" for item in server.seen)


async def test_refused_channel() -> None:
    async with Pair() as pair:

        def refuse(request: Any) -> Any:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not today", "de")

        pair.server.services.accept = refuse
        chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
        with pytest.raises(ChannelOpenError) as info:
            await chan.create(Client, "x")
        assert (info.value.code, info.value.reason, info.value.lang) == (1, "not today", "de")


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"command": "x", "subsystem": "y"}, ValueError),
        ({"request_pty": True, "term_size": (80, 24, 1)}, ValueError),
        ({"request_pty": True, "term_size": (-1, 24)}, ValueError),
        ({"request_pty": True, "term_modes": {0: 1}}, ValueError),
        ({"request_pty": True, "term_modes": {1: -1}}, ValueError),
        ({"command": "\ud800"}, UnicodeEncodeError),
    ],
)
async def test_arguments_that_can_not_be_sent(
    kwargs: dict[str, Any], error: type[Exception]
) -> None:
    async with Pair() as pair:
        with pytest.raises(error):
            await create(pair, Server(), **kwargs)
        assert pair.client.mux.channels == ()
        assert not pair.client.core.log


async def test_coroutines_may_decide_and_data_waits_for_them() -> None:
    decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    class Deciding(Server):
        def exec_requested(self, command: str) -> Any:
            self.seen.append("asked")
            return decision

    peer = RawPeer()
    session = Deciding()
    peer.serve(session)
    peer.send(98, 0, b"exec", True, b"x")
    peer.send(94, 0, b"early")
    peer.send(98, 0, b"env", True, b"A", b"b")
    peer.send(96, 0)
    assert peer.sent() == []
    assert session.seen == ["made", "asked"]
    decision.set_result(True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert session.seen == ["made", "asked", "started", "early", "eof"]
    assert peer.sent() == [encode(99, 7), encode(99, 7)]


async def test_a_request_handler_that_raises_refuses() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))

    class Failing(Server):
        def exec_requested(self, command: str) -> Any:
            raise LookupError("inside")

    peer = RawPeer()
    peer.serve(Failing())
    peer.send(98, 0, b"exec", True, b"x")
    assert peer.sent() == [encode(100, 7)]
    assert isinstance(reported[0]["exception"], LookupError)


@pytest.mark.parametrize("callback", ["data_received", "session_started", "eof_received"])
async def test_a_session_that_raises_loses_its_channel_only(callback: str) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))

    class Failing(Server):
        pass

    def fail(*args: Any) -> Any:
        raise LookupError("inside")

    setattr(Failing, callback, fail)
    peer = RawPeer()
    session = Failing()
    peer.serve(session)
    peer.send(98, 0, b"shell", True)
    peer.send(94, 0, b"data")
    peer.send(96, 0)
    assert peer.sent() == [encode(99, 7), encode(97, 7)]
    assert peer.error is None
    peer.send(97, 0)
    assert isinstance(session.seen[-1][1], LookupError)
    assert len(reported) == 1
    assert peer.end.mux.channels == ()


async def test_session_factory_that_raises() -> None:
    async with Pair() as pair:
        serve_session(pair, Server)
        chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))

        def factory() -> Client:
            raise LookupError("no session")

        with pytest.raises(LookupError, match="no session"):
            await chan.create(factory, "x")
        await pair.settle()
        assert pair.client.mux.channels == pair.server.mux.channels == ()


async def test_eow_is_tolerated_both_ways() -> None:
    async with Pair() as pair:
        chan, client, served = await create(pair, Server(), "x")
        for each in (chan, served):
            each._send_request(b"eow@openssh.com")
        await pair.settle()
        served.write("goes on")
        served.exit(0)
        await chan.wait_closed()
        assert ("goes on", None) in client.seen


class Subsystem(Server):
    """A session that a subsystem factory makes."""


async def test_subsystem_factory_replaces_the_session() -> None:
    async with Pair() as pair:
        first, second = Server(), Subsystem()
        asked: list[Any] = []

        def factory(chan: SSHServerChannel[bytes]) -> Subsystem:
            asked.append(chan)
            return second

        channels = serve_session(pair, lambda: first, subsystems={"sftp": factory})
        chan: SSHClientChannel[Any] = SSHClientChannel(
            pair.client.services, pair.client.mux, encoding=None
        )
        client = Client()
        await chan.create(lambda: client, subsystem="sftp")
        chan.write(b"\xff\xfe")
        await pair.settle()
        assert asked == channels
        assert first.seen == ["made", ("lost", None)]
        assert second.seen == ["made", "started", b"\xff\xfe"]
        channels[0].write(b"\x80")
        await pair.settle()
        assert client.seen[-1] == (b"\x80", None)


async def test_exec_interceptor_takes_a_command_or_leaves_it() -> None:
    async def later() -> Subsystem:
        await asyncio.sleep(0)
        return taken

    def intercept(command: str, chan: SSHServerChannel[bytes]) -> Any:
        return later() if command.startswith("scp -t") else None

    async with Pair() as pair:
        first, taken = Server(), Subsystem()
        serve_session(pair, lambda: first, exec_interceptors=[intercept])
        for command in ("scp -t x", "ls"):
            chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
            await chan.create(Client, command)
        assert taken.seen == ["made", "started"]
        assert first.seen == ["made", ("lost", None), "made", ("exec", "ls"), "started"]


async def test_data_eof_and_close_in_one_flight_with_the_reply() -> None:
    """All of a short command arrives before the task that started it runs again."""

    class Quick(Server):
        def session_started(self) -> None:
            assert self.chan is not None
            self.chan.write("output")
            self.chan.exit(3)

    async with Pair() as pair:
        chan, client, _ = await create(pair, Quick(), "true")
        await chan.wait_closed()
        assert client.seen == [
            "made",
            "started",
            ("output", None),
            "eof",
            ("status", 3),
            ("lost", None),
        ]


async def test_reading_paused_while_everything_arrives() -> None:
    async with Pair() as pair:
        chan, client, served = await create(pair, Server(), "x")
        chan.pause_reading()
        served.write("one")
        served.write_stderr("two")
        served.exit(0)
        await pair.settle()
        assert client.seen == ["made", "started", ("status", 0)]
        assert not chan._finished
        chan.resume_reading()
        assert client.seen[3:] == [("one", None), ("two", 1), "eof", ("lost", None)]
        await chan.wait_closed()


@pytest.mark.parametrize("how", ["close", "abort", "failure"])
async def test_what_is_held_back_keeps_no_channel_open(how: str) -> None:
    """The server has closed the channel; what it wrote before waits for a session that pauses."""

    class Failing(Client):
        def data_received(self, data: Any, datatype: int | None) -> None:
            raise OSError("disk full")

    async with Pair() as pair:
        channels = serve_session(pair, Server)
        chan: SSHClientChannel[Any] = SSHClientChannel(pair.client.services, pair.client.mux)
        client = Failing()
        await chan.create(lambda: client, "x")
        chan.pause_reading()
        channels[0].write("one")
        channels[0].exit(0)
        await pair.settle()
        if how == "failure":
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
            chan.resume_reading()
        else:
            getattr(chan, how)()
            assert client.seen == ["made", "started", ("status", 0)]  # not called out of the call
        await asyncio.wait_for(chan.wait_closed(), 10)
        name, exc = client.seen[-1]
        assert name == "lost"
        assert str(exc) == ("disk full" if how == "failure" else "None")
        assert chan.is_closing()


async def test_write_buffer_limits() -> None:
    async with Pair() as pair:
        chan, _, _ = await create(pair, Server(), "x")
        chan.set_write_buffer_limits(high=1000, low=10)
        chan.set_write_buffer_limits(high=1000)
        chan.set_write_buffer_limits(low=10)
        chan.set_write_buffer_limits()
        for high, low in ((10, 20), (-1, None), (10, -1)):
            with pytest.raises(ValueError, match="must be >="):
                chan.set_write_buffer_limits(high, low)
        assert chan.can_write_eof()
        assert chan.get_recv_window() == 2 * 1024 * 1024
        assert chan.get_read_datatypes() == {EXTENDED_DATA_STDERR}
        assert chan.get_write_datatypes() == frozenset()


@pytest.mark.parametrize("option", [{"window": 0}, {"window": 1 << 32}, {"max_pktsize": 0}])
async def test_sizes_out_of_range(option: dict[str, Any]) -> None:
    async with Pair() as pair:
        with pytest.raises(ValueError, match="out of range"):
            SSHClientChannel[Any](pair.client.services, pair.client.mux, **option)
    with pytest.raises(LookupError):
        SSHClientChannel[Any](pair.client.services, pair.client.mux, encoding="no-such-code")
