"""One function per parser: bytes in, nothing but documented errors out.

Each is a whole target for a coverage-guided fuzzer (`python -m tests.fuzz NAME`), and runs over its
corpus in every test run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise

import ssh_connection.messages.connection as connection_messages
import ssh_connection.messages.gssapi as gssapi_messages
import ssh_connection.messages.userauth as userauth_messages
import ssh_transport.kex.messages as kex_messages
import ssh_transport.messages as transport_messages
from ssh_connection.socks.handshake import MAX_FIELD, SocksError, SocksHandshake
from ssh_connection.tuntap.framing import TunnelMode, packet_start, to_wire
from ssh_keys import SSHLocalKeyPair, import_private_key
from ssh_keys.wire import Message, PacketDecodeError, encode_uint32
from ssh_transport import (
    CIPHERS,
    KEX_METHODS,
    MACS,
    AlgorithmNegotiationError,
    CompressionError,
    Disconnected,
    DisconnectError,
    HostKeyOffered,
    KexCompleted,
    KeyExchangeFailed,
    MACError,
    ProtocolError,
    ProtocolNotSupported,
    Role,
    ServiceRequested,
    TransportConfig,
    TransportCore,
    explain,
)
from ssh_transport.compression import ZlibCompressor, ZlibDecompressor
from ssh_transport.identification import Identification
from ssh_transport.messages import KexInit
from ssh_transport.negotiation import decode_kexinit, guess_is_right, negotiate, our_offer
from ssh_transport.packet import MAX_PAYLOAD, PacketReader
from ssh_transport.packet_writer import PacketWriter
from ssh_transport.protocols import KexAlgorithm, KexContext, KexStep
from tests.fuzz.configuration import client_configuration, server_configuration
from tests.recorded.session import fixed_rsa_key
from tests.transport.gss_mechanism import SharedKeyContext
from tests.transport.kex_driver import exchange_hash

_KEY = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/
-----END PRIVATE KEY-----
"""


