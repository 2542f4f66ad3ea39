"""Ports, by number or by the name that the system has for a service."""

from __future__ import annotations

import re
from contextlib import suppress
from socket import getservbyname

__all__ = ["to_port"]


def to_port(text: str) -> int:
    """Return the number of a port, or of a service such as `ssh`; raises ValueError."""
    number = 0
    if re.fullmatch(r"\s*\+?[0-9]{1,10}", text, re.ASCII):
        number = int(text)
    elif re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", text, re.ASCII):
        with suppress(OSError):
            number = getservbyname(text, "tcp")
    if not 0 < number < 65536:
        raise ValueError(f"{text!r} is no port")
    return number
