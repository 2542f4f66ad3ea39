"""Key files: modes, atomic replacement, appending, lists of keys, every form that options take."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import (
    KeyExportError,
    KeyImportError,
    KeyPassphraseError,
    SSHLocalKeyPair,
    importing,
    key_types,
)
from ssh_keys import files as files_module
from ssh_keys.files import append_file, read_file, write_file

from .support import KEY_TYPES, make_key

ED, EC = make_key("ssh-ed25519"), make_key("ecdsa-sha2-nistp256")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> object:
    """The usual umask, whatever the one of this process is."""
    previous = os.umask(0o022)
    yield
    os.umask(previous)


@pytest.mark.usefixtures("umask")
def test_modes(tmp_path: Path) -> None:
    private, public = tmp_path / "id", tmp_path / "id.pub"
    ED.write_private_key(private)
    ED.write_public_key(public)
    assert (mode(private), mode(public)) == (0o600, 0o644)
    # A file that was open to all is not, once a private key is in it.
    private.chmod(0o666)
    ED.write_private_key(str(private))
    assert mode(private) == 0o600
    # A public file keeps the mode that somebody gave it.
    public.chmod(0o640)
    ED.write_public_key(str(public))
    assert mode(public) == 0o640
    appended = tmp_path / "appended"
    ED.append_private_key(appended)
    assert mode(appended) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["appended", "id", "id.pub"]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "id"
    ED.write_private_key(path)
    before = path.read_bytes()

    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        EC.write_private_key(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["id"]


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "id", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ED.write_private_key(tmp_path / "missing" / "id")


def test_append_begins_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append_file(path, b"a\n")
    append_file(path, b"b")
    append_file(path, b"c\n")
    assert path.read_bytes() == b"a\nb\nc\n"


def test_files_have_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 101)
    monkeypatch.setattr(files_module, "MAXIMUM_FILE_SIZE", 100)
    with pytest.raises(KeyImportError, match="larger than 100 bytes"):
        read_file(path)


def test_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ED.write_private_key("~/id")
    assert ssh_keys.read_private_key("~/id") == ED
    assert (tmp_path / "id").exists()


@pytest.mark.parametrize("name", KEY_TYPES)
def test_private_and_public_files(name: str, tmp_path: Path) -> None:
    key = make_key(name)
    key.write_private_key(tmp_path / "id", passphrase="x", cipher_name="aes256-ctr", rounds=1)
    key.write_public_key(tmp_path / "id.pub")
    assert ssh_keys.read_private_key(tmp_path / "id", "x") == key
    public = ssh_keys.read_public_key(tmp_path / "id.pub")
    assert public == key.convert_to_public()
    assert public.get_comment() == key.get_comment()


def test_several_keys_in_one_file(tmp_path: Path) -> None:
    private, public = tmp_path / "ids", tmp_path / "ids.pub"
    keys = [make_key(name) for name in KEY_TYPES]
    for key in keys:
        key.append_private_key(private)
        key.append_public_key(public)
    assert list(ssh_keys.read_private_key_list(private)) == keys
    assert list(ssh_keys.read_public_key_list(public)) == [k.convert_to_public() for k in keys]
    assert ssh_keys.read_private_key(private) == keys[0]
    assert ssh_keys.read_public_key(public) == keys[0].convert_to_public()


def test_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "id"
    path.write_text("nothing")
    with pytest.raises(KeyImportError, match=r"'.*id': no private key found"):
        ssh_keys.read_private_key(path)
    with pytest.raises(KeyImportError, match=r"'.*id': line 1: not a public key line"):
        ssh_keys.read_public_key(path)
    path.write_text("# only a comment\n")
    with pytest.raises(KeyImportError, match=r"'.*id': no public key found"):
        ssh_keys.read_public_key(path)
    with pytest.raises(FileNotFoundError):
        ssh_keys.read_public_key(tmp_path / "missing")
    ED.write_private_key(path, passphrase="x", cipher_name="aes256-ctr", rounds=1)
    with pytest.raises(KeyPassphraseError, match=r"'.*id': .*needs a passphrase"):
        ssh_keys.read_private_key(path)


@pytest.mark.parametrize("text", ["", "# comment\n", "\n\n"])
def test_no_public_key(text: str) -> None:
    with pytest.raises(KeyImportError, match="no public key found"):
        ssh_keys.import_public_key(text)


def test_public_key_lines() -> None:
    line = ED.export_public_key()
    assert line == b" ".join((b"ssh-ed25519", line.split()[1], b"ssh-ed25519", b"0\n"))
    for text in (line, b"# c\n\n" + line, line.replace(b"\n", b"\r\n"), line.decode()):
        key = ssh_keys.import_public_key(text)
        assert key == ED.convert_to_public()
        assert key.get_comment() == "ssh-ed25519 0"
    bare = ssh_keys.import_public_key(b" ".join(line.split()[:2]))
    assert bare.get_comment() is None
    assert bare.export_public_key() == b" ".join(line.split()[:2]) + b"\n"


@pytest.mark.parametrize("comment", ["two\nlines", "a\rb", "nul\0"])
def test_comments_that_would_add_lines(comment: str) -> None:
    key = ED.convert_to_public()
    key.set_comment(comment)
    with pytest.raises(KeyExportError, match="line breaks"):
        key.export_public_key()


# --- load_keypairs and load_public_keys -------------------------------------------------------


def test_load_keypairs_takes_every_form(tmp_path: Path) -> None:
    path = tmp_path / "id"
    ED.write_private_key(path)
    EC.append_private_key(path)
    both = [ED.public_data, EC.public_data]
    pair = SSHLocalKeyPair(ED)
    for keylist, expected in (
        (str(path), both),
        (path, both),
        ([path], both),
        (ED, both[:1]),
        (pair, both[:1]),
        (ED.export_private_key(), both[:1]),
        ([ED, EC.export_private_key(), pair], [*both, both[0]]),
        ([], []),
    ):
        pairs = ssh_keys.load_keypairs(keylist)  # type: ignore[arg-type]
        assert [entry.public_data for entry in pairs] == expected
    assert ssh_keys.load_keypairs([pair])[0] is pair


def test_key_pairs_sign() -> None:
    for name in KEY_TYPES:
        key = make_key(name)
        (pair,) = ssh_keys.load_keypairs(key)
        assert isinstance(pair, SSHLocalKeyPair)
        assert pair.get_key_type() == "local"
        assert pair.get_algorithm() == name
        assert pair.get_comment() == key.get_comment()
        assert pair.sig_algorithms == key.sig_algorithms
        for sig_algorithm in pair.sig_algorithms:
            key.verify(b"x", pair.sign(b"x", sig_algorithm), [sig_algorithm])
        with pytest.raises(ssh_keys.SignatureError, match="makes no 'nonsense'"):
            pair.sign(b"x", b"nonsense")
        assert "private" not in repr(pair)
    names = ssh_keys.load_keypairs(make_key("ssh-rsa"))[0].host_key_algorithms
    usual = [name for name in names if not name.endswith(b"@ssh.com")]
    assert usual == [b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa"]


def test_load_keypairs_without_private_part() -> None:
    public = ED.convert_to_public()
    with pytest.raises(KeyImportError, match="no private part"):
        ssh_keys.load_keypairs([public])
    assert ssh_keys.load_keypairs([public, EC], skip_public=True)[0].public_data == EC.public_data
    with pytest.raises(ssh_keys.SignatureError, match="private part"):
        SSHLocalKeyPair(public)


def test_passphrases(tmp_path: Path) -> None:
    path = tmp_path / "id"
    ED.write_private_key(path, passphrase="x", cipher_name="aes256-ctr", rounds=1)
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return "x"

    assert ssh_keys.read_private_key(path, ask) == ED
    assert ssh_keys.load_keypairs(path, ask)[0].public_data == ED.public_data
    assert asked == [str(path)] * 2
    # A key that is not encrypted asks nobody.
    assert ssh_keys.load_keypairs(EC.export_private_key(), ask)[0].public_data == EC.public_data
    assert len(asked) == 2
    for refusing in (lambda name: None, lambda name: "wrong", None, "wrong"):
        with pytest.raises(KeyPassphraseError):
            ssh_keys.load_keypairs(path, refusing)
        assert not ssh_keys.load_keypairs(path, refusing, ignore_encrypted=True)


def test_passphrase_functions_must_answer_at_once(tmp_path: Path) -> None:
    path = tmp_path / "id"
    ED.write_private_key(path, passphrase="x", cipher_name="aes256-ctr", rounds=1)
    with pytest.raises(TypeError, match="returned a int"):
        ssh_keys.read_private_key(path, lambda name: 5)  # type: ignore[arg-type,return-value]


def test_load_public_keys_takes_every_form(tmp_path: Path) -> None:
    path = tmp_path / "ids.pub"
    ED.write_public_key(path)
    EC.append_public_key(path)
    ed, ec = ED.convert_to_public(), EC.convert_to_public()
    for keylist, expected in (
        (str(path), [ed, ec]),
        (path, [ed, ec]),
        ([path, ed], [ed, ec, ed]),
        (ed, [ed]),
        (ed.export_public_key(), [ed]),
        ([], []),
    ):
        assert list(ssh_keys.load_public_keys(keylist)) == expected  # type: ignore[arg-type]


def test_default_of_rsa_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    decode = key_types.decode_ssh_private_key

    def record(reader: ssh_keys.wire.Reader, skip: bool) -> ssh_keys.SSHKey:
        seen.append(skip)
        return decode(reader, skip)

    monkeypatch.setattr(importing, "decode_ssh_private_key", record)
    data = ED.export_private_key()
    ssh_keys.import_private_key(data)
    ssh_keys.set_default_skip_rsa_key_validation(True)
    try:
        ssh_keys.import_private_key(data)
        ssh_keys.import_private_key(data, unsafe_skip_rsa_key_validation=False)
    finally:
        ssh_keys.set_default_skip_rsa_key_validation(False)
    ssh_keys.import_private_key(data, unsafe_skip_rsa_key_validation=True)
    assert seen == [False, True, False, True]
