"""Named choices of algorithms: `modern` (the default), `compat`, `legacy`, `pq`, `fips`, `cnsa2`.

A preset is a rule over the tables, not a list of its own: a row that is added to a table falls
under the rules at once, and the order of preference is that of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import TypeVar

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS
from ssh_keys.algorithms import Algorithm, Registry, Status
from ssh_keys.record import Record

from .ciphers import CIPHERS
from .compression import COMPRESSIONS
from .kex import KEX_METHODS
from .mac import MACS

__all__ = ["PRESETS", "Policy"]

Choice = str | Sequence[str | bytes] | None
"""What `Registry.select` takes: exact names, or a string with `+`, `-`, `^` and wildcards."""


A = TypeVar("A", bound=Algorithm)


class _Rule(Record):
    """Which rows of the tables a preset allows.

    Parameters:
        about: for whom it is.
        tiers: rows with a status of the first tier come before those of the second one.
        patterns: wildcards that the names of a kind have to match; every name does if a kind is
            absent.
    """

    about: str
    tiers: tuple[tuple[Status, ...], ...]
    patterns: Mapping[str, tuple[str, ...]]
    min_rsa_bits: int = 2048
    gex_bits: tuple[int, int, int] = (2048, 3072, 8192)

    def names(self, kind: str, table: Registry[A]) -> tuple[bytes, ...]:
        """Return the names of one kind that are allowed and available here, best first."""
        return tuple(
            row.name
            for tier in self.tiers
            for row in table
            if row.status in tier
            and self._allows(kind, row.name.decode("ascii"))
            and row.available()
        )

    def gss_names(self) -> tuple[bytes, ...]:
        """Return the GSS-API methods: those of the rule's tiers, and all that are sound."""
        allowed = set(_SOUND).union(*self.tiers)
        return tuple(
            row.name
            for row in KEX_METHODS
            if row.name.startswith(_GSS)
            and row.status in allowed
            and _matches(row.name.decode("ascii"), self.patterns.get("gss", ("*",)))
            and row.available()
        )

    def _allows(self, kind: str, name: str) -> bool:
        # GSS-API needs more than a name, credentials of the application: see `gss_names`.
        return _matches(name, self.patterns.get(kind, ("*",))) and not name.startswith("gss-")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


_GSS = b"gss-"

_DEFAULT = (Status.DEFAULT,)
_SUPPORTED = (Status.SUPPORTED,)
_INSECURE = (Status.INSECURE,)
_SOUND = (*_DEFAULT, *_SUPPORTED)

# Key types of X.509 certificates and of OpenSSH's certificates carry the plain name within.
_NIST_KEYS = ("*ecdsa-sha2-nistp256*", "*ecdsa-sha2-nistp384*", "*ecdsa-sha2-nistp521*")
_RSA_KEYS = ("rsa-sha2-*", "x509v3-rsa2048-sha256")
_DELAYED = ("none", "zlib@openssh.com")
_PQ_KEYS = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "rsa-sha2-512", "rsa-sha2-256")
_CNSA_KEYS = ("ecdsa-sha2-nistp384*", "x509v3-ecdsa-sha2-nistp384", "rsa-sha2-512*")

_RULES: dict[str, _Rule] = {
    "modern": _Rule(
        "What is on by default: post-quantum key exchange first, authenticated encryption, no "
        "SHA-1, groups of 3072 bits and more.",
        (_DEFAULT,),
        {},
        gex_bits=(3072, 3072, 8192),
    ),
    "compat": _Rule(
        "Everything that is sound, for peers of the last ten years: also NIST curves, groups of "
        "2048 bits, encrypt-and-MAC, compression before authentication.",
        (_DEFAULT, _SUPPORTED),
        {},
    ),
    "legacy": _Rule(
        "Everything there is, sound algorithms first, for devices that know nothing better: "
        "SHA-1, CBC, RC4, MD5, groups and RSA keys of 1024 bits. Read as: no protection against "
        "somebody who means it.",
        (_DEFAULT, _SUPPORTED, _INSECURE),
        {},
        min_rsa_bits=1024,
    ),
    "pq": _Rule(
        "Post-quantum key exchange or none, for peers since OpenSSH 9.0: ssh-audit has nothing "
        "to warn about. Everything else as in `modern`, without NIST curves.",
        (_SOUND,),
        {
            "kex": ("mlkem768x25519-sha256", "sntrup761x25519-sha512*"),
            "gss": (),
            "host_key": _PQ_KEYS,
            "cipher": ("aes*-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes*-ctr"),
            "mac": ("hmac-sha2-*-etm@openssh.com", "umac-128-etm@openssh.com"),
            "compression": _DELAYED,
            "signature": _PQ_KEYS,
        },
    ),
    "fips": _Rule(
        "Algorithms that are approved by FIPS 140-3 (SP 800-56A and C, FIPS 186-5, FIPS 203, "
        "SP 800-131A). Ed25519 is approved too, but is computed by libsodium here, which no "
        "validated module contains. Whether the OpenSSL below is validated, this cannot tell.",
        (_SOUND,),
        {
            # Groups of RFC 3526 are approved (SP 800-56A appendix D), those that a server makes
            # up in a group exchange are not.
            "kex": (
                "mlkem768nistp256-sha256",
                "mlkem1024nistp384-sha384",
                "ecdh-sha2-nistp*",
                "diffie-hellman-group1[4-8]-sha256",
                "diffie-hellman-group1[4-8]-sha512",
            ),
            "gss": ("gss-nistp*", "gss-group1[4-8]-sha256-*", "gss-group1[4-8]-sha512-*"),
            "host_key": (*_NIST_KEYS, *_RSA_KEYS),
            "cipher": ("aes*-gcm@openssh.com", "aes*-ctr"),
            "mac": ("hmac-sha2-256*", "hmac-sha2-512*"),
            "compression": _DELAYED,
            "signature": (*_NIST_KEYS, *_RSA_KEYS),
        },
    ),
    "cnsa2": _Rule(
        "Commercial National Security Algorithm Suite 2.0 as far as SSH has names for it: "
        "ML-KEM-1024, AES-256, SHA-384 and SHA-512. SSH has no ML-DSA-87 yet, so signatures are "
        "those of CNSA 1.0 (RFC 9212): P-384, and RSA of 3072 bits and more.",
        (_SOUND,),
        {
            "kex": ("mlkem1024nistp384-sha384",),
            "gss": (),
            "host_key": _CNSA_KEYS,
            "cipher": ("aes256-gcm@openssh.com", "aes256-ctr"),
            "mac": ("hmac-sha2-512*",),
            "compression": _DELAYED,
            "signature": _CNSA_KEYS,
        },
        min_rsa_bits=3072,
        gex_bits=(3072, 4096, 8192),
    ),
}

