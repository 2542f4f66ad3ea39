"""Copying one file: down, up, and between two files of servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ssh_sftp import local
from ssh_sftp.aio import SFTPClientHandler
from ssh_sftp.client.base import forget
from ssh_sftp.client.pipeline import BlockReader, BlockWriter
from ssh_sftp.client.replies import attrs_reply, handle_reply, status_reply
from ssh_sftp.client.resume import resume_download, resume_upload
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.codec.attrs_flags import FILEXFER_ATTR_SIZE
from ssh_sftp.codec.constants import (
    ACE4_READ_ATTRIBUTES,
    ACE4_READ_DATA,
    ACE4_WRITE_ATTRIBUTES,
    ACE4_WRITE_DATA,
    FXF_CREAT,
    FXF_CREATE_TRUNCATE,
    FXF_OPEN_EXISTING,
    FXF_OPEN_OR_CREATE,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
)
from ssh_sftp.codec.wire import encode_uint32
from ssh_sftp.errors import SFTPError
from ssh_sftp.protocols import Buffer

__all__ = ["FileOptions", "copy_on_server", "download", "upload"]

OnProgress = Callable[[int], None]

_NO_ATTRS = encode_uint32(0)
# One `copy-data` request keeps the server busy; progress is reported in between.
_COPY_CHUNK = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file is copied.

    Parameters:
        block_size: bytes per request; -1 takes the largest that the server allows.
        max_requests: requests in flight; -1 chooses by block size.
        sparse: leave holes where the source has some, or has nothing but zeros.
        resume: go on where an earlier transfer ended, if the end of what is there agrees.
    """

    block_size: int = -1
    max_requests: int = -1
    sparse: bool = True
    resume: bool = False

    def read_size(self, handler: SFTPClientHandler) -> int:
        """Bytes per read."""
        return self.block_size if self.block_size > 0 else handler.core.max_read_size

    def write_size(self, handler: SFTPClientHandler) -> int:
        """Bytes per write."""
        largest = handler.core.max_write_size
        return min(self.block_size, largest) if self.block_size > 0 else largest


async def open_for_reading(handler: SFTPClientHandler, path: bytes) -> bytes:
    """Open a file of the server for reading; return the handle. Raises SFTPError."""
    version = handler.core.version
    if version >= 5:
        access = ACE4_READ_DATA | ACE4_READ_ATTRIBUTES
        return await handler.request(
            handle_reply,
            requests.Open56,
            path,
            access,
            FXF_OPEN_EXISTING,
            SFTPAttrs().encode(version),
        )
    attrs = _NO_ATTRS if version == 3 else SFTPAttrs().encode(version)
    return await handler.request(handle_reply, requests.Open, path, FXF_READ, attrs)


async def open_for_writing(
    handler: SFTPClientHandler, path: bytes, *, truncate: bool = True
) -> bytes:
    """Open a file of the server, made if it is missing; return the handle. Raises SFTPError."""
    version = handler.core.version
    if version >= 5:
        access = ACE4_WRITE_DATA | ACE4_WRITE_ATTRIBUTES
        return await handler.request(
            handle_reply,
            requests.Open56,
            path,
            access,
            FXF_CREATE_TRUNCATE if truncate else FXF_OPEN_OR_CREATE,
            SFTPAttrs().encode(version),
        )
    attrs = _NO_ATTRS if version == 3 else SFTPAttrs().encode(version)
    pflags = FXF_WRITE | FXF_CREAT | (FXF_TRUNC if truncate else 0)
    return await handler.request(handle_reply, requests.Open, path, pflags, attrs)


async def download(
    handler: SFTPClientHandler,
    src: bytes,
    dst: bytes,
    size: int | None,
    options: FileOptions,
    preserve: SFTPAttrs | None,
    progress: OnProgress,
) -> None:
    """Copy a file of the server to a local file.

    Parameters:
        size: length of the source; None or 0 reads to the end, as for files in /proc.
        preserve: attributes for the local file.
        progress: called with the bytes of each block.

    Raises SFTPError, OSError.
    """
    handle = await open_for_reading(handler, src)
    try:
        descriptor = local.open_for_writing(dst, resume=options.resume)
        try:
            start = 0
            if options.resume:
                start = await resume_download(handler, handle, descriptor, size or 0)
                progress(start)
            skipped = await _download_blocks(
                handler, handle, descriptor, start, size, options, progress
            )
            if skipped:
                os.ftruncate(descriptor, max(skipped, os.fstat(descriptor).st_size))
            if preserve is not None:
                local.set_attrs(descriptor if os.chmod in os.supports_fd else dst, preserve)
        finally:
            os.close(descriptor)
    finally:
        handler.close_handle(handle)


