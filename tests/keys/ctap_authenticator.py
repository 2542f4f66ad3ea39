"""A security key in software: the commands of CTAP 2.1 that SSH needs, for tests without hardware.

It stands where the USB device would be: python-fido2 sends it the same bytes, with the same
encryption of the PIN. Numbers are those of the specification (CTAP 2.1, section 6).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.pin import PinProtocolV2
from fido2.hid import CAPABILITY, CTAPHID

ERR = CtapError.ERR
FLAG_UP, FLAG_UV, FLAG_AT, FLAG_ED = 0x01, 0x04, 0x40, 0x80
MAKE, ASSERT, MANAGE = 0x01, 0x02, 0x04


@dataclass
class Stored:
    """One key of the authenticator."""

    rp: str
    user: dict[str, Any]
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    resident: bool
    protect: int
    id: bytes = field(default_factory=lambda: os.urandom(48))

    @property
    def cose(self) -> dict[int, Any]:
        return dict(CoseKey.for_alg(self.alg).from_cryptography_key(self.key.public_key()))

    @property
    def alg(self) -> int:
        return -8 if isinstance(self.key, ed25519.Ed25519PrivateKey) else -7

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


class Authenticator(CtapDevice):
    """A security key whose user always touches it."""

    capabilities = CAPABILITY.CBOR

    def __init__(self, pin: str | None = None, algorithms: tuple[int, ...] = (-8, -7)) -> None:
        self.pin = pin
        self.algorithms = algorithms
        self.stored: list[Stored] = []
        self.counter = 0
        self.touches = 0
        self.retries = 8
        self._agreement = ec.generate_private_key(ec.SECP256R1())
        self._token = os.urandom(32)
        self._permissions = 0
        self._listing: list[Stored] = []

    @classmethod
    def list_devices(cls) -> Iterator[Authenticator]:
        yield cls()

    def call(
        self, cmd: int, data: bytes = b"", event: Any = None, on_keepalive: Any = None
    ) -> bytes:
        assert cmd == CTAPHID.CBOR
        handlers = {1: self._make, 2: self._assert, 4: self._info, 6: self._pin, 10: self._manage}
        parameters: Any = cbor.decode(data[1:]) if len(data) > 1 else {}
        try:
            answer = handlers[data[0]](parameters)
        except CtapError as exc:
            return bytes((exc.code,))
        return b"\0" + (cbor.encode(answer) if answer else b"")

    def _info(self, parameters: dict[int, Any]) -> dict[int, Any]:
        options = {
            "rk": True,
            "up": True,
            "credMgmt": True,
            "clientPin": self.pin is not None,
            "pinUvAuthToken": True,
        }
        return {
            1: ["FIDO_2_0", "FIDO_2_1"],
            2: ["credProtect"],
            3: bytes(16),
            4: options,
            5: 1200,
            6: [2],
        }

    def _verified(self, parameters: dict[int, Any], keys: tuple[int, int], permission: int) -> bool:
        """Whether the request proves that the user knows the PIN."""
        param = parameters.get(keys[0])
        if param is None:
            return False
        expected = hmac.new(self._token, parameters[keys[1]], "sha256").digest()
        if not hmac.compare_digest(param, expected) or not self._permissions & permission:
            raise CtapError(ERR.PIN_AUTH_INVALID)
        return True

    def _make(self, parameters: dict[int, Any]) -> dict[int, Any]:
        verified = self._verified({**parameters, 100: parameters[1]}, (8, 100), MAKE)
        if self.pin is not None and not verified:
            raise CtapError(ERR.PUAT_REQUIRED)
        wanted = [each["alg"] for each in parameters[4] if each["alg"] in self.algorithms]
        if not wanted:
            raise CtapError(ERR.UNSUPPORTED_ALGORITHM)
        key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        if wanted[0] == -8:
            key = ed25519.Ed25519PrivateKey.generate()
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        extensions = parameters.get(6, {})
        resident = parameters.get(7, {}).get("rk", False)
        made = Stored(
            parameters[2]["id"], parameters[3], key, resident, extensions.get("credProtect", 1)
        )
        if resident:
            self.stored = [
                old
                for old in self.stored
                if not old.resident or (old.rp, old.user["id"]) != (made.rp, made.user["id"])
            ]
        self.stored.append(made)
        self.touches += 1
        attested = bytes(16) + len(made.id).to_bytes(2, "big") + made.id + cbor.encode(made.cose)
        flags = FLAG_UP | FLAG_AT | (FLAG_UV * verified) | (FLAG_ED * bool(extensions))
        data = self._auth_data(made.rp, flags) + attested
        return {1: "none", 2: data + (cbor.encode(extensions) if extensions else b""), 3: {}}

    def _assert(self, parameters: dict[int, Any]) -> dict[int, Any]:
        verified = self._verified({**parameters, 100: parameters[2]}, (6, 100), ASSERT)
        touch = parameters.get(5, {}).get("up", True)
        allowed = [each["id"] for each in parameters.get(3, [])]
        for stored in self.stored:
            if stored.id in allowed and stored.rp == parameters[1]:
                if stored.protect == 3 and not verified:
                    continue
                self.touches += touch
                data = self._auth_data(stored.rp, (FLAG_UP * touch) | (FLAG_UV * verified))
                credential = {"type": "public-key", "id": stored.id}
                return {1: credential, 2: data, 3: stored.sign(data + parameters[2])}
        raise CtapError(ERR.NO_CREDENTIALS)

    def _auth_data(self, rp: str, flags: int) -> bytes:
        self.counter += 1
        head = hashlib.sha256(rp.encode()).digest()
        return head + bytes((flags,)) + self.counter.to_bytes(4, "big")

    def _pin(self, parameters: dict[int, Any]) -> dict[int, Any]:
        if parameters[2] == 1:
            return {3: self.retries}
        if parameters[2] == 2:
            numbers = self._agreement.public_key().public_numbers()
            x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
            return {1: {1: 2, 3: -25, -1: 1, -2: x, -3: y}}
        if parameters[2] != 9:
            raise CtapError(ERR.INVALID_SUBCOMMAND)
        if self.pin is None:
            raise CtapError(ERR.PIN_NOT_SET)
        if not self.retries:
            raise CtapError(ERR.PIN_BLOCKED)
        point = b"\4" + parameters[3][-2] + parameters[3][-3]
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        protocol = PinProtocolV2()
        secret = protocol.kdf(self._agreement.exchange(ec.ECDH(), peer))  # type: ignore[no-untyped-call]
        given = protocol.decrypt(secret, parameters[6])  # type: ignore[no-untyped-call]
        if given != hashlib.sha256(self.pin.encode()).digest()[:16]:
            self.retries -= 1
            raise CtapError(ERR.PIN_INVALID)
        self.retries = 8
        self._permissions = parameters[9]
        return {2: protocol.encrypt(secret, self._token)}  # type: ignore[no-untyped-call]

    def _manage(self, parameters: dict[int, Any]) -> dict[int, Any]:
        if parameters[1] == 4:
            encoded = cbor.encode(parameters[2])
            signed = {**parameters, 100: bytes((4,)) + encoded}
            if not self._verified(signed, (4, 100), MANAGE):
                raise CtapError(ERR.PUAT_REQUIRED)
            self._listing = [
                each
                for each in self.stored
                if each.resident and hashlib.sha256(each.rp.encode()).digest() == parameters[2][1]
            ]
        elif parameters[1] != 5:
            raise CtapError(ERR.INVALID_SUBCOMMAND)
        if not self._listing:
            raise CtapError(ERR.NO_CREDENTIALS)
        total = len(self._listing)
        each = self._listing.pop(0)
        answer = {
            6: each.user,
            7: {"type": "public-key", "id": each.id},
            8: each.cose,
            10: each.protect,
        }
        return answer | ({9: total} if parameters[1] == 4 else {})
