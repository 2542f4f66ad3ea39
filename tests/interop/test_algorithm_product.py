"""Every algorithm name with OpenSSH, in both roles, up to the answer to our service request.

A run crosses key exchange methods with host key algorithms, and ciphers with MACs, so that each
pair of them meets once in each role. SSH_META_FULL_PRODUCT=1 runs all four against each other,
which takes hours. The names that OpenSSH lacks meet AsyncSSH, PuTTY, TinySSH and libssh.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from ssh_keys import (
    HOST_KEY_ALGORITHMS,
    SSHLocalKeyPair,
    authenticator,
    generate_private_key,
    import_private_key,
    read_certificate,
)
from ssh_keys.algorithms import Algorithm, Registry
from ssh_transport import (
    CIPHERS,
    KEX_METHODS,
    MACS,
    Disconnected,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceAccepted,
    ServiceRequested,
    SignatureNeeded,
    TransportConfig,
    TransportCore,
)
from ssh_transport.keyexchange import KeyExchange
from tests.interop.peers.availability import find_program, program
from tests.interop.peers.credentials import HOST
from tests.recorded import peers
from tests.recorded.peers import HOST_KEY_FILES, PEERS, prepare_folder, sshd_config, sshd_inetd
from tests.recorded.session import Session, Wire

A = TypeVar("A", bound=Algorithm)

FULL = os.environ.get("SSH_META_FULL_PRODUCT") == "1"

#: Keys of authenticators: nobody has one as a host key here.
_NEEDS_A_TOKEN = ("sk-", "webauthn-")


def openssh_names(kind: str, table: Registry[A]) -> list[str]:
    """What `ssh -Q` prints and we have too; nothing if OpenSSH is not installed."""
    ssh = find_program("ssh")
    if ssh is None:
        return []
    printed = subprocess.run([ssh, "-Q", kind], check=True, capture_output=True, text=True).stdout
    return [
        name
        for name in printed.split()
        if name.encode() in table and table[name.encode()].available()
    ]


KEX = openssh_names("kex", KEX_METHODS)
HOST_KEYS = [
    name
    for name in openssh_names("HostKeyAlgorithms", HOST_KEY_ALGORITHMS)
    if not name.startswith(_NEEDS_A_TOKEN)
]
CIPHER_NAMES = openssh_names("cipher", CIPHERS)
MAC_NAMES = openssh_names("mac", MACS)

#: A cipher that authenticates by itself leaves the MAC unread: one line each is enough.
PROTECTION = [
    (cipher, mac)
    for cipher in CIPHER_NAMES
    for mac in (MAC_NAMES[:1] if CIPHERS[cipher.encode()].tag_size else MAC_NAMES)
]
PLAIN_KEYS = [name for name in HOST_KEYS if "-cert" not in name]
CERTIFICATES = [name for name in HOST_KEYS if "-cert" in name]
#: A key that no recording has, because OpenSSH knows it from version 10.6 on.
MLDSA = "ssh-mldsa44-ed25519"
KEY_FILES = [name for name in (*HOST_KEY_FILES, MLDSA) if name in ("rsa", *HOST_KEYS)]
EXCHANGES = (
    list(itertools.product(KEX, HOST_KEYS))
    if FULL
    else [*itertools.product(KEX, PLAIN_KEYS), *zip(KEX, CERTIFICATES, strict=False)]
)


@dataclass(frozen=True)
class Case:
    """One set of names."""

    kex: str
    host_key: str
    cipher: str
    mac: str

    def __str__(self) -> str:
        return "+".join((self.kex, self.host_key, self.cipher, self.mac))


def cases() -> list[Case]:
    """Every pair of the two crossings; every combination of the four if FULL."""
    if FULL:
        return [Case(*one, *two) for one in EXCHANGES for two in PROTECTION]
    if not EXCHANGES or not PROTECTION:
        return []
    count = max(len(EXCHANGES), len(PROTECTION))
    return [
        Case(*EXCHANGES[index % len(EXCHANGES)], *PROTECTION[index % len(PROTECTION)])
        for index in range(count)
    ]


CASES = cases()


# --- Our side ---


def session_of(case: Case, peer: str, role: Role) -> Session:
    """What to tell a peer."""
    return Session(
        peer=peer,
        role=role,
        kex=case.kex,
        host_key=case.host_key,
        cipher=case.cipher,
        mac=case.mac,
    )


def host_key_pair(session: Session, folder: Path) -> SSHLocalKeyPair:
    """A key pair for our server, certified if the name asks for it."""
    path = folder / peers.key_file(session)
    key = import_private_key(path.read_bytes())
    if "-cert" not in session.host_key:
        return SSHLocalKeyPair(key)
    return SSHLocalKeyPair(key, read_certificate(f"{path}-cert.pub"))


def core_for(session: Session, folder: Path, pair: SSHLocalKeyPair | None = None) -> TransportCore:
    """A core that offers nothing but the names of a session.

    Parameters:
        pair: the host key of a server; from the folder if not given.
    """
    host_key = session.host_key.encode()
    server = session.role is Role.SERVER
    config = TransportConfig(
        role=session.role,
        kex_algorithms=(session.kex.encode(),),
        host_key_algorithms=(host_key,),
        ciphers=(session.cipher.encode(),),
        macs=(session.mac.encode(),),
        compressions=(session.compression.encode(),),
        host_keys={host_key: pair or host_key_pair(session, folder)} if server else {},
        min_rsa_bits=1024,
    )
    return TransportCore(config, random=os.urandom, clock=lambda: 0.0)


async def signed(signature: Awaitable[bytes]) -> bytes:
    """Wait for a device."""
    return await signature


@dataclass
class Greeting:
    """A handshake and the service request behind it: the first messages under the new keys."""

    core: TransportCore
    done: bool = False
    problem: Disconnected | None = field(default=None)

    def react(self) -> None:
        """Answer what happened."""
        while events := self.core.drain_events():
            for event in events:
                if isinstance(event, HostKeyOffered):
                    self.core.accept_host_key()
                elif isinstance(event, KexCompleted) and self.core.role is Role.CLIENT:
                    self.core.request_service(b"ssh-userauth")
                elif isinstance(event, ServiceRequested):
                    self.core.set_handlers({50: self.user})
                    self.core.accept_service(event.name)
                elif isinstance(event, ServiceAccepted):
                    self.done = True
                elif isinstance(event, SignatureNeeded):
                    self.core.provide_signature(asyncio.run(signed(event.signature)))
                elif isinstance(event, Disconnected):
                    self.problem = event

    def user(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_USERAUTH_REQUEST: the client understood our answer."""
        self.done = True

    def run(self, wire: Wire) -> None:
        """Hold it until both sides have opened a packet of the other one."""
        self.core.start()
        while True:
            self.react()
            if data := self.core.take_output():
                wire.send(data)
            if self.done or self.problem:
                break
            if data := wire.receive():
                self.core.feed(data)
            else:
                self.core.eof_received()
        assert self.done, self.problem


