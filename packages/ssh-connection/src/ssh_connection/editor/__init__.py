"""Editing of what users of terminals type, done by the server.

Modules are imported when a session with a terminal needs them: most programs serve none. All but
`channel` know of characters only, and can be used without a connection.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .channel import SSHLineEditorChannel
    from .line_editor import LineEditor

__all__ = ["LineEditor", "SSHLineEditorChannel"]

if not TYPE_CHECKING:
    _WHERE = {"LineEditor": "line_editor", "SSHLineEditorChannel": "channel"}

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
