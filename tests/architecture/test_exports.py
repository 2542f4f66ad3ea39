"""What the packages export: names that exist, are documented, and all reach ``ssh_meta``."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import is_typeddict

import pytest

from tests.architecture.source_tree import PACKAGES, modules

LOWER = [name for name in PACKAGES if name != "ssh_meta"]

#: Public names of the lower packages that applications of ssh_meta do not need, by package.
NOT_EXPORTED: dict[str, set[str]] = {}


def exported(package: str) -> dict[str, object]:
    """The public names of a package and what they are."""
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in public(module)}


def public(module: ModuleType) -> list[str]:
    """The names in ``__all__`` without the version."""
    return [name for name in module.__all__ if name != "__version__"]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_all_names_exist_once(package: str) -> None:
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_public_names_have_a_docstring(package: str) -> None:
    bare = [
        name
        for name, value in exported(package).items()
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value)
    ]
    assert not bare


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_public_methods_have_a_docstring(package: str) -> None:
    bare = [
        f"{name}.{member}"
        for name, value in exported(package).items()
        if inspect.isclass(value) and value.__module__.partition(".")[0] == package
        for member, method in vars(value).items()
        if not member.startswith("_")
        and (inspect.isroutine(method) or isinstance(method, property | classmethod | staticmethod))
        and not inspect.getdoc(getattr(value, member))
    ]
    assert not bare


@pytest.mark.parametrize("name", [module.name for module in modules()])
def test_every_module_says_what_it_is(name: str) -> None:
    (found,) = [module for module in modules() if module.name == name]
    first = found.tree.body[0] if found.tree.body else None
    assert first is not None, "an empty module"
    assert found.source.lstrip().startswith(('"""', 'r"""'))


def test_one_name_means_one_thing() -> None:
    """A name of two packages is the same object in both, or ``ssh_meta`` has its own subclass."""
    meta = exported("ssh_meta")
    seen: dict[str, tuple[str, object]] = {}
    for package in LOWER:
        for name, value in exported(package).items():
            if name not in seen:
                seen[name] = (package, value)
                continue
            assert seen[name][1] is value or name in meta, (name, package, seen[name][0])


def test_meta_exports_the_union() -> None:
    meta = exported("ssh_meta")
    assert meta
    missing = {
        f"{package}.{name}"
        for package in LOWER
        for name in exported(package)
        if name not in meta and name not in NOT_EXPORTED.get(package, set())
    }
    assert not missing


def test_meta_exports_nothing_of_others() -> None:
    foreign = [
        name
        for name, value in exported("ssh_meta").items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        and value.__module__.partition(".")[0] not in PACKAGES
    ]
    assert not foreign


def test_meta_specialises_what_it_replaces() -> None:
    """Where ssh_meta has another class under the name of a lower package, it is a subclass.

    A TypedDict forgets its bases: it has at least the same keys.
    """
    meta = exported("ssh_meta")
    wrong = [
        f"{package}.{name}"
        for package in LOWER
        for name, value in exported(package).items()
        if inspect.isclass(value)
        and inspect.isclass(ours := meta.get(name, value))
        and value not in ours.__mro__
        and not (
            is_typeddict(value) and value.__annotations__.keys() <= ours.__annotations__.keys()
        )
    ]
    assert not wrong
