"""SSHSIG and allowed_signers: sign, verify, who may; ssh-keygen -Y both ways; vectors."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyImportError,
    KeyTruncatedError,
    SignatureError,
    SSHAllowedSigners,
    SSHKeyPair,
    SSHLocalKeyPair,
    UnsupportedKeyError,
    create_sshsig,
    import_sshsig,
    validate_sshsig,
    verify_sshsig,
)
from ssh_keys.formats.armour import encode_pem
from ssh_keys.sshsig import signed_data

from .support import (
    KEY_TYPES,
    SECP256K1,
    VECTORS,
    make_key,
    needs_ssh_keygen,
    needs_vectors,
    public_line,
)

ED, CA = make_key("ssh-ed25519"), make_key("ssh-ed25519", 7)
LINE, CA_LINE = public_line("ssh-ed25519"), public_line("ssh-ed25519", 7)
DATA = b"what is signed"


@pytest.mark.parametrize(
    "name", [*KEY_TYPES, SECP256K1, "ssh-ed448", "ssh-mldsa44-ed25519@openssh.com"]
)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_sign_and_verify(name: str, hash_name: str) -> None:
    key = make_key(name)
    text = create_sshsig(key, DATA, hash_name=hash_name, namespace="ns@example.com")
    assert text.startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    signature = import_sshsig(text)
    assert signature.key == key.convert_to_public()
    assert signature.namespace == "ns@example.com"
    assert signature.hash_name == hash_name
    assert signature.certificate is None
    signature.verify(DATA)
    with pytest.raises(SignatureError, match="wrong"):
        signature.verify(DATA + b"!")
    raw = create_sshsig(key, DATA, raw=True)
    assert raw.startswith(b"SSHSIG\0\0\0\1")
    assert import_sshsig(raw).namespace == "file"
    assert import_sshsig(raw).encode() == raw


def test_files_and_digests(tmp_path: Path) -> None:
    data, sig, signers = tmp_path / "data", tmp_path / "data.sig", tmp_path / "signers"
    data.write_bytes(DATA)
    key = tmp_path / "id"
    ED.write_private_key(key)
    sig.write_bytes(create_sshsig(key, data))
    signers.write_text(f"me {LINE}\n")
    verify_sshsig(data, sig, "me", signers)
    verify_sshsig(str(data), sig.read_bytes(), "me", str(signers))
    verify_sshsig(DATA, sig, "me", signers.read_bytes())
    digest = hashlib.sha512(DATA).digest()
    verify_sshsig(digest, sig, "me", signers, is_hashed=True)
    hashed = create_sshsig(key, digest, is_hashed=True)
    verify_sshsig(DATA, hashed, "me", signers)
    (tmp_path / "digest").write_bytes(digest)
    verify_sshsig(tmp_path / "digest", hashed, "me", signers, is_hashed=True)
    assert validate_sshsig(DATA, sig, "me", signers) is True
    assert validate_sshsig(DATA + b"!", sig, "me", signers) is False
    assert validate_sshsig(DATA, b"junk", "me", signers) is False
    with pytest.raises(SignatureError, match="digest of 3 bytes"):
        create_sshsig(key, b"abc", is_hashed=True)


def test_signing_refuses() -> None:
    with pytest.raises(SignatureError, match="no hash 'md5'"):
        create_sshsig(ED, DATA, hash_name="md5")
    with pytest.raises(SignatureError, match="needs a namespace"):
        create_sshsig(ED, DATA, namespace="")
    with pytest.raises(SignatureError, match="no key"):
        create_sshsig([], DATA)
    with pytest.raises(KeyImportError, match="no private part"):
        create_sshsig(ED.convert_to_public(), DATA)

    class Slow(SSHKeyPair):
        """A key pair that answers later."""

        async def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
            raise AssertionError("not reached")

    pair = Slow(ED.algorithm, ED.sig_algorithms, ED.public_data)
    with pytest.warns(RuntimeWarning, match="never awaited"), pytest.raises(SignatureError):
        create_sshsig(pair, DATA)


# --- Who may sign ----------------------------------------------------------------------------

SIGNATURE = create_sshsig(ED, DATA)
NOW = 1_600_000_000


def allowed(line: str, principal: str = "alice@example.com", now: float = NOW) -> bool:
    try:
        verify_sshsig(DATA, SIGNATURE, principal, SSHAllowedSigners(line), now=now)
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"alice@example.com {LINE}", True),
        (f"alice@example.com {LINE} comment", True),
        (f"bob@example.com,alice@example.com {LINE}", True),
        (f"*@example.com {LINE}", True),
        (f'"*@example.com" {LINE}', True),
        (f"*@example.com,!alice@example.com {LINE}", False),
        (f"Alice@example.com {LINE}", False),
        (f"bob@example.com {LINE}", False),
        (f"alice@example.com {CA_LINE}", False),
        (f"# nothing\n\nbob@example.com {LINE}\nalice@example.com {LINE}", True),
        (f'alice@example.com namespaces="file,git" {LINE}', True),
        (f'alice@example.com namespaces="f*" {LINE}', True),
        (f'alice@example.com NAMESPACES="git" {LINE}', False),
        (f'alice@example.com namespaces="FILE" {LINE}', False),
        (f'alice@example.com valid-after="20200101" {LINE}', True),
        (f'alice@example.com valid-after="20210101Z" {LINE}', False),
        (f'alice@example.com valid-before="20210101" {LINE}', True),
        (f'alice@example.com valid-before="20200101Z" {LINE}', False),
        (
            f'alice@example.com valid-after="202001010000",valid-before="20210101" {LINE}',
            True,
        ),
        (f"alice@example.com cert-authority {LINE}", False),
        (f"alice@example.com cert-authority {CA_LINE}", False),
    ],
)
def test_who_may_sign(line: str, expected: bool) -> None:
    assert allowed(line) is expected


def test_namespace_can_be_required() -> None:
    signers = SSHAllowedSigners(f"me {LINE}")
    verify_sshsig(DATA, SIGNATURE, "me", signers, namespace="file")
    with pytest.raises(SignatureError, match="for 'file', not for 'git'"):
        verify_sshsig(DATA, SIGNATURE, "me", signers, namespace="git")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("alice", "not a public key line"),
        (f"alice nonsense {LINE}", "unknown option 'nonsense'"),
        (f'alice namespaces="a",namespaces="b" {LINE}', "given twice"),
        (f'alice cert-authority="x" {LINE}', "has a value"),
        (f"alice namespaces {LINE}", "no value"),
        (f'alice namespaces="a,,b" {LINE}', "empty pattern"),
        (f'alice valid-after="soon" {LINE}', "time value"),
        (f'alice valid-after="+1d" {LINE}', "no absolute time"),
        (f"alice valid-before {LINE}", "no absolute time"),
        (f"alice,,bob {LINE}", "empty pattern"),
        (f"alice namespaces=a {LINE}", "double quotes"),
        ("alice ssh-ed25519 !!!", "base64"),
        (f"alice ssh-rsa {LINE.split()[1]}", "another type"),
    ],
)
def test_lines_that_are_refused(line: str, text: str) -> None:
    with pytest.raises(KeyImportError, match=f"line 2: .*{text}"):
        SSHAllowedSigners(f"\n{line}\n")


NEW_TYPE = "ssh-new AAAAB3NzaC1uZXcAAAAA"


def test_lines_with_keys_of_unknown_types_let_nobody_sign() -> None:
    """As with ssh-keygen, a new key of one signer does not keep the others from being checked."""
    lines = [f"me {NEW_TYPE}", f"me {LINE}", f'me namespaces="x" {NEW_TYPE} me']
    signers = SSHAllowedSigners("\n".join(lines))
    said = "unknown key type 'ssh-new'"
    assert signers.problems == (f"line 1: {said}", f"line 3: {said}")
    assert len(signers) == 1
    verify_sshsig(DATA, SIGNATURE, "me", signers, now=NOW)


@needs_ssh_keygen
def test_ssh_keygen_goes_on_behind_unknown_types(tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(f"me {NEW_TYPE}\nme {LINE}\n")
    (tmp_path / "sig").write_bytes(SIGNATURE)
    words = ("-Y", "find-principals", "-s", tmp_path / "sig", "-f", tmp_path / "signers")
    told = subprocess.run(["ssh-keygen", *words], check=True, capture_output=True, timeout=60)
    assert told.stdout == b"me\n"


def test_certificates() -> None:
    certificate = CA.generate_user_certificate(
        ED, "id", principals=["alice", "team"], valid_after=NOW - 10, valid_before=NOW + 10
    )
    text = create_sshsig(SSHLocalKeyPair(ED, certificate), DATA)
    signature = import_sshsig(text)
    assert signature.certificate == certificate
    signers = SSHAllowedSigners(f"* cert-authority {CA_LINE}\n")
    verify_sshsig(DATA, text, "alice", signers, now=NOW)
    # A line for the key itself counts too.
    verify_sshsig(DATA, text, "bob", SSHAllowedSigners(f"bob {LINE}"), now=NOW)
    for principal, moment, reason in (
        ("bob", NOW, "not for 'bob'"),
        ("alice", NOW + 10, "expired"),
        ("alice", NOW - 11, "not valid yet"),
    ):
        with pytest.raises(SignatureError, match=reason):
            verify_sshsig(DATA, text, principal, signers, now=moment)
    assert signers.find_principals(ED, "file", certificate, now=NOW) == ("alice", "team")
    host = CA.generate_host_certificate(ED, "id", principals=["alice"])
    with pytest.raises(SignatureError, match="another kind"):
        verify_sshsig(DATA, create_sshsig((ED, host), DATA), "alice", signers)


def test_find_principals() -> None:
    signers = SSHAllowedSigners(
        f'alice,*@example.com {LINE}\nbob {CA_LINE}\ncarol namespaces="git" {LINE}\n'
    )
    assert signers.find_principals(ED, "file", now=NOW) == ("alice", "*@example.com")
    assert signers.find_principals(ED, "git", now=NOW) == ("alice", "*@example.com", "carol")
    assert len(signers) == 3
    assert [signer.cert_authority for signer in signers] == [False] * 3


def test_read_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(f"alice {LINE}")
    second.write_text(f"bob {CA_LINE}")
    assert len(ssh_keys.read_allowed_signers([first, str(second)])) == 2
    assert len(ssh_keys.import_allowed_signers(first.read_text())) == 1
    second.write_text("bob")
    with pytest.raises(KeyImportError, match=r"second.*line 1"):
        ssh_keys.read_allowed_signers([first, second])


# --- Hostile signatures ----------------------------------------------------------------------


def test_every_changed_byte_and_truncation() -> None:
    raw = create_sshsig(ED, DATA, raw=True)
    signers = SSHAllowedSigners(f"me {LINE}")
    verify_sshsig(DATA, raw, "me", signers)
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 0x21
        with pytest.raises(SignatureError):
            verify_sshsig(DATA, bytes(changed), "me", signers)
        with pytest.raises(SignatureError):
            verify_sshsig(DATA, raw[:position], "me", signers)
    with pytest.raises(SignatureError):
        verify_sshsig(DATA, raw + b"\0", "me", signers)


@given(st.binary(max_size=150))
def test_arbitrary_data(data: bytes) -> None:
    for blob in (data, b"SSHSIG" + data, b"-----BEGIN SSH SIGNATURE-----\n" + data):
        with pytest.raises(KeyImportError):
            import_sshsig(blob)
    try:
        SSHAllowedSigners(data)
    except KeyImportError:
        pass


def test_blobs_that_are_refused() -> None:
    signature = import_sshsig(SIGNATURE)
    raw = signature.encode()
    with pytest.raises(UnsupportedKeyError, match="version 2"):
        import_sshsig(raw.replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2"))
    with pytest.raises(UnsupportedKeyError, match="hash 'sha384'"):
        import_sshsig(signature.replace(hash_name="sha384").encode())
    with pytest.raises(KeyImportError, match="namespace"):
        import_sshsig(signature.replace(namespace="").encode())
    with pytest.raises(KeyTruncatedError):
        import_sshsig(b"SSHSIG")
    with pytest.raises(KeyImportError, match="not an SSH signature"):
        import_sshsig(b"text in front\n" + SIGNATURE)
    # The reserved field is signed, and otherwise ignored.
    reserved = signature.replace(reserved=b"later")
    with pytest.raises(SignatureError, match="wrong"):
        import_sshsig(reserved.encode()).verify(DATA)


def test_sha1_is_refused() -> None:
    rsa = make_key("ssh-rsa")
    signature = import_sshsig(create_sshsig(rsa, DATA))
    digest = hashlib.sha512(DATA).digest()
    weak = rsa.sign(signed_data("file", "sha512", digest), b"ssh-rsa")
    with pytest.raises(SignatureError, match="ssh-rsa is not allowed"):
        signature.replace(signature=weak).verify(DATA)


# --- ssh-keygen and vectors ------------------------------------------------------------------


def _keygen(*arguments: str | Path, data: bytes) -> str:
    result = subprocess.run(
        ["ssh-keygen", *map(str, arguments)], input=data, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout.decode()


@needs_ssh_keygen
@pytest.mark.parametrize("name", KEY_TYPES)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_ssh_keygen_verifies_ours_and_we_verify_its(
    name: str, hash_name: str, tmp_path: Path
) -> None:
    key, signers, sig = make_key(name), tmp_path / "signers", tmp_path / "sig"
    line = " ".join(key.export_public_key().decode().split()[:2])
    signers.write_text(f'me@example.com namespaces="release" {line}\n')
    sig.write_bytes(create_sshsig(key, DATA, namespace="release", hash_name=hash_name))
    common = ("-n", "release", "-s", sig)
    printed = _keygen("-Y", "verify", "-f", signers, "-I", "me@example.com", *common, data=DATA)
    assert "Good" in printed
    assert _keygen("-Y", "find-principals", "-f", signers, "-s", sig, data=b"").strip() == (
        "me@example.com"
    )

    path, data = tmp_path / "id", tmp_path / "data"
    key.write_private_key(path)
    data.write_bytes(DATA)
    options = ("-O", f"hashalg={hash_name}")
    _keygen("-Y", "sign", "-f", path, "-n", "release", *options, data, data=b"")
    signature = verify_sshsig(data, tmp_path / "data.sig", "me@example.com", signers)
    assert signature.hash_name == hash_name


@needs_ssh_keygen
def test_ssh_keygen_and_certificates(tmp_path: Path) -> None:
    signers, sig = tmp_path / "signers", tmp_path / "sig"
    signers.write_text(f"* cert-authority {CA_LINE}\n")
    certificate = CA.generate_user_certificate(
        ED, "id", principals=["me"], valid_after="-1d", valid_before="+1d"
    )
    sig.write_bytes(create_sshsig((ED, certificate), DATA))
    options = ("-n", "file", "-s", sig)
    _keygen("-Y", "verify", "-f", signers, "-I", "me", *options, data=DATA)


@needs_vectors
@pytest.mark.parametrize(
    "name",
    ["rsa", "ecdsa", "ed25519", "ecdsa_sk", "ed25519_sk", "ecdsa_sk_webauthn", "mldsa44-ed25519"],
)
def test_vectors(name: str) -> None:
    folder = VECTORS / "sshsig"
    data = (folder / "signed-data").read_bytes()
    namespace = (folder / "namespace").read_text().strip()
    text = (folder / f"{name}.sig").read_bytes()
    signature = import_sshsig(text)
    key = ssh_keys.read_public_key(folder / f"{name}.pub")
    assert signature.key == key
    assert signature.namespace == namespace
    signature.verify(data)
    line = f"me {key.export_public_key().decode()}"
    verify_sshsig(data, text, "me", SSHAllowedSigners(line), namespace=namespace)
    with pytest.raises(SignatureError):
        signature.verify(data + b"!")
    body = bytearray(signature.signature)
    for position in range(0, len(body), 1 if len(body) < 1000 else 37):
        body[position] ^= 1
        with pytest.raises(SignatureError):
            signature.replace(signature=bytes(body)).verify(data)
        body[position] ^= 1
    assert encode_pem(b"SSH SIGNATURE", signature.encode(), width=70) == text
