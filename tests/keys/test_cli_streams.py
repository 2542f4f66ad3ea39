"""The command line in pipelines and scripts: standard input and output, files that exist."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

import ssh_keys

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen

PROGRAM = (sys.executable, "-m", "ssh_keys")


class Pipeline:
    """Runs command lines in a folder, with something on standard input."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, data: bytes = b"", status: int = 0) -> bytes:
        done = self.run([*PROGRAM, *words], data)
        assert done.returncode == status, done.stderr
        return done.stdout

    def json(self, *words: str, data: bytes = b"", status: int = 0) -> dict[str, object]:
        answer = json.loads(self(*words, "--json", data=data, status=status))
        assert isinstance(answer, dict)
        return answer

    def run(self, words: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            words,
            cwd=self.folder,
            input=data,
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, "SECRET": "secret", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
        )


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Command lines in an empty folder, with two keys and a file of signers in it."""
    key = make_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    key.write_public_key(tmp_path / "id.pub")
    make_key("ecdsa-sha2-nistp256").write_public_key(tmp_path / "other.pub")
    (tmp_path / "signers").write_text(f"me {public_line('ssh-ed25519')}\n")
    return Pipeline(tmp_path)


VERIFY = ("--allowed-signers", "signers", "--principal", "me")


@needs_ssh_keygen
def test_a_message_is_signed_and_verified_in_a_pipeline(pipeline: Pipeline) -> None:
    """As `ssh-keygen -Y sign` and `-Y verify` do, in both directions."""
    message = os.urandom(1 << 20)
    signature = pipeline("sign", "-", "--key", "id", data=message)
    (pipeline.folder / "ours.sig").write_bytes(signature)
    assert sorted(os.listdir(pipeline.folder)) == [
        "id",
        "id.pub",
        "other.pub",
        "ours.sig",
        "signers",
    ]
    theirs_verify = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "me", "-n", "file"]
    assert pipeline.run([*theirs_verify, "-s", "ours.sig"], message).returncode == 0
    theirs = pipeline.run(["ssh-keygen", "-Y", "sign", "-f", "id", "-n", "file"], message)
    (pipeline.folder / "theirs.sig").write_bytes(theirs.stdout)
    for name in ("ours.sig", "theirs.sig"):
        said = pipeline("verify", "-", *VERIFY, "--signature", name, data=message)
        assert said.startswith(b"Good signature of 'me' with ED25519")
        words = ("verify", "-", *VERIFY, "--signature", name)
        assert pipeline.json(*words, data=message[1:], status=1)["good"] is False
    # The signature may come from there in place of the message.
    (pipeline.folder / "message").write_bytes(message)
    pipeline("verify", "message", *VERIFY, "--signature", "-", data=signature)
    assert b"only once" in pipeline(
        *("verify", "-", *VERIFY, "--signature", "-", "--json"), data=signature, status=2
    )
    assert b"--signature" in pipeline("verify", "-", *VERIFY, "--json", status=2)


def test_signing_answers_in_json_with_the_signature(pipeline: Pipeline) -> None:
    facts = pipeline.json("sign", "-", "--key", "id", "--hash", "sha256", data=b"message")
    decoded = ssh_keys.import_sshsig(str(facts["content"]))
    assert decoded.hash_name == "sha256"
    decoded.verify(b"message")
    pipeline("sign", "-", "--key", "id", "--output", "file.sig", data=b"message")
    ssh_keys.import_sshsig((pipeline.folder / "file.sig").read_bytes()).verify(b"message")


@needs_ssh_keygen
def test_a_certificate_signs(pipeline: Pipeline) -> None:
    """The line of an authority in allowed_signers counts, as with `ssh-keygen -Y sign`."""
    make_key("ssh-ed25519", 1).write_private_key(pipeline.folder / "ca")
    make_key("ssh-ed25519", 1).write_public_key(pipeline.folder / "ca.pub")
    facts = ("--id", "x", "--principals", "me", "--valid-before", "+1d", "--serial", "9")
    pipeline("sign-cert", "id.pub", "--ca", "ca", *facts)
    line = f"* cert-authority {public_line('ssh-ed25519', 1)}\n"
    (pipeline.folder / "authority").write_text(line)
    (pipeline.folder / "data").write_bytes(b"data")
    pipeline("sign", "data", "--key", "id", "--certificate", "id-cert.pub")
    words = ("--allowed-signers", "authority", "--principal", "me")
    assert pipeline.json("verify", "data", *words)["good"] is True
    assert pipeline("find-principals", "data.sig", *words[:2]) == b"me\n"
    command = ["ssh-keygen", "-Y", "verify", "-f", "authority", "-I", "me", "-n", "file"]
    assert pipeline.run([*command, "-s", "data.sig"], b"data").returncode == 0
    # Revoked by its serial number.
    pipeline("krl", "create", "revoked", "--serial", "9", "--ca", "ca.pub")
    answer = pipeline.json("verify", "data", *words, "--revoked", "revoked", status=1)
    assert answer["reason"] == "revoked: serial number is revoked"
    command += ["-s", "data.sig", "-r", "revoked"]
    assert pipeline.run(command, b"data").returncode == 255


@needs_ssh_keygen
def test_signatures_like_ssh_keygen(pipeline: Pipeline) -> None:
    """Everything else that `ssh-keygen -Y` does, with the same outcome."""
    folder = pipeline.folder
    (folder / "data").write_bytes(b"data")
    key = public_line("ssh-ed25519")
    (folder / "signers").write_text(
        f'a@x,b@x namespaces="git" {key}\nold@x valid-before="20200101Z" {key}\nc@x {key}\n'
    )
    pipeline("sign", "data", "--key", "id", "--namespace", "git")
    command = ["ssh-keygen", "-Y", "find-principals", "-f", "signers", "-s", "data.sig"]
    theirs = pipeline.run(command, b"").stdout.decode().split()
    ours = pipeline("find-principals", "data.sig", "--allowed-signers", "signers").decode().split()
    assert ours == ["a@x", "b@x", "c@x"]
    # It stops at the first line.
    assert [name for line in theirs for name in line.split(",")] == ["a@x", "b@x"]
    then = ("--time", "20190101Z")
    words = ("verify", "data", "--allowed-signers", "signers", "--namespace", "git")
    pipeline(*words, "--principal", "old@x", *then)
    assert pipeline.json(*words, "--principal", "old@x", status=1)["good"] is False
    good = pipeline.json("check-novalidate", "data", "--namespace", "git")
    assert good["fingerprint"] == make_key("ssh-ed25519").get_fingerprint()
    assert pipeline.json("check-novalidate", "data", status=1)["good"] is False
    (folder / "signers").write_text(f"a@x {public_line('ecdsa-sha2-nistp256')}\n")
    nobody = ("find-principals", "data.sig", "--allowed-signers", "signers")
    assert pipeline.json(*nobody, status=1) == {"principals": []}
    # Keys in a list are revoked, too.
    (folder / "signers").write_text(f"a@x {key}\n")
    refused = pipeline.json(*words, "--principal", "a@x", "--revoked", "id.pub", status=1)
    assert refused["reason"] == "revoked: key is revoked"
    pipeline(*words, "--principal", "a@x", "--revoked", "other.pub")


@needs_ssh_keygen
def test_keys_from_standard_input(pipeline: Pipeline) -> None:
    public = (pipeline.folder / "id.pub").read_bytes()
    shown = pipeline("show", "-", data=public)
    assert shown.decode() == ssh_keygen("-l", "-f", pipeline.folder / "id.pub")
    assert pipeline("convert", "id", "-", "--format", "openssh", "--public") == public
    pkcs8 = pipeline("convert", "-", "-", "--format", "pkcs8-pem", "--public", data=public)
    assert ssh_keys.import_public_key(pkcs8) == make_key("ssh-ed25519").convert_to_public()
    facts = pipeline.json("convert", "-", "-", "--format", "pkcs8-der", "--public", data=public)
    der = b64decode(str(facts["content_base64"]))
    assert ssh_keys.import_public_key(der) == make_key("ssh-ed25519").convert_to_public()
    words = ("--ca", "id", "--id", "x", "--principals", "p", "--valid-before", "+1d")
    certified = pipeline("sign-cert", "-", *words, data=public)
    assert ssh_keys.import_certificate(certified).key == make_key("ssh-ed25519").convert_to_public()
    for command in (("show", "-"), ("convert", "-", "x", "--format", "openssh")):
        assert "standard input: " in str(pipeline.json(*command, data=b"junk", status=1)["error"])
    assert pipeline.json("generate", "-", "--no-passphrase", status=2)["kind"] == "UsageError"


@needs_ssh_keygen
def test_certificates_without_bounds(pipeline: Pipeline) -> None:
    """`always` and `forever`, as `ssh-keygen -V always:forever` has them."""
    words = ("sign-cert", "id.pub", "--ca", "id", "--id", "x", "--principals", "p", "--force")
    pipeline(*words, "--valid-after", "always", "--valid-before", "forever")
    certificate = pipeline.folder / "id-cert.pub"
    assert "Valid: forever" in ssh_keygen("-L", "-f", certificate)
    pipeline(*words, "--valid-before", "forever")
    assert "Valid: after " in ssh_keygen("-L", "-f", certificate)


def test_trust_files_from_standard_input(pipeline: Pipeline) -> None:
    public = (pipeline.folder / "id.pub").read_bytes()
    hosts = b"host " + public
    file = ("--file", "-")
    assert pipeline("known-hosts", "find", "host", *file, data=hosts) == b"1: " + hosts
    words = ("known-hosts", "check", "host", "--key")
    assert pipeline(*words, "id.pub", *file, data=hosts) == b"trusted\n"
    pipeline("known-hosts", "add", "host", "--key", "-", "--file", "hosts", data=public)
    assert (pipeline.folder / "hosts").read_bytes() == hosts
    assert pipeline(*words, "-", "--file", "hosts", data=public) == b"trusted\n"
    for action in ("add", "remove", "hash"):
        host = () if action == "hash" else ("host",)
        answer = pipeline.json("known-hosts", action, *host, *file, status=2)
        assert answer["error"] == f"{action} changes a file, not standard input"
    revoked = pipeline("krl", "create", "-", "id.pub")
    assert ssh_keys.import_krl(revoked).is_revoked(make_key("ssh-ed25519"))
    assert b"REVOKED" in pipeline("krl", "check", "-", "id.pub", data=revoked, status=1)
    assert b"key SHA256:" in pipeline("krl", "show", "-", data=revoked)


def test_a_passphrase_from_standard_input(pipeline: Pipeline) -> None:
    pipeline("generate", "new", "--passphrase-file", "-", data=b"from a pipe\n")
    ssh_keys.read_private_key(pipeline.folder / "new", "from a pipe")
    words = ("convert", "new", "new.ppk", "--format", "ppk", "--no-passphrase")
    pipeline(*words, "--passphrase-file", "-", data=b"from a pipe")
    assert "UTF-8" in str(
        pipeline.json(*words, "--force", "--passphrase-file", "-", data=b"\xff", status=1)["error"]
    )


def entries(answer: dict[str, object]) -> list[dict[str, object]]:
    found = answer["entries"]
    assert isinstance(found, list)
    return found


@needs_ssh_keygen
def test_trust_files_are_shown(pipeline: Pipeline) -> None:
    """As `ssh-keygen -l` shows them: each line by its fingerprint."""
    ed25519, ecdsa = public_line("ssh-ed25519"), public_line("ecdsa-sha2-nistp256")
    hosts = f"# comment\nhost.example {ed25519}\n\n@cert-authority *.example {ecdsa}\n"
    (pipeline.folder / "hosts").write_text(hosts)
    (pipeline.folder / "keys").write_text(f'restrict,command="a b" {ed25519} me\n{ecdsa} x\n')
    for name in ("hosts", "keys"):
        theirs = ssh_keygen("-l", "-f", pipeline.folder / name)
        ours = pipeline("show", name).decode()
        assert [line.split()[1] for line in ours.splitlines()][:1] == [theirs.split()[1]]
        assert len(ours.splitlines()) == 2
    assert b" host.example (ED25519)\n" in pipeline("show", "hosts")
    first, second = entries(pipeline.json("show", "hosts"))
    assert (first["line"], first["names"]) == (2, "host.example")
    assert (second["line"], second["marker"]) == (4, "@cert-authority")
    first, second = entries(pipeline.json("show", "keys"))
    assert first["options"] == 'restrict,command="a b"'
    assert "options" not in second
    (pipeline.folder / "hosts").write_text(hosts + "host.example ssh-ed25519 AAAA\n")
    problems = pipeline.json("show", "hosts")["problems"]
    assert isinstance(problems, list)
    assert problems[0].startswith("line 5: ")


def test_files_that_exist_are_not_replaced(pipeline: Pipeline) -> None:
    """One rule for every command that writes: --force, or the file stays as it was."""
    folder = pipeline.folder
    for name in ("out", "data", "data.sig", "id-cert.pub", "list"):
        (folder / name).write_bytes(b"precious")
    certify = ("--ca", "id", "--id", "x", "--principals", "p", "--valid-before", "+1d")
    for words, name in (
        (("convert", "id", "out", "--format", "pkcs8-pem", "--no-passphrase"), "out"),
        (("sign", "data", "--key", "id"), "data.sig"),
        (("sign-cert", "id.pub", *certify), "id-cert.pub"),
        (("krl", "create", "list", "other.pub"), "list"),
        (("generate", "id", "--no-passphrase"), "id"),
    ):
        before = (folder / name).read_bytes()
        answer = pipeline.json(*words, status=1)
        assert answer["kind"] == "FileExistsError"
        assert answer["error"] == f"'{name}' exists; --force replaces it"
        assert (folder / name).read_bytes() == before
        pipeline(*words, "--force")
        assert (folder / name).read_bytes() != before
    assert stat.S_IMODE((folder / "out").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "id").stat().st_mode) == 0o600


def test_files_that_are_missing_are_not_made(pipeline: Pipeline) -> None:
    for words in (("remove", "host"), ("hash",), ("find", "host")):
        answer = pipeline.json("known-hosts", *words, "--file", "none", status=1)
        assert answer["kind"] == "FileNotFoundError"
        assert answer["error"] == "'none': No such file or directory"
    assert not (pipeline.folder / "none").exists()


@needs_ssh_keygen
def test_a_revocation_list_is_extended(pipeline: Pipeline) -> None:
    pipeline("krl", "create", "list", "id.pub", "--comment", "why", "--version-number", "4")
    assert pipeline.json("krl", "update", "list", "other.pub")["version"] == 5
    revoked = ssh_keys.read_krl(pipeline.folder / "list")
    assert revoked.comment == "why"
    for name in ("id.pub", "other.pub"):
        assert pipeline.json("krl", "check", "list", name, status=1)
        assert "REVOKED" in ssh_keygen(
            "-Q", "-f", pipeline.folder / "list", pipeline.folder / name, check=False
        )
    assert pipeline.json("krl", "update", "none", "id.pub", status=1)["kind"] == "FileNotFoundError"


@needs_ssh_keygen
def test_passphrase_and_comment_are_changed(pipeline: Pipeline) -> None:
    """As `ssh-keygen -p` and `-c` do."""
    locked = pipeline.folder / "id"
    pipeline("edit", "id", "--new-passphrase-env", "SECRET")
    assert stat.S_IMODE(locked.stat().st_mode) == 0o600
    assert ssh_keygen("-y", "-P", "secret", "-f", locked).split()[1] in public_line("ssh-ed25519")
    assert "needs a passphrase" in str(pipeline.json("edit", "id", status=1)["error"])
    pipeline("edit", "id", "--comment", "a new one", "--passphrase-env", "SECRET")
    assert ssh_keys.read_private_key(locked, "secret").get_comment() == "a new one"
    assert (pipeline.folder / "id.pub").read_text().endswith(" a new one\n")
    facts = pipeline.json("edit", "id", "--no-passphrase", "--passphrase-env", "SECRET")
    assert facts["comment"] == "a new one"
    assert ssh_keys.read_private_key(locked) == make_key("ssh-ed25519")
    make_key("ssh-ed25519").write_private_key(pipeline.folder / "pem", "pkcs8-pem")
    assert "convert it" in str(pipeline.json("edit", "pem", "--no-passphrase", status=1)["error"])


def test_marked_lines_are_added(pipeline: Pipeline) -> None:
    file = ("--file", "hosts")
    add = ("known-hosts", "add", "*.example", "--key", "id.pub", *file)
    pipeline(*add, "--marker", "cert-authority")
    assert (pipeline.folder / "hosts").read_text().startswith("@cert-authority *.example ssh-")


@pytest.mark.parametrize(
    "words",
    [
        ("known-hosts", "find", "h", "--port", "0"),
        ("known-hosts", "find", "h", "--port", "65536"),
        ("krl", "create", "x", "--version-number", "-1"),
        ("krl", "create", "x", "--version-number", str(1 << 64)),
        ("sign", "data", "--key", "id", "--namespace", ""),
        ("show", "id", "--random"),  # no abbreviations
    ],
)
def test_arguments_out_of_range(words: tuple[str, ...], pipeline: Pipeline) -> None:
    assert pipeline.json(*words, status=2)["kind"] == "UsageError"


def test_the_version_is_json_too(pipeline: Pipeline) -> None:
    version = ssh_keys.__version__
    assert pipeline("--version") == f"ssh-keys {version}\n".encode()
    assert pipeline.json("--version") == {"version": version}
    assert b"Exit status: 0" in pipeline("sign", "--help")


def test_what_is_printed_reaches_nobody(pipeline: Pipeline) -> None:
    """No traceback when the reader of a pipeline has gone."""
    (pipeline.folder / "many").write_bytes((pipeline.folder / "id.pub").read_bytes() * 20_000)
    script = f'"{sys.executable}" -m ssh_keys show many | head -n 1'
    done = pipeline.run(["sh", "-c", script], b"")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are text there")
def test_names_of_files_that_are_no_text(pipeline: Pipeline) -> None:
    name = os.fsdecode(b"\xff")
    said = pipeline("generate", name, "--no-passphrase")
    assert said.startswith(b"\\udcff\n\\udcff.pub\nSHA256:")
    assert pipeline.json("show", "none" + name, status=1)["kind"] == "FileNotFoundError"
