"""Exceptions of ssh-sftp.

::

    Error(code, reason, lang)                     ssh_keys.errors, or the twin below
    └─ SFTPError
       ├─ SFTPEOFError               1   ├─ SFTPLockConflict               17
       ├─ SFTPNoSuchFile             2   ├─ SFTPDirNotEmpty                18
       ├─ SFTPPermissionDenied       3   ├─ SFTPNotADirectory              19
       ├─ SFTPFailure                4   ├─ SFTPInvalidFilename            20
       ├─ SFTPBadMessage             5   ├─ SFTPLinkLoop                   21
       ├─ SFTPNoConnection           6   ├─ SFTPCannotDelete               22
       ├─ SFTPConnectionLost         7   ├─ SFTPInvalidParameter           23
       ├─ SFTPOpUnsupported          8   ├─ SFTPFileIsADirectory           24
       ├─ SFTPInvalidHandle          9   ├─ SFTPByteRangeLockConflict      25
       ├─ SFTPNoSuchPath            10   ├─ SFTPByteRangeLockRefused       26
       ├─ SFTPFileAlreadyExists     11   ├─ SFTPDeletePending              27
       ├─ SFTPWriteProtect          12   ├─ SFTPFileCorrupt                28
       ├─ SFTPNoMedia               13   ├─ SFTPOwnerInvalid               29
       ├─ SFTPNoSpaceOnFilesystem   14   ├─ SFTPGroupInvalid               30
       ├─ SFTPQuotaExceeded         15   └─ SFTPNoMatchingByteRangeLock    31
       ├─ SFTPUnknownPrincipal      16

Every class carries its `SSH_FX_*` number as the class attribute `status`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ssh_sftp.codec.constants import Status

if TYPE_CHECKING:

    class Error(Exception):
        """What type checkers see: both candidates below have this shape."""

        code: int
        reason: str
        lang: str

        def __init__(self, code: int, reason: str, lang: str = "en-US") -> None: ...
else:
    try:
        # With ssh-keys installed `except ssh_keys.Error` has to catch SFTP errors too; without
        # it this package stays free of dependencies.
        from ssh_keys.errors import Error
    except ImportError:

        class Error(Exception):
            """Root of the errors that carry a code of an SSH protocol."""

            def __init__(self, code, reason, lang="en-US"):
                super().__init__(reason)
                self.code = code
                self.reason = reason
                self.lang = lang


__all__ = [
    "Error",
    "SFTPBadMessage",
    "SFTPByteRangeLockConflict",
    "SFTPByteRangeLockRefused",
    "SFTPCannotDelete",
    "SFTPConnectionLost",
    "SFTPDeletePending",
    "SFTPDirNotEmpty",
    "SFTPEOFError",
    "SFTPError",
    "SFTPFailure",
    "SFTPFileAlreadyExists",
    "SFTPFileCorrupt",
    "SFTPFileIsADirectory",
    "SFTPGroupInvalid",
    "SFTPInvalidFilename",
    "SFTPInvalidHandle",
    "SFTPInvalidParameter",
    "SFTPLinkLoop",
    "SFTPLockConflict",
    "SFTPNoConnection",
    "SFTPNoMatchingByteRangeLock",
    "SFTPNoMedia",
    "SFTPNoSpaceOnFilesystem",
    "SFTPNoSuchFile",
    "SFTPNoSuchPath",
    "SFTPNotADirectory",
    "SFTPOpUnsupported",
    "SFTPOwnerInvalid",
    "SFTPPermissionDenied",
    "SFTPQuotaExceeded",
    "SFTPUnknownPrincipal",
    "SFTPWriteProtect",
    "error_for_status",
    "printable",
]


def printable(text: str) -> str:
    """Return `text` with everything that could steer a terminal or a log escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class SFTPError(Error):
    """A request that failed, or a session that broke.

    Parameters:
        code: an `SSH_FX_*` number (draft-ietf-secsh-filexfer-02 section 7).
        reason: what went wrong, for a person; escaped if it came from the peer.
        lang: language tag of `reason` (RFC 3066).

    Attributes:
        srcpath, dstpath: set by `get`, `put` and `copy` to the file that failed.
    """

    status: ClassVar[int] = -1
    srcpath: bytes | str | None = None
    dstpath: bytes | str | None = None


class _SFTPStatusError(SFTPError):
    """Base of the classes that stand for one status code."""

    def __init__(self, reason: str, lang: str = "en-US") -> None:
        super().__init__(self.status, reason, lang)


class SFTPEOFError(_SFTPStatusError):
    """End of the file, or no more entries in the directory."""

    status = Status.SSH_FX_EOF.value

    def __init__(self, reason: str = "", lang: str = "en-US") -> None:
        super().__init__(reason, lang)


class SFTPNoSuchFile(_SFTPStatusError):
    """The file does not exist."""

    status = Status.SSH_FX_NO_SUCH_FILE.value


class SFTPPermissionDenied(_SFTPStatusError):
    """The user may not do this."""

    status = Status.SSH_FX_PERMISSION_DENIED.value


class SFTPFailure(_SFTPStatusError):
    """An error that no other code stands for."""

    status = Status.SSH_FX_FAILURE.value


