"""What an import must not load: modules that are heavy, or for something else.

A time limit would measure the machine as well. The row `import` of the benchmarks has the times,
beside those of other libraries.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Parts of third-party packages that are slow to import, and what only some keys need.
_HEAVY = {"argparse", "cryptography.x509", "nacl", "pkcs11", "fido2", "tempfile", "uuid"}

#: What no module of a package without an event loop may bring along.
_LOOP = {"asyncio", "concurrent.futures", "logging", "selectors", "socket", "ssl", "subprocess"}

#: What reads configuration files, which is only done if it is asked for.
_CONFIG = {f"ssh_connection.config.{name}" for name in ("client_options", "files", "words")}

#: What is needed by who listens for SOCKS clients, opens tunnels, or looks at packets.
_SOCKS = {"ssh_connection.socks.handshake", "ssh_connection.socks.listener"}
_TUNTAP = {f"ssh_connection.tuntap.{name}" for name in ("channel", "device", "framing", "relay")}
_SUBPROCESS = {f"ssh_connection.subprocess.{name}" for name in ("pipes", "protocol", "transport")}
_TRACING = {"ssh_connection.tracing", "ssh_transport.tracing"}

#: Modules, and packages with all that is in them, that an import does not load.
ABSENT: dict[str, set[str]] = {
    "ssh_keys": {*_HEAVY, *_LOOP, "dataclasses", "inspect", "pathlib"},
    "ssh_sftp": {*_HEAVY, *_LOOP, "dataclasses", "inspect", "pathlib", "ssh_sftp.codec"},
    "ssh_sftp.codec": {*_HEAVY, *_LOOP, "dataclasses", "inspect", "pathlib", "ssh_sftp.client"},
    "ssh_transport": {*_HEAVY, "getpass", "gssapi", "stringprep"},
    "ssh_agent": {*_HEAVY, "dataclasses", "ssh_transport"},
    "ssh_connection": {
        *_HEAVY,
        *_CONFIG,
        *_SOCKS,
        *_TUNTAP,
        *_SUBPROCESS,
        *_TRACING,
        "gssapi",
        "shlex",
        "ssh_sftp",
        "stringprep",
    },
    "ssh_meta": {
        *_HEAVY,
        *_CONFIG,
        *_SOCKS,
        *_TUNTAP,
        *_SUBPROCESS,
        *_TRACING,
        "gssapi",
        "shlex",
        "stringprep",
        "ssh_sftp.aio",
        "ssh_sftp.client",
        "ssh_sftp.codec",
        "ssh_sftp.server",
        "ssh_sftp.subprocess",
    },
}


def loaded_by(statement: str) -> set[str]:
    """Names of the modules that are there after a statement in a new interpreter."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    # Without site: an editable install may load more there.
    run = [sys.executable, "-S", "-c", code]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environ)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", sorted(ABSENT))
def test_import_does_not_load(package: str) -> None:
    loaded = loaded_by(f"import {package}")
    assert package in loaded
    if "asyncio" in loaded:
        # What an event loop brings along is Python's choice: dataclasses since 3.14.
        loaded -= loaded_by("import asyncio")
    wrong = {
        name
        for name in loaded
        for absent in ABSENT[package]
        if name == absent or name.startswith(absent + ".")
    }
    assert not wrong


def test_what_was_not_loaded_is_there_when_it_is_used() -> None:
    loaded = loaded_by("import ssh_meta\nassert ssh_meta.SFTPClient.__name__ == 'SFTPClient'")
    assert "ssh_sftp.client.client" in loaded
