"""Record short sessions of our core with real peers, for tests/recorded.

    python -m scripts.record_session                 record what is missing
    python -m scripts.record_session --again         record all of it anew
    python -m scripts.record_session --again plink   ...with one peer

Run it from the root of the checkout, as root (servers get an empty home folder of their own), where
.ci/install-peers has installed the peers, and Debian's tinysshd. A session that cannot be held is
reported and leaves no file, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ssh_transport import CIPHERS, MACS, Role
from tests.recorded.peers import PEERS, prepare_folder, version
from tests.recorded.session import TALKS, Session, drive, fixed_library
from tests.recorded.tape import FOLDER, Recorder, Tape

_CLIENT, _SERVER = Role.CLIENT, Role.SERVER
_CHACHA = "chacha20-poly1305@openssh.com"

#: `ssh -Q kex`, `ssh -Q cipher` and `ssh -Q mac` of OpenSSH 9.2.
_OPENSSH_KEX = (
    "diffie-hellman-group1-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group-exchange-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
)
_OPENSSH_CIPHERS = (
    "3des-cbc",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    _CHACHA,
)
_OPENSSH_MACS = (
    "hmac-sha1",
    "hmac-sha1-96",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-md5",
    "hmac-md5-96",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-md5-etm@openssh.com",
    "hmac-md5-96-etm@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
)
#: Host key algorithms: RSA and Ed25519 sign the same each time, so they serve our server as well.
_REPEATABLE_KEYS = ("ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512", "ssh-rsa")
_OTHER_KEYS = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-dss")

#: Host key algorithms of certificates that tests/interop/test_algorithm_product.py proves: what
#: `ssh -Q HostKeyAlgorithms` prints, without the keys of authenticators.
OPENSSH_CERTIFICATES = tuple(
    f"{name}-cert-v01@openssh.com" for name in (*_REPEATABLE_KEYS, *_OTHER_KEYS)
)
#: Every name of OpenSSH 9.2 that we have too.
OPENSSH_NAMES = frozenset(
    (
        *_OPENSSH_KEX,
        *_OPENSSH_CIPHERS,
        *_OPENSSH_MACS,
        *_REPEATABLE_KEYS,
        *_OTHER_KEYS,
        *OPENSSH_CERTIFICATES,
    )
)

_DROPBEAR_KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
)
_DROPBEAR_CIPHERS = (_CHACHA, "aes128-ctr", "aes256-ctr")
_DROPBEAR_MACS = ("hmac-sha1", "hmac-sha2-256")

_PUTTY_KEX = (
    "sntrup761x25519-sha512@openssh.com",
    "curve448-sha512",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group17-sha512",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group15-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group1-sha1",
    "rsa2048-sha256",
    "rsa1024-sha1",
)
_PUTTY_CIPHERS = (
    *_OPENSSH_CIPHERS,
    "blowfish-cbc",
    "arcfour256",
    "arcfour128",
)
_PUTTY_MACS = (
    "hmac-sha2-256",
    "hmac-sha1",
    "hmac-sha1-96",
    "hmac-md5",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
    "hmac-md5-etm@openssh.com",
)

_TINYSSH_KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "sntrup761x25519-sha512@openssh.com",
)

_PUTTY_KEYS = (*_REPEATABLE_KEYS, "ssh-ed448")

#: What nobody else has.
_ASYNCSSH_KEX = (
    "mlkem768x25519-sha256",
    "mlkem768nistp256-sha256",
    "mlkem1024nistp384-sha384",
    "curve448-sha512",
    "diffie-hellman-group15-sha512",
    "diffie-hellman-group17-sha512",
    "diffie-hellman-group14-sha256@ssh.com",
    "diffie-hellman-group14-sha224@ssh.com",
    "diffie-hellman-group15-sha256@ssh.com",
    "diffie-hellman-group15-sha384@ssh.com",
    "diffie-hellman-group16-sha384@ssh.com",
    "diffie-hellman-group16-sha512@ssh.com",
    "diffie-hellman-group18-sha512@ssh.com",
    "diffie-hellman-group-exchange-sha224@ssh.com",
    "diffie-hellman-group-exchange-sha384@ssh.com",
    "diffie-hellman-group-exchange-sha512@ssh.com",
    "ecdh-sha2-1.3.132.0.10",
)
_ASYNCSSH_CIPHERS = (
    "blowfish-cbc",
    "cast128-cbc",
    "seed-cbc@ssh.com",
    "arcfour",
    "arcfour128",
    "arcfour256",
)
_ASYNCSSH_MACS = (
    "hmac-sha256-2@ssh.com",
    "hmac-sha224@ssh.com",
    "hmac-sha256@ssh.com",
    "hmac-sha384@ssh.com",
    "hmac-sha512@ssh.com",
    "hmac-sha2-256-96",
    "hmac-sha2-512-96",
    "hmac-sha2-256-96-etm@openssh.com",
    "hmac-sha2-512-96-etm@openssh.com",
)


def _sessions(
    peer: str,
    role: Role,
    kex: tuple[str, ...],
    ciphers: tuple[str, ...],
    macs: tuple[str, ...],
    keys: tuple[str, ...] = (),
    base: str = "aes128-ctr",
) -> Iterator[Session]:
    """One session for each name, everything else as usual."""
    for name in kex:
        yield Session(peer=peer, role=role, kex=name, cipher=base)
    for name in ciphers:
        yield Session(peer=peer, role=role, cipher=name)
    for name in macs:
        yield Session(peer=peer, role=role, cipher="aes128-ctr", mac=name, rekey=False)
    for name in keys:
        yield Session(peer=peer, role=role, cipher=base, host_key=name, rekey=False)


def sessions() -> list[Session]:
    """Every session that is recorded, none twice."""
    zlib_name = "zlib@openssh.com"
    every = [
        *_sessions(
            "sshd",
            _CLIENT,
            _OPENSSH_KEX,
            _OPENSSH_CIPHERS,
            _OPENSSH_MACS,
            _REPEATABLE_KEYS + _OTHER_KEYS,
        ),
        Session(peer="sshd", role=_CLIENT, compression=zlib_name),
        *_sessions("ssh", _SERVER, _OPENSSH_KEX, _OPENSSH_CIPHERS, _OPENSSH_MACS, _REPEATABLE_KEYS),
        Session(peer="ssh", role=_SERVER, compression=zlib_name),
        *_sessions("dropbear", _CLIENT, _DROPBEAR_KEX, _DROPBEAR_CIPHERS, _DROPBEAR_MACS),
        *_sessions("dbclient", _SERVER, _DROPBEAR_KEX, _DROPBEAR_CIPHERS, _DROPBEAR_MACS),
        *_sessions("plink", _SERVER, _PUTTY_KEX, _PUTTY_CIPHERS, _PUTTY_MACS, _PUTTY_KEYS),
        Session(peer="plink", role=_SERVER, compression="zlib"),
        Session(peer="plink", role=_SERVER, compression=zlib_name),
        *_sessions("asyncssh", _CLIENT, _ASYNCSSH_KEX, _ASYNCSSH_CIPHERS, _ASYNCSSH_MACS),
    ]
    # TinySSH waits for more bytes before it looks at what came together with NEWKEYS: no rekeying.
    every += [
        Session(peer="tinysshd", role=_CLIENT, kex=kex, cipher=_CHACHA, rekey=False)
        for kex in _TINYSSH_KEX
    ]
    return list({session.name: session for session in every}.values())


def record(session: Session) -> Tape:
    """Hold a session with the real peer; raises AssertionError or OSError if that fails."""
    about = {"peer": version(session.peer), "zlib": zlib.ZLIB_RUNTIME_VERSION}
    tape = Tape(session, about)
    with tempfile.TemporaryDirectory() as name:
        folder = prepare_folder(Path(name))
        talk = TALKS[session.role](session.core(), rekey=session.rekey)
        try:
            with fixed_library(session), PEERS[session.peer](session, folder) as wire:
                drive(talk, Recorder(wire, tape))
            assert talk.done, f"ended with {talk.ended}"
        except (AssertionError, OSError) as exc:
            log = (folder / "peer.log").read_text(errors="replace")[-2000:]
            raise AssertionError(f"{session.name}: {exc}\n{log}") from exc
    return tape


def main(arguments: list[str]) -> int:
    """Record and return an exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.record_session")
    parser.add_argument("peers", nargs="*", help="only these peers", metavar="PEER")
    parser.add_argument("--again", action="store_true", help="also what is there already")
    chosen = parser.parse_args(arguments)
    failed = 0
    for session in sessions():
        known = all(
            name.encode() in table
            for name, table in ((session.cipher, CIPHERS), (session.mac, MACS))
        )
        assert known, session
        present = (FOLDER / f"{session.name}.txt").exists()
        if (chosen.peers and session.peer not in chosen.peers) or (present and not chosen.again):
            continue
        try:
            print(f"{record(session).save().stat().st_size:6} {session.name}")
        except AssertionError as exc:
            failed += 1
            print(f"failed {exc}")
    total = sum(path.stat().st_size for path in FOLDER.glob("*.txt"))
    print(f"{total / 1024:.0f} KiB in all, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
