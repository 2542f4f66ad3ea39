"""What all parts of `SFTPClient` share: path encoding, the working directory, the session."""

from __future__ import annotations

import logging
import posixpath
from asyncio import Future
from pathlib import PurePath
from types import TracebackType
from typing import Self, TypeVar

from ssh_sftp.aio import SFTPClientHandler
from ssh_sftp.client.replies import name_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPLimits
from ssh_sftp.errors import SFTPBadMessage, SFTPOpUnsupported

__all__ = ["ClientBase", "SFTPPath"]

T = TypeVar("T")

SFTPPath = str | bytes | PurePath


class ClientBase:
    """Base of the client: see `SFTPClient`."""

    def __init__(
        self,
        handler: SFTPClientHandler,
        path_encoding: str | None = "utf-8",
        path_errors: str = "strict",
    ) -> None:
        self._handler = handler
        self._path_encoding = path_encoding
        self._path_errors = path_errors
        self._cwd: bytes | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()
        await self.wait_closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()

    @property
    def logger(self) -> logging.Logger:
        """Logger for the session."""
        return logging.getLogger("ssh_sftp.client")

    @property
    def version(self) -> int:
        """SFTP version of the session."""
        return self._handler.core.version

    @property
    def limits(self) -> SFTPLimits:
        """Limits that the server announced; None in fields it did not."""
        return self._handler.core.limits

    @property
    def extensions(self) -> dict[bytes, bytes]:
        """Extensions that the server announced, name to version."""
        return dict(self._handler.core.extensions)

    @property
    def supports_remote_copy(self) -> bool:
        """True if the server can copy between its own files (`copy-data`)."""
        return self._handler.core.supports(b"copy-data")

    def exit(self) -> None:
        """End the session: requests that are still outstanding fail with SFTPConnectionLost."""
        self._handler.close()

    async def wait_closed(self) -> None:
        """Wait until the session is closed."""
        await self._handler.wait_closed()

    # --- Paths ------------------------------------------------------------------------------------

    def encode(self, path: SFTPPath) -> bytes:
        """Return the bytes of a path as given, without the working directory.

        Raises ValueError for a NUL in it, and SFTPBadMessage for text without a path encoding.
        """
        if isinstance(path, PurePath):
            path = str(path)
        if isinstance(path, str):
            if self._path_encoding is None:
                raise SFTPBadMessage("path must be bytes when there is no path encoding")
            path = path.encode(self._path_encoding, self._path_errors)
        if b"\0" in path:
            # Servers would take what stands in front of it for the name.
            raise ValueError("path with a NUL character")
        return path

    def decode(self, path: bytes) -> str:
        """Return the text of a path of the server; SFTPBadMessage if it is not in the encoding."""
        if self._path_encoding is None:
            raise SFTPBadMessage("path must be bytes when there is no path encoding")
        try:
            return path.decode(self._path_encoding, self._path_errors)
        except UnicodeDecodeError as exc:
            raise SFTPBadMessage(f"file name {path!r} is not {self._path_encoding}: {exc}") from exc

    def compose_path(self, path: SFTPPath) -> bytes:
        """Return the bytes of a path, relative ones below the working directory if that is set."""
        encoded = self.encode(path)
        return encoded if self._cwd is None else posixpath.join(self._cwd, encoded)

    async def _real_path(self, path: bytes) -> bytes:
        name = await self._handler.request(name_reply, requests.RealPath, path or b".")
        return bytes_of(name.filename)

    def _require(self, extension: bytes) -> None:
        if not self._handler.core.supports(extension):
            raise SFTPOpUnsupported(f"the server does not offer {extension.decode()}")


def bytes_of(name: bytes | str) -> bytes:
    """Narrow a name that came off the wire."""
    assert isinstance(name, bytes)
    return name


def forget(reply: Future[T]) -> None:
    """Give up a reply that nobody is going to wait for, whether it is in or not."""
    if not reply.cancel() and not reply.cancelled():
        reply.exception()
