"""`SFTPServer`: the files of the system, and what applications override."""

from __future__ import annotations

import errno
import logging
import os
import posixpath
import stat as stat_module
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import ClassVar, TypeAlias, TypeVar

from ssh_sftp import local
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName, SFTPVFSAttrs
from ssh_sftp.codec.constants import FXF_APPEND, MIN_SFTP_VERSION
from ssh_sftp.codec.extensions import EXTENSIONS
from ssh_sftp.errors import SFTPInvalidParameter, SFTPOpUnsupported
from ssh_sftp.longname import format_longname, group_name, remember, user_name
from ssh_sftp.openmode import access_to_pflags, pflags_to_os
from ssh_sftp.server import copying, listing
from ssh_sftp.server.apply import (
    apply_attrs,
    local_file,
    lstat_place,
    numeric_owner,
    pinned_path,
    refuse_existing,
    refuse_unsupported,
    times_ns,
)
from ssh_sftp.server.listing import DirectoryLister
from ssh_sftp.server.rooted import Place, Root

__all__ = ["SFTPServer"]

T = TypeVar("T")
MaybeAwait: TypeAlias = T | Awaitable[T]


class SFTPServer:
    """Serves the files of the system to one client; subclass it to serve something else.

    Every method may be an ordinary function or a coroutine. Paths are bytes. Errors are raised as
    SFTPError or OSError. A method that is overridden is called for each request of its kind;
    ordinary functions run in the event loop, so one that may block should be a coroutine.

    Parameters:
        chan: the channel or connection that the session runs on; None on a bare pipe.
        chroot: directory that the client sees as `/` and cannot leave, links included.

    Attributes:
        max_handles: files and directories that a session may have open.
        max_outstanding: requests whose answers are being worked on; more are not read.
        max_version: highest protocol version that is spoken.
        extensions: extended requests that are offered.

    Raises OSError if the root cannot be opened.
    """

    max_handles: ClassVar[int] = 512
    max_outstanding: ClassVar[int] = 64
    max_version: ClassVar[int] = MIN_SFTP_VERSION
    extensions: ClassVar[Sequence[bytes]] = tuple(EXTENSIONS)

    def __init__(self, chan: object = None, chroot: bytes | str | None = None) -> None:
        self._chan = chan
        self._chroot: bytes | None = None
        self._root: Root | None = None
        if chroot is not None:
            self._chroot = os.path.realpath(os.fsencode(chroot))
            self._root = Root(self._chroot)
        cls = type(self)
        self._maps_paths = cls.map_path is not SFTPServer.map_path
        # What is not overridden is served without a detour.
        self.reads_plainly = cls.read is SFTPServer.read
        self.writes_pieces = cls.write is SFTPServer.write
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    # --- Where the session runs -------------------------------------------------------------------

    @property
    def channel(self) -> object:
        """What was given as `chan`."""
        return self._chan

    @property
    def connection(self) -> object:
        """The connection of the channel, or what was given as `chan`."""
        get_connection = getattr(self._chan, "get_connection", None)
        return self._chan if get_connection is None else get_connection()

    @property
    def env(self) -> object:
        """Environment that the client has set on the channel; empty if there is none."""
        get_environment = getattr(self._chan, "get_environment", None)
        return {} if get_environment is None else get_environment()

    @property
    def logger(self) -> logging.Logger:
        """Logger for the session."""
        return logging.getLogger("ssh_sftp.server")

    # --- Paths and display ------------------------------------------------------------------------

    def format_user(self, uid: int | None) -> str:
        """Return the user name shown in long names: by default the name, or the number."""
        if uid is None:
            return ""
        name = self._users.get(uid)
        if name is None:
            name = remember(self._users, uid, user_name(uid))
        return name

    def format_group(self, gid: int | None) -> str:
        """Return the group name shown in long names: by default the name, or the number."""
        if gid is None:
            return ""
        name = self._groups.get(gid)
        if name is None:
            name = remember(self._groups, gid, group_name(gid))
        return name

    def format_longname(self, name: SFTPName) -> MaybeAwait[None]:
        """Set `name.longname` to the line of `ls -l` for a name with attributes."""
        attrs = name.attrs
        user, group = self.format_user(attrs.uid), self.format_group(attrs.gid)
        name.longname = format_longname(name, user, group)
        return None

    def map_path(self, path: bytes) -> bytes:
        """Return the local path for a path of the client; with a root, a path below it.

        Override it to map names. What an override returns outside of the root is used as it is;
        below the root, links still cannot lead out.
        """
        if self._chroot is None:
            return path
        normal = posixpath.normpath(posixpath.join(b"/", path)).lstrip(b"/")
        return posixpath.join(self._chroot, normal)

    def reverse_map_path(self, path: bytes) -> bytes:
        """Return the path that the client sees for a local path.

        Raises SFTPNoSuchFile for one outside of the root.
        """
        if self._chroot is None:
            return path
        if path == self._chroot:
            return b"/"
        prefix = self._chroot.rstrip(b"/") + b"/"
        if path.startswith(prefix):
            return path[len(prefix) - 1 :]
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _place(self, path: bytes, *, follow_symlinks: bool = True) -> AbstractContextManager[Place]:
        """Where a path of the client is: to be used in one `with` statement."""
        if self._root is None:
            return nullcontext((None, self.map_path(path)))
        if self._maps_paths:
            try:
                path = SFTPServer.reverse_map_path(self, self.map_path(path))
            except FileNotFoundError:
                return nullcontext((None, self.map_path(path)))
        return self._root.place(path, follow_symlinks=follow_symlinks)

    def _follow(self, place: Place) -> bool:
        # Below a root, links were expanded already; one that appears now is not to be followed.
        return place[0] is None

    # --- Files ------------------------------------------------------------------------------------

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> MaybeAwait[object]:
        """Open a file and return an object for it, which the other methods get (section 6.3).

        Parameters:
            path: the file.
            pflags: `FXF_*` of version 3.
            attrs: initial attributes of a new file.
        """
        try:
            flags = pflags_to_os(pflags)
        except ValueError as exc:
            raise SFTPInvalidParameter(str(exc)) from None
        mode = 0o666 if attrs.permissions is None else attrs.permissions & 0o7777
        with self._place(path) as place:
            if not self._follow(place):
                flags |= os.O_NOFOLLOW
            # O_NONBLOCK keeps a FIFO without a peer from stopping the whole server.
            descriptor = os.open(
                place[1], flags | getattr(os, "O_NONBLOCK", 0), mode, dir_fd=place[0]
            )
        try:
            if stat_module.S_ISDIR(os.fstat(descriptor).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            access = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
            text = {os.O_RDONLY: "rb", os.O_WRONLY: "wb"}.get(access, "r+b")
            if pflags & FXF_APPEND and access == os.O_WRONLY:
                text = "ab"
            return os.fdopen(descriptor, text, buffering=0)
        except BaseException:
            os.close(descriptor)
            raise

    def open56(
        self, path: bytes, desired_access: int, flags: int, attrs: SFTPAttrs
    ) -> MaybeAwait[object]:
        """Open a file as versions 5 and 6 ask for it; by default by means of `open`.

        Parameters:
            desired_access: `ACE4_*` mask.
            flags: `FXF_*` of versions 5 and 6.
        """
        try:
            pflags = access_to_pflags(desired_access, flags)
        except ValueError as exc:
            raise SFTPOpUnsupported(str(exc)) from None
        return self.open(path, pflags, attrs)

    def lock(self, file_obj: object, offset: int, length: int, flags: int) -> MaybeAwait[None]:
        """Lock a byte range (SSH_FXP_BLOCK, version 6). Not supported unless it is overridden."""
        raise SFTPOpUnsupported("byte range locks are not supported")

    def unlock(self, file_obj: object, offset: int, length: int) -> MaybeAwait[None]:
        """Release a byte range (SSH_FXP_UNBLOCK). Not supported unless it is overridden."""
        raise SFTPOpUnsupported("byte range locks are not supported")

    def close(self, file_obj: object) -> MaybeAwait[None]:
        """Close an open file."""
        close = getattr(file_obj, "close", None)
        if close is not None:
            close()
        return None

    def close_late(self, file_obj: object) -> None:
        """Close a file that nobody can use, because the session ended while it was opened."""
        close = getattr(file_obj, "close", None)
        if close is not None:
            close()

    def read(self, file_obj: object, offset: int, size: int) -> MaybeAwait[bytes]:
        """Return at most `size` bytes from `offset`; empty bytes are the end of the file."""
        return self.read_block(file_obj, offset, size)

    def read_block(self, file_obj: object, offset: int, size: int) -> bytes:
        """Read without a detour: what `read` does unless it is overridden."""
        file = local_file(file_obj)
        try:
            return local.read_at(file.fileno(), size, offset)
        except OSError as exc:
            if exc.errno != errno.ESPIPE:
                raise
            return file.read(size) or b""

    def write(self, file_obj: object, offset: int, data: bytes) -> MaybeAwait[int]:
        """Write at `offset`, or at the end of a file opened for appending; return the number."""
        self.write_pieces(file_obj, offset, [memoryview(data)], len(data))
        return len(data)

    def write_pieces(
        self, file_obj: object, offset: int, pieces: list[memoryview], length: int
    ) -> None:
        """Write without a detour: what `write` does unless it is overridden."""
        if not length:
            return
        file = local_file(file_obj)
        try:
            local.write_at(file.fileno(), pieces, offset, length)
        except OSError as exc:
            if exc.errno != errno.ESPIPE:
                raise
            file.write(b"".join(pieces))

    def fsync(self, file_obj: object) -> MaybeAwait[None]:
        """Write an open file to disk (`fsync@openssh.com`)."""
        os.fsync(local_file(file_obj).fileno())
        return None

    def copy_data(
        self, source: object, source_offset: int, length: int, target: object, target_offset: int
    ) -> Awaitable[None]:
        """Copy between two open files (`copy-data`); a length of 0 copies to the end.

        It goes through `read` and `write` where they are overridden, and is refused if both
        handles stand for the same file.
        """
        return copying.copy_data(self, source, source_offset, length, target, target_offset)

    # --- Attributes -------------------------------------------------------------------------------

    def stat(self, path: bytes) -> MaybeAwait[SFTPAttrs | os.stat_result]:
        """Return the attributes of a file."""
        with self._place(path) as place:
            return os.stat(place[1], dir_fd=place[0], follow_symlinks=self._follow(place))

    def lstat(self, path: bytes) -> MaybeAwait[SFTPAttrs | os.stat_result]:
        """Return the attributes of a file, or of a link itself."""
        with self._place(path, follow_symlinks=False) as place:
            return os.stat(place[1], dir_fd=place[0], follow_symlinks=False)

    def fstat(self, file_obj: object) -> MaybeAwait[SFTPAttrs | os.stat_result]:
        """Return the attributes of an open file."""
        return os.fstat(local_file(file_obj).fileno())

    def setstat(self, path: bytes, attrs: SFTPAttrs) -> MaybeAwait[None]:
        """Change the attributes that are not None."""
        with self._place(path) as place:
            if place[0] is None:
                apply_attrs(place[1], attrs)
            else:
                with pinned_path(place) as pinned:
                    apply_attrs(pinned, attrs)
        return None

    def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> MaybeAwait[None]:
        """Change the attributes of a file, or of a link itself (`lsetstat@openssh.com`)."""
        with self._place(path, follow_symlinks=False) as place:
            directory, name = place
            refuse_unsupported(attrs)
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            is_link = stat_module.S_ISLNK(found.st_mode)
            if attrs.size is not None or (attrs.permissions is not None and is_link):
                raise SFTPOpUnsupported("a link has neither length nor permissions to set")
            owner = numeric_owner(attrs)
            if owner is not None:
                os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
            if attrs.permissions is not None:
                with pinned_path(place) as pinned:
                    os.chmod(pinned, attrs.permissions & 0o7777)
            times = times_ns(attrs, found)
            if times is not None and (attrs.atime is not None or attrs.mtime is not None):
                os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)
        return None

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> MaybeAwait[None]:
        """Change the attributes of an open file that are not None."""
        apply_attrs(local_file(file_obj).fileno(), attrs)
        return None

    def statvfs(self, path: bytes) -> MaybeAwait[SFTPVFSAttrs | os.statvfs_result]:
        """Return the attributes of the file system that holds a path."""
        with self._place(path) as place:
            if place[0] is None:
                return os.statvfs(place[1])
            with pinned_path(place) as pinned:
                return os.statvfs(pinned)

    def fstatvfs(self, file_obj: object) -> MaybeAwait[SFTPVFSAttrs | os.statvfs_result]:
        """Return the attributes of the file system that holds an open file."""
        return os.statvfs(local_file(file_obj).fileno())

    # --- Names ------------------------------------------------------------------------------------

    def remove(self, path: bytes) -> MaybeAwait[None]:
        """Remove a file, not a directory."""
        with self._place(path, follow_symlinks=False) as place:
            os.unlink(place[1], dir_fd=place[0])
        return None

    def rename(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        """Rename a file; an existing target is an error (section 6.5)."""
        with (
            self._place(oldpath, follow_symlinks=False) as old,
            self._place(newpath, follow_symlinks=False) as new,
        ):
            if stat_module.S_ISDIR(lstat_place(old).st_mode):
                refuse_existing(new)
                os.rename(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])
                return None
            try:
                # Linking fails if the target exists, in one step; renaming would replace it.
                os.link(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0], follow_symlinks=False)
            except OSError as exc:
                if exc.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV):
                    raise
                refuse_existing(new)
                os.rename(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])
                return None
            os.unlink(old[1], dir_fd=old[0])
        return None

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        """Rename a file and replace the target (`posix-rename@openssh.com`)."""
        with (
            self._place(oldpath, follow_symlinks=False) as old,
            self._place(newpath, follow_symlinks=False) as new,
        ):
            os.replace(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])
        return None

    def readlink(self, path: bytes) -> MaybeAwait[bytes]:
        """Return the target of a link."""
        with self._place(path, follow_symlinks=False) as place:
            return os.readlink(place[1], dir_fd=place[0])

    def symlink(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        """Make `newpath` a link with the target `oldpath`, which is stored as it is.

        Below a root, an absolute target is taken from the root, as chroot(2) does.
        """
        with self._place(newpath, follow_symlinks=False) as place:
            os.symlink(oldpath, place[1], dir_fd=place[0])
        return None

    def link(self, oldpath: bytes, newpath: bytes) -> MaybeAwait[None]:
        """Make `newpath` another name of the file `oldpath` (`hardlink@openssh.com`)."""
        with (
            self._place(oldpath, follow_symlinks=False) as old,
            self._place(newpath, follow_symlinks=False) as new,
        ):
            os.link(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0], follow_symlinks=False)
        return None

    def realpath(self, path: bytes) -> MaybeAwait[bytes]:
        """Return the absolute path that the client sees (section 6.11)."""
        if self._root is not None and not self._maps_paths:
            return self._root.real_path(path)
        return self.reverse_map_path(os.path.realpath(self.map_path(path)))

    def expand_path(self, path: bytes) -> MaybeAwait[bytes]:
        """Return the absolute path for `~`, `~/...` or `~user/...`; below a root `~` is `/`."""
        if path.startswith(b"~"):
            if self._root is not None:
                path = b"/" + path.partition(b"/")[2]
            else:
                expanded = os.path.expanduser(path)
                if expanded.startswith(b"~"):
                    raise FileNotFoundError(errno.ENOENT, "no such user")
                path = expanded
        return self.realpath(path)

    # --- Directories ------------------------------------------------------------------------------

    def mkdir(self, path: bytes, attrs: SFTPAttrs) -> MaybeAwait[None]:
        """Make a directory with initial attributes."""
        mode = 0o777 if attrs.permissions is None else attrs.permissions & 0o7777
        with self._place(path.rstrip(b"/") or b"/", follow_symlinks=False) as place:
            os.mkdir(place[1], mode, dir_fd=place[0])
        return None

    def rmdir(self, path: bytes) -> MaybeAwait[None]:
        """Remove an empty directory."""
        with self._place(path.rstrip(b"/") or b"/", follow_symlinks=False) as place:
            os.rmdir(place[1], dir_fd=place[0])
        return None

    def listdir(self, path: bytes) -> MaybeAwait[Sequence[bytes | SFTPName]]:
        """Return the entries of a directory, as names or with attributes.

        It is used if it is overridden and `scandir` is not; attributes of plain names come from
        `lstat`.
        """
        with closing(self._list(path)) as entries:
            return [entry.filename for entry in entries if isinstance(entry.filename, bytes)]

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Iterate over the entries of a directory, with attributes; `.` and `..` among them."""
        with closing(self._list(path)) as entries:
            for entry in entries:
                yield entry

    def _list(self, path: bytes) -> DirectoryLister:
        with self._place(path) as (directory, name):
            descriptor = os.open(name, listing.DIRECTORY_FLAGS, dir_fd=directory)
        return DirectoryLister(descriptor)

    def open_directory(self, path: bytes) -> object:
        """Return an iterator of SFTPName for SSH_FXP_OPENDIR, ordinary or asynchronous."""
        cls = type(self)
        if cls.scandir is not SFTPServer.scandir:
            return self.scandir(path)
        if cls.listdir is not SFTPServer.listdir:
            return listing.open_listed(self.listdir, self.lstat, path)
        return self._list(path)

    # --- End --------------------------------------------------------------------------------------

    def exit(self) -> MaybeAwait[None]:
        """Called when the session is over; an override calls this one as well."""
        if self._root is not None:
            self._root.close()
        return None
