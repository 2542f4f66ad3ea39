"""Reach a port of the server's machine through a port of this one."""

import asyncio
import sys

import ssh_meta


async def main(port: int) -> None:
    """Forward a port to the server's own SSH port, and read the first line of what it says."""
    async with ssh_meta.connect(
        "127.0.0.1",
        port,
        username="guest",
        client_keys=["user_key"],
        known_hosts="known_hosts",
    ) as conn:
        listener = await conn.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        line = await reader.readline()
        print(line.decode().startswith("SSH-2.0-"))
        writer.close()
        listener.close()
        await listener.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
