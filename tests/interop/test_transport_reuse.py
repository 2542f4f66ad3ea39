"""The core with sshd as a child process: no port, no network, only pipes."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from ssh_transport import (
    DisconnectError,
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceAccepted,
    TransportConfig,
)
from ssh_transport.aio import AsyncTransport, create_core
from ssh_transport.command import connect_command
from tests.interop.peers.availability import program
from tests.recorded.peers import prepare_folder, sshd_config, sshd_inetd


class Owner:
    """Asks for user authentication, and that is all."""

    def __init__(self) -> None:
        core = create_core(TransportConfig(role=Role.CLIENT), tunnelled=True)
        self.transport = AsyncTransport(core, self)
        self.accepted = asyncio.Event()
        self.blobs: list[bytes] = []
        self.lost: asyncio.Future[DisconnectError | None] = (
            asyncio.get_running_loop().create_future()
        )

    def on_event(self, event: Event) -> None:
        core = self.transport.core
        if isinstance(event, HostKeyOffered):
            self.blobs.append(event.blob)
            core.accept_host_key()
        elif isinstance(event, KexCompleted):
            core.request_service(b"ssh-userauth")
        elif isinstance(event, ServiceAccepted):
            self.accepted.set()

    def on_writable(self) -> None:
        """Nothing is waiting to be written."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        self.lost.set_result(exc)


@pytest.mark.parametrize("proxy", ["sshd", "socat"])
async def test_sshd_as_a_child(tmp_path: Path, proxy: str) -> None:
    command = sshd_inetd(sshd_config(prepare_folder(tmp_path), {}))
    if proxy == "socat":
        # As a proxy command would: pipes in between, and a process that is not ours.
        command = [program("socat"), "-", f"EXEC:{' '.join(command)}"]
    owner = Owner()
    await connect_command(owner.transport, command)
    await asyncio.wait_for(owner.accepted.wait(), 20)
    key = (tmp_path / "ssh-ed25519.pub").read_text().split()[1]
    assert [base64.b64encode(blob).decode() for blob in owner.blobs] == [key]
    owner.transport.close()
    assert await asyncio.wait_for(owner.lost, 5) is None
