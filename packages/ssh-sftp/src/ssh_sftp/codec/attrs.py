"""File attributes (ATTRS) of versions 3 to 6, and the small records made of them.

The table `FIELDS` has one row per attribute in wire order: its presence bit, the versions that have
it, and how it is written. Version 3 with its four usual fields is what nearly every server sends,
so that case is packed by one `Struct`; a test holds both ways equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError
from typing import Final

from ssh_sftp.codec import attrs_flags as f
from ssh_sftp.codec.wire import (
    PacketDecodeError,
    decode_byte,
    decode_int64,
    decode_string,
    decode_text,
    decode_uint32,
    decode_uint64,
    encode_byte,
    encode_int64,
    encode_string,
    encode_text,
    encode_uint32,
    encode_uint64,
)

__all__ = ["SFTPAttrs", "SFTPLimits", "SFTPName", "SFTPVFSAttrs"]

_FLAGS = Struct(">I")
_V3_USUAL_FLAGS: Final = 0x0F
_V3_USUAL = Struct(">IQIIIII")


@dataclass
class SFTPAttrs:
    """Attributes of a file; None means "not given" (when received) or "leave alone" (when sent).

    Parameters:
        type: `FILEXFER_TYPE_*`; on version 3 derived from `permissions`.
        size: length of the file in bytes.
        alloc_size: bytes that the file takes on disk (version 6).
        uid, gid: numeric owner and group (version 3).
        owner, group: names of them (version 4 and up).
        permissions: POSIX mode bits; with those of the type on version 3 only.
        atime, mtime: seconds since 1970-01-01 UTC.
        crtime: time of creation (version 4 and up).
        ctime: time of the last change of the attributes (version 6).
        atime_ns, crtime_ns, mtime_ns, ctime_ns: nanoseconds to add (version 4 and up).
        acl: access control list as encoded on the wire (version 4 and up).
        attrib_bits, attrib_valid: `FILEXFER_ATTR_BITS_*`, and which of them count (version 5, 6).
        text_hint: `FILEXFER_ATTR_KNOWN_TEXT` and so on (version 6).
        mime_type: media type (version 6).
        nlink: number of hard links; on version 3 never sent.
        untrans_name: name of the file before the server translated it (version 6).
        extended: pairs of extension name and data.
    """

    type: int = f.FILEXFER_TYPE_UNKNOWN
    size: int | None = None
    alloc_size: int | None = None
    uid: int | None = None
    gid: int | None = None
    owner: str | None = None
    group: str | None = None
    permissions: int | None = None
    atime: float | None = None
    atime_ns: int | None = None
    crtime: float | None = None
    crtime_ns: int | None = None
    mtime: float | None = None
    mtime_ns: int | None = None
    ctime: float | None = None
    ctime_ns: int | None = None
    acl: bytes | None = None
    attrib_bits: int | None = None
    attrib_valid: int | None = None
    text_hint: int | None = None
    mime_type: str | None = None
    nlink: int | None = None
    untrans_name: bytes | None = None
    extended: Sequence[tuple[bytes, bytes]] = ()

    def encode(self, version: int = 3) -> bytes:
        """Return the ATTRS structure of `version` with every field that is not None.

        Raises ValueError for values that do not fit their wire type.
        """
        if version == 3 and not self.extended and self.permissions is not None:
            usual = self._encode_usual()
            if usual is not None:
                return usual
        flags = 0
        parts: list[bytes] = [b""]
        if version >= 4:
            parts.append(encode_byte(_wire_type(self.type, version)))
        subseconds = version >= 4 and any(
            value is not None
            for value in (self.atime_ns, self.crtime_ns, self.mtime_ns, self.ctime_ns)
        )
        if subseconds:
            flags |= f.FILEXFER_ATTR_SUBSECOND_TIMES
        for row in FIELDS[version]:
            data = row.encode(self, subseconds)
            if data is not None:
                flags |= row.flag
                parts.append(data)
        parts[0] = encode_uint32(flags)
        return b"".join(parts)

    def _encode_usual(self) -> bytes | None:
        """The four usual fields of version 3 at once; None if one is missing or does not fit."""
        size, uid, gid, mode = self.size, self.uid, self.gid, self.permissions
        atime, mtime = self.atime, self.mtime
        if size is None or uid is None or gid is None or atime is None or mtime is None:
            return None
        try:
            return _V3_USUAL.pack(
                _V3_USUAL_FLAGS, size, uid, gid, mode, int(atime // 1), int(mtime // 1)
            )
        except StructError:
            return None

    @classmethod
    def decode(cls, data: bytes, pos: int, end: int, version: int = 3) -> tuple[SFTPAttrs, int]:
        """Read an ATTRS structure from `data[pos:end]`; return it and the next position.

        Raises PacketDecodeError if it is truncated, or if it has bits that `version` lacks.
        """
        start = pos + 4
        if start > end:
            raise PacketDecodeError("attribute flags truncated")
        (flags,) = _FLAGS.unpack_from(data, pos)
        attrs = cls.__new__(cls)
        if version == 3 and flags == _V3_USUAL_FLAGS and pos + 32 <= end:
            values = attrs.__dict__
            (_, size, uid, gid, mode, atime, mtime) = _V3_USUAL.unpack_from(data, pos)
            values["type"] = f.TYPE_OF_MODE.get(mode & 0o170000, f.FILEXFER_TYPE_UNKNOWN)
            values["size"] = size
            values["uid"] = uid
            values["gid"] = gid
            values["permissions"] = mode
            values["atime"] = atime
            values["mtime"] = mtime
            return attrs, pos + 32
        return _decode_fields(attrs, data, start, end, version, flags)


def _decode_fields(
    attrs: SFTPAttrs, data: bytes, pos: int, end: int, version: int, flags: int
) -> tuple[SFTPAttrs, int]:
    if version >= 4:
        attrs.type, pos = decode_byte(data, pos, end)
        # A bit of version 3 that some servers of version 4 still set, without any data.
        flags &= ~f.FILEXFER_ATTR_UIDGID
    unknown = flags & ~f.DEFINED[version]
    if unknown:
        raise PacketDecodeError(f"attribute flags unknown in version {version}: {unknown:#x}")
    subseconds = bool(flags & f.FILEXFER_ATTR_SUBSECOND_TIMES)
    for row in FIELDS[version]:
        if flags & row.flag:
            pos = row.decode(attrs, data, pos, end, subseconds)
    if version == 3 and attrs.permissions is not None:
        attrs.type = type_of_mode(attrs.permissions)
    return attrs, pos


def type_of_mode(mode: int) -> int:
    """Return the `FILEXFER_TYPE_*` of POSIX mode bits."""
    return f.TYPE_OF_MODE.get(mode & 0o170000, f.FILEXFER_TYPE_UNKNOWN)


def _wire_type(file_type: int, version: int) -> int:
    # Version 4 has no numbers for sockets, devices and pipes.
    if version == 4 and file_type > f.FILEXFER_TYPE_UNKNOWN:
        return f.FILEXFER_TYPE_SPECIAL
    return file_type


# --- The table ------------------------------------------------------------------------------------

_Encode = Callable[[SFTPAttrs, bool], bytes | None]
_Decode = Callable[[SFTPAttrs, bytes, int, int, bool], int]


@dataclass(frozen=True, slots=True)
class AttrField:
    """One attribute: its presence bit, first and last version that has it, both directions."""

    flag: int
    since: int
    until: int
    encode: _Encode
    decode: _Decode


def _simple(
    flag: int,
    since: int,
    until: int,
    name: str,
    to_wire: Callable[..., bytes],
    from_wire: Callable[[bytes, int, int], tuple[object, int]],
) -> AttrField:
    def encode(attrs: SFTPAttrs, _subseconds: bool) -> bytes | None:
        value = getattr(attrs, name)
        return None if value is None else to_wire(value)

    def decode(attrs: SFTPAttrs, data: bytes, pos: int, end: int, _subseconds: bool) -> int:
        value, pos = from_wire(data, pos, end)
        setattr(attrs, name, value)
        return pos

    return AttrField(flag, since, until, encode, decode)


def _pair(
    flag: int,
    since: int,
    until: int,
    names: tuple[str, str],
    to_wire: Callable[..., bytes],
    from_wire: Callable[[bytes, int, int], tuple[object, int]],
) -> AttrField:
    """Two fields under one bit: sent if both are known."""

    def encode(attrs: SFTPAttrs, _subseconds: bool) -> bytes | None:
        first, second = getattr(attrs, names[0]), getattr(attrs, names[1])
        if first is None and second is None:
            return None
        if first is None or second is None:
            raise ValueError(f"{names[0]} and {names[1]} can only be sent together")
        return to_wire(first) + to_wire(second)

    def decode(attrs: SFTPAttrs, data: bytes, pos: int, end: int, _subseconds: bool) -> int:
        for name in names:
            value, pos = from_wire(data, pos, end)
            setattr(attrs, name, value)
        return pos

    return AttrField(flag, since, until, encode, decode)


def _time(flag: int, since: int, name: str) -> AttrField:
    """A time of version 4 and up: int64 seconds, and nanoseconds if the subsecond bit is set."""
    ns_name = name + "_ns"

    def encode(attrs: SFTPAttrs, subseconds: bool) -> bytes | None:
        value = getattr(attrs, name)
        if value is None:
            return None
        data = encode_int64(int(value // 1))
        return data + encode_uint32(getattr(attrs, ns_name) or 0) if subseconds else data

    def decode(attrs: SFTPAttrs, data: bytes, pos: int, end: int, subseconds: bool) -> int:
        value, pos = decode_int64(data, pos, end)
        setattr(attrs, name, value)
        if subseconds:
            nanoseconds, pos = decode_uint32(data, pos, end)
            if nanoseconds >= 1_000_000_000:
                raise PacketDecodeError(f"{nanoseconds} nanoseconds are more than a second")
            setattr(attrs, ns_name, nanoseconds)
        return pos

    return AttrField(flag, since, 6, encode, decode)


def _encode_mode(value: int) -> bytes:
    # The type has a field of its own from version 4 on, and its bits must not be sent
    # (draft-ietf-secsh-filexfer-05 section 5.5).
    return encode_uint32(value & 0o7777 if value > 0 else value)


def _encode_time32(value: float) -> bytes:
    # Files older than 1970 or newer than 2106 exist; version 3 cannot say so.
    return encode_uint32(min(max(int(value // 1), 0), 0xFFFFFFFF))


def _encode_bits(attrs: SFTPAttrs, _subseconds: bool) -> bytes | None:
    if attrs.attrib_bits is None:
        return None
    valid = attrs.attrib_bits if attrs.attrib_valid is None else attrs.attrib_valid
    return encode_uint32(attrs.attrib_bits) + encode_uint32(valid)


def _decode_bits(attrs: SFTPAttrs, data: bytes, pos: int, end: int, _subseconds: bool) -> int:
    attrs.attrib_bits, pos = decode_uint32(data, pos, end)
    attrs.attrib_valid, pos = decode_uint32(data, pos, end)
    return pos


def _encode_extended(attrs: SFTPAttrs, _subseconds: bool) -> bytes | None:
    if not attrs.extended:
        return None
    pairs = [encode_string(name) + encode_string(data) for name, data in attrs.extended]
    return encode_uint32(len(pairs)) + b"".join(pairs)


def _decode_extended(attrs: SFTPAttrs, data: bytes, pos: int, end: int, _subseconds: bool) -> int:
    count, pos = decode_uint32(data, pos, end)
    if count > (end - pos) // 8:
        raise PacketDecodeError(f"{count} extended attributes do not fit the packet")
    pairs = []
    for _ in range(count):
        name, pos = decode_string(data, pos, end)
        value, pos = decode_string(data, pos, end)
        pairs.append((name, value))
    attrs.extended = tuple(pairs)
    return pos


_TABLE: Final = (
    _simple(f.FILEXFER_ATTR_SIZE, 3, 6, "size", encode_uint64, decode_uint64),
    _simple(f.FILEXFER_ATTR_ALLOCATION_SIZE, 6, 6, "alloc_size", encode_uint64, decode_uint64),
    _pair(f.FILEXFER_ATTR_UIDGID, 3, 3, ("uid", "gid"), encode_uint32, decode_uint32),
    _pair(f.FILEXFER_ATTR_OWNERGROUP, 4, 6, ("owner", "group"), encode_text, decode_text),
    _simple(f.FILEXFER_ATTR_PERMISSIONS, 3, 3, "permissions", encode_uint32, decode_uint32),
    _simple(f.FILEXFER_ATTR_PERMISSIONS, 4, 6, "permissions", _encode_mode, decode_uint32),
    _pair(f.FILEXFER_ATTR_ACMODTIME, 3, 3, ("atime", "mtime"), _encode_time32, decode_uint32),
    _time(f.FILEXFER_ATTR_ACCESSTIME, 4, "atime"),
    _time(f.FILEXFER_ATTR_CREATETIME, 4, "crtime"),
    _time(f.FILEXFER_ATTR_MODIFYTIME, 4, "mtime"),
    _time(f.FILEXFER_ATTR_CTIME, 6, "ctime"),
    _simple(f.FILEXFER_ATTR_ACL, 4, 6, "acl", encode_string, decode_string),
    _simple(f.FILEXFER_ATTR_BITS, 5, 5, "attrib_bits", encode_uint32, decode_uint32),
    AttrField(f.FILEXFER_ATTR_BITS, 6, 6, _encode_bits, _decode_bits),
    _simple(f.FILEXFER_ATTR_TEXT_HINT, 6, 6, "text_hint", encode_byte, decode_byte),
    _simple(f.FILEXFER_ATTR_MIME_TYPE, 6, 6, "mime_type", encode_text, decode_text),
    _simple(f.FILEXFER_ATTR_LINK_COUNT, 6, 6, "nlink", encode_uint32, decode_uint32),
    _simple(f.FILEXFER_ATTR_UNTRANSLATED_NAME, 6, 6, "untrans_name", encode_string, decode_string),
    AttrField(f.FILEXFER_ATTR_EXTENDED, 3, 6, _encode_extended, _decode_extended),
)

FIELDS: Final = {
    version: tuple(row for row in _TABLE if row.since <= version <= row.until)
    for version in (3, 4, 5, 6)
}


# --- Records --------------------------------------------------------------------------------------


@dataclass
class SFTPName:
    """An entry of a directory.

    Parameters:
        filename: the name, without the directory; str if the path asked for was str.
        longname: the line that `ls -l` would show (version 3 only).
        attrs: attributes, as far as the server gave them.
    """

    filename: bytes | str = b""
    longname: bytes | str = b""
    attrs: SFTPAttrs = field(default_factory=SFTPAttrs)

    def encode(self, version: int = 3) -> bytes:
        """Return the entry as it stands in SSH_FXP_NAME (section 7).

        Raises ValueError for names that are not bytes or not UTF-8 text.
        """
        parts = [encode_string(_name_bytes(self.filename))]
        if version == 3:
            parts.append(encode_string(_name_bytes(self.longname)))
        parts.append(self.attrs.encode(version))
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, pos: int, end: int, version: int = 3) -> tuple[SFTPName, int]:
        """Read one entry of SSH_FXP_NAME; names come as bytes. Raises PacketDecodeError."""
        filename, pos = decode_string(data, pos, end)
        longname = b""
        if version == 3:
            longname, pos = decode_string(data, pos, end)
        attrs, pos = SFTPAttrs.decode(data, pos, end, version)
        return cls(filename, longname, attrs), pos


def _name_bytes(name: bytes | str) -> bytes:
    return name if isinstance(name, bytes) else name.encode()


@dataclass
class SFTPVFSAttrs:
    """Attributes of a file system (`statvfs`, PROTOCOL section 4.4).

    Parameters:
        bsize, frsize: block size and fundamental block size in bytes.
        blocks, bfree, bavail: blocks in total, free, and free for users, of `frsize` bytes each.
        files, ffree, favail: the same for file nodes.
        fsid: id of the file system.
        flags: `FXE_STATVFS_ST_RDONLY` and `FXE_STATVFS_ST_NOSUID`.
        namemax: longest file name in bytes.
    """

    bsize: int = 0
    frsize: int = 0
    blocks: int = 0
    bfree: int = 0
    bavail: int = 0
    files: int = 0
    ffree: int = 0
    favail: int = 0
    fsid: int = 0
    flags: int = 0
    namemax: int = 0

    def encode(self) -> bytes:
        """Return the eleven uint64 of the reply. Raises ValueError if one does not fit."""
        return b"".join(
            encode_uint64(value)
            for value in (
                self.bsize, self.frsize, self.blocks, self.bfree, self.bavail, self.files,
                self.ffree, self.favail, self.fsid, self.flags, self.namemax,
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes, pos: int, end: int) -> SFTPVFSAttrs:
        """Read the eleven uint64. Raises PacketDecodeError unless they fill the bytes exactly."""
        if end - pos != 88:
            raise PacketDecodeError(f"statvfs reply of {end - pos} bytes, 88 expected")
        return cls(*_VFS.unpack_from(data, pos))


_VFS = Struct(">11Q")


@dataclass
class SFTPLimits:
    """Limits of a server (`limits@openssh.com`, PROTOCOL section 4.8); 0 or None: not limited.

    Parameters:
        max_packet_len: largest packet in bytes.
        max_read_len, max_write_len: largest read and write in bytes.
        max_open_handles: files and directories open at once.
    """

    max_packet_len: int | None = None
    max_read_len: int | None = None
    max_write_len: int | None = None
    max_open_handles: int | None = None

    def encode(self) -> bytes:
        """Return the four uint64 of the reply. Raises ValueError if one does not fit."""
        return b"".join(
            encode_uint64(value or 0)
            for value in (
                self.max_packet_len, self.max_read_len, self.max_write_len, self.max_open_handles,
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes, pos: int, end: int) -> SFTPLimits:
        """Read the four uint64. Raises PacketDecodeError unless they fill the bytes exactly."""
        if end - pos != 32:
            raise PacketDecodeError(f"limits reply of {end - pos} bytes, 32 expected")
        return cls(*_LIMITS.unpack_from(data, pos))


_LIMITS = Struct(">4Q")
