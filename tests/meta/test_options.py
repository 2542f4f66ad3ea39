"""The options that ssh-meta adds, and the keywords that type checkers know them by."""

from __future__ import annotations

from inspect import get_annotations
from pathlib import Path

import pytest

import ssh_connection
import ssh_meta
from ssh_connection.options.base import field_names
from tests.meta.support import HOST_KEY

#: Parameters that `connect` and `listen` name themselves.
OWN = {"host", "port", "tunnel", "family", "local_addr", "options"}


@pytest.mark.parametrize(
    ("kwargs", "options", "lower_kwargs", "lower_options"),
    [
        (
            ssh_meta.ClientKwargs,
            ssh_meta.SSHClientConnectionOptions,
            ssh_connection.ClientKwargs,
            ssh_connection.SSHClientConnectionOptions,
        ),
        (
            ssh_meta.ServerKwargs,
            ssh_meta.SSHServerConnectionOptions,
            ssh_connection.ServerKwargs,
            ssh_connection.SSHServerConnectionOptions,
        ),
    ],
    ids=["client", "server"],
)
def test_each_new_option_is_a_keyword(
    kwargs: type,
    options: type[ssh_connection.SSHConnectionOptions],
    lower_kwargs: type,
    lower_options: type[ssh_connection.SSHConnectionOptions],
) -> None:
    new_keywords = set(get_annotations(kwargs)) - set(get_annotations(lower_kwargs))
    new_options = set(field_names(options)) - set(field_names(lower_options))
    assert new_keywords == new_options
    assert new_keywords
    assert new_keywords.isdisjoint(OWN)


@pytest.mark.parametrize(
    ("create", "full", "factory"),
    [
        (ssh_meta.CreateConnectionKwargs, ssh_meta.ClientKwargs, "client_factory"),
        (ssh_meta.CreateServerKwargs, ssh_meta.ServerKwargs, "server_factory"),
    ],
)
def test_create_functions_name_the_factory_themselves(
    create: type, full: type, factory: str
) -> None:
    keys = get_annotations(create).keys()
    assert get_annotations(full).keys() == keys | {factory}


def client(**options: object) -> ssh_meta.SSHClientConnectionOptions:
    """Options of a client."""
    return ssh_meta.SSHClientConnectionOptions(**options)  # type: ignore[arg-type]


def server(**options: object) -> ssh_meta.SSHServerConnectionOptions:
    """Options of a server."""
    return ssh_meta.SSHServerConnectionOptions(**options)  # type: ignore[arg-type]


def sources(**options: object) -> list[str]:
    """Where the keys of a client come from, besides `client_keys`."""
    return [type(source).__name__ for source in client(**options).key_sources]


def test_which_agent_is_asked() -> None:
    assert sources() == ["EnvironmentAgent"]
    assert sources(client_keys=["key"]) == []
    assert sources(client_keys=None) == []
    assert sources(agent_path=None) == []
    assert sources(agent_path="") == []
    assert sources(agent_path="/run/agent") == ["AgentKeySource"]
    assert sources(agent_path="/run/agent", client_keys=["key"]) == ["AgentKeySource"]


def test_options_on_top_of_others_ask_once() -> None:
    base = client(agent_path="/run/agent")
    again = client(options=base, username="me")
    assert len(again.key_sources) == 1
    assert client(options=base, agent_path=None).key_sources == ()


def test_sftp_factory_becomes_a_subsystem() -> None:
    assert server().subsystems is None
    assert server(sftp_factory=False).subsystems is None
    for factory in (True, ssh_meta.SFTPServer, lambda chan: ssh_meta.SFTPServer(chan)):
        subsystems = server(sftp_factory=factory).subsystems
        assert subsystems is not None
        assert set(subsystems) == {"sftp"}


def test_sftp_factory_goes_beside_other_subsystems() -> None:
    def other(chan: ssh_meta.SSHServerChannel[bytes]) -> ssh_meta.SSHServerSession[bytes]:
        raise NotImplementedError

    subsystems = server(sftp_factory=True, subsystems={"other": other}).subsystems
    assert subsystems is not None
    assert set(subsystems) == {"other", "sftp"}
    assert subsystems["other"] is other


@pytest.mark.parametrize("version", [2, 7, 0])
def test_versions_of_sftp_that_there_are_not(version: int) -> None:
    with pytest.raises(ValueError, match="sftp_version must be 3 to 6"):
        server(sftp_version=version)


def test_agent_forwarding_is_off_unless_it_is_asked_for() -> None:
    for nothing in (False, None, (), ""):
        assert client(agent_forwarding=nothing).agent_forwarder is None
    assert client().agent_forwarder is None
    for agent in (True, "path"):
        assert client(agent_forwarding=agent).agent_forwarder is not None
    assert server().agent_forwarding is True


async def test_refusal_comes_from_listen_as_well() -> None:
    with pytest.raises(ValueError, match="allow_scp needs an sftp_factory"):
        await ssh_meta.listen("127.0.0.1", 0, server_host_keys=[HOST_KEY], allow_scp=True)


def test_scp_is_one_more_interceptor() -> None:
    def other(command: str, chan: object) -> None:
        return None

    assert server(sftp_factory=True).exec_interceptors == ()
    options = server(sftp_factory=True, allow_scp=True, exec_interceptors=(other,))
    assert options.exec_interceptors[0] is other
    assert len(options.exec_interceptors) == 2


def test_secrets_do_not_show() -> None:
    text = repr(client(password="hunter2", passphrase="hunter3"))
    assert "hunter" not in text


def test_agents_of_a_configuration_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")
    config = tmp_path / "config"

    def found(text: str, **given: object) -> ssh_meta.SSHClientConnectionOptions:
        config.write_text(text)
        return client(config=str(config), host="host", **given)

    # Keys that a file names stand beside those of the agent.
    assert [type(s).__name__ for s in found("IdentityFile /none\n").key_sources] == [
        "EnvironmentAgent"
    ]
    assert found("IdentityAgent $OTHER\n").agent_path == "/run/other"
    assert found("IdentityAgent SSH_AUTH_SOCK\n").agent_path == ()
    none = found("IdentityAgent none\nForwardAgent yes\nIdentityFile /none\n")
    assert (none.agent_path, none.key_sources, none.agent_forwarder) == (None, (), None)
    assert found("ForwardAgent yes\n").agent_forwarder is not None
    assert found("ForwardAgent /run/third\n").agent_forwarding == "/run/third"
    assert found("ForwardAgent yes\n", agent_forwarding=False).agent_forwarder is None
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert found("ForwardAgent yes\n").agent_forwarder is None
    # Only the keys that are named, and none is.
    assert found("IdentitiesOnly yes\nIdentityFile /none\n").agent_identities == []
