"""Run with nothing but the wheel of ssh-meta and its dependencies installed."""

import asyncio

import ssh_meta
from ssh_keys import generate_private_key, import_authorized_keys, import_known_hosts

assert "site-packages" in ssh_meta.__file__, ssh_meta.__file__

host_key = generate_private_key("ssh-ed25519")
user_key = generate_private_key("ssh-ed25519")


async def echo(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Give back what comes in."""
    process.stdout.write(await process.stdin.read())
    process.exit(7)


async def main() -> None:
    """Serve one command and run it."""
    server = await ssh_meta.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=import_authorized_keys(user_key.export_public_key().decode()),
        process_factory=echo,
        sftp_factory=True,
    )
    port = server.get_port()
    line = f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}"
    async with ssh_meta.connect(
        "127.0.0.1",
        port,
        username="guest",
        client_keys=[user_key],
        known_hosts=import_known_hosts(line),
    ) as conn:
        done = await conn.run("echo", input="hello")
        assert (done.exit_status, done.stdout) == (7, "hello"), done
        async with conn.start_sftp_client() as sftp:
            assert ".." in await sftp.listdir("/")
    server.close()
    await server.wait_closed()


asyncio.run(main())
print("ssh-meta", ssh_meta.__version__)
