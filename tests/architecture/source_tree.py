"""The modules of the six distributions as syntax trees, for the tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Import name of each distribution and its folder.
PACKAGES = {
    "ssh_keys": ROOT / "packages/ssh-keys",
    "ssh_transport": ROOT / "packages/ssh-transport",
    "ssh_connection": ROOT / "packages/ssh-connection",
    "ssh_sftp": ROOT / "packages/ssh-sftp",
    "ssh_agent": ROOT / "packages/ssh-agent",
    "ssh_meta": ROOT / "packages/ssh-meta",
}


@dataclass(frozen=True, slots=True)
class Module:
    """One module of ours."""

    name: str
    package: str
    path: Path
    source: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether this is an ``__init__`` file, against which relative imports count."""
        return self.path.name == "__init__.py"

    @property
    def is_public(self) -> bool:
        """Whether no part of the dotted name starts with an underscore."""
        return not any(part.startswith("_") for part in self.name.split("."))


@dataclass(frozen=True, slots=True)
class Import:
    """One name brought in by an import statement."""

    module: str
    name: str | None
    line: int
    in_function: bool
    typing_only: bool
    guarded: bool

    @property
    def root(self) -> str:
        """The top-level package imported from."""
        return self.module.partition(".")[0]


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the six distributions."""
    return tuple(
        _parse(package, folder / "src", path)
        for package, folder in PACKAGES.items()
        for path in sorted((folder / "src" / package).rglob("*.py"))
    )


def _parse(package: str, source_root: Path, path: Path) -> Module:
    parts = list(path.relative_to(source_root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    source = path.read_text(encoding="utf-8")
    return Module(".".join(parts), package, path, source, ast.parse(source, str(path)))


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, wherever it stands, with relative ones made absolute."""
    yield from _walk(module, module.tree, in_function=False, typing_only=False, guarded=False)


def _walk(
    module: Module, node: ast.AST, *, in_function: bool, typing_only: bool, guarded: bool
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, None, child.lineno, in_function, typing_only, guarded)
        elif isinstance(child, ast.ImportFrom):
            base = absolute(module, child)
            for alias in child.names:
                yield Import(base, alias.name, child.lineno, in_function, typing_only, guarded)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _walk(
                module,
                child,
                in_function=in_function or function,
                typing_only=typing_only or is_type_checking(child),
                guarded=guarded or catches_import_error(child),
            )


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The absolute name of the module that a ``from`` import names."""
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - 1 if module.is_package else node.level
    base = parts[: len(parts) - up]
    return ".".join([*base, node.module] if node.module else base)


def is_type_checking(node: ast.AST) -> bool:
    """Whether a statement is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def catches_import_error(node: ast.AST) -> bool:
    """Whether a statement is a ``try`` that goes on without the import."""
    return isinstance(node, ast.Try) and any(
        handler.type is not None and "Import" in ast.unparse(handler.type)
        for handler in node.handlers
    )


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[FunctionNode]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
