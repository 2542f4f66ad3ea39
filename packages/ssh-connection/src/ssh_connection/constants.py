"""Numbers of the connection protocol (RFC 4254): messages, reasons, terminal modes, signals."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = [
    "CONNECTION_MESSAGES",
    "DEFAULT_LANG",
    "EXTENDED_DATA_STDERR",
    "MAX_UINT32",
    "OPEN_ADMINISTRATIVELY_PROHIBITED",
    "OPEN_CONNECT_FAILED",
    "OPEN_REQUEST_PTY_FAILED",
    "OPEN_REQUEST_SESSION_FAILED",
    "OPEN_REQUEST_X11_FORWARDING_FAILED",
    "OPEN_RESOURCE_SHORTAGE",
    "OPEN_UNKNOWN_CHANNEL_TYPE",
    "PTY_CS7",
    "PTY_CS8",
    "PTY_ECHO",
    "PTY_ECHOCTL",
    "PTY_ECHOE",
    "PTY_ECHOK",
    "PTY_ECHOKE",
    "PTY_ECHONL",
    "PTY_ICANON",
    "PTY_ICRNL",
    "PTY_IEXTEN",
    "PTY_IGNCR",
    "PTY_IGNPAR",
    "PTY_IMAXBEL",
    "PTY_INLCR",
    "PTY_INPCK",
    "PTY_ISIG",
    "PTY_ISTRIP",
    "PTY_IUCLC",
    "PTY_IUTF8",
    "PTY_IXANY",
    "PTY_IXOFF",
    "PTY_IXON",
    "PTY_NOFLSH",
    "PTY_OCRNL",
    "PTY_OLCUC",
    "PTY_ONLCR",
    "PTY_ONLRET",
    "PTY_ONOCR",
    "PTY_OPOST",
    "PTY_OP_END",
    "PTY_OP_ISPEED",
    "PTY_OP_OSPEED",
    "PTY_OP_RESERVED",
    "PTY_PARENB",
    "PTY_PARMRK",
    "PTY_PARODD",
    "PTY_PENDIN",
    "PTY_TOSTOP",
    "PTY_VDISCARD",
    "PTY_VDSUSP",
    "PTY_VEOF",
    "PTY_VEOL",
    "PTY_VEOL2",
    "PTY_VERASE",
    "PTY_VFLUSH",
    "PTY_VINTR",
    "PTY_VKILL",
    "PTY_VLNEXT",
    "PTY_VQUIT",
    "PTY_VREPRINT",
    "PTY_VSTART",
    "PTY_VSTATUS",
    "PTY_VSTOP",
    "PTY_VSUSP",
    "PTY_VSWTCH",
    "PTY_WERASE",
    "PTY_XCASE",
    "SIGNAL_NAMES",
    "SIGNAL_NUMBERS",
    "SSH_MSG_CHANNEL_CLOSE",
    "SSH_MSG_CHANNEL_DATA",
    "SSH_MSG_CHANNEL_EOF",
    "SSH_MSG_CHANNEL_EXTENDED_DATA",
    "SSH_MSG_CHANNEL_FAILURE",
    "SSH_MSG_CHANNEL_OPEN",
    "SSH_MSG_CHANNEL_OPEN_CONFIRMATION",
    "SSH_MSG_CHANNEL_OPEN_FAILURE",
    "SSH_MSG_CHANNEL_REQUEST",
    "SSH_MSG_CHANNEL_SUCCESS",
    "SSH_MSG_CHANNEL_WINDOW_ADJUST",
    "SSH_MSG_GLOBAL_REQUEST",
    "SSH_MSG_REQUEST_FAILURE",
    "SSH_MSG_REQUEST_SUCCESS",
]

DEFAULT_LANG: Final = "en-US"
MAX_UINT32: Final = 0xFFFFFFFF

# RFC 4254 section 9
SSH_MSG_GLOBAL_REQUEST: Final = 80
SSH_MSG_REQUEST_SUCCESS: Final = 81
SSH_MSG_REQUEST_FAILURE: Final = 82
SSH_MSG_CHANNEL_OPEN: Final = 90
SSH_MSG_CHANNEL_OPEN_CONFIRMATION: Final = 91
SSH_MSG_CHANNEL_OPEN_FAILURE: Final = 92
SSH_MSG_CHANNEL_WINDOW_ADJUST: Final = 93
SSH_MSG_CHANNEL_DATA: Final = 94
SSH_MSG_CHANNEL_EXTENDED_DATA: Final = 95
SSH_MSG_CHANNEL_EOF: Final = 96
SSH_MSG_CHANNEL_CLOSE: Final = 97
SSH_MSG_CHANNEL_REQUEST: Final = 98
SSH_MSG_CHANNEL_SUCCESS: Final = 99
SSH_MSG_CHANNEL_FAILURE: Final = 100

CONNECTION_MESSAGES: Final = (80, 81, 82, *range(90, 101))

# RFC 4254 section 5.1; the last three are codes of AsyncSSH's API, for a channel that was opened
# but whose session could not be started. They are never sent.
OPEN_ADMINISTRATIVELY_PROHIBITED: Final = 1
OPEN_CONNECT_FAILED: Final = 2
OPEN_UNKNOWN_CHANNEL_TYPE: Final = 3
OPEN_RESOURCE_SHORTAGE: Final = 4
OPEN_REQUEST_X11_FORWARDING_FAILED: Final = 0xFFFFFFFD
OPEN_REQUEST_PTY_FAILED: Final = 0xFFFFFFFE
OPEN_REQUEST_SESSION_FAILED: Final = 0xFFFFFFFF

# RFC 4254 section 5.2
EXTENDED_DATA_STDERR: Final = 1

# RFC 4254 section 8; IUTF8 is RFC 8160.
PTY_OP_END: Final = 0
PTY_VINTR: Final = 1
PTY_VQUIT: Final = 2
PTY_VERASE: Final = 3
PTY_VKILL: Final = 4
PTY_VEOF: Final = 5
PTY_VEOL: Final = 6
PTY_VEOL2: Final = 7
PTY_VSTART: Final = 8
PTY_VSTOP: Final = 9
PTY_VSUSP: Final = 10
PTY_VDSUSP: Final = 11
PTY_VREPRINT: Final = 12
PTY_WERASE: Final = 13
PTY_VLNEXT: Final = 14
PTY_VFLUSH: Final = 15
PTY_VSWTCH: Final = 16
PTY_VSTATUS: Final = 17
PTY_VDISCARD: Final = 18
PTY_IGNPAR: Final = 30
PTY_PARMRK: Final = 31
PTY_INPCK: Final = 32
PTY_ISTRIP: Final = 33
PTY_INLCR: Final = 34
PTY_IGNCR: Final = 35
PTY_ICRNL: Final = 36
PTY_IUCLC: Final = 37
PTY_IXON: Final = 38
PTY_IXANY: Final = 39
PTY_IXOFF: Final = 40
PTY_IMAXBEL: Final = 41
PTY_IUTF8: Final = 42
PTY_ISIG: Final = 50
PTY_ICANON: Final = 51
PTY_XCASE: Final = 52
PTY_ECHO: Final = 53
PTY_ECHOE: Final = 54
PTY_ECHOK: Final = 55
PTY_ECHONL: Final = 56
PTY_NOFLSH: Final = 57
PTY_TOSTOP: Final = 58
PTY_IEXTEN: Final = 59
PTY_ECHOCTL: Final = 60
PTY_ECHOKE: Final = 61
PTY_PENDIN: Final = 62
PTY_OPOST: Final = 70
PTY_OLCUC: Final = 71
PTY_ONLCR: Final = 72
PTY_OCRNL: Final = 73
PTY_ONOCR: Final = 74
PTY_ONLRET: Final = 75
PTY_CS7: Final = 90
PTY_CS8: Final = 91
PTY_PARENB: Final = 92
PTY_PARODD: Final = 93
PTY_OP_ISPEED: Final = 128
PTY_OP_OSPEED: Final = 129
PTY_OP_RESERVED: Final = 160
"""First opcode that is not defined and ends the parsing (RFC 4254 section 8)."""

# Names of RFC 4254 section 6.10 with the numbers that POSIX systems agree on; USR1 and USR2 are
# those of Linux. They serve `SSHClientChannel.send_signal(int)` and `get_returncode()`.
SIGNAL_NUMBERS: Final = MappingProxyType(
    {
        "HUP": 1,
        "INT": 2,
        "QUIT": 3,
        "ILL": 4,
        "ABRT": 6,
        "FPE": 8,
        "KILL": 9,
        "USR1": 10,
        "SEGV": 11,
        "USR2": 12,
        "PIPE": 13,
        "ALRM": 14,
        "TERM": 15,
    }
)
SIGNAL_NAMES: Final = MappingProxyType({number: name for name, number in SIGNAL_NUMBERS.items()})
