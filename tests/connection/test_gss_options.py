"""The GSS-API options: what they come to, with and without the gssapi package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ssh_connection import SSHClientConnectionOptions, SSHServer, SSHServerConnectionOptions
from ssh_connection.options.algorithms import _algorithms
from ssh_transport import Policy
from ssh_transport import gss as gss_module
from ssh_transport.gss import gssapi_available
from ssh_transport.policy import _named

GSS = (b"gssapi-keyex", b"gssapi-with-mic")


@pytest.fixture(params=["installed", "missing"])
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The package counts as installed, or as missing."""
    found = request.param == "installed"
    monkeypatch.setattr(gss_module, "find_spec", lambda name: name if found else None)
    caches = (gssapi_available, _named, _algorithms)
    for each in caches:
        each.cache_clear()
    yield request.param
    for each in caches:
        each.cache_clear()


with_package = pytest.mark.parametrize("package", ["installed"], indirect=True)
without_package = pytest.mark.parametrize("package", ["missing"], indirect=True)


def client(**options: Any) -> SSHClientConnectionOptions:
    return SSHClientConnectionOptions(username="user", **options)


def uses_kex(options: SSHClientConnectionOptions | SSHServerConnectionOptions) -> bool:
    return any(name.startswith(b"gss-") for name in options.algorithms.kex)


def test_by_default(package: str) -> None:
    """A client authenticates with it behind its keys; nothing else uses it."""
    options = client()
    assert not uses_kex(options)
    if package == "missing":
        assert options.gss is None
        assert not set(GSS) & set(options.methods)
    else:
        order = options.methods.index
        assert order(b"publickey") < min(map(order, GSS))
    server = SSHServerConnectionOptions()
    assert server.gss is None
    assert not set(GSS) & set(server.methods)
    assert not uses_kex(server)


@pytest.mark.parametrize(
    "given",
    [
        {"gss_host": "server"},
        {"gss_store": {"ccache": "FILE:x"}},
        {"gss_kex": True},
        {"kex_algs": "+gss-curve25519-sha256-toWM5Slw5Ew8Mqkay+al2g=="},
    ],
    ids=str,
)
@with_package
def test_asked_for(package: str, given: dict[str, Any]) -> None:
    for options in (client(**given), SSHServerConnectionOptions(**given)):
        assert options.gss is not None
        assert options.gss.kex
        assert options.gss.auth
        assert uses_kex(options)
        assert options.methods[:2] == GSS


@with_package
def test_one_without_the_other(package: str) -> None:
    options = client(gss_host="server", gss_kex=False)
    assert not uses_kex(options)
    assert options.methods[:2] == GSS
    options = client(gss_host="server", gss_auth=False)
    assert uses_kex(options)
    assert not set(GSS) & set(options.methods)
    assert options.algorithms.kex[0].startswith(b"gss-curve25519-")
    for given in ({"gss_host": None}, {"gss_kex": False, "gss_auth": False}):
        assert client(**given).gss is None


@with_package
def test_where_names_are_chosen(package: str) -> None:
    """Chosen methods are what they are; an option that would be ignored is an error."""
    options = client(gss_host="server", gss_kex=False, kex_algs=["curve25519-sha256"])
    assert options.algorithms.kex == (b"curve25519-sha256",)
    options = client(kex_algs=["curve25519-sha256", "gss-gex-sha256"])
    assert options.gss is not None
    assert options.gss.kex
    assert options.algorithms.kex[0] == b"curve25519-sha256"
    with pytest.raises(ValueError, match="gss_kex: no GSS-API method is in kex_algs"):
        client(gss_kex=True, kex_algs=["curve25519-sha256"])
    with pytest.raises(ValueError, match="gss_kex: no GSS-API method is in the policy 'cnsa2'"):
        client(gss_kex=True, policy="cnsa2")


@with_package
def test_policies(package: str) -> None:
    families = {
        name: {each.split(b"-toWM")[0] for each in Policy.named(name).gss_kex_algorithms}
        for name in ("modern", "compat", "legacy", "fips", "cnsa2")
    }
    assert families["modern"] == families["compat"]
    assert families["legacy"] - families["compat"] == {
        b"gss-gex-sha1",
        b"gss-group14-sha1",
        b"gss-group1-sha1",
    }
    assert families["fips"] == {
        b"gss-nistp256-sha256",
        b"gss-nistp384-sha384",
        b"gss-nistp521-sha512",
        b"gss-group14-sha256",
        b"gss-group15-sha512",
        b"gss-group16-sha512",
        b"gss-group17-sha512",
        b"gss-group18-sha512",
    }
    assert families["cnsa2"] == set()
    assert uses_kex(client(gss_kex=True, policy="fips"))


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"gss_host": "server"}, "gss_host"),
        ({"gss_kex": True}, "gss_kex"),
        ({"gss_auth": True}, "GSS-API"),
    ],
)
@without_package
def test_error_names_the_extra(package: str, given: dict[str, Any], option: str) -> None:
    for kind in (SSHClientConnectionOptions, SSHServerConnectionOptions):
        with pytest.raises(ValueError, match=rf"{option} needs the gssapi package.*extra gssapi"):
            kind(**given)
    with pytest.raises(ValueError, match=r"kex_algs: .*'gss-gex-sha256.*extra gssapi"):
        client(kex_algs=["gss-gex-sha256"])


@without_package
def test_switched_off_is_no_error(package: str) -> None:
    for given in ({"gss_host": None}, {"gss_kex": False}, {"gss_auth": False}):
        assert client(**given).gss is None


@pytest.mark.parametrize(
    ("user", "principal", "host", "allowed"),
    [
        ("alice", "alice@REALM", "host/server@REALM", True),
        ("alice", "bob@REALM", "host/server@REALM", False),
        ("alice", "alice@OTHER", "host/server@REALM", False),
        ("alice", "alice/admin@REALM", "host/server@REALM", False),
        ("alice", "alice", "host/server", False),
        ("alice", "alice@", "host/server@", False),
        ("", "@REALM", "host/server@REALM", False),
    ],
)
def test_who_may_log_in_by_default(user: str, principal: str, host: str, allowed: bool) -> None:
    """The user of the same name, in the realm of the server."""
    assert SSHServer().validate_gss_principal(user, principal, host) is allowed