def greet(
    session: Session, wire: Wire, folder: Path, pair: SSHLocalKeyPair | None = None
) -> TransportCore:
    """Hold a handshake with a peer; what was negotiated is what was asked for."""
    greeting = Greeting(core_for(session, folder, pair))
    greeting.run(wire)
    algorithms = greeting.core.algorithms
    assert algorithms is not None
    assert algorithms.kex == session.kex.encode()
    assert algorithms.host_key == session.host_key.encode()
    assert algorithms.cipher_cs == algorithms.cipher_sc == session.cipher.encode()
    mac = b"" if CIPHERS[algorithms.cipher_cs].tag_size else session.mac.encode()
    assert algorithms.mac_cs == algorithms.mac_sc == mac
    return greeting.core


# --- OpenSSH ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and configurations of the peers."""
    made = prepare_folder(tmp_path_factory.mktemp("product"))
    key = generate_private_key(MLDSA)
    key.write_private_key(made / MLDSA)
    key.write_public_key(made / f"{MLDSA}.pub")
    certify(made)
    return made


def certify(folder: Path) -> None:
    """Make a host certificate of each key, and trust their authority in a known_hosts file."""
    keygen = program("ssh-keygen")
    authority = folder / "authority"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(authority)], check=True)
    for name in KEY_FILES:
        words = ["-q", "-s", str(authority), "-h", "-I", name, "-n", HOST]
        subprocess.run([keygen, *words, str(folder / f"{name}.pub")], check=True)


