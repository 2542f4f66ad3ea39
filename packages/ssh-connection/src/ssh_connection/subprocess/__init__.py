"""Processes on a server with the protocols and transports of `loop.subprocess_exec`.

Modules are imported when somebody uses them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipes import SSHSubprocessReadPipe, SSHSubprocessWritePipe
    from .protocol import SSHSubprocessProtocol
    from .transport import SSHSubprocessTransport

__all__ = [
    "SSHSubprocessProtocol",
    "SSHSubprocessReadPipe",
    "SSHSubprocessTransport",
    "SSHSubprocessWritePipe",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # The transport is made of all the others.
        module = import_module(".transport", __name__)
        value = globals()[name] = getattr(module, name)
        return value
