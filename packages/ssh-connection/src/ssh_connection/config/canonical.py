"""Canonical names of hosts: the full name behind a short one (CanonicalizeHostname)."""

from __future__ import annotations

import asyncio
import socket
from typing import TypeVar

from ssh_keys.patterns import PatternList, parse_address

from ..merging import make_options
from ..options.base import SSHConnectionOptions
from ..options.client import SSHClientConnectionOptions

__all__ = ["canonical_options"]

O = TypeVar("O", bound=SSHConnectionOptions)  # noqa: E741


async def canonical_options(options: O) -> O:
    """Return options with the canonical name of the host, and what files say about that.

    Raises OSError if there is none, and the short name may not be used.
    """
    if (options.tunnel or options.proxy_command) and options.canonicalize_hostname != "always":
        return options
    host = await _canonical_name(options)
    if options.config and isinstance(options, SSHClientConnectionOptions):
        # The files are evaluated again, with the commands that they have run.
        return await asyncio.to_thread(type(options), options, canonical_host=host)
    return await make_options(type(options), options, host=host, canonicalize_hostname=False)


async def _canonical_name(options: SSHConnectionOptions) -> str:
    host = options.host.lower()
    if not host or parse_address(host) is not None:
        return host
    if host.endswith("."):
        return host.rstrip(".")  # a full name already
    if 0 <= options.canonicalize_max_dots < host.count("."):
        return host
    for domain in options.canonical_domains:
        name = f"{host}.{domain.strip('.').lower()}"
        found = await _look_up(name, options.family)
        if found is not None:
            return found if _is_permitted(name, found, options) else name
    if not options.canonicalize_fallback_local:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is in none of the canonical domains")
    return host


async def _look_up(name: str, family: int) -> str | None:
    """Return the canonical name that the name service has for a name, None if it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            # The dot keeps the resolver from adding domains of its own.
            f"{name}.",
            None,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_CANONNAME,
        )
    except (OSError, UnicodeError):
        return None
    return next((entry[3].rstrip(".").lower() for entry in found if entry[3]), name)


def _is_permitted(name: str, found: str, options: SSHConnectionOptions) -> bool:
    """Whether an alias may lead from one name to the other: the name service is not trusted."""
    if parse_address(found) is not None:
        return False
    return name == found or any(
        PatternList(source.split(",")).matches([name])
        and PatternList(target.split(",")).matches([found])
        for source, target in options.canonicalize_permitted_cnames
    )
