"""See SSH work: a command, a large file up and down, a port forward, and what it all took.

    hatch run demo                      our client against our server, which it starts on loopback
    hatch run demo USER@HOST            the client half against a real server
    hatch run demo --help               the options

The exit status is 0 when all of it worked, and 1 with one line that says what did not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import hashlib
import os
import secrets
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import ssh_meta
from ssh_connection.tunnel import parse_destination

HOST = "127.0.0.1"
MIB = 1 << 20
CHUNK = 1 << 17
DEFAULT_PORT = 22

#: What is run at the server: slow enough to see that its output streams.
COMMAND = 'for word in one two three; do echo "line $word"; sleep 0.2; done; uname -sr'


class DemoError(Exception):
    """Something that was shown did not come out right."""


@dataclass(slots=True)
class Destination:
    """Where to connect, and as whom."""

    host: str
    port: int
    user: str
    options: ssh_meta.SSHClientConnectionOptions
    #: A web page that only the server can reach, as host and port; None when there is no such page.
    page: tuple[str, int] | None = None
    #: The folder for the file at the server.
    folder: str = "."


# The server half. It runs in a process of its own, so that the speeds are those of two ends.


class _Server(ssh_meta.SSHServer):
    """Lets in whoever has the generated key, and lets them forward ports."""

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True


async def _execute(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """Run a command of the client in a shell."""
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "true", stdin=PIPE, stdout=PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    while data := await child.stdout.read(CHUNK):
        process.stdout.write(data)
        await process.stdout.drain()
    process.exit(await child.wait())


async def _page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer any request with a page."""
    await reader.readuntil(b"\r\n\r\n")
    body = b"hello through the forwarded port\n"
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


