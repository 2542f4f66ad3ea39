"""Lines of the scp protocol: records, replies, and the command that starts the other end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator
from dataclasses import dataclass
from types import coroutine
from typing import Final, Protocol

from ssh_sftp.errors import SFTPBadMessage, SFTPConnectionLost, SFTPFailure, printable
from ssh_sftp.scp.words import is_pattern, split_words, unescape

__all__ = ["ByteReader", "ByteWriter", "Record", "ScpCommand", "ScpStream", "parse_command"]

_MAX_LINE: Final = 8192
_LINES: Final = 32  # that are there already, before others have their turn
_MAX_SIZE: Final = (1 << 63) - 1
_ENTRY: Final = re.compile(rb"([CD])([0-7]{4}) ([0-9]{1,19}) (.+)", re.DOTALL)
_TIMES: Final = re.compile(rb"T([0-9]{1,19}) ([0-9]{1,6}) ([0-9]{1,19}) ([0-9]{1,6})")


class ByteReader(Protocol):
    """The receiving half of a stream, such as `asyncio.StreamReader`."""

    async def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes, empty at the end."""


class ByteWriter(Protocol):
    """The sending half of a stream, such as `asyncio.StreamWriter`."""

    def write(self, data: bytes) -> None:
        """Send or queue data."""

    async def drain(self) -> None:
        """Wait until the stream takes more."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a source.

    Parameters:
        kind: "C" file, "D" directory, "E" end of a directory, "T" times of what follows.
        mode: permission bits, for C and D.
        size: length of the file in bytes, for C.
        name: last part of the path, for C and D.
        mtime, atime: seconds since 1970, for T.
    """

    kind: str
    mode: int = 0
    size: int = 0
    name: bytes = b""
    mtime: int = 0
    atime: int = 0

    def encode(self) -> bytes:
        """Return the line. Raises SFTPFailure for a name that cannot be sent."""
        if self.kind == "T":
            return b"T%d 0 %d 0\n" % (self.mtime, self.atime)
        if self.kind == "E":
            return b"E\n"
        if not self.name or b"\n" in self.name or b"/" in self.name:
            raise SFTPFailure(f"name that scp cannot send: {self.name!r}")
        return b"%c%04o %d %b\n" % (ord(self.kind), self.mode & 0o7777, self.size, self.name)


def decode_record(line: bytes) -> Record:
    """Read a line of a source, without its line feed. Raises SFTPBadMessage.

    Names are one component, and never `.` or `..`: everything else would have us write elsewhere.
    """
    if line == b"E":
        return Record("E")
    if match := _TIMES.fullmatch(line):
        mtime, atime = int(match[1]), int(match[3])
        if max(mtime, atime) > _MAX_SIZE:
            raise SFTPBadMessage("scp: time out of range")
        return Record("T", mtime=mtime, atime=atime)
    if match := _ENTRY.fullmatch(line):
        size, name = int(match[3]), match[4]
        if size > _MAX_SIZE:
            raise SFTPBadMessage("scp: size out of range")
        if name in (b".", b"..") or b"/" in name or b"\0" in name:
            raise SFTPBadMessage(f"scp: illegal file name {name!r}")
        return Record(match[1].decode(), int(match[2], 8), size, name)
    raise SFTPBadMessage(f"scp: not a line of the protocol: {line[:100]!r}")


