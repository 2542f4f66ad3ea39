"""Extended requests (section 8): OpenSSH's extensions, PROTOCOL section 4.

One declaration per request and reply, for what stands behind the name of the request, and one table
row per extension with the version that servers announce.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ssh_sftp.codec.wire import Message, Rest, String, UInt64, message


@message()
class PosixRename(Message):
    """`posix-rename@openssh.com`, PROTOCOL section 4.3: status."""

    oldpath: String
    newpath: String


@message()
class StatVFS(Message):
    """`statvfs@openssh.com`, PROTOCOL section 4.4: replies `SFTPVFSAttrs`."""

    path: String


@message()
class FStatVFS(Message):
    """`fstatvfs@openssh.com`, PROTOCOL section 4.4: replies `SFTPVFSAttrs`."""

    handle: String


@message()
class HardLink(Message):
    """`hardlink@openssh.com`, PROTOCOL section 4.5: status."""

    oldpath: String
    newpath: String


@message()
class FSync(Message):
    """`fsync@openssh.com`, PROTOCOL section 4.6: status."""

    handle: String


@message()
class LSetStat(Message):
    """`lsetstat@openssh.com`, PROTOCOL section 4.7: status."""

    path: String
    attrs: Rest


@message()
class Limits(Message):
    """`limits@openssh.com`, PROTOCOL section 4.8: replies `SFTPLimits`."""


@message()
class ExpandPath(Message):
    """`expand-path@openssh.com`, PROTOCOL section 4.9: SSH_FXP_NAME."""

    path: String


@message()
class CopyData(Message):
    """`copy-data`, PROTOCOL section 4.10: status."""

    read_from_handle: String
    read_from_offset: UInt64
    read_data_length: UInt64
    write_to_handle: String
    write_to_offset: UInt64


@message()
class HomeDirectory(Message):
    """`home-directory`, PROTOCOL section 4.11: SSH_FXP_NAME."""

    username: String


@message()
class UsersGroupsById(Message):
    """`users-groups-by-id@openssh.com`, PROTOCOL section 4.12."""

    uids: String
    gids: String


@message()
class UsersGroupsByIdReply(Message):
    """Reply of `users-groups-by-id@openssh.com`."""

    usernames: String
    groupnames: String


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: name, the version that servers announce, declaration of the request."""

    name: bytes
    version: bytes
    request: type[Message]


EXTENSIONS: Final = {
    row.name: row
    for row in (
        Extension(b"posix-rename@openssh.com", b"1", PosixRename),
        Extension(b"statvfs@openssh.com", b"2", StatVFS),
        Extension(b"fstatvfs@openssh.com", b"2", FStatVFS),
        Extension(b"hardlink@openssh.com", b"1", HardLink),
        Extension(b"fsync@openssh.com", b"1", FSync),
        Extension(b"lsetstat@openssh.com", b"1", LSetStat),
        Extension(b"limits@openssh.com", b"1", Limits),
        Extension(b"expand-path@openssh.com", b"1", ExpandPath),
        Extension(b"copy-data", b"1", CopyData),
        Extension(b"home-directory", b"1", HomeDirectory),
        Extension(b"users-groups-by-id@openssh.com", b"1", UsersGroupsById),
    )
}
