"""Network packets and Ethernet frames through a connection (PROTOCOL section 2.3).

Modules are imported when somebody opens a tunnel. `framing` is what a message holds, without input
or output; `channel` and `stream` carry packets for an application, `device` and `relay` for a
network device of this machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .channel import SSHTunTapChannel
    from .framing import TunnelMode, unit_of
    from .relay import TunTapForwarder, open_relay
    from .stream import SSHTunTapStreamSession

__all__ = [
    "SSHTunTapChannel",
    "SSHTunTapStreamSession",
    "TunTapForwarder",
    "TunnelMode",
    "open_relay",
    "unit_of",
]

if not TYPE_CHECKING:
    _WHERE = {
        "SSHTunTapChannel": "channel",
        "SSHTunTapStreamSession": "stream",
        "TunTapForwarder": "relay",
        "TunnelMode": "framing",
        "open_relay": "relay",
        "unit_of": "framing",
    }

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
