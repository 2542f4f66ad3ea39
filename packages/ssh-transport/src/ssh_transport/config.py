"""What one transport connection is allowed to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, SSHKeyPair
from ssh_keys.algorithms import Status

from .ciphers import CIPHERS
from .compression import COMPRESSIONS
from .kex import KEX_METHODS
from .mac import MACS
from .protocols import Role

__all__ = ["DEFAULT_VERSION", "TransportConfig"]

DEFAULT_VERSION = b"SSH-2.0-ssh_meta_0.1.0"


@dataclass(kw_only=True, slots=True)
class TransportConfig:
    """Algorithms and limits of a connection; names in order of preference, as on the wire.

    Parameters:
        role: which side we are.
        version: our identification string without CR LF (RFC 4253 section 4.2).
        kex_algorithms, host_key_algorithms, ciphers, macs, compressions: what is offered, the
            same in both directions.
        host_keys: server: the key pair for each host key algorithm name that is offered.
        sig_algorithms: signature algorithms accepted in user authentication; a server announces
            them as `server-sig-algs` (RFC 8308 section 3.1).
        rekey_bytes: new keys after that many bytes in one direction.
        rekey_seconds: new keys after that many seconds.
        kex_timeout: seconds that one key exchange may take, version exchange included.
        gex_bits: client: (min, preferred, max) size of a group exchange, in bits.
        moduli: server: path of a moduli(5) file for group exchange, None for built-in groups.
    """

    role: Role
    version: bytes = DEFAULT_VERSION
    kex_algorithms: tuple[bytes, ...] = field(
        default_factory=lambda: KEX_METHODS.names(Status.DEFAULT)
    )
    host_key_algorithms: tuple[bytes, ...] = field(
        default_factory=lambda: HOST_KEY_ALGORITHMS.names(Status.DEFAULT)
    )
    ciphers: tuple[bytes, ...] = field(default_factory=lambda: CIPHERS.names(Status.DEFAULT))
    macs: tuple[bytes, ...] = field(default_factory=lambda: MACS.names(Status.DEFAULT))
    compressions: tuple[bytes, ...] = field(
        default_factory=lambda: COMPRESSIONS.names(Status.DEFAULT)
    )
    host_keys: Mapping[bytes, SSHKeyPair] = field(default_factory=dict)
    sig_algorithms: tuple[bytes, ...] = field(
        default_factory=lambda: SIGNATURE_ALGORITHMS.names(Status.DEFAULT)
    )
    rekey_bytes: int = 1 << 30
    rekey_seconds: float = 3600
    kex_timeout: float = 120
    gex_bits: tuple[int, int, int] = (2048, 3072, 8192)
    moduli: str | None = None

    def __post_init__(self) -> None:
        if not self.version.startswith(b"SSH-2.0-") or len(self.version) > 253:
            raise ValueError("version must start with SSH-2.0- and have at most 253 bytes")
        if any(not 32 <= byte < 127 for byte in self.version):
            raise ValueError("version must be printable US-ASCII")
        if self.rekey_bytes < 1024 or self.rekey_seconds <= 0 or self.kex_timeout <= 0:
            raise ValueError("rekey_bytes must be 1024 or more, the times above 0 seconds")
        if self.role is Role.SERVER:
            self.host_key_algorithms = tuple(
                name for name in self.host_key_algorithms if name in self.host_keys
            )
            if not self.host_key_algorithms:
                raise ValueError("a server needs a host key for an algorithm that is offered")
