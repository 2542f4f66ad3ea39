"""What it costs to import a library."""

from __future__ import annotations

import os
import resource
import subprocess

from tests.benchmarks.lab import Lab, Result

_SCRIPT = """
import sys
if sys.argv[1]:
    __import__(sys.argv[1])
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(float(line.split()[1]) / 1024)
"""


def import_time(lab: Lab, implementation: str) -> Result:
    """CPU time and memory of importing a library, over those of an empty interpreter."""
    python = lab.python(implementation)
    if python is None:
        raise FileNotFoundError("the environment of the peers; .ci/install-peers makes it")
    # Modules of an installed library were compiled by the installer; those of a checkout are not.
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(lab.folder / "compiled" / implementation)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _start(python, implementation, environ)
    empty = _start(python, "", environ)
    used = _start(python, implementation, environ)
    return {name: used[name] - empty[name] for name in used}


def _start(python: str, module: str, environ: dict[str, str]) -> Result:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-c", _SCRIPT, module], check=True, capture_output=True, text=True, env=environ
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_ms": cpu * 1e3, "rss_mib": float(done.stdout)}
