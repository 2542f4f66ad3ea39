"""Exceptions that methods of a server may raise, as status codes."""

from __future__ import annotations

import errno
from typing import Final

from ssh_sftp.codec.constants import Status
from ssh_sftp.errors import SFTPError, SFTPFailure, SFTPOpUnsupported, error_for_status

__all__ = ["error_for_exception"]

# Codes above 8 become SSH_FX_NO_SUCH_FILE or SSH_FX_FAILURE where the version lacks them.
_STATUS_OF_ERRNO: Final = {
    errno.ENOENT: Status.SSH_FX_NO_SUCH_FILE,
    errno.ENOTDIR: Status.SSH_FX_NOT_A_DIRECTORY,
    errno.EACCES: Status.SSH_FX_PERMISSION_DENIED,
    errno.EPERM: Status.SSH_FX_PERMISSION_DENIED,
    errno.EEXIST: Status.SSH_FX_FILE_ALREADY_EXISTS,
    errno.EISDIR: Status.SSH_FX_FILE_IS_A_DIRECTORY,
    errno.ENOTEMPTY: Status.SSH_FX_DIR_NOT_EMPTY,
    errno.EROFS: Status.SSH_FX_WRITE_PROTECT,
    errno.ENOSPC: Status.SSH_FX_NO_SPACE_ON_FILESYSTEM,
    errno.EDQUOT: Status.SSH_FX_QUOTA_EXCEEDED,
    errno.ELOOP: Status.SSH_FX_LINK_LOOP,
    errno.ENAMETOOLONG: Status.SSH_FX_INVALID_FILENAME,
    errno.EINVAL: Status.SSH_FX_INVALID_PARAMETER,
    errno.EBADF: Status.SSH_FX_INVALID_HANDLE,
    errno.ENOSYS: Status.SSH_FX_OP_UNSUPPORTED,
    errno.EOPNOTSUPP: Status.SSH_FX_OP_UNSUPPORTED,
}


def error_for_exception(error: BaseException) -> SFTPError | None:
    """Return the SFTPError for an exception; None for one that nobody expected."""
    if isinstance(error, OSError):
        code = _STATUS_OF_ERRNO.get(error.errno or 0, Status.SSH_FX_FAILURE)
        return error_for_status(code.value, error.strerror or type(error).__name__)
    if isinstance(error, NotImplementedError):
        return SFTPOpUnsupported("operation is not supported")
    if isinstance(error, ValueError | OverflowError):
        return SFTPFailure(str(error))
    return None
