"""What two distributions need lives in both of them, once: the files are equal to the byte.

ssh-sftp has no dependency and yet needs the types of RFC 4251 section 5 and what makes its
functions usable in `async with`, so it carries copies.
"""

from __future__ import annotations

from tests.architecture.source_tree import PACKAGES


def test_wire_modules_are_equal() -> None:
    keys = PACKAGES["ssh_keys"] / "src/ssh_keys/wire.py"
    sftp = PACKAGES["ssh_sftp"] / "src/ssh_sftp/codec/wire.py"
    assert keys.read_bytes() == sftp.read_bytes(), "edit one and copy it over the other"


def test_opening_modules_are_equal() -> None:
    connection = PACKAGES["ssh_connection"] / "src/ssh_connection/opening.py"
    sftp = PACKAGES["ssh_sftp"] / "src/ssh_sftp/opening.py"
    assert connection.read_bytes() == sftp.read_bytes(), "edit one and copy it over the other"
