"""Public signatures say what they take and give: no ``Any`` in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import FunctionNode, Module, modules


def public_functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, FunctionNode]]:
    """Public functions of a module and public methods of its public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            not node.name.startswith("_") or node.name in {"__init__", "__call__", "__new__"}
        ):
            yield prefix + node.name, node


def annotated(node: FunctionNode) -> Iterator[ast.expr]:
    """The annotations of all parameters and of the result."""
    parameters = node.args
    every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    every += [extra for extra in (parameters.vararg, parameters.kwarg) if extra]
    yield from (each.annotation for each in every if each.annotation)
    if node.returns:
        yield node.returns


def mentions_any(annotation: ast.expr) -> bool:
    """Whether ``Any`` or ``typing.Any`` appears in an annotation, quoted or not."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                if mentions_any(ast.parse(node.value, mode="eval").body):
                    return True
            except SyntaxError:
                continue  # the text of a Literal
        elif isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in {
            "Any",
            "typing.Any",
        }:
            return True
    return False


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.is_public], ids=lambda module: module.name
)
def test_no_any_in_public_signatures(module: Module) -> None:
    wrong = [
        f"{name} (line {node.lineno})"
        for name, node in public_functions(module.tree.body)
        if any(mentions_any(annotation) for annotation in annotated(node))
    ]
    assert not wrong


@pytest.mark.parametrize("source", ["Any", "list[Any]", "typing.Any", "'dict[str, Any]'"])
def test_any_is_recognised(source: str) -> None:
    assert mentions_any(ast.parse(source, mode="eval").body)


def test_object_is_fine() -> None:
    assert not mentions_any(ast.parse("Literal['a b', 'Anything']", mode="eval").body)