PRESETS: Mapping[str, str] = {name: rule.about for name, rule in _RULES.items()}
"""The names of the presets, and for whom each is."""

_CHANGED = ", changed"


class Policy(Record, kw_only=True):
    """Names that may be negotiated, in order of preference; give it to `TransportConfig`.

    Parameters:
        name: the preset that it was made from, for texts.
        kex_algorithms, host_key_algorithms, ciphers, macs, compressions: what is offered.
        sig_algorithms: signature algorithms accepted in user authentication.
        min_rsa_bits: RSA host keys smaller than this prove nothing.
        gex_bits: (min, preferred, max) size of a group exchange, in bits, as in `TransportConfig`.
        gss_kex_algorithms: GSS-API methods to put in front of `kex_algorithms` where GSS-API is
            asked for; they are not among those.
    """

    name: str
    kex_algorithms: tuple[bytes, ...]
    host_key_algorithms: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]
    compressions: tuple[bytes, ...]
    sig_algorithms: tuple[bytes, ...]
    min_rsa_bits: int = 2048
    gex_bits: tuple[int, int, int] = (2048, 3072, 8192)
    gss_kex_algorithms: tuple[bytes, ...] = ()

    @staticmethod
    def named(name: str) -> Policy:
        """Return a preset: one of `PRESETS`. Raises ValueError for another name."""
        return _named(name)

    def select(
        self,
        *,
        kex_algorithms: Choice = None,
        host_key_algorithms: Choice = None,
        ciphers: Choice = None,
        macs: Choice = None,
        compressions: Choice = None,
        sig_algorithms: Choice = None,
    ) -> Policy:
        """Return a policy with other names, chosen as in ssh_config(5).

        A leading `+` appends to the names of this policy, `-` removes from them, `^` puts in
        front; without one the names are replaced. Raises ValueError as `Registry.select`.
        """
        changed = self.replace(
            kex_algorithms=KEX_METHODS.select(kex_algorithms, default=self.kex_algorithms),
            host_key_algorithms=HOST_KEY_ALGORITHMS.select(
                host_key_algorithms, default=self.host_key_algorithms
            ),
            ciphers=CIPHERS.select(ciphers, default=self.ciphers),
            macs=MACS.select(macs, default=self.macs),
            compressions=COMPRESSIONS.select(compressions, default=self.compressions),
            sig_algorithms=SIGNATURE_ALGORITHMS.select(sig_algorithms, default=self.sig_algorithms),
        )
        if changed == self or self.name.endswith(_CHANGED):
            return changed
        return changed.replace(name=self.name + _CHANGED)


@cache  # every connection asks for one
def _named(name: str) -> Policy:
    rule = _RULES.get(name)
    if rule is None:
        raise ValueError(f"no policy is named {name!r}, but {', '.join(_RULES)} are")
    return Policy(
        name=name,
        kex_algorithms=rule.names("kex", KEX_METHODS),
        host_key_algorithms=rule.names("host_key", HOST_KEY_ALGORITHMS),
        ciphers=rule.names("cipher", CIPHERS),
        macs=rule.names("mac", MACS),
        compressions=rule.names("compression", COMPRESSIONS),
        sig_algorithms=rule.names("signature", SIGNATURE_ALGORITHMS),
        min_rsa_bits=rule.min_rsa_bits,
        gex_bits=rule.gex_bits,
        gss_kex_algorithms=rule.gss_names(),
    )
