"""sntrup761 by a library of the system, beside our own code.

Debian 12 has neither library: what needs one is skipped there.
"""

from __future__ import annotations

import random

import pytest

from ssh_transport import KEX_METHODS
from ssh_transport.errors import KeyExchangeFailed
from ssh_transport.kex import sntrup761, sntrup761_library
from ssh_transport.kex.ecdh import Finish
from ssh_transport.kex.sntrup761 import SNTRUP761
from ssh_transport.kex.sntrup761_library import CIPHERTEXT_SIZE, PUBLIC_SIZE, SNTRUP761Library

from .kex_driver import Exchange

OWN = SNTRUP761()


def seeded(size: int) -> bytes:
    """Random bytes that are not those of the system, so that our own code is used."""
    return random.Random(size).randbytes(size)


@pytest.fixture(params=["libntruprime", "libgcrypt"])
def library(request: pytest.FixtureRequest) -> SNTRUP761Library:
    use = getattr(sntrup761_library, f"_{request.param}")
    for name in getattr(sntrup761_library, f"_{request.param.removeprefix('lib').upper()}"):
        try:
            found: SNTRUP761Library = use(name)
        except (OSError, AttributeError):
            continue
        return found
    pytest.skip(f"no {request.param} with sntrup761 on this system")


def test_library_as_client_of_our_code(library: SNTRUP761Library) -> None:
    public, finish = library.start()
    assert len(public) == PUBLIC_SIZE
    secret, ciphertext = OWN.encapsulate(seeded, public)
    assert finish(ciphertext) == secret


def test_library_as_server_of_our_code(library: SNTRUP761Library) -> None:
    public, finish = OWN.start(seeded)
    secret, ciphertext = library.encapsulate(public)
    assert len(ciphertext) == CIPHERTEXT_SIZE
    assert finish(ciphertext) == secret


def test_library_hides_what_is_wrong_with_a_ciphertext(library: SNTRUP761Library) -> None:
    """Section 4.6: implicit rejection, another secret each time and no error."""
    public, finish = library.start()
    secret, ciphertext = library.encapsulate(public)
    for position in (0, 500, CIPHERTEXT_SIZE - 1):
        changed = bytearray(ciphertext)
        changed[position] ^= 1
        assert finish(bytes(changed)) not in (secret, finish(ciphertext[::-1]))


@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_sizes_never_reach_the_library(library: SNTRUP761Library, change: int) -> None:
    _, finish = library.start()
    with pytest.raises(ValueError, match=f"bytes instead of {CIPHERTEXT_SIZE}"):
        finish(bytes(CIPHERTEXT_SIZE + change))
    with pytest.raises(ValueError, match=f"bytes instead of {PUBLIC_SIZE}"):
        library.encapsulate(bytes(PUBLIC_SIZE + change))


def test_library_is_used_where_the_random_bytes_are_those_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    class Counted(SNTRUP761Library):
        def __init__(self) -> None:
            pass

        def start(self) -> tuple[bytes, Finish]:
            calls.append("start")
            return OWN.start(seeded)

        def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
            calls.append("encapsulate")
            return OWN.encapsulate(seeded, public)

    monkeypatch.setattr(sntrup761, "sntrup761_library", Counted)
    method = KEX_METHODS[b"sntrup761x25519-sha512"]
    Exchange(method, client_random=seeded, server_random=seeded).run()
    assert calls == []
    Exchange(method).run()
    assert calls == ["start", "encapsulate"]


def test_library_that_fails_ends_the_exchange() -> None:
    library = SNTRUP761Library("libx", lambda *_: None, lambda *_: 45, lambda *_: 46)
    _, finish = library.start()
    with pytest.raises(KeyExchangeFailed, match=r"libx cannot compute sntrup761 \(error 45\)"):
        library.encapsulate(bytes(PUBLIC_SIZE))
    with pytest.raises(KeyExchangeFailed, match="error 46"):
        finish(bytes(CIPHERTEXT_SIZE))


def test_library_that_refuses_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(name: str) -> SNTRUP761Library:
        return SNTRUP761Library(name, lambda *_: 176, lambda *_: 0, lambda *_: 0)

    find = sntrup761_library.sntrup761_library.__wrapped__
    monkeypatch.setattr(sntrup761_library, "_libntruprime", refusing)
    monkeypatch.setattr(sntrup761_library, "_GCRYPT", ("libabsent.so.20",))
    assert find() is None