@pytest.fixture(scope="module")
def openssh_config(folder: Path) -> Path:
    """An sshd that allows everything it has."""
    lines = {
        "KexAlgorithms": ",".join(KEX),
        "Ciphers": ",".join(CIPHER_NAMES),
        "MACs": ",".join(MAC_NAMES),
        "HostKeyAlgorithms": ",".join(HOST_KEYS),
    }
    path = sshd_config(folder, lines)
    text = "".join(f"HostCertificate {folder / name}-cert.pub\n" for name in KEY_FILES)
    if MLDSA in KEY_FILES:
        text += f"HostKey {folder / MLDSA}\n"
    path.write_text(text + path.read_text())
    return path


def test_there_is_something_to_prove() -> None:
    program("ssh")
    assert {"aes128-gcm@openssh.com", "aes128-ctr"} <= set(CIPHER_NAMES)
    for names, every in (
        (KEX, {case.kex for case in CASES}),
        (HOST_KEYS, {case.host_key for case in CASES}),
        (CIPHER_NAMES, {case.cipher for case in CASES}),
        (MAC_NAMES, {case.mac for case in CASES}),
    ):
        assert set(names) == every


@pytest.mark.parametrize("case", CASES, ids=str)
def test_client_with_sshd(case: Case, openssh_config: Path, folder: Path) -> None:
    session = session_of(case, "sshd", Role.CLIENT)
    with peers.inetd(sshd_inetd(openssh_config), folder, home=False) as wire:
        greet(session, wire, folder)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_server_with_ssh(case: Case, folder: Path) -> None:
    session = session_of(case, "ssh", Role.SERVER)
    with PEERS["ssh"](session, folder) as wire:
        greet(session, wire, folder)


SECURITY_KEYS = tuple(
    f"sk-{name}{suffix}@openssh.com"
    for name in ("ssh-ed25519", "ecdsa-sha2-nistp256")
    for suffix in ("", "-cert-v01")
)


