"""Editing known_hosts: find, add, remove, hash, learn; ssh-keygen does the same; locks hold."""

from __future__ import annotations

import fcntl
import multiprocessing
import re
import stat
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import (
    HostKeyStatus,
    KeyExportError,
    KeyImportError,
    KnownHostsEditor,
    SSHKnownHosts,
    hash_known_hosts,
    learn_host_key,
    remove_known_host,
)
from ssh_keys.files import edit_file

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen

ED, EC = make_key("ssh-ed25519"), make_key("ecdsa-sha2-nistp256")
LINE, EC_LINE = public_line("ssh-ed25519"), public_line("ecdsa-sha2-nistp256")
TEXT = f"""# comment
host {LINE} the comment

a,host,b {LINE}
*.example.com,host {LINE}
h* {LINE}
@cert-authority host {LINE}
@revoked host {EC_LINE}
[host]:2222 {LINE}
host2 {LINE}
  host {LINE} indented
!host,h* {LINE}
HOST {LINE}
"""


def editor(text: str = TEXT) -> KnownHostsEditor:
    return KnownHostsEditor(text.encode())


def test_unchanged_text_stays() -> None:
    for text in (TEXT, "", "\n", "# only a comment\n", "\n\n"):
        assert editor(text).to_bytes() == text.encode()
    assert editor("host").to_bytes() == b"host\n"


def test_find() -> None:
    found = editor().find("host")
    assert [line.number for line in found] == [2, 4, 5, 6, 7, 8, 11, 13]
    assert [line.marker for line in found if line.marker] == ["@cert-authority", "@revoked"]
    assert found[0].text == f"host {LINE} the comment"
    assert [line.number for line in editor().find("host", 2222)] == [9]
    assert editor().find("nobody") == []


def test_remove_keeps_markers_and_comments() -> None:
    edited = editor()
    assert [line.number for line in edited.remove("host")] == [2, 4, 5, 6, 11, 13]
    assert edited.to_bytes().decode() == (
        f"# comment\n\n@cert-authority host {LINE}\n@revoked host {EC_LINE}\n"
        f"[host]:2222 {LINE}\nhost2 {LINE}\n!host,h* {LINE}\n"
    )
    assert edited.remove("host") == []


def test_add() -> None:
    edited = editor("# comment\n")
    assert edited.add("host", ED, addr="192.0.2.1") is True
    assert edited.add("host", ED) is False
    assert edited.add("host", EC, port=2222) is True
    assert edited.add("host", ED, port=22) is False
    assert edited.add("*", EC, marker="@revoked") is True
    assert edited.add("*.example.com", EC, marker="@cert-authority") is True
    lines = edited.to_bytes().decode().splitlines()
    assert lines == [
        "# comment",
        f"host,192.0.2.1 {LINE} ssh-ed25519 0",
        f"[host]:2222 {EC_LINE} ecdsa-sha2-nistp256 0",
        f"@revoked * {EC_LINE} ecdsa-sha2-nistp256 0",
        f"@cert-authority *.example.com {EC_LINE} ecdsa-sha2-nistp256 0",
    ]


def test_add_hashed() -> None:
    edited = editor("")
    assert edited.add("Host", ED, addr="192.0.2.1", port=2222, hashed=True)
    text = edited.to_bytes()
    assert text.count(b"|1|") == 2
    assert b"ost]" not in text
    known_hosts = SSHKnownHosts(text)
    for host, addr in (("host", ""), ("", "192.0.2.1")):
        assert known_hosts.lookup(host, addr, 2222).check(ED) is HostKeyStatus.TRUSTED
    assert edited.add("host", ED, port=2222, hashed=True) is False


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a\n", "a\tb", "#a", "|1|x", "@a", "a\x1b[0m"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(KeyExportError):
        editor().add(name, ED)


def test_additions_that_are_refused() -> None:
    with pytest.raises(KeyExportError, match="no marker '@what'"):
        editor().add("host", ED, marker="@what")
    with pytest.raises(KeyExportError, match="pattern"):
        editor().add("*.example.com", ED, hashed=True)
    with pytest.raises(KeyImportError, match="line 1: no host names"):
        KnownHostsEditor(b"@revoked")


def test_lines_that_are_skipped() -> None:
    """They are found with the reason, and stay when others are changed, as far as they must."""
    text = f"@what host {LINE}\nhost ssh-new AAAA\nhost {LINE}\n"
    edited = editor(text)
    assert [line.problem for line in edited.find("host")] == [
        "unknown marker '@what'",
        "public key: string length truncated",
        "",
    ]
    assert edited.hash_names() == 2
    assert edited.to_bytes().startswith(f"@what host {LINE}\n|1|".encode())
    assert [line.number for line in edited.remove("host")] == [2, 3]
    assert edited.to_bytes() == f"@what host {LINE}\n".encode()
    assert edited.add("host", ED)


