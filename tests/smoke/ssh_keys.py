"""Run with nothing but the wheel of ssh-keys and its dependencies installed."""

import ssh_keys

assert "site-packages" in ssh_keys.__file__, ssh_keys.__file__
print("ssh-keys", ssh_keys.__version__)
