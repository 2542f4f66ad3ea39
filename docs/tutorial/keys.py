"""Keys without any connection; ssh-keys alone is enough for this."""

import ssh_keys

key = ssh_keys.generate_private_key("ssh-ed25519", comment="ada@example")
print(key.get_algorithm(), key.get_comment())

# A private key in OpenSSH's format, under a passphrase, and back again.
text = key.export_private_key(passphrase="correct horse")
again = ssh_keys.import_private_key(text, passphrase="correct horse")
print(again.get_fingerprint() == key.get_fingerprint())

try:
    ssh_keys.import_private_key(text, passphrase="wrong")
except ssh_keys.KeyPassphraseError:
    print("wrong passphrase")
