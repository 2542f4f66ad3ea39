"""X11 forwarding on a server: a display that leads to the client."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from ..awaiting import outlasting
from ..forward.listener import SocketListener, forward_tcp_listener
from ..forward.relay import RelayOpener
from ..messages.connection import X11Request
from .authfile import authority_path, update_authority
from .authority import FAMILY_LOCAL, AuthorityEntry
from .display import BASE_PORT, MAX_SCREEN

__all__ = ["FIRST_DISPLAY", "DisplayListener", "listen_display"]

FIRST_DISPLAY: Final = 10
"""Those below are left to X servers of this machine."""
DISPLAYS: Final = 1000
"""Displays that are tried."""
MAX_COOKIE: Final = 64
"""Bytes of a cookie."""

_ADDRESSES: Final = ("127.0.0.1", "::1")
_NO_SUCH_ADDRESS: Final = frozenset(
    {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
)
_TAKEN: Final = frozenset({errno.EADDRINUSE, errno.EACCES})


class DisplayListener:
    """A display of this machine whose connections are forwarded to the client.

    Parameters:
        name: as for DISPLAY.
        listeners: its sockets.
        path: the Xauthority file that has its cookie.
        entry: the cookie.
    """

    def __init__(
        self, name: str, listeners: list[SocketListener], path: str, entry: AuthorityEntry
    ) -> None:
        self.name = name
        self.path = path
        self._listeners = listeners
        self._entry = entry
        self._closed = False

    def close(self, failed: Callable[[OSError], None]) -> None:
        """Stop listening and remove the cookie, which happens in the executor of the loop.

        Parameters:
            failed: is told if the cookie can not be removed.
        """
        if self._closed:
            return
        self._closed = True
        self.stop_listening()

        def remove() -> None:
            try:
                update_authority(self.path, self._entry, remove=True)
            except OSError as exc:
                failed(exc)

        try:
            # Not waited for; the end of the loop does.
            asyncio.get_running_loop().run_in_executor(None, remove)
        except RuntimeError:
            remove()  # it has, and nobody else is there to wait for us

    def stop_listening(self) -> None:
        """Accept no more connections; those that are open go on."""
        for listener in self._listeners:
            listener.close()


async def listen_display(
    request: X11Request,
    opener: RelayOpener,
    auth_path: str | os.PathLike[str] | None = None,
    *,
    first: int = FIRST_DISPLAY,
) -> DisplayListener:
    """Make a display on the loopback addresses, and put its cookie into an Xauthority file.

    Parameters:
        request: what the client has sent.
        opener: opens the channel of a connection.
        auth_path: the file; by default that of XAUTHORITY, or in the home directory.
        first: number of the first display that is tried.

    Raises ValueError for a request that makes no sense, OSError if no display is free or the file
    can not be written.
    """
    cookie = _cookie(request)
    made: list[DisplayListener] = []
    used = False

    def accept(host: str, port: int) -> bool:
        nonlocal used
        if not request.single_connection:
            return True
        first_one, used = not used, True
        for each in made:
            each.stop_listening()
        return first_one

    for number in range(first, first + DISPLAYS):
        listeners = await _listen(number, opener, accept)
        if listeners is None:
            continue
        entry = AuthorityEntry(
            FAMILY_LOCAL,
            os.fsencode(socket.gethostname()),
            str(number).encode(),
            request.authentication_protocol,
            cookie,
        )
        path = authority_path(auth_path)
        name = f"localhost:{number}.{request.screen_number}"
        display = DisplayListener(name, listeners, path, entry)
        made.append(display)
        await _write_cookie(display, path, entry)
        return display
    raise OSError(errno.EADDRINUSE, "no X11 display is free")


async def _write_cookie(display: DisplayListener, path: str, entry: AuthorityEntry) -> None:
    """Put the cookie of a display into the file; if that does not work, the display is closed."""
    loop = asyncio.get_running_loop()
    writing = loop.run_in_executor(None, update_authority, path, entry)

    def take_back(written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is None:
            display.close(lambda exc: None)

    try:
        await outlasting(writing)
    except BaseException:
        display.stop_listening()
        # If it is we who were cancelled, the thread goes on all the same.
        writing.add_done_callback(take_back)
        raise


def _cookie(request: X11Request) -> bytes:
    protocol, text = request.authentication_protocol, request.authentication_cookie
    try:
        cookie = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise ValueError("X11 cookie is not hexadecimal") from None
    if not 0 < len(cookie) <= MAX_COOKIE or len(text) != 2 * len(cookie):
        raise ValueError("X11 cookie of a strange length")
    if not 0 < len(protocol) <= MAX_COOKIE or not all(0x20 < byte < 0x7F for byte in protocol):
        raise ValueError("strange name of an X11 authorization protocol")
    if request.screen_number > MAX_SCREEN:
        raise ValueError("strange number of an X11 screen")
    return cookie


async def _listen(
    number: int, opener: RelayOpener, accept: Callable[[str, int], bool]
) -> list[SocketListener] | None:
    """Listen for one display, on all loopback addresses or none; None if somebody has one."""
    listeners: list[SocketListener] = []
    try:
        for address in _ADDRESSES:
            # Where the number is taken on one of them, X11 clients could come to somebody else.
            try:
                listeners.append(
                    await forward_tcp_listener(opener, address, BASE_PORT + number, accept)
                )
            except OSError as exc:
                if exc.errno not in _NO_SUCH_ADDRESS or not listeners:
                    raise
    except BaseException as exc:
        for listener in listeners:
            listener.close()
        if isinstance(exc, OSError) and exc.errno in _TAKEN:
            return None
        raise
    return listeners
