"""A server made with AsyncSSH, for the interop tests. Runs in the environment of the peers."""

import argparse
import asyncio
import subprocess

import asyncssh


class Server(asyncssh.SSHServer):
    """Lets one user in, by key or by password."""

    def __init__(self, arguments):
        self.arguments = arguments

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return username == self.arguments.user and password == self.arguments.password


async def pump(reader, writer):
    """Move bytes until the end."""
    while data := await reader.read(1 << 17):
        writer.write(data)
        await writer.drain()


async def feed(process, child):
    """Move standard input, and its end."""
    try:
        await pump(process.stdin, child.stdin)
    except (BrokenPipeError, ConnectionResetError):
        pass
    child.stdin.close()


async def handle(process):
    """Run the command that the client asked for, in a shell."""
    # Not redirect(): its reader fails now and then when writing pauses, and it closes the channel
    # for stderr at the end of stdout.
    child = await asyncio.create_subprocess_shell(
        process.command or "cat",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    feeding = asyncio.create_task(feed(process, child))
    await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
    feeding.cancel()
    process.exit(await child.wait())


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key", required=True)
    parser.add_argument("--authorized-keys", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--kex", default="")
    parser.add_argument("--cipher", default="")
    parser.add_argument("--mac", default="")
    parser.add_argument("--compression", default="")
    arguments = parser.parse_args()
    # The names that are offered; AsyncSSH's own choice where none is given.
    wanted = {
        "kex_algs": arguments.kex,
        "encryption_algs": arguments.cipher,
        "mac_algs": arguments.mac,
        "compression_algs": arguments.compression,
    }
    await asyncssh.listen(
        "127.0.0.1",
        arguments.port,
        server_factory=lambda: Server(arguments),
        server_host_keys=[arguments.host_key],
        authorized_client_keys=arguments.authorized_keys,
        process_factory=handle,
        sftp_factory=True,
        encoding=None,
        config=[],
        **{option: names.split(",") for option, names in wanted.items() if names},
    )
    await asyncio.Event().wait()


asyncio.run(main())
