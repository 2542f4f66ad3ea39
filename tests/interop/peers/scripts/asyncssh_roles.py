"""AsyncSSH as a client that runs one command, and as a server. Beside the scripts that use it."""

import asyncio
import sys

import asyncssh


async def client(host, port, **options):
    """Connect and run a command; return its exit status, 255 if it does not come to that."""
    try:
        async with asyncssh.connect(host, port, agent_path=None, config=[], **options) as conn:
            done = await conn.run("echo in")
            sys.stdout.write(done.stdout)
            return done.exit_status
    except (asyncssh.Error, OSError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 255


async def server(port, **options):
    """Serve until somebody ends the process; every command exits with 6."""
    await asyncssh.listen(
        "127.0.0.1",
        port,
        process_factory=lambda process: process.exit(6),
        config=[],
        **options,
    )
    await asyncio.Event().wait()
