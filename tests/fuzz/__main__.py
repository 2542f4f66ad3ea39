"""Run a target under a coverage-guided fuzzer.

    python -m tests.fuzz NAME [OPTION OF LIBFUZZER ...]
    python -m tests.fuzz kexinit -max_total_time=600

Needs atheris (`pip install atheris`), which is no dependency of anything else. Inputs that reach
something new are kept in .fuzz/NAME, which is not in the tree; what finds a fault is written to
.fuzz too, and belongs into tests/fuzz/corpus/NAME once the fault is repaired.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["ssh_keys", "ssh_transport", "ssh_connection"]):
    from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Fuzz until libFuzzer is told to stop, or something is found."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{','.join(TARGETS)}}} [option ...]")
    name, *options = sys.argv[1:]
    work = Path(".fuzz") / name
    work.mkdir(parents=True, exist_ok=True)
    where = [str(work), str(CORPUS / name), f"-artifact_prefix={work}-"]
    atheris.Setup([sys.argv[0], *where, *options], TARGETS[name])
    atheris.Fuzz()


main()
