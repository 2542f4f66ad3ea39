"""Wildcards in the paths of `scp -f`: a real shell says what they stand for."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ssh_sftp.scp.expansion as expansion
from ssh_sftp import SFTPError, SFTPFailure, SFTPServer
from ssh_sftp.scp.copy import receive_files
from ssh_sftp.scp.expansion import Expansion, compile_part
from ssh_sftp.scp.files import ServerFiles
from ssh_sftp.scp.protocol import ScpCommand, parse_command
from ssh_sftp.scp.words import is_pattern, split_words, unescape
from tests.sftp.test_scp import Host, scp

# --- Words -----------------------------------------------------------------------------------

LINES = st.text(st.sampled_from("ab'\"\\ *?[]!^-:/\t\n$;"), max_size=30)


@given(LINES)
@example('a\'b c\'\\*"d\\"e\\f"')
@example("'' \"\"")
@example("a\\")
def test_words_are_those_of_a_shell(line: str) -> None:
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(ValueError, match="no closing"):
            split_words(line)
    else:
        assert [unescape(word) for word in split_words(line)] == expected


@pytest.mark.parametrize(
    ("word", "written", "pattern"),
    [
        ("a*", "a*", True),
        ("'a*'", "a\\*", False),
        ("\\*?", "\\*?", True),
        ('"["a]', "\\[a]", False),
        ("\\\\*", "\\\\*", True),
        ("a-b!", "a-b!", False),
    ],
)
def test_what_is_quoted_is_no_wildcard(word: str, written: str, pattern: bool) -> None:
    assert split_words(word) == [written]
    assert is_pattern(written) is pattern


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scp -f *.txt", ScpCommand(True, (b"*.txt",), patterns=("*.txt",))),
        ("scp -f '*.txt' a", ScpCommand(True, (b"*.txt", b"a"))),
        ("scp -f 'a '* b\\*", ScpCommand(True, (b"a *", b"b*"), patterns=("a *", "b\\*"))),
        ("scp -r -t d*", ScpCommand(False, (b"d*",), True, patterns=("d*",))),
        ("sc? -f a", None),
    ],
)
def test_commands(line: str, expected: ScpCommand | None) -> None:
    assert parse_command(line) == expected


# --- Against bash ----------------------------------------------------------------------------

NAMES = ["a", "b", "ab", "a.b", "-", "a-b", "*", "?", "[", "]", "[a]", "!", "^", "A", "\\", "z b"]
NAMES += [".a", ".", "..a", "\u00e4", "a\u00e4b", "0", "aaab", ":", "a'", '"']


@cache
def bash() -> str:
    """A bash that leaves `.` and `..` out, as it does since version 5.2."""
    found = shutil.which("bash")
    if found is None:
        pytest.skip("bash is not installed")
    done = subprocess.run([found, "-c", "shopt -s globskipdots"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this bash lists . and ..")
    return found


def expanded_by_bash(folder: Path, word: str) -> list[bytes]:
    """What a word becomes there."""
    script = f"for name in {word}; do printf '%s\\0' \"$name\"; done"
    # Classes of ours have the characters of ASCII only.
    locale = "C" if "[:" in word else "C.UTF-8"
    environ = {"PATH": os.environ["PATH"], "LC_ALL": locale}
    done = subprocess.run(
        [bash(), "-c", script], cwd=folder, env=environ, capture_output=True, check=True, timeout=60
    )
    return done.stdout.split(b"\0")[:-1]


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with names that mean something to a shell, also one level below."""
    folder = tmp_path_factory.mktemp("garden")
    for below in (folder, folder / "d", folder / "d[", folder / ".h"):
        below.mkdir(exist_ok=True)
        for name in NAMES:
            if name != ".":
                (below / name).touch()
    (folder / "link").symlink_to("d")
    (folder / "nowhere").symlink_to("nothing")
    return folder


async def expanded(folder: Path, word: str) -> list[bytes]:
    """What a word becomes for us."""
    files = ServerFiles(SFTPServer(chroot=str(folder)))
    (written,) = split_words(word)
    return await Expansion(files).expand(written)


WORDS = [
    *("*", "?", ".*", "a*", "*b", "a*b", "[ab]", "[!a]", "[^a]*", "[a-z]", "[z-a]", "[]]", "[]a]*"),
    *("[!]]", "[a", "a]", "[[]", "[a-]", "[-a]", "[--a]", "[a\\-z]", "[a'-'z]", "'['*", "\\**"),
    *("d/*", "*/a", "*/", "*/*", "l*/a", "./*", "d//*", ".//.*", "d/../a*", "no*/a", "no*", "x*"),
    *("d[/*", "[d/]a", ".h*/a", "*/.a", "d/.*", "**", "**/a", "[[:alpha:]]", "[![:alpha:]]*"),
    *("[[:digit:][:punct:]]", "[[:none:]]", "[:alpha:]", '"z "?', "z\\ *", "[a'*']", "['!'a]"),
    *("'", "d/", "nothing/*", "a/*", "?\u00e4?", "[\u00e0-\u00ff]", "*'", 'a"\'"*', "*.*"),
    *("[[:alpha:]-z]", "[a[:digit:]b]?", "[\\]]", "[\\!a]", "[\\\\]", "[.]a", "*/*/*"),
]


