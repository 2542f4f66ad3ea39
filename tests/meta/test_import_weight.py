"""What `import ssh_meta` loads, besides what asyncio and cryptography load anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Modules; they were 289 when this was written. The benchmarks have the time.
LIMIT = 314

SCRIPT = """
import asyncio, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
old = {*sys.modules}
import ssh_meta
print(len(sys.modules.keys() - old))
"""

UNWANTED = """
import sys
import ssh_meta
print(*sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


def run(script: str, cache: Path, *arguments: str) -> str:
    """Run a script in a fresh interpreter that keeps its compiled modules in a folder."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**environment, "PYTHONPYCACHEPREFIX": str(cache)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_import_loads_few_modules(tmp_path: Path) -> None:
    assert int(run(SCRIPT, tmp_path)) <= LIMIT


def test_what_is_rare_is_not_imported(tmp_path: Path) -> None:
    rare = ["gssapi", "pkcs11", "fido2", "OpenSSL", "xml", "http", "email", "multiprocessing"]
    assert run(UNWANTED, tmp_path, *rare) == ""
