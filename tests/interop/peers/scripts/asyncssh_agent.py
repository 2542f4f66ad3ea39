"""A forwarded agent with AsyncSSH, in either role. Runs in the environment of the peers."""

import argparse
import asyncio
import sys

import asyncssh


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key")
    parser.add_argument("--known-hosts")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--agent")
    return parser.parse_args()


async def client(arguments):
    async with asyncssh.connect(
        "127.0.0.1",
        arguments.port,
        username=arguments.user,
        password=arguments.password,
        known_hosts=arguments.known_hosts,
        client_keys=None,
        agent_path=arguments.agent,
        agent_forwarding=True,
        preferred_auth="password",
        config=[],
    ) as conn:
        done = await conn.run("ssh-add -L")
        sys.stdout.write(done.stdout)
        return done.exit_status


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False


async def list_keys(process):
    """Say what the agent of the client has, with AsyncSSH's agent client and with ssh-add."""
    async with asyncssh.connect_agent(process.get_extra_info("connection")) as agent:
        for key in await agent.get_keys():
            process.stdout.write(f"{key.get_comment()}\n")
    child = await asyncio.create_subprocess_exec(
        "ssh-add",
        "-L",
        env={"SSH_AUTH_SOCK": process.channel.get_agent_path()},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await child.communicate()
    process.stdout.write(output.decode())
    process.exit(child.returncode)


async def server(arguments):
    await asyncssh.listen(
        "127.0.0.1",
        arguments.port,
        server_factory=Server,
        server_host_keys=[arguments.host_key],
        agent_forwarding=True,
        process_factory=list_keys,
        config=[],
    )
    await asyncio.Event().wait()


settings = parse()
sys.exit(asyncio.run(client(settings) if settings.role == "client" else server(settings)))
