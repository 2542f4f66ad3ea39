"""Safe-prime groups: those of RFC 2409 and RFC 3526, and files of moduli(5).

A safe prime p is 2q + 1 with q prime, so the generator 2 has order q or p - 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ssh_keys.record import Record

__all__ = ["BUILT_IN", "ModuliFileError", "SafePrimeGroup", "parse_moduli", "read_moduli"]

# floor(2**8062 * pi). One formula of the digits of pi gives all these primes (RFC 2412 appendix E),
# which rules out that anybody chose them for a weakness.
_FRACTION_BITS = 8192 - 130
_PI = int(
    "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3"
    "cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8"
    "fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c"
    "32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497c"
    "ea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a"
    "8aea71575d060c7db3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06"
    "d98a0864d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab31"
    "43db5bfce0fd108e4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c1a946834"
    "b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2"
    "233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa993b4ea988d8fddc186ffb7dc"
    "90a6c08f4df435c93402849236c3fab4d27c7026c1d4dcb2602646dec9751e763dba37bdf8ff9406ad9e530e"
    "e5db382f413001aeb06a53ed9027d831179727b0865a8918da3edbebcf9b14ed44ce6cbaced4bb1bdb7f1447"
    "e6cc254b332051512bd7af426fb8f401378cd2bf5983ca01c64b92ecf032ea15d1721d03f482d7ce6e74fef6"
    "d55e702f46980c82b5a84031900b1c9e59e7c97fbec7e8f323a97a7e36cc88be0f1d45b7ff585ac54bd407b2"
    "2b4154aacc8f6d7ebf48e1d814cc5ed20f8037e0a79715eef29be32806a1d58bb7c5da76f550aa3d8a1fbff0"
    "eb19ccb1a313d55cda56c9ec2ef29632387fe8d76e3c0468043e8f663f4860ee12bf2d5b0b7474d6e694f91e"
    "6dbe115974a3926f12fee5e438777cb6a932df8cd8bec4d073b931ba3bc832b68d9dd300741fa7bf8afc47ed"
    "2576f6936ba424663aab639c5ae4f5683423b4742bf1c978238f16cbe39d652de3fdb8befc848ad922222e04"
    "a4037c0713eb57a81a23f0c73473fc646cea306b4bcbc8862f8385ddfa9d4b7fa2c087e879683303ed5bdd3a"
    "062b3cf5b3a278a66d2a13f83f44f82ddf310ee074ab6a364597e899a0255dc164f31cc50846851df9ab4819"
    "5ded7ea1b1d510bd7ee74d73faf36bc31ecfa268359046f4eb879f924009438b481c6cd7889a002ed5ee382b"
    "c9190da6fc026e479558e4475677e9aa9e3050e2765694dfc81f56e880b96e7160c980dd98a573ea",
    16,
)

# Size in bits: the offset c in the formula.
_OFFSETS = {
    1024: 129093,  # RFC 2409 section 6.2
    2048: 124476,  # RFC 3526 section 3
    3072: 1690314,  # section 4
    4096: 240904,  # section 5
    6144: 929484,  # section 6
    8192: 4743158,  # section 7
}

# The largest size that RFC 4419 asks for; what is above costs a server seconds per exchange.
_MAX_BITS = 8192
_MAX_FILE_SIZE = 16 << 20

# moduli(5), as in the files of OpenSSH
_TYPE_SAFE = 2
_TESTED_COMPOSITE = 1
_TESTED = 0x02 | 0x04 | 0x08


class ModuliFileError(ValueError):
    """A moduli file that cannot be used; the text names the file and the line."""


class SafePrimeGroup(Record):
    """The multiplicative group modulo a safe prime.

    Parameters:
        p: the prime.
        g: the generator.
    """

    p: int
    g: int

    @property
    def bits(self) -> int:
        """Size of p."""
        return self.p.bit_length()


def _modp(bits: int) -> SafePrimeGroup:
    # p = 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c)
    middle = (_PI >> (_FRACTION_BITS - (bits - 130))) + _OFFSETS[bits]
    return SafePrimeGroup((1 << bits) - (1 << (bits - 64)) - 1 + (middle << 64), 2)


BUILT_IN = {bits: _modp(bits) for bits in _OFFSETS}
"""Groups by size in bits. That of 1024 bits is for diffie-hellman-group1-sha1 only."""


def parse_moduli(lines: Iterable[str], name: str) -> tuple[SafePrimeGroup, ...]:
    """Return the tested safe primes of 2048 to 8192 bits in a moduli file.

    Parameters:
        lines: of the file; each "time type tests tries size generator modulus".
        name: of the file, for errors.

    Raises ModuliFileError for a malformed line, and if no group is left.
    """
    groups = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            _, kind, tests, _, _, generator = map(int, words[:6])
            (modulus,) = (int(word, 16) for word in words[6:])
        except ValueError:
            raise ModuliFileError(f"{name}: line {number} is not one of moduli(5)") from None
        usable = kind == _TYPE_SAFE and tests & _TESTED and not tests & _TESTED_COMPOSITE
        group = SafePrimeGroup(modulus, generator)
        if usable and 2048 <= group.bits <= _MAX_BITS and 1 < generator < modulus - 1:
            groups.append(group)
    if not groups:
        raise ModuliFileError(f"{name} has no tested safe prime of 2048 to {_MAX_BITS} bits")
    return tuple(groups)


@cache
def read_moduli(path: str) -> tuple[SafePrimeGroup, ...]:
    """Return the groups of a moduli file, which is read once per process.

    Raises ModuliFileError for a file that is too large or malformed, OSError if unreadable.
    """
    file = Path(path).expanduser()
    if file.stat().st_size > _MAX_FILE_SIZE:
        raise ModuliFileError(f"{path} is larger than {_MAX_FILE_SIZE >> 20} MiB")
    with file.open(encoding="ascii", errors="replace") as lines:
        return parse_moduli(lines, path)
