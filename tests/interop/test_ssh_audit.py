"""What our default lists look like to ssh-audit, in both roles: nothing that we could do without.

Two opinions of it remain, and are named here, so that anything else fails:

* every key exchange without a post-quantum part earns a warning. Ours starts with one; the others
  are there because most servers of today know nothing else.
* NIST curves as host keys. A client has to accept them, as known_hosts files hold them since 2011;
  which keys a server has is up to whoever runs it.

The policy `pq` gives up on the servers of today that these are there for, and earns none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from ssh_keys import SSHKeyPair, SSHLocalKeyPair, generate_private_key
from ssh_keys.algorithms import Status
from ssh_transport import (
    KEX_METHODS,
    DisconnectError,
    Event,
    HostKeyOffered,
    Policy,
    Role,
    TransportConfig,
)
from ssh_transport.aio import AsyncTransport, create_core
from tests.interop.peers.availability import python_with
from tests.interop.peers.credentials import HOST
from tests.interop.peers.process import clean_environment, free_port, run

ED25519 = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
RSA = SSHLocalKeyPair(generate_private_key("ssh-rsa", key_size=3072))

HOST_KEYS = {b"ssh-ed25519": ED25519, b"rsa-sha2-512": RSA, b"rsa-sha2-256": RSA}

NOT_POST_QUANTUM = ["does not provide protection against post-quantum attacks"]


class Owner:
    """Trusts everybody and asks for nothing."""

    def __init__(self, config: TransportConfig) -> None:
        self.transport = AsyncTransport(create_core(config), self)
        self.lost: asyncio.Future[DisconnectError | None] = (
            asyncio.get_running_loop().create_future()
        )

    def on_event(self, event: Event) -> None:
        if isinstance(event, HostKeyOffered):
            self.transport.core.accept_host_key()

    def on_writable(self) -> None:
        """Nothing is waiting to be written."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        self.lost.set_result(exc)


@contextlib.asynccontextmanager
async def server(host_keys: Mapping[bytes, SSHKeyPair], policy: Policy) -> AsyncIterator[int]:
    """A server with the names of a policy, and its port."""
    owners: list[Owner] = []

    def accept() -> AsyncTransport:
        config = TransportConfig(role=Role.SERVER, host_keys=host_keys, policy=policy)
        owners.append(Owner(config))
        return owners[-1].transport

    listener = await asyncio.get_running_loop().create_server(accept, HOST, 0)
    try:
        port: int = listener.sockets[0].getsockname()[1]
        yield port
    finally:
        for owner in owners:
            owner.transport.abort()
        await asyncio.gather(*(owner.lost for owner in owners))
        listener.close()
        await listener.wait_closed()


def audit_command() -> list[str]:
    """How to run ssh-audit."""
    script = "import sys; from ssh_audit.ssh_audit import main; sys.exit(main())"
    return [python_with("ssh_audit"), "-c", script]


def complaints(report: bytes) -> dict[str, list[str]]:
    """The failures and warnings of a report in JSON, by name."""
    found = json.loads(report)
    names = {
        f"{kind} {entry['algorithm']}": entry["notes"].get("fail", [])
        + entry["notes"].get("warn", [])
        for kind in ("kex", "key", "enc", "mac")
        for entry in found[kind]
    }
    return {name: notes for name, notes in names.items() if notes}


def check_key_exchange(found: dict[str, list[str]]) -> None:
    """The one complaint about key exchange is that some methods are of before quantum computers."""
    methods = {name: notes for name, notes in found.items() if name.startswith("kex ")}
    assert all(notes == NOT_POST_QUANTUM for notes in methods.values()), methods
    names = KEX_METHODS.names(Status.DEFAULT)
    modern = {f"kex {name.decode()}" for name in names if not KEX_METHODS[name].post_quantum}
    assert set(methods) == modern
    assert KEX_METHODS[names[0]].post_quantum


async def audit_server(policy: Policy, folder: Path) -> bytes:
    """The report about our server, in JSON."""
    async with server(HOST_KEYS, policy) as port:
        command = [*audit_command(), "-j", "--skip-rate-test", "-p", str(port), HOST]
        return (await run(command, clean_environment(folder))).stdout


async def audit_client(policy: Policy, folder: Path) -> bytes:
    """The report about our client, in JSON."""
    port = free_port()
    command = [*audit_command(), "-c", "-j", "-p", str(port), "-t", "30"]
    audit = asyncio.create_task(run(command, clean_environment(folder)))
    owner = Owner(TransportConfig(role=Role.CLIENT, policy=policy))
    while not audit.done():
        try:
            await asyncio.get_running_loop().create_connection(lambda: owner.transport, HOST, port)
        except OSError:
            await asyncio.sleep(0.05)  # it takes a while to listen, and says nothing when it does
        else:
            break
    done = await audit
    owner.transport.abort()
    return done.stdout


async def test_server(tmp_path: Path) -> None:
    report = await audit_server(Policy.named("modern"), tmp_path)
    found = complaints(report)
    check_key_exchange(found)
    assert not [name for name in found if not name.startswith("kex ")], found
    names = {entry["algorithm"] for entry in json.loads(report)["key"]}
    assert names == {name.decode() for name in HOST_KEYS}
    assert json.loads(report)["cves"] == []


async def test_client(tmp_path: Path) -> None:
    found = complaints(await audit_client(Policy.named("modern"), tmp_path))
    check_key_exchange(found)
    others = [name for name in found if not name.startswith("kex ")]
    assert all("ecdsa-sha2-nistp" in name for name in others), found


async def test_server_with_post_quantum_policy(tmp_path: Path) -> None:
    report = await audit_server(Policy.named("pq"), tmp_path)
    assert json.loads(report)["kex"][0]["algorithm"] == "mlkem768x25519-sha256"
    assert complaints(report) == {}


async def test_client_with_post_quantum_policy(tmp_path: Path) -> None:
    report = await audit_client(Policy.named("pq"), tmp_path)
    assert json.loads(report)["kex"][0]["algorithm"] == "mlkem768x25519-sha256"
    assert complaints(report) == {}
