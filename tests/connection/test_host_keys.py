"""The client's decision about host keys, for every form of the option `known_hosts`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssh_connection import SSHClient
from ssh_connection.connection.certificate_trust import CertificateTrust
from ssh_connection.connection.host_keys import HostKeyVerifier, KnownHosts, load_known_hosts
from ssh_keys import KeyImportError, SSHKey, SSHKnownHosts, generate_private_key
from ssh_transport import HostKeyMismatch, HostKeyRevoked, HostKeyUnknown

from .loopback import HOST, HOST_KEY, client, serving

KEY = generate_private_key("ssh-ed25519").convert_to_public()
OTHER = generate_private_key("ssh-ed25519").convert_to_public()
ECDSA = generate_private_key("ecdsa-sha2-nistp256").convert_to_public()
TRUST = CertificateTrust((b"ssh-ed25519", b"rsa-sha2-512"))
NAMES = (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"rsa-sha2-512")


def line(names: str, key: SSHKey = KEY, marker: str = "") -> bytes:
    """A line of a known_hosts file."""
    return f"{marker}{names} ".encode() + key.export_public_key()


def verifier(
    known: KnownHosts, host: str = "example.org", alias: str | None = None, port: int = 22
) -> HostKeyVerifier:
    """The decision about a host at 192.0.2.1."""
    return HostKeyVerifier(load_known_hosts(known), host, alias, port, "192.0.2.1", TRUST)


def check(known: KnownHosts, key: SSHKey = KEY, **kwargs: object) -> None:
    """Return if the key is trusted."""
    verifier(known, **kwargs).check(key, SSHClient())  # type: ignore[arg-type]


def test_every_form_of_the_option(tmp_path: Path) -> None:
    data = line("example.org")
    file = tmp_path / "known_hosts"
    file.write_bytes(data)
    forms: list[KnownHosts] = [
        data,
        str(file),
        file,
        SSHKnownHosts(data),
        ([KEY], [], []),
        ([KEY], [], [], [], [], [], []),
        lambda host, addr, port: ([KEY], [], []) if host == "example.org" else ([], [], []),
    ]
    for form in forms:
        check(form)
        with pytest.raises(HostKeyMismatch):
            check(form, OTHER)
    check(None, OTHER)


def test_function_gets_host_address_and_port() -> None:
    seen: list[tuple[object, ...]] = []

    def known(host: str, addr: str, port: int | None) -> tuple[list[SSHKey], ...]:
        seen.append((host, addr, port))
        return [KEY], [], []

    check(known, port=2222)
    assert seen == [("example.org", "192.0.2.1", 2222)]


def test_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HostKeyUnknown):
        check(())
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_bytes(line("example.org"))
    check(())
    check("~/.ssh/known_hosts")


def test_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_known_hosts(str(tmp_path / "nothing"))
    bad = tmp_path / "bad"
    bad.write_text("@revoked example.org ssh-ed25519 AAAA\n")
    with pytest.raises(KeyImportError):
        load_known_hosts(bad)


def test_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(line("example.org"))
    first = load_known_hosts(file)
    assert load_known_hosts(file) is first
    file.write_bytes(line("example.org", OTHER) + b"# more\n")
    os.utime(file, ns=(1, 1))
    assert load_known_hosts(file) is not first
    check(file, OTHER)
    for number in range(20):
        many = tmp_path / str(number)
        many.write_bytes(line("example.org"))
        check(many)


def test_names_addresses_and_ports() -> None:
    check(line("192.0.2.1"))
    check(line("[example.org]:2222"), port=2222)
    check(line("*.org,!example.com"))
    for names in ("example.com", "[example.org]:2222", "!example.org,*.org"):
        with pytest.raises(HostKeyUnknown):
            check(line(names))
    check(line("example.org"), port=2222)  # as ssh does it
    with pytest.raises(HostKeyUnknown):
        check(line("example.org", OTHER), port=2222)
    with pytest.raises(HostKeyMismatch):
        check(line("example.org") + line("[example.org]:2222", OTHER), port=2222)


def test_alias_stands_for_the_host() -> None:
    check(line("cluster"), alias="cluster", port=2222)
    with pytest.raises(HostKeyUnknown):
        check(line("example.org,192.0.2.1"), alias="cluster")


def test_revoked_key() -> None:
    known = line("example.org") + line("*", KEY, "@revoked ")
    with pytest.raises(HostKeyRevoked):
        check(known)

    class Trusting(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return True

    with pytest.raises(HostKeyRevoked):
        verifier(known).check(KEY, Trusting())
    with pytest.raises(HostKeyMismatch):
        verifier(line("example.org")).check(OTHER, Trusting())
    verifier(b"").check(OTHER, Trusting())


def test_key_of_another_type_is_a_mismatch() -> None:
    with pytest.raises(HostKeyMismatch):
        check(line("example.org"), ECDSA)


def test_algorithms_of_known_keys_come_first() -> None:
    assert verifier(b"").preferred(NAMES) == NAMES
    assert verifier(None).preferred(NAMES) == NAMES
    known = line("example.org", ECDSA)
    assert verifier(known).preferred(NAMES) == (NAMES[1], NAMES[0], NAMES[2])
    # What the options leave out stays out.
    assert verifier(known).preferred(NAMES[:1]) == NAMES[:1]


def test_damaged_line_is_reported_and_not_trusted() -> None:
    known = verifier(b"example.org ssh-ed25519 AAAA!\n")
    assert len(known.problems) == 1
    with pytest.raises(HostKeyUnknown):
        known.check(KEY, SSHClient())


async def test_lines_that_are_skipped_are_told(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        name = f"[{HOST}]:{server.get_port()}"
        known = f"@later {name} x\n@later other x\n".encode() + line(name, HOST_KEY)
        async with await client(server, password="secret", known_hosts=known):
            pass
    told = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(told) == 1
    assert "known_hosts: line 1: unknown marker '@later'" in told[0]


def test_text_of_the_error_is_printable() -> None:
    with pytest.raises(HostKeyUnknown) as caught:
        verifier(b"", host="evil\x1b[2J").check(KEY, SSHClient())
    assert str(caught.value).isprintable()
    assert KEY.get_fingerprint() in str(caught.value)
