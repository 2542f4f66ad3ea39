"""Names of displays, Xauthority files, and the first message of X11 clients."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_connection.messages.connection import X11Request
from ssh_connection.x11 import authfile
from ssh_connection.x11.authfile import authority_path, read_authority, update_authority
from ssh_connection.x11.authority import (
    FAMILY_INTERNET,
    FAMILY_LOCAL,
    FAMILY_WILD,
    MIT_MAGIC_COOKIE,
    AuthorityEntry,
    decode_entries,
    encode_entries,
    find_entry,
    replace_entry,
)
from ssh_connection.x11.display import Display, parse_display
from ssh_connection.x11.server import _cookie
from ssh_connection.x11.setup import MAX_SETUP, ClientSetup, SetupError, encode_refusal

UNIX = "/tmp/.X11-unix/X"


# --- Displays --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "display"),
    [
        (":0", Display("", 0, 0, UNIX + "0")),
        (":12.3", Display("", 12, 3, UNIX + "12")),
        ("unix:1", Display("", 1, 0, UNIX + "1")),
        ("unix/:1", Display("", 1, 0, UNIX + "1")),
        ("local/host:1", Display("", 1, 0, UNIX + "1")),
        ("host/unix:1", Display("", 1, 0, UNIX + "1")),
        ("localhost:10.0", Display("localhost", 10)),
        ("host.example.com:0", Display("host.example.com", 0)),
        ("tcp/host:0", Display("host", 0)),
        ("tcp/:0", Display("localhost", 0)),
        ("192.0.2.1:2", Display("192.0.2.1", 2)),
        ("[2001:db8::1]:2", Display("2001:db8::1", 2)),
        ("2001:db8::1:2", Display("2001:db8::1", 2)),
        ("inet6/[::1]:2", Display("::1", 2)),
        (
            "/private/tmp/launch-x/org.xquartz:0",
            Display("", 0, 0, "/private/tmp/launch-x/org.xquartz:0"),
        ),
        ("/tmp/x:1.2", Display("", 1, 2, "/tmp/x:1")),
    ],
)
def test_display(name: str, display: Display) -> None:
    assert parse_display(name) == display
    assert parse_display(name).port == 6000 + display.number


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "0",
            ":",
            "host",
            "host:",
            ":x",
            ":0.",
            ":0.x",
            ":-1",
            ":99999",
            ":0.99999",
            "host::0",
        ),
        *(
            "ho st:0",
            "ho\nst:0",
            "decnet/host:0",
            "a;b:0",
            "/tmp/\0:0",
            ":\u0660",
            "a/b/c:0",
            ":0\n",
        ),
    ],
)
def test_not_a_display(name: str) -> None:
    with pytest.raises(ValueError, match="X11 display"):
        parse_display(name)


@given(st.text())
def test_any_display_name(name: str) -> None:
    try:
        display = parse_display(name)
    except ValueError:
        return
    assert bool(display.host) != bool(display.path)
    assert 6000 <= display.port <= 65535


# --- Xauthority files ------------------------------------------------------------------------

COOKIE = AuthorityEntry(FAMILY_LOCAL, b"host", b"10", MIT_MAGIC_COOKIE, b"0123456789abcdef")
ENTRIES = st.lists(
    st.builds(AuthorityEntry, st.integers(0, 65535), *[st.binary(max_size=30)] * 4), max_size=8
)


def test_literal_entry() -> None:
    data = b"\x01\x00\x00\x04host\x00\x0210\x00\x12MIT-MAGIC-COOKIE-1\x00\x100123456789abcdef"
    assert decode_entries(data) == [COOKIE]
    assert encode_entries([COOKIE]) == data
    assert "0123456789abcdef" not in repr(COOKIE)
    with pytest.raises(ValueError, match="too long"):
        encode_entries([COOKIE._replace(data=bytes(65536))])


@given(ENTRIES, st.integers(1, 60))
def test_entries_there_and_back(entries: list[AuthorityEntry], cut: int) -> None:
    data = encode_entries(entries)
    assert decode_entries(data) == entries
    rest = decode_entries(data[:-cut])
    assert rest == entries[: len(rest)]


@given(st.binary(max_size=300))
def test_any_file(data: bytes) -> None:
    entries = decode_entries(data)
    assert data.startswith(encode_entries(entries))


def test_which_entry_is_found() -> None:
    other = COOKIE._replace(number=b"11")
    wild = AuthorityEntry(FAMILY_WILD, b"", b"", MIT_MAGIC_COOKIE, b"wild")
    remote = AuthorityEntry(FAMILY_INTERNET, b"\xc0\0\2\1", b"0", MIT_MAGIC_COOKIE, b"remote")
    strange = COOKIE._replace(name=b"XDM-AUTHORIZATION-1")

    def find(name: str, *entries: AuthorityEntry) -> AuthorityEntry | None:
        addresses = {"far": [(FAMILY_INTERNET, b"\xc0\0\2\1")]}
        return find_entry(entries, parse_display(name), "host", lambda host: addresses[host])

    assert find(":10", strange, other, COOKIE) == COOKIE
    assert find("localhost:10.0", COOKIE) == COOKIE
    assert find("127.0.0.1:10", COOKIE) == COOKIE
    assert find("host:10", COOKIE) == COOKIE
    assert find(":9", COOKIE) is None
    assert find(":9", COOKIE, wild) == wild
    assert find("far:0", COOKIE, remote) == remote
    assert find("far:1", COOKIE, remote) is None
    assert find(":0", remote) is None


def test_replacing_entries() -> None:
    wild = AuthorityEntry(FAMILY_WILD, b"", b"", MIT_MAGIC_COOKIE, b"wild")
    new = COOKIE._replace(data=b"new")
    assert replace_entry([wild, COOKIE], new) == [new, wild]
    assert replace_entry([new, wild], new, remove=True) == [wild]
    # Somebody else has put another cookie there meanwhile.
    assert replace_entry([COOKIE, wild], new, remove=True) == [COOKIE, wild]


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    assert read_authority(str(path)) == []
    update_authority(str(path), COOKIE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_authority(str(path)) == [COOKIE]
    link = tmp_path / "link"
    link.symlink_to(path)
    other = COOKIE._replace(number=b"11")
    update_authority(str(link), other)
    assert link.is_symlink()
    assert read_authority(str(path)) == [other, COOKIE]
    update_authority(str(path), COOKIE, remove=True)
    assert read_authority(str(path)) == [other]
    assert sorted(os.listdir(tmp_path)) == ["auth", "link"]


def test_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.write_bytes(bytes(authfile.MAX_SIZE + 1))
    with pytest.raises(OSError, match="larger"):
        update_authority(str(path), COOKIE)
    assert sorted(os.listdir(tmp_path)) == ["auth"]


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        update_authority(str(tmp_path / "no" / "auth"), COOKIE)


@pytest.mark.parametrize("lock", ["-c", "-l"])
def test_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    path = tmp_path / "auth"
    held = tmp_path / f"auth{lock}"
    held.touch()
    monkeypatch.setattr(authfile, "_TRIES", 3)
    monkeypatch.setattr(authfile, "_WAIT", 0.02)
    with pytest.raises(TimeoutError, match="locked"):
        update_authority(str(path), COOKIE)
    assert os.listdir(tmp_path) == [f"auth{lock}"]
    # A lock that was left behind is broken.
    monkeypatch.setattr(authfile, "_STALE", -1)
    update_authority(str(path), COOKIE)
    assert os.listdir(tmp_path) == ["auth"]


def test_lock_of_another_program_is_waited_for(tmp_path: Path) -> None:
    path, held = tmp_path / "auth", tmp_path / "auth-c"
    held.touch()

    def release() -> None:
        time.sleep(0.2)
        held.unlink()

    thread = threading.Thread(target=release)
    thread.start()
    update_authority(str(path), COOKIE)
    thread.join()
    assert read_authority(str(path)) == [COOKIE]


def test_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    entries = [COOKIE._replace(number=str(n).encode()) for n in range(8)]
    threads = [threading.Thread(target=update_authority, args=(str(path), e)) for e in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_authority(str(path))) == sorted(entries)


def test_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next program does not have to wait for a lock that nobody has."""

    def link(source: str, target: str) -> None:
        raise PermissionError("no links")

    path = str(tmp_path / "auth")
    entry = AuthorityEntry(FAMILY_LOCAL, b"host", b"1", MIT_MAGIC_COOKIE, b"x" * 16)
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(PermissionError):
        update_authority(path, entry)
    assert os.listdir(tmp_path) == []


