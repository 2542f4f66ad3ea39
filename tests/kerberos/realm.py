"""A Kerberos realm on loopback: one KDC, a user and the key of a host, all in one folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path

REALM = "SSH.TEST"
HOST = "localhost"
USER = getuser()

_PATH = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"

_KRB5_CONF = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
"""

_KDC_CONF = """
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = "127.0.0.1:{port}"
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        max_life = 1h
    }}
[logging]
    kdc = FILE:{folder}/kdc.log
    default = FILE:{folder}/krb5.log
"""


def missing() -> str:
    """What a realm needs and is not installed, or an empty string."""
    programs = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
    absent = [name for name in programs if not shutil.which(name, path=_PATH)]
    if find_spec("gssapi") is None:
        absent.append("the gssapi package")
    return ", ".join(absent)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Realm:
    """Paths and environment of a running realm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.keytab = folder / "host.keytab"
        self.ccache = folder / "ccache"
        self.environment = {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.ccache}",
            "KRB5_KTNAME": f"FILE:{self.keytab}",
            "KRB5RCACHETYPE": "none",
        }

    def _run(self, *arguments: str, text: str | None = None) -> None:
        subprocess.run(
            arguments,
            env={**os.environ, **self.environment, "PATH": _PATH},
            input=text,
            text=True,
            check=True,
            capture_output=True,
            timeout=30,
        )

    def create(self) -> None:
        """Write the configuration and make the principals."""
        values = {"realm": REALM, "folder": self.folder, "port": self.port}
        (self.folder / "krb5.conf").write_text(_KRB5_CONF.format(**values))
        (self.folder / "kdc.conf").write_text(_KDC_CONF.format(**values))
        master, password = secrets.token_hex(16), secrets.token_hex(16)
        self._run("kdb5_util", "create", "-s", "-W", "-r", REALM, "-P", master)
        self._run("kadmin.local", "addprinc", "-pw", password, USER)
        self._run("kadmin.local", "addprinc", "-randkey", f"host/{HOST}")
        self._run("kadmin.local", "ktadd", "-k", str(self.keytab), f"host/{HOST}")
        self.password = password

    def add_service(self, service: str, keytab: Path) -> None:
        """Make a service of this host, and write its key to a file of its own."""
        self._run("kadmin.local", "addprinc", "-randkey", f"{service}/{HOST}")
        self._run("kadmin.local", "ktadd", "-k", str(keytab), f"{service}/{HOST}")

    def log_in(self) -> None:
        """Get a forwardable ticket for the user."""
        self._run("kinit", "-f", USER, text=self.password + "\n")


@contextmanager
def running_realm(folder: Path) -> Iterator[Realm]:
    """Run a KDC and log the user in, with the environment set for this process too."""
    realm = Realm(folder)
    realm.create()
    environment = {**os.environ, **realm.environment, "PATH": _PATH}
    kdc = subprocess.Popen(
        ["krb5kdc", "-n"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    saved = {name: os.environ.get(name) for name in realm.environment}
    os.environ.update(realm.environment)
    try:
        _wait_for(realm.port, kdc)
        realm.log_in()
        yield realm
    finally:
        kdc.terminate()
        kdc.wait(10)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise RuntimeError("the KDC does not listen")
