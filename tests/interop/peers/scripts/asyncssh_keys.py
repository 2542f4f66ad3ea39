"""Keys of one type with AsyncSSH: files, signatures, logins. Runs where the peers are installed."""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncssh
import asyncssh_roles


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server", "make", "read"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--type")
    # The only name for signatures of the user and of the host.
    parser.add_argument("--signature")
    return parser.parse_args()


def make(arguments):
    """Write a key in every format, and what it signs."""
    folder = arguments.folder
    key = asyncssh.generate_private_key(arguments.type, "made")
    for form in ("openssh", "pkcs1-der", "pkcs1-pem", "pkcs8-der", "pkcs8-pem"):
        key.write_private_key(folder / f"private.{form}", form)
        if not form.endswith("-der"):
            key.write_private_key(folder / f"locked.{form}", form, "secret")
    for form in ("openssh", "rfc4716", "pkcs8-der", "pkcs8-pem"):
        key.write_public_key(folder / f"public.{form}", form)
    for name in key.sig_algorithms:
        (folder / f"signature.{name.decode()}").write_bytes(key.sign(b"data", name))
        made = key.generate_user_certificate(key, "id", principals=["me"], sig_alg=name.decode())
        made.write_certificate(folder / f"certificate.{name.decode()}")
    (folder / "data.sig").write_bytes(asyncssh.create_sshsig(key, b"data"))


def read(arguments):
    """Say whose the files are, and whether the signatures are right."""
    for path in sorted(arguments.folder.iterdir()):
        kind = path.name.partition(".")[0]
        found = ""
        if kind in ("private", "locked"):
            found = asyncssh.read_private_key(path, "secret").get_fingerprint()
        elif kind == "public":
            found = asyncssh.read_public_key(path).get_fingerprint()
        elif kind == "certificate":
            found = asyncssh.read_certificate(path).key.get_fingerprint()
        elif kind == "signature":
            public = asyncssh.read_public_key(arguments.folder / "public.openssh")
            found = public.verify(b"data", path.read_bytes())
        elif path.name == "data.sig":
            line = "me " + (arguments.folder / "public.openssh").read_text()
            signers = asyncssh.import_allowed_signers(line)
            found = asyncssh.validate_sshsig(b"data", path.read_bytes(), "me", signers)
        print(path.name, found)


def client(arguments):
    return asyncssh_roles.client(
        "127.0.0.1",
        arguments.port,
        username="me",
        known_hosts=str(arguments.folder / "known_hosts"),
        client_keys=[str(arguments.folder / "user")],
        signature_algs=[arguments.signature],
    )


def server(arguments):
    return asyncssh_roles.server(
        arguments.port,
        server_host_keys=[str(arguments.folder / "host")],
        authorized_client_keys=str(arguments.folder / "authorized_keys"),
        signature_algs=[arguments.signature],
    )


settings = parse()
if settings.role in ("make", "read"):
    sys.exit((make if settings.role == "make" else read)(settings))
sys.exit(asyncio.run(client(settings) if settings.role == "client" else server(settings)))