def test_cookies_are_in_no_repr() -> None:
    entry = AuthorityEntry(FAMILY_LOCAL, b"host", b"1", MIT_MAGIC_COOKIE, b"secret")
    setup = ClientSetup(ord("l"), 11, 0, MIT_MAGIC_COOKIE, b"secret")
    request = X11Request(True, MIT_MAGIC_COOKIE, b"secret", 0)
    for each in (entry, setup, request):
        assert "MIT" in repr(each)
        assert "secret" not in repr(each)


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XAUTHORITY", raising=False)
    assert authority_path() == "/home/me/.Xauthority"
    monkeypatch.setenv("XAUTHORITY", "/run/auth")
    assert authority_path() == "/run/auth"
    assert authority_path(tmp_path) == str(tmp_path)
    assert authority_path("~/x") == "/home/me/x"


# --- The first message -----------------------------------------------------------------------

LITTLE = b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\x000123456789abcdef"
BIG = b"B\0\0\x0b\0\0\0\x12\0\x10\0\0MIT-MAGIC-COOKIE-1\0\x000123456789abcdef"


@pytest.mark.parametrize("literal", [LITTLE, BIG])
def test_setup(literal: bytes) -> None:
    setup = ClientSetup(literal[0], 11, 0, MIT_MAGIC_COOKIE, b"0123456789abcdef")
    assert ClientSetup.decode(literal + b"more") == (setup, 48)
    assert setup.encode() == literal
    assert "0123456789abcdef" not in repr(setup)
    for size in range(len(literal)):
        assert ClientSetup.decode(literal[:size]) is None


