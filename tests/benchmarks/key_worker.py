"""The process under test for keys: one measurement of one library, as a script.

    python key_worker.py IMPLEMENTATION ACTION PARAMETERS-AS-JSON

It runs in the environment of the library, calls its public functions, and prints one line of JSON:
microseconds of CPU time for one operation, the best of several batches.
"""

from __future__ import annotations

import base64
import importlib
import io
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Parameters = dict[str, Any]
Result = dict[str, float]
Operation = Callable[[], object]

#: Seconds that one batch takes, and how many there are.
BATCH, BATCHES = 0.05, 7
#: Seconds of an operation that is measured only once.
SLOW = 1.0

DATA = b"x" * 200


def best(operation: Operation) -> float:
    """Microseconds of CPU time for one operation: other processes only ever add to it."""
    taken = batch(operation, 1)
    if taken > SLOW:
        return taken * 1e6
    count = 1
    while True:
        taken = batch(operation, count)
        if taken >= BATCH / 2 or count >= 1 << 20:
            break
        count *= max(2, min(32, round(BATCH / max(taken, 1e-6))))
    return min(batch(operation, count) for _ in range(BATCHES)) / count * 1e6


def batch(operation: Operation, count: int) -> float:
    """Seconds of CPU time for so many operations."""
    started = time.process_time()
    for _ in range(count):
        operation()
    return time.process_time() - started


def algorithm(kind: str) -> bytes:
    """The signature algorithm of a kind of key."""
    return {"rsa": b"rsa-sha2-256", "ecdsa": b"ecdsa-sha2-nistp256"}.get(kind, b"ssh-ed25519")


def paramiko_class(lib: Any, kind: str) -> Any:
    """Paramiko's class for a kind of key."""
    return {"rsa": lib.RSAKey, "ecdsa": lib.ECDSAKey, "ed25519": lib.Ed25519Key}[kind]


def load(lib: Any, text: str, kind: str) -> Any:
    """A private key out of its text."""
    if lib.__name__ == "paramiko":
        return paramiko_class(lib, kind).from_private_key(io.StringIO(text))
    return lib.import_private_key(text)


def bare_sign(lib: Any, text: str) -> tuple[Operation, Operation]:
    """Signing and checking with the functions of libsodium and nothing around them."""
    keys = importlib.import_module("ssh_keys")
    seed = keys.import_private_key(text).private_key_object().private_bytes_raw()
    public, secret = lib.crypto_sign_seed_keypair(seed)
    signed = lib.crypto_sign(DATA, secret)
    return lambda: lib.crypto_sign(DATA, secret), lambda: lib.crypto_sign_open(signed, public)


def import_private(lib: Any, parameters: Parameters) -> Operation:
    """Read a private key."""
    text, kind = parameters["private"], parameters["kind"]
    return lambda: load(lib, text, kind)


def import_public(lib: Any, parameters: Parameters) -> Operation:
    """Read a public key line."""
    line, kind = parameters["public"], parameters["kind"]
    if lib.__name__ == "paramiko":
        from base64 import b64decode

        cls = paramiko_class(lib, kind)
        return lambda: cls(data=b64decode(line.split()[1]))
    return lambda: lib.import_public_key(line)


def sign(lib: Any, parameters: Parameters) -> Operation:
    """Sign 200 bytes."""
    if lib.__name__ == "nacl.bindings":
        return bare_sign(lib, parameters["private"])[0]
    key, name = load(lib, parameters["private"], parameters["kind"]), algorithm(parameters["kind"])
    if lib.__name__ == "paramiko":
        text = name.decode() if parameters["kind"] == "rsa" else None
        return lambda: key.sign_ssh_data(DATA, text).asbytes()
    return lambda: key.sign(DATA, name)


