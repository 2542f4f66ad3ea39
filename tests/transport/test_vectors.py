"""Published values, for what has no test with values of its specification elsewhere.

vectors.json is an extract of `cryptography-vectors` 50.0.2, by name of ours:

* cbc: ciphers/AES/CBC/CBCMMT*.rsp and 3DES/CBC/TCBCMMT3.rsp (CAVS of NIST, count 3),
  Blowfish/bf-cbc.txt (Schneier's vectors-2.txt), CAST5/cast5-cbc.txt (count 3).
  Of SEED, RFC 4269 appendix B.1.
* ecdh: the first correct case of each curve of
  asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_resp.fax (CAVS 17.4).
* mlkem: the first of asymmetric/MLKEM/kat_MLKEM_*.rsp; of the public key, its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ssh_transport.ciphers import CIPHERS
from ssh_transport.kex.ecdh import NISTCurve
from ssh_transport.kex.hybrid import KEM, MLKEM768, MLKEM1024
from ssh_transport.mac import MACS

VECTORS: dict[str, dict[str, dict[str, str]]] = json.loads(
    (Path(__file__).parent / "vectors.json").read_text(encoding="ascii")
)


@pytest.mark.parametrize("name", VECTORS["cbc"])
@pytest.mark.parametrize("packets", [1, 2], ids=["one packet", "two packets"])
def test_cbc(name: str, packets: int) -> None:
    """The last block of a packet is the IV of the next one (RFC 4253 section 6.3)."""
    row, values = CIPHERS[name.encode()], VECTORS["cbc"][name]
    if not row.available():
        pytest.skip("not in this OpenSSL")
    mac = MACS[b"hmac-sha2-256-etm@openssh.com"]  # which leaves packet_length in the clear
    plain = bytes.fromhex(values["plain"])
    first = len(plain) if packets == 1 else row.block_size
    key, iv = bytes.fromhex(values["key"]), bytes.fromhex(values["iv"])
    sealer, sealed = row.sealer(key, iv, bytes(32), mac), b""
    for sequence, body in enumerate((plain[:first], plain[first:])[:packets]):
        buf = bytearray(512)
        sealer.seal(buf, memoryview(buf), 0, body, sequence)
        sealed += bytes(buf[4 : 4 + len(body)])
    assert sealed.hex() == values["sealed"]


@pytest.mark.parametrize(
    ("name", "curve", "hash_name"),
    [
        ("nistp256", ec.SECP256R1(), "sha256"),
        ("nistp384", ec.SECP384R1(), "sha384"),
        ("nistp521", ec.SECP521R1(), "sha512"),
    ],
)
def test_ecdh(name: str, curve: ec.EllipticCurve, hash_name: str) -> None:
    values = VECTORS["ecdh"][name]
    scalar = int(values["private"], 16)

    def random(size: int) -> bytes:
        return (scalar - 1).to_bytes(size, "big")

    public, agree = NISTCurve(curve).start(random)
    assert public.hex() == values["public"]
    secret = agree(bytes.fromhex(values["peer"]))
    assert hashlib.new(hash_name, secret).hexdigest() == values["hash_of_secret"]


@pytest.mark.parametrize(("name", "kem"), [("mlkem768", MLKEM768()), ("mlkem1024", MLKEM1024())])
def test_mlkem(name: str, kem: KEM) -> None:
    """FIPS 203: key generation out of d and z, and decapsulation."""
    values = VECTORS["mlkem"][name]
    seed = bytes.fromhex(values["d"] + values["z"])

    def random(size: int) -> bytes:
        assert size == len(seed)
        return seed

    public, decapsulate = kem.start(random)
    assert hashlib.sha256(public).hexdigest() == values["pk_sha256"]
    assert decapsulate(base64.b64decode(values["ct"])).hex() == values["ss"]
