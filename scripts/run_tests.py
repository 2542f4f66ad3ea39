"""Run every check of the project and print a summary: what ``hatch run test`` does.

Each stage is one command. They run one after another so that their output stays readable, all of
them even when an early one fails, and the exit status is 1 if any of them did.

    hatch run test                   everything
    hatch run test lint types        only these stages
    hatch run test --list            the names of the stages
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: The distributions, in the order in which they depend on each other, and their environments.
DISTRIBUTIONS = ("keys", "transport", "connection", "sftp", "agent", "meta")

#: Exit status of pytest when it collected nothing. A distribution without tests is a failure.
PYTEST_NO_TESTS = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of the test run, with the name under which it can be chosen."""

    name: str
    command: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one stage ended."""

    stage: Stage
    status: int
    seconds: float


def stages() -> list[Stage]:
    """All stages, cheap ones first."""
    pytest = (sys.executable, "-m", "pytest", "-q")
    found = [
        Stage("lint", (sys.executable, "-m", "ruff", "check", "."), "ruff"),
        Stage("types", (sys.executable, "-m", "mypy"), "mypy --strict over packages and tests"),
        Stage("architecture", (*pytest, "tests/architecture"), "imports, sizes, exports"),
    ]
    hatch = shutil.which("hatch") or "hatch"
    found += [
        Stage(
            name,
            (hatch, "run", f"{name}:test", "-q"),
            f"tests/{name} with nothing but the closure of ssh-{name} installed",
        )
        for name in DISTRIBUTIONS
    ]
    found += [
        Stage("recorded", (*pytest, "tests/recorded"), "recorded sessions with other programs"),
        Stage("fuzz", (*pytest, "tests/fuzz"), "the corpus of the fuzzers, without a fuzzer"),
        Stage("security", (*pytest, "tests/security"), "what a hostile peer may try"),
        Stage("docs", (*pytest, "tests/docs"), "the examples of the documentation, executed"),
        Stage("interop", (*pytest, "tests/interop"), "OpenSSH, Dropbear, PuTTY, Python peers"),
    ]
    return found


def run_stage(stage: Stage) -> Outcome:
    """Run one stage in the root of the checkout, its output going straight to ours."""
    print(f"\n=== {stage.name}: {stage.about}\n$ {' '.join(stage.command)}", flush=True)
    started = time.monotonic()
    environ = dict(os.environ)
    # hatch tells its children in which environment they are; the nested call must choose its own.
    for name in ("HATCH_ENV", "HATCH_ENV_ACTIVE", "VIRTUAL_ENV"):
        environ.pop(name, None)
    try:
        status = subprocess.run(stage.command, cwd=ROOT, env=environ, check=False).returncode
    except FileNotFoundError as exc:
        print(f"cannot run {stage.command[0]}: {exc}", flush=True)
        status = 127
    if status == PYTEST_NO_TESTS:
        print(f"stage {stage.name} has no tests", flush=True)
    return Outcome(stage, status, time.monotonic() - started)


def summary(outcomes: list[Outcome]) -> int:
    """Print one line for each stage and return the exit status of the whole run."""
    print("\n=== summary")
    for outcome in outcomes:
        word = "ok" if outcome.status == 0 else f"FAILED ({outcome.status})"
        print(f"{outcome.stage.name:<14}{word:<14}{outcome.seconds:7.1f} s")
    failed = sum(outcome.status != 0 for outcome in outcomes)
    print(f"stages: {len(outcomes) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Parse the command line, run the chosen stages, and return an exit status."""
    parser = argparse.ArgumentParser(prog="hatch run test", description="Run every check.")
    parser.add_argument("stages", nargs="*", help="names of stages; all of them when none is given")
    parser.add_argument("--list", action="store_true", help="list the stages and stop")
    chosen = parser.parse_args(arguments)
    known = stages()
    if chosen.list:
        for stage in known:
            print(f"{stage.name:<14}{stage.about}")
        return 0
    unknown = set(chosen.stages) - {stage.name for stage in known}
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    wanted = [stage for stage in known if not chosen.stages or stage.name in chosen.stages]
    return summary([run_stage(stage) for stage in wanted])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
