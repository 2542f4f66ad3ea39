"""Run with nothing but the wheel of ssh-meta and its dependencies installed."""

import ssh_meta

assert "site-packages" in ssh_meta.__file__, ssh_meta.__file__
print("ssh-meta", ssh_meta.__version__)