@pytest.mark.parametrize(
    "wrong",
    [b"\0", b"x" * 12, b"GET / HTTP/1.0", b"l\0\x0b\0\0\0\xff\xff\0\0\0\0", b"l" + b"\xff" * 11],
)
def test_not_a_setup(wrong: bytes) -> None:
    with pytest.raises(SetupError):
        ClientSetup.decode(wrong)


@given(st.binary(max_size=100), st.sampled_from([b"", b"l", b"B"]))
def test_any_setup(data: bytes, first: bytes) -> None:
    received = first + data
    try:
        decoded = ClientSetup.decode(received)
    except SetupError:
        return
    if decoded is None:
        assert len(received) < MAX_SETUP
    else:
        setup, size = decoded
        assert size <= len(received)
        assert ClientSetup.decode(setup.encode()) == (setup, size)


def test_refusal() -> None:
    setup = ClientSetup(ord("l"), 11, 0, b"", b"")
    assert encode_refusal(setup, "Never") == b"\0\x05\x0b\0\0\0\x02\0Never\0\0\0"
    assert (
        encode_refusal(setup._replace(byte_order=ord("B")), "No") == b"\0\x02\0\x0b\0\0\0\x01No\0\0"
    )


# --- Requests of clients ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "cookie", "screen"),
    [
        (b"MIT-MAGIC-COOKIE-1", b"", 0),
        (b"MIT-MAGIC-COOKIE-1", b"0", 0),
        (b"MIT-MAGIC-COOKIE-1", b"0g", 0),
        (b"MIT-MAGIC-COOKIE-1", b"00 11", 0),
        (b"MIT-MAGIC-COOKIE-1", b"\xff\xff", 0),
        (b"MIT-MAGIC-COOKIE-1", b"00" * 65, 0),
        (b"MIT-MAGIC-COOKIE-1", b"00", 1 << 20),
        (b"", b"00", 0),
        (b"a b", b"00", 0),
        (b"a\nb", b"00", 0),
        (b"a" * 65, b"00", 0),
    ],
)
def test_strange_requests(protocol: bytes, cookie: bytes, screen: int) -> None:
    with pytest.raises(ValueError, match="X11"):
        _cookie(X11Request(False, protocol, cookie, screen))
