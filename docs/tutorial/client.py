"""Run commands: one with its result as a whole, one with input and output while it runs."""

import asyncio
import sys

import ssh_meta


async def main(port: int) -> None:
    """Connect, run two commands, and close the connection."""
    async with ssh_meta.connect(
        "127.0.0.1",
        port,
        username="guest",
        client_keys=["user_key"],
        known_hosts="known_hosts",
    ) as conn:
        # check=True raises ProcessError when the exit status is not zero.
        done = await conn.run("greet Ada Grace", check=True)
        print(done.stdout, end="")

        async with conn.create_process("sort") as process:
            process.stdin.writelines(["pear\n", "apple\n", "fig\n"])
            process.stdin.write_eof()
            async for line in process.stdout:
                print(line, end="")

        done = await conn.run("no such command")
        print("exit status", done.exit_status)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
