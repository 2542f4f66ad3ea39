"""Write the pages of the reference that are made from tables of the code.

    python -m scripts.diagrams            write docs/reference/*.md
    python -m scripts.diagrams --check    exit with status 1 if a page is not what would be written

Run it from the root of the checkout. A test does the check, so a page can not drift from the code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import ssh_connection.constants
import ssh_connection.errors
import ssh_transport.constants
from scripts.record_session import OPENSSH_CERTIFICATES, OPENSSH_NAMES
from ssh_keys import HOST_KEY_ALGORITHMS
from ssh_keys.algorithms import Algorithm
from ssh_keys.signature_algorithms import X509_ALGORITHMS
from ssh_transport import (
    CIPHERS,
    COMPRESSIONS,
    KEX_METHODS,
    MACS,
    PRESETS,
    DisconnectError,
    DisconnectReason,
    Phase,
    Policy,
    Role,
)
from ssh_transport.phases import KNOWN, LEGAL
from tests.recorded.tape import FOLDER as RECORDINGS
from tests.recorded.tape import load

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

_MADE_BY = "<!-- Made by python -m scripts.diagrams. Change the code, then run it again. -->"


# --- Which message is legal when ---

_USERAUTH = {
    50: "SSH_MSG_USERAUTH_REQUEST",
    51: "SSH_MSG_USERAUTH_FAILURE",
    52: "SSH_MSG_USERAUTH_SUCCESS",
    53: "SSH_MSG_USERAUTH_BANNER",
}
_RANGES = {
    range(30, 50): "messages of the key exchange method",
    range(60, 80): "messages of the authentication method",
}


def message_names() -> dict[int, str]:
    """The name of each message number that has one."""
    names = dict(_USERAUTH)
    for module in (ssh_transport.constants, ssh_connection.constants):
        for name, value in vars(module).items():
            if name.startswith("SSH_MSG_") and isinstance(value, int):
                if not name.startswith("SSH_MSG_KEX_"):
                    names[value] = name
    names |= {number: text for numbers, text in _RANGES.items() for number in numbers}
    return names


def outcome(number: int, role: Role, phase: Phase) -> str:
    """What happens to a message: the rule of ssh_transport.phases."""
    if number in LEGAL[role][phase]:
        return "yes"
    if number in KNOWN or phase is Phase.STRICT_KEX:
        return "**end**"
    return "UNIMPLEMENTED"


def _rows(role: Role) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Numbers with one name and one outcome, their name, and the outcome in each phase."""
    names = message_names()
    entries = [
        (names.get(number, ""), tuple(outcome(number, role, phase) for phase in Phase))
        for number in range(256)
    ]
    first = 0
    for number in range(1, 257):
        if number < 256 and entries[number] == entries[first]:
            continue
        numbers = str(first) if number - first == 1 else f"{first} to {number - 1}"
        yield numbers, *entries[first]
        first = number


_MESSAGE_LEGALITY = f"""\
# Which message is legal when

{_MADE_BY}

What a client, and what a server, does with a message that it receives. `yes`: the message is
handled; where it has to be in order with others (key exchange, EXT_INFO) that is checked too.
**end**: the connection ends with `MessageOrderError`. UNIMPLEMENTED: it is answered with
SSH_MSG_UNIMPLEMENTED and its sequence number (RFC 4253 section 11.4).

The table is `ssh_transport.phases`; the core makes its dispatch table from it, and a test sends all
256 numbers in every phase to both roles. Messages 50 to 127 need a handler of the layer above
besides.
"""


def message_legality() -> str:
    """The page about which message is legal in which phase."""
    lines = _MESSAGE_LEGALITY.splitlines()
    for role in Role:
        lines += ["", f"## Received by a {role.value}", ""]
        lines += [f"| number | message | {' | '.join(phase.value for phase in Phase)} |"]
        lines += ["|---|---|" + "---|" * len(Phase)]
        lines += [
            f"| {numbers} | {name or '(unknown)'} | {' | '.join(cells)} |"
            for numbers, name, cells in _rows(role)
        ]
    return "\n".join(lines) + "\n"


# --- Why connections end ---


_ERROR_MODULES = ("ssh_transport.errors", "ssh_connection.errors")


def _error_classes(
    base: type[DisconnectError] = DisconnectError,
) -> Iterator[type[DisconnectError]]:
    for cls in base.__subclasses__():
        if cls.__module__ in _ERROR_MODULES and not cls.__name__.startswith("_"):
            yield cls
        yield from _error_classes(cls)


