"""What one transport connection is allowed to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, SSHKeyPair
from ssh_keys.algorithms import Algorithm, Registry

from .ciphers import CIPHERS
from .compression import COMPRESSIONS
from .constants import NULL_HOST_KEY
from .errors import printable
from .kex import KEX_METHODS
from .kex.dh_gex import MAX_BITS, MIN_BITS
from .kex.dh_groups import read_moduli
from .mac import MACS
from .policy import Policy
from .protocols import GSSContext, Role
from .texts import DEFAULT_TEXT_ERRORS

__all__ = ["DEFAULT_VERSION", "TransportConfig"]

DEFAULT_VERSION = b"SSH-2.0-ssh_meta_0.1.0"

# Stands for "what the policy says". Not an empty tuple: who computes an empty list has made a
# mistake, and the defaults in its place would hide it.
_FROM_POLICY: tuple[bytes, ...] = (b"",)

# RFC 8308 section 3.2: who announces it to a peer that does so, too, has to do it.
_NOT_OURS = b"delay-compression"


@dataclass(kw_only=True, slots=True)
class TransportConfig:
    """Algorithms and limits of a connection; names in order of preference, as on the wire.

    Parameters:
        role: which side we are.
        version: our identification string without CR LF (RFC 4253 section 4.2).
        policy: where the names below come from unless they are given; the preset `modern` if not
            given.
        kex_algorithms, host_key_algorithms, ciphers, macs, compressions: what is offered, the
            same in both directions.
        host_keys: server: the key pair for each host key algorithm name that is offered.
        sig_algorithms: signature algorithms accepted in user authentication; a server announces
            them as `server-sig-algs` (RFC 8308 section 3.1).
        extensions: more that is announced in SSH_MSG_EXT_INFO, by name (RFC 8308 section 2.5), for
            the layers above: `publickey-hostbound@openssh.com`, ...
        text_errors: what to do about errors in texts of the peer for people, as for `bytes.decode`.
        rekey_bytes: new keys after that many bytes in one direction.
        rekey_seconds: new keys after that many seconds.
        kex_timeout: seconds that one key exchange may take, version exchange included.
        keepalive_seconds: silence of the peer after which it is asked for a sign of life; 0 for
            never.
        keepalive_count: questions without an answer after which the connection is dead.
        gex_bits: (min, preferred, max) size of a group exchange, in bits: what a client asks for;
            a server chooses no group below min. From the policy if not given.
        min_rsa_bits: client: RSA host keys smaller than this prove nothing; from the policy if
            0.
        moduli: server: path of a moduli(5) file for group exchange, None for built-in groups; it
            is read now, and once per process.
        gss: makes the security context of a GSS-API key exchange, one for each; such methods are
            negotiated only if their names are in `kex_algorithms`. A server with it needs no host
            key: without one it offers the host key algorithm `null` (RFC 4462 section 5).
        gss_errors: whether a peer whose GSS-API token was refused is sent the status codes and
            the error token (RFC 4462 section 2.1); texts stay here.

    Raises ValueError for what can not work: names that are not known or not available here, a
    host key for a name that it does not serve, limits that contradict each other; TypeError for
    a policy that is only the name of one. Of a moduli file: OSError if it cannot be read,
    ModuliFileError, which is a ValueError and names file and line, if it cannot be used.
    """

    role: Role
    version: bytes = DEFAULT_VERSION
    policy: Policy = field(default_factory=lambda: Policy.named("modern"))
    kex_algorithms: tuple[bytes, ...] = _FROM_POLICY
    host_key_algorithms: tuple[bytes, ...] = _FROM_POLICY
    ciphers: tuple[bytes, ...] = _FROM_POLICY
    macs: tuple[bytes, ...] = _FROM_POLICY
    compressions: tuple[bytes, ...] = _FROM_POLICY
    host_keys: Mapping[bytes, SSHKeyPair] = field(default_factory=dict)
    sig_algorithms: tuple[bytes, ...] = _FROM_POLICY
    extensions: Mapping[bytes, bytes] = field(default_factory=dict)
    text_errors: str = DEFAULT_TEXT_ERRORS
    rekey_bytes: int = 1 << 30
    rekey_seconds: float = 3600
    kex_timeout: float = 120
    keepalive_seconds: float = 0
    keepalive_count: int = 3
    gex_bits: tuple[int, int, int] = (0, 0, 0)
    min_rsa_bits: int = 0
    moduli: str | None = None
    gss: Callable[[], GSSContext] | None = None
    gss_errors: bool = True

    def __post_init__(self) -> None:
        if self.version is not DEFAULT_VERSION:
            _check_version(self.version)
        if self.rekey_bytes < 1024 or self.rekey_seconds <= 0 or self.kex_timeout <= 0:
            raise ValueError("rekey_bytes must be 1024 or more, the times above 0 seconds")
        if self.keepalive_seconds < 0 or self.keepalive_count < 1:
            raise ValueError("keepalive_seconds must not be negative, keepalive_count 1 or more")
        if _NOT_OURS in self.extensions:
            raise ValueError("delay-compression cannot be announced: it is not done")
        self._ask_policy()
        least, preferred, most = self.gex_bits
        if not least <= preferred <= most:
            raise ValueError("gex_bits must be (min, preferred, max), none above the next")
        if least > MAX_BITS or most < MIN_BITS:
            raise ValueError(f"gex_bits leave no group of {MIN_BITS} to {MAX_BITS} bits")
        if self.role is Role.SERVER:
            if self.moduli is not None:
                read_moduli(self.moduli)
            for name, pair in self.host_keys.items():
                if name not in pair.host_key_algorithms:
                    raise ValueError(
                        f"a key of type {pair.get_algorithm()} can not serve {printable(name)}"
                    )
            self.host_key_algorithms = tuple(
                name for name in self.host_key_algorithms if name in self.host_keys
            )
            if not self.host_key_algorithms:
                if not any(name.startswith(b"gss-") for name in self.kex_algorithms):
                    raise ValueError("a server needs a host key for an algorithm that is offered")
                self.host_key_algorithms = (NULL_HOST_KEY,)

    def _ask_policy(self) -> None:
        policy = self.policy
        if not isinstance(policy, Policy):
            raise TypeError("policy must be a Policy: Policy.named returns a preset")
        for field_name in _NAME_LISTS:
            names: tuple[bytes, ...] = getattr(self, field_name)
            if names is _FROM_POLICY:
                setattr(self, field_name, getattr(policy, field_name))
            else:
                names = tuple(names)
                setattr(self, field_name, names)
                _check_names(field_name, names)
        if self.gss is None:
            # A wildcard may have chosen them, and without a context every one of them fails.
            self.kex_algorithms = _without_gss(self.kex_algorithms)
            if not self.kex_algorithms:
                raise ValueError("GSS-API key exchange needs gss, and no other method is given")
        if self.gex_bits == (0, 0, 0):
            self.gex_bits = policy.gex_bits
        self.min_rsa_bits = self.min_rsa_bits or policy.min_rsa_bits


def _check_version(version: bytes) -> None:
    if not version.startswith(b"SSH-2.0-") or not 8 < len(version) <= 253:
        raise ValueError("version must be SSH-2.0- and a name, with at most 253 bytes")
    if not (version.isascii() and version.decode("ascii").isprintable()):
        raise ValueError("version must be printable US-ASCII")


@lru_cache(maxsize=64)  # every connection asks, and most of them with the same names
def _without_gss(names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(name for name in names if not name.startswith(b"gss-"))


_NAME_LISTS: dict[str, Registry[Algorithm]] = {
    "kex_algorithms": cast("Registry[Algorithm]", KEX_METHODS),
    "host_key_algorithms": cast("Registry[Algorithm]", HOST_KEY_ALGORITHMS),
    "ciphers": cast("Registry[Algorithm]", CIPHERS),
    "macs": cast("Registry[Algorithm]", MACS),
    "compressions": cast("Registry[Algorithm]", COMPRESSIONS),
    "sig_algorithms": cast("Registry[Algorithm]", SIGNATURE_ALGORITHMS),
}


@lru_cache(maxsize=64)  # as for `_without_gss`
def _check_names(field_name: str, names: tuple[bytes, ...]) -> None:
    if not names:
        raise ValueError(f"{field_name} is empty")
    table = _NAME_LISTS[field_name]
    for name in names:
        if name == NULL_HOST_KEY and field_name == "host_key_algorithms":
            continue
        if name not in table:
            raise ValueError(f"{field_name}: no {table.kind} is called {name!r}")
        # A GSS-API method needs its context only, which may be of another library.
        if not (name.startswith(b"gss-") or table[name].available()):
            raise ValueError(f"{field_name}: {name!r} needs a library that is not installed")
