"""Entry point of `python -m ssh_keys` and of the command `ssh-keys`."""

from __future__ import annotations

import sys

from ssh_keys.cli.parser import run_program


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run_program(sys.argv[1:]))


if __name__ == "__main__":
    main()
