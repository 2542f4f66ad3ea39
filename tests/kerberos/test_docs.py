"""The example of docs/topics/gssapi.md runs."""

from __future__ import annotations

import re
from typing import Any

from tests.interop.peers.availability import ROOT
from tests.kerberos.realm import USER, Realm


async def test_example(realm: Realm) -> None:
    page = (ROOT / "docs" / "topics" / "gssapi.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    async with await names["serve"](str(realm.keytab)) as acceptor:
        assert await names["log_in"](acceptor.get_port(), USER) == 0
