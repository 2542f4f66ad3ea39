"""Peers that do as they please, for tests of what our side makes of it.

* `Victim`: one of our cores in memory, on a fake clock, with everything that it said.
* `ClearPeer`: builds packets by hand before keys exist; knows nothing but the framing.
* `Puppet`: one of our cores that got through a key exchange honestly and then sends, under the
  negotiated keys, whatever the test tells it to, with no rule about phases.
* `Link`: an honest pair with somebody in the middle who sees and changes the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from ssh_keys import SSHKey, SSHLocalKeyPair, generate_private_key
from ssh_keys.wire import Reader, encode_boolean, encode_name_list, encode_string, encode_uint32
from ssh_transport import (
    Disconnected,
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceRequested,
    TransportConfig,
    TransportCore,
)

HOST_KEY = generate_private_key("ssh-ed25519")
VERSION = b"SSH-2.0-raw_peer"

#: Fast methods of each kind; the defaults are used where a test does not care.
FAST: dict[str, tuple[bytes, ...]] = {
    "kex_algorithms": (b"curve25519-sha256",),
    "ciphers": (b"aes128-gcm@openssh.com",),
    "compressions": (b"none",),
}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def server_config(host_key: SSHKey = HOST_KEY, **changes: tuple[bytes, ...]) -> TransportConfig:
    """A server's configuration."""
    pair = SSHLocalKeyPair(host_key)
    algorithms = {**FAST, **changes}
    return TransportConfig(
        role=Role.SERVER,
        host_keys=dict.fromkeys(pair.host_key_algorithms, pair),
        **algorithms,  # type: ignore[arg-type]
    )


def client_config(**changes: tuple[bytes, ...]) -> TransportConfig:
    """A client's configuration."""
    return TransportConfig(role=Role.CLIENT, **{**FAST, **changes})  # type: ignore[arg-type]


class Victim:
    """One of our cores, with what it reported and what its peer may register on top of it.

    Parameters:
        settings: configuration of the core.
        seed: of its random bytes, so that two runs send the same.
    """

    def __init__(self, settings: TransportConfig, seed: int = 1) -> None:
        self.clock = Clock()
        self.core = TransportCore(settings, random=Random(seed).randbytes, clock=self.clock)
        self.events: list[Event] = []
        self.messages: list[bytes] = []
        self.accept_host_key = True
        self.accept_service = True
        self.core.start()

    def feed(self, data: bytes) -> None:
        """Receive bytes and answer the questions of the core as an honest owner does."""
        core = self.core
        if not core.closed:
            core.feed(data)
        while events := core.drain_events():
            self.events += events
            for event in events:
                if core.closed:
                    continue
                if isinstance(event, HostKeyOffered) and self.accept_host_key:
                    core.accept_host_key()
                elif isinstance(event, ServiceRequested) and self.accept_service:
                    core.accept_service(event.name)

    def listen(self, numbers: Sequence[int]) -> None:
        """Collect messages of these numbers, as a service on top of the transport would."""

        def handler(packet: bytes, start: int, end: int) -> None:
            self.messages.append(packet[start - 1 : end])

        self.core.set_handlers(dict.fromkeys(numbers, handler))

    @property
    def ended(self) -> Disconnected | None:
        """How the connection ended; None while it lives."""
        found = [event for event in self.events if isinstance(event, Disconnected)]
        assert len(found) <= 1, found
        return found[0] if found else None

    def expect_end(self) -> Disconnected:
        """Return how the connection ended, which it must have."""
        ended = self.ended
        assert ended is not None, self.events
        assert self.core.closed
        return ended

    @property
    def kex_count(self) -> int:
        """Key exchanges that were completed."""
        return sum(isinstance(event, KexCompleted) for event in self.events)


# --- Before there are keys -------------------------------------------------------------------


def clear_packet(payload: bytes, padding: int | None = None) -> bytes:
    """A packet without encryption (RFC 4253 section 6)."""
    if padding is None:
        padding = 8 - (5 + len(payload)) % 8
        padding += 8 if padding < 4 else 0
    return encode_uint32(1 + len(payload) + padding) + bytes((padding,)) + payload + bytes(padding)


def clear_payloads(stream: bytes) -> Iterator[bytes]:
    """The payloads of packets without encryption."""
    while stream:
        length = int.from_bytes(stream[:4], "big")
        yield stream[5 : 4 + length - stream[4]]
        stream = stream[4 + length :]


def kexinit(
    kex: Sequence[bytes] = (b"curve25519-sha256",),
    host_key: Sequence[bytes] = (b"ssh-ed25519",),
    ciphers: Sequence[bytes] = (b"aes128-gcm@openssh.com",),
    macs: Sequence[bytes] = (b"hmac-sha2-256",),
    compressions: Sequence[bytes] = (b"none",),
    *,
    follows: bool = False,
) -> bytes:
    """A KEXINIT payload with the same names in both directions."""
    lists = (kex, host_key, ciphers, ciphers, macs, macs, compressions, compressions, (), ())
    return (
        b"\x14"
        + bytes(16)
        + b"".join(encode_name_list(names) for names in lists)
        + encode_boolean(follows)
        + encode_uint32(0)
    )