class Repeatable:
    """Randomness that is the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(encode_uint32(self._count)).digest(size)


@cache
def _host_key() -> SSHLocalKeyPair:
    return SSHLocalKeyPair(import_private_key(_KEY))


def _config(role: Role) -> TransportConfig:
    keys = {b"ssh-ed25519": _host_key()} if role is Role.SERVER else {}
    return TransportConfig(role=role, host_keys=keys)


def _core(role: Role) -> TransportCore:
    return TransportCore(_config(role), random=Repeatable(), clock=lambda: 0.0)


def _check_text(text: str) -> None:
    assert text.isprintable()


def _check_reason(error: DisconnectError) -> None:
    _check_text(error.reason)


def _check_end(core: TransportCore) -> None:
    """A core that is closed says why, once, with a reason that is safe to print."""
    ends = [event for event in core.drain_events() if isinstance(event, Disconnected)]
    assert len(ends) == core.closed
    for end in ends:
        assert isinstance(end.error, DisconnectError)
        _check_reason(end.error)


def _role(data: bytes) -> Role:
    return Role.SERVER if data[:1] >= b"\x80" else Role.CLIENT


def identification(data: bytes) -> None:
    """Lines in front of the first packet: any pieces give the same result."""
    role, text = _role(data), data[1:]
    results = []
    for size in (len(text) or 1, 1 + data[0] % 7 if data else 1):
        parser = Identification(role)
        buffer, start = bytearray(), 0
        try:
            for place in range(0, len(text), size):
                buffer += text[place : place + size]
                start = parser.feed(buffer, start, len(buffer))
                assert start <= len(buffer)
                if parser.version:
                    break
            results.append((parser.version, ""))
        except (ProtocolError, ProtocolNotSupported) as exc:
            _check_reason(exc)
            results.append((b"", type(exc).__name__))
    whole, pieces = results
    assert whole[0] == pieces[0] or pieces[1] or whole[1]


def clear_packets(data: bytes) -> None:
    """Packets before the first keys, at a core of either role."""
    core = _core(_role(data))
    core.start()
    core.feed(b"SSH-2.0-fuzz\r\n")
    core.feed(data[1:])
    _check_end(core)


def clear_payloads(data: bytes) -> None:
    """Well-formed packets before the first keys: payloads of 16-bit length, one behind another."""
    core = _core(_role(data))
    core.start()
    core.feed(b"SSH-2.0-fuzz\r\n")
    writer = PacketWriter(Repeatable())
    for payload in _payloads(data[1:]):
        writer.write(payload)
    core.feed(bytes(writer.output()))
    _check_end(core)


def _payloads(data: bytes) -> Iterator[bytes]:
    while len(data) > 2:
        size = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + size] or b"\0"
        data = data[2 + size :]


def encrypted_packets(data: bytes) -> None:
    """Bytes under keys that nobody else has: no cipher may take any of them for a packet."""
    rows = list(CIPHERS)
    row = rows[data[0] % len(rows)] if data else rows[0]
    macs = [mac for mac in MACS if mac.available()]
    mac = None if row.tag_size else macs[(data[1] if len(data) > 1 else 0) % len(macs)]
    random = Repeatable()
    opener = row.opener(
        random(row.key_size), random(row.iv_size), random(mac.key_size if mac else 0), mac
    )
    reader = PacketReader()
    reader.set_handlers(bytes(256), [_nobody])
    reader.set_opener(opener, reset_sequence=True)
    view = reader.get_buffer()
    body = data[2 : 2 + len(view)]
    view[: len(body)] = body
    reader.add(len(body))
    try:
        reader.process()
    except MACError:
        pass


def _nobody(packet: bytes, start: int, end: int) -> None:
    raise AssertionError("a packet was made up")


def kexinit(data: bytes) -> None:
    """SSH_MSG_KEXINIT, the negotiation with it, and its explanation, in both roles."""
    try:
        theirs = decode_kexinit(data, 0, len(data)).init
    except (PacketDecodeError, ProtocolError):
        return
    for role in Role:
        config = _config(role)
        ours = our_offer(config, config.host_key_algorithms, first=True).init
        explanation = explain(role, ours, theirs)
        assert str(explanation).replace("\n", "").isprintable()
        guess_is_right(ours, theirs)
        try:
            algorithms = negotiate(role, ours, theirs)
        except AlgorithmNegotiationError as exc:
            _check_reason(exc)
            failed: list[str] = [exc.kind]
        else:
            failed = []
            assert explanation["key exchange method"].chosen == algorithms.kex
        assert [choice.kind for choice in explanation.failed][:1] == failed


def _declared() -> list[type[Message]]:
    modules = (
        transport_messages,
        kex_messages,
        userauth_messages,
        gssapi_messages,
        connection_messages,
    )
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Message) and value is not Message
    }
    return sorted(found - {KexInit}, key=lambda cls: (cls.__module__, cls.__name__))


MESSAGES = _declared()


def _message(declaration: type[Message], data: bytes) -> None:
    """A declared message: what decodes, encodes to the same message."""
    try:
        decoded = declaration.decode(data)
    except PacketDecodeError as exc:
        _check_text(str(exc))
        return
    _check_text(repr(decoded))
    # Not to the same bytes: an mpint may have come with more zeros than it needs.
    again = declaration.decode(decoded.encode(), 1 if declaration.number >= 0 else 0)
    assert again == decoded


def ext_info(data: bytes) -> None:
    """SSH_MSG_EXT_INFO."""
    try:
        extensions = transport_messages.decode_ext_info(data, 0, len(data))
    except PacketDecodeError:
        return
    assert transport_messages.encode_ext_info(extensions)[1:] == data


#: Over a small mechanism; the other groups are in use without GSS-API.
_GSS_FAMILIES = (b"gss-curve25519-", b"gss-nistp256-", b"gss-group14-sha256-", b"gss-gex-sha256-")
KEX_ROWS = [
    row
    for row in KEX_METHODS
    if not row.name.startswith(b"gss-") or row.name.startswith(_GSS_FAMILIES)
]
KEX_HOST_KEY = b"host key"


def kex_complete(row: KexAlgorithm, data: bytes) -> bool:
    """Give a method the peer's messages; the first byte is the role. Returns whether it ended well.

    A message starts with its number; one that is not expected there becomes one that is.
    """
    role = _role(data)
    context = KexContext(role, row.hash_name, Repeatable(), host_key=KEX_HOST_KEY)
    context.gss = lambda: SharedKeyContext(role is Role.CLIENT)
    with fixed_rsa_key(row.name.decode()):
        run = row.client(context) if role is Role.CLIENT else row.server(context)
        wanted = next(run)
    try:
        for payload in _payloads(data[1:]):
            assert isinstance(wanted, KexStep)
            if wanted.expect is None:
                break
            numbers = (wanted.expect, *wanted.or_expect)
            if payload[0] not in numbers:
                payload = bytes([numbers[payload[0] % len(numbers)]]) + payload[1:]
            wanted = run.send(payload)
            if not isinstance(wanted, KexStep):
                known = wanted.host_key if role is Role.CLIENT else KEX_HOST_KEY
                digest = exchange_hash(row.hash_name, wanted, known)
                wanted = run.send(digest)
        assert isinstance(wanted, KexStep)
        if wanted.failure is not None:
            raise wanted.failure
        return wanted.expect is None
    except (KeyExchangeFailed, ProtocolError) as exc:
        _check_reason(exc)
        return False
    finally:
        run.close()


def _kex_method(row: KexAlgorithm, data: bytes) -> None:
    """The peer's messages of a key exchange method, in both roles."""
    kex_complete(row, data)


