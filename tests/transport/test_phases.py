"""Each of 256 message numbers, in each phase and role: legal, UNIMPLEMENTED, or the end."""

from __future__ import annotations

import pytest

from ssh_transport import (
    Disconnected,
    MessageOrderError,
    Phase,
    ProtocolError,
    Role,
    ServiceNotAvailable,
)
from ssh_transport.phases import KNOWN, LEGAL

from .pair import Pair, connected

NUMBERS = range(256)


def in_phase(phase: Phase) -> Pair:
    if phase is Phase.CONNECTION:
        return connected()
    pair = Pair()
    pair.auto = phase is Phase.USERAUTH
    pair.start()
    if phase is Phase.SERVICE:
        pair.client.accept_host_key()
        pair.pump()
    return pair


@pytest.mark.parametrize("phase", [Phase.SERVICE, Phase.USERAUTH, Phase.CONNECTION])
@pytest.mark.parametrize("role", list(Role))
def test_every_number_in_every_encrypted_phase(role: Role, phase: Phase) -> None:
    for number in NUMBERS:
        pair = in_phase(phase)
        receiver = pair.client if role is Role.CLIENT else pair.server
        sender = pair.peer(receiver)
        assert receiver.phase is phase
        legal = number in LEGAL[role][phase]
        called: list[int] = []

        def service(packet: bytes, start: int, end: int, into: list[int] = called) -> None:
            into.append(packet[start - 1])

        receiver.set_handlers(dict.fromkeys(range(50, 128), service))
        sender.writer.write(bytes([number]) + b"\0\0\0\0")
        pair.auto = False
        receiver.feed(sender.take_output())
        if number not in KNOWN:
            assert not receiver.closed
            assert receiver.output_size > 0, "SSH_MSG_UNIMPLEMENTED was expected"
        elif not legal:
            (event,) = [e for e in receiver.drain_events() if isinstance(e, Disconnected)]
            assert isinstance(event.error, MessageOrderError), number
            assert f"message {number} " in event.error.reason
        elif 50 <= number < 128:
            assert called == [number]
        else:
            # The fields are nonsense for most of them: then it is a protocol error.
            errors = [e for e in receiver.drain_events() if isinstance(e, Disconnected)]
            assert all(
                e.by_peer or isinstance(e.error, (ProtocolError, ServiceNotAvailable))
                for e in errors
            )


@pytest.mark.parametrize("role", list(Role))
def test_in_strict_first_key_exchange_everything_else_ends_the_connection(role: Role) -> None:
    for number in NUMBERS:
        pair = Pair()
        pair.client.start()
        pair.server.start()
        receiver = pair.client if role is Role.CLIENT else pair.server
        sender = pair.peer(receiver)
        receiver.feed(sender.take_output())
        if number in LEGAL[role][Phase.STRICT_KEX]:
            continue
        sender.writer.write(bytes([number]) + b"\0\0\0\0")
        receiver.feed(sender.take_output())
        (event,) = [e for e in receiver.drain_events() if isinstance(e, Disconnected)]
        assert isinstance(event.error, MessageOrderError), number


def test_a_packet_before_kexinit_is_found_out_when_kexinit_says_strict() -> None:
    pair = Pair()
    pair.client.writer.write_raw(pair.client.config.version + b"\r\n")
    pair.client.writer.write(b"\x02\0\0\0\0")
    pair.client._epochs.kex.start()
    pair.server.start()
    pair.pump()
    (event,) = pair.of_type(Role.SERVER, Disconnected)
    assert isinstance(event.error, MessageOrderError)


def test_service_without_a_handler_is_out_of_order() -> None:
    pair = connected()
    pair.server.set_handlers({})
    pair.client.send(b"\x5e\0\0\0\0")
    pair.pump()
    (event,) = pair.of_type(Role.SERVER, Disconnected)
    assert isinstance(event.error, MessageOrderError)


def test_late_userauth_request_is_dropped_by_the_server() -> None:
    pair = connected()
    pair.server.set_handlers({})
    pair.client.send(b"\x32whatever")
    pair.pump()
    assert not pair.server.closed
