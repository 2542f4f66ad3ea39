"""Run every check of the project and print a summary: what ``hatch run test`` does.

Each stage is one command. Two of them run at a time, and what a stage prints comes out in one piece
when it ends. All of them run even when an early one fails; the exit status is 1 if any of them did.

    hatch run test                   everything
    hatch run test lint types        only these stages
    hatch run test --jobs 1          one after another
    hatch run test --list            the names of the stages
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
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
    output: str


def stages() -> list[Stage]:
    """All stages, cheap ones first."""
    pytest = (sys.executable, "-m", "pytest", "-q")
    found = [
        Stage("lint", (sys.executable, "-m", "ruff", "check", "."), "ruff"),
        Stage("types", (sys.executable, "-m", "mypy"), "mypy --strict over packages and tests"),
        Stage("architecture", (*pytest, "tests/architecture"), "imports, sizes, exports"),
    ]
    hatch = shutil.which("hatch") or "hatch"
    found.append(
        Stage("interop", (*pytest, "tests/interop"), "OpenSSH, Dropbear, PuTTY, Python peers")
    )
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
    ]
    return found + extras(pytest) + kerberos(hatch) + forgotten(found)


#: Programs of MIT Kerberos that the tests of GSS-API run, and where servers are.
KERBEROS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "krb5-config")
SERVER_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def kerberos(hatch: str) -> list[Stage]:
    """The stage of GSS-API: where its programs are, or where nothing may be missing."""
    missing = [name for name in KERBEROS if not shutil.which(name, path=SERVER_PATH)]
    if missing and os.environ.get("SSH_META_REQUIRE_PEERS") != "1":
        print(f"no stage kerberos: {', '.join(missing)} not installed", file=sys.stderr)
        return []
    command = (hatch, "run", "kerberos:test", "-q")
    return [Stage("kerberos", command, "GSS-API with a KDC of our own, and with other programs")]


def extras(pytest: tuple[str, ...]) -> list[Stage]:
    """A stage for the tests that are skipped without an extra of a distribution.

    The environments of the distributions have no extras; the present one has them all.
    """
    paths = [
        f"tests/{name}/{path.name}"
        for name in DISTRIBUTIONS
        for path in sorted((ROOT / "tests" / name).glob("test_*.py"))
        if "importorskip(" in path.read_text(encoding="utf-8")
    ]
    about = "what a distribution does with its extras: security keys, PKCS #11"
    return [Stage("extras", (*pytest, *paths), about)] if paths else []


def forgotten(found: list[Stage]) -> list[Stage]:
    """A stage for folders of tests that no other stage runs."""
    covered = {word for stage in found for word in stage.command} | {
        f"tests/{name}" for name in (*DISTRIBUTIONS, "kerberos")
    }
    folders = [
        f"tests/{folder.name}"
        for folder in sorted((ROOT / "tests").iterdir())
        if f"tests/{folder.name}" not in covered and any(folder.rglob("test_*.py"))
    ]
    command = (sys.executable, "-m", "pytest", "-q", *folders)
    return [Stage("others", command, ", ".join(folders))] if folders else []


def run_stage(stage: Stage) -> Outcome:
    """Run one stage in the root of the checkout and keep what it prints."""
    started = time.monotonic()
    environ = dict(os.environ)
    # hatch tells its children in which environment they are; the nested call must choose its own.
    for name in ("HATCH_ENV", "HATCH_ENV_ACTIVE", "VIRTUAL_ENV"):
        environ.pop(name, None)
    try:
        done = subprocess.run(
            stage.command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        status, output = done.returncode, done.stdout.decode("utf-8", "replace")
    except FileNotFoundError as exc:
        status, output = 127, f"cannot run {stage.command[0]}: {exc}\n"
    if status == PYTEST_NO_TESTS:
        output += f"stage {stage.name} has no tests\n"
    return Outcome(stage, status, time.monotonic() - started, output)


def run_all(wanted: list[Stage], jobs: int) -> list[Outcome]:
    """Run stages, some at a time, and print the output of each when it ends."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(run_stage, stage) for stage in wanted]):
            outcome = future.result()
            outcomes.append(outcome)
            print(f"\n=== {outcome.stage.name}: {outcome.stage.about}")
            print(f"$ {' '.join(outcome.stage.command)}\n{outcome.output}", flush=True)
    return sorted(outcomes, key=lambda outcome: wanted.index(outcome.stage))


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
    parser.add_argument("--jobs", type=int, default=2, help="stages at a time, default 2")
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
    return summary(run_all(wanted, chosen.jobs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
