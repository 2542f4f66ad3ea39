"""What configuration files are asked: in which pass, about whom, and when they are read."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    ChannelOpenError,
    SSHClientConnectionOptions,
    SSHServerConnectionOptions,
    connect,
    connect_reverse,
    listen_reverse,
)
from ssh_connection.merging import make_options
from tests.connection.loopback import HOST, HOST_KEY, OTHER_KEY, Server, serving


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "config"


def user_of(config: Path, text: str, **given: Any) -> object:
    """The user that a file of a client gives for `host`."""
    config.write_text(text)
    return SSHClientConnectionOptions(config=str(config), host="host", **given).username


def test_passes_that_are_asked_for(config: Path) -> None:
    for criterion in ("canonical", "final"):
        text = f"Match !{criterion} host host\nUser first\nMatch {criterion}\nUser second\n"
        assert user_of(config, f"Match {criterion}\nUser second\n", **{criterion: True}) == "second"
        # What the first pass gives stays; as in OpenSSH, both criteria are about the second one.
        assert user_of(config, text, **{criterion: True}) == "first"
    assert user_of(config, "Match canonical\nUser can\n") == ()
    assert user_of(config, "Match canonical\nUser can\n", final=True) == "can"
    assert user_of(config, "Match canonical\nUser can\n", final=False, canonical=()) == ()
    # The second pass knows the host by the name that the first one has found.
    text = "Host host\nHostname far.test\nMatch final host far.test\nUser far\n"
    assert user_of(config, text) == user_of(config, text, final=True) == "far"
    text = text.replace("final", "canonical")
    assert (user_of(config, text), user_of(config, text, canonical=True)) == ((), "far")


async def test_when_files_are_read(config: Path) -> None:
    config.write_text("User one\n")
    base = SSHClientConnectionOptions(config=str(config), host="host")
    config.write_text("User two\n")
    assert (await make_options(SSHClientConnectionOptions, base)).username == "one"
    again = await make_options(SSHClientConnectionOptions, base, reload=True)
    assert (base.username, again.username) == ("one", "two")
    assert SSHClientConnectionOptions(base, port=22).username == "two"
    assert SSHClientConnectionOptions(base, config=None).username == ()
    config.write_text("PermitTTY no\n")
    served = SSHServerConnectionOptions(config=str(config))
    config.write_text("PermitTTY yes\n")
    assert not (await make_options(SSHServerConnectionOptions, served)).allow_pty
    assert (await make_options(SSHServerConnectionOptions, served, reload=True)).allow_pty


@pytest.mark.parametrize(
    ("criterion", "about"),
    [
        ("User bob", {"username": "bob"}),
        ("User b*,!bill", {"username": "bob"}),
        ("Address 10.0.0.0/8", {"client_addr": "10.1.2.3"}),
        ("Host 10.1.*", {"client_addr": "10.1.2.3"}),
        ("Host *.example.org", {"client_addr": "10.1.2.3", "client_host": "a.example.org"}),
        ("LocalAddress ::1", {"accept_addr": "::1"}),
        ("LocalPort 2222", {"accept_port": 2222}),
        ("User bob LocalPort 7", {"username": "bob", "accept_port": 7}),
        ("all", {"username": "bob"}),
    ],
)
def test_asking_about_somebody(config: Path, criterion: str, about: dict[str, Any]) -> None:
    config.write_text(f"PermitTTY yes\nMatch {criterion}\nPermitTTY no\nMaxAuthTries 2\n")

    def asked(**given: Any) -> tuple[bool, int]:
        made = SSHServerConnectionOptions(config=str(config), **given)
        return made.allow_pty, made.max_auth_tries

    assert asked() == (True, 6)
    assert asked(**about) == (False, 2)
    if criterion != "all":
        others = {"username": "eve", "client_addr": "192.0.2.1", "accept_port": 22}
        assert asked(**others) == (True, 6)
        assert asked(**{**others, "client_host": "b.test", "accept_addr": "::2"}) == (True, 6)


def test_port_that_is_none() -> None:
    with pytest.raises(ValueError, match="accept_port"):
        SSHServerConnectionOptions(accept_port=65536)


async def test_logins_are_about_themselves(config: Path) -> None:
    """Whoever the listener asked about: its answers are for nobody else."""

    class Anybody(Server):
        def validate_password(self, username: str, password: str) -> bool:
            return True

    config.write_text("PermitTTY no\nMatch User bob\nPermitTTY yes\nMaxSessions 1\n")
    async with serving(config=str(config), server_factory=Anybody, username="bob") as server:
        for user, allowed in (("bob", True), ("eve", False)):
            given: Any = {"username": user, "password": "any", "client_keys": None}
            async with connect(HOST, server.get_port(), known_hosts=None, **given) as conn:
                made = conn.create_process("x", term_type="xterm")
                if allowed:
                    async with made:
                        pass
                else:
                    with pytest.raises(ChannelOpenError, match="PTY request failed"):
                        await made


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A host `short` in the domain `b.test`, which is this one."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "short.b.test.":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "short.b.test", (HOST, 0))]
        if isinstance(host, str) and host.endswith("."):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(HOST if host == "short.b.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "short"


@pytest.mark.parametrize("from_file", [True, False])
async def test_canonical_name_of_a_client_that_waits(
    config: Path, name: str, from_file: bool
) -> None:
    config.write_text("PermitTTY no\n")
    given: dict[str, Any] = {"config": str(config)} if from_file else {}
    given |= {"canonicalize_hostname": True, "canonical_domains": ["a.test", "b.test"]}
    server = SSHServerConnectionOptions(server_host_keys=[HOST_KEY], server_factory=Server, **given)
    keys: dict[str, Any] = {"known_hosts": None, "client_keys": None, "password": "secret"}
    async with await listen_reverse(HOST, 0, username="user", **keys) as waiting:
        port = waiting.get_port()
        async with await connect_reverse(name, port, options=server) as served:
            assert served.server_options.host == "short.b.test"
            assert served.server_options.allow_pty is not from_file
        with pytest.raises(OSError, match="canonical domains"):
            await connect_reverse(
                "nowhere", port, options=server, canonicalize_fallback_local=False
            )


async def test_hops_do_not_take_over_what_is_about_the_destination(config: Path) -> None:
    """Their ports are those of the file, or 22, and not that of the host behind them."""
    async with serving() as near, serving(server_host_keys=[OTHER_KEY]) as far:
        config.write_text(f"Host near\nHostname {HOST}\nPort {near.get_port()}\n")
        given: Any = {"known_hosts": None, "client_keys": None, "username": "user"}
        async with connect(
            HOST, far.get_port(), tunnel="near", config=str(config), password="secret", **given
        ) as conn:
            assert conn.get_server_host_key() == OTHER_KEY.convert_to_public()
            assert len(near.connections) == 1
