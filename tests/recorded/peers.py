"""Real peers, one process per session: servers on a socket pair, clients on a TCP port of ours.

Nothing listens for longer than one session, so there is no port to guess and nobody to end but the
process that was started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ssh_keys import import_public_key
from tests.interop.peers.availability import program, python_with
from tests.interop.peers.credentials import HOST
from tests.interop.peers.dropbear import convert
from tests.interop.peers.namespace import with_home
from tests.interop.peers.openssh import PRIVSEP
from tests.interop.peers.process import clean_environment, free_port
from tests.interop.peers.python_peers import SCRIPTS
from tests.recorded.session import KEYS, Session

#: Seconds that a peer may be silent.
TIMEOUT = 30.0

_STOP_TIMEOUT = 5.0

HOST_KEY_FILES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa",
    "ssh-dss",
)


class SocketWire:
    """Bytes of a session over a connected socket.

    Parameters:
        sock: is closed with the session.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        self._sock = sock

    def send(self, data: bytes) -> None:
        """See Wire. A peer that is gone says why when it is read from."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(data)

    def receive(self) -> bytes:
        """See Wire."""
        try:
            return self._sock.recv(1 << 16)
        except ConnectionResetError:
            return b""


def prepare_folder(folder: Path) -> Path:
    """Copy the keys to a folder, readable by nobody else, as the peers demand it."""
    for name in HOST_KEY_FILES:
        shutil.copy(KEYS / name, folder / name)
        (folder / name).chmod(0o600)
        shutil.copy(KEYS / f"{name}.pub", folder / f"{name}.pub")
    for name in ("ssh-ed448", "ssh-ed448.pub"):
        shutil.copy(KEYS / name, folder / name)
    (folder / "ssh-ed448").chmod(0o600)
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, exist_ok=True)
    for path in (ssh, ssh.parent):
        path.chmod(0o700)
    shutil.copy(KEYS / "ssh-ed25519.pub", ssh / "authorized_keys")
    (ssh / "authorized_keys").chmod(0o600)
    return folder


@contextlib.contextmanager
def _child(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str], stdio: socket.socket | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; its words go to `peer.log` in the folder."""
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(
            list(argv),
            stdin=stdio.fileno() if stdio else subprocess.DEVNULL,
            stdout=stdio.fileno() if stdio else log,
            stderr=log,
            env=dict(environ),
            cwd=folder,
        )
    try:
        yield process
    finally:
        try:
            process.wait(_STOP_TIMEOUT if stdio is None else 0)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_STOP_TIMEOUT)


@contextlib.contextmanager
def inetd(argv: Sequence[str], folder: Path, *, home: bool = True) -> Iterator[SocketWire]:
    """Run a server that speaks on its standard input and output.

    Parameters:
        home: give it an empty home folder, which a server needs that logs somebody in.
    """
    ours, theirs = socket.socketpair()
    if home:
        argv = with_home(argv, folder / "home", "root")
    environ = clean_environment(folder / "home")
    with ours, _child(argv, folder, environ, theirs):
        theirs.close()
        yield SocketWire(ours)
        ours.close()


# --- Servers ---


def sshd_config(folder: Path, lines: Mapping[str, str]) -> Path:
    """Write a configuration for `sshd -i` with the keys of the folder."""
    every = {
        "AuthorizedKeysFile": str(folder / "home/.ssh/authorized_keys"),
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "LogLevel": "INFO",
        "Compression": "yes",
        "RequiredRSASize": "1024",
    } | dict(lines)
    text = "".join(f"HostKey {folder / name}\n" for name in HOST_KEY_FILES)
    text += "".join(f"{name} {value}\n" for name, value in every.items())
    path = folder / "sshd_config"
    path.write_text(text)
    return path


def sshd_inetd(config: Path) -> list[str]:
    """The command line of an sshd that serves its standard input and ends."""
    if os.geteuid() == 0:
        PRIVSEP.mkdir(mode=0o755, exist_ok=True)
    return [program("sshd"), "-i", "-e", "-f", str(config)]


