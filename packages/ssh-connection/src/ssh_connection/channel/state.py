"""Which message is legal in which state of a channel: data only.

A channel is two halves, one per direction, and both follow the same table: one half is what the
peer sends (it is checked against the table when something arrives), the other is what we send (it
is checked before anything leaves). What is absent from the table is a protocol error of the peer,
or a broken pipe for the local application.

RFC 4254 section 5.3: behind EOF only data is forbidden, requests and window adjustments go on
(exit-status normally comes after EOF); behind CLOSE nothing may be sent. The channel number is free
once both halves are closed, so messages that cross our CLOSE are still matched to the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from ..constants import (
    SSH_MSG_CHANNEL_CLOSE,
    SSH_MSG_CHANNEL_DATA,
    SSH_MSG_CHANNEL_EOF,
    SSH_MSG_CHANNEL_EXTENDED_DATA,
    SSH_MSG_CHANNEL_FAILURE,
    SSH_MSG_CHANNEL_OPEN_CONFIRMATION,
    SSH_MSG_CHANNEL_OPEN_FAILURE,
    SSH_MSG_CHANNEL_REQUEST,
    SSH_MSG_CHANNEL_SUCCESS,
    SSH_MSG_CHANNEL_WINDOW_ADJUST,
)

__all__ = ["HALF_TRANSITIONS", "MESSAGE_NAMES", "HalfState", "next_state"]


class HalfState(IntEnum):
    """State of one direction of a channel."""

    OPENING = 0
    """CHANNEL_OPEN was sent and not answered yet."""
    OPEN = 1
    """Data may flow."""
    EOF = 2
    """CHANNEL_EOF went this way: no more data, but requests."""
    CLOSED = 3
    """CHANNEL_CLOSE went this way: nothing more."""


_OPENING, _OPEN, _EOF, _CLOSED = HalfState

HALF_TRANSITIONS: Final[Mapping[HalfState, Mapping[int, HalfState]]] = MappingProxyType(
    {
        _OPENING: MappingProxyType(
            {
                SSH_MSG_CHANNEL_OPEN_CONFIRMATION: _OPEN,
                SSH_MSG_CHANNEL_OPEN_FAILURE: _CLOSED,
            }
        ),
        _OPEN: MappingProxyType(
            {
                SSH_MSG_CHANNEL_WINDOW_ADJUST: _OPEN,
                SSH_MSG_CHANNEL_DATA: _OPEN,
                SSH_MSG_CHANNEL_EXTENDED_DATA: _OPEN,
                SSH_MSG_CHANNEL_EOF: _EOF,
                SSH_MSG_CHANNEL_CLOSE: _CLOSED,
                SSH_MSG_CHANNEL_REQUEST: _OPEN,
                SSH_MSG_CHANNEL_SUCCESS: _OPEN,
                SSH_MSG_CHANNEL_FAILURE: _OPEN,
            }
        ),
        _EOF: MappingProxyType(
            {
                SSH_MSG_CHANNEL_WINDOW_ADJUST: _EOF,
                SSH_MSG_CHANNEL_CLOSE: _CLOSED,
                SSH_MSG_CHANNEL_REQUEST: _EOF,
                SSH_MSG_CHANNEL_SUCCESS: _EOF,
                SSH_MSG_CHANNEL_FAILURE: _EOF,
            }
        ),
        _CLOSED: MappingProxyType({}),
    }
)

MESSAGE_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        SSH_MSG_CHANNEL_WINDOW_ADJUST: "SSH_MSG_CHANNEL_WINDOW_ADJUST",
        SSH_MSG_CHANNEL_DATA: "SSH_MSG_CHANNEL_DATA",
        SSH_MSG_CHANNEL_EXTENDED_DATA: "SSH_MSG_CHANNEL_EXTENDED_DATA",
        SSH_MSG_CHANNEL_EOF: "SSH_MSG_CHANNEL_EOF",
        SSH_MSG_CHANNEL_CLOSE: "SSH_MSG_CHANNEL_CLOSE",
        SSH_MSG_CHANNEL_REQUEST: "SSH_MSG_CHANNEL_REQUEST",
        SSH_MSG_CHANNEL_SUCCESS: "SSH_MSG_CHANNEL_SUCCESS",
        SSH_MSG_CHANNEL_FAILURE: "SSH_MSG_CHANNEL_FAILURE",
        SSH_MSG_CHANNEL_OPEN_CONFIRMATION: "SSH_MSG_CHANNEL_OPEN_CONFIRMATION",
        SSH_MSG_CHANNEL_OPEN_FAILURE: "SSH_MSG_CHANNEL_OPEN_FAILURE",
    }
)


def next_state(state: HalfState, message: int) -> HalfState | None:
    """Return the state behind `message`, or None if it is not legal in `state`."""
    return HALF_TRANSITIONS[state].get(message)
