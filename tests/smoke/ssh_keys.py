"""Run with nothing but the wheel of ssh-keys and its dependencies installed."""

import ssh_keys

assert "site-packages" in ssh_keys.__file__, ssh_keys.__file__
for name in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"):
    key = ssh_keys.generate_private_key(name)
    text = key.export_private_key(passphrase="secret")
    again = ssh_keys.import_private_key(text, passphrase="secret")
    assert again.get_fingerprint() == key.get_fingerprint()
print("ssh-keys", ssh_keys.__version__)