def decompression(data: bytes) -> None:
    """Compressed payloads of one connection, behind a good one."""
    stream = ZlibDecompressor()
    good = ZlibCompressor().compress(b"a good payload")
    assert stream.decompress(good, MAX_PAYLOAD) == b"a good payload"
    try:
        for payload in _payloads(data):
            assert len(stream.decompress(payload, 4096)) <= 4096
    except CompressionError:
        pass


def connected(data: bytes) -> None:
    """Payloads under good keys, in every phase from the service request on."""
    role, text = _role(data), data[1:]
    cores = {each: _core(each) for each in Role}
    victim = cores[role]
    sender = cores[Role.SERVER if role is Role.CLIENT else Role.CLIENT]
    for core in cores.values():
        core.start()
    for _ in range(4):
        for one, other in pairwise((*cores.values(), cores[Role.CLIENT])):
            other.feed(one.take_output())
            for event in other.drain_events():
                if isinstance(event, HostKeyOffered):
                    other.accept_host_key()
                elif isinstance(event, KexCompleted) and other.role is Role.CLIENT:
                    other.request_service(b"ssh-userauth")
                elif isinstance(event, ServiceRequested):
                    other.accept_service(event.name)
    if text[:1] >= b"\x80":
        victim.authenticated()
    victim.set_handlers(dict.fromkeys(range(50, 128), _taken), (94, _taken_run))
    for payload in _payloads(text[1:]):
        sender.writer.write(payload)
    victim.feed(sender.take_output())
    if victim.input_full or victim.output_size > 1 << 24:
        raise AssertionError("a queue without a bound")
    _check_end(victim)


def _taken(packet: bytes, start: int, end: int) -> None:
    assert 0 < start <= end <= len(packet)


def _taken_run(packets: list[bytes]) -> None:
    assert packets
    for packet in packets:
        assert packet[1] == 94
        assert 2 <= len(packet) - packet[0] <= len(packet)


def socks(data: bytes) -> None:
    """What a SOCKS client says: in any pieces it means the same."""
    results = []
    for size in (len(data) or 1, 1):
        handshake, request = SocksHandshake(), None
        said, taken = b"", 0
        try:
            while request is None and taken < len(data):
                request = handshake.feed(data[taken : taken + size])
                taken += size
            said = handshake.output
            behind = handshake.rest() + data[taken:]
        except SocksError as exc:
            _check_text(str(exc))
            said, behind = handshake.output + exc.reply, b"refused"
        assert len(said) <= 12
        if request is None:
            assert len(behind) < 8 + 2 * (MAX_FIELD + 1)
        else:
            assert request.host.isprintable()
            behind = b"ok" + behind
        results.append((request, said, behind))
    assert results[0] == results[1]


def tunnel(data: bytes) -> None:
    """A message of a tunnel: what is a packet or a frame makes the same message."""
    for mode in TunnelMode:
        try:
            start = packet_start(mode, data, 0, len(data))
        except ProtocolError as exc:
            _check_reason(exc)
        else:
            assert to_wire(mode, data[start:]) == data


Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        identification,
        clear_packets,
        clear_payloads,
        encrypted_packets,
        kexinit,
        ext_info,
        decompression,
        connected,
        client_configuration,
        server_configuration,
        socks,
        tunnel,
    )
}
TARGETS |= {f"message/{each.__name__}": partial(_message, each) for each in MESSAGES}
TARGETS |= {f"kex/{row.name.decode()}": partial(_kex_method, row) for row in KEX_ROWS}
"""Every target by name."""
