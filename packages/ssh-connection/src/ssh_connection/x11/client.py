"""X11 forwarding on a client: what sessions offer, and channels to the display.

The server never sees the cookie of a display. It gets one that was made for the session; when a
connection comes through a channel, that one is checked, and replaced by the real one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Final, Protocol

from ..channel.text import SSHChannel
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_REQUEST_X11_FORWARDING_FAILED
from ..errors import ChannelOpenError
from ..forward.relay import RelaySession, SSHForwarder
from ..logging import ConnectionLog
from ..messages.connection import X11Request
from .authfile import authority_path, read_authority
from .authority import (
    FAMILY_INTERNET,
    FAMILY_INTERNET6,
    MIT_MAGIC_COOKIE,
    AuthorityEntry,
    find_entry,
)
from .display import Display, parse_display
from .setup import ClientSetup, SetupError, encode_refusal

__all__ = ["ClientForwards", "DisplaySession", "Offer"]

SETUP_TIMEOUT: Final = 60
"""Seconds in which the setup of a connection has to come, and the display has to be connected."""

_COOKIE_SIZE: Final = 16


class OfferingChannel(Protocol):
    """A session on whose behalf X11 is forwarded."""

    def is_closing(self) -> bool:
        """Whether it is over."""
        ...


class Offer:
    """What a session has offered to the server.

    Parameters:
        display: where connections go.
        cookie: what the server was told.
        entry: the real cookie, None if the display is known to need none.
        single: whether only one connection is allowed.
        channel: the session.
    """

    __slots__ = ("channel", "cookie", "display", "entry", "single")

    def __init__(
        self,
        display: Display,
        cookie: bytes,
        entry: AuthorityEntry | None,
        single: bool,
        channel: OfferingChannel,
    ) -> None:
        self.display = display
        self.cookie = cookie
        self.entry = entry
        self.single = single
        self.channel = channel

    def request(self) -> X11Request:
        """Return the request of the session."""
        cookie = self.cookie.hex().encode()
        return X11Request(self.single, MIT_MAGIC_COOKIE, cookie, self.display.screen)


class ClientForwards:
    """All displays that are offered on a connection.

    Parameters:
        log: of the connection.
        random: gives bytes that nobody can guess.
    """

    def __init__(self, log: ConnectionLog, random: Callable[[int], bytes] = os.urandom) -> None:
        self._log = log
        self._random = random
        self._offers: list[Offer] = []

    async def offer(
        self,
        channel: OfferingChannel,
        display_name: str | None,
        auth_path: str | os.PathLike[str] | None,
        *,
        single: bool,
    ) -> Offer:
        """Prepare the forwarding of a display.

        Parameters:
            channel: the session; when it is closed, no new connections are allowed.
            display_name: as DISPLAY, which is taken if it is None.
            auth_path: Xauthority file; by default that of XAUTHORITY, or in the home directory.
            single: whether only one connection is allowed.

        Raises ChannelOpenError if there is no display or its cookie can not be read.
        """
        name = os.environ.get("DISPLAY") if display_name is None else display_name
        if not name:
            raise _failed("there is no X11 display")
        try:
            display = parse_display(name)
            loop = asyncio.get_running_loop()
            entry = await loop.run_in_executor(None, _real_entry, display, auth_path)
        except (OSError, ValueError) as exc:
            raise _failed(str(exc)) from exc
        size = _COOKIE_SIZE if entry is None else max(_COOKIE_SIZE, len(entry.data))
        made = Offer(display, self._random(size), entry, single, channel)
        self._forget_closed()
        self._offers.append(made)
        return made

    def withdraw(self, offer: Offer) -> None:
        """The server does not want to forward X11 connections."""
        self._offers = [each for each in self._offers if each is not offer]

    def _forget_closed(self) -> None:
        self._offers = [each for each in self._offers if not each.channel.is_closing()]

    def check_open(self) -> None:
        """The server wants to open a channel; raises ChannelOpenError if nothing is offered."""
        self._forget_closed()
        if not self._offers:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "no display is forwarded")

    def match(self, setup: ClientSetup) -> Offer | None:
        """Return which offer a connection belongs to, None for none; each single one once."""
        self._forget_closed()
        found: Offer | None = None
        for offer in self._offers:
            if compare_digest(setup.data, offer.cookie) and setup.name == MIT_MAGIC_COOKIE:
                found = offer
        if found is None:
            self._log.warning("an X11 connection came with a wrong cookie")
        elif found.single:
            self.withdraw(found)
        return found

    def new_session(self) -> DisplaySession:
        """Return the session for a channel that the server has opened."""
        return DisplaySession(self, self._log)


class DisplaySession(RelaySession):
    """An X11 connection: its cookie is checked, then it is relayed to the display.

    Nothing is done at the display before.
    """

    def __init__(self, forwards: ClientForwards, log: ConnectionLog) -> None:
        super().__init__(SSHForwarder())
        self._forwards = forwards
        self._log = log
        self._channel: SSHChannel[bytes] | None = None
        self._received = bytearray()
        self._checked = False
        self._relaying = False
        self._eof = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        """The channel is open: wait for the setup."""
        self._channel = chan
        self._timer = chan.loop.call_later(SETUP_TIMEOUT, self._too_late)

    def _too_late(self) -> None:
        assert self._channel is not None
        self._log.warning("an X11 connection did not come to the display in time")
        self._timer = None  # which knows us
        self._channel.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        if self._timer is not None:
            self._timer.cancel()
        task, self._task = self._task, None  # when it is cancelled, its traceback knows us
        if task is not None:
            task.cancel()
        super().connection_lost(exc)

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """Data from the X11 client; until there is a display, at most a window of it is kept."""
        if self._relaying:
            super().data_view_received(packet, start, end, datatype)
            return
        self._received += memoryview(packet)[start:end]
        if not self._checked:
            self._check()

    def eof_received(self) -> bool:
        """EOF goes to the display, behind what came before."""
        self._eof = True
        if self._relaying:
            return super().eof_received()
        if not self._checked:
            self._close()
        return True

    def pause_writing(self) -> None:
        """The channel takes no more for now."""
        if self._relaying:
            super().pause_writing()

    def resume_writing(self) -> None:
        """The channel takes more."""
        if self._relaying:
            super().resume_writing()

    def _close(self) -> None:
        assert self._channel is not None
        self._channel.close()

    def _check(self) -> None:
        channel = self._channel
        assert channel is not None
        try:
            decoded = ClientSetup.decode(self._received)
        except SetupError as exc:
            self._log.warning("not an X11 connection: %s", exc)
            channel.abort()
            return
        if decoded is None:
            return
        setup, size = decoded
        self._checked = True
        offer = self._forwards.match(setup)
        if offer is None:
            channel.write(encode_refusal(setup, "Wrong authorization"))
            channel.close()
            return
        entry = offer.entry
        name, data = (b"", b"") if entry is None else (entry.name, entry.data)
        real = setup._replace(name=name, data=data).encode()
        self._received[:size] = real
        # The window gets back what came, not what takes its place.
        self._task = channel.loop.create_task(self._connect(offer.display, size - len(real)))

    async def _connect(self, display: Display, difference: int) -> None:
        channel = self._channel
        assert channel is not None
        try:
            await _connect_display(self._forwarder, display)
        except (OSError, UnicodeError) as exc:
            self._log.warning("no connection to the X11 display: %s", exc)
            channel.abort()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._log.info("the server has opened a connection to our X11 display")
        self._relaying = True
        self._forwarder.attach(channel)
        received, self._received = bytes(self._received), bytearray()
        self._forwarder.write(received, 0, len(received))
        if difference > 0:
            channel.consumed(difference)
        if self._eof:
            self._forwarder.write_eof()


async def _connect_display(forwarder: SSHForwarder, display: Display) -> None:
    loop = asyncio.get_running_loop()
    if display.host:
        await loop.create_connection(lambda: forwarder, display.host, display.port)
        return
    try:
        await loop.create_unix_connection(lambda: forwarder, display.path)
    except FileNotFoundError:
        # Linux: a server that can not write to the directory has only a name without a file.
        await loop.create_unix_connection(lambda: forwarder, f"\0{display.path}")


def _real_entry(
    display: Display, auth_path: str | os.PathLike[str] | None
) -> AuthorityEntry | None:
    entries = read_authority(authority_path(auth_path))
    return find_entry(entries, display, socket.gethostname(), _addresses)


def _addresses(host: str) -> Sequence[tuple[int, bytes]]:
    families = {
        socket.AF_INET: FAMILY_INTERNET,
        socket.AF_INET6: FAMILY_INTERNET6,
    }
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [
        (families[family], socket.inet_pton(family, str(address[0]).partition("%")[0]))
        for family, _, _, _, address in found
        if family in families
    ]


def _failed(reason: str) -> ChannelOpenError:
    return ChannelOpenError(OPEN_REQUEST_X11_FORWARDING_FAILED, f"X11 forwarding: {reason}")
