"""Copy files through SFTP, and look at the folder of the server."""

import asyncio
import sys
from pathlib import Path

import ssh_meta


async def main(port: int) -> None:
    """Copy a file up and down again."""
    Path("letter.txt").write_text("Dear Ada,\n")
    async with (
        ssh_meta.connect(
            "127.0.0.1",
            port,
            username="guest",
            client_keys=["user_key"],
            known_hosts="known_hosts",
        ) as conn,
        conn.start_sftp_client() as sftp,
    ):
        await sftp.mkdir("letters")
        await sftp.put("letter.txt", "letters/to-ada.txt")
        print([name for name in await sftp.listdir("letters") if name not in (".", "..")])
        attributes = await sftp.stat("letters/to-ada.txt")
        print(attributes.size, "bytes")

        async with sftp.open("letters/to-ada.txt") as file:
            print((await file.read()).rstrip())

        await sftp.remove("letters/to-ada.txt")
        await sftp.rmdir("letters")
        try:
            await sftp.stat("letters")
        except ssh_meta.SFTPNoSuchFile:
            print("gone")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
