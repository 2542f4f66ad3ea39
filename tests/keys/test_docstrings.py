"""Every public name is typed, and says what its parameters are and what it raises."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

import pytest

import ssh_keys

Function = Callable[..., object]


def functions() -> Iterator[tuple[str, Function]]:
    """The public functions and methods that are our own."""
    for name in ssh_keys.__all__:
        value = getattr(ssh_keys, name)
        if inspect.isfunction(value):
            yield name, value
        if not inspect.isclass(value):
            continue
        for member, method in vars(value).items():
            if member.startswith("_"):
                continue
            found = getattr(method, "fget", None) or getattr(method, "__func__", method)
            if inspect.isfunction(found):
                yield f"{name}.{member}", found


FUNCTIONS = dict(functions())


def test_there_are_many() -> None:
    assert len(FUNCTIONS) > 130


@pytest.mark.parametrize("name", ssh_keys.__all__)
def test_names_have_docstrings(name: str) -> None:
    value = getattr(ssh_keys, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_everything_is_typed(name: str) -> None:
    signature = inspect.signature(FUNCTIONS[name])
    assert signature.return_annotation is not signature.empty
    for parameter in signature.parameters.values():
        if parameter.name not in ("self", "cls"):
            assert parameter.annotation is not parameter.empty


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_and_errors_are_described(name: str) -> None:
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "cls") and parameter.kind is not parameter.VAR_KEYWORD
    ]
    if len(names) > 1 or (names and "Parameters" in text):
        missing = [each for each in names if not re.search(rf"\b{each}\b", text)]
        # Some take the same as another, and say which.
        assert not missing or re.search(r"[Pp]arameters (and errors )?as of|as of `", text)
    if re.search(r"^\s+raise (?!NotImplementedError)", inspect.getsource(function), re.MULTILINE):
        assert re.search(r"[Rr]aises|errors,? as of|errors as", text)