async def _download_blocks(
    handler: SFTPClientHandler,
    handle: bytes,
    descriptor: int,
    start: int,
    size: int | None,
    options: FileOptions,
    progress: OnProgress,
) -> int:
    """Return the end of the last hole that was left, 0 if there is none."""
    if size and start == size:
        return 0
    skipped = 0
    sparse = options.sparse

    def on_block(pieces: list[memoryview], offset: int, length: int) -> None:
        nonlocal skipped
        if sparse and local.is_zero(pieces):
            skipped = max(skipped, offset + length)
        else:
            local.write_at(descriptor, pieces, offset, length)
        progress(length)

    await handler.run_reader(
        lambda core, done: BlockReader(
            core,
            handle,
            start,
            size - start if size else None,
            on_block,
            done,
            block_size=options.read_size(handler),
            max_requests=options.max_requests,
            exact=True,
        )
    )
    return skipped


async def upload(
    handler: SFTPClientHandler,
    src: bytes,
    dst: bytes,
    options: FileOptions,
    preserve: SFTPAttrs | None,
    progress: OnProgress,
) -> None:
    """Copy a local file to a file of the server, up to its end at that time.

    Parameters as in `download`. Raises SFTPError, OSError.
    """
    descriptor = local.open_for_reading(src)
    try:
        handle = await open_for_writing(handler, dst, truncate=not options.resume)
        try:
            start = 0
            if options.resume:
                start = await resume_upload(handler, dst, handle, descriptor)
                progress(start)
            size = options.write_size(handler)
            sparse = options.sparse and local.has_holes(descriptor)
            data = b"" if sparse or start else local.read_at(descriptor, size, 0)
            if not sparse and not start and len(data) < size:
                # The whole file: everything that is left to say leaves together.
                await _finish_small(handler, handle, data, preserve)
                progress(len(data))
                return
            await _upload_blocks(handler, handle, descriptor, start, sparse, options, progress)
            if preserve is not None:
                body = preserve.encode(handler.core.version)
                await handler.request(status_reply, requests.FSetStat, handle, body)
        except BaseException:
            handler.close_handle(handle)
            raise
        await handler.close_request(handle)
    finally:
        os.close(descriptor)


async def _finish_small(
    handler: SFTPClientHandler, handle: bytes, data: bytes, preserve: SFTPAttrs | None
) -> None:
    replies = []
    if data:
        replies.append(handler.write_request(handle, 0, data))
    if preserve is not None:
        body = preserve.encode(handler.core.version)
        replies.append(handler.request(status_reply, requests.FSetStat, handle, body))
    replies.append(handler.close_request(handle))
    error: SFTPError | None = None
    try:
        for reply in replies:
            try:
                await reply
            except SFTPError as exc:
                error = error or exc
    finally:
        for reply in replies:  # if we are cancelled
            forget(reply)
    if error is not None:
        raise error


async def _upload_blocks(
    handler: SFTPClientHandler,
    handle: bytes,
    descriptor: int,
    start: int,
    sparse: bool,
    options: FileOptions,
    progress: OnProgress,
) -> None:
    writers: list[BlockWriter] = []
    total = os.fstat(descriptor).st_size if sparse else 0

    def read_block(offset: int, size: int) -> Buffer:
        if sparse:
            place, length = local.next_data(descriptor, offset, total)
            size = min(size, length)
            if place != offset:
                writers[0].skip_to(place)
                offset = place
        return local.read_at(descriptor, size, offset) if size else b""

    def make(core: object, done: Callable[[BaseException | None], None]) -> BlockWriter:
        writer = BlockWriter(
            handler.core,
            handle,
            start,
            read_block,
            progress,
            done,
            block_size=options.write_size(handler),
            max_requests=options.max_requests,
        )
        writers.append(writer)
        return writer

    try:
        await handler.run_writer(make)
    finally:
        writers.clear()  # a writer knows `read_block`
    if sparse:
        body = SFTPAttrs(size=total).encode(handler.core.version)
        await handler.request(status_reply, requests.FSetStat, handle, body)


