"""Build all distributions, and try each one from its wheel in an empty environment.

A test that runs in the checkout can pass although a file is missing from the wheel. Here the source
is out of reach: a virtual environment holds the wheel of one distribution, those of ours that it
depends on, and third-party packages, and its smoke test runs from a temporary folder.

    hatch run wheels [DISTRIBUTION ...]
"""

from __future__ import annotations

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "ssh-keys",
    "ssh-transport",
    "ssh-connection",
    "ssh-sftp",
    "ssh-agent",
    "ssh-meta",
)


class WheelError(Exception):
    """A distribution was built wrong."""


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command that has to succeed, without a trace of the environment that we run in."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"HATCH_ENV", "HATCH_ENV_ACTIVE", "PYTHONPATH", "VIRTUAL_ENV"}
    }
    print("$", *command, flush=True)
    subprocess.run([str(word) for word in command], cwd=cwd, env=environ, check=True)


def build(package: str, output: Path) -> None:
    """Build the wheel and the source distribution of a package."""
    hatch = shutil.which("hatch")
    if hatch is None:
        raise WheelError("hatch is not on the path")
    run(hatch, "build", str(output), cwd=ROOT / "packages" / package)


def wheel_of(package: str, output: Path) -> Path:
    """The wheel of a package among the built files."""
    found = sorted(output.glob(f"{package.replace('-', '_')}-*.whl"))
    if len(found) != 1:
        raise WheelError(f"{package}: {len(found)} wheels")
    return found[0]


def check_contents(package: str, output: Path) -> None:
    """Check that the archives hold what they must, and nothing beside it."""
    name = package.replace("-", "_")
    with zipfile.ZipFile(wheel_of(package, output)) as archive:
        files = archive.namelist()
    strays = [file for file in files if not re.match(rf"{name}(/|-[^/]+\.dist-info/)", file)]
    if strays:
        raise WheelError(f"{package}: the wheel holds {strays}")
    for wanted in (f"{name}/py.typed", f"{name}/_version.py"):
        if wanted not in files:
            raise WheelError(f"{package}: the wheel has no {wanted}")
    if not any(file.endswith("licenses/LICENSE") for file in files):
        raise WheelError(f"{package}: the wheel has no licence")
    sources = {
        str(path.relative_to(ROOT / "packages" / package / "src"))
        for path in (ROOT / "packages" / package / "src").rglob("*.py")
    }
    if missing := sources - set(files):
        raise WheelError(f"{package}: the wheel lacks {sorted(missing)}")
    (archive_path,) = output.glob(f"{name}-*.tar.gz")
    with tarfile.open(archive_path) as source:
        members = {member.partition("/")[2] for member in source.getnames()}
    for wanted in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"):
        if wanted not in members:
            raise WheelError(f"{package}: the source distribution has no {wanted}")


def requirements(package: str, output: Path) -> list[str]:
    """What the metadata of a wheel asks for, without its extras."""
    with zipfile.ZipFile(wheel_of(package, output)) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(path))
    return [
        str(line) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in str(line)
    ]


def third_party(package: str, output: Path) -> set[str]:
    """Everything of others that a package and its dependencies ask for."""
    found: set[str] = set()
    for requirement in requirements(package, output):
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if name in PACKAGES:
            found |= third_party(name, output)
        else:
            found.add(requirement)
    return found


def try_out(package: str, output: Path, folder: Path) -> None:
    """Install one wheel into an empty environment and run its smoke test there."""
    environment = folder / package
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet")
    if others := sorted(third_party(package, output)):
        run(*pip, *others, cwd=folder)
    run(*pip, "--no-index", "--find-links", output, package, cwd=folder)
    script = folder / f"smoke_{package.replace('-', '_')}.py"
    shutil.copy(ROOT / "tests" / "smoke" / f"{package.replace('-', '_')}.py", script)
    # -I: neither the folder of the script nor anything of the user's is on the path.
    run(python, "-I", "-W", "error", script, cwd=folder)


def main(arguments: list[str]) -> int:
    """Build and try out the chosen distributions; return an exit status."""
    parser = argparse.ArgumentParser(prog="hatch run wheels", description="Build and try wheels.")
    parser.add_argument("packages", nargs="*", help="distributions to try out; default: all")
    parser.add_argument("--output", type=Path, help="keep the built files in this folder")
    chosen = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ssh-meta-wheels-") as name:
        folder = Path(name)
        output = (chosen.output or folder / "dist").resolve()
        for package in PACKAGES:
            build(package, output)
        for package in chosen.packages or PACKAGES:
            print(f"\n=== {package}", flush=True)
            try:
                check_contents(package, output)
                try_out(package, output, folder)
            except (WheelError, subprocess.CalledProcessError) as exc:
                print(f"FAILED: {exc}", flush=True)
                failed += 1
    total = len(chosen.packages or PACKAGES)
    print(f"\nwheels: {total - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
