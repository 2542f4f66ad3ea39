"""The line editor as users of OpenSSH meet it: ssh in a terminal of its own, at our server.

tmux is the terminal: what it shows is what a person would see.
"""

from __future__ import annotations

import asyncio
import os
import pty
import shlex
import subprocess
import tempfile
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.process import clean_environment

WAIT = 20


class Shell:
    """A little shell: says what it got."""

    def __init__(self) -> None:
        self.got: list[object] = []
        self.process: ssh_meta.SSHServerProcess[str] | None = None

    async def heard(self, what: object) -> None:
        """Wait until something has come: terminals tell of a new size after a while."""
        for _ in range(WAIT * 10):
            if what in self.got:
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"{what} is not in {self.got}")

    async def __call__(self, process: ssh_meta.SSHServerProcess[str]) -> None:
        """Serve a session."""
        self.process = process
        process.stdout.write("Welcome\n$ ")
        while True:
            try:
                line = await process.stdin.readline()
            except ssh_meta.BreakReceived:
                self.got.append("break")
                process.stdout.write("interrupted\n$ ")
                continue
            except ssh_meta.TerminalSizeChanged as exc:
                self.got.append((exc.width, exc.height))
                continue
            self.got.append(line)
            if not line:
                break
            if line == "password\n":
                assert isinstance(process.channel, ssh_meta.SSHLineEditorChannel)
                process.channel.set_echo(False)
                process.stdout.write("Password: ")
                self.got.append(await process.stdin.readline())
                process.channel.set_echo(True)
            process.stdout.write(f"got {len(line) - 1} characters\n$ ")
        process.stdout.write("bye\n")
        process.exit(7)


@asynccontextmanager
async def serving(credentials: Credentials, shell: Any) -> AsyncIterator[int]:
    """Our server; its port."""
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key)],
        authorized_client_keys=str(credentials.authorized_keys),
        process_factory=shell,
    ) as acceptor:
        yield acceptor.get_port()


def ssh_words(credentials: Credentials, port: int) -> list[str]:
    """The command of a user."""
    words = [program("ssh"), "-F", "none", "-tt", "-e", "none", "-p", str(port)]
    words += ["-o", f"UserKnownHostsFile={credentials.known_hosts(port)}", "-o", "BatchMode=yes"]
    words += ["-o", f"IdentityFile={credentials.user_key}", "-o", "IdentitiesOnly=yes"]
    return [*words, f"{credentials.user}@{HOST}"]