async def copy_on_server(
    handler: SFTPClientHandler, src: bytes, dst: bytes, size: int | None, progress: OnProgress
) -> None:
    """Copy a file within the server (`copy-data`, PROTOCOL section 4.10). Raises SFTPError.

    The target is cut to length at the end, not emptied first: it may be the source under another
    name, which then stays what it is.
    """
    source = await open_for_reading(handler, src)
    try:
        target = await open_for_writing(handler, dst, truncate=False)
        try:
            await copy_data(handler, source, 0, size or 0, target, 0, progress)
            await _cut(handler, source, target, size)
        except BaseException:
            handler.close_handle(target)
            raise
        await handler.close_request(target)
    finally:
        handler.close_handle(source)


async def _cut(handler: SFTPClientHandler, source: bytes, target: bytes, size: int | None) -> None:
    """Set the length of a target that was not emptied first."""
    if not size:
        version = handler.core.version
        wanted = b"" if version == 3 else encode_uint32(FILEXFER_ATTR_SIZE)
        size = (await handler.request(attrs_reply, requests.FStat, source, wanted)).size or 0
    body = SFTPAttrs(size=size).encode(handler.core.version)
    await handler.request(status_reply, requests.FSetStat, target, body)


async def copy_data(
    handler: SFTPClientHandler,
    source: bytes,
    source_offset: int,
    length: int,
    target: bytes,
    target_offset: int,
    progress: OnProgress,
) -> None:
    """Send `copy-data` requests; a length of 0 is one request up to the end of the source."""
    if not length:
        await handler.extended(
            status_reply, b"copy-data", source, source_offset, 0, target, target_offset
        )
        return
    done = 0
    while done < length:
        count = min(_COPY_CHUNK, length - done)
        await handler.extended(
            status_reply,
            b"copy-data",
            source,
            source_offset + done,
            count,
            target,
            target_offset + done,
        )
        done += count
        progress(count)


async def copy_through(
    source_handler: SFTPClientHandler,
    target_handler: SFTPClientHandler,
    src: bytes,
    dst: bytes,
    size: int | None,
    options: FileOptions,
    progress: OnProgress,
) -> None:
    """Copy between two servers, or within one without `copy-data`: data pass through here.

    What was read stays counted as in flight until it is written. Raises SFTPError.
    """
    source = await open_for_reading(source_handler, src)
    try:
        # Not emptied first: it may be the source under another name.
        target = await open_for_writing(target_handler, dst, truncate=False)
        try:
            relay = _Relay(target_handler, target, progress)
            block_size = min(options.read_size(source_handler), options.write_size(target_handler))
            await source_handler.run_reader(
                lambda core, done: relay.attach(
                    BlockReader(
                        core,
                        source,
                        0,
                        size or None,
                        relay.on_block,
                        done,
                        block_size=block_size,
                        max_requests=options.max_requests,
                        exact=True,
                        hold=True,
                    )
                )
            )
            body = SFTPAttrs(size=relay.end).encode(target_handler.core.version)
            await target_handler.request(status_reply, requests.FSetStat, target, body)
        except BaseException:
            target_handler.close_handle(target)
            raise
        await target_handler.close_request(target)
    finally:
        source_handler.close_handle(source)


class _Relay:
    """Writes the blocks of a reader to another file, and tells the reader when they are there."""

    def __init__(self, handler: SFTPClientHandler, handle: bytes, progress: OnProgress) -> None:
        self._handler = handler
        self._handle = handle
        self._progress = progress
        self._reader: BlockReader | None = None
        self.end = 0

    def attach(self, reader: BlockReader) -> BlockReader:
        """Name the reader that blocks come from."""
        self._reader = reader
        return reader

    def on_block(self, pieces: list[memoryview], offset: int, length: int) -> None:
        """Send one block on."""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.end = max(self.end, offset + length)
        reply = self._handler.write_request(self._handle, offset, data)
        reply.add_done_callback(lambda done: self._written(done.exception(), length))

    def _written(self, error: BaseException | None, length: int) -> None:
        assert self._reader is not None
        if error is not None:
            self._reader.fail(error)
            return
        self._progress(length)
        self._reader.release(length)
