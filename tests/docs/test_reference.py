"""Pages of the reference that are made from tables of the code are up to date."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest

from scripts import diagrams
from ssh_keys import SSHLocalKeyPair, generate_private_key, import_public_key
from ssh_transport import (
    MACS,
    DisconnectReason,
    HostKeyMismatch,
    Phase,
    Role,
    TransportConfig,
)
from tests.interop import test_algorithm_product as live
from tests.transport.pair import connected
from tests.transport.test_reuse import RELAY


@pytest.mark.parametrize("name", diagrams.PAGES)
def test_page_is_what_the_script_writes(name: str) -> None:
    if name == "algorithms.md" and not MACS[b"umac-128@openssh.com"].available():
        pytest.skip("libnettle is not installed, so no policy has UMAC here")
    page = (diagrams.REFERENCE / name).read_text(encoding="utf-8")
    assert page == diagrams.PAGES[name](), "run python -m scripts.diagrams"


def test_every_algorithm_met_a_program() -> None:
    """Each name was recorded or shakes hands with somebody else's program, or says why not."""
    page = diagrams.algorithms()
    rows = re.findall(r"^\| `([^`]+)` \| \w+ \| [^|]*\| ([^|]*)\| ([^|]*)\|$", page, re.MULTILINE)
    assert len(rows) == sum(len(list(table)) for _, table, _ in diagrams._FIELDS.values())
    unproved = [name for name, recorded, live in rows if not (recorded.strip() or live.strip())]
    assert unproved == []
    told = {name for name, _, live in rows if live.startswith("nobody")}
    assert told == set(diagrams.UNPROVED)


#: Algorithms with programs that are named in the table, by program.
TRIED = {
    "AsyncSSH": {
        *(name for case in live.OTHERS for name in str(case).split("+")),
        *(name for name, programs in live.COMPRESSION.items() if "asyncssh" in programs),
        *live.RARE_HOST_KEYS,
    },
    "PuTTY": {name for case in live.PLINK for name in str(case).split("+")},
    "TinySSH": {*live.TINYSSH_KEX},
    "libssh": {*live.LIBSSH_KEX},
}


@pytest.mark.parametrize("program", TRIED)
def test_programs_of_the_table_are_those_of_the_live_tests(program: str) -> None:
    claimed = {
        row.name.decode()
        for _, table, _ in diagrams._FIELDS.values()
        for row in table
        # These two have tests of their own.
        if program in diagrams._live(row.name.decode())
        and not row.name.startswith((b"gss-", b"x509v3-"))
    }
    assert claimed
    assert claimed <= TRIED[program]


def test_every_number_is_in_the_table_of_each_role() -> None:
    for role in Role:
        numbers: list[int] = []
        for text, _, cells in diagrams._rows(role):
            first, _, last = text.partition(" to ")
            numbers += range(int(first), int(last or first) + 1)
            assert len(cells) == len(Phase)
        assert numbers == list(range(256))


def test_every_message_of_the_table_has_a_name() -> None:
    unnamed = {
        text
        for role in Role
        for text, name, cells in diagrams._rows(role)
        if not name and ("yes" in cells or "**end**" in (cells[0], cells[-1]))
    }
    assert unnamed == set()


def transport_page() -> dict[str, Any]:
    """The names that the examples of the page on the transport define."""
    page = (diagrams.ROOT / "docs/topics/transport.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    return names


def test_explanation_of_the_transport_page() -> None:
    transport_page()["why"](connected().client)


async def test_carriers_of_the_transport_page() -> None:
    """Over a socket, through a program, and over a connection, each with the same owner."""
    names = transport_page()
    key = generate_private_key("ssh-ed25519")
    host_keys = {b"ssh-ed25519": SSHLocalKeyPair(key)}
    server_config = TransportConfig(role=Role.SERVER, host_keys=host_keys)
    client = TransportConfig(role=Role.CLIENT), import_public_key(key.export_public_key())
    listener, accepted = await names["listen"](server_config)
    async with listener, asyncio.timeout(60):
        port = listener.sockets[0].getsockname()[1]
        outer = await names["connect"](port, *client)
        far = await accepted.get()
        through = await names["connect_through"]([sys.executable, "-c", RELAY, str(port)], *client)
        for near, other in ((outer, far), (through, await accepted.get())):
            for one, two in ((near, other), (other, near)):
                one.send(b"hello")
                assert await two.received.get() == b"hello"
        through.transport.close()
        assert await through.lost is None

        inner_far = names["Side"](server_config, tunnelled=True)
        names["Carried"](far, inner_far)
        inner = await names["connect_over"](outer, *client)
        assert inner.core.session_id != outer.core.session_id
        data = bytes(range(256)) * 100
        for _ in range(10):
            inner.send(data)
            assert await inner_far.received.get() == data
        inner.transport.close()
        assert (await inner_far.lost).code == DisconnectReason.SSH_DISCONNECT_BY_APPLICATION
        for side in (outer, far):
            side.transport.close()
            await side.lost

        with pytest.raises(HostKeyMismatch):
            await names["connect"](port, client[0], None)
