"""Every input of the corpus, and what a short blind search makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ssh_keys.wire import Message
from tests.fuzz.targets import MESSAGES, TARGETS

CORPUS = Path(__file__).parent / "corpus"

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def target_of(path: Path) -> str:
    """The name of the target that an input is for."""
    return path.parent.relative_to(CORPUS).as_posix()


#: What costs a millisecond and more per input is searched less.
ROUNDS = {"connected": 8, "kex_method": 3}


def changed(data: bytes, source: random.Random) -> bytes:
    """The input with a few bytes changed, taken out, put in, or repeated."""
    result = bytearray(data)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(result) + 1)
        match source.randrange(4):
            case 0 if result:
                result[place % len(result)] = source.choice((0, 1, 127, 128, 255, place & 255))
            case 1:
                del result[place : place + source.randint(1, 8)]
            case 2:
                result[place:place] = source.randbytes(source.randint(1, 8))
            case _:
                result[place:place] = result[place : place + source.randint(1, 40)]
    return bytes(result)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{target_of(path)}/{path.name}")
def test_input_and_its_neighbours(path: Path) -> None:
    target = TARGETS[target_of(path)]
    data = path.read_bytes()
    target(data)
    if len(path.name) == 40:
        return  # what a fuzzer found, named by its hash, has had its neighbours tried
    source = random.Random(path.name)
    for _ in range(ROUNDS.get(target_of(path), 20)):
        target(changed(data, source))


@pytest.mark.parametrize("name", TARGETS)
def test_target_takes_nothing_and_has_a_corpus(name: str) -> None:
    TARGETS[name](b"")
    assert list((CORPUS / name).iterdir())


@pytest.mark.parametrize("declaration", MESSAGES, ids=lambda each: each.__name__)
def test_every_message_has_inputs_that_it_reads(declaration: type[Message]) -> None:
    """A fuzzer that has to invent a whole message never gets behind its fields."""
    for name in ("usual", "least"):
        path = CORPUS / "message" / declaration.__name__ / name
        assert path.exists(), "run python -m tests.fuzz.seeds"
        declaration.decode(path.read_bytes())


def test_nothing_in_the_corpus_is_for_a_target_that_is_gone() -> None:
    assert {target_of(path) for path in INPUTS} == {*TARGETS}