def verify(lib: Any, parameters: Parameters) -> Operation:
    """Check a signature over 200 bytes."""
    if lib.__name__ == "nacl.bindings":
        return bare_sign(lib, parameters["private"])[1]
    private, kind = load(lib, parameters["private"], parameters["kind"]), parameters["kind"]
    name = algorithm(kind)
    if lib.__name__ == "paramiko":
        text = name.decode() if kind == "rsa" else None
        signature = private.sign_ssh_data(DATA, text).asbytes()
        public = paramiko_class(lib, kind)(data=private.asbytes())

        def check() -> None:
            if not public.verify_ssh_sig(DATA, lib.Message(signature)):
                raise ValueError("wrong signature")

        return check
    signature = private.sign(DATA, name)
    public = private.convert_to_public()
    if lib.__name__ == "asyncssh":

        def check_bool() -> None:
            if not public.verify(DATA, signature):
                raise ValueError("wrong signature")

        return check_bool
    return lambda: public.verify(DATA, signature)


def certificate(lib: Any, parameters: Parameters) -> Operation:
    """Read a user certificate, with its fields and its signature: a damaged one is refused."""
    line = parameters["certificate"]
    for name, damaged in damages(line).items():
        try:
            lib.import_certificate(damaged)
        except ValueError:
            continue
        raise AssertionError(f"{lib.__name__} took a certificate with {name} for a good one")
    return lambda: lib.import_certificate(line)


def certificate_blob(lib: Any, parameters: Parameters) -> Operation:
    """Decode the base64 and look at the name of the type, all that Paramiko does: see `damages`."""
    line = parameters["certificate"]
    blob = importlib.import_module("paramiko.pkey").PublicBlob
    for damaged in damages(line).values():
        # Once this raises, Paramiko reads certificates, and belongs into the other row.
        assert blob.from_string(damaged).key_type == line.split()[0]
    return lambda: blob.from_string(line)


def damages(line: str) -> dict[str, str]:
    """A certificate with something wrong in it, by what is wrong."""
    name, text = line.split()[:2]
    blob = base64.b64decode(text)
    head = len(name).to_bytes(4, "big") + name.encode()
    damaged = {
        "nothing but a name": head,
        "garbage behind the name": head + b"\xff" * 40,
        "a length beyond the end": head + b"\x7f\xff\xff\xff",
        "a wrong signature": blob[:-3] + bytes([blob[-3] ^ 1]) + blob[-2:],
        "its end cut off": blob[:-10],
    }
    return {what: f"{name} {base64.b64encode(data).decode()}" for what, data in damaged.items()}


def known_hosts_load(lib: Any, parameters: Parameters) -> Operation:
    """Read a known_hosts file of 10,000 lines."""
    path = parameters["known_hosts"]
    if lib.__name__ == "paramiko":
        return lambda: lib.HostKeys(path)
    return lambda: lib.read_known_hosts(path)


def known_hosts_match(lib: Any, parameters: Parameters) -> Operation:
    """Find one host among 10,000 lines: the last one."""
    path, host = parameters["known_hosts"], parameters["host"]
    if lib.__name__ == "paramiko":
        hosts = lib.HostKeys(path)

        def look_up() -> None:
            if not hosts.lookup(host):
                raise ValueError("unknown host")

        return look_up
    known = lib.read_known_hosts(path)

    def match() -> None:
        if not known.match(host, "", None)[0]:
            raise ValueError("unknown host")

    return match


def known_hosts_new(lib: Any, parameters: Parameters) -> Operation:
    """Look for a name that nobody asked for before, and that is not there."""
    path, count = parameters["known_hosts"], itertools.count()
    if lib.__name__ == "paramiko":
        hosts = lib.HostKeys(path)
        return lambda: hosts.lookup(f"new{next(count)}.example.com")
    known = lib.read_known_hosts(path)
    return lambda: known.match(f"new{next(count)}.example.com", "", None)


ACTIONS: dict[str, Callable[[Any, Parameters], Operation]] = {
    action.__name__: action
    for action in (
        certificate,
        certificate_blob,
        import_private,
        import_public,
        known_hosts_load,
        known_hosts_match,
        known_hosts_new,
        sign,
        verify,
    )
}


def main() -> None:
    """Run the action named on the command line."""
    implementation, action, parameters = sys.argv[1:]
    lib = importlib.import_module(implementation)
    print(json.dumps({"cpu_us": best(ACTIONS[action](lib, json.loads(parameters)))}), flush=True)


if __name__ == "__main__":
    main()
