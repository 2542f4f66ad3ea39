"""The wire types live in two distributions, once: both files are equal to the byte.

ssh-sftp has no dependency and yet needs the types of RFC 4251 section 5, so it carries a copy.
"""

from __future__ import annotations

from tests.architecture.source_tree import PACKAGES


def test_wire_modules_are_equal() -> None:
    keys = PACKAGES["ssh_keys"] / "src/ssh_keys/wire.py"
    sftp = PACKAGES["ssh_sftp"] / "src/ssh_sftp/codec/wire.py"
    assert keys.read_bytes() == sftp.read_bytes(), "edit one and copy it over the other"
