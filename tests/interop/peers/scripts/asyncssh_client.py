"""A client made with AsyncSSH, for the interop tests. Runs in the environment of the peers."""

import argparse
import asyncio
import sys

import asyncssh


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("--key")
    parser.add_argument("--password")
    parser.add_argument("--rekey-bytes", type=int)
    parser.add_argument("--kex", default="")
    parser.add_argument("--cipher", default="")
    parser.add_argument("--mac", default="")
    parser.add_argument("--compression", default="")
    parser.add_argument("words", nargs="+")
    return parser.parse_args()


async def execute(conn, command):
    """Give the command our standard input, and pass on what it writes."""
    async with conn.create_process(command, encoding=None) as process:

        async def send():
            data = sys.stdin.buffer.read()
            for start in range(0, len(data), 1 << 20):
                process.stdin.write(data[start : start + (1 << 20)])
                await process.stdin.drain()
            process.stdin.write_eof()

        async def receive(reader, output):
            while data := await reader.read(1 << 18):
                output.write(data)
            output.flush()

        await asyncio.gather(
            send(),
            receive(process.stdout, sys.stdout.buffer),
            receive(process.stderr, sys.stderr.buffer),
        )
        await process.wait_closed()
        return process.exit_status if process.exit_status is not None else 254


async def main():
    arguments = parse()
    verb, *words = arguments.words
    # The names that are offered; AsyncSSH's own choice where none is given.
    wanted = {
        "kex_algs": arguments.kex,
        "encryption_algs": arguments.cipher,
        "mac_algs": arguments.mac,
        "compression_algs": arguments.compression,
    }
    try:
        async with asyncssh.connect(
            arguments.host,
            arguments.port,
            username=arguments.user,
            known_hosts=arguments.known_hosts,
            client_keys=[arguments.key] if arguments.key else None,
            password=arguments.password,
            preferred_auth="publickey" if arguments.key else "password",
            rekey_bytes=arguments.rekey_bytes,
            agent_path=None,
            config=[],
            **{option: names.split(",") for option, names in wanted.items() if names},
        ) as conn:
            if verb == "exec":
                return await execute(conn, words[0])
            async with conn.start_sftp_client() as sftp:
                await (sftp.put if verb == "put" else sftp.get)(words[0], words[1])
    except (asyncssh.Error, OSError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 255
    return 0


sys.exit(asyncio.run(main()))
