"""The rows for keys: import, sign, verify, certificates, known_hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.lab import Lab, Result, Value
from tests.interop.peers.availability import program

WORKER = Path(__file__).with_name("key_worker.py")

#: Who takes part. Ratios are to AsyncSSH.
IMPLEMENTATIONS = ("ssh_keys", "asyncssh", "paramiko")

#: The bare functions of libsodium, as PyNaCl has them: what Ed25519 cannot get below.
FLOOR = "nacl.bindings"

#: Options of ssh-keygen for each kind of key.
KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa": ("-t", "ecdsa", "-b", "256"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}
#: Lines of the known_hosts files, and the name in the last one.
LINES, HOST = 10_000, "host9999.example.com"

TITLES = {
    "import_private": "read a private key, OpenSSH format without passphrase",
    "import_public": "read a public key line",
    "sign": "sign 200 bytes",
    "verify": "check a signature over 200 bytes",
    "certificate": "read a user certificate, and check its signature",
    "certificate_blob": "carry a user certificate unread: no field and no signature is looked at",
    "known_hosts_load": f"read a known_hosts file of {LINES} lines",
    "known_hosts_match": f"find the last of {LINES} lines of known_hosts, once it is read",
    "known_hosts_new": f"look for another unknown name in {LINES} lines of known_hosts each time",
}


def actions() -> Iterator[tuple[str, str, str]]:
    """Each measurement: name of the row, action of the worker, what it is done with."""
    for action in ("import_private", "import_public", "sign", "verify"):
        for kind in KINDS:
            yield f"keys-{action.replace('_', '-')}-{kind}", action, kind
    yield "keys-certificate", "certificate", "ed25519"
    yield "keys-certificate-blob", "certificate_blob", "ed25519"
    for form in ("plain", "hashed"):
        for action in ("known_hosts_load", "known_hosts_match", "known_hosts_new"):
            yield f"keys-{action.replace('_', '-')}-{form}", action, form


def implementations(action: str, subject: str) -> tuple[str, ...]:
    """Who takes part in a row."""
    if action in ("sign", "verify") and subject == "ed25519":
        return (*IMPLEMENTATIONS, FLOOR)
    if action == "certificate":
        return tuple(name for name in IMPLEMENTATIONS if name != "paramiko")
    if action == "certificate_blob":
        # What takes a certificate with any garbage in it, does not read certificates.
        return ("paramiko",)
    return IMPLEMENTATIONS


def measure(lab: Lab, implementation: str, action: str, subject: str) -> Result:
    """Run one measurement of one library."""
    if action.startswith("known_hosts"):
        parameters: dict[str, Value] = {
            "known_hosts": str(_known_hosts(lab.folder, subject == "hashed")),
            "host": HOST,
        }
    else:
        key = _key(lab.folder, subject)
        parameters = {
            "kind": subject,
            "private": key.read_text(),
            "public": key.with_suffix(".pub").read_text(),
            "certificate": Path(f"{key}-cert.pub").read_text(),
        }
    return lab.work(implementation, action, parameters, WORKER)


def _key(folder: Path, kind: str) -> Path:
    """A key of ssh-keygen, with a certificate for it."""
    path = folder / f"bench-{kind}"
    if not path.exists():
        keygen = program("ssh-keygen")
        words = [keygen, "-q", *KINDS[kind], "-N", "", "-C", "bench", "-f", str(path)]
        subprocess.run(words, check=True)
        words = [keygen, "-q", "-s", str(path), "-I", "bench", "-n", "ada,bob", f"{path}.pub"]
        subprocess.run(words, check=True)
    return path


def _known_hosts(folder: Path, hashed: bool) -> Path:
    """A file with one host and its key in each line."""
    path = folder / f"bench-known-hosts-{'hashed' if hashed else 'plain'}"
    if not path.exists():
        public = _key(folder, "ed25519").with_suffix(".pub").read_text().rsplit(None, 1)[0]
        lines = [f"host{number}.example.com {public}\n" for number in range(LINES)]
        path.write_text("".join(lines))
        if hashed:
            words = [program("ssh-keygen"), "-q", "-H", "-f", str(path)]
            subprocess.run(words, check=True, capture_output=True)
    return path