STRICT = {
    Role.CLIENT: b"kex-strict-c-v00@openssh.com",
    Role.SERVER: b"kex-strict-s-v00@openssh.com",
}


class ClearPeer:
    """Talks to a victim by hand as far as the key exchange.

    Parameters:
        victim: its role is the other one of this peer's.
    """

    def __init__(self, victim: Victim) -> None:
        self.victim = victim
        output = victim.core.take_output()
        version, _, rest = output.partition(b"\r\n")
        self.victim_version = version
        self.said = list(clear_payloads(rest))

    def send_version(self, version: bytes = VERSION) -> None:
        """Send the identification string."""
        self.send_raw(version + b"\r\n")

    def send(self, *payloads: bytes) -> None:
        """Send payloads without encryption."""
        for payload in payloads:
            self.send_raw(clear_packet(payload))

    def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        self.victim.feed(data)

    def listen(self) -> list[bytes]:
        """Return the payloads that the victim has sent since the last call."""
        new = list(clear_payloads(self.victim.core.take_output()))
        self.said += new
        return new

    def strict_marker(self) -> bytes:
        """The name in kex_algorithms by which this peer asks for strict key exchange."""
        return STRICT[Role.SERVER if self.victim.core.role is Role.CLIENT else Role.CLIENT]


def kex_reply(
    q_s: bytes, *, host_key: bytes = HOST_KEY.public_data, signature: bytes | None = None
) -> bytes:
    """SSH_MSG_KEX_ECDH_REPLY with a signature that is well formed and wrong."""
    if signature is None:
        signature = encode_string(b"ssh-ed25519") + encode_string(bytes(64))
    return b"\x1f" + encode_string(host_key) + encode_string(q_s) + encode_string(signature)


def kex_init(q_c: bytes) -> bytes:
    """SSH_MSG_KEX_ECDH_INIT."""
    return b"\x1e" + encode_string(q_c)


def disconnect_message(payload: bytes) -> tuple[int, str]:
    """Code and text of an SSH_MSG_DISCONNECT."""
    reader = Reader(payload, 1)
    assert payload[0] == 1, payload[:1]
    return reader.uint32(), reader.string().decode()


# --- Under keys ------------------------------------------------------------------------------


class Puppet(Victim):
    """A core that was honest until now and sends what it is told under its keys."""

    def inject(self, payload: bytes) -> None:
        """Send a payload whatever the phase or state."""
        self.core.writer.write(payload)

    def listen_to_everything(self) -> None:
        """Collect every message but the key exchange's own, whatever the phase."""

        def handler(packet: bytes, start: int, end: int) -> None:
            self.messages.append(packet[start - 1 : end])

        reader = self.core._reader
        slots, handlers = bytearray(reader._slots), [*reader._handlers, handler]
        for number in (*range(1, 20), *range(50, 256)):
            slots[number] = len(handlers) - 1
        reader.set_handlers(bytes(slots), handlers)


Change = Callable[[bytes], bytes]


def unchanged(data: bytes) -> bytes:
    """What a wire does."""
    return data


class Link:
    """Two cores and the wire between them.

    Parameters:
        client, server: configurations; the defaults are the fast methods.
        to_server, to_client: what somebody in the middle makes of the bytes of each direction.
    """

    def __init__(
        self,
        client: TransportConfig | None = None,
        server: TransportConfig | None = None,
        *,
        to_server: Change = unchanged,
        to_client: Change = unchanged,
    ) -> None:
        self.client = Puppet(client or client_config(), seed=1)
        self.server = Puppet(server or server_config(), seed=2)
        self.to_server = to_server
        self.to_client = to_client

    def run(self) -> None:
        """Carry bytes until nobody has any more to send."""
        for _ in range(1000):
            forward = self.client.core.take_output()
            backward = self.server.core.take_output()
            if not forward and not backward:
                return
            if forward:
                self.server.feed(self.to_server(forward))
            if backward:
                self.client.feed(self.to_client(backward))
        raise AssertionError("the two never stop talking")

    def close(self) -> None:
        """The wire is cut: both sides see the end of the stream."""
        for side in (self.client, self.server):
            if not side.core.closed:
                side.core.eof_received()
                side.feed(b"")


def connected(client: TransportConfig | None = None, server: TransportConfig | None = None) -> Link:
    """A pair behind its first key exchange."""
    link = Link(client, server)
    link.run()
    assert link.client.kex_count == link.server.kex_count == 1
    assert link.client.core.strict_kex
    return link


def in_userauth(
    client: TransportConfig | None = None, server: TransportConfig | None = None
) -> Link:
    """A pair whose server has accepted the service ssh-userauth."""
    link = connected(client, server)
    link.client.core.request_service(b"ssh-userauth")
    link.run()
    return link


def in_connection(
    client: TransportConfig | None = None, server: TransportConfig | None = None
) -> Link:
    """A pair in the connection phase, with messages collected on both sides."""
    link = in_userauth(client, server)
    for side in (link.client, link.server):
        side.core.authenticated()
        side.listen(range(80, 128))
    link.run()
    return link
