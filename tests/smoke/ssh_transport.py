"""Run with nothing but the wheel of ssh-transport and its dependencies installed."""

import ssh_transport

assert "site-packages" in ssh_transport.__file__, ssh_transport.__file__
print("ssh-transport", ssh_transport.__version__)
