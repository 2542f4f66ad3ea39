"""An AsyncSSH server where a password has to be changed. Runs in the environment of the peers."""

import argparse
import asyncio

import asyncssh

#: Set when the password was changed: it outlives a connection.
CHANGED = set()


class Server(asyncssh.SSHServer):
    """Takes the old password for nothing but a new one."""

    def __init__(self, arguments):
        self.arguments = arguments

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        if username in CHANGED:
            return password == self.arguments.new
        if password == self.arguments.old:
            raise asyncssh.PasswordChangeRequired("Your password has expired")
        return False

    def change_password(self, username, old_password, new_password):
        if old_password != self.arguments.old:
            return False
        if new_password != self.arguments.new:
            raise asyncssh.PasswordChangeRequired("Too weak")
        CHANGED.add(username)
        return True


def handle(process):
    """Say who is in."""
    process.stdout.write(f"hello {process.get_extra_info('username')}")
    process.exit(0)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key", required=True)
    parser.add_argument("--old", required=True)
    parser.add_argument("--new", required=True)
    arguments = parser.parse_args()
    await asyncssh.listen(
        "127.0.0.1",
        arguments.port,
        server_factory=lambda: Server(arguments),
        server_host_keys=[arguments.host_key],
        process_factory=handle,
        config=[],
    )
    await asyncio.Event().wait()


asyncio.run(main())
