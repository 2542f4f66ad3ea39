"""X11 forwarding (RFC 4254 section 6.3): displays, their cookies, and both ends of a channel.

Modules are imported when somebody forwards X11.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import ClientForwards
    from .server import DisplayListener, listen_display

__all__ = ["ClientForwards", "DisplayListener", "listen_display"]

if not TYPE_CHECKING:
    _WHERE = {"ClientForwards": "client", "DisplayListener": "server", "listen_display": "server"}

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
