"""known_hosts files with lines that cannot be used: ssh and our client say the same of a host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import ssh_meta
from tests.interop.own_server import own_server
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import SSH

KNOWN = "NAME KEY\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("@what NAME KEY\n" + KNOWN, None),
        (KNOWN + "@what NAME OTHER\n", None),
        ("@ NAME KEY\n@Revoked NAME KEY\n" + KNOWN, None),
        ("@what\n" + KNOWN, None),
        ("NAME nonsense\nNAME\n" + KNOWN, None),
        ("@revoked NAME ssh-new AAAAB3NzaC1uZXc=\n" + KNOWN, None),
        ("@what NAME KEY\n", ssh_meta.HostKeyUnknown),
        ("@what NAME KEY\nNAME OTHER\n", ssh_meta.HostKeyMismatch),
        ("@revoked NAME KEY\n@what NAME KEY\n" + KNOWN, ssh_meta.HostKeyRevoked),
    ],
)
async def test_lines_that_are_skipped(
    text: str, error: type[Exception] | None, credentials: Credentials, tmp_path: Path
) -> None:
    public = (key.with_suffix(".pub") for key in (credentials.host_key, credentials.other_key))
    key, other = (path.read_text().strip() for path in public)
    async with own_server(credentials) as own:
        target = own.target()
        text = text.replace("NAME", f"[{HOST}]:{target.port}")
        known = tmp_path / "known_hosts"
        known.write_text(text.replace("KEY", key).replace("OTHER", other))
        told = await SSH(tmp_path).exec(replace(target, known_hosts=known), "true")
        assert (told.status == 0) is (error is None), told.text
        connecting = ssh_meta.connect(
            HOST,
            target.port,
            username=credentials.user,
            password=credentials.password,
            client_keys=None,
            known_hosts=str(known),
        )
        if error is None:
            async with connecting:
                return
        with pytest.raises(error):
            await connecting