def _code(cls: type[DisconnectError]) -> int:
    """The code that errors of a class have: declared, or set by its constructor."""
    declared: int | None = getattr(cls, "default_code", None)
    if declared is not None:
        return declared
    constructor: Callable[[str], DisconnectError] = cls
    return constructor("").code


_DISCONNECT_REASONS = f"""\
# Why a connection ends

{_MADE_BY}

Codes of SSH_MSG_DISCONNECT (RFC 4253 section 11.1). An error of ours is raised to the application
and, unless the connection is lost, sent with its code. What the peer sends arrives as a plain
`DisconnectError` whose `code`, `reason` and `lang` are the peer's, with control characters escaped:
its class does not say whose fault it was.

| code | name | raised by us as |
|---|---|---|
"""


def disconnect_reasons() -> str:
    """The page about the codes of SSH_MSG_DISCONNECT."""
    by_code: dict[int, list[str]] = {}
    for cls in _error_classes():
        by_code.setdefault(_code(cls), []).append(cls.__name__)
    lines = _DISCONNECT_REASONS.splitlines()
    for reason in DisconnectReason:
        classes = ", ".join(f"`{name}`" for name in sorted(by_code.get(reason, ())))
        lines.append(f"| {int(reason)} | {reason.name} | {classes} |")
    return "\n".join(lines) + "\n"


# --- Every algorithm, and who proved it ---

_ALGORITHMS = f"""\
# Algorithms

{_MADE_BY}

Every name that can be negotiated, best first. *Status*: `default` is offered unless you choose
otherwise, `supported` is sound but offered only by name, `insecure` is for old peers. *Policies*
are the presets of `Policy.named` that contain it. *Recorded*: programs with which a session is in
`tests/recorded`, replayed byte for byte in every test run. *Live*: programs with which
`tests/interop/test_algorithm_product.py` shakes hands where they are installed; for `x509v3-*`
`tests/interop/test_x509.py`, and for `gss-*` `tests/kerberos`, with a KDC of its own. A test holds
that each name has met one of them, or that the table says why not.
"""

_NOTES = """
Host keys of type `sk-*` were on an authenticator in software. GSS-API methods (`gss-*`) need a
Kerberos realm and credentials, so they are in no policy: the option `gss_kex` puts them in front,
and `kex_algs` takes their names with or without what is behind the last hyphen.
"""

_FIELDS: dict[str, tuple[str, Iterable[Algorithm], str]] = {
    "kex_algorithms": ("Key exchange methods", KEX_METHODS, "kex"),
    "host_key_algorithms": ("Host key algorithms", HOST_KEY_ALGORITHMS, "host_key"),
    "ciphers": ("Ciphers", CIPHERS, "cipher"),
    "macs": ("MACs", MACS, "mac"),
    "compressions": ("Compression methods", COMPRESSIONS, "compression"),
}

