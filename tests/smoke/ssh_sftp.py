"""Run with nothing but the wheel of ssh-sftp installed; it has no dependency."""

import asyncio
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import ssh_sftp
from ssh_sftp.subprocess import connect_subprocess

assert "site-packages" in ssh_sftp.__file__, ssh_sftp.__file__
assert find_spec("ssh_keys") is None
assert find_spec("cryptography") is None


async def main() -> None:
    """Copy a file to a server behind pipes, and back."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root").mkdir()
        (folder / "source").write_bytes(bytes(range(256)) * 1000)
        server = [sys.executable, "-I", "-m", "ssh_sftp.stdio", "--chroot", str(folder / "root")]
        async with await connect_subprocess(server) as sftp:
            await sftp.put(str(folder / "source"), "/copy")
            assert set(await sftp.listdir("/")) - {".", ".."} == {"copy"}
            await sftp.get("/copy", str(folder / "back"))
            try:
                await sftp.stat("/none")
                raise SystemExit("stat of nothing")
            except ssh_sftp.SFTPNoSuchFile:
                pass
        assert (folder / "back").read_bytes() == (folder / "source").read_bytes()


asyncio.run(main())
print("ssh-sftp", ssh_sftp.__version__)
