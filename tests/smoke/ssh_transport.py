"""Run with nothing but the wheel of ssh-transport and its dependencies installed."""

import os
import time

import ssh_transport
from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_transport import HostKeyOffered, KexCompleted, Role, TransportConfig, TransportCore

assert "site-packages" in ssh_transport.__file__, ssh_transport.__file__

keys = {b"ssh-ed25519": SSHLocalKeyPair(generate_private_key("ssh-ed25519"))}
server = TransportCore(
    TransportConfig(role=Role.SERVER, host_keys=keys), random=os.urandom, clock=time.monotonic
)
client = TransportCore(TransportConfig(role=Role.CLIENT), random=os.urandom, clock=time.monotonic)
client.start()
server.start()
exchanged = False
for _ in range(20):
    server.feed(client.take_output())
    client.feed(server.take_output())
    for event in client.drain_events():
        if isinstance(event, HostKeyOffered):
            client.accept_host_key()
        exchanged = exchanged or isinstance(event, KexCompleted)
assert exchanged
print("ssh-transport", ssh_transport.__version__)
