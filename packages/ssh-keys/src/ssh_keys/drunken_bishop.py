"""The picture that `ssh-keygen -lv` shows of a fingerprint.

The walk is the one that Loss, Limmer and von Gernler describe in "The drunken bishop: An analysis
of the OpenSSH fingerprint visualization algorithm" (2009).
"""

from __future__ import annotations

import hashlib

from ssh_keys.key_material import FINGERPRINT_HASHES, KeyMaterial

__all__ = ["randomart"]

WIDTH, HEIGHT = 17, 9
_SYMBOLS = " .o+=*BOX@%&#/^"


def randomart(key: KeyMaterial, hash_name: str = "sha256") -> str:
    """Return the picture of a key's fingerprint: eleven lines, without a line break at the end.

    Parameters:
        key: the key.
        hash_name: md5, sha1, sha256, sha384 or sha512.

    Raises ValueError for another hash.
    """
    name = hash_name.lower().replace("-", "")
    if name not in FINGERPRINT_HASHES:
        raise ValueError(f"unknown fingerprint hash {hash_name!r}")
    digest = hashlib.new(name, key.public_data, usedforsecurity=False).digest()
    title = f"[{key.type_name} {key.bits}]"
    if len(title) >= WIDTH:  # ssh-keygen leaves the last column alone
        title = f"[{key.type_name}]"[: WIDTH - 1]
    rows = [f"|{row}|" for row in draw(digest)]
    return "\n".join((_border(title), *rows, _border(f"[{name.upper()}]")))


def draw(digest: bytes) -> list[str]:
    """Return the rows of the field after the walk that a digest describes."""
    field = [[0] * WIDTH for _ in range(HEIGHT)]
    x, y = WIDTH // 2, HEIGHT // 2
    start = (x, y)
    for byte in digest:
        for shift in (0, 2, 4, 6):
            move = byte >> shift & 3
            x = min(max(x + (1 if move & 1 else -1), 0), WIDTH - 1)
            y = min(max(y + (1 if move & 2 else -1), 0), HEIGHT - 1)
            field[y][x] += 1
    last = len(_SYMBOLS) - 1
    rows = [[_SYMBOLS[min(visits, last)] for visits in row] for row in field]
    rows[start[1]][start[0]] = "S"
    rows[y][x] = "E"
    return ["".join(row) for row in rows]


def _border(text: str) -> str:
    left = (WIDTH - len(text)) // 2
    return "+" + "-" * left + text + "-" * (WIDTH - len(text) - left) + "+"