class ScpStream:
    """Lines, replies and data on a pair of streams.

    Parameters:
        reader, writer: the two halves.
    """

    def __init__(self, reader: ByteReader, writer: ByteWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._lines = 0

    async def read_line(self) -> bytes | None:
        """Return a line without its line feed; None at the end of the stream.

        Raises SFTPBadMessage for one that is too long, SFTPConnectionLost for half a line.
        """
        # A stream gives what it has without a wait: a peer could send many lines that ask for
        # nothing, and nobody else would have a turn of the event loop meanwhile.
        self._lines += 1
        if self._lines % _LINES == 0:
            await _next_turn()
        searched = 0
        while (found := self._buffer.find(b"\n", searched)) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise SFTPBadMessage("scp: line too long")
            searched = len(self._buffer)
            data = await self._reader.read(65536)
            if not data:
                if self._buffer:
                    raise SFTPConnectionLost("scp: stream ended in the middle of a line")
                return None
            self._buffer += data
        if found > _MAX_LINE:
            raise SFTPBadMessage("scp: line too long")
        line = bytes(self._buffer[:found])
        del self._buffer[: found + 1]
        return line

    async def read_data(self, limit: int) -> bytes:
        """Return 1 to `limit` bytes. Raises SFTPConnectionLost at the end of the stream."""
        if self._buffer:
            data = bytes(self._buffer[:limit])
            del self._buffer[:limit]
            return data
        data = await self._reader.read(limit)
        if not data:
            raise SFTPConnectionLost("scp: stream ended in the middle of a file")
        return data

    async def write(self, data: bytes) -> None:
        """Send data, and wait while the stream is full."""
        self._writer.write(data)
        await self._writer.drain()

    async def write_error(self, text: str, *, fatal: bool = False) -> None:
        """Report an error; after a fatal one nothing follows."""
        line = printable(text).encode("utf-8", "replace")[:_MAX_LINE]
        await self.write((b"\2" if fatal else b"\1") + b"scp: " + line + b"\n")

    async def read_reply(self) -> None:
        """Wait for the other end's consent.

        Raises SFTPFailure with what it says instead, SFTPConnectionLost at the end.
        """
        (code,) = await self.read_data(1)
        if code == 0:
            return
        if code not in (1, 2):
            raise SFTPBadMessage(f"scp: reply {code}")
        raise reported(await self.read_line() or b"", fatal=code == 2)


@coroutine
def _next_turn() -> Generator[None, None, None]:
    """Let others go on first, whatever the event loop."""
    yield


class ScpFailure(SFTPFailure):
    """What the other end reported; `fatal` if it has given up."""

    def __init__(self, reason: str, *, fatal: bool) -> None:
        super().__init__(reason)
        self.fatal = fatal


def reported(text: bytes, *, fatal: bool) -> ScpFailure:
    """Return the exception for an error line of the other end."""
    return ScpFailure(printable(text.decode("utf-8", "replace")), fatal=fatal)


@dataclass(frozen=True, slots=True)
class ScpCommand:
    """What stands behind `scp` in the command that starts the other end.

    Parameters:
        source: it sends (`-f`), else it receives (`-t`).
        paths: the files, or the one target.
        recurse, preserve: `-r`, `-p`.
        directory: the target has to be a directory (`-d`).
        patterns: the paths as they were written, if a shell would expand one of them: words of
            `split_words`; otherwise empty.
    """

    source: bool
    paths: tuple[bytes, ...]
    recurse: bool = False
    preserve: bool = False
    directory: bool = False
    patterns: tuple[str, ...] = ()

    def encode(self) -> str:
        """Return the command line, with paths quoted for a POSIX shell; patterns are left out."""
        options = ["scp"]
        for name, given in (("-r", self.recurse), ("-p", self.preserve), ("-d", self.directory)):
            if given:
                options.append(name)
        options += ["-f" if self.source else "-t", "--"]
        paths = [path.decode("utf-8", "surrogateescape") for path in self.paths]
        return shlex.join([*options, *paths])


def parse_command(command: str) -> ScpCommand | None:
    """Return what a command asks for; None if it is not one that starts the other end of scp.

    Quotes and backslashes mean what they mean to a POSIX shell. Nothing else is special to us but
    wildcards, which go into `patterns`.
    """
    try:
        written = split_words(command)
    except ValueError:
        return None
    words = [unescape(word) for word in written]
    if not words or words[0].rpartition("/")[2] != "scp":
        return None
    flags: set[str] = set()
    rest = words[1:]
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        flags.update(word[1:])
    if not flags <= set("rpdvqft") or len(flags & {"f", "t"}) != 1 or not rest:
        return None
    source = "f" in flags
    if not source and len(rest) != 1:
        return None
    paths = tuple(word.encode("utf-8", "surrogateescape") for word in rest)
    last = written[-len(rest) :]
    patterns = tuple(last) if any(map(is_pattern, last)) else ()
    return ScpCommand(source, paths, "r" in flags, "p" in flags, "d" in flags, patterns)
