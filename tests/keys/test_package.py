"""The package itself: what an application reads before anything else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import ssh_keys


def test_version_is_a_string() -> None:
    assert ssh_keys.__version__.count(".") == 2


def test_import_is_light() -> None:
    """Importing loads no event loop, no socket, and none of the slow parts of cryptography."""
    code = "import sys, ssh_keys; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "asyncio",
        "dataclasses",
        "inspect",
        "nacl",
        "pathlib",
        "socket",
        "ssl",
        "tempfile",
        "argparse",
        "cryptography.x509",
        "cryptography.hazmat.primitives.serialization",
        "cryptography.hazmat.primitives.serialization.ssh",
        "ssh_keys.cli",
    }
    assert not heavy & set(loaded)


def test_import_takes_less_than_a_tenth_of_a_second(tmp_path: Path) -> None:
    """CPU time of importing, over that of an empty interpreter, with compiled modules."""
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def cpu(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, env=environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # What else the machine does only ever adds to the time, so the best of many runs counts.
    empty = min(cpu("pass") for _ in range(10))
    best = cpu("import ssh_keys")
    for _ in range(40):
        if best - empty < 0.1:
            return
        best = min(best, cpu("import ssh_keys"))
    pytest.fail(f"import takes {best - empty:.3f} s")


def test_errors_are_value_errors_with_the_documented_tree() -> None:
    for name in ("KeyPassphraseError", "KeyTruncatedError", "UnsupportedKeyError"):
        assert issubclass(getattr(ssh_keys, name), ssh_keys.KeyImportError)
    for name in (
        "KeyImportError",
        "KeyExportError",
        "KeyEncryptionError",
        "KeyGenerationError",
        "SignatureError",
        "CertificateError",
        "PacketDecodeError",
    ):
        assert issubclass(getattr(ssh_keys, name), ValueError)
        assert f"─ {name}" in str(ssh_keys.errors.__doc__)
    error = ssh_keys.Error(2, "a reason")
    assert (error.code, error.reason, error.lang, str(error)) == (
        2,
        "a reason",
        "en-US",
        "a reason",
    )
