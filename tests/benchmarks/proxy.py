"""A slow or frozen network: a TCP proxy on loopback that limits one direction."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

#: Bytes of buffer in the kernel, and the size of one read.
BUFFER = 1 << 16


@contextlib.contextmanager
def throttled(
    target: int, *, to_server: float = 0, to_client: float = 0, freeze_after: int = 0
) -> Iterator[int]:
    """Forward connections to a port of loopback; give the port to connect to.

    Args:
        target: the port of the server.
        to_server: bytes per second towards the server; 0 means without a limit.
        to_client: the same towards the client.
        freeze_after: stop reading from the server for good after so many bytes; 0 means never.
    """
    stop = threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        thread = threading.Thread(
            target=_accept, args=(listener, target, to_server, to_client, freeze_after, stop)
        )
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def _accept(
    listener: socket.socket,
    target: int,
    to_server: float,
    to_client: float,
    freeze_after: int,
    stop: threading.Event,
) -> None:
    threads: list[threading.Thread] = []
    sockets: list[socket.socket] = []
    while not stop.is_set():
        try:
            near, _ = listener.accept()
        except TimeoutError:
            continue
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        far.connect(("127.0.0.1", target))
        sockets += [near, far]
        for arguments in (
            (near, far, to_server, 0, stop),
            (far, near, to_client, freeze_after, stop),
        ):
            threads.append(threading.Thread(target=_pump, args=arguments))
            threads[-1].start()
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for pump in threads:
        pump.join()
    for each in sockets:
        each.close()


def _pump(
    source: socket.socket,
    sink: socket.socket,
    rate: float,
    freeze_after: int,
    stop: threading.Event,
) -> None:
    """Move bytes one way until the connection ends."""
    moved = 0
    started = time.monotonic()
    with contextlib.suppress(OSError):
        while data := source.recv(BUFFER):
            sink.sendall(data)
            moved += len(data)
            if freeze_after and moved >= freeze_after:
                stop.wait()
                return
            if rate:
                stop.wait(max(0.0, started + moved / rate - time.monotonic()))
        sink.shutdown(socket.SHUT_WR)
