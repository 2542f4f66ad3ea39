"""The page on keys: its examples run as one program, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/topics/keys.md"


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {language for language, _ in found} == {"python", "text"}
    names: dict[str, object] = {"__name__": "page"}
    printed = ""
    for language, content in found:
        if language == "python":
            assert printed == "", "the page does not show what the example prints"
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(content, "keys.md", "exec"), names)
            printed = output.getvalue()
        else:
            assert content == printed
            printed = ""
    assert printed == ""
