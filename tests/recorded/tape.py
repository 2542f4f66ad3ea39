"""Recordings as text: a line of JSON, then each piece of each direction in base64."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ssh_transport import Role
from tests.recorded.session import Session, Wire

FOLDER = Path(__file__).parent / "sessions"

#: In front of a piece: who sent it.
OURS, THEIRS = ">", "<"


@dataclass
class Tape:
    """One recorded session.

    Parameters:
        session: what was agreed on.
        about: program and version of the peer, and the zlib that compressed.
        pieces: who sent, and what, in order.
    """

    session: Session
    about: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[str, bytes]] = field(default_factory=list)

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the file and return its path."""
        head = asdict(self.session) | {"role": self.session.role.value}
        lines = [json.dumps({"session": head, "about": self.about}, sort_keys=True)]
        lines += [f"{who} {base64.b64encode(data).decode()}" for who, data in self.pieces]
        path = folder / f"{self.session.name}.txt"
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
        return path


def load(path: Path) -> Tape:
    """Read the file of a recording."""
    head, *lines = path.read_text(encoding="ascii").splitlines()
    fields = json.loads(head)
    session = Session(**fields["session"] | {"role": Role(fields["session"]["role"])})
    pieces = [(line[0], base64.b64decode(line[2:])) for line in lines]
    return Tape(session, fields["about"], pieces)


class Recorder:
    """Passes the bytes of a session on and keeps them.

    Parameters:
        wire: to the real peer.
        tape: where to keep them.
    """

    def __init__(self, wire: Wire, tape: Tape) -> None:
        self._wire = wire
        self._pieces = tape.pieces

    def send(self, data: bytes) -> None:
        """See Wire."""
        self._pieces.append((OURS, data))
        self._wire.send(data)

    def receive(self) -> bytes:
        """See Wire."""
        data = self._wire.receive()
        if data:
            self._pieces.append((THEIRS, data))
        return data


class Player:
    """Stands for the peer of a recording, and demands of us what we said then."""

    def __init__(self, tape: Tape) -> None:
        self._pieces = list(tape.pieces)

    def send(self, data: bytes) -> None:
        """See Wire."""
        assert self._pieces, "we sent more than in the recording"
        who, recorded = self._pieces.pop(0)
        assert who == OURS, "we sent something where we waited in the recording"
        assert data == recorded, f"sent {len(data)} bytes that are not the {len(recorded)} recorded"

    def receive(self) -> bytes:
        """See Wire."""
        if not self._pieces:
            return b""
        who, recorded = self._pieces.pop(0)
        assert who == THEIRS, f"we did not send the {len(recorded)} bytes of the recording"
        return recorded

    @property
    def finished(self) -> bool:
        """Whether all of it was played."""
        return not self._pieces
