"""Run with nothing but the wheel of ssh-agent and its dependencies installed."""

import asyncio
import tempfile
from pathlib import Path

import ssh_agent

assert "site-packages" in ssh_agent.__file__, ssh_agent.__file__


async def main() -> None:
    """An agent without keys answers; a path where no agent is raises the documented error."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "agent")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # SSH_AGENTC_REQUEST_IDENTITIES (11) gets SSH_AGENT_IDENTITIES_ANSWER (12), count 0.
            assert await reader.readexactly(5) == b"\0\0\0\x01\x0b"
            writer.write(b"\0\0\0\x05\x0c\0\0\0\0")
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        async with ssh_agent.connect_agent(path) as agent:
            assert list(await agent.get_keys()) == []
        server.close()
        await server.wait_closed()
        try:
            async with ssh_agent.connect_agent(path + "-none"):
                raise SystemExit("connected to nothing")
        except ssh_agent.AgentConnectionError:
            pass


asyncio.run(main())
print("ssh-agent", ssh_agent.__version__)
