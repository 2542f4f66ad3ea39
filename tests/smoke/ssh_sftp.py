"""Run with nothing but the wheel of ssh-sftp and its dependencies installed."""

import ssh_sftp

assert "site-packages" in ssh_sftp.__file__, ssh_sftp.__file__
print("ssh-sftp", ssh_sftp.__version__)