class SFTPBadMessage(_SFTPStatusError):
    """A packet that does not follow the protocol; it ends the session."""

    status = Status.SSH_FX_BAD_MESSAGE.value


class SFTPNoConnection(_SFTPStatusError):
    """The session is not open (any more)."""

    status = Status.SSH_FX_NO_CONNECTION.value


class SFTPConnectionLost(_SFTPStatusError):
    """The session ended while a request was outstanding."""

    status = Status.SSH_FX_CONNECTION_LOST.value


class SFTPOpUnsupported(_SFTPStatusError):
    """The server does not know the operation."""

    status = Status.SSH_FX_OP_UNSUPPORTED.value


class SFTPInvalidHandle(_SFTPStatusError):
    """The handle is not open."""

    status = Status.SSH_FX_INVALID_HANDLE.value


class SFTPNoSuchPath(_SFTPStatusError):
    """A directory of the path does not exist."""

    status = Status.SSH_FX_NO_SUCH_PATH.value


class SFTPFileAlreadyExists(_SFTPStatusError):
    """The file exists already."""

    status = Status.SSH_FX_FILE_ALREADY_EXISTS.value


class SFTPWriteProtect(_SFTPStatusError):
    """The file system is read-only."""

    status = Status.SSH_FX_WRITE_PROTECT.value


class SFTPNoMedia(_SFTPStatusError):
    """There is no medium in the drive."""

    status = Status.SSH_FX_NO_MEDIA.value


class SFTPNoSpaceOnFilesystem(_SFTPStatusError):
    """The file system is full."""

    status = Status.SSH_FX_NO_SPACE_ON_FILESYSTEM.value


class SFTPQuotaExceeded(_SFTPStatusError):
    """The user's quota is used up."""

    status = Status.SSH_FX_QUOTA_EXCEEDED.value


class SFTPUnknownPrincipal(_SFTPStatusError):
    """An owner, group or ACL entry names somebody unknown.

    Parameters:
        unknown_names: the names that the server does not know.
    """

    status = Status.SSH_FX_UNKNOWN_PRINCIPAL.value

    def __init__(
        self, reason: str, lang: str = "en-US", unknown_names: Sequence[bytes | str] = ()
    ) -> None:
        super().__init__(reason, lang)
        self.unknown_names = unknown_names


class SFTPLockConflict(_SFTPStatusError):
    """Somebody else has locked the file."""

    status = Status.SSH_FX_LOCK_CONFLICT.value


class SFTPDirNotEmpty(_SFTPStatusError):
    """The directory is not empty."""

    status = Status.SSH_FX_DIR_NOT_EMPTY.value


class SFTPNotADirectory(_SFTPStatusError):
    """The path does not name a directory."""

    status = Status.SSH_FX_NOT_A_DIRECTORY.value


class SFTPInvalidFilename(_SFTPStatusError):
    """The name is not one the file system takes."""

    status = Status.SSH_FX_INVALID_FILENAME.value


class SFTPLinkLoop(_SFTPStatusError):
    """Too many symbolic links."""

    status = Status.SSH_FX_LINK_LOOP.value


class SFTPCannotDelete(_SFTPStatusError):
    """The file cannot be removed."""

    status = Status.SSH_FX_CANNOT_DELETE.value


class SFTPInvalidParameter(_SFTPStatusError):
    """A parameter out of range, or parameters that exclude each other."""

    status = Status.SSH_FX_INVALID_PARAMETER.value


class SFTPFileIsADirectory(_SFTPStatusError):
    """The path names a directory."""

    status = Status.SSH_FX_FILE_IS_A_DIRECTORY.value


class SFTPByteRangeLockConflict(_SFTPStatusError):
    """A byte range lock of somebody else is in the way."""

    status = Status.SSH_FX_BYTE_RANGE_LOCK_CONFLICT.value


class SFTPByteRangeLockRefused(_SFTPStatusError):
    """The server gives no such byte range lock."""

    status = Status.SSH_FX_BYTE_RANGE_LOCK_REFUSED.value


class SFTPDeletePending(_SFTPStatusError):
    """The file will be removed as soon as it is closed."""

    status = Status.SSH_FX_DELETE_PENDING.value


class SFTPFileCorrupt(_SFTPStatusError):
    """The file system is corrupt."""

    status = Status.SSH_FX_FILE_CORRUPT.value


class SFTPOwnerInvalid(_SFTPStatusError):
    """The owner cannot be set."""

    status = Status.SSH_FX_OWNER_INVALID.value


class SFTPGroupInvalid(_SFTPStatusError):
    """The group cannot be set."""

    status = Status.SSH_FX_GROUP_INVALID.value


class SFTPNoMatchingByteRangeLock(_SFTPStatusError):
    """There is no such byte range lock to release."""

    status = Status.SSH_FX_NO_MATCHING_BYTE_RANGE_LOCK.value


_CLASSES: dict[int, type[_SFTPStatusError]] = {
    cls.status: cls for cls in _SFTPStatusError.__subclasses__()
}


def error_for_status(code: int, reason: str, lang: str = "en-US") -> SFTPError:
    """Return the exception for a status code; a code without a class gives a plain SFTPError."""
    cls = _CLASSES.get(code)
    return SFTPError(code, reason, lang) if cls is None else cls(reason, lang)
