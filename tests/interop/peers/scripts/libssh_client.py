"""A client made with libssh, for the interop tests. Runs in the environment of the peers."""

import argparse

from pylibsshext.errors import LibsshSessionException
from pylibsshext.session import Session

parser = argparse.ArgumentParser()
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--user", required=True)
parser.add_argument("--kex", required=True)
arguments = parser.parse_args()

session = Session()
session.set_ssh_options("key_exchange_algorithms", arguments.kex)
try:
    session.connect(
        host=arguments.host,
        port=arguments.port,
        user=arguments.user,
        password="none",
        host_key_checking=False,
        look_for_keys=False,
        timeout=20,
    )
except LibsshSessionException as exc:
    print(exc)
