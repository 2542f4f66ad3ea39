"""The package itself: what an application reads before anything else."""

from __future__ import annotations

import subprocess
import sys

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


def test_import_loads_few_modules() -> None:
    """What importing costs, counted in what is the same on every machine; `bench` has the time."""
    code = "import sys; old = {*sys.modules}; import ssh_keys; print(len(sys.modules.keys() - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 190


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
