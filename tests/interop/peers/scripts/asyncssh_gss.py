"""AsyncSSH with GSS-API, as client or server. Runs in the environment of the peers."""

import argparse
import asyncio
import sys

import asyncssh


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--user", default="")
    parser.add_argument("--host-key")
    parser.add_argument("--kex", default="")
    parser.add_argument("--auth", default="gssapi-keyex,gssapi-with-mic")
    parser.add_argument("--no-kex", action="store_true")
    parser.add_argument("--delegate", action="store_true")
    parser.add_argument("--rekey-bytes", type=int, default=1 << 30)
    return parser.parse_args()


def greet(process):
    process.stdout.write(f"hello {process.get_extra_info('username')}\n")
    process.exit(0)


async def serve(arguments):
    await asyncssh.listen(
        "127.0.0.1",
        arguments.port,
        server_host_keys=[arguments.host_key] if arguments.host_key else [],
        gss_host=arguments.host,
        gss_kex=not arguments.no_kex,
        kex_algs=arguments.kex or (),
        process_factory=greet,
    )
    await asyncio.Event().wait()


async def connect(arguments):
    async with asyncssh.connect(
        "127.0.0.1",
        arguments.port,
        username=arguments.user,
        # Nothing is known: the key exchange proves who the server is.
        known_hosts=None if arguments.no_kex else b"",
        client_keys=None,
        gss_host=arguments.host,
        gss_kex=not arguments.no_kex,
        gss_delegate_creds=arguments.delegate,
        kex_algs=arguments.kex or (),
        preferred_auth=arguments.auth,
        rekey_bytes=arguments.rekey_bytes,
    ) as conn:
        for _ in range(3):
            done = await conn.run("whoever " + "x" * 1000)
            sys.stdout.write(done.stdout)


async def main():
    arguments = parse()
    await (serve(arguments) if arguments.role == "server" else connect(arguments))


asyncio.run(main())
