"""The `longname` of a directory entry: a line as `ls -l` shows it (section 7)."""

from __future__ import annotations

import stat
import time
from typing import Final

from ssh_sftp.codec import attrs_flags
from ssh_sftp.codec.attrs import SFTPName

try:
    import grp
    import pwd
except ImportError:  # pragma: no cover - Windows
    grp = None  # type: ignore[assignment]
    pwd = None  # type: ignore[assignment]

__all__ = ["format_longname", "group_name", "user_name"]

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_MAX_REMEMBERED: Final = 1024
_HALF_YEAR: Final = 365 * 86400 // 2
_MODE_OF_TYPE: Final = {value: mode for mode, value in attrs_flags.TYPE_OF_MODE.items()}


def user_name(uid: int) -> str:
    """Return the name of a user; the number if there is none."""
    if pwd is not None:
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            pass
    return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group; the number if there is none."""
    if grp is not None:
        try:
            return grp.getgrgid(gid).gr_name
        except (KeyError, OverflowError):
            pass
    return str(gid)


def user_id(name: str) -> int | None:
    """Return the number of a user, given by name or as a number; None if there is none."""
    if name.isascii() and name.isdigit():
        return int(name)
    if pwd is not None:
        try:
            return pwd.getpwnam(name.partition("@")[0]).pw_uid
        except (KeyError, ValueError):
            pass
    return None


def group_id(name: str) -> int | None:
    """Return the number of a group, given by name or as a number; None if there is none."""
    if name.isascii() and name.isdigit():
        return int(name)
    if grp is not None:
        try:
            return grp.getgrnam(name.partition("@")[0]).gr_gid
        except (KeyError, ValueError):
            pass
    return None


def remember(names: dict[int, str], number: int, name: str) -> str:
    """Keep a name for the next time; not for any number of ids that a client asks for."""
    if len(names) >= _MAX_REMEMBERED:
        names.clear()
    names[number] = name
    return name


def format_longname(name: SFTPName, user: str, group: str) -> bytes:
    """Return the line for an entry: mode, links, owner, group, size, time, name."""
    attrs = name.attrs
    mode = attrs.permissions
    if mode is None:
        mode = _MODE_OF_TYPE.get(attrs.type, 0)
    elif not stat.S_IFMT(mode):
        mode |= _MODE_OF_TYPE.get(attrs.type, 0)
    links = attrs.nlink or 1
    size = "" if attrs.size is None else attrs.size
    when = "" if attrs.mtime is None else _format_time(attrs.mtime)
    line = f"{stat.filemode(mode)} {links:>4} {user:<8} {group:<8} {size:>8} {when:>12} "
    filename = name.filename
    return line.encode("utf-8", "replace") + (
        filename if isinstance(filename, bytes) else filename.encode()
    )


def _format_time(seconds: float) -> str:
    try:
        moment = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):
        return ""
    day = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:>2}"
    now = time.time()
    if now - _HALF_YEAR < seconds <= now + 3600:
        return f"{day} {moment.tm_hour:02}:{moment.tm_min:02}"
    return f"{day}  {moment.tm_year}"