@needs_ssh_keygen
def test_same_lines_count_as_for_ssh_keygen(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    bad = ["@what host", "@ host", "@Revoked host", "host nonsense"]
    good = ["host", "@revoked host", "@cert-authority h*", "*"]
    lines = [f"{each} {LINE}" for pair in zip(bad, good, strict=True) for each in pair]
    path.write_text("\n".join([*lines, "host", ""]))
    told = ssh_keygen("-F", "host", "-f", path)
    found = KnownHostsEditor(path.read_bytes()).find("host")
    assert [int(number) for number in re.findall("found: line ([0-9]+)", told)] == [
        line.number for line in found if not line.problem
    ]
    assert len(found) > len(good)


def test_hash_names() -> None:
    edited = editor()
    assert edited.hash_names() == 6
    lines = edited.to_bytes().decode().splitlines()
    assert sum(line.startswith("|1|") for line in lines) == 8
    kept = [line for line in lines if not line.startswith("|1|")]
    assert kept == [
        "# comment",
        "",
        f"*.example.com,host {LINE}",
        f"h* {LINE}",
        f"@cert-authority host {LINE}",
        f"@revoked host {EC_LINE}",
        f"!host,h* {LINE}",
    ]
    assert edited.hash_names() == 0
    known_hosts = SSHKnownHosts(edited.to_bytes())
    for host, port in (("a", 22), ("b", 22), ("host2", 22), ("host", 2222)):
        assert known_hosts.lookup(host, "", port).check(ED) is HostKeyStatus.TRUSTED


# --- Files -----------------------------------------------------------------------------------


def test_learn(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    assert learn_host_key(path, "host", "192.0.2.1", None, ED) is HostKeyStatus.UNKNOWN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert learn_host_key(path, "host", "192.0.2.1", None, ED) is HostKeyStatus.TRUSTED
    assert learn_host_key(path, "host", "", None, EC) is HostKeyStatus.MISMATCH
    assert path.read_bytes() == before == f"host,192.0.2.1 {LINE} ssh-ed25519 0\n".encode()
    assert learn_host_key(path, "other", "", 2222, EC, hashed=True) is HostKeyStatus.UNKNOWN
    assert b"other" not in path.read_bytes()
    with path.open("a") as file:
        file.write(f"@revoked * {EC_LINE}\n")
    assert learn_host_key(path, "new", "", None, EC) is HostKeyStatus.REVOKED
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["known_hosts"]


def test_remove_and_hash_files(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(TEXT)
    path.chmod(0o640)
    inode = path.stat().st_ino
    assert not remove_known_host(path, "nobody")
    assert path.stat().st_ino == inode
    assert [line.number for line in remove_known_host(path, "host2")] == [6, 10, 12]
    assert hash_known_hosts(path) == 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert hash_known_hosts(path) == 0


def _learn(path: Path, number: int) -> None:
    for index in range(5):
        learn_host_key(path, f"host{number}-{index}", "", None, ED)


def test_processes_do_not_lose_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_learn, args=(path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    names = {line.split()[0] for line in path.read_text().splitlines()}
    assert names == {f"host{number}-{index}" for number in range(4) for index in range(5)}


def test_a_lock_that_is_held(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="is locked"):
            edit_file(path, lambda data: data + b"x", timeout=0.05)
    edit_file(path, lambda data: data + b"x", timeout=0.05)
    assert path.read_bytes() == b"x"


# --- ssh-keygen ------------------------------------------------------------------------------


@needs_ssh_keygen
@pytest.mark.parametrize("host", ["host", "host2", "[host]:2222", "a", "www.example.com", "no"])
def test_ssh_keygen_removes_the_same(host: str, tmp_path: Path) -> None:
    name, _, port = host.rpartition("]:")
    arguments = (name.lstrip("[") or host, int(port) if name else None)
    path = tmp_path / "known_hosts"
    path.write_text(TEXT)
    found = ssh_keygen("-F", host, "-f", path, check=False).splitlines()
    ours = [line.text for line in editor().find(*arguments)]
    assert [line for line in found if not line.startswith("# Host")] == ours
    ssh_keygen("-R", host, "-f", path, check=False)
    edited = editor()
    edited.remove(*arguments)
    assert edited.to_bytes() == path.read_bytes()


@needs_ssh_keygen
def test_ssh_keygen_finds_what_we_hashed(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(TEXT)
    hash_known_hosts(path)
    for host in ("host", "a", "b", "host2", "[host]:2222"):
        assert "|1|" in ssh_keygen("-F", host, "-f", path)
    theirs = tmp_path / "theirs"
    theirs.write_text(TEXT)
    ssh_keygen("-H", "-f", theirs)
    keys = [line.split()[1:] for line in path.read_text().splitlines()]
    assert keys == [line.split()[1:] for line in theirs.read_text().splitlines()]
    assert ssh_keys.read_known_hosts(path).lookup("a").check(ED) is HostKeyStatus.TRUSTED
