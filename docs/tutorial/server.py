"""A server with one user, commands of its own, and files below the present folder."""

import asyncio
import sys
from pathlib import Path

import ssh_meta


class Server(ssh_meta.SSHServer):
    """Decides about one connection."""

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """Let clients reach ports of this machine, and no others."""
        return dest_host == "127.0.0.1"


async def handle(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Answer a command. There is no shell: what is not listed here does not exist."""
    match (process.command or "").split():
        case ["greet", *names]:
            process.stdout.write(f"hello, {' and '.join(names) or 'nobody'}\n")
            process.exit(0)
        case ["sort"]:
            lines = [line async for line in process.stdin]
            process.stdout.writelines(sorted(lines))
            process.exit(0)
        case _:
            process.stderr.write("commands: greet NAME ..., sort\n")
            process.exit(127)


def make_keys(port: int) -> None:
    """Write a host key, a key of the user, and the two files that make them known."""
    for name in ("host_key", "user_key"):
        if not Path(name).exists():
            ssh_meta.generate_private_key("ssh-ed25519").write_private_key(name)
    host_key = ssh_meta.read_private_key("host_key").export_public_key().decode()
    user_key = ssh_meta.read_private_key("user_key").export_public_key().decode()
    Path("known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    Path("authorized_keys").write_text(user_key)


async def main(port: int) -> None:
    """Serve until the program is interrupted."""
    make_keys(port)
    server = await ssh_meta.listen(
        "127.0.0.1",
        port,
        server_factory=Server,
        server_host_keys=["host_key"],
        authorized_client_keys="authorized_keys",
        process_factory=handle,
        sftp_factory=True,
    )
    print(f"listening on port {server.get_port()}", flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
