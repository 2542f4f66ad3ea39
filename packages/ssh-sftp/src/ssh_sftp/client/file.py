"""An open file of the server: `SFTPClientFile`."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator
from os import SEEK_CUR, SEEK_END, SEEK_SET
from types import TracebackType
from typing import Generic, Self, TypeVar

from ssh_sftp.aio import SFTPClientHandler
from ssh_sftp.client.client_attrs import owner_attrs, settable, time_attrs
from ssh_sftp.client.pipeline import BlockReader, BlockWriter
from ssh_sftp.client.replies import attrs_reply, data_reply, status_reply, vfs_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPVFSAttrs
from ssh_sftp.codec.attrs_flags import DEFINED, FILEXFER_ATTR_DEFINED_V4
from ssh_sftp.codec.wire import encode_uint32
from ssh_sftp.errors import (
    SFTPBadMessage,
    SFTPEOFError,
    SFTPFailure,
    SFTPOpUnsupported,
)
from ssh_sftp.protocols import Buffer

__all__ = ["SFTPClientFile"]

AnyStr = TypeVar("AnyStr", str, bytes)

# Blocks that `read_parallel` may hold back for a consumer that is slower than the server.
_PARALLEL_BYTES = 4 * 1024 * 1024


class SFTPClientFile(Generic[AnyStr]):
    """A file opened with `SFTPClient.open`; an async context manager that closes it.

    Offsets and sizes count bytes, also in text mode.

    Parameters:
        handler: the session.
        handle: handle of the open file.
        appending: writes go to the end of the file, wherever that is by then.
        encoding: encoding of text; None for bytes.
        errors: how encoding errors are treated.
        block_size: bytes per request; -1 takes the largest that the server allows.
        max_requests: requests in flight; -1 chooses by block size.
    """

    def __init__(
        self,
        handler: SFTPClientHandler,
        handle: bytes,
        appending: bool = False,
        encoding: str | None = "utf-8",
        errors: str = "strict",
        block_size: int = -1,
        max_requests: int = -1,
    ) -> None:
        self._handler = handler
        self._handle: bytes | None = handle
        self._appending = appending
        self._encoding = encoding
        self._errors = errors
        core = handler.core
        self.read_len = core.max_read_size if block_size <= 0 else block_size
        self.write_len = (
            core.max_write_size if block_size <= 0 else min(block_size, core.max_write_size)
        )
        self._max_requests = max_requests
        self._offset: int | None = None if appending else 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def handle(self) -> bytes:
        """The handle of the open file. Raises ValueError once it is closed."""
        if self._handle is None:
            raise ValueError("I/O operation on closed file")
        return self._handle

    # --- Reading ----------------------------------------------------------------------------------

    async def read(self, size: int = -1, offset: int | None = None) -> AnyStr:
        """Read from the file.

        Parameters:
            size: number of bytes at most; negative reads to the end of the file.
            offset: where to read; None reads at the current position.

        The current position moves behind what was read. In text mode, bytes of an unfinished
        character at the end are left for the next read. An empty result is the end of the file.
        Raises SFTPError, and UnicodeDecodeError. draft-ietf-secsh-filexfer-02 section 6.4.
        """
        start = await self.tell() if offset is None else offset
        data = await self._read_bytes(start, size)
        if self._encoding is None:
            self._offset = start + len(data)
            return data  # type: ignore[return-value]
        while True:
            decoder = codecs.getincrementaldecoder(self._encoding)(self._errors)
            text = decoder.decode(data, final=size < 0)
            held = len(decoder.getstate()[0])
            if text or not held:
                break
            # Not even one character fits `size`.
            more = await self._read_bytes(start + len(data), 1)
            text = "" if more else decoder.decode(b"", final=True)
            if not more:
                break
            data += more
        self._offset = start + len(data) - held
        return text  # type: ignore[return-value]

    async def _read_bytes(self, offset: int, size: int) -> bytes:
        handle = self.handle
        if size == 0:
            return b""
        if 0 < size <= self.read_len:
            return await self._read_small(handle, offset, size)
        blocks: list[tuple[int, list[memoryview]]] = []
        await self._handler.run_reader(
            lambda core, done: BlockReader(
                core,
                handle,
                offset,
                None if size < 0 else size,
                lambda pieces, where, _: blocks.append((where, pieces)),
                done,
                block_size=self.read_len,
                max_requests=self._max_requests,
            )
        )
        blocks.sort(key=lambda block: block[0])
        return b"".join(piece for _, pieces in blocks for piece in pieces)

    async def _read_small(self, handle: bytes, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            try:
                data = await self._handler.request(data_reply, requests.Read, handle, offset, size)
            except SFTPEOFError:
                break
            if not 0 < len(data) <= size:
                error = SFTPBadMessage(f"{len(data)} bytes of data in reply to a read of {size}")
                self._handler.abort(error)
                raise error
            # Short is the server's own limit, or the end of the file.
            parts.append(data)
            offset += len(data)
            size -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_parallel(
        self, size: int = -1, offset: int | None = None
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Return an iterator over (offset, bytes) of a range as the blocks arrive, in any order.

        It is for `async for offset, data in await file.read_parallel()`. Parameters as in `read`;
        at most 4 MiB are held for a slow consumer. The iterator raises SFTPError.
        """
        start = await self.tell() if offset is None else offset
        return self._blocks(self.handle, start, None if size < 0 else size)

    async def _blocks(
        self, handle: bytes, start: int, length: int | None
    ) -> AsyncIterator[tuple[int, bytes]]:
        async for where, data in self._handler.stream_blocks(
            handle, start, length, self.read_len, self._max_requests
        ):
            self._offset = max(self._offset or 0, where + len(data))
            yield where, data

    # --- Writing ----------------------------------------------------------------------------------

    async def write(self, data: AnyStr, offset: int | None = None) -> int:
        """Write to the file, and return when the server has confirmed all of it.

        Parameters:
            data: text, or bytes in binary mode.
            offset: where to write; None writes at the current position. Ignored by the server
                for a file opened for appending.

        Returns the number of bytes written. Raises SFTPError, TypeError.
        """
        handle = self.handle
        if isinstance(data, str):
            if self._encoding is None:
                raise TypeError("a file in binary mode takes bytes")
            raw: Buffer = data.encode(self._encoding, self._errors)
        else:
            if self._encoding is not None:
                raise TypeError("a file in text mode takes str")
            raw = memoryview(data).cast("B") if data else b""
        if self._appending:
            start = 0
        elif offset is None:
            start = self._offset or 0
        else:
            start = offset
        view = memoryview(raw)
        size = len(view)
        if size:
            await self._write_bytes(handle, start, view)
        self._offset = None if self._appending else start + size
        return size

    async def _write_bytes(self, handle: bytes, start: int, view: memoryview) -> None:
        size = len(view)
        if size <= self.write_len:
            await self._handler.write_request(handle, start, view)
            return

        def read_block(offset: int, count: int) -> Buffer:
            first = offset - start
            return view[first : first + count]

        await self._handler.run_writer(
            lambda core, done: BlockWriter(
                core,
                handle,
                start,
                read_block,
                lambda count: None,
                done,
                block_size=self.write_len,
                max_requests=self._max_requests,
            )
        )

    # --- Position ---------------------------------------------------------------------------------

    async def seek(self, offset: int, from_what: int = SEEK_SET) -> int:
        """Move the current position and return it.

        Parameters:
            offset: bytes, relative to `from_what`.
            from_what: SEEK_SET, SEEK_CUR or SEEK_END.

        Raises ValueError for a position before the start, SFTPError.
        """
        if from_what == SEEK_SET:
            position = offset
        elif from_what == SEEK_CUR:
            position = await self.tell() + offset
        elif from_what == SEEK_END:
            position = await self._end() + offset
        else:
            raise ValueError(f"invalid reference point: {from_what}")
        _ = self.handle  # a file that is closed has no position
        if position < 0:
            raise ValueError(f"position before the start of the file: {position}")
        self._offset = position
        return position

    async def tell(self) -> int:
        """Return the current position in bytes. Raises SFTPError."""
        _ = self.handle
        if self._offset is None:
            self._offset = await self._end()
        return self._offset

    async def _end(self) -> int:
        size = (await self.stat()).size
        if size is None:
            raise SFTPFailure("the server does not say how long the file is")
        return size

    # --- Attributes -------------------------------------------------------------------------------

    async def stat(self, flags: int = FILEXFER_ATTR_DEFINED_V4) -> SFTPAttrs:
        """Return the attributes; `flags` as in `SFTPClient.stat`. Raises SFTPError."""
        version = self._handler.core.version
        wanted = b"" if version == 3 else encode_uint32(flags & DEFINED[version])
        return await self._handler.request(attrs_reply, requests.FStat, self.handle, wanted)

    async def setstat(self, attrs: SFTPAttrs) -> None:
        """Change the attributes that are not None in `attrs`. Raises SFTPError."""
        version = self._handler.core.version
        body = settable(attrs, version).encode(version)
        await self._handler.request(status_reply, requests.FSetStat, self.handle, body)

    async def statvfs(self) -> SFTPVFSAttrs:
        """Return the attributes of the file system (`fstatvfs@openssh.com`). Raises SFTPError."""
        self._require(b"fstatvfs@openssh.com")
        return await self._handler.extended(vfs_reply, b"fstatvfs@openssh.com", self.handle)

    async def truncate(self, size: int | None = None) -> None:
        """Set the length to `size` bytes, by default the current position. Raises SFTPError."""
        await self.setstat(SFTPAttrs(size=await self.tell() if size is None else size))

    async def chown(
        self,
        uid_or_owner: int | str | None = None,
        gid_or_group: int | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> None:
        """Change owner and group, as `SFTPClient.chown`. Raises SFTPError."""
        await self.setstat(owner_attrs(uid_or_owner, gid_or_group, uid, gid, owner, group))

    async def chmod(self, mode: int) -> None:
        """Change the permission bits. Raises SFTPError."""
        await self.setstat(SFTPAttrs(permissions=mode))

    async def utime(
        self, times: tuple[float, float] | None = None, ns: tuple[int, int] | None = None
    ) -> None:
        """Change the times of access and modification, as `SFTPClient.utime`. Raises SFTPError."""
        await self.setstat(time_attrs(times, ns))

    # --- Locks, end -------------------------------------------------------------------------------

    async def lock(self, offset: int, length: int, flags: int) -> None:
        """Lock a byte range (SSH_FXP_BLOCK, version 6).

        Parameters:
            offset, length: the range in bytes; a length of 0 is "to the end".
            flags: `FXF_BLOCK_*`.

        Raises SFTPOpUnsupported below version 6, SFTPError.
        """
        self._need_version_6()
        await self._handler.request(
            status_reply, requests.Block, self.handle, offset, length, flags
        )

    async def unlock(self, offset: int, length: int) -> None:
        """Release a lock (SSH_FXP_UNBLOCK, version 6).

        Raises SFTPOpUnsupported below version 6, SFTPError.
        """
        self._need_version_6()
        await self._handler.request(status_reply, requests.Unblock, self.handle, offset, length)

    def _need_version_6(self) -> None:
        if self._handler.core.version < 6:
            raise SFTPOpUnsupported("byte range locks need SFTP version 6")

    async def fsync(self) -> None:
        """Have the server write the file to disk (`fsync@openssh.com`). Raises SFTPError."""
        self._require(b"fsync@openssh.com")
        await self._handler.extended(status_reply, b"fsync@openssh.com", self.handle)

    async def close(self) -> None:
        """Close the file; closing it again does nothing. Raises SFTPError."""
        handle, self._handle = self._handle, None
        if handle is not None:
            await self._handler.close_request(handle)

    def _require(self, extension: bytes) -> None:
        if not self._handler.core.supports(extension):
            raise SFTPOpUnsupported(f"the server does not offer {extension.decode()}")
