"""Ways to OpenSSH: proxies, jumps, tunnels, and the other way round."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

import ssh_meta
from ssh_connection.config.client_options import client_config
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import SSH
from tests.interop.peers.roles import PeerServer, Target


@pytest.fixture
def config(openssh_server: PeerServer, credentials: Credentials, tmp_path: Path) -> Path:
    """A configuration file that knows the server as `bastion`, and as `inner` behind itself."""
    path = tmp_path / "ssh_config"
    port = openssh_server.port
    path.write_text(
        "Host bastion inner proxied\n"
        f"  HostName {HOST}\n  Port {port}\n  User {openssh_server.user}\n"
        f"  IdentityFile {credentials.user_key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {credentials.known_hosts(port)}\n"
        "Host inner\n  ProxyJump bastion\n"
        f"Host proxied\n  ProxyCommand {program('ssh')} -F {path} -W %h:%p bastion\n"
    )
    return path


async def test_configuration_leads_to_sshd(config: Path) -> None:
    for name in ("bastion", "inner", "proxied"):
        async with ssh_meta.connect(name, config=config) as conn:
            done = await conn.run("cat", input="x" * 2_000_000, check=True)
            assert done.stdout == "x" * 2_000_000


async def test_the_same_file_serves_ssh(config: Path, tmp_path: Path) -> None:
    for name in ("bastion", "inner", "proxied"):
        done = await asyncio.create_subprocess_exec(
            program("ssh"), "-F", str(config), name, "echo", name, stdout=subprocess.PIPE
        )
        out, _ = await done.communicate()
        assert out == f"{name}\n".encode()


def test_tokens_are_those_of_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    monkeypatch.setenv("FOLDER", str(folder))
    config = tmp_path / "config"
    tokens = "CdhiklLnpru"
    lines = "".join(f"IdentityFile ${{FOLDER}}/{name}-%{name}-%%\n" for name in tokens)
    config.write_text(f"Hostname %h.example.org\nPort 2222\nUser bob\nProxyCommand false\n{lines}")
    done = subprocess.run(
        [program("ssh"), "-v", "-F", str(config), "short"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    theirs = [
        line.split("identity file ")[1].split(" type ")[0]
        for line in done.stderr.splitlines()
        if "identity file" in line and "-cert" not in line
    ]
    assert len(theirs) == len(tokens)
    for path in theirs:
        if path.startswith(str(folder)) and "/" not in path[len(str(folder)) + 1 :]:
            Path(path).write_text("-----BEGIN")
    options, _ = client_config(str(config), {"host": "short"}, {"client_keys"})
    found = options["client_keys"]
    # The home directory has slashes in it, so its file is nowhere.
    assert found == [path for path in theirs if "/d-/" not in path]
    assert len(found) == len(theirs) - 1


async def test_listening_at_sshd_for_ssh(
    openssh_server: PeerServer, credentials: Credentials, config: Path, tmp_path: Path
) -> None:
    async def echo(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write(f"{process.command}: {await process.stdin.read()}")
        process.exit(3)

    async with ssh_meta.connect("bastion", config=config) as tunnel:
        acceptor = await ssh_meta.listen(
            HOST,
            0,
            tunnel=tunnel,
            server_host_keys=[str(credentials.host_key)],
            authorized_client_keys=str(credentials.authorized_keys),
            process_factory=echo,
        )
        port = acceptor.get_port()
        target = Target(
            port,
            credentials.user,
            credentials.known_hosts(port),
            credentials.host_key,
            credentials.user_key,
        )
        done = await SSH(tmp_path).exec(target, "through sshd", b"data" * 100_000)
        assert (done.status, done.stdout) == (3, b"through sshd: " + b"data" * 100_000)
        acceptor.close()
        await acceptor.wait_closed()
        with pytest.raises(OSError):
            await asyncio.open_connection(HOST, port)


async def test_sshd_connects_to_us(
    openssh_server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    """`sshd -i` serves a socket that somebody else has connected: to a client that waits."""
    ready: asyncio.Queue[ssh_meta.SSHClientConnection] = asyncio.Queue()
    known = f"{HOST} {credentials.host_key.with_suffix('.pub').read_text()}".encode()
    acceptor = await ssh_meta.listen_reverse(
        HOST,
        0,
        username=credentials.user,
        client_keys=[str(credentials.user_key)],
        agent_path=None,
        known_hosts=known,
        acceptor=ready.put_nowait,
    )
    settings = tmp_path / "sshd_config"
    settings.write_text(
        f"HostKey {credentials.host_key}\nAuthorizedKeysFile {credentials.authorized_keys}\n"
        "UsePAM no\nStrictModes no\nPermitRootLogin yes\n"
    )
    dialled = socket.create_connection((HOST, acceptor.get_port()))
    server = subprocess.Popen(
        [program("sshd"), "-i", "-f", str(settings)],
        stdin=dialled.fileno(),
        stdout=dialled.fileno(),
    )
    dialled.close()
    try:
        conn = await asyncio.wait_for(ready.get(), 20)
        assert (await conn.run("echo hello", check=True)).stdout == "hello\n"
        conn.close()
        await conn.wait_closed()
    finally:
        acceptor.close()
        server.terminate()
        server.wait()


async def test_we_connect_to_a_waiting_ssh(credentials: Credentials, tmp_path: Path) -> None:
    """A proxy command that listens makes `ssh` wait for a server."""
    waiting = tmp_path / "wait.py"
    waiting.write_text(
        "import os, socket, sys, threading\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "open(sys.argv[1] + '.new', 'w').write(str(listener.getsockname()[1]))\n"
        "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
        "sock, _ = listener.accept()\n"
        "def back():\n"
        "    while data := sock.recv(65536): os.write(1, data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=back).start()\n"
        "while data := os.read(0, 65536): sock.sendall(data)\n"
        "sock.shutdown(socket.SHUT_WR)\n"
    )
    port_file = tmp_path / "port"
    target = Target(
        22,
        credentials.user,
        credentials.known_hosts(22),
        credentials.host_key,
        credentials.user_key,
    )
    command = {"ProxyCommand": f"python3 {waiting} {port_file}", "HostKeyAlias": f"[{HOST}]:22"}
    client = asyncio.create_task(SSH(tmp_path, options=command).exec(target, "hello"))
    while not port_file.exists():
        await asyncio.sleep(0.05)

    async def answer(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write(f"{process.command} back")
        process.exit(0)

    async with ssh_meta.connect_reverse(
        HOST,
        int(port_file.read_text()),
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=str(credentials.authorized_keys),
        process_factory=answer,
    ):
        done = await client
    assert (done.status, done.stdout) == (0, b"hello back")


async def test_configuration_of_sshd_holds_for_ssh(
    credentials: Credentials, tmp_path: Path
) -> None:
    """The file of a server of ours: what it forces, `ssh` gets."""
    settings = tmp_path / "sshd_config"
    settings.write_text(
        f"HostKey {credentials.host_key}\nAuthorizedKeysFile {credentials.authorized_keys}\n"
        f"StrictModes no\nMatch User {credentials.user}\nForceCommand echo forced\n"
    )

    async def echo(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write(f"{process.command} for {process.env['SSH_ORIGINAL_COMMAND']}")
        process.exit(0)

    async with ssh_meta.listen(
        HOST, 0, config=settings, server_factory=ssh_meta.SSHServer, process_factory=echo
    ) as acceptor:
        port = acceptor.get_port()
        target = Target(
            port,
            credentials.user,
            credentials.known_hosts(port),
            credentials.host_key,
            credentials.user_key,
        )
        done = await SSH(tmp_path).exec(target, "anything")
        assert (done.status, done.stdout) == (0, b"echo forced for anything")
