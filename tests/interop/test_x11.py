"""X11 forwarding with a real X server and real X clients, at OpenSSH and with it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.interop.own_client import connect
from tests.interop.peers.availability import program, python_with
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, run
from tests.interop.peers.python_peers import SCRIPTS

#: What asks the X server about itself, in the name of the display that it was reached by.
ASK = "xdpyinfo"
VENDOR = "The X.Org Foundation"


@dataclass(frozen=True)
class XServer:
    """An X server that only lets in who has the cookie."""

    display: str
    auth_path: str


@pytest.fixture(scope="module")
def x_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XServer]:
    """Xvfb."""
    program("xdpyinfo")
    xauth, xvfb = program("xauth"), program("Xvfb")
    folder = tmp_path_factory.mktemp("xvfb")
    auth_path = str(folder / "auth")
    read, write = os.pipe()
    cookie = os.urandom(16).hex()
    # The number is not known before the server has started: the file is for all of them.
    words = [xauth, "-q", "-f", auth_path, "add", ":0", ".", cookie]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    # Without -noreset it starts anew behind its last client, and loses who connects just then.
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(write), "-auth", auth_path, "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(write)
        with os.fdopen(read) as file:
            number = file.readline().strip()
        assert number, "Xvfb did not start"
        words[5] = f":{number}"
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        environ = {**os.environ, "XAUTHORITY": auth_path, "DISPLAY": f":{number}"}
        for _ in range(100):
            if subprocess.run(["xdpyinfo"], env=environ, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        yield XServer(f":{number}", auth_path)
    finally:
        server.terminate()
        server.wait()


def local_environment(folder: Path, x_server: XServer) -> dict[str, str]:
    """Of a client program that has the display."""
    return clean_environment(folder, DISPLAY=x_server.display, XAUTHORITY=x_server.auth_path)


# --- Our client ------------------------------------------------------------------------------


def connection(credentials: Credentials, server: Any, x_server: XServer, **options: Any) -> Any:
    """A connection of our client."""
    return connect(
        server,
        credentials,
        **{"x11_display": x_server.display, "x11_auth_path": x_server.auth_path, **options},
    )


async def test_our_client_at_sshd(
    credentials: Credentials, tmp_path: Path, x_server: XServer
) -> None:
    options = {"X11Forwarding": "yes", "XAuthLocation": program("xauth")}
    with sshd(credentials, tmp_path, options) as server:
        async with connection(credentials, server, x_server, x11_forwarding=True) as conn:
            done = await conn.run(f"{ASK}; echo $DISPLAY")
            assert VENDOR in done.stdout, done.stderr
            assert done.stdout.strip().endswith(".0")
            # Several at once, and one behind the other.
            several = await conn.run(f"for n in 1 2 3; do {ASK} & done; wait; {ASK}")
            assert several.stdout.count(VENDOR) == 4, several.stderr
            # With the cookie that the session got, and with no other.
            wrong = "xauth -q -f other add $DISPLAY . 00112233445566778899aabbccddeeff"
            refused = await conn.run(f"cd {tmp_path}; {wrong}; XAUTHORITY=other {ASK}")
            assert refused.exit_status == 1
            assert "Wrong authorization" in refused.stderr
            shown = await conn.run("xauth list $DISPLAY")
            real = subprocess.run(
                [program("xauth"), "-f", x_server.auth_path, "list"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()[2]
            assert len(shown.stdout.split()[2]) == len(real)
            assert real not in shown.stdout
            none = await conn.run(f"{ASK}", x11_forwarding=False)
            assert none.exit_status == 1
            single = await conn.run(f"{ASK}; {ASK}", x11_single_connection=True)
            assert single.stdout.count(VENDOR) == 1


async def test_our_client_at_sshd_that_forbids_it(
    credentials: Credentials, tmp_path: Path, x_server: XServer
) -> None:
    with sshd(credentials, tmp_path, {"X11Forwarding": "no"}) as server:
        async with connection(credentials, server, x_server) as conn:
            with pytest.raises(ssh_meta.ChannelOpenError) as caught:
                await conn.run("true", x11_forwarding=True)
            assert caught.value.code == ssh_meta.OPEN_REQUEST_X11_FORWARDING_FAILED
            assert (await conn.run("exit 6", x11_forwarding="ignore_failure")).exit_status == 6


async def test_our_client_with_the_environment(
    credentials: Credentials, tmp_path: Path, x_server: XServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", x_server.display)
    monkeypatch.setenv("XAUTHORITY", x_server.auth_path)
    async with (
        our_server(credentials, tmp_path) as acceptor,
        ssh_meta.connect(
            HOST,
            acceptor.get_port(),
            username=credentials.user,
            known_hosts=str(credentials.known_hosts(acceptor.get_port())),
            client_keys=[str(credentials.user_key)],
            agent_path=None,
            x11_forwarding=True,
        ) as conn,
    ):
        assert VENDOR in str((await conn.run(ASK)).stdout)


# --- Our server ------------------------------------------------------------------------------


async def run_command(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Run a command with what the channel says about X11."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **process.env}
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        process.command or "",
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await child.communicate()
    process.stdout.write(output.decode())
    process.stderr.write(errors.decode())
    process.exit(child.returncode or 0)


def our_server(credentials: Credentials, folder: Path, **options: Any) -> Any:
    """A server of ours that forwards X11."""
    return ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=options.pop("keys", str(credentials.authorized_keys)),
        process_factory=run_command,
        x11_auth_path=folder / "server-auth",
        **{"x11_forwarding": True, **options},
    )


def ssh_words(credentials: Credentials, port: int, *options: str) -> list[str]:
    """Of the ssh program."""
    words = [program("ssh"), "-F", "none", *options, "-p", str(port)]
    words += ["-o", f"UserKnownHostsFile={credentials.known_hosts(port)}", "-o", "BatchMode=yes"]
    words += ["-o", f"IdentityFile={credentials.user_key}", "-o", "IdentitiesOnly=yes"]
    return [*words, "-o", f"XAuthLocation={program('xauth')}", f"{credentials.user}@{HOST}"]


@pytest.mark.parametrize("option", ["-Y", "-X"])
async def test_openssh_at_our_server(
    credentials: Credentials, tmp_path: Path, x_server: XServer, option: str
) -> None:
    async with our_server(credentials, tmp_path) as acceptor:
        words = ssh_words(credentials, acceptor.get_port(), option)
        environ = local_environment(tmp_path, x_server)
        done = await run([*words, f"{ASK}; echo $DISPLAY; xauth list"], environ)
        assert VENDOR in done.stdout.decode(), done.text
        lines = done.stdout.decode().strip().split("\n")
        assert lines[-2].startswith("localhost:1")
        assert "MIT-MAGIC-COOKIE-1" in lines[-1]
        without = await run([word for word in [*words, ASK] if word != option], environ)
        assert without.status == 1


@pytest.mark.parametrize(
    "how", [{"x11_forwarding": False}, {"keys": "no-X11-forwarding "}], ids=["option", "key"]
)
async def test_openssh_is_told_that_it_may_not(
    credentials: Credentials, tmp_path: Path, x_server: XServer, how: Mapping[str, Any]
) -> None:
    options = dict(how)
    if "keys" in options:
        restricted = tmp_path / "authorized_keys"
        restricted.write_text(options["keys"] + credentials.authorized_keys.read_text())
        options["keys"] = str(restricted)
    async with our_server(credentials, tmp_path, **options) as acceptor:
        words = ssh_words(credentials, acceptor.get_port(), "-Y")
        done = await run([*words, "echo $DISPLAY"], local_environment(tmp_path, x_server))
    assert done.stdout == b"\n", done.text
    assert b"X11 forwarding request failed" in done.stderr
    assert not (tmp_path / "server-auth").exists()


# --- AsyncSSH --------------------------------------------------------------------------------


async def test_asyncssh_at_our_server(
    credentials: Credentials, tmp_path: Path, x_server: XServer
) -> None:
    async with our_server(credentials, tmp_path) as acceptor:
        port = acceptor.get_port()
        argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_x11.py"), str(port)]
        argv += [credentials.user, str(credentials.user_key), str(credentials.known_hosts(port))]
        done = await run(
            [*argv, x_server.display, x_server.auth_path, ASK], clean_environment(tmp_path)
        )
    assert VENDOR in done.stdout.decode(), done.text
