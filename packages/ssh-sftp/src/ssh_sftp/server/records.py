"""What methods of a server may return, turned into the records of the protocol."""

from __future__ import annotations

import os

from ssh_sftp.codec.attrs import SFTPAttrs, SFTPVFSAttrs
from ssh_sftp.codec.constants import FXE_STATVFS_ST_NOSUID, FXE_STATVFS_ST_RDONLY
from ssh_sftp.errors import SFTPFailure
from ssh_sftp.local import attrs_from_stat

__all__ = ["as_attrs", "as_vfs_attrs"]

_UINT64 = (1 << 64) - 1


def as_attrs(result: object) -> SFTPAttrs:
    """Return SFTPAttrs for SFTPAttrs or `os.stat_result`. Raises SFTPFailure."""
    if isinstance(result, SFTPAttrs):
        return result
    if isinstance(result, os.stat_result):
        return attrs_from_stat(result)
    raise SFTPFailure("the server gave no file attributes")


def as_vfs_attrs(result: object) -> SFTPVFSAttrs:
    """Return SFTPVFSAttrs for SFTPVFSAttrs or `os.statvfs_result`. Raises SFTPFailure."""
    if isinstance(result, SFTPVFSAttrs):
        return result
    if not isinstance(result, os.statvfs_result):
        raise SFTPFailure("the server gave no file system attributes")
    flags = 0
    if result.f_flag & os.ST_RDONLY:
        flags |= FXE_STATVFS_ST_RDONLY
    if result.f_flag & os.ST_NOSUID:
        flags |= FXE_STATVFS_ST_NOSUID
    return SFTPVFSAttrs(
        bsize=result.f_bsize,
        frsize=result.f_frsize,
        blocks=result.f_blocks,
        bfree=result.f_bfree,
        bavail=result.f_bavail,
        files=result.f_files,
        ffree=result.f_ffree,
        favail=result.f_favail,
        fsid=result.f_fsid & _UINT64,
        flags=flags,
        namemax=result.f_namemax,
    )
