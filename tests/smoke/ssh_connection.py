"""Run with nothing but the wheel of ssh-connection and its dependencies installed."""

import ssh_connection

assert "site-packages" in ssh_connection.__file__, ssh_connection.__file__
print("ssh-connection", ssh_connection.__version__)
