"""Numbers of the SSH File Transfer Protocol, with the draft that introduced each block.

Version 3 is draft-ietf-secsh-filexfer-02, version 4 is -04, version 5 is -05 and version 6 is -13.
Wire spelling is kept for packet types and status codes; the short `FX_*`, `FXF_*`, `FXR_*` and
`FILEXFER_*` names are the ones that applications use.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["PacketType", "Status"]

MIN_SFTP_VERSION: Final = 3
MAX_SFTP_VERSION: Final = 6


class PacketType(IntEnum):
    """Packet types (draft-ietf-secsh-filexfer-02 section 3; 21 to 23 are of version 6)."""

    SSH_FXP_INIT = 1
    SSH_FXP_VERSION = 2
    SSH_FXP_OPEN = 3
    SSH_FXP_CLOSE = 4
    SSH_FXP_READ = 5
    SSH_FXP_WRITE = 6
    SSH_FXP_LSTAT = 7
    SSH_FXP_FSTAT = 8
    SSH_FXP_SETSTAT = 9
    SSH_FXP_FSETSTAT = 10
    SSH_FXP_OPENDIR = 11
    SSH_FXP_READDIR = 12
    SSH_FXP_REMOVE = 13
    SSH_FXP_MKDIR = 14
    SSH_FXP_RMDIR = 15
    SSH_FXP_REALPATH = 16
    SSH_FXP_STAT = 17
    SSH_FXP_RENAME = 18
    SSH_FXP_READLINK = 19
    SSH_FXP_SYMLINK = 20
    SSH_FXP_LINK = 21
    SSH_FXP_BLOCK = 22
    SSH_FXP_UNBLOCK = 23
    SSH_FXP_STATUS = 101
    SSH_FXP_HANDLE = 102
    SSH_FXP_DATA = 103
    SSH_FXP_NAME = 104
    SSH_FXP_ATTRS = 105
    SSH_FXP_EXTENDED = 200
    SSH_FXP_EXTENDED_REPLY = 201


class Status(IntEnum):
    """Status codes (draft-ietf-secsh-filexfer-02 section 7; 9 and up are of later versions)."""

    SSH_FX_OK = 0
    SSH_FX_EOF = 1
    SSH_FX_NO_SUCH_FILE = 2
    SSH_FX_PERMISSION_DENIED = 3
    SSH_FX_FAILURE = 4
    SSH_FX_BAD_MESSAGE = 5
    SSH_FX_NO_CONNECTION = 6
    SSH_FX_CONNECTION_LOST = 7
    SSH_FX_OP_UNSUPPORTED = 8
    # version 4
    SSH_FX_INVALID_HANDLE = 9
    SSH_FX_NO_SUCH_PATH = 10
    SSH_FX_FILE_ALREADY_EXISTS = 11
    SSH_FX_WRITE_PROTECT = 12
    SSH_FX_NO_MEDIA = 13
    # version 5
    SSH_FX_NO_SPACE_ON_FILESYSTEM = 14
    SSH_FX_QUOTA_EXCEEDED = 15
    SSH_FX_UNKNOWN_PRINCIPAL = 16
    SSH_FX_LOCK_CONFLICT = 17
    # version 6
    SSH_FX_DIR_NOT_EMPTY = 18
    SSH_FX_NOT_A_DIRECTORY = 19
    SSH_FX_INVALID_FILENAME = 20
    SSH_FX_LINK_LOOP = 21
    SSH_FX_CANNOT_DELETE = 22
    SSH_FX_INVALID_PARAMETER = 23
    SSH_FX_FILE_IS_A_DIRECTORY = 24
    SSH_FX_BYTE_RANGE_LOCK_CONFLICT = 25
    SSH_FX_BYTE_RANGE_LOCK_REFUSED = 26
    SSH_FX_DELETE_PENDING = 27
    SSH_FX_FILE_CORRUPT = 28
    SSH_FX_OWNER_INVALID = 29
    SSH_FX_GROUP_INVALID = 30
    SSH_FX_NO_MATCHING_BYTE_RANGE_LOCK = 31


# Highest status code that a peer of each version knows.
LAST_STATUS: Final = {3: 8, 4: 13, 5: 17, 6: 31}

# --- Status codes under their application names -------------------------------------------------

FX_OK: Final = 0
FX_EOF: Final = 1
FX_NO_SUCH_FILE: Final = 2
FX_PERMISSION_DENIED: Final = 3
FX_FAILURE: Final = 4
FX_BAD_MESSAGE: Final = 5
FX_NO_CONNECTION: Final = 6
FX_CONNECTION_LOST: Final = 7
FX_OP_UNSUPPORTED: Final = 8
FX_INVALID_HANDLE: Final = 9
FX_NO_SUCH_PATH: Final = 10
FX_FILE_ALREADY_EXISTS: Final = 11
FX_WRITE_PROTECT: Final = 12
FX_NO_MEDIA: Final = 13
FX_NO_SPACE_ON_FILESYSTEM: Final = 14
FX_QUOTA_EXCEEDED: Final = 15
FX_UNKNOWN_PRINCIPAL: Final = 16
FX_LOCK_CONFLICT: Final = 17
FX_DIR_NOT_EMPTY: Final = 18
FX_NOT_A_DIRECTORY: Final = 19
FX_INVALID_FILENAME: Final = 20
FX_LINK_LOOP: Final = 21
FX_CANNOT_DELETE: Final = 22
FX_INVALID_PARAMETER: Final = 23
FX_FILE_IS_A_DIRECTORY: Final = 24
FX_BYTE_RANGE_LOCK_CONFLICT: Final = 25
FX_BYTE_RANGE_LOCK_REFUSED: Final = 26
FX_DELETE_PENDING: Final = 27
FX_FILE_CORRUPT: Final = 28
FX_OWNER_INVALID: Final = 29
FX_GROUP_INVALID: Final = 30
FX_NO_MATCHING_BYTE_RANGE_LOCK: Final = 31

# --- Flags of SSH_FXP_OPEN, versions 3 and 4 (section 6.3) --------------------------------------

FXF_READ: Final = 0x01
FXF_WRITE: Final = 0x02
FXF_APPEND: Final = 0x04
FXF_CREAT: Final = 0x08
FXF_TRUNC: Final = 0x10
FXF_EXCL: Final = 0x20
FXF_TEXT: Final = 0x40

# --- Flags of SSH_FXP_OPEN, versions 5 and 6 ----------------------------------------------------

FXF_ACCESS_DISPOSITION: Final = 0x00000007
FXF_CREATE_NEW: Final = 0x00000000
FXF_CREATE_TRUNCATE: Final = 0x00000001
FXF_OPEN_EXISTING: Final = 0x00000002
FXF_OPEN_OR_CREATE: Final = 0x00000003
FXF_TRUNCATE_EXISTING: Final = 0x00000004
FXF_APPEND_DATA: Final = 0x00000008
FXF_APPEND_DATA_ATOMIC: Final = 0x00000010
FXF_TEXT_MODE: Final = 0x00000020
FXF_BLOCK_READ: Final = 0x00000040
FXF_BLOCK_WRITE: Final = 0x00000080
FXF_BLOCK_DELETE: Final = 0x00000100
FXF_BLOCK_ADVISORY: Final = 0x00000200
FXF_NOFOLLOW: Final = 0x00000400
FXF_DELETE_ON_CLOSE: Final = 0x00000800
FXF_ACCESS_AUDIT_ALARM_INFO: Final = 0x00001000
FXF_ACCESS_BACKUP: Final = 0x00002000
FXF_BACKUP_STREAM: Final = 0x00004000
FXF_OVERRIDE_OWNER: Final = 0x00008000

# --- Access mask of SSH_FXP_OPEN, versions 5 and 6 ----------------------------------------------

ACE4_READ_DATA: Final = 0x00000001
ACE4_WRITE_DATA: Final = 0x00000002
ACE4_APPEND_DATA: Final = 0x00000004
ACE4_READ_NAMED_ATTRS: Final = 0x00000008
ACE4_WRITE_NAMED_ATTRS: Final = 0x00000010
ACE4_EXECUTE: Final = 0x00000020
ACE4_DELETE_CHILD: Final = 0x00000040
ACE4_READ_ATTRIBUTES: Final = 0x00000080
ACE4_WRITE_ATTRIBUTES: Final = 0x00000100
ACE4_DELETE: Final = 0x00010000
ACE4_READ_ACL: Final = 0x00020000
ACE4_WRITE_ACL: Final = 0x00040000
ACE4_WRITE_OWNER: Final = 0x00080000
ACE4_SYNCHRONIZE: Final = 0x00100000

# --- Flags of SSH_FXP_RENAME (version 5) and controls of SSH_FXP_REALPATH (version 6) -----------

FXR_OVERWRITE: Final = 0x00000001
FXR_ATOMIC: Final = 0x00000002
FXR_NATIVE: Final = 0x00000004

FXRP_NO_CHECK: Final = 1
FXRP_STAT_IF_EXISTS: Final = 2
FXRP_STAT_ALWAYS: Final = 3

# --- Flags of the statvfs reply (PROTOCOL section 4.4) ------------------------------------------

FXE_STATVFS_ST_RDONLY: Final = 0x1
FXE_STATVFS_ST_NOSUID: Final = 0x2

# --- Sizes ---------------------------------------------------------------------------------------

# "All servers SHOULD support packets of at least 34000 bytes" (section 3), which holds reads and
# writes of 32 KiB: what a peer that announces no limits is asked for.
SAFE_BLOCK_SIZE: Final = 32768
# OpenSSH refuses packets of more than 256 KiB, and leaves 1 KiB of it for everything but the data.
MAX_PACKET_LENGTH: Final = 256 * 1024
MAX_BLOCK_SIZE: Final = MAX_PACKET_LENGTH - 1024
# "The file handle strings MUST NOT be longer than 256 bytes" (section 6).
MAX_HANDLE_LENGTH: Final = 256
