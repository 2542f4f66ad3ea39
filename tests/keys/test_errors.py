"""The classes of the errors, as far as applications depend on them."""

from __future__ import annotations

import pytest

import ssh_keys


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_passphrase_errors_have_both_names(passphrase: str | None) -> None:
    """Programs written for AsyncSSH catch KeyImportError when it is missing, and
    KeyEncryptionError when it is wrong."""
    key = ssh_keys.generate_private_key("ssh-ed25519")
    text = key.export_private_key(passphrase="right")
    with pytest.raises(ssh_keys.KeyImportError) as caught:
        ssh_keys.import_private_key(text, passphrase)
    assert isinstance(caught.value, ssh_keys.KeyEncryptionError)
