"""Run with nothing but the wheel of ssh-agent and its dependencies installed."""

import ssh_agent

assert "site-packages" in ssh_agent.__file__, ssh_agent.__file__
print("ssh-agent", ssh_agent.__version__)