@pytest.mark.parametrize("host_key", SECURITY_KEYS)
def test_security_key_of_a_server_with_ssh(
    host_key: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host key on an authenticator, here one in software."""
    pytest.importorskip("fido2", reason="fido2 is not installed")
    from tests.keys.ctap_authenticator import Authenticator

    device = Authenticator(pin="1234")
    monkeypatch.setattr(authenticator, "list_devices", lambda: iter((device,)))
    case = Case("curve25519-sha256", host_key, "aes128-gcm@openssh.com", "hmac-sha2-256")
    session = session_of(case, "ssh", Role.SERVER)
    key = generate_private_key(host_key.replace("-cert-v01", ""), pin="1234")
    (folder / f"{peers.key_file(session)}.pub").write_bytes(key.export_public_key())
    certificate = None
    if "-cert-" in host_key:
        authority = import_private_key((folder / "authority").read_bytes())
        certificate = authority.generate_host_certificate(key, "device", principals=[HOST])
    with PEERS["ssh"](session, folder) as wire:
        greet(session, wire, folder, SSHLocalKeyPair(key, certificate))


# --- Names that OpenSSH lacks ---

_CHACHA = "chacha20-poly1305@openssh.com"

OTHER_KEX = (
    "mlkem768x25519-sha256",
    "mlkem768nistp256-sha256",
    "mlkem1024nistp384-sha384",
    "curve448-sha512",
    "diffie-hellman-group15-sha512",
    "diffie-hellman-group17-sha512",
    "rsa2048-sha256",
    "rsa1024-sha1",
    *sorted(row.name.decode() for row in KEX_METHODS if row.name.endswith(b"@ssh.com")),
    "ecdh-sha2-1.3.132.0.10",
)
OTHER_CIPHERS = (
    "blowfish-cbc",
    "cast128-cbc",
    "seed-cbc@ssh.com",
    "arcfour",
    "arcfour128",
    "arcfour256",
)
OTHER_MACS = (
    *sorted(row.name.decode() for row in MACS if row.name.endswith(b"@ssh.com")),
    "hmac-sha2-256-96",
    "hmac-sha2-512-96",
    "hmac-sha2-256-96-etm@openssh.com",
    "hmac-sha2-512-96-etm@openssh.com",
)
#: Each name once; ciphers and MACs go together with the methods.
OTHERS = [
    Case(
        OTHER_KEX[index % len(OTHER_KEX)],
        "ssh-ed25519",
        OTHER_CIPHERS[index % len(OTHER_CIPHERS)],
        OTHER_MACS[index % len(OTHER_MACS)],
    )
    for index in range(len(OTHER_KEX))
]


@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_client_with_asyncssh(case: Case, folder: Path) -> None:
    session = session_of(case, "asyncssh", Role.CLIENT)
    with PEERS["asyncssh"](session, folder) as wire:
        greet(session, wire, folder)


@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_server_with_asyncssh(case: Case, folder: Path) -> None:
    session = session_of(case, "asyncssh-client", Role.SERVER)
    with PEERS["asyncssh-client"](session, folder) as wire:
        greet(session, wire, folder)


#: Compressed from the service request on (`zlib`), or not before authentication.
COMPRESSION = {
    "none": ("sshd", "ssh", "asyncssh", "asyncssh-client"),
    "zlib@openssh.com": ("sshd", "ssh", "asyncssh", "asyncssh-client"),
    "zlib": ("asyncssh", "asyncssh-client"),
}


@pytest.mark.parametrize(
    ("compression", "peer"),
    [(name, peer) for name, programs in COMPRESSION.items() for peer in programs],
)
def test_compression(compression: str, peer: str, openssh_config: Path, folder: Path) -> None:
    role = Role.SERVER if peer in ("ssh", "asyncssh-client") else Role.CLIENT
    case = Case("curve25519-sha256", "ssh-ed25519", _CHACHA, "hmac-sha2-256")
    session = replace(session_of(case, peer, role), compression=compression)
    wires: AbstractContextManager[Wire] = (
        peers.inetd(sshd_inetd(openssh_config), folder, home=False)
        if peer == "sshd"
        else PEERS[peer](session, folder)
    )
    with wires as wire:
        algorithms = greet(session, wire, folder).algorithms
    assert algorithms is not None
    assert algorithms.compression_cs == algorithms.compression_sc == compression.encode()


#: Types of keys that OpenSSH has no program for, and the names of their host keys.
RARE_KEYS = ("ssh-ed448", "ecdsa-sha2-1.3.132.0.10")
RARE_HOST_KEYS = (
    *RARE_KEYS,
    *(f"{name}-cert-v01@openssh.com" for name in RARE_KEYS),
    *(f"ssh-rsa-sha{size}@ssh.com" for size in (224, 256, 384, 512)),
)


@pytest.fixture(scope="module")
def rare(folder: Path) -> Path:
    """The folder, with these keys and their certificates."""
    authority = import_private_key((folder / "authority").read_bytes())
    for name in RARE_KEYS:
        key = generate_private_key(name)
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        certificate = authority.generate_host_certificate(key, name, principals=[HOST])
        certificate.write_certificate(folder / f"{name}-cert.pub")
    return folder


@pytest.mark.parametrize("host_key", RARE_HOST_KEYS)
def test_rare_host_key_of_asyncssh(host_key: str, rare: Path) -> None:
    case = Case("curve25519-sha256", host_key, _CHACHA, "hmac-sha2-256")
    session = session_of(case, "asyncssh", Role.CLIENT)
    with PEERS["asyncssh"](session, rare) as wire:
        greet(session, wire, rare)


@pytest.mark.parametrize("host_key", RARE_HOST_KEYS)
def test_rare_host_key_with_asyncssh(host_key: str, rare: Path) -> None:
    case = Case("curve25519-sha256", host_key, _CHACHA, "hmac-sha2-256")
    session = session_of(case, "asyncssh-client", Role.SERVER)
    with PEERS["asyncssh-client"](session, rare) as wire:
        greet(session, wire, rare)


TINYSSH_KEX = ("curve25519-sha256", "sntrup761x25519-sha512@openssh.com")


@pytest.mark.parametrize("kex", TINYSSH_KEX)
def test_client_with_tinysshd(kex: str, folder: Path) -> None:
    case = Case(kex, "ssh-ed25519", _CHACHA, "hmac-sha2-256")
    session = session_of(case, "tinysshd", Role.CLIENT)
    with PEERS["tinysshd"](session, folder) as wire:
        greet(session, wire, folder)


PLINK = (
    Case("sntrup761x25519-sha512@openssh.com", "ssh-ed25519", _CHACHA, "hmac-sha2-256"),
    Case("curve448-sha512", "ecdsa-sha2-nistp384", "blowfish-cbc", "hmac-sha1-96"),
    Case("diffie-hellman-group15-sha512", "rsa-sha2-512", "arcfour256", "hmac-md5"),
    Case("diffie-hellman-group17-sha512", "rsa-sha2-256", "arcfour128", "hmac-sha2-256"),
    Case("rsa2048-sha256", "ecdsa-sha2-nistp521", "aes256-ctr", "hmac-sha2-256"),
    Case("rsa1024-sha1", "ecdsa-sha2-nistp256", "aes192-ctr", "hmac-sha1"),
)


@pytest.mark.parametrize("case", PLINK, ids=str)
def test_server_with_plink(case: Case, folder: Path) -> None:
    session = session_of(case, "plink", Role.SERVER)
    with PEERS["plink"](session, folder) as wire:
        greet(session, wire, folder)


@pytest.mark.parametrize("hash_name", ["sha1", "sha256"])
def test_group_exchange_of_the_old_form_with_plink(
    hash_name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 4419 section 5: to servers of old, PuTTY sends the size that it prefers and no more."""
    seen: list[int] = []
    receive = KeyExchange.receive_method

    def spy(self: KeyExchange, packet: bytes, start: int, end: int) -> None:
        seen.append(packet[start - 1])
        receive(self, packet, start, end)

    monkeypatch.setattr(KeyExchange, "receive_method", spy)
    kex = f"diffie-hellman-group-exchange-{hash_name}"
    case = Case(kex, "rsa-sha2-256", "aes256-ctr", "hmac-sha2-256")
    session = session_of(case, "plink", Role.SERVER)
    with PEERS["plink"](session, folder) as wire:
        core = core_for(session, folder)
        core.config.version = b"SSH-2.0-OpenSSH_2.5.2"
        Greeting(core).run(wire)
    assert seen == [30, 32]


LIBSSH_KEX = (*OTHER_KEX[:3], "sntrup761x25519-sha512")


@pytest.mark.parametrize("kex", LIBSSH_KEX)
def test_server_with_libssh(kex: str, folder: Path) -> None:
    case = Case(kex, "ssh-ed25519", _CHACHA, "hmac-sha2-256")
    session = session_of(case, "libssh", Role.SERVER)
    with PEERS["libssh"](session, folder) as wire:
        greet(session, wire, folder)
