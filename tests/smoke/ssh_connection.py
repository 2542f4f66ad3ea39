"""Run with nothing but the wheel of ssh-connection and its dependencies installed."""

import asyncio

import ssh_connection
from ssh_keys import generate_private_key, import_authorized_keys, import_known_hosts

assert "site-packages" in ssh_connection.__file__, ssh_connection.__file__

host_key = generate_private_key("ssh-ed25519")
user_key = generate_private_key("ssh-ed25519")


async def echo(process: ssh_connection.SSHServerProcess[str]) -> None:
    """Give back what comes in."""
    process.stdout.write(await process.stdin.read())
    process.exit(7)


async def main() -> None:
    """Serve one command and run it."""
    server = await ssh_connection.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=import_authorized_keys(user_key.export_public_key().decode()),
        process_factory=echo,
    )
    port = server.get_port()
    line = f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}"
    async with await ssh_connection.connect(
        "127.0.0.1",
        port,
        username="guest",
        client_keys=[user_key],
        known_hosts=import_known_hosts(line),
    ) as conn:
        done = await conn.run("echo", input="hello")
        assert (done.exit_status, done.stdout) == (7, "hello"), done
    server.close()
    await server.wait_closed()


asyncio.run(main())
print("ssh-connection", ssh_connection.__version__)
