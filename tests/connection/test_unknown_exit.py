"""A process whose channel is closed without an exit status: nobody knows how it ended."""

from __future__ import annotations

import pytest

from ssh_connection import ProcessError, SSHServerProcess
from tests.connection.loopback import client, serving


async def serve(process: SSHServerProcess[str]) -> None:
    """Write something and close the channel, with or without a status, as it is asked for."""
    process.stdout.write("done")
    if process.command == "status":
        process.exit(0)
    else:
        process.close()


async def test_a_missing_exit_status_is_no_success() -> None:
    """RFC 4254 section 6.10: the server may leave it out; ssh(1) exits with 255 then."""
    async with (
        serving(process_factory=serve) as server,
        await client(server, password="secret") as conn,
    ):
        assert (await conn.run("status", check=True)).exit_status == 0
        with pytest.raises(ProcessError, match="without an exit status") as caught:
            await conn.run("nothing", check=True)
        assert (caught.value.exit_status, caught.value.stdout) == (None, "done")
        # Whoever does not ask for a check, finds out about it as before.
        done = await conn.run("nothing")
        assert (done.exit_status, done.returncode, done.stdout) == (None, None, "done")
