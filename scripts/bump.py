"""Prepare the release of one distribution: its version, its changelog, the ranges of the others.

    python scripts/bump.py ssh-keys minor [--date 2026-11-22] [--dry-run]

The version in `_version.py` goes up, the fragments of the distribution in `changelog.d` move into
its `CHANGELOG.md`, and if the new version may break the API, distributions that depend on it accept
the new range (`>=X.Y,<X.(Y+1)` before 1.0, `>=X.Y,<X+1` after). Release a distribution before those
that depend on it: ssh-keys, ssh-transport, ssh-sftp, ssh-agent, ssh-connection, ssh-meta.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ssh-keys", "ssh-transport", "ssh-sftp", "ssh-agent", "ssh-connection", "ssh-meta")
PARTS = ("major", "minor", "patch")
KINDS = ("security", "removed", "changed", "added", "fixed")
MARK = "<!-- fragments go here -->"

Version = tuple[int, int, int]


class BumpError(Exception):
    """A release can not be prepared."""


def read_version(text: str) -> Version:
    """The version in a `_version.py`."""
    match = re.search(r'^__version__ = "(\d+)\.(\d+)\.(\d+)"$', text, re.MULTILINE)
    if match is None:
        raise BumpError("no version found")
    return int(match[1]), int(match[2]), int(match[3])


def next_version(version: Version, part: str) -> Version:
    """The version after one of its parts has gone up."""
    major, minor, patch = version
    if part == "major":
        return major + 1, 0, 0
    return (major, minor + 1, 0) if part == "minor" else (major, minor, patch + 1)


def accepted_range(version: Version) -> str:
    """The versions that are compatible with one, as a requirement has them."""
    major, minor, _ = version
    end = f"{major + 1}" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{end}"


def is_breaking(old: Version, new: Version) -> bool:
    """Whether the new version is outside of what dependants of the old one accept."""
    return new[0] != old[0] or (new[0] == 0 and new[1] != old[1])


def fragments(root: Path, package: str) -> dict[str, list[Path]]:
    """The changelog fragments of a distribution, by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted((root / "changelog.d").glob(f"{package}.*.md")):
        kind = path.name.split(".")[-2]
        if kind not in KINDS:
            raise BumpError(f"{path.name}: {kind} is none of {', '.join(KINDS)}")
        if not path.read_text(encoding="utf-8").strip():
            raise BumpError(f"{path.name} is empty")
        found.setdefault(kind, []).append(path)
    return found


def section(version: Version, day: str, found: dict[str, list[Path]]) -> str:
    """The part of the changelog that tells of a version."""
    lines = [f"## {'.'.join(map(str, version))} ({day})", ""]
    for kind in KINDS:
        if kind not in found:
            continue
        lines += [f"### {kind.capitalize()}", ""]
        for path in found[kind]:
            text = path.read_text(encoding="utf-8").strip()
            lines.append("- " + text.replace("\n", "\n  "))
        lines.append("")
    return "\n".join(lines)


def with_range(text: str, package: str, version: Version) -> str:
    """A `pyproject.toml` whose requirement of a distribution accepts its new version."""
    pattern = rf'("{re.escape(package)}(?:\[[a-z0-9,]+\])?)>=[0-9.]+,<[0-9.]+"'
    return re.sub(pattern, rf'\g<1>{accepted_range(version)}"', text)


def bump(root: Path, package: str, part: str, day: str) -> tuple[dict[Path, str], list[Path]]:
    """What changes: new contents of files, and the fragments that go away.

    Raises BumpError if there is nothing to tell of, or a file is not as it should be.
    """
    folder = root / "packages" / package
    version_path = folder / "src" / package.replace("-", "_") / "_version.py"
    text = version_path.read_text(encoding="utf-8")
    old = read_version(text)
    new = next_version(old, part)
    found = fragments(root, package)
    if not found:
        raise BumpError(f"{package} has no changelog fragments")
    changed = {version_path: re.sub(r'"[\d.]+"$', f'"{".".join(map(str, new))}"', text, flags=re.M)}
    log = folder / "CHANGELOG.md"
    before = log.read_text(encoding="utf-8")
    if before.count(MARK) != 1:
        raise BumpError(f"{log.name} of {package} has no place for fragments")
    changed[log] = before.replace(MARK, f"{MARK}\n\n{section(new, day, found)}".rstrip()) + (
        "" if before.endswith("\n") else "\n"
    )
    if is_breaking(old, new):
        for other in PACKAGES:
            project = root / "packages" / other / "pyproject.toml"
            content = project.read_text(encoding="utf-8")
            updated = with_range(content, package, new)
            if updated != content:
                changed[project] = updated
    return changed, [path for kind in found.values() for path in kind]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Prepare a release; 1 and a message if that is not possible."""
    parser = argparse.ArgumentParser(description="Prepare the release of one distribution.")
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument("part", choices=PARTS)
    today = datetime.now(UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="of the release")
    parser.add_argument("--dry-run", action="store_true", help="say what would change")
    chosen = parser.parse_args(arguments)
    try:
        changed, gone = bump(root, chosen.package, chosen.part, chosen.date)
    except BumpError as exc:
        print(f"bump: {exc}", file=sys.stderr)
        return 1
    for path, text in changed.items():
        print(f"changes {path.relative_to(root)}")
        if not chosen.dry_run:
            path.write_text(text, encoding="utf-8")
    for path in gone:
        print(f"removes {path.relative_to(root)}")
        if not chosen.dry_run:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
