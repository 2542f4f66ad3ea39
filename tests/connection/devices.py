"""What stands for network devices where a test needs no real ones, which need a privilege."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import pytest

from ssh_connection.tuntap import TunnelMode, relay


@contextmanager
def stand_ins() -> Iterator[list[socket.socket]]:
    """Open a pair of sockets for each device; the block gets their other ends, the networks."""
    networks: list[socket.socket] = []

    def open_device(mode: TunnelMode, unit: int | None) -> tuple[FileIO, str]:
        device, network = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        device.setblocking(False)
        network.setblocking(False)
        networks.append(network)
        return FileIO(device.detach(), "r+"), f"{mode.device}{len(networks)}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "open_device", open_device)
        try:
            yield networks
        finally:
            for network in networks:
                network.close()
