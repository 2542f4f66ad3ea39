"""Accounts that only one server sees: passwd and shadow files of its own, and a PAM stack.

The machine's accounts are neither asked nor changed. A server gets a whole /etc of its own (see
namespace.py), not single files: who changes a password renames a new file over /etc/shadow, which
cannot be done to a file that is mounted.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.availability import program

#: Real checks of the private files, and no more: what else a machine's stack does is not of
#: interest here, and may not work in a container. Without a delay after a wrong password.
PAM_STACK = """\
auth required pam_unix.so nodelay
account required pam_unix.so
password required pam_unix.so sha512
session required pam_unix.so
"""

PASSWD = Path("/etc/passwd")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody whom a server knows. One that the machine has, too, keeps its uid and home."""

    name: str
    password: str
    #: Whether the password has to be changed before anything else is done.
    password_expired: bool = False
    #: Whether the time of the account itself is over.
    account_expired: bool = False

    def shadow_line(self) -> str:
        """The line of shadow(5)."""
        today = int(time.time()) // 86400
        changed = 0 if self.password_expired else today
        ends = "1" if self.account_expired else ""
        return f"{self.name}:{hashed(self.password)}:{changed}:0:99999:7::{ends}:\n"


def hashed(password: str) -> str:
    """A password as crypt(5) writes it: salted SHA-512, which every libcrypt knows."""
    command = [program("openssl"), "passwd", "-6", "-stdin"]
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write_accounts(folder: Path, accounts: Sequence[Account]) -> Path:
    """Write what is different in the private /etc of a server; return the folder of that.

    Accounts of the machine that are not among `accounts` are there, without a password: servers
    change to some of them.

    Args:
        folder: where to write, a folder that exists.
        accounts: who can log in with a password.
    """
    etc = folder / "etc-changes"
    (etc / "pam.d").mkdir(parents=True, exist_ok=True)
    lines = PASSWD.read_text().splitlines()
    names = {line.split(":")[0] for line in lines}
    shadow = [account.shadow_line() for account in accounts]
    shadow += [f"{name}:*:19000:0:99999:7:::\n" for name in names - {a.name for a in accounts}]
    guests = [account.name for account in accounts if account.name not in names]
    lines += [f"{name}:x:{64000 + n}:65534::/:/bin/sh" for n, name in enumerate(guests)]
    (etc / "passwd").write_text("\n".join(lines) + "\n")
    (etc / "shadow").write_text("".join(shadow))
    for service in ("sshd", "passwd"):
        (etc / "pam.d" / service).write_text(PAM_STACK)
    return etc
