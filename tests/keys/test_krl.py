"""Revocation lists: read, check, write; ssh-keygen -k and -Q both ways; hostile lists."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyGenerationError,
    KeyImportError,
    KeyTruncatedError,
    SSHKeyRevocationList,
    SSHOpenSSHCertificate,
    UnsupportedKeyError,
    import_krl,
)
from ssh_keys.krl_serials import SerialSet, encode_serials, merge
from ssh_keys.wire import (
    encode_boolean,
    encode_byte,
    encode_mpint,
    encode_string,
    encode_uint32,
    encode_uint64,
)

from .support import make_key, needs_ssh_keygen, ssh_keygen

CA, CA2 = make_key("ssh-ed25519", 7), make_key("ssh-ed25519", 8)
ED, EC = make_key("ssh-ed25519"), make_key("ecdsa-sha2-nistp256")


def certificate(
    serial: int = 0, key_id: str = "id", ca: ssh_keys.SSHKey = CA
) -> SSHOpenSSHCertificate:
    return ca.generate_user_certificate(EC, key_id, serial=serial, principals=["me"])


def round_trip(krl: SSHKeyRevocationList) -> SSHKeyRevocationList:
    data = krl.export_krl()
    copy = import_krl(data)
    assert copy.export_krl() == data
    return copy


def test_empty() -> None:
    krl = round_trip(SSHKeyRevocationList(5, "a comment", "20200101Z"))
    assert (krl.version, krl.comment, krl.generated) == (5, "a comment", 1577836800)
    assert not krl.is_revoked(ED)
    assert not krl.is_revoked(certificate(1))


def test_keys_and_hashes() -> None:
    for revoke in ("key", "sha256", "sha1"):
        krl = SSHKeyRevocationList()
        if revoke == "key":
            krl.revoke_key(EC)
        else:
            krl.revoke_hash(EC, revoke)
        krl = round_trip(krl)
        assert krl.is_revoked(EC)
        assert krl.is_revoked(EC.convert_to_public())
        assert not krl.is_revoked(ED)
        # With the key, all its certificates.
        assert krl.is_revoked(certificate(1))
    with pytest.raises(KeyGenerationError, match="no hash 'md5'"):
        SSHKeyRevocationList().revoke_hash(ED, "md5")


def test_authority_that_is_revoked() -> None:
    krl = SSHKeyRevocationList()
    krl.revoke_key(CA)
    krl = round_trip(krl)
    assert krl.revocation_reason(certificate(1)) == "authority: key is revoked"
    assert krl.revocation_reason(certificate(1, ca=CA2)) is None


def test_serials_and_key_ids() -> None:
    krl = SSHKeyRevocationList()
    krl.revoke_serials(CA, 5)
    krl.revoke_serials(CA, 10, 20)
    krl.revoke_key_id(CA, "bad")
    krl.revoke_key_id(None, "worse")
    krl = round_trip(krl)
    for serial, revoked in ((4, False), (5, True), (6, False), (9, False), (10, True), (20, True)):
        assert krl.is_revoked(certificate(serial)) is revoked
        assert not krl.is_revoked(certificate(serial, ca=CA2))
    assert krl.revocation_reason(certificate(1, "bad")) == "key id is revoked"
    assert not krl.is_revoked(certificate(1, "bad", CA2))
    assert krl.is_revoked(certificate(1, "worse", CA2))
    assert not krl.is_revoked(EC)


def test_certificate_without_a_number() -> None:
    krl = SSHKeyRevocationList()
    krl.revoke_certificate(certificate(0, "this"))
    krl.revoke_certificate(certificate(7, "that"))
    krl = round_trip(krl)
    assert krl.is_revoked(certificate(0, "this"))
    assert krl.is_revoked(certificate(7, "other"))
    assert not krl.is_revoked(certificate(0, "that"))


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (-1, None), (1, 2**64), (0, None)])
def test_serials_that_are_refused(first: int, last: int | None) -> None:
    with pytest.raises(KeyGenerationError, match="serial numbers"):
        SSHKeyRevocationList().revoke_serials(CA, first, last)


def test_headers_that_are_refused() -> None:
    with pytest.raises(KeyGenerationError, match="version -1"):
        SSHKeyRevocationList(-1)
    with pytest.raises(KeyGenerationError, match="time value"):
        SSHKeyRevocationList(generated="soon")


# --- Serials ---------------------------------------------------------------------------------

INTERVALS = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair))),
    max_size=30,
)


def decode_serials(data: bytes) -> SerialSet:
    """Read sections back through the reader of whole lists."""
    body = encode_string(CA.public_data) + encode_string(b"") + data
    krl = import_krl(head() + encode_byte(1) + encode_string(body))
    return krl._authorities[CA.public_data].serials


@given(INTERVALS)
def test_serials_round_trip(intervals: list[tuple[int, int]]) -> None:
    merged = merge(intervals)
    decoded = decode_serials(encode_serials(merged))
    assert decoded.merged() == merged
    members = {serial for first, last in intervals for serial in range(first, last + 1)}
    for serial in range(3050):
        assert (serial in decoded) is (serial in members)


@given(st.lists(st.integers(1, 2**64 - 1), max_size=20))
def test_large_serials(serials: list[int]) -> None:
    merged = merge([(serial, serial) for serial in serials])
    decoded = decode_serials(encode_serials(merged))
    assert decoded.merged() == merged
    assert all(serial in decoded for serial in serials)


@given(INTERVALS)
def test_encoding_is_short(intervals: list[tuple[int, int]]) -> None:
    """The choice is that of ssh-keygen, not the shortest one, but no interval takes much."""
    merged = merge(intervals)
    assert len(encode_serials(merged)) <= 30 * len(merged)


def test_many_serials() -> None:
    chooser = random.Random(5)
    serials = sorted(chooser.sample(range(1, 10_000_000), 20_000))
    merged = merge([(serial, serial) for serial in serials])
    encoded = encode_serials(merged)
    assert len(encoded) < 9 * len(serials)
    assert decode_serials(encoded).merged() == merged
    assert len(encode_serials([(1, 2**64 - 1)])) == 21


# --- Hostile lists ---------------------------------------------------------------------------


def head(version: int = 1) -> bytes:
    return b"".join(
        (
            b"SSHKRL\n\0",
            encode_uint32(version),
            encode_uint64(0) * 3,
            encode_string(b""),
            encode_string(b""),
        )
    )


def in_certificates(number: int, data: bytes) -> bytes:
    body = encode_string(b"") + encode_string(b"") + encode_byte(number) + encode_string(data)
    return head() + encode_byte(1) + encode_string(body)


def extension(critical: bool) -> bytes:
    return encode_string(b"new@example.com") + encode_boolean(critical) + encode_string(b"x")


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", KeyImportError, "not a revocation list"),
        (b"SSHKRL\n\0", KeyTruncatedError, "uint32"),
        (head(2), UnsupportedKeyError, "format 2"),
        (head() + encode_byte(9) + encode_string(b""), UnsupportedKeyError, "section 9"),
        (head() + encode_byte(4) + encode_string(b""), UnsupportedKeyError, "signature"),
        (head() + encode_byte(2) + encode_string(b"x"), KeyTruncatedError, "truncated"),
        (head() + encode_byte(2) + encode_string(encode_string(b"x")), KeyImportError, "key"),
        (head() + encode_byte(3) + encode_string(encode_string(b"x")), KeyImportError, "1 bytes"),
        (head() + encode_byte(5) + encode_string(encode_string(b"x")), KeyImportError, "1 bytes"),
        (head() + encode_byte(255) + encode_string(extension(True)), UnsupportedKeyError, "new@"),
        (in_certificates(0x20, b"1234567"), KeyTruncatedError, "uint64"),
        (in_certificates(0x21, encode_uint64(2) + encode_uint64(1)), KeyImportError, "begins"),
        (in_certificates(0x21, encode_uint64(2)), KeyTruncatedError, "uint64"),
        (in_certificates(0x21, encode_uint64(1) * 3), KeyTruncatedError, "behind"),
        (in_certificates(0x22, encode_uint64(1) + encode_mpint(-1)), KeyImportError, "bitmap"),
        (
            in_certificates(0x22, encode_uint64(2**64 - 1) + encode_mpint(2)),
            KeyImportError,
            "bitmap",
        ),
        (in_certificates(0x23, encode_string(b"\xff")), KeyTruncatedError, "UTF-8"),
        (in_certificates(0x39, extension(True)), UnsupportedKeyError, "new@"),
        (in_certificates(0x77, b""), UnsupportedKeyError, "0x77"),
    ],
)
def test_lists_that_are_refused(data: bytes, error: type[KeyImportError], text: str) -> None:
    with pytest.raises(error, match=text):
        import_krl(data)


def test_extensions_that_are_not_critical_are_ignored() -> None:
    import_krl(head() + encode_byte(255) + encode_string(extension(False)))
    import_krl(in_certificates(0x39, extension(False)))


def test_a_bitmap_may_reach_to_the_last_serial() -> None:
    krl = import_krl(in_certificates(0x22, encode_uint64(2**64 - 1) + encode_mpint(1)))
    assert krl.is_revoked(certificate(2**64 - 1))


@given(st.binary(max_size=150))
def test_arbitrary_data(data: bytes) -> None:
    for blob in (data, b"SSHKRL\n\0" + data, head() + data, in_certificates(0x22, data)):
        try:
            import_krl(blob)
        except KeyImportError:
            continue


def test_every_changed_byte_and_truncation(tmp_path: Path) -> None:
    krl = SSHKeyRevocationList(1, "c")
    krl.revoke_serials(CA, 5, 9)
    krl.revoke_key_id(CA, "id")
    krl.revoke_key(ED)
    krl.revoke_hash(EC)
    data = krl.export_krl()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x41
        for blob in (bytes(changed), data[:position]):
            try:
                import_krl(blob).is_revoked(certificate(5))
            except KeyImportError:
                continue
    path = tmp_path / "krl"
    krl.write_krl(path)
    assert ssh_keys.read_krl(path).is_revoked(ED)
    path.write_bytes(b"junk")
    with pytest.raises(KeyImportError, match=r"krl': not a revocation list"):
        ssh_keys.read_krl(path)


# --- ssh-keygen ------------------------------------------------------------------------------


def queried(krl: Path, key: Path) -> bool:
    result = subprocess.run(["ssh-keygen", "-Q", "-f", krl, key], capture_output=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode == 1


@needs_ssh_keygen
def test_ssh_keygen_reads_ours(tmp_path: Path) -> None:
    krl = SSHKeyRevocationList(3)
    krl.revoke_serials(CA, 5)
    krl.revoke_serials(CA, 100, 2**40)
    krl.revoke_key_id(CA, "bad id")
    krl.revoke_key(make_key("ssh-rsa"))
    krl.revoke_hash(make_key("ecdsa-sha2-nistp384"))
    krl.revoke_hash(make_key("ecdsa-sha2-nistp521"), "sha1")
    path, file = tmp_path / "krl", tmp_path / "key.pub"
    krl.write_krl(path)
    subjects: list[ssh_keys.SSHKey | SSHOpenSSHCertificate] = [
        make_key(name)
        for name in ("ssh-rsa", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519")
    ]
    subjects += [certificate(serial) for serial in (1, 5, 6, 99, 100, 2**40, 2**40 + 1)]
    subjects += [certificate(1, "bad id"), certificate(5, ca=CA2)]
    for subject in subjects:
        if isinstance(subject, SSHOpenSSHCertificate):
            subject.write_certificate(file)
        else:
            subject.write_public_key(file)
        assert queried(path, file) is krl.is_revoked(subject), subject


@needs_ssh_keygen
@pytest.mark.parametrize(
    "serials",
    [
        "1",
        "1-4 10",
        "5-1000000",
        "1 100 10000 1000000 100000000",
        "1 3-10 15 30 50 90 2000-100000 12345678901234",
        "18446744073709551615",
        "7 8 9 11 13 17 1000 2000-2010 2500",
    ],
)
def test_same_bytes_as_ssh_keygen(serials: str, tmp_path: Path) -> None:
    spec, ca_file, path = tmp_path / "spec", tmp_path / "ca.pub", tmp_path / "krl"
    CA.write_public_key(ca_file)
    lines = [f"serial: {part}" for part in serials.split()] + ["id: zz", "id: aa"]
    for number, name in enumerate(("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256")):
        public = make_key(name).export_public_key().decode().strip()
        lines += [f"key: {public}", f"sha1: {public}", f"sha256: {public}"][number : number + 2]
    spec.write_text("\n".join(lines) + "\n")
    ssh_keygen("-k", "-f", path, "-s", ca_file, "-z", "9", spec)
    data = path.read_bytes()
    theirs = import_krl(data)
    assert theirs.version == 9
    # Reading and writing again gives the same bytes, whatever kinds of sections they chose.
    assert theirs.export_krl() == data
    for part in serials.split():
        first, _, last = part.partition("-")
        for serial in {int(first), int(last or first)}:
            assert theirs.is_revoked(certificate(serial))


def random_intervals(source: random.Random) -> list[tuple[int, int]]:
    """Intervals with lengths and distances at which one kind of section gives way to another."""
    serial = source.choice([0, 0, 1 << 33, (1 << 64) - 100_000])
    intervals = []
    for _ in range(source.randint(1, 20)):
        serial += source.choice([2, 3, 5, 8, 9, 20, 55, 63, 64, 65, 71, 72, 73, 78, 80, 200, 5000])
        last = serial + source.choice([0, 0, 0, 1, 2, 7, 31, 55, 58, 60, 62, 63, 64, 65, 70, 130])
        intervals.append((serial, last))
        serial = last
    return intervals


@needs_ssh_keygen
@pytest.mark.parametrize("seed", range(60))
def test_sections_of_ssh_keygen(seed: int, tmp_path: Path) -> None:
    spec, ca_file, path = tmp_path / "spec", tmp_path / "ca.pub", tmp_path / "krl"
    CA.write_public_key(ca_file)
    intervals = random_intervals(random.Random(seed))
    parts = (f"{first}-{last}" if first < last else f"{first}" for first, last in intervals)
    spec.write_text("".join(f"serial: {part}\n" for part in parts))
    ssh_keygen("-k", "-f", path, "-s", ca_file, spec)
    theirs = path.read_bytes()
    ours = SSHKeyRevocationList(generated=import_krl(theirs).generated)
    for first, last in intervals:
        ours.revoke_serials(CA, first, last)
    assert ours.export_krl() == theirs


@needs_ssh_keygen
def test_authorities_stay_in_their_order(tmp_path: Path) -> None:
    spec, path = tmp_path / "spec", tmp_path / "krl"
    spec.write_text("serial: 5\nid: somebody\n")
    ours = SSHKeyRevocationList()
    authorities = [None, *(make_key("ssh-ed25519", number) for number in (9, 3, 8, 1))]
    for number, authority in enumerate(authorities):
        ca_file = tmp_path / f"ca{number}.pub"
        if authority is not None:
            authority.write_public_key(ca_file)
        name = "none" if authority is None else ca_file
        ssh_keygen("-k", *(["-u"] if number else []), "-f", path, "-s", name, spec)
        ours.revoke_serials(authority, 5)
        ours.revoke_key_id(authority, "somebody")
    theirs = path.read_bytes()
    ours.generated, ours.version = import_krl(theirs).generated, import_krl(theirs).version
    assert ours.export_krl() == theirs


@needs_ssh_keygen
@pytest.mark.parametrize("bits", [16383, 16384, 16385, 40000])
def test_bitmaps_that_openssh_can_read(bits: int, tmp_path: Path) -> None:
    """Of more than 16384 bits, it writes bitmaps that it refuses itself."""
    krl, path, file = SSHKeyRevocationList(), tmp_path / "krl", tmp_path / "cert.pub"
    serials = [*range(1, bits, 2), bits]
    for serial in serials:
        krl.revoke_serials(CA, serial)
    krl.write_krl(path)
    assert ssh_keys.read_krl(path).export_krl() == krl.export_krl()
    for serial, revoked in ((1, True), (2, False), (bits - 2, bits % 2 == 1), (bits, True)):
        certificate(serial).write_certificate(file)
        assert krl.is_revoked(certificate(serial)) is revoked
        assert queried(path, file) is revoked