#: What the live test does beyond `ssh -Q` of OpenSSH, by name.
_OPENSSH = "OpenSSH"
_OPENSSH_10 = "OpenSSH 10.6"
_LIVE = {
    **dict.fromkeys(
        ("mlkem768x25519-sha256", "mlkem768nistp256-sha256"), f"AsyncSSH, {_OPENSSH_10}, libssh"
    ),
    "mlkem1024nistp384-sha384": "AsyncSSH, libssh",
    **dict.fromkeys(("ssh-mldsa44-ed25519", "ssh-mldsa44-ed25519-cert"), _OPENSSH_10),
    "sntrup761x25519-sha512": f"{_OPENSSH}, libssh",
    "sntrup761x25519-sha512@openssh.com": f"{_OPENSSH}, PuTTY, TinySSH",
    "curve25519-sha256": f"{_OPENSSH}, TinySSH",
    **dict.fromkeys(
        (
            "curve448-sha512",
            "diffie-hellman-group15-sha512",
            "diffie-hellman-group17-sha512",
            "rsa2048-sha256",
            "rsa1024-sha1",
            "blowfish-cbc",
            "arcfour256",
            "arcfour128",
        ),
        "AsyncSSH, PuTTY",
    ),
    **dict.fromkeys(
        (
            "cast128-cbc",
            "seed-cbc@ssh.com",
            "arcfour",
            "ecdh-sha2-1.3.132.0.10",
            "hmac-sha2-256-96",
            "hmac-sha2-512-96",
            "hmac-sha2-256-96-etm@openssh.com",
            "hmac-sha2-512-96-etm@openssh.com",
            *(
                row.name.decode()
                for table in (KEX_METHODS, MACS)
                for row in table
                if row.name.endswith(b"@ssh.com")
            ),
        ),
        "AsyncSSH",
    ),
    **dict.fromkeys(OPENSSH_CERTIFICATES, _OPENSSH),
    **dict.fromkeys(
        (
            "sk-ssh-ed25519@openssh.com",
            "sk-ssh-ed25519-cert-v01@openssh.com",
            "sk-ecdsa-sha2-nistp256@openssh.com",
            "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ),
        _OPENSSH,
    ),
    **dict.fromkeys(
        (
            "ssh-ed448",
            "ssh-ed448-cert-v01@openssh.com",
            "ecdsa-sha2-1.3.132.0.10",
            "ecdsa-sha2-1.3.132.0.10-cert-v01@openssh.com",
            "ssh-rsa-sha224@ssh.com",
            "ssh-rsa-sha256@ssh.com",
            "ssh-rsa-sha384@ssh.com",
            "ssh-rsa-sha512@ssh.com",
        ),
        "AsyncSSH",
    ),
    **dict.fromkeys(("none", "zlib@openssh.com"), f"AsyncSSH, {_OPENSSH}"),
    "zlib": "AsyncSSH",
    **dict.fromkeys((row.name.decode() for row in X509_ALGORITHMS), "AsyncSSH"),
}

#: Families of GSS-API methods that Debian's OpenSSH has; AsyncSSH has them all.
_OPENSSH_GSS = (
    "gss-curve25519-sha256-",
    "gss-nistp256-sha256-",
    "gss-group16-sha512-",
    "gss-gex-sha1-",
    "gss-group14-sha256-",
    "gss-group14-sha1-",
    "gss-group1-sha1-",
)

#: Names that no program at hand has, and why.
UNPROVED = {
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com": "only browsers sign like this",
    "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": "only browsers sign like this",
    "ssh-mldsa44-ed25519@openssh.com": "OpenSSH 10.4 and 10.5 have it",
    "ssh-mldsa44-ed25519-cert-v01@openssh.com": "OpenSSH 10.4 and 10.5 have it",
}

_PROGRAMS = {
    "sshd": "OpenSSH",
    "ssh": "OpenSSH",
    "dropbear": "Dropbear",
    "dbclient": "Dropbear",
    "plink": "PuTTY",
    "tinysshd": "TinySSH",
    "asyncssh": "AsyncSSH",
}


def _recorded() -> dict[tuple[str, str], dict[str, set[str]]]:
    """For each field and name: the programs of the recordings, and our roles with each."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for path in sorted(RECORDINGS.glob("*.txt")):
        session = load(path).session
        fields = {"kex", "host_key", "cipher", "mac", "compression"}
        if CIPHERS[session.cipher.encode()].tag_size:
            fields.discard("mac")
        for field in fields:
            name: str = getattr(session, field)
            programs = found.setdefault((field, name), {})
            programs.setdefault(_PROGRAMS[session.peer], set()).add(session.role.value)
    return found


def _live(name: str) -> str:
    """The programs of the live test for a name."""
    if name.startswith("gss-"):
        return f"AsyncSSH, {_OPENSSH}" if name.startswith(_OPENSSH_GSS) else "AsyncSSH"
    if name in UNPROVED:
        return f"nobody: {UNPROVED[name]}"
    return _LIVE.get(name, _OPENSSH if name in OPENSSH_NAMES else "")


def algorithms() -> str:
    """The page about every algorithm."""
    recorded = _recorded()
    lines = _ALGORITHMS.splitlines()
    for field, (title, table, kind) in _FIELDS.items():
        lines += ["", f"## {title}", ""]
        lines += [
            "| name | status | policies | recorded (our role) | live |",
            "|---|---|---|---|---|",
        ]
        for row in table:
            name = row.name.decode()
            policies = [p for p in PRESETS if row.name in getattr(Policy.named(p), field)]
            programs = recorded.get((kind, name), {})
            proof = ", ".join(
                f"{program} ({' and '.join(sorted(roles))})"
                for program, roles in sorted(programs.items())
            )
            cells = (f"`{name}`", row.status.value, ", ".join(policies), proof, _live(name))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join((*lines, _NOTES.rstrip())) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "message-legality.md": message_legality,
    "disconnect-reasons.md": disconnect_reasons,
    "algorithms.md": algorithms,
}
"""The pages in docs/reference, by file name."""


def main(arguments: list[str]) -> int:
    """Write or check the pages and return an exit status."""
    parser = argparse.ArgumentParser(description="Write pages of the reference.")
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(arguments).check
    stale = 0
    for name, page in PAGES.items():
        path, text = REFERENCE / name, page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if check:
            print(f"{path.relative_to(ROOT)} is stale")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
