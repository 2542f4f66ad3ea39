"""Texts for people that are not UTF-8: banners, reasons of open failures, exit signals."""

from __future__ import annotations

from typing import Any

import pytest

from ssh_connection import (
    ChannelOpenError,
    SSHClient,
    SSHClientConnectionOptions,
    SSHServerConnection,
    SSHServerProcess,
)
from ssh_connection.messages.connection import ChannelOpenFailure, ExitSignalRequest
from ssh_connection.messages.userauth import UserauthBanner
from ssh_transport.errors import DisconnectError, ProtocolError
from ssh_transport.messages import Debug, Disconnect
from tests.connection.loopback import Server, client, server_side, serving

BAD = b"caf\xe9 \x1b"

#: What comes of it, and what of it is in exceptions.
CHOICES = [
    ("replace", "caf\ufffd \x1b", "caf\ufffd \\x1b"),
    ("backslashreplace", "caf\\xe9 \x1b", "caf\\xe9 \\x1b"),
    ("ignore", "caf \x1b", "caf \\x1b"),
]


class Latin(Server):
    """Says everything in Latin-1."""

    def connection_made(self, conn: SSHServerConnection) -> None:
        """Remember it, to send what no method of ours sends."""
        super().connection_made(conn)
        self.made = conn

    def begin_auth(self, username: str) -> bool:
        """Greet."""
        if username == "greeted":
            self.made._core.send(UserauthBanner(BAD, b"fr").encode())
        return False

    def connection_requested(self, *args: object) -> Any:
        """Refuse."""
        mux = self.made._require_mux()

        def refuse(request: Any, exc: Exception) -> None:
            answer = ChannelOpenFailure(request.sender_channel, 2, BAD, b"fr")
            self.made._core.send(answer.encode())

        mux._refuse = refuse  # type: ignore[method-assign]
        return False


def program(process: SSHServerProcess[str]) -> None:
    """End by a signal."""
    request = ExitSignalRequest("TERM", False, BAD, b"fr")
    process.channel._send_request(b"exit-signal", request.encode())
    process.close()


class Client(SSHClient):
    """Remembers the banner."""

    banner: tuple[str, str] | None = None
    debug: tuple[str, str] | None = None
    reason = lang = ""

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        """A debug message."""
        self.debug = (msg, lang)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        if isinstance(exc, DisconnectError):
            self.reason, self.lang = exc.reason, exc.lang

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """The banner."""
        self.banner = (msg, lang)


@pytest.mark.parametrize(("errors", "text", "escaped"), CHOICES)
async def test_texts_with_errors_that_are_allowed(errors: str, text: str, escaped: str) -> None:
    given: Any = {"client_factory": Client, "username": "greeted", "utf8_decode_errors": errors}
    async with (
        serving(server_factory=Latin, process_factory=program) as server,
        await client(server, **given) as conn,
    ):
        assert isinstance(conn.owner, Client)
        assert conn.owner.banner == (text, "fr")
        with pytest.raises(ChannelOpenError) as caught:
            await conn.open_connection("host", 1)
        assert (caught.value.reason, caught.value.lang) == (escaped, "fr")
        async with conn.create_process("x") as process:
            await process.wait()
        assert process.exit_signal == ("TERM", False, text, "fr")
        server_side(server)._core.send(Debug(True, BAD, b"fr").encode())
        await conn.run("x")
        assert conn.owner.debug == (text, "fr")
        server_side(server)._core.send(Disconnect(2, BAD, b"fr").encode())
        await conn.wait_closed()
        assert (conn.owner.reason, conn.owner.lang) == (escaped, "fr")


@pytest.mark.parametrize("message", [Debug(True, BAD, b"fr"), Disconnect(2, BAD, b"fr")])
async def test_messages_of_the_transport_with_errors(message: Any) -> None:
    given: Any = {"client_factory": Client, "username": "guest", "utf8_decode_errors": "strict"}
    async with (
        serving(server_factory=Latin, process_factory=program) as server,
        await client(server, **given) as conn,
    ):
        server_side(server)._core.send(message.encode())
        await conn.wait_closed()
        assert isinstance(conn.owner, Client)
        assert "is not UTF-8" in conn.owner.reason


async def test_texts_with_errors_that_are_not() -> None:
    async with serving(server_factory=Latin, process_factory=program) as server:
        with pytest.raises(ProtocolError, match="banner is not UTF-8"):
            await client(server, username="greeted", utf8_decode_errors="strict")
        async with await client(server, username="guest", utf8_decode_errors="strict") as conn:
            with pytest.raises(ProtocolError, match="message of an exit signal is not UTF-8"):
                await conn.run("x")
            assert conn.is_closed()
        async with await client(server, username="guest", utf8_decode_errors="strict") as conn:
            with pytest.raises(ChannelOpenError, match="is not UTF-8"):
                await conn.open_connection("host", 1)
            assert conn.is_closed()


async def test_by_default_nothing_is_lost() -> None:
    options = SSHClientConnectionOptions()
    assert options.utf8_decode_errors == "backslashreplace"
    async with (
        serving(server_factory=Latin, process_factory=program) as server,
        await client(server, username="greeted", client_factory=Client) as conn,
    ):
        assert isinstance(conn.owner, Client)
        assert conn.owner.banner == ("caf\\xe9 \x1b", "fr")


@pytest.mark.parametrize("name", ["no such", "xmlcharrefreplace", ""])
def test_handlers_that_there_are_not(name: str) -> None:
    with pytest.raises(ValueError, match="utf8_decode_errors"):
        SSHClientConnectionOptions(utf8_decode_errors=name)
