"""Every input of the corpus, and what a short blind search makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ssh_keys.wire import Message
from ssh_transport.protocols import KexAlgorithm
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import KEX_ROWS, MESSAGES, TARGETS, kex_complete

CORPUS = Path(__file__).parent / "corpus"

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def target_of(path: Path) -> str:
    """The name of the target that an input is for."""
    return path.parent.relative_to(CORPUS).as_posix()


#: What costs a millisecond and more per input is searched less.
ROUNDS = {"connected": 8, "kex": 3}


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
    for _ in range(ROUNDS.get(target_of(path).partition("/")[0], 20)):
        target(changed(data, source))


@pytest.mark.parametrize("name", TARGETS)
def test_target_takes_nothing_and_has_a_corpus(name: str) -> None:
    TARGETS[name](b"")
    assert list((CORPUS / name).iterdir())


SEEDS = {f"{target}/{name.replace('/', '-')}": data for target, name, data in seeds()}


@pytest.mark.parametrize("name", SEEDS)
def test_seed_is_in_the_corpus(name: str) -> None:
    """And is what it should be: an input that begins with the index of a row means another one
    when there are new rows.
    """
    path = CORPUS / name
    assert path.exists(), "run python -m tests.fuzz.seeds"
    assert path.read_bytes() == SEEDS[name]


@pytest.mark.parametrize("declaration", MESSAGES, ids=lambda each: each.__name__)
def test_every_message_has_inputs_that_it_reads(declaration: type[Message]) -> None:
    """A fuzzer that has to invent a whole message never gets behind its fields."""
    for name in ("usual", "least"):
        declaration.decode((CORPUS / "message" / declaration.__name__ / name).read_bytes())


@pytest.mark.parametrize("name", ["client", "server"])
@pytest.mark.parametrize("row", KEX_ROWS, ids=lambda row: row.name.decode())
def test_every_method_has_inputs_that_get_to_its_end(row: KexAlgorithm, name: str) -> None:
    assert kex_complete(row, (CORPUS / "kex" / row.name.decode() / name).read_bytes())


def test_nothing_in_the_corpus_is_for_a_target_that_is_gone() -> None:
    assert {target_of(path) for path in INPUTS} == {*TARGETS}