@pytest.mark.parametrize("word", WORDS)
async def test_each_word(garden: Path, word: str) -> None:
    try:
        shlex.split(word)
    except ValueError:
        word = f'"{word}"*'
    assert sorted(expanded_by_bash(garden, word)) == await expanded(garden, word)


def _is_one_word(word: str) -> bool:
    try:
        return len(shlex.split(word)) == 1 and not word.startswith("/")
    except ValueError:
        return False


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    word=st.lists(
        st.sampled_from(
            ["a", "b", "*", "?", "[", "]", "!", "^", "-", ".", "/", "\\*", "'['", '"]"', "\\-", "d"]
        ),
        min_size=1,
        max_size=8,
    )
    .map("".join)
    .filter(_is_one_word)
)
async def test_generated_words(garden: Path, word: str) -> None:
    assert sorted(expanded_by_bash(garden, word)) == await expanded(garden, word)


# --- Copies ----------------------------------------------------------------------------------


def test_scp_of_openssh(tmp_path: Path) -> None:
    remote, local = tmp_path / "remote", tmp_path / "local"
    (remote / "d").mkdir(parents=True)
    local.mkdir()
    for name in ("a.txt", "b.txt", ".c.txt", "*.md", "x.md", "d/e.txt", "with blank.txt"):
        (remote / name).write_text(name)

    def fetched(*paths: str) -> set[str]:
        done = scp(tmp_path, remote, *(f"host:{path}" for path in paths), str(local))
        assert (done.returncode, done.stderr) == (0, "")
        found = {each.name for each in local.iterdir()}
        for each in local.iterdir():
            each.unlink()
        return found

    assert fetched("*.txt") == {"a.txt", "b.txt", "with blank.txt"}
    assert fetched("[ab].txt", "d/*") == {"a.txt", "b.txt", "e.txt"}
    assert fetched("with\\ *") == {"with blank.txt"}
    assert fetched("*.md") == {"*.md", "x.md"}
    done = scp(tmp_path, remote, "host:*.none", str(local))
    assert done.returncode == 1
    assert "*.none" in done.stderr
    # Of the target, too, if it stands for one path.
    (local / "new").write_text("new")
    done = scp(tmp_path, remote, str(local / "new"), "host:d*")
    assert (done.returncode, done.stderr) == (0, "")
    assert (remote / "d" / "new").read_text() == "new"
    done = scp(tmp_path, remote, str(local / "new"), "host:*.txt")
    assert done.returncode == 1
    assert "ambiguous target" in done.stderr
    assert (remote / "a.txt").read_text() == "a.txt"


async def test_our_client_means_names_as_they_stand(tmp_path: Path) -> None:
    remote, local = tmp_path / "remote", tmp_path / "local"
    remote.mkdir()
    local.mkdir()
    for name in ("*", "a"):
        (remote / name).write_text(name)
    await receive_files(Host(remote), [b"*"], os.fsencode(local))
    assert os.listdir(local) == ["*"]


async def test_nothing_outside_of_the_root_is_found(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d" / "inside").touch()
    (tmp_path / "secret").touch()
    (root / "up").symlink_to("..")
    (root / "away").symlink_to(tmp_path)
    (root / "d" / "out").symlink_to("../../secret")
    for word in ("../*", "/../*", "d/../../*", "*/../../*", "../../*/../*"):
        found = await expanded(root, word)
        assert {path.rpartition(b"/")[2] for path in found} <= {b"d", b"up", b"away"}, word
    for word in ("*/s*", "up/*et", "away/*", "up/root/*", "*/../s*", "[u]p/[s]*"):
        assert b"secret" not in b"".join(await expanded(root, word)), word


class Unwilling(SFTPServer):
    """Has a directory that it does not list."""

    def listdir(self, path: bytes) -> list[bytes]:
        raise SFTPError(4, "not for you")


async def test_directories_that_can_not_be_listed_have_no_match(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    server = Unwilling(chroot=str(tmp_path))
    assert await Expansion(ServerFiles(server)).expand("*") == [b"*"]


async def test_names_that_are_looked_at_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "MAX_NAMES", 100)
    for number in range(9):
        (tmp_path / f"{number}").mkdir()
    assert len(await expanded(tmp_path, "*")) == 9
    with pytest.raises(SFTPFailure, match="too many files"):
        await expanded(tmp_path, "*/../*/../*")
    local = tmp_path / "local"
    local.mkdir()
    done = scp(tmp_path, tmp_path, "-r", f"host:{'*/../' * 7}*", str(local))
    assert done.returncode == 1
    assert "too many files" in done.stderr


@pytest.mark.parametrize(
    "part", ["*a" * 100 + "b", "*?" * 120, "*[ab]" * 50 + "c", "?*" * 60 + "c"]
)
def test_no_pattern_takes_long(part: str) -> None:
    expression = compile_part(part)
    for name in ("a" * 255, "ab" * 127, "a" * 254 + "\n"):
        expression.match(name)  # or the time limit of tests ends it


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_part_is_an_expression(part: str, name: str) -> None:
    compile_part(part.replace("/", "")).match(name)
