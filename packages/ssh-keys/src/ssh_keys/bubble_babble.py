"""Fingerprints in words that can be spoken.

The encoding is the one of Huima, "The Bubble Babble Binary Data Encoding" (2000).
"""

from __future__ import annotations

from hashlib import sha1

from ssh_keys.key_material import KeyMaterial

__all__ = ["bubblebabble", "encode_bubble_babble"]

_VOWELS = "aeiouy"
_CONSONANTS = "bcdfghklmnprstvzx"


def bubblebabble(key: KeyMaterial) -> str:
    """Return the SHA-1 fingerprint of a key as `ssh-keygen -B` prints it, in five-letter words."""
    return encode_bubble_babble(sha1(key.public_data, usedforsecurity=False).digest())


def encode_bubble_babble(data: bytes) -> str:
    """Return any bytes as words: two bytes in each, with a checksum woven in."""
    words, checksum = "x", 1
    for position in range(0, len(data) + 1, 2):
        if position == len(data):
            words += _VOWELS[checksum % 6] + "x" + _VOWELS[checksum // 6]
            break
        first = data[position]
        words += _VOWELS[((first >> 6) + checksum) % 6]
        words += _CONSONANTS[first >> 2 & 15]
        words += _VOWELS[((first & 3) + checksum // 6) % 6]
        if position + 1 == len(data):
            break
        second = data[position + 1]
        words += f"{_CONSONANTS[second >> 4]}-{_CONSONANTS[second & 15]}"
        checksum = (checksum * 5 + first * 7 + second) % 36
    return words + "x"