async def serve(folder: Path) -> None:
    """Serve on loopback with the keys in a folder until standard input ends."""
    root = folder / "files"
    root.mkdir()

    def files(channel: ssh_meta.SSHServerChannel[bytes]) -> ssh_meta.SFTPServer:
        return ssh_meta.SFTPServer(channel, chroot=str(root).encode())

    page = await asyncio.start_server(_page, HOST, 0)
    acceptor = await ssh_meta.listen(
        HOST,
        0,
        server_factory=_Server,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=_execute,
        sftp_factory=files,
        encoding=None,
    )
    print(acceptor.get_port(), page.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    acceptor.close()
    page.close()


def generate_keys(folder: Path) -> None:
    """Write a host key, a key of the user, and an authorized_keys file."""
    for name in ("host", "user"):
        ssh_meta.generate_private_key("ssh-ed25519", comment=name).write_private_key(
            str(folder / name)
        )
    user = ssh_meta.read_private_key(str(folder / "user"))
    (folder / "authorized_keys").write_bytes(user.export_public_key())


@contextlib.asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[Destination]:
    """Run our server in another process until the block ends."""
    generate_keys(folder)
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", str(folder), stdin=PIPE, stdout=PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), 20)
        if not line:
            raise DemoError("the server did not start")
        port, page = map(int, line.split())
        host_key = ssh_meta.read_private_key(str(folder / "host")).export_public_key().decode()
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(f"[{HOST}]:{port} {host_key}")
        options = ssh_meta.SSHClientConnectionOptions(
            known_hosts=str(known_hosts), client_keys=[str(folder / "user")], agent_path=None
        )
        yield Destination(HOST, port, getpass.getuser(), options, (HOST, page), "/")
    finally:
        child.stdin.close()
        await child.wait()


# The client half.


class Progress:
    """A progress bar on the terminal, or one line at the end where there is none."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.perf_counter()
        self._shown = 0.0
        self._tty = sys.stdout.isatty()

    def __call__(self, source: object, destination: object, done: int, total: int) -> None:
        """Show how much was copied; this is the progress handler of the SFTP client."""
        now = time.perf_counter()
        if not self._tty or (now - self._shown < 0.05 and done < total):
            return
        self._shown = now
        filled = 30 * done // total if total else 30
        bar = "#" * filled + "." * (30 - filled)
        speed = done / max(now - self._started, 1e-6) / 1e6
        print(
            f"\r  {self._title} [{bar}] {done >> 20:>5} MiB {speed:7.0f} MB/s", end="", flush=True
        )

    def finish(self, size: int) -> None:
        """Print the speed of the whole copy."""
        seconds = time.perf_counter() - self._started
        start = "\r\033[K" if self._tty else ""
        print(
            f"{start}  {self._title}: {size / MIB:.0f} MiB in {seconds:.2f} s, "
            f"{size / seconds / 1e6:.0f} MB/s"
        )


async def run_command(conn: ssh_meta.SSHClientConnection) -> None:
    """Run a command and print each line when it comes."""
    print("command")
    started = time.perf_counter()
    async with conn.create_process(COMMAND) as process:
        async for line in process.stdout:
            print(f"  {time.perf_counter() - started:5.2f} s  {line.rstrip()}")
        done = await process.wait()
    if done.exit_status != 0:
        raise DemoError(f"the command ended with status {done.exit_status}")


async def copy_file(conn: ssh_meta.SSHClientConnection, folder: str, size: int) -> None:
    """Copy a file up and down and compare."""
    print("SFTP")
    remote = f"{folder.rstrip('/')}/ssh-meta-demo-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="ssh-meta-demo-") as name:
        source, back = Path(name) / "source", Path(name) / "back"
        block = os.urandom(MIB)
        with source.open("wb") as file:
            for _ in range(size // MIB):
                file.write(block)
        async with conn.start_sftp_client() as sftp:
            try:
                up = Progress("up")
                await sftp.put(str(source), remote, progress_handler=up)
                up.finish(size)
                down = Progress("down")
                await sftp.get(remote, str(back), progress_handler=down)
                down.finish(size)
            finally:
                with contextlib.suppress(ssh_meta.SFTPError):
                    await sftp.remove(remote)
        sums = [_sha256(path) for path in (source, back)]
    print(f"  SHA-256 {sums[0][:16]}... {'equal' if sums[0] == sums[1] else 'DIFFERENT'}")
    if sums[0] != sums[1]:
        raise DemoError("the file came back different")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def forward_port(conn: ssh_meta.SSHClientConnection, destination: Destination) -> None:
    """Fetch something through a forwarded port: a page, or the greeting of the server itself."""
    print("port forward")
    target = destination.page or ("localhost", destination.port)
    listener = await conn.forward_local_port(HOST, 0, *target)
    try:
        reader, writer = await asyncio.open_connection(HOST, listener.get_port())
        if destination.page:
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = (await asyncio.wait_for(reader.read(), 20)).rpartition(b"\r\n")[2]
        else:
            answer = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
    finally:
        listener.close()
        await listener.wait_closed()
    print(f"  {HOST}:{listener.get_port()} -> {target[0]}:{target[1]}: {answer.decode().strip()!r}")
    if not answer:
        raise DemoError("nothing came through the forwarded port")


def show_negotiated(conn: ssh_meta.SSHClientConnection) -> None:
    """Print what both sides agreed on."""
    print("negotiated")
    key = conn.get_server_host_key()
    facts = {
        "server": conn.get_extra_info("server_version"),
        "host key": f"{key.get_algorithm()} {key.get_fingerprint()}" if key else "?",
        "key exchange": conn.get_extra_info("kex"),
        "cipher": conn.get_extra_info("send_cipher"),
        "MAC": conn.get_extra_info("send_mac"),
        "compression": conn.get_extra_info("send_compression"),
    }
    for name, value in facts.items():
        if value:
            print(f"  {name:<13}{value}")


async def show(destination: Destination, size: int) -> None:
    """Connect and show everything."""
    started = time.perf_counter()
    async with ssh_meta.connect(
        destination.host, destination.port, username=destination.user, options=destination.options
    ) as conn:
        seconds = time.perf_counter() - started
        print(
            f"connected to {destination.user}@{destination.host}:{destination.port} "
            f"in {seconds * 1e3:.0f} ms"
        )
        show_negotiated(conn)
        await run_command(conn)
        await copy_file(conn, destination.folder, size)
        await forward_port(conn, destination)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="hatch run demo", description="See SSH work.")
    parser.add_argument(
        "destination",
        nargs="?",
        type=parse_destination,
        help="[USER@]HOST[:PORT] of a real server; an IPv6 address with a port in brackets",
    )
    parser.add_argument("-i", "--identity", action="append", help="a private key to log in with")
    parser.add_argument("--known-hosts", help="a known_hosts file instead of your own")
    parser.add_argument("--ask-password", action="store_true", help="log in with a password")
    parser.add_argument("--password-file", type=Path, help="the same, read from a file")
    parser.add_argument("--size", type=int, default=256, help="MiB to copy, default 256")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def real_server(chosen: argparse.Namespace) -> Destination:
    """The destination that the command line names."""
    user, host, port = chosen.destination
    password = None
    if chosen.password_file:
        password = chosen.password_file.read_text().rstrip("\n")
    elif chosen.ask_password:
        password = getpass.getpass()
    options = ssh_meta.SSHClientConnectionOptions(
        known_hosts=chosen.known_hosts or (),
        client_keys=None if password is not None else chosen.identity or (),
        password=password,
    )
    return Destination(host, port or DEFAULT_PORT, user or getpass.getuser(), options)


async def demo(chosen: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    size = chosen.size * MIB
    if chosen.destination:
        await show(real_server(chosen), size)
        return
    with tempfile.TemporaryDirectory(prefix="ssh-meta-demo-") as name:
        async with own_server(Path(name)) as destination:
            await show(destination, size)


def no_connection(exc: OSError, place: str) -> str:
    """What an error of the system is about: a file, or the network."""
    # Those of the resolver have negative numbers and a text of their own.
    known = exc.errno is not None and exc.errno > 0
    reason = os.strerror(exc.errno or 0) if known else exc.strerror or str(exc)
    if exc.filename is not None:
        return f"cannot read {exc.filename!r}: {reason}"
    return f"no connection{place}: {reason}"


def explain(exc: BaseException, place: str) -> str:
    """One line for the user instead of a traceback."""
    known: list[tuple[type[BaseException], Callable[[BaseException], str]]] = [
        (ssh_meta.PermissionDenied, lambda exc: f"the server refused the login: {exc}"),
        (ssh_meta.HostKeyNotVerifiable, lambda exc: f"the host key is not trusted: {exc}"),
        (ssh_meta.Error, lambda exc: f"SSH failed: {exc}"),
    ]
    for kind, text in known:
        if isinstance(exc, kind):
            return text(exc)
    if isinstance(exc, OSError):
        return no_connection(exc, place)
    return str(exc)


def main(arguments: list[str]) -> int:
    """Run the demo and return its exit status."""
    chosen = parse(arguments)
    try:
        if chosen.serve:
            asyncio.run(serve(chosen.serve))
        else:
            asyncio.run(demo(chosen))
            print("all of it worked")
    except (DemoError, ssh_meta.Error, OSError, ValueError) as exc:
        _, host, port = chosen.destination or (None, HOST, None)
        place = f" to {host} port {port or DEFAULT_PORT}" if chosen.destination else ""
        print(f"demo: {explain(exc, place)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
