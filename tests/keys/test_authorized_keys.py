"""authorized_keys: every option of sshd(8), who is let in, what is refused."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import KeyImportError, SSHAuthorizedKeys
from ssh_keys.wire import encode_string

from .support import KEY_TYPES, make_key, public_line

ED = make_key("ssh-ed25519").convert_to_public()
LINE = public_line("ssh-ed25519")
OTHER = make_key("ssh-ed25519", 1)


def validate(
    options: str, host: str = "client", addr: str = "192.0.2.1", now: float | None = None
) -> Mapping[str, object] | None:
    text = f"{options} {LINE} comment".lstrip()
    return SSHAuthorizedKeys(text).validate(ED, host, addr, now=now)


@pytest.mark.parametrize("name", KEY_TYPES)
def test_plain_lines(name: str) -> None:
    keys = SSHAuthorizedKeys(f"# comment\n\n{public_line(name)} someone here\n")
    assert keys.validate(make_key(name), "client", "192.0.2.1") == {}
    assert keys.validate(make_key(name).convert_to_public(), "client", "192.0.2.1") == {}
    assert keys.validate(OTHER, "client", "192.0.2.1") is None
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("no-pty", {"no-pty": True}),
        ("NO-PTY", {"no-pty": True}),
        ("no-x11-forwarding", {"no-X11-forwarding": True}),
        (
            "no-agent-forwarding,no-port-forwarding,no-user-rc",
            {"no-agent-forwarding": True, "no-port-forwarding": True, "no-user-rc": True},
        ),
        ('command="ls -l"', {"command": "ls -l"}),
        ('command="echo \\"a,b\\" \\\\ c"', {"command": 'echo "a,b" \\\\ c'}),
        ('command=""', {"command": ""}),
        ('environment="A=1",environment="B=2=3"', {"environment": {"A": "1", "B": "2=3"}}),
        ('environment="A=1",environment="A=2"', {"environment": {"A": "1"}}),
        ('permitopen="host:80"', {"permitopen": {("host", 80)}}),
        (
            'permitopen="host:*",permitopen="[2001:db8::1]:22"',
            {"permitopen": {("host", None), ("2001:db8::1", 22)}},
        ),
        (
            'permitlisten="8080",permitlisten="localhost:*"',
            {"permitlisten": {("", 8080), ("localhost", None)}},
        ),
        ('tunnel="2"', {"tunnel": "2"}),
        ('tunnel="1",tunnel="2"', {"tunnel": "2"}),
        ("verify-required,no-touch-required", {"verify-required": True, "no-touch-required": True}),
        (
            "restrict",
            {
                "restrict": True,
                "no-pty": True,
                "no-port-forwarding": True,
                "no-agent-forwarding": True,
                "no-X11-forwarding": True,
                "no-user-rc": True,
            },
        ),
        (
            "restrict,pty,X11-forwarding,port-forwarding,agent-forwarding,user-rc",
            {"restrict": True},
        ),
        ("no-pty,pty", {}),
    ],
)
def test_options(options: str, expected: dict[str, object]) -> None:
    assert validate(options) == expected


@pytest.mark.parametrize(
    ("pattern", "host", "addr", "allowed"),
    [
        ("192.0.2.1", "client", "192.0.2.1", True),
        ("192.0.2.1", "client", "192.0.2.2", False),
        ("192.0.2.0/24", "client", "192.0.2.77", True),
        ("192.0.2.0/24", "client", "192.0.3.1", False),
        ("192.0.2.0/24", "192.0.2.1", "10.0.0.1", False),
        ("192.0.2.0/24,!192.0.2.1", "client", "192.0.2.1", False),
        ("192.0.2.0/24,!192.0.2.1", "client", "192.0.2.2", True),
        ("!192.0.2.1/32,*", "client", "192.0.2.1", False),
        ("*.example.com", "www.example.com", "192.0.2.1", True),
        ("*.example.com", "WWW.Example.COM", "192.0.2.1", True),
        ("*.example.com", "example.com", "192.0.2.1", False),
        ("192.0.2.*", "client", "192.0.2.9", True),
        ("2001:db8::/32", "client", "2001:db8::5", True),
        ("192.0.2.0/24", "client", "::ffff:192.0.2.5", True),
        ("192.0.2.5", "client", "::ffff:192.0.2.5", True),
        ("!*", "client", "192.0.2.1", False),
    ],
)
def test_from(pattern: str, host: str, addr: str, allowed: bool) -> None:
    assert (validate(f'from="{pattern}"', host, addr) is not None) is allowed


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("20300101Z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("203001021530Z", datetime(2030, 1, 2, 15, 30, tzinfo=UTC)),
        ("20300102153045Z", datetime(2030, 1, 2, 15, 30, 45, tzinfo=UTC)),
        ("20300102153045", datetime(2030, 1, 2, 15, 30, 45)),  # noqa: DTZ001 - local time
    ],
)
def test_expiry_time(value: str, moment: datetime) -> None:
    option = f'expiry-time="{value}"'
    assert validate(option, now=moment.timestamp() - 1) is not None
    assert validate(option, now=moment.timestamp()) is None


def test_earliest_expiry_counts_and_the_clock_is_used() -> None:
    option = 'expiry-time="20991231",expiry-time="20200101"'
    assert validate(option) is None
    assert validate('expiry-time="20991231Z"') is not None


def test_first_entry_that_allows_counts() -> None:
    text = f'from="10.0.0.0/8",no-pty {LINE}\ncommand="a" {LINE}\ncommand="b" {LINE}\n'
    keys = SSHAuthorizedKeys(text)
    first = keys.validate(ED, "client", "10.0.0.1")
    assert first is not None
    assert "no-pty" in first
    assert keys.validate(ED, "client", "192.0.2.1") == {"command": "a"}


def test_certificate_authorities_are_kept_apart() -> None:
    keys = SSHAuthorizedKeys(f"cert-authority {LINE}\n")
    assert keys.validate(ED, "client", "192.0.2.1") is None
    assert keys.validate(ED, "client", "192.0.2.1", ["user"], ca=True) == {"cert-authority": True}
    plain = SSHAuthorizedKeys(f"{LINE}\n")
    assert plain.validate(ED, "client", "192.0.2.1", ["user"], ca=True) is None


@pytest.mark.parametrize(
    ("principals", "allowed"),
    [
        (["alice"], True),
        (["zoe", "bob"], True),
        (["zoe"], False),
        ([], False),
        (None, False),
        # Whole strings: a comma inside of a principal is data.
        (["alice,bob"], False),
        (["alice "], False),
        (["ALICE"], False),
    ],
)
def test_principals(principals: list[str] | None, allowed: bool) -> None:
    keys = SSHAuthorizedKeys(f'cert-authority,principals="alice,bob" {LINE}\n')
    options = keys.validate(ED, "client", "192.0.2.1", principals, ca=True)
    assert (options is not None) is allowed


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nonsense " + LINE, "unknown option 'nonsense' without a value"),
        ('nonsense="1" ' + LINE, "unknown option 'nonsense' with a value"),
        ('no-pty="1" ' + LINE, "unknown option 'no-pty' with a value"),
        ("command " + LINE, "unknown option 'command' without a value"),
        ("command=ls " + LINE, "not in double quotes"),
        ('command="ls ' + LINE, "no closing quote"),
        ('command="a",command="b" ' + LINE, "command is given twice"),
        ('command="a\0b" ' + LINE, "NUL"),
        ('from="a",from="b" ' + LINE, "from is given twice"),
        ('from="" ' + LINE, "empty element"),
        ('from="a,,b" ' + LINE, "empty element"),
        ('from="!" ' + LINE, "option from: empty pattern"),
        ('from="10.0.0.1/8" ' + LINE, "option from"),
        ('cert-authority,principals="a," ' + LINE, "empty element"),
        ('environment="A" ' + LINE, "NAME=value"),
        ('environment="=1" ' + LINE, "NAME=value"),
        ('environment="A B=1" ' + LINE, "NAME=value"),
        ('permitopen="host" ' + LINE, "host:port"),
        ('permitopen=":80" ' + LINE, "host:port"),
        ('permitopen="host:0" ' + LINE, "port '0'"),
        ('permitopen="host:65536" ' + LINE, "port '65536'"),
        ('permitopen="host:ssh" ' + LINE, "port 'ssh'"),
        ('permitlisten="x" ' + LINE, "port 'x'"),
        ('expiry-time="2030" ' + LINE, "YYYYMMDD"),
        ('expiry-time="20301301" ' + LINE, "not a date"),
        ('expiry-time="2030010a" ' + LINE, "YYYYMMDD"),
        ("no-pty", "no key behind"),
        ("no-pty ", "no key behind"),
        ("no-pty;no-user-rc " + LINE, "comma or a blank"),
        ("no-pty, " + LINE, "neither a known key type nor an option"),
        ("ssh-ed25519", "not a public key line"),
        ("ssh-ed25519 !!!!", "base64"),
        ("ssh-rsa " + LINE.split()[1], "another type"),
        ("no-pty ssh-rsa " + LINE.split()[1], "another type"),
        ("=x " + LINE, "neither a known key type"),
    ],
)
def test_lines_that_are_refused(line: str, text: str) -> None:
    with pytest.raises(KeyImportError, match=f"line 2: .*{text}"):
        SSHAuthorizedKeys(f"{LINE}\n{line}\n")


def test_unknown_key_types_are_reported() -> None:
    """A key of tomorrow beside one of today locks nobody out."""
    new = base64.b64encode(encode_string(b"ssh-new") + b"what ever it holds").decode()
    text = f"ssh-new {new} me\nno-pty ssh-new {new}\n{LINE}\n"
    keys = SSHAuthorizedKeys(text)
    assert keys.validate(ED, "c", "192.0.2.1") == {}
    assert len(keys) == 1
    assert [problem.partition(":")[0] for problem in keys.problems] == ["line 1", "line 2"]


def test_read_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(LINE)
    second.write_text("no-pty " + public_line("ssh-ed25519", 1))
    keys = ssh_keys.read_authorized_keys([first, str(second)])
    assert keys.validate(ED, "c", "192.0.2.1") == {}
    assert keys.validate(OTHER, "c", "192.0.2.1") == {"no-pty": True}
    assert [entry.is_ca for entry in keys] == [False, False]
    assert ssh_keys.read_authorized_keys(first).validate(OTHER, "c", "192.0.2.1") is None
    second.write_text("what")
    with pytest.raises(KeyImportError, match=r"second.*line 1"):
        ssh_keys.read_authorized_keys([first, second])
    with pytest.raises(FileNotFoundError):
        ssh_keys.read_authorized_keys(tmp_path / "missing")


@given(st.binary(max_size=120))
def test_arbitrary_files(data: bytes) -> None:
    try:
        keys = ssh_keys.import_authorized_keys(data)
    except KeyImportError as exc:
        assert str(exc).isprintable()  # noqa: PT017 - it need not be raised
        return
    assert keys.validate(ED, "client", "192.0.2.1") is None


@given(st.integers(0, 400), st.integers(0, 255))
def test_changed_bytes(position: int, value: int) -> None:
    line = f'restrict,from="192.0.2.0/24",command="ls \\"x\\"",permitopen="h:1" {LINE} comment'
    data = bytearray(line.encode())
    data[position % len(data)] = value
    try:
        keys = SSHAuthorizedKeys(bytes(data))
    except KeyImportError:
        return
    keys.validate(ED, "client", "192.0.2.1")


def test_text_that_is_not_utf8_is_kept() -> None:
    keys = SSHAuthorizedKeys(b'command="\xff" ' + LINE.encode() + b" \xfe")
    options = keys.validate(ED, "client", "192.0.2.1")
    assert options is not None
    assert str(options["command"]).encode("utf-8", "surrogateescape") == b"\xff"
    (entry,) = keys
    assert entry.key.get_comment_bytes() == b"\xfe"


def test_plain_keys_have_no_principals() -> None:
    """Nobody gets in by such a line: sshd ignores it, and so would a certificate."""
    assert validate('principals="ada"') is None


def test_many_lines_of_unknown_types_take_no_more_time_than_lines() -> None:
    line = b"ssh-foo " + base64.b64encode(encode_string(b"ssh-foo")) + b"\n"
    start = time.process_time()
    keys = SSHAuthorizedKeys(line * 40_000)
    assert len(keys.problems) == 40_000
    assert time.process_time() - start < 5
