"""Why a negotiation ended as it did: for each kind both lists, the choice, and each refusal.

The rules are those of RFC 4253 section 7.1; `negotiation` applies them, this module tells them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ssh_keys import HOST_KEY_ALGORITHMS
from ssh_keys.algorithms import Algorithm, Registry, Status
from ssh_keys.record import Record

from .ciphers import CIPHERS
from .compression import COMPRESSIONS
from .errors import AlgorithmNegotiationError, printable
from .kex import KEX_METHODS
from .mac import MACS
from .messages import KexInit
from .negotiation import MARKERS, negotiate
from .protocols import Role

__all__ = ["Choice", "Explanation", "explain"]

Row = TypeVar("Row", bound=Algorithm)

_STATUS = {
    Status.DEFAULT: "not in our list",
    Status.SUPPORTED: "not in our list: offered only by name",
    Status.INSECURE: "not in our list: insecure, offered only by name",
}


class Choice(Record):
    """The outcome for one name-list.

    Parameters:
        kind: which name-list, as in `AlgorithmNegotiationError`.
        chosen: the name, empty if there is none.
        why: why that name, or why none.
        ours, theirs: both lists, without markers.
        refused: every other name of the two lists and of our table, and why it was not chosen.
    """

    kind: str
    chosen: bytes
    why: str
    ours: tuple[bytes, ...]
    theirs: tuple[bytes, ...]
    refused: dict[bytes, str]

    def __str__(self) -> str:
        lines = [
            f"{self.kind}: {printable(self.chosen) or '(none)'}, {self.why}",
            f"  we offer {_listed(self.ours)}",
            f"  the peer offers {_listed(self.theirs)}",
        ]
        return "\n".join(
            (*lines, *(f"  not {printable(name)}: {why}" for name, why in self.refused.items()))
        )


class Explanation(Record):
    """The outcome of one negotiation; `str` of it is a report for a person.

    Parameters:
        choices: one for each name-list that is negotiated, in the order of SSH_MSG_KEXINIT.
    """

    choices: tuple[Choice, ...]

    def __getitem__(self, kind: str) -> Choice:
        """Return the choice of a kind; raises KeyError for an unknown one."""
        for choice in self.choices:
            if choice.kind == kind:
                return choice
        raise KeyError(kind)

    @property
    def failed(self) -> tuple[Choice, ...]:
        """Kinds in which the two sides have nothing in common."""
        return tuple(choice for choice in self.choices if not choice.chosen and choice.refused)

    def __str__(self) -> str:
        return "\n".join(map(str, self.choices))


def explain(role: Role, ours: KexInit, theirs: KexInit) -> Explanation:
    """Tell the outcome of a negotiation, failed or not.

    Parameters:
        role: ours.
        ours, theirs: both SSH_MSG_KEXINIT.
    """

    try:
        agreed = negotiate(role, ours, theirs)
    except AlgorithmNegotiationError:
        agreed = None

    def choose(kind: str, table: Registry[Row], field: str, chosen: bytes | None = None) -> Choice:
        return _choose(role, kind, table, getattr(ours, field), getattr(theirs, field), chosen)

    kex = choose(
        "key exchange method", KEX_METHODS, "kex_algorithms", agreed.kex if agreed else None
    )
    host_key = choose(
        "host key algorithm",
        HOST_KEY_ALGORITHMS,
        "server_host_key_algorithms",
        agreed.host_key if agreed else None,
    )
    ways = (
        ("client to server", "client_to_server"),
        ("server to client", "server_to_client"),
    )
    ciphers = [choose(f"cipher {to}", CIPHERS, f"encryption_algorithms_{way}") for to, way in ways]
    macs = [
        _without_mac(f"MAC {to}", cipher.chosen)
        if cipher.chosen and CIPHERS[cipher.chosen].tag_size
        else choose(f"MAC {to}", MACS, f"mac_algorithms_{way}")
        for cipher, (to, way) in zip(ciphers, ways, strict=True)
    ]
    compressions = [
        choose(f"compression {to}", COMPRESSIONS, f"compression_algorithms_{way}")
        for to, way in ways
    ]
    return Explanation((kex, host_key, *ciphers, *macs, *compressions))


def _choose(
    role: Role,
    kind: str,
    table: Registry[Row],
    our_names: Sequence[bytes],
    their_names: Sequence[bytes],
    agreed: bytes | None = None,
) -> Choice:
    ours = tuple(name for name in our_names if name not in MARKERS)
    theirs = tuple(name for name in their_names if name not in MARKERS)
    client, server = (ours, theirs) if role is Role.CLIENT else (theirs, ours)
    whose = "our" if role is Role.CLIENT else "the client's"
    who = "the server" if role is Role.CLIENT else "we"
    common = [name for name in client if name in server]
    chosen = agreed or next(iter(common), b"")
    if chosen and chosen != common[0]:
        why = "the first name in common that can be used with the other choices"
    elif chosen:
        place = client.index(chosen)
        why = f"{whose} first choice" if not place else f"{whose} first name that {who} also offer"
        why += "s" if place and role is Role.CLIENT else ""
    else:
        why = "the two sides have nothing in common"
    known = [row.name for row in table]
    refused = {
        name: _refusal(name, chosen, common, ours, theirs, table)
        for name in dict.fromkeys((*ours, *theirs, *known))
        if name != chosen
    }
    return Choice(kind, chosen, why, ours, theirs, refused)


def _refusal(
    name: bytes,
    chosen: bytes,
    common: Sequence[bytes],
    ours: Sequence[bytes],
    theirs: Sequence[bytes],
    table: Registry[Row],
) -> str:
    if name in ours:
        if name not in theirs:
            return "the peer does not offer it"
        if common.index(name) < common.index(chosen):
            return "it cannot be used with the other choices"
        return f"the client prefers {printable(chosen)}"
    if name not in table:
        return "we do not know it"
    row = table[name]
    if not row.available():
        return "not in our list: needs a library that is not installed"
    return _STATUS[row.status] + ("" if name in theirs else "; the peer does not offer it either")


def _without_mac(kind: str, cipher: bytes) -> Choice:
    return Choice(kind, b"", f"not needed: {printable(cipher)} authenticates", (), (), {})


def _listed(names: Sequence[bytes]) -> str:
    return ", ".join(map(printable, names)) or "nothing"
