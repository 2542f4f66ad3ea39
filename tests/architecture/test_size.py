"""No module is longer than 500 lines and no function longer than 60."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.source_tree import FunctionNode, Module, functions, modules

MODULE_LINES = 500
FUNCTION_LINES = 60


def function_lines(node: FunctionNode) -> int:
    """Lines of a function from its ``def``, without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_module_is_short(module: Module) -> None:
    assert module.source.count("\n") <= MODULE_LINES


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_functions_are_short(module: Module) -> None:
    long = {node.name: function_lines(node) for node in functions(module.tree)}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


def test_docstrings_do_not_count() -> None:
    source = 'def f() -> int:\n    """One.\n\n    Two.\n    """\n    return 1\n'
    (node,) = functions(ast.parse(source))
    assert function_lines(node) == 2
