"""known_hosts: plain, hashed, patterns, ports, markers; what it says of a key; speed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import HostKeyStatus, KeyImportError, KnownHostsEditor, SSHKey, SSHKnownHosts

from .support import make_key, public_line

ED, ED2 = make_key("ssh-ed25519"), make_key("ssh-ed25519", 1)
EC, RSA = make_key("ecdsa-sha2-nistp256"), make_key("ssh-rsa")
ED_LINE, ED2_LINE = public_line("ssh-ed25519"), public_line("ssh-ed25519", 1)
EC_LINE, RSA_LINE = public_line("ecdsa-sha2-nistp256"), public_line("ssh-rsa")


def hashed(name: str, salt: bytes = b"0123456789abcdefghij") -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def status(text: str, host: str, key: object = ED, addr: str = "", port: int | None = None) -> str:
    result = SSHKnownHosts(text).lookup(host, addr, port)
    return result.check(key).value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "host", "addr", "port", "known"),
    [
        ("host", "host", "", None, True),
        ("host", "host", "", 22, True),
        ("host", "HOST", "", 22, True),
        ("HOST", "host", "", 22, True),
        ("host", "other", "", 22, False),
        ("host", "host", "", 2222, False),
        ("[host]:2222", "host", "", 2222, True),
        ("[host]:2222", "host", "", 22, False),
        ("[host]:2222", "host", "", 2223, False),
        ("a,host,b", "host", "", 22, True),
        ("10.0.0.1", "host", "10.0.0.1", 22, True),
        ("10.0.0.1", "", "10.0.0.1", 22, True),
        ("10.0.0.1", "host", "10.0.0.2", 22, False),
        ("[10.0.0.1]:99", "host", "10.0.0.1", 99, True),
        ("2001:db8::1", "2001:DB8::1", "", 22, True),
        ("[2001:db8::1]:99", "host", "2001:db8::1", 99, True),
        ("*.example.com", "www.example.com", "", 22, True),
        ("*.example.com", "example.com", "", 22, False),
        ("*.example.com", "www.example.com", "", 2222, False),
        ("[*.example.com]:2222", "www.example.com", "", 2222, True),
        ("[*.example.com]:*", "www.example.com", "", 2222, True),
        ("*.example.com,!bad.example.com", "bad.example.com", "", 22, False),
        ("!bad.example.com,*.example.com", "bad.example.com", "", 22, False),
        ("*.example.com,!bad.example.com", "good.example.com", "", 22, True),
        ("!bad.example.com", "good.example.com", "", 22, False),
        ("*,!10.0.0.1", "host", "10.0.0.1", 22, False),
        ("h?st", "host", "", 22, True),
        ("10.0.0.0/8", "host", "10.2.3.4", 22, True),
        ("10.0.0.0/8", "host", "11.2.3.4", 22, False),
        ("10.0.0.0/8", "10.2.3.4", "", 22, False),
        (hashed("host"), "host", "", 22, True),
        (hashed("host"), "Host", "", None, True),
        (hashed("host"), "other", "", 22, False),
        (hashed("[host]:2222"), "host", "", 2222, True),
        (hashed("[host]:2222"), "host", "", 22, False),
        (hashed("10.0.0.1"), "host", "10.0.0.1", 22, True),
    ],
)
def test_names(names: str, host: str, addr: str, port: int | None, known: bool) -> None:
    expected = "trusted" if known else "unknown"
    for text in (f"{names} {ED_LINE} comment", f" {names}\t{ED_LINE}\r", f"{names}\t {ED_LINE}"):
        assert status(text, host, ED, addr, port) == expected


def test_unknown_and_mismatch_and_revoked() -> None:
    text = f"# comment\n\nhost {ED_LINE}\nhost {EC_LINE} x y\n@revoked host {ED2_LINE}\n"
    assert status(text, "host", ED) == "trusted"
    assert status(text, "host", EC) == "trusted"
    assert status(text, "host", ED2) == "revoked"
    # Also a key of another type: the host could have shown the one that is known.
    assert status(text, "host", RSA) == "mismatch"
    assert status(text, "other", ED) == "unknown"


def test_revoked_wins_over_trusted() -> None:
    for text in (
        f"host {ED_LINE}\n@revoked * {ED_LINE}",
        f"@revoked host {ED_LINE}\nhost {ED_LINE}",
    ):
        assert status(text, "host") == "revoked"


def test_revoked_everywhere_or_hashed() -> None:
    assert status(f"@revoked * {ED_LINE}", "host") == "revoked"
    assert status(f"@revoked *,[*]:* {ED_LINE}", "host", port=99) == "revoked"
    assert status(f"@revoked {hashed('host')} {ED_LINE}", "host") == "revoked"
    assert status(f"@revoked *.a {ED_LINE}", "host") == "unknown"


@pytest.mark.parametrize("marker", ["@cert-authority", "@cert_authority"])
def test_cert_authority(marker: str) -> None:
    text = f"{marker} *.example.com {ED_LINE}\nwww.example.com {EC_LINE}"
    result = SSHKnownHosts(text).lookup("www.example.com")
    public = ED.convert_to_public()
    assert result.ca_keys == (public,)
    assert result.trusted_keys == (EC.convert_to_public(),)
    assert result.check_ca(ED) is HostKeyStatus.TRUSTED
    assert result.check_ca(EC) is HostKeyStatus.UNKNOWN
    # The key of the authority is not a host key.
    assert result.check(ED) is HostKeyStatus.MISMATCH


def test_revoked_authority() -> None:
    text = f"@cert-authority * {ED_LINE}\n@revoked * {ED_LINE}"
    assert SSHKnownHosts(text).lookup("host").check_ca(ED) is HostKeyStatus.REVOKED


def test_a_private_key_is_compared_by_its_public_part() -> None:
    result = SSHKnownHosts(f"host {ED_LINE}").lookup("host")
    assert ED.is_private
    assert result.check(ED) is result.check(ED.convert_to_public()) is HostKeyStatus.TRUSTED


def test_host_key_algorithms() -> None:
    text = f"host {RSA_LINE}\nhost {ED_LINE}\nother {EC_LINE}"
    names = SSHKnownHosts(text).lookup("host").host_key_algorithms
    usual = [name for name in names if not name.endswith(b"@ssh.com")]
    assert usual == [b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa"]
    assert SSHKnownHosts(text).lookup("nobody").host_key_algorithms == ()


def test_same_key_twice_is_returned_once() -> None:
    text = f"host {ED_LINE}\nhost,10.0.0.1 {ED_LINE}\n{hashed('host')} {ED_LINE}"
    assert len(SSHKnownHosts(text).lookup("host", "10.0.0.1").trusted_keys) == 1


def test_keys_come_in_the_order_of_the_file() -> None:
    text = f"h* {EC_LINE}\nhost {ED_LINE}\n{hashed('host')} {RSA_LINE}"
    algorithms = [key.algorithm for key in SSHKnownHosts(text).lookup("host").trusted_keys]
    assert algorithms == [b"ecdsa-sha2-nistp256", b"ssh-ed25519", b"ssh-rsa"]


@pytest.mark.parametrize(
    "text",
    [
        "@revoked",
        "@revoked host",
        "@revoked host ssh-ed25519",
        "@revoked host ssh-ed25519 !!!!",
        f"@revoked host ssh-rsa {ED_LINE.split()[1]}",
        f"@cert-authority a/b {ED_LINE}",
        f"@revoked |1|zzz|zzz {ED_LINE}",
        f"@revoked * {ED_LINE[:-8]}",
    ],
)
def test_marked_lines_must_be_right(text: str) -> None:
    with pytest.raises(KeyImportError, match="line 2: "):
        SSHKnownHosts(f"\n{text}\n")


def test_unknown_type_with_a_marker() -> None:
    new = base64.b64encode(b"\0\0\0\x07ssh-new\0\0\0\0").decode()
    for marker in ("@revoked", "@cert-authority"):
        result = SSHKnownHosts(f"{marker} * ssh-new {new}\nhost {ED_LINE}").lookup("host")
        (problem,) = result.problems
        assert problem == "line 1: unknown key type 'ssh-new'"
        assert result.check(ED) is HostKeyStatus.TRUSTED
        assert result.ca_keys == result.revoked_keys == ()


@pytest.mark.parametrize(
    "marker", ["@unknown", "@", "@REVOKED", "@revoked,cert-authority", "@\x1b"]
)
def test_unknown_markers_are_reported(marker: str) -> None:
    """As ssh does it: a later version may have others, and the other lines of the file count."""
    known = SSHKnownHosts(f"host {EC_LINE}\n{marker} host,h*,|1|zzz {ED_LINE}\n{marker}")
    result = known.lookup("host")
    assert result.problems == (f"line 2: unknown marker {marker!r}",)
    assert result.check(EC) is HostKeyStatus.TRUSTED
    assert result.check(ED) is HostKeyStatus.MISMATCH
    assert result.check_ca(ED) is HostKeyStatus.UNKNOWN
    # Nothing is said of a host of which only such a line knows.
    assert known.lookup("h2").check(ED) is HostKeyStatus.UNKNOWN
    assert known.lookup("other").problems == ()


@pytest.mark.parametrize(
    "key",
    [
        "ssh-ed25519",
        "",
        "ssh-ed25519 !!!!",
        f"ssh-rsa {ED_LINE.split()[1]}",
        "1024 65537 123456789",
        ED_LINE[:-8],
    ],
)
def test_unmarked_lines_that_cannot_be_used_are_reported(key: str) -> None:
    result = SSHKnownHosts(f"\nhost {key}\nhost {EC_LINE}").lookup("host")
    assert result.trusted_keys == (EC.convert_to_public(),)
    (problem,) = result.problems
    assert problem.startswith("line 2: ")
    # Another host is not bothered.
    assert SSHKnownHosts(f"\nhost {key}").lookup("other").problems == ()


def test_unmarked_lines_without_usable_names_never_match() -> None:
    text = f"|1|zzz {ED_LINE}\na/b {ED_LINE}\n!{ED_LINE}\n*,, {ED_LINE}"
    assert SSHKnownHosts(text).lookup("a/b").trusted_keys == ()


@given(st.binary(max_size=200))
def test_arbitrary_files(data: bytes) -> None:
    try:
        known_hosts = SSHKnownHosts(data)
    except KeyImportError as exc:
        assert str(exc).isprintable()  # noqa: PT017 - it need not be raised
        return
    assert known_hosts.lookup("host", "10.0.0.1", 22).check(ED) is HostKeyStatus.UNKNOWN


@given(st.integers(0, 400), st.integers(0, 255))
def test_changed_bytes(position: int, value: int) -> None:
    lines = f"host {ED_LINE}\n@revoked h2 {EC_LINE}\n{hashed('h3')} {ED2_LINE}\nh4* {ED2_LINE}\n"
    data = bytearray(lines.encode())
    data[position % len(data)] = value
    try:
        known_hosts = SSHKnownHosts(bytes(data))
    except KeyImportError:
        return
    for host in ("host", "h2", "h3", "h4"):
        known_hosts.lookup(host, "10.0.0.1", 22)


# --- The public functions --------------------------------------------------------------------


def test_match_returns_seven_lists() -> None:
    text = f"host {ED_LINE}\n@cert-authority host {EC_LINE}\n@revoked host {RSA_LINE}"
    lists = ssh_keys.import_known_hosts(text).match("host", "", None)
    assert len(lists) == 7
    assert [list(entry) for entry in lists] == [
        [ED.convert_to_public()],
        [EC.convert_to_public()],
        [RSA.convert_to_public()],
        [],
        [],
        [],
        [],
    ]


def test_match_known_hosts_takes_everything(tmp_path: Path) -> None:
    text = f"host {ED_LINE}\n"
    path = tmp_path / "known_hosts"
    path.write_text(text)
    public = ED.convert_to_public()
    pub_file = tmp_path / "ca.pub"
    EC.write_public_key(pub_file)

    def function(host: str, addr: str, port: int | None) -> list[list[object]]:
        assert (host, addr, port) == ("host", "10.0.0.1", None)
        return [[public], [str(pub_file)], [RSA_LINE.encode()]]

    forms: tuple[object, ...] = (
        str(path),
        path,
        text.encode(),
        ssh_keys.import_known_hosts(text),
        function,
        ([public], [pub_file], []),
        ([public], [], [], [], [], [], []),
    )
    for known_hosts in forms:
        lists = ssh_keys.match_known_hosts(known_hosts, "host", "10.0.0.1", None)  # type: ignore[arg-type]
        assert list(lists.trusted_host_keys) == [public]
        assert len(lists) == 7
    lists = ssh_keys.match_known_hosts(function, "host", "10.0.0.1", None)  # type: ignore[arg-type]
    assert list(lists.trusted_ca_keys) == [EC.convert_to_public()]
    assert list(lists.revoked_host_keys) == [RSA.convert_to_public()]


def test_match_known_hosts_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="three or seven lists, not 2"):
        ssh_keys.match_known_hosts(([], []), "host", "", None)
    with pytest.raises(FileNotFoundError):
        ssh_keys.match_known_hosts(tmp_path / "missing", "host", "", None)


def test_read_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(f"host {ED_LINE}")
    second.write_text(f"host {EC_LINE}\n")
    result = ssh_keys.read_known_hosts([first, str(second)]).lookup("host")
    assert [key.algorithm for key in result.trusted_keys] == [ED.algorithm, EC.algorithm]
    second.write_text("\n@revoked host key\n")
    with pytest.raises(KeyImportError, match=r"second.*line 3"):
        ssh_keys.read_known_hosts([first, second])


def test_hundred_thousand_lines() -> None:
    """After loading, a host among 100,000 is found in well under a millisecond."""
    lines = [f"host{number}.example.com,10.0.0.{number} {ED_LINE}" for number in range(100_000)]
    known_hosts = SSHKnownHosts("\n".join(lines))
    best = 1.0
    for number in range(50):
        start = time.perf_counter()
        result = known_hosts.lookup(f"host{99_000 + number}.example.com", "", 22)
        best = min(best, time.perf_counter() - start)
        assert result.check(ED) is HostKeyStatus.TRUSTED
    assert best < 0.001


def test_hashed_names_are_remembered_until_more_is_loaded() -> None:
    first, second = make_key("ssh-ed25519"), make_key("ssh-ed25519", 1)

    def hashed(key: SSHKey) -> str:
        editor = KnownHostsEditor(b"")
        editor.add("host", key.convert_to_public(), hashed=True)
        return editor.to_bytes().decode()

    known = ssh_keys.import_known_hosts(hashed(first))
    for _ in range(2):
        assert known.lookup("host").trusted_keys == (first.convert_to_public(),)
        assert known.lookup("other").trusted_keys == ()
    known.load(hashed(second))
    assert len(known.lookup("host").trusted_keys) == 2


def test_lines_that_name_a_host_twice_count_once() -> None:
    known = SSHKnownHosts(f"a {ED_LINE}\na,a {ED2_LINE}\nb,a,b {EC_LINE}\n")
    assert list(known.find_lines("a")) == [1, 2, 3]
    assert list(known.find_lines("a", "192.0.2.1")) == [1, 2, 3]
    assert list(known.find_lines("b")) == [3]
    assert list(known.find_lines("c")) == []
