"""Host-based authentication with AsyncSSH, in either role. Runs in the environment of the peers."""

import argparse
import asyncio
import sys

import asyncssh_roles


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("--port", type=int, required=True)
    # Of a client: the key of its host. Of a server: its own.
    parser.add_argument("--host-key", required=True)
    # Of a client: about the server. Of a server: about client hosts.
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("--user", default="user")
    parser.add_argument("--client-host")
    parser.add_argument("--client-user")
    return parser.parse_args()


def client(arguments):
    return asyncssh_roles.client(
        "127.0.0.1",
        arguments.port,
        username=arguments.user,
        known_hosts=arguments.known_hosts,
        client_host_keys=[arguments.host_key],
        client_host=arguments.client_host,
        client_username=arguments.client_user,
        client_keys=None,
        preferred_auth="hostbased",
    )


def server(arguments):
    return asyncssh_roles.server(
        arguments.port,
        server_host_keys=[arguments.host_key],
        known_client_hosts=arguments.known_hosts,
        trust_client_host=True,
    )


settings = parse()
sys.exit(asyncio.run(client(settings) if settings.role == "client" else server(settings)))
