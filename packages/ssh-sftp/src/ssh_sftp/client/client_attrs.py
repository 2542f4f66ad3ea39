"""File attributes: the stat family of `SFTPClient`."""

from __future__ import annotations

import stat as stat_module
import time
from dataclasses import replace

from ssh_sftp.client.base import ClientBase, SFTPPath
from ssh_sftp.client.replies import attrs_reply, status_reply, vfs_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPVFSAttrs
from ssh_sftp.codec.attrs_flags import (
    DEFINED,
    FILEXFER_ATTR_DEFINED_V4,
    FILEXFER_TYPE_DIRECTORY,
    FILEXFER_TYPE_REGULAR,
    FILEXFER_TYPE_SYMLINK,
)
from ssh_sftp.codec.constants import PacketType
from ssh_sftp.codec.wire import encode_uint32
from ssh_sftp.errors import (
    SFTPLinkLoop,
    SFTPNoSuchFile,
    SFTPNoSuchPath,
    SFTPNotADirectory,
    SFTPOpUnsupported,
)

__all__ = ["ClientAttrs"]

_STAT = PacketType.SSH_FXP_STAT.value
_LSTAT = PacketType.SSH_FXP_LSTAT.value


class ClientAttrs(ClientBase):
    """Attribute methods; see `SFTPClient`."""

    async def stat(
        self,
        path: SFTPPath,
        flags: int = FILEXFER_ATTR_DEFINED_V4,
        *,
        follow_symlinks: bool = True,
    ) -> SFTPAttrs:
        """Return the attributes of a file.

        Parameters:
            path: the file.
            flags: attributes that are wanted, `FILEXFER_ATTR_*` (version 4 and up).
            follow_symlinks: False for those of a symbolic link itself.

        Raises SFTPError. draft-ietf-secsh-filexfer-02 section 6.8.
        """
        encoded = self.compose_path(path)
        kind = _STAT if follow_symlinks else _LSTAT
        handler = self._handler
        if handler.core.version == 3:
            return await handler.path_request(attrs_reply, kind, encoded)
        declaration = requests.Stat if follow_symlinks else requests.LStat
        wanted = encode_uint32(flags & DEFINED[self.version])
        return await self._handler.request(attrs_reply, declaration, encoded, wanted)

    async def lstat(self, path: SFTPPath, flags: int = FILEXFER_ATTR_DEFINED_V4) -> SFTPAttrs:
        """Return the attributes of a file, or of a symbolic link itself. Raises SFTPError."""
        return await self.stat(path, flags, follow_symlinks=False)

    async def setstat(
        self, path: SFTPPath, attrs: SFTPAttrs, *, follow_symlinks: bool = True
    ) -> None:
        """Change the attributes that are not None in `attrs` (section 6.9).

        With `follow_symlinks=False` this needs `lsetstat@openssh.com`, else SFTPOpUnsupported.
        Raises SFTPError.
        """
        encoded = self.compose_path(path)
        body = settable(attrs, self.version).encode(self.version)
        if follow_symlinks:
            await self._handler.request(status_reply, requests.SetStat, encoded, body)
        else:
            self._require(b"lsetstat@openssh.com")
            await self._handler.extended(status_reply, b"lsetstat@openssh.com", encoded, body)

    async def statvfs(self, path: SFTPPath) -> SFTPVFSAttrs:
        """Return the attributes of the file system that holds `path`.

        Raises SFTPOpUnsupported without `statvfs@openssh.com`, and SFTPError.
        """
        self._require(b"statvfs@openssh.com")
        encoded = self.compose_path(path)
        return await self._handler.extended(vfs_reply, b"statvfs@openssh.com", encoded)

    async def truncate(self, path: SFTPPath, size: int) -> None:
        """Set the length of a file to `size` bytes. Raises SFTPError."""
        await self.setstat(path, SFTPAttrs(size=size))

    async def chown(
        self,
        path: SFTPPath,
        uid_or_owner: int | str | None = None,
        gid_or_group: int | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        owner: str | None = None,
        group: str | None = None,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """Change owner and group: numbers on version 3, names on later versions.

        Raises SFTPError, and ValueError if only one of the two is given.
        """
        attrs = owner_attrs(uid_or_owner, gid_or_group, uid, gid, owner, group)
        await self.setstat(path, attrs, follow_symlinks=follow_symlinks)

    async def chmod(self, path: SFTPPath, mode: int, *, follow_symlinks: bool = True) -> None:
        """Change the permission bits. Raises SFTPError."""
        await self.setstat(path, SFTPAttrs(permissions=mode), follow_symlinks=follow_symlinks)

    async def utime(
        self,
        path: SFTPPath,
        times: tuple[float, float] | None = None,
        ns: tuple[int, int] | None = None,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """Change the times of access and modification.

        Parameters:
            times: both in seconds since 1970; None with `ns` None is now.
            ns: both in nanoseconds since 1970.

        Raises SFTPError.
        """
        await self.setstat(path, time_attrs(times, ns), follow_symlinks=follow_symlinks)

    # --- Questions --------------------------------------------------------------------------------

    async def _type(self, path: SFTPPath, *, follow_symlinks: bool = True) -> int | None:
        """Return the type of a file; None if there is none."""
        try:
            return (await self.stat(path, follow_symlinks=follow_symlinks)).type
        except (SFTPNoSuchFile, SFTPNoSuchPath, SFTPNotADirectory, SFTPLinkLoop):
            return None

    async def exists(self, path: SFTPPath) -> bool:
        """True if the file exists; False for a broken link. Raises SFTPError."""
        return await self._type(path) is not None

    async def lexists(self, path: SFTPPath) -> bool:
        """True if the file exists, also for a broken link. Raises SFTPError."""
        return await self._type(path, follow_symlinks=False) is not None

    async def isdir(self, path: SFTPPath) -> bool:
        """True for a directory, or a link to one. Raises SFTPError."""
        return await self._type(path) == FILEXFER_TYPE_DIRECTORY

    async def isfile(self, path: SFTPPath) -> bool:
        """True for a regular file, or a link to one. Raises SFTPError."""
        return await self._type(path) == FILEXFER_TYPE_REGULAR

    async def islink(self, path: SFTPPath) -> bool:
        """True for a symbolic link. Raises SFTPError."""
        return await self._type(path, follow_symlinks=False) == FILEXFER_TYPE_SYMLINK

    async def getsize(self, path: SFTPPath) -> int | None:
        """Return the length in bytes. Raises SFTPError."""
        return (await self.stat(path)).size

    async def getatime(self, path: SFTPPath) -> float | None:
        """Return the time of the last access in seconds since 1970. Raises SFTPError."""
        attrs = await self.stat(path)
        return _seconds(attrs.atime, attrs.atime_ns)

    async def getatime_ns(self, path: SFTPPath) -> int | None:
        """Return the time of the last access in nanoseconds since 1970. Raises SFTPError."""
        attrs = await self.stat(path)
        return _nanoseconds(attrs.atime, attrs.atime_ns)

    async def getcrtime(self, path: SFTPPath) -> float | None:
        """Return the time of creation in seconds since 1970; None if unknown. Raises SFTPError."""
        attrs = await self.stat(path)
        return _seconds(attrs.crtime, attrs.crtime_ns)

    async def getcrtime_ns(self, path: SFTPPath) -> int | None:
        """Return the time of creation in nanoseconds; None if unknown. Raises SFTPError."""
        attrs = await self.stat(path)
        return _nanoseconds(attrs.crtime, attrs.crtime_ns)

    async def getmtime(self, path: SFTPPath) -> float | None:
        """Return the time of the last change in seconds since 1970. Raises SFTPError."""
        attrs = await self.stat(path)
        return _seconds(attrs.mtime, attrs.mtime_ns)

    async def getmtime_ns(self, path: SFTPPath) -> int | None:
        """Return the time of the last change in nanoseconds since 1970. Raises SFTPError."""
        attrs = await self.stat(path)
        return _nanoseconds(attrs.mtime, attrs.mtime_ns)


def is_directory(attrs: SFTPAttrs) -> bool:
    """True if the attributes are those of a directory."""
    return attrs.type == FILEXFER_TYPE_DIRECTORY


def permission_bits(attrs: SFTPAttrs) -> int | None:
    """Return the mode without the file type, None if the server gave none."""
    return None if attrs.permissions is None else stat_module.S_IMODE(attrs.permissions)


def settable(attrs: SFTPAttrs, version: int) -> SFTPAttrs:
    """Return attributes whose owner is given in the way of `version`.

    Raises SFTPOpUnsupported for names on version 3.
    """
    if version == 3:
        if attrs.owner is not None or attrs.group is not None:
            raise SFTPOpUnsupported("owner and group by name need SFTP version 4")
        return attrs
    if attrs.uid is None and attrs.gid is None:
        return attrs
    owner = attrs.owner if attrs.owner is not None or attrs.uid is None else str(attrs.uid)
    group = attrs.group if attrs.group is not None or attrs.gid is None else str(attrs.gid)
    return replace(attrs, owner=owner, group=group)


def owner_attrs(
    uid_or_owner: int | str | None,
    gid_or_group: int | str | None,
    uid: int | None,
    gid: int | None,
    owner: str | None,
    group: str | None,
) -> SFTPAttrs:
    """Sort what `chown` was given into the four fields."""
    if isinstance(uid_or_owner, int):
        uid = uid_or_owner
    elif uid_or_owner is not None:
        owner = uid_or_owner
    if isinstance(gid_or_group, int):
        gid = gid_or_group
    elif gid_or_group is not None:
        group = gid_or_group
    return SFTPAttrs(uid=uid, gid=gid, owner=owner, group=group)


def time_attrs(times: tuple[float, float] | None, ns: tuple[int, int] | None) -> SFTPAttrs:
    """Return attributes with times as `utime` takes them."""
    if ns is None:
        if times is None:
            now = time.time_ns()
            ns = (now, now)
        else:
            ns = (int(times[0] * 1_000_000_000), int(times[1] * 1_000_000_000))
    elif times is not None:
        raise ValueError("utime takes times or ns, not both")
    atime, atime_ns = divmod(ns[0], 1_000_000_000)
    mtime, mtime_ns = divmod(ns[1], 1_000_000_000)
    return SFTPAttrs(atime=atime, atime_ns=atime_ns, mtime=mtime, mtime_ns=mtime_ns)


def _seconds(seconds: float | None, nanoseconds: int | None) -> float | None:
    return None if seconds is None else float(seconds) + (nanoseconds or 0) / 1_000_000_000


def _nanoseconds(seconds: float | None, nanoseconds: int | None) -> int | None:
    return None if seconds is None else int(seconds) * 1_000_000_000 + (nanoseconds or 0)
