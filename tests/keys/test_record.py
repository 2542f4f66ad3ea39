"""Records: declared like dataclasses, made and compared like them."""

from __future__ import annotations

import copy
import pickle

import pytest

from ssh_keys.record import Record, Struct


class Point(Record):
    x: int
    y: int = 2


class Named(Record, kw_only=True):
    name: str
    secret: bytes = b""

    _hidden = ("secret",)


def test_values_by_position_and_name() -> None:
    assert Point(1) == Point(1, 2) == Point(x=1) == Point(1, y=2)
    assert Point(1) != Point(1, 3)
    assert Point(1) != (1, 2)
    assert (Point(5, 6).x, Point(5, 6).y) == (5, 6)
    assert len({Point(1), Point(1, 2), Point(2)}) == 2
    assert repr(Point(1)) == "Point(x=1, y=2)"


def test_wrong_values_are_refused() -> None:
    for args, kwargs in (
        ((), {}),
        ((1, 2, 3), {}),
        ((1,), {"x": 2}),
        ((1,), {"z": 2}),
        ((1, 2), {"y": 2}),
        ((), {"y": 2}),
    ):
        with pytest.raises(TypeError):
            Point(*args, **kwargs)
    with pytest.raises(TypeError):
        Named("x")  # type: ignore[call-arg]


def test_nothing_can_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x


def test_hidden_fields_are_not_shown() -> None:
    assert repr(Named(name="n", secret=b"s")) == "Named(name='n')"


def test_copies_and_matching() -> None:
    point = Point(1)
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert point.replace(y=7) == Point(1, 7)
    assert Named(name="n").replace(secret=b"s").secret == b"s"
    with pytest.raises(TypeError):
        point.replace(z=7)
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)


class Counter(Struct):
    name: str
    count: int = 0


def test_fields_given_by_name_only_are_not_taken_by_position() -> None:
    with pytest.raises(TypeError):
        Named("x", b"y")  # type: ignore[call-arg]


def test_structures_change_and_have_no_hash() -> None:
    counter = Counter("c")
    counter.count += 1
    assert counter == Counter("c", 1) == copy.copy(counter) == pickle.loads(pickle.dumps(counter))
    assert counter != Counter("c")
    assert Counter("d").count == 0
    assert repr(counter) == "Counter(name='c', count=1)"
    assert counter.replace(name="d") == Counter("d", 1)
    with pytest.raises(AttributeError):
        counter.counts = 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        hash(counter)
