"""X.509 certificates with AsyncSSH, in either role. Runs in the environment of the peers."""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncssh
import asyncssh_roles


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server", "make"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--type", default="ecdsa-sha2-nistp256")
    # Private key, and the chain of the certificate for it.
    parser.add_argument("--key")
    parser.add_argument("--chain")
    parser.add_argument("--trusted")
    parser.add_argument("--known-hosts")
    parser.add_argument("--authorized-keys")
    parser.add_argument("--user", default="user")
    parser.add_argument("--signature", default="")
    return parser.parse_args()


def make(arguments):
    """Make an authority and what it certifies: NAME.key, NAME.pem."""
    folder = arguments.folder
    root = asyncssh.generate_private_key("ecdsa-sha2-nistp384")
    low = asyncssh.generate_private_key(arguments.type)
    issuer = "O=Peer,CN=Root"
    root.generate_x509_ca_certificate(root, issuer).write_certificate(folder / "ca.pem", "pem")
    # The hash is named because AsyncSSH takes that of the certified key by default (2.24.1).
    between = root.generate_x509_ca_certificate(
        low, "O=Peer,CN=Low", issuer, ca_path_len=0, hash_alg="sha384"
    )
    for name, certify, principal in (
        ("user", low.generate_x509_user_certificate, arguments.user),
        ("host", low.generate_x509_host_certificate, "localhost"),
    ):
        key = asyncssh.generate_private_key(arguments.type)
        key.write_private_key(folder / f"{name}.key")
        subject = f"O=Peer,CN={name}"
        made = certify(key, subject, "O=Peer,CN=Low", principals=[principal], comment="made")
        made.write_certificate(folder / f"{name}.pem", "pem")
        between.append_certificate(folder / f"{name}.pem", "pem")
    return 0


def pairs(arguments):
    """The key with its chain, and nothing without it."""
    chain = asyncssh.read_certificate_list(arguments.chain)
    key = asyncssh.read_private_key(arguments.key)
    return [pair for pair in asyncssh.load_keypairs([(key, chain)]) if pair.has_cert]


def client(arguments):
    chosen = {"signature_algs": arguments.signature} if arguments.signature else {}
    return asyncssh_roles.client(
        "localhost",
        arguments.port,
        username=arguments.user,
        known_hosts=arguments.known_hosts,
        x509_trusted_certs=arguments.trusted,
        client_keys=pairs(arguments),
        **chosen,
    )


def server(arguments):
    return asyncssh_roles.server(
        arguments.port,
        server_host_keys=pairs(arguments),
        authorized_client_keys=arguments.authorized_keys,
        x509_trusted_certs=arguments.trusted,
    )


settings = parse()
if settings.role == "make":
    sys.exit(make(settings))
sys.exit(asyncio.run(client(settings) if settings.role == "client" else server(settings)))
