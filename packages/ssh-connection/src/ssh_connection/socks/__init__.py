"""Dynamic forwarding: the client's program says for each connection where it goes, with SOCKS.

Modules are imported when somebody listens for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .listener import listen_socks

__all__ = ["listen_socks"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(".listener", __name__), name)
        globals()[name] = value
        return value
