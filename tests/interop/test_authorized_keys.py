"""Lines of authorized_keys mean to us what they mean to the real sshd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssh_keys
from tests.interop.peers.credentials import HOST, Credentials, make_credentials
from tests.interop.peers.openssh import SSH, sshd
from tests.interop.peers.roles import PeerServer, Target

HOUR = 3600


def moment(offset: int, *, utc: bool = True) -> str:
    """The time so many seconds from now, as `expiry-time` has it."""
    if utc:
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset))
    return time.strftime("%Y%m%d%H%M", time.localtime(time.time() + offset))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Credentials whose authorized_keys the tests rewrite."""
    return make_credentials(tmp_path_factory.mktemp("authorized"))


@pytest.fixture(scope="module")
def server(own: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerServer]:
    """A real sshd that reads them."""
    options = {"PermitUserEnvironment": "yes", "PermitTunnel": "no", "UseDNS": "no"}
    with sshd(own, tmp_path_factory.mktemp("sshd"), options) as running:
        yield running


async def login(
    own: Credentials,
    server: PeerServer,
    folder: Path,
    options: str,
    command: str,
    words: tuple[str, ...] = (),
) -> str | None:
    """Log in at sshd with a line; what the command printed, None if it did not let us in."""
    key = own.user_key.with_suffix(".pub").read_text()
    own.authorized_keys.write_text(f"{options} {key}".strip() + "\n")
    target = Target(
        server.port, server.user, own.known_hosts(server.port), own.host_key, own.user_key
    )
    client = SSH(folder, options={"ExitOnForwardFailure": "yes"}, words=words)
    done = await client.exec(target, command)
    return done.stdout.decode().strip() if done.status == 0 else None


def ours(own: Credentials, options: str) -> ssh_keys.AuthorizedKeyOptions | None:
    """What we make of the same line, None if it lets nobody in."""
    key = ssh_keys.read_public_key(own.user_key.with_suffix(".pub"))
    try:
        keys = ssh_keys.read_authorized_keys(own.authorized_keys)
    except ssh_keys.KeyImportError:
        return None
    entry = keys.lookup(key, HOST, HOST)
    return None if entry is None else entry.typed_options


LINES = [
    "",
    "no-pty",
    "NO-PTY",
    "No-Such-Option",
    "no-pty,no-x11-forwarding",
    "no-pty, no-x11-forwarding",
    "restrict",
    "restrict,restrict",
    "pty",
    "no-restrict",
    'from="127.0.0.1"',
    'from="127.0.0.2"',
    'from="127.0.0.0/8"',
    'from="127.0.0.1/8"',
    'from="127.0.0.0/99"',
    'from="10.0.0.0/8,127.*"',
    'from="!127.0.0.1,127.*"',
    'from="127.*,!127.0.0.1"',
    'from="!127.0.0.1"',
    'from="!10.0.0.1,127.0.0.?"',
    'from=""',
    'from="127.0.0.1",from="127.0.0.1"',
    "from=127.0.0.1",
    'from="127.0.0.1',
    f'expiry-time="{moment(HOUR)}"',
    f'expiry-time="{moment(-HOUR)}"',
    f'expiry-time="{moment(HOUR, utc=False)}"',
    f'expiry-time="{moment(-HOUR, utc=False)}"',
    'expiry-time="20991301"',
    'expiry-time="soon"',
    'expiry-time="20991231"',
    'environment="A=1"',
    'environment="A"',
    'environment="A-B=1"',
    'environment="=1"',
    'permitopen="localhost:80"',
    'permitopen="localhost"',
    'permitopen="localhost:0"',
    'permitopen="localhost:65536"',
    'permitopen="localhost:*"',
    'permitopen="[::1]:80"',
    'permitlisten="8080"',
    'permitlisten="*:8080"',
    'permitlisten="localhost:x"',
    'tunnel="1"',
    'tunnel="any"',
    'tunnel="x"',
    'tunnel="1",tunnel="1"',
    "cert-authority",
    'principals="ada"',
    'cert-authority,principals="ada"',
    "verify-required",
    "no-touch-required",
    'command="true"',
    'command="true",command="false"',
    'command="true" ,no-pty',
    'no-pty=""',
    'unknown="1"',
]


@pytest.mark.parametrize("options", LINES)
async def test_who_is_let_in(
    options: str, own: Credentials, server: PeerServer, tmp_path: Path
) -> None:
    theirs = await login(own, server, tmp_path, options, "true")
    assert (theirs is not None) == (ours(own, options) is not None)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "no-pty",
        "restrict",
        "restrict,pty",
        "restrict,no-pty",
        "restrict,port-forwarding",
        "no-port-forwarding",
        "no-port-forwarding,port-forwarding",
        "port-forwarding,no-port-forwarding",
        "pty,restrict",
        'command="echo \'forced \\"and quoted\\"\' \\\\ $SSH_ORIGINAL_COMMAND"',
        'environment="SSH_META_A=1",environment="SSH_META_A=2"',
        'permitlisten="9",restrict,port-forwarding',
        'permitlisten="localhost:*"',
    ],
)
async def test_what_a_session_may_do(
    options: str, own: Credentials, server: PeerServer, tmp_path: Path
) -> None:
    printed = await login(own, server, tmp_path, options, "printenv SSH_META_A; echo plain")
    assert printed is not None
    typed = ours(own, options)
    assert typed is not None
    if typed.command is None:
        assert printed.splitlines()[-1] == "plain"
        assert printed.splitlines()[:-1] == list(typed.environment.values())
        terminal = await login(own, server, tmp_path, options, "test -t 0", ("-tt",))
        assert (terminal is not None) == typed.permit_pty
    else:
        assert printed.startswith('forced "and quoted"')
        assert typed.command.startswith("echo 'forced \"and quoted\"'")
    listens = await login(own, server, tmp_path, options, "true", ("-R", "localhost:0:x:1"))
    permitted = typed.permitlisten is None or ("localhost", None) in typed.permitlisten
    assert (listens is not None) == (typed.permit_port_forwarding and permitted)
