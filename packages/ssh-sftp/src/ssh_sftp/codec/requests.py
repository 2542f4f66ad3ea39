"""Requests from the client to the server, one declaration per packet.

Versions 3 to 6 (draft-ietf-secsh-filexfer-02, -04, -05, -13). ATTRS stand last wherever they occur
and depend on the version, so they are the rest of the packet here, to be read with
`SFTPAttrs.decode`. `READ`, `WRITE` and `CLOSE` have a hand-packed form too (`codec/framing.py`).
"""

from __future__ import annotations

from ssh_sftp.codec.constants import PacketType
from ssh_sftp.codec.wire import Byte, Message, Rest, String, UInt32, UInt64, message


@message(PacketType.SSH_FXP_INIT)
class Init(Message):
    """Section 4. `extension_data`: pairs of strings."""

    version: UInt32
    extension_data: Rest = b""


@message(PacketType.SSH_FXP_OPEN)
class Open(Message):
    """Section 6.3; versions 3 and 4."""

    request_id: UInt32
    filename: String
    pflags: UInt32
    attrs: Rest


@message(PacketType.SSH_FXP_OPEN)
class Open56(Message):
    """draft-ietf-secsh-filexfer-05 section 6.3.1; versions 5 and 6."""

    request_id: UInt32
    filename: String
    desired_access: UInt32
    flags: UInt32
    attrs: Rest


@message(PacketType.SSH_FXP_CLOSE)
class Close(Message):
    """Section 6.3."""

    request_id: UInt32
    handle: String


@message(PacketType.SSH_FXP_READ)
class Read(Message):
    """Section 6.4."""

    request_id: UInt32
    handle: String
    offset: UInt64
    length: UInt32


@message(PacketType.SSH_FXP_WRITE)
class Write(Message):
    """Section 6.4."""

    request_id: UInt32
    handle: String
    offset: UInt64
    data: String


@message(PacketType.SSH_FXP_LSTAT)
class LStat(Message):
    """Section 6.8; version 4 and up add `uint32 flags`, the attributes that are wanted."""

    request_id: UInt32
    path: String
    flags: Rest = b""


@message(PacketType.SSH_FXP_FSTAT)
class FStat(Message):
    """Section 6.8; version 4 and up add `uint32 flags`."""

    request_id: UInt32
    handle: String
    flags: Rest = b""


@message(PacketType.SSH_FXP_SETSTAT)
class SetStat(Message):
    """Section 6.9."""

    request_id: UInt32
    path: String
    attrs: Rest


@message(PacketType.SSH_FXP_FSETSTAT)
class FSetStat(Message):
    """Section 6.9."""

    request_id: UInt32
    handle: String
    attrs: Rest


@message(PacketType.SSH_FXP_OPENDIR)
class OpenDir(Message):
    """Section 6.7."""

    request_id: UInt32
    path: String


@message(PacketType.SSH_FXP_READDIR)
class ReadDir(Message):
    """Section 6.7."""

    request_id: UInt32
    handle: String


@message(PacketType.SSH_FXP_REMOVE)
class Remove(Message):
    """Section 6.5."""

    request_id: UInt32
    filename: String


@message(PacketType.SSH_FXP_MKDIR)
class MkDir(Message):
    """Section 6.6."""

    request_id: UInt32
    path: String
    attrs: Rest


@message(PacketType.SSH_FXP_RMDIR)
class RmDir(Message):
    """Section 6.6."""

    request_id: UInt32
    path: String


@message(PacketType.SSH_FXP_REALPATH)
class RealPath(Message):
    """Section 6.11; version 6 adds a control byte and paths to compose."""

    request_id: UInt32
    path: String
    rest: Rest = b""


@message(PacketType.SSH_FXP_STAT)
class Stat(Message):
    """Section 6.8; version 4 and up add `uint32 flags`."""

    request_id: UInt32
    path: String
    flags: Rest = b""


@message(PacketType.SSH_FXP_RENAME)
class Rename(Message):
    """Section 6.5; version 5 and up add `uint32 flags`."""

    request_id: UInt32
    oldpath: String
    newpath: String
    flags: Rest = b""


@message(PacketType.SSH_FXP_READLINK)
class ReadLink(Message):
    """Section 6.10."""

    request_id: UInt32
    path: String


@message(PacketType.SSH_FXP_SYMLINK)
class Symlink(Message):
    """Section 6.10, with the arguments in the order that OpenSSH uses (PROTOCOL section 4.1).

    The draft has them the other way round; `peers.target_first` says who does what.
    """

    request_id: UInt32
    targetpath: String
    linkpath: String


@message(PacketType.SSH_FXP_LINK)
class Link(Message):
    """draft-ietf-secsh-filexfer-13 section 8.7; version 6."""

    request_id: UInt32
    new_link_path: String
    existing_path: String
    sym_link: Byte


@message(PacketType.SSH_FXP_BLOCK)
class Block(Message):
    """draft-ietf-secsh-filexfer-13 section 8.8; version 6."""

    request_id: UInt32
    handle: String
    offset: UInt64
    length: UInt64
    uflags: UInt32


@message(PacketType.SSH_FXP_UNBLOCK)
class Unblock(Message):
    """draft-ietf-secsh-filexfer-13 section 8.8; version 6."""

    request_id: UInt32
    handle: String
    offset: UInt64
    length: UInt64


@message(PacketType.SSH_FXP_EXTENDED)
class Extended(Message):
    """Section 8; `request_data` is declared in `codec/extensions.py`."""

    request_id: UInt32
    extended_request: String
    request_data: Rest = b""
