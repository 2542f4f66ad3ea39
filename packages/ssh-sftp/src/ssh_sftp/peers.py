"""What differs between implementations that say the same protocol version."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["peer_version", "target_first"]


def peer_version(owner: object, name: str) -> str | None:
    """Return the SSH identification string of the peer, `client_version` or `server_version`.

    Parameters:
        owner: a transport or channel; one without `get_extra_info` knows nothing, as a pipe.
    """
    get_extra_info: Callable[[str], object] | None = getattr(owner, "get_extra_info", None)
    if get_extra_info is None:
        return None
    version = get_extra_info(name)
    if isinstance(version, bytes):
        return version.decode("latin-1")
    return version if isinstance(version, str) else None


def target_first(version: str | None) -> bool:
    """Whether a peer puts the target of SSH_FXP_SYMLINK in front of the link.

    The draft has the link first (section 6.10); OpenSSH exchanged the two by mistake, and kept it
    (PROTOCOL section 4.1). Implementations go by the identification string: paramiko does what
    OpenSSH does, all others what the draft says, unless they talk to OpenSSH. Over a bare pipe
    there is OpenSSH at the other end, or a program that stands in for it.
    """
    return version is None or "OpenSSH" in version or "paramiko" in version
