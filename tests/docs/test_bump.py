"""`scripts/bump.py`: versions, changelogs and ranges of a release."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("bump", ROOT / "scripts" / "bump.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bump"] = module
    spec.loader.exec_module(module)
    return module


bump = load()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the script reads, with fragments of two distributions."""
    for name in bump.PACKAGES:
        source, target = ROOT / "packages" / name, tmp_path / "packages" / name
        module = Path("src") / name.replace("-", "_")
        (target / module).mkdir(parents=True)
        for part in (module / "_version.py", Path("CHANGELOG.md"), Path("pyproject.toml")):
            shutil.copy(source / part, target / part)
    (tmp_path / "changelog.d").mkdir()
    for name, text in {
        "ssh-keys.7.added.md": "More keys.\n",
        "ssh-keys.8.security.md": "A hole is closed.\nIt was small.\n",
        "ssh-meta.7.added.md": "More keys.\n",
    }.items():
        (tmp_path / "changelog.d" / name).write_text(text)
    return tmp_path


def test_minor_release(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bump.main(["ssh-keys", "minor", "--date", "2026-12-24"], tree) == 0
    folder = tree / "packages" / "ssh-keys"
    version = (folder / "src/ssh_keys/_version.py").read_text()
    assert '__version__ = "0.2.0"\n' in version
    log = (folder / "CHANGELOG.md").read_text()
    assert log.endswith(
        "<!-- fragments go here -->\n\n## 0.2.0 (2026-12-24)\n\n### Security\n\n"
        "- A hole is closed.\n  It was small.\n\n### Added\n\n- More keys.\n"
    )
    assert sorted(path.name for path in (tree / "changelog.d").iterdir()) == ["ssh-meta.7.added.md"]
    # Before 1.0 a minor version may break the API: those that depend on it say that they know it.
    for name in ("ssh-transport", "ssh-connection", "ssh-agent", "ssh-meta"):
        text = (tree / "packages" / name / "pyproject.toml").read_text()
        assert '"ssh-keys>=0.2,<0.3"' in text
        assert '"ssh-transport>=0.2' not in text
    assert "changes packages/ssh-meta/pyproject.toml" in capsys.readouterr().out


def test_patch_release_and_a_second_one(tree: Path) -> None:
    before = (tree / "packages/ssh-meta/pyproject.toml").read_text()
    assert bump.main(["ssh-keys", "patch"], tree) == 0
    assert (tree / "packages/ssh-meta/pyproject.toml").read_text() == before
    (tree / "changelog.d/ssh-keys.9.fixed.md").write_text("Fixed.")
    assert bump.main(["ssh-keys", "major"], tree) == 0
    log = (tree / "packages/ssh-keys/CHANGELOG.md").read_text()
    assert 0 < log.index("## 1.0.0") < log.index("## 0.1.1")
    assert '"ssh-keys>=1.0,<2"' in (tree / "packages/ssh-meta/pyproject.toml").read_text()


def test_dry_run_changes_nothing(tree: Path) -> None:
    files = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert bump.main(["ssh-keys", "minor", "--dry-run"], tree) == 0
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ssh-sftp.1.better.md", "x", "better is none of"),
        ("ssh-sftp.1.fixed.md", " \n", "is empty"),
        ("other", "", "no changelog fragments"),
    ],
)
def test_wrong_fragments(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    (tree / "changelog.d" / name).write_text(text)
    assert bump.main(["ssh-sftp", "patch"], tree) == 1
    assert message in capsys.readouterr().err


def test_the_fragments_of_the_tree_are_good() -> None:
    assert all(bump.fragments(ROOT, name) for name in bump.PACKAGES)