def sshd(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """OpenSSH's server with the algorithms of the session only."""
    config = sshd_config(
        folder,
        {
            "KexAlgorithms": session.kex,
            "Ciphers": session.cipher,
            "MACs": session.mac,
            "HostKeyAlgorithms": session.host_key,
        },
    )
    return inetd(sshd_inetd(config), folder)


def dropbear(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """Dropbear's server."""
    key = convert(folder / ("rsa" if "rsa" in session.host_key else session.host_key), folder)
    return inetd([program("dropbear"), "-i", "-r", str(key)], folder)


def tinysshd(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """TinySSH's server, which makes a key of its own."""
    keys = folder / "tinysshd"
    if not keys.exists():
        subprocess.run([program("tinysshd-makekey"), "-q", str(keys)], check=True)
    return inetd([program("tinysshd"), "-v", str(keys)], folder)


@contextlib.contextmanager
def asyncssh_server(session: Session, folder: Path) -> Iterator[SocketWire]:
    """AsyncSSH's server, for what OpenSSH does not have."""
    port = free_port()
    argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_server.py"), "--port", str(port)]
    argv += ["--host-key", str(folder / key_file(session)), "--user", "root", "--password", "none"]
    argv += ["--authorized-keys", str(folder / "home/.ssh/authorized_keys")]
    argv += ["--kex", session.kex, "--cipher", session.cipher, "--mac", session.mac]
    argv += ["--compression", session.compression]
    with _child(argv, folder, clean_environment(folder), None) as process:
        sock = _connect(process, port)
        with sock:
            yield SocketWire(sock)
        process.terminate()


def _connect(process: subprocess.Popen[bytes], port: int) -> socket.socket:
    while process.poll() is None:
        with contextlib.suppress(OSError):
            return socket.create_connection((HOST, port), 1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError(f"server ended with status {process.returncode}")


# --- Clients ---


def _accept(
    listener: socket.socket, process: subprocess.Popen[bytes], folder: Path
) -> socket.socket:
    while process.poll() is None:
        with contextlib.suppress(TimeoutError):
            return listener.accept()[0]
    log = (folder / "peer.log").read_text(errors="replace")
    raise AssertionError(f"client ended with status {process.returncode}: {log}")


@contextlib.contextmanager
def _client(argv: Callable[[int], list[str]], folder: Path, **environ: str) -> Iterator[SocketWire]:
    """Run a client that connects to a port of ours, once."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        environment = clean_environment(folder / "home", **environ)
        with (
            _child(argv(port), folder, environment, None) as process,
            _accept(listener, process, folder) as sock,
        ):
            yield SocketWire(sock)


def key_file(session: Session) -> str:
    """The name of the key that belongs to a host key algorithm, or to certificates of it."""
    name = session.host_key.removesuffix("@openssh.com").removesuffix("-v01").removesuffix("-cert")
    return "rsa" if "rsa" in name else name


def ssh(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """OpenSSH's client with the algorithms of the session only."""

    def argv(port: int) -> list[str]:
        known = folder / "known_hosts"
        certified = "-cert" in session.host_key
        public = (folder / f"{'authority' if certified else key_file(session)}.pub").read_text()
        marker = "@cert-authority " if certified else ""
        known.write_text(f"{marker}[{HOST}]:{port} {public}")
        options = {
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentityFile": "none",
            "KexAlgorithms": session.kex,
            "Ciphers": session.cipher,
            "MACs": session.mac,
            "HostKeyAlgorithms": session.host_key,
            "Compression": "no" if session.compression == "none" else "yes",
            "RequiredRSASize": "1024",
        }
        words = [word for item in options.items() for word in ("-o", "=".join(item))]
        return [program("ssh"), "-F", "none", *words, "-p", str(port), f"root@{HOST}", "cat"]

    return _client(argv, folder)


def dbclient(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """Dropbear's client."""

    def argv(port: int) -> list[str]:
        words = [program("dbclient"), "-y", "-y", "-T", "-p", str(port)]
        words += ["-c", session.cipher, "-m", session.mac]
        return [*words, f"root@{HOST}", "cat"]

    return _client(argv, folder)


#: PuTTY's own order has its warnings in front of what is old: here they come last.
_PUTTY = {
    "Cipher": "aesgcm,chacha20,aes,3des,blowfish,arcfour,des,WARN",
    "KEX": (
        "ntru-curve25519,ecdh,dh-group18-sha512,dh-group17-sha512,dh-group16-sha512,"
        "dh-group15-sha512,dh-group14-sha1,dh-gex-sha1,rsa,dh-group1-sha1,WARN"
    ),
    "HostKey": "ed25519,ed448,ecdsa,rsa,dsa,WARN",
    "SSH2DES": "1",
    "Protocol": "ssh",
}


def plink(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """PuTTY's client, with every algorithm that it has and no warning in front of any."""
    sessions = folder / "home/.putty/sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    (sessions / "recorded").write_text("".join(f"{k}={v}\n" for k, v in _PUTTY.items()))
    public = folder / f"{key_file(session)}.pub"
    fingerprint = import_public_key(public.read_bytes()).get_fingerprint()

    def argv(port: int) -> list[str]:
        words = [program("plink"), "-load", "recorded", "-ssh", "-batch", "-noagent"]
        words += ["-C"] if session.compression != "none" else []
        words += ["-P", str(port), "-l", "root", "-hostkey", fingerprint]
        return [*words, HOST, "cat"]

    return _client(argv, folder)


def asyncssh_client(
    session: Session, folder: Path
) -> contextlib.AbstractContextManager[SocketWire]:
    """AsyncSSH's client with the algorithms of the session only."""

    def argv(port: int) -> list[str]:
        known = folder / "known_hosts"
        certified = "-cert" in session.host_key
        public = (folder / f"{'authority' if certified else key_file(session)}.pub").read_text()
        marker = "@cert-authority " if certified else ""
        known.write_text(f"{marker}[{HOST}]:{port} {public}")
        words = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_client.py"), "--user", "root"]
        words += ["--host", HOST, "--port", str(port), "--known-hosts", str(known)]
        words += ["--kex", session.kex, "--cipher", session.cipher, "--mac", session.mac]
        words += ["--compression", session.compression]
        words += ["--rekey-bytes", str(1 << 30)]
        return [*words, "--password", "none", "exec", "cat"]

    return _client(argv, folder)


def libssh_client(session: Session, folder: Path) -> contextlib.AbstractContextManager[SocketWire]:
    """libssh's client with the key exchange method of the session only."""

    def argv(port: int) -> list[str]:
        words = [python_with("pylibsshext"), str(SCRIPTS / "libssh_client.py"), "--user", "root"]
        return [*words, "--host", HOST, "--port", str(port), "--kex", session.kex]

    return _client(argv, folder)


def version(peer: str) -> str:
    """What a peer calls itself."""
    commands = {
        "sshd": ["ssh", "-V"],
        "ssh": ["ssh", "-V"],
        "dropbear": ["dropbear", "-V"],
        "dbclient": ["dbclient", "-V"],
        "plink": ["plink", "--version"],
    }
    if peer == "asyncssh":
        command = [python_with(peer), "-c", "import asyncssh; print(asyncssh.__version__)"]
    elif peer in commands:
        name, *words = commands[peer]
        command = [program(name), *words]
    else:
        return peer
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()[0]


PEERS: Mapping[str, Callable[[Session, Path], contextlib.AbstractContextManager[SocketWire]]] = {
    "sshd": sshd,
    "dropbear": dropbear,
    "tinysshd": tinysshd,
    "asyncssh": asyncssh_server,
    "ssh": ssh,
    "dbclient": dbclient,
    "plink": plink,
    "asyncssh-client": asyncssh_client,
    "libssh": libssh_client,
}
"""What holds a session with a peer: context managers of (session, folder)."""
