"""The typed form of the options in authorized_keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import AuthorizedKeyOptions

from .support import make_key, public_line

KEY = public_line("ssh-ed25519")


def typed(options: str) -> AuthorizedKeyOptions:
    (entry,) = ssh_keys.import_authorized_keys(f"{options} {KEY}".strip())
    return entry.typed_options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", AuthorizedKeyOptions()),
        ("cert-authority", AuthorizedKeyOptions(cert_authority=True)),
        ("no-pty", AuthorizedKeyOptions(permit_pty=False)),
        ("no-X11-forwarding", AuthorizedKeyOptions(permit_x11_forwarding=False)),
        (
            "restrict,pty",
            AuthorizedKeyOptions(
                restrict=True,
                permit_agent_forwarding=False,
                permit_port_forwarding=False,
                permit_user_rc=False,
                permit_x11_forwarding=False,
            ),
        ),
        (
            "no-touch-required,verify-required",
            AuthorizedKeyOptions(no_touch_required=True, verify_required=True),
        ),
        ('command="say \\"hi\\""', AuthorizedKeyOptions(command='say "hi"')),
        ('environment="A=1=2"', AuthorizedKeyOptions(environment={"A": "1=2"})),
        ('expiry-time="20300102Z"', AuthorizedKeyOptions(expiry_time=1893542400.0)),
        (
            'from="10.0.0.0/8,!*.example.com"',
            AuthorizedKeyOptions(from_patterns=("10.0.0.0/8", "!*.example.com")),
        ),
        ('principals="ada,bob"', AuthorizedKeyOptions(principals=("ada", "bob"))),
        (
            'permitopen="[::1]:80",permitopen="a:*"',
            AuthorizedKeyOptions(permitopen=frozenset({("::1", 80), ("a", None)})),
        ),
        ('permitlisten="8080"', AuthorizedKeyOptions(permitlisten=frozenset({("", 8080)}))),
        ('tunnel="any"', AuthorizedKeyOptions(tunnel="any")),
    ],
)
def test_fields(options: str, expected: AuthorizedKeyOptions) -> None:
    assert typed(options) == expected
    assert typed(expected.export_options()) == expected


@pytest.mark.parametrize("value", ["", "x", "-1", "2147483646", "99999999999", "1.5", "\u0661"])
def test_tunnel_devices_that_do_not_exist(value: str) -> None:
    with pytest.raises(ssh_keys.KeyImportError, match="tunnel"):
        typed(f'tunnel="{value}"')


def test_nothing_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        AuthorizedKeyOptions().permit_pty = False  # type: ignore[misc]


@pytest.mark.parametrize("command", ["two\nlines", "null\0", "ends in \\", "return\r"])
def test_values_that_no_line_can_hold(command: str) -> None:
    with pytest.raises(ssh_keys.KeyExportError, match="command"):
        AuthorizedKeyOptions(command=command).export_options()
    with pytest.raises(ssh_keys.KeyExportError, match="calendar"):
        AuthorizedKeyOptions(expiry_time=1e30).export_options()


def test_lines_are_exported() -> None:
    line = f'no-pty,command="ls -l" {make_key("ssh-ed25519").export_public_key().decode()}'
    (entry,) = ssh_keys.import_authorized_keys(line)
    assert entry.export_line().decode() == line
    (plain,) = ssh_keys.import_authorized_keys(KEY)
    assert plain.export_line().decode().strip() == KEY


def test_lookup_returns_the_entry_that_lets_in() -> None:
    text = f'from="192.0.2.1",no-pty {KEY}\nrestrict {KEY}'
    keys = ssh_keys.import_authorized_keys(text)
    key = make_key("ssh-ed25519")
    first = keys.lookup(key, "client", "192.0.2.1")
    second = keys.lookup(key, "client", "192.0.2.2")
    assert first is not None
    assert second is not None
    assert (first.typed_options.permit_pty, first.typed_options.permit_user_rc) == (False, True)
    assert second.typed_options.restrict
    assert keys.lookup(make_key("ssh-ed25519", 1), "client", "192.0.2.1") is None


names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12).filter(
    lambda text: not text.endswith("\\")
)
ports = st.none() | st.integers(1, 65535)
permits = st.none() | st.frozensets(st.tuples(names, ports), min_size=1, max_size=3)


@given(
    st.builds(
        AuthorizedKeyOptions,
        cert_authority=st.booleans(),
        restrict=st.booleans(),
        permit_agent_forwarding=st.booleans(),
        permit_port_forwarding=st.booleans(),
        permit_pty=st.booleans(),
        permit_user_rc=st.booleans(),
        permit_x11_forwarding=st.booleans(),
        no_touch_required=st.booleans(),
        verify_required=st.booleans(),
        command=st.none() | values,
        environment=st.dictionaries(names, values, max_size=2),
        expiry_time=st.none() | st.integers(0, 10**10).map(float),
        from_patterns=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
        principals=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
        permitopen=permits,
        permitlisten=permits,
        tunnel=st.none() | st.integers(0, 100).map(str),
    )
)
def test_everything_that_is_written_is_read_back(options: AuthorizedKeyOptions) -> None:
    assert typed(options.export_options()) == options
