"""OpenSSH configuration files (ssh_config(5), sshd_config(5)), read into our options.

Nothing of it is imported before the option `config` is given: names are looked up when they are
first used. Reading is one step (`files`), with all the input and output in it but for commands of
`Match exec`; the others are pure: `words` splits lines, `directives` knows the shape of a file,
`values` and `ports` check values, `evaluate` and `criteria` decide what applies, `tokens` expands.
`client_keywords` and `server_keywords` say which keyword has what value, `client_options`,
`server_options` and `conversion` what becomes of it. `file_rules`, `denied_user` and `user_keys`
are for the users of a server, `canonical` looks up names of hosts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .canonical import canonical_options
    from .client_options import client_config, client_values
    from .denied_user import DeniedUser
    from .directives import Directive
    from .file_rules import FileRules, UserRules
    from .server_options import ServerConfig, ServerRules, login_of, server_config

__all__ = [
    "DeniedUser",
    "Directive",
    "FileRules",
    "ServerConfig",
    "ServerRules",
    "UserRules",
    "canonical_options",
    "client_config",
    "client_values",
    "login_of",
    "server_config",
]

_HOME = {
    "DeniedUser": "denied_user",
    "Directive": "directives",
    "FileRules": "file_rules",
    "ServerConfig": "server_options",
    "ServerRules": "server_options",
    "UserRules": "file_rules",
    "canonical_options": "canonical",
    "client_config": "client_options",
    "client_values": "client_options",
    "login_of": "server_options",
    "server_config": "server_options",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
