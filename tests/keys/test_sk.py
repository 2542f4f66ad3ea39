"""Security keys: signatures of an authenticator that these tests play themselves, and refusals."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from nacl.bindings import crypto_sign

import ssh_keys
from ssh_keys import KeyGenerationError, KeyImportError, SignatureError, SSHKey
from ssh_keys.sk import ECDSA, ED25519, WEBAUTHN, KeyHandle, SKECDSAKey, SKEd25519Key
from ssh_keys.wire import encode_mpint, encode_string, encode_uint32

from .support import make_key

APPLICATION = b"ssh:"
DATA = b"what is signed"
HANDLE = KeyHandle(1, b"handle", b"")
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_SECRET = make_key("ssh-ed25519").private_data[-64:]
SK_ED = SKEd25519Key(ED_SECRET[32:], APPLICATION, HANDLE)
SK_EC = SKECDSAKey(EC_KEY.public_key(), APPLICATION, HANDLE)


def signed_blob(flags: int, digest: bytes, extensions: bytes = b"", counter: int = 7) -> bytes:
    head = hashlib.sha256(APPLICATION).digest()
    return head + bytes((flags,)) + encode_uint32(counter) + extensions + digest


def ecdsa(data: bytes) -> bytes:
    r, s = decode_dss_signature(EC_KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    return encode_string(encode_mpint(r) + encode_mpint(s))


def signature(key: SSHKey, flags: int = 1, counter: int = 7) -> bytes:
    blob = signed_blob(flags, hashlib.sha256(DATA).digest(), counter=counter)
    tail = bytes((flags,)) + encode_uint32(counter)
    if key is SK_ED:
        raw = encode_string(crypto_sign(blob, ED_SECRET)[:64])
        return encode_string(ED25519) + raw + tail
    return encode_string(ECDSA) + ecdsa(blob) + tail


@pytest.fixture(params=[SK_ED, SK_EC], ids=["ed25519", "ecdsa"])
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A security key of each type."""
    assert isinstance(request.param, SSHKey)
    return request.param


def test_verify(key: SSHKey) -> None:
    public = key.convert_to_public()
    public.verify(DATA, signature(key))
    public.verify(DATA, signature(key), [key.algorithm])
    with pytest.raises(SignatureError, match="wrong"):
        public.verify(DATA + b"!", signature(key))
    good = signature(key)
    for position in range(len(good)):
        changed = bytearray(good)
        changed[position] ^= 1
        with pytest.raises(SignatureError):
            public.verify(DATA, bytes(changed))
        with pytest.raises(SignatureError):
            public.verify(DATA, good[:position])
    with pytest.raises(SignatureError, match="malformed"):
        public.verify(DATA, good + b"\0")


def test_user_presence(key: SSHKey) -> None:
    absent = signature(key, flags=0)
    with pytest.raises(SignatureError, match="not present"):
        key.verify(DATA, absent)
    key.verify(DATA, absent, touch_required=False)
    with pytest.raises(SignatureError, match="not verified"):
        key.verify(DATA, signature(key, flags=1), verify_required=True)
    key.verify(DATA, signature(key, flags=5), verify_required=True)


def test_no_signing_and_no_making(key: SSHKey) -> None:
    assert key.is_private
    with pytest.raises(SignatureError, match=r"authenticator|extra fido2"):
        key.sign(DATA)
    with pytest.raises(KeyGenerationError, match=r"authenticator|extra fido2"):
        ssh_keys.generate_private_key(key.get_algorithm())
    with pytest.raises(ssh_keys.KeyExportError, match="OpenSSH's own formats"):
        key.export_private_key("pkcs8-pem")


def test_files(key: SSHKey) -> None:
    for passphrase in ("", "x"):
        data = key.export_private_key(passphrase=passphrase, rounds=1)
        copy = ssh_keys.import_private_key(data, "x")
        assert copy == key
        assert copy.private_data == key.private_data
        assert isinstance(copy, SKEd25519Key | SKECDSAKey)
        assert copy.key_handle == HANDLE
        assert copy.application == APPLICATION
    public = ssh_keys.import_public_key(key.export_public_key())
    assert public == key.convert_to_public()
    assert not public.is_private


def test_certificates(key: SSHKey) -> None:
    certificate = make_key("ssh-ed25519").generate_user_certificate(
        key, "id", principals=["me"], touch_required=False, verify_required=True
    )
    assert certificate.algorithm.endswith(b"-cert-v01@openssh.com")
    copy = ssh_keys.decode_ssh_certificate(certificate.public_data)
    assert copy.key == key.convert_to_public()
    assert copy.options["no-touch-required"] is copy.options["verify-required"] is True


def test_lengths() -> None:
    with pytest.raises(KeyImportError, match="31 bytes"):
        SKEd25519Key(bytes(31), APPLICATION)


# --- webauthn --------------------------------------------------------------------------------

ORIGIN = "https://example.com"


def client_data(**changes: object) -> bytes:
    challenge = urlsafe_b64encode(DATA).rstrip(b"=").decode()
    members = {"type": "webauthn.get", "challenge": challenge, "origin": ORIGIN, **changes}
    return json.dumps(members, separators=(",", ":")).encode()


def webauthn(
    text: bytes, origin: str = ORIGIN, flags: int = 1, extensions: bytes = b"", claimed: int = -1
) -> bytes:
    blob = signed_blob(flags, hashlib.sha256(text).digest(), extensions)
    flags = flags if claimed < 0 else claimed
    return b"".join(
        (
            encode_string(WEBAUTHN),
            ecdsa(blob),
            bytes((flags,)),
            encode_uint32(7),
            encode_string(origin.encode()),
            encode_string(text),
            encode_string(extensions),
        )
    )


def test_webauthn() -> None:
    SK_EC.verify(DATA, webauthn(client_data()))
    SK_EC.verify(DATA, webauthn(client_data(crossOrigin=False)))
    SK_EC.verify(DATA, webauthn(client_data(), flags=0x81, extensions=b"cbor"))
    with pytest.raises(SignatureError, match="not allowed"):
        SK_EC.verify(DATA, webauthn(client_data()), [ECDSA])
    with pytest.raises(SignatureError, match="is no signature of a key"):
        SK_ED.verify(DATA, webauthn(client_data()), [WEBAUTHN])


@pytest.mark.parametrize(
    ("blob", "text"),
    [
        (webauthn(client_data(type="webauthn.create")), "something else"),
        (webauthn(client_data(challenge="AAAA")), "something else"),
        (webauthn(client_data(origin="https://evil.example.com")), "something else"),
        (webauthn(client_data(), origin="https://evil.example.com"), "something else"),
        (webauthn(client_data() + b"x"[:0], origin='https://e"'), "quote"),
        (webauthn(client_data()[:-1]), "something else"),
        (webauthn(b" " + client_data()), "something else"),
        (webauthn(client_data(), flags=0x41), "flags"),
        (webauthn(client_data(), flags=0x81), "flags"),
        (webauthn(client_data(), flags=0x01, extensions=b"x"), "flags"),
        (webauthn(client_data(), flags=0x00), "not present"),
        (webauthn(client_data(), flags=0x00, claimed=0x01), "wrong"),
        (webauthn(client_data()) + b"\0", "malformed"),
    ],
)
def test_webauthn_refusals(blob: bytes, text: str) -> None:
    with pytest.raises(SignatureError, match=text):
        SK_EC.verify(DATA, blob)
