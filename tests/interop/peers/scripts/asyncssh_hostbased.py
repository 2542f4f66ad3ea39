"""Host-based authentication with AsyncSSH, in either role. Runs in the environment of the peers."""

import argparse
import asyncio
import sys

import asyncssh


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


async def client(arguments):
    try:
        async with asyncssh.connect(
            "127.0.0.1",
            arguments.port,
            username=arguments.user,
            known_hosts=arguments.known_hosts,
            client_host_keys=[arguments.host_key],
            client_host=arguments.client_host,
            client_username=arguments.client_user,
            client_keys=None,
            agent_path=None,
            preferred_auth="hostbased",
            config=[],
        ) as conn:
            done = await conn.run("echo in")
            sys.stdout.write(done.stdout)
            return done.exit_status
    except (asyncssh.Error, OSError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 255


async def server(arguments):
    await asyncssh.listen(
        "127.0.0.1",
        arguments.port,
        server_host_keys=[arguments.host_key],
        known_client_hosts=arguments.known_hosts,
        trust_client_host=True,
        process_factory=lambda process: process.exit(6),
        config=[],
    )
    await asyncio.Event().wait()


settings = parse()
sys.exit(asyncio.run(client(settings) if settings.role == "client" else server(settings)))
