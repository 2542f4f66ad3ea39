"""Pages of the reference that are made from tables of the code are up to date."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ssh_transport import Phase, Role

ROOT = Path(__file__).resolve().parents[2]


def load() -> ModuleType:
    """The script, which is no package."""
    spec = importlib.util.spec_from_file_location("diagrams", ROOT / "scripts/diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


DIAGRAMS = load()


@pytest.mark.parametrize("name", DIAGRAMS.PAGES)
def test_page_is_what_the_script_writes(name: str) -> None:
    path = DIAGRAMS.REFERENCE / name
    assert path.read_text(encoding="utf-8") == DIAGRAMS.PAGES[name](), "run scripts/diagrams.py"


def test_every_number_is_in_the_table_of_each_role() -> None:
    for role in Role:
        numbers: list[int] = []
        for text, _, cells in DIAGRAMS._rows(role):
            first, _, last = text.partition(" to ")
            numbers += range(int(first), int(last or first) + 1)
            assert len(cells) == len(Phase)
        assert numbers == list(range(256))


def test_every_message_of_the_table_has_a_name() -> None:
    unnamed = {
        text
        for role in Role
        for text, name, cells in DIAGRAMS._rows(role)
        if not name and ("yes" in cells or "**end**" in (cells[0], cells[-1]))
    }
    assert unnamed == set()