class Tmux:
    """A terminal with ssh in it."""

    def __init__(self, socket: str, words: list[str], columns: int, rows: int) -> None:
        self._start = [program("tmux"), "-S", socket, "-f", "/dev/null"]
        size = ["-x", str(columns), "-y", str(rows)]
        self._run("new-session", "-d", *size, f"{shlex.join(words)}; echo status $?; sleep 60")

    def _run(self, *words: str) -> str:
        environ = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        environ.pop("TMUX", None)
        done = subprocess.run(
            [*self._start, *words], env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    async def type(self, *keys: str) -> None:
        """Press keys, which are given by their names in tmux."""
        await asyncio.to_thread(self._run, "send-keys", *keys)

    async def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        words = ("resize-window", "-x", str(columns), "-y", str(rows))
        await asyncio.to_thread(self._run, *words)

    async def rows(self) -> list[str]:
        """What is on the screen, up to the last row in use."""
        shown = await asyncio.to_thread(self._run, "capture-pane", "-p")
        return [row.rstrip() for row in shown.rstrip("\n").split("\n")]

    async def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor."""
        place = await asyncio.to_thread(
            self._run, "display-message", "-p", "#{cursor_y} #{cursor_x}"
        )
        row, column = place.split()
        return int(row), int(column)

    async def shows(self, rows: list[str], cursor: tuple[int, int] | None = None) -> None:
        """Wait until these rows are the last ones on the screen, and the cursor is there."""
        seen: Any = None
        for _ in range(WAIT * 10):
            seen = await self.rows(), await self.cursor()
            if seen[0][-len(rows) :] == rows and cursor in (None, seen[1]):
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"the terminal shows {seen}, not {rows} with the cursor at {cursor}")

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._start, "kill-server"], capture_output=True, check=False)


@asynccontextmanager
async def terminal(
    credentials: Credentials, shell: Any, columns: int = 40, rows: int = 12
) -> AsyncIterator[Tmux]:
    """A terminal with ssh in it, at our server."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving(credentials, shell) as port:
            words = ssh_words(credentials, port)
            tmux = await asyncio.to_thread(Tmux, f"{folder}/tmux", words, columns, rows)
            try:
                yield tmux
            finally:
                tmux.close()


async def test_editing_in_a_terminal(credentials: Credentials) -> None:
    shell = Shell()
    async with terminal(credentials, shell) as tmux:
        await tmux.shows(["Welcome", "$"], (1, 2))
        await tmux.type("hello wrld")
        await tmux.type("Left", "Left", "Left", "o")
        await tmux.type("Home", "C-Right")
        await tmux.shows(["Welcome", "$ hello world"], (1, 7))
        await tmux.type("C-k", "C-a", "C-y", "Enter")
        await tmux.shows(["$  worldhello", "got 11 characters", "$"])
        await tmux.type("Up", "BSpace", "M-b", "M-u", "Enter")
        await tmux.shows(["$  WORLDHELL", "got 10 characters", "$"])
        await tmux.type("abc", "C-c")
        await tmux.shows(["$ abc^C", "interrupted", "$"])
        await tmux.type("password", "Enter")
        await tmux.shows(["$ password", "Password:"])
        await tmux.type("secret", "Enter")
        await tmux.shows(["Password:", "got 8 characters", "$"])
        await tmux.type("Up")
        await tmux.shows(["Password:", "got 8 characters", "$ password"])
        await tmux.type("C-u", "C-l")
        await tmux.shows(["$"], (0, 2))
        await tmux.type("C-d")
        await tmux.shows(["$ bye", "Connection to 127.0.0.1 closed.", "status 7"])
    assert shell.got == [" worldhello\n", " WORLDHELL\n", "break", "password\n", "secret\n", ""]


async def test_line_over_several_rows_and_windows(credentials: Credentials) -> None:
    shell = Shell()
    async with terminal(credentials, shell, 20, 10) as tmux:
        await tmux.shows(["Welcome", "$"])
        await tmux.type("0123456789" * 4)
        await tmux.shows(["$ 012345678901234567", "89012345678901234567", "89"], (3, 2))
        await tmux.type("Home", "x")
        await tmux.shows(["$ x01234567890123456", "78901234567890123456", "789"], (1, 3))
        # Up to the margin, over it, and back.
        await tmux.type("C-u", "C-k", "0123456789ABCDEFGH")
        await tmux.shows(["Welcome", "$ 0123456789ABCDEFGH"], (2, 0))
        await tmux.type("BSpace")
        await tmux.shows(["Welcome", "$ 0123456789ABCDEFG"], (1, 19))
        await tmux.type("\u4e16\u754c")
        await tmux.shows(["$ 0123456789ABCDEFG", "\u4e16\u754c"], (2, 4))
        await tmux.type("Home", "y")
        await tmux.shows(["$ y0123456789ABCDEFG", "\u4e16\u754c"], (1, 3))
        # Output of the application comes above it.
        assert shell.process is not None
        shell.process.stdout.write("news\n$ ")
        await tmux.shows(["Welcome", "$ news", "$ y0123456789ABCDEFG", "\u4e16\u754c"], (2, 3))
        await tmux.resize(15, 10)
        await shell.heard((15, 10))
        await tmux.shows(["$ y0123456789AB", "CDEFG\u4e16\u754c"])
        await tmux.type("z")
        await tmux.shows(["$ yz0123456789A", "BCDEFG\u4e16\u754c"])
        await tmux.resize(50, 10)
        await shell.heard((50, 10))
        await tmux.shows(["$ news", "$ yz0123456789ABCDEFG\u4e16\u754c"])
        await tmux.type("End", "!")
        await tmux.type("Enter")
        await tmux.shows(["$ yz0123456789ABCDEFG\u4e16\u754c!", "got 22 characters", "$"])
    assert shell.got[-1] == "yz0123456789ABCDEFG\u4e16\u754c!\n"


async def test_line_that_a_smaller_window_moves_to_the_top(credentials: Credentials) -> None:
    """tmux has what was above it in its history then, and brings it back."""
    shell = Shell()
    typed = "0123456789" * 6
    async with terminal(credentials, shell, 40, 8) as tmux:
        await tmux.shows(["Welcome", "$"])
        await tmux.type(typed)
        await tmux.shows(["Welcome", "$ " + typed[:38], typed[38:]])
        await tmux.resize(25, 8)
        await shell.heard((25, 8))
        await tmux.shows(["$ " + typed[:23], typed[23:48], typed[48:]], (2, 12))
        await tmux.resize(50, 8)
        await shell.heard((50, 8))
        await tmux.shows(["Welcome", "$ " + typed[:48], typed[48:]])
        await tmux.type("Home", "x")
        await tmux.shows(["Welcome", "$ x" + typed[:47], typed[47:]], (1, 3))


async def test_keys_without_lines(credentials: Credentials) -> None:
    got: list[str] = []

    async def keys(process: ssh_meta.SSHServerProcess[str]) -> None:
        assert isinstance(process.channel, ssh_meta.SSHLineEditorChannel)
        process.channel.set_line_mode(False)
        process.stdout.write("press q\n")
        while not got or "q" not in got[-1]:
            got.append(await process.stdin.read(100))
        process.exit(0)

    async with terminal(credentials, keys) as tmux:
        await tmux.shows(["press q"])
        await tmux.type("a", "C-c", "Enter", "Up")
        await tmux.type("q")
        await tmux.shows(["press q", "Connection to 127.0.0.1 closed.", "status 0"])
    assert "".join(got) == "a\x03\r\x1b[Aq"


@pytest.mark.parametrize("change", [None, "echo", "erase"])
async def test_modes_of_the_terminal(
    credentials: Credentials, tmp_path: Path, change: str | None
) -> None:
    """What `stty` of the user says is sent by ssh, and holds here."""
    lines: list[str] = []

    async def one(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write("> ")
        lines.append(await process.stdin.readline())
        process.exit(0)

    def set_modes(tty: int) -> None:
        modes = termios.tcgetattr(tty)
        if change == "echo":
            modes[3] &= ~termios.ECHO
        if change == "erase":
            modes[6][termios.VERASE] = b"\x0e"
        termios.tcsetattr(tty, termios.TCSANOW, modes)

    async with serving(credentials, one) as port:
        words = ssh_words(credentials, port)
        shown = await talk(words, tmp_path, set_modes, b"> ", b"abx\x0e\x7fc\r")
    assert lines == [{"erase": "ac\n"}.get(change or "", "abc\n")]
    assert (b"c" in shown.partition(b"\r\n")[0]) == (change != "echo")


async def talk(
    words: list[str], folder: Path, prepare: Callable[[int], None], prompt: bytes, typed: bytes
) -> bytes:
    """Run a program at a pseudo-terminal, type something at its prompt; return what it shows."""
    ours, tty = pty.openpty()
    prepare(tty)
    environ = clean_environment(folder, TERM="xterm")
    child = await asyncio.create_subprocess_exec(
        *words, stdin=tty, stdout=tty, stderr=tty, env=environ, start_new_session=True
    )
    os.close(tty)
    shown = b""

    def read() -> bytes:
        try:
            return os.read(ours, 4096)
        except OSError:
            return b""

    try:
        while data := await asyncio.wait_for(asyncio.to_thread(read), WAIT):
            shown += data
            if prompt and prompt in shown:
                os.write(ours, typed)
                prompt = b""
        await asyncio.wait_for(child.wait(), WAIT)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        os.close(ours)
    return shown
