"""Passwords of real accounts: sshd with PAM, and with shadow alone; and AsyncSSH, which asks for a
new password within the method "password".

The accounts are in a private /etc of the server (peers/accounts.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

import ssh_meta
from tests.interop.peers.accounts import Account
from tests.interop.peers.availability import needs_root, python_with
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.namespace import can_mount
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, free_port, serving
from tests.interop.peers.python_peers import SCRIPTS
from tests.interop.peers.roles import PeerServer

OLD, NEW = "old Password 1", "quite another Password 2"

#: Whom the servers know. Each test that changes a password has an account of its own.
ACCOUNTS = [
    Account("guest", OLD),
    Account("gone", OLD, account_expired=True),
    *(Account(name, OLD, password_expired=True) for name in ("late1", "late2", "late3")),
]

Connect = Callable[..., AbstractAsyncContextManager[ssh_meta.SSHClientConnection]]


class Person(ssh_meta.SSHClient):
    """Answers questions about the old and a new password; notes all that was said."""

    def __init__(self, *, password: str = OLD, new_password: str = NEW) -> None:
        self.said: list[str] = []
        self._password = password
        self._new_password = new_password

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """See SSHClient."""
        self.said.append(msg)

    def kbdint_auth_requested(self) -> str:
        """See SSHClient."""
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str]:
        """See SSHClient."""
        self.said += [instructions, *(prompt for prompt, _ in prompts)]
        assert not any(echo for _, echo in prompts)
        return [
            self._new_password if "new password" in prompt.lower() else self._password
            for prompt, _ in prompts
        ]


@pytest.fixture(scope="module", params=["PAM", "shadow"])
def either_sshd(
    request: pytest.FixtureRequest,
    credentials: Credentials,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerServer]:
    """An sshd that asks PAM about passwords, and one that reads shadow itself."""
    name: str = request.param
    yield from run_sshd(credentials, tmp_path_factory.mktemp(name), pam=name == "PAM")


@pytest.fixture(scope="module")
def pam_sshd(
    credentials: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PeerServer]:
    """An sshd that leaves the questions of keyboard-interactive to PAM."""
    yield from run_sshd(credentials, tmp_path_factory.mktemp("PAM"), pam=True)


def run_sshd(credentials: Credentials, folder: Path, *, pam: bool) -> Iterator[PeerServer]:
    """Run an sshd with accounts of its own."""
    if not can_mount():
        needs_root("accounts of its own for sshd")
    yes_or_no = "yes" if pam else "no"
    options = {"UsePAM": yes_or_no, "KbdInteractiveAuthentication": yes_or_no}
    with sshd(credentials, folder, options, ACCOUNTS) as server:
        yield server


def logging_in(credentials: Credentials, server: PeerServer) -> Connect:
    """How to connect to a server: what is missing is who, and with what."""
    return partial(
        ssh_meta.connect,
        HOST,
        server.port,
        known_hosts=str(credentials.known_hosts(server.port)),
        client_keys=None,
        agent_path=None,
        config=None,
    )


def with_questions(person: Person) -> dict[str, object]:
    """Options to log in by keyboard-interactive alone."""
    return {"client_factory": lambda: person, "preferred_auth": "keyboard-interactive"}


async def say_in(conn: ssh_meta.SSHClientConnection) -> str:
    """Run a command that shows who is in."""
    done = await conn.run("id -un", check=True)
    assert isinstance(done.stdout, str)
    return done.stdout.strip()


async def test_password(credentials: Credentials, either_sshd: PeerServer) -> None:
    connect = logging_in(credentials, either_sshd)
    async with connect(username="guest", password=OLD) as conn:
        assert await say_in(conn) == "guest"
    for user, password in (("guest", NEW), ("guest", ""), ("nobody", ""), ("nobody", OLD)):
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connect(username=user, password=password, preferred_auth="password"):
                pytest.fail("let in")


async def test_account_whose_time_is_over(
    credentials: Credentials, either_sshd: PeerServer
) -> None:
    # With PAM, sshd says why and closes the connection.
    with pytest.raises((ssh_meta.PermissionDenied, ssh_meta.ConnectionLost)):
        async with logging_in(credentials, either_sshd)(username="gone", password=OLD):
            pytest.fail("let in")


async def test_expired_password_without_a_terminal(
    credentials: Credentials, either_sshd: PeerServer
) -> None:
    # sshd takes the password, and lets its owner do nothing but change it.
    async with logging_in(credentials, either_sshd)(username="late1", password=OLD) as conn:
        done = await conn.run("id -un")
    assert done.exit_status == 1
    assert done.stdout == ""
    assert "Password change required but no TTY available" in str(done.stderr)


async def test_expired_password_is_changed_in_a_terminal(
    credentials: Credentials, either_sshd: PeerServer
) -> None:
    connect = logging_in(credentials, either_sshd)
    untouched = Path("/etc/shadow").read_bytes()
    async with connect(username="late2", password=OLD) as conn:
        # sshd runs passwd in the place of the command.
        async with conn.create_process("id -un", term_type="xterm") as process:
            for prompt, answer in (("Current", OLD), ("New", NEW), ("Retype new", NEW)):
                async with asyncio.timeout(20):
                    await process.stdout.readuntil(f"{prompt} password: ")
                process.stdin.write(f"{answer}\n")
            async with asyncio.timeout(20):
                rest = await process.stdout.read()
        assert "successfully" in rest
    async with connect(username="late2", password=NEW) as conn:
        assert await say_in(conn) == "late2"
    with pytest.raises(ssh_meta.PermissionDenied):
        async with connect(username="late2", password=OLD, preferred_auth="password"):
            pytest.fail("let in")
    assert Path("/etc/shadow").read_bytes() == untouched


async def test_keyboard_interactive(credentials: Credentials, pam_sshd: PeerServer) -> None:
    connect = logging_in(credentials, pam_sshd)
    person = Person()
    async with connect(username="guest", **with_questions(person)) as conn:
        assert await say_in(conn) == "guest"
    assert "Password: " in person.said
    for user, password in (("guest", NEW), ("guest", ""), ("stranger", OLD)):
        wrong = Person(password=password)
        with pytest.raises((ssh_meta.PermissionDenied, ssh_meta.DisconnectError)):
            async with connect(username=user, **with_questions(wrong)):
                pytest.fail("let in")


async def test_the_password_answers_the_one_question(
    credentials: Credentials, tmp_path: Path
) -> None:
    if not can_mount():
        needs_root("accounts of its own for sshd")
    options = {
        "UsePAM": "yes",
        "KbdInteractiveAuthentication": "yes",
        "PasswordAuthentication": "no",
    }
    with sshd(credentials, tmp_path, options, ACCOUNTS) as server:
        connect = logging_in(credentials, server)
        async with connect(username="guest", password=OLD) as conn:
            assert await say_in(conn) == "guest"
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connect(username="guest", password=NEW):
                pytest.fail("let in")
        # PAM wants a new password, which the old one must not answer.
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connect(username="late1", password=OLD):
                pytest.fail("let in")


async def test_expired_password_is_changed_by_keyboard_interactive(
    credentials: Credentials, pam_sshd: PeerServer
) -> None:
    connect = logging_in(credentials, pam_sshd)
    untouched = Path("/etc/shadow").read_bytes()
    person = Person()
    async with connect(username="late3", **with_questions(person)) as conn:
        assert await say_in(conn) == "late3"
    said = "\n".join(person.said)
    for text in ("change your password", "Current password", "New password", "Retype new password"):
        assert text in said
    again = Person(password=NEW)
    async with connect(username="late3", **with_questions(again)) as conn:
        assert await say_in(conn) == "late3"
    assert "change" not in "\n".join(again.said)
    with pytest.raises((ssh_meta.PermissionDenied, ssh_meta.DisconnectError)):
        async with connect(username="late3", **with_questions(Person())):
            pytest.fail("let in")
    assert Path("/etc/shadow").read_bytes() == untouched


class Changer(ssh_meta.SSHClient):
    """Has a new password when the server wants one; notes what became of it."""

    def __init__(self, answer: tuple[str, str] | None) -> None:
        self.said: list[str] = []
        self._answer = answer

    def itself(self) -> Changer:
        """What makes this client: the same one for each connection."""
        return self

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str] | None:
        """See SSHClient."""
        self.said.append(prompt)
        return self._answer

    def password_changed(self) -> None:
        """See SSHClient."""
        self.said.append("changed")

    def password_change_failed(self) -> None:
        """See SSHClient."""
        self.said.append("failed")


@pytest.fixture
def changing_asyncssh(credentials: Credentials, tmp_path: Path) -> Iterator[PeerServer]:
    """A server that sends SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, which OpenSSH's never does."""
    port = free_port()
    argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_expired.py"), "--port", str(port)]
    argv += ["--host-key", str(credentials.host_key), "--old", OLD, "--new", NEW]
    with serving("asyncssh", argv, port, tmp_path, clean_environment(tmp_path)) as process:
        yield PeerServer("asyncssh", port, "late", OLD, process)


async def test_password_change_request(
    credentials: Credentials, changing_asyncssh: PeerServer
) -> None:
    connect = logging_in(credentials, changing_asyncssh)
    for answer, said in ((None, []), (("wrong", NEW), ["failed"])):
        refused = Changer(answer)
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connect(username="late", password=OLD, client_factory=refused.itself):
                pytest.fail("let in")
        assert refused.said == ["Your password has expired", *said]
    # This one is refused by asking again, and again.
    weak = Changer((OLD, "weak"))
    with pytest.raises(ssh_meta.DisconnectError):
        async with connect(username="late", password=OLD, client_factory=weak.itself):
            pytest.fail("let in")
    assert weak.said[:3] == ["Your password has expired", "Too weak", "Too weak"]
    person = Changer((OLD, NEW))
    async with connect(username="late", password=OLD, client_factory=person.itself) as conn:
        assert (await conn.run("x")).stdout == "hello late"
    assert person.said == ["Your password has expired", "changed"]
    async with connect(username="late", password=NEW, client_factory=person.itself) as conn:
        assert (await conn.run("x")).stdout == "hello late"
    assert person.said == ["Your password has expired", "changed"]
