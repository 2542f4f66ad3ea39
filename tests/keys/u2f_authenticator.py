"""A security key of the old kind in software: the messages of U2F (CTAP 1), for tests.

Numbers are those of "FIDO U2F Raw Message Formats" (2017). It wants to be asked a few times before
its user touches it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from fido2.ctap import CtapDevice
from fido2.hid import CAPABILITY, CTAPHID

OK, USE_NOT_SATISFIED, WRONG_DATA = 0x9000, 0x6985, 0x6A80
INS_NOT_SUPPORTED = 0x6D00


class U2FAuthenticator(CtapDevice):
    """A security key whose user touches it when it is asked for the third time."""

    capabilities = CAPABILITY.WINK

    def __init__(self, patience: int = 2, refusal: int = 0) -> None:
        self.patience = patience
        self.refusal = refusal
        self.counter = 0
        self.asked = 0
        self.keys: dict[bytes, tuple[bytes, ec.EllipticCurvePrivateKey]] = {}
        self._attestation = ec.generate_private_key(ec.SECP256R1())

    @classmethod
    def list_devices(cls) -> Iterator[U2FAuthenticator]:
        yield cls()

    def call(
        self, cmd: int, data: bytes = b"", event: Any = None, on_keepalive: Any = None
    ) -> bytes:
        assert cmd == CTAPHID.MSG
        assert data[4] == 0
        size = int.from_bytes(data[5:7], "big")
        status, answer = self._answer(data[1], data[2], data[7 : 7 + size])
        return answer + status.to_bytes(2, "big")

    def _answer(self, command: int, control: int, body: bytes) -> tuple[int, bytes]:
        if command == 1:
            return self._register(body)
        if command != 2:
            return INS_NOT_SUPPORTED, b""
        challenge, application, handle = body[:32], body[32:64], body[65 : 65 + body[64]]
        stored = self.keys.get(handle)
        if stored is None or stored[0] != application:
            return WRONG_DATA, b""
        if control == 7 or not self._touched():
            return USE_NOT_SATISFIED, b""
        self.counter += 1
        flags = b"\1" + self.counter.to_bytes(4, "big")
        signed = application + flags + challenge
        return OK, flags + stored[1].sign(signed, ec.ECDSA(hashes.SHA256()))

    def _touched(self) -> bool:
        self.asked += 1
        touched = self.asked > self.patience
        if touched:
            self.asked = 0
        return touched

    def _register(self, body: bytes) -> tuple[int, bytes]:
        if self.refusal:
            return self.refusal, b""
        if not self._touched():
            return USE_NOT_SATISFIED, b""
        challenge, application = body[:32], body[32:64]
        key, handle = ec.generate_private_key(ec.SECP256R1()), os.urandom(64)
        self.keys[handle] = application, key
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        signed = b"\0" + application + challenge + handle + point
        signature = self._attestation.sign(signed, ec.ECDSA(hashes.SHA256()))
        answer = b"\5" + point + bytes((len(handle),)) + handle
        return OK, answer + self._certificate() + signature

    def _certificate(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        builder = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=self._attestation.public_key(),
            serial_number=int.from_bytes(hashlib.sha256(os.urandom(8)).digest()[:8], "big") | 1,
            not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
            not_valid_after=datetime(2040, 1, 1, tzinfo=UTC),
        )
        return builder.sign(self._attestation, hashes.SHA256()).public_bytes(Encoding.DER)
