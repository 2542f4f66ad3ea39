"""Signatures of the host by OpenSSH's ssh-keysign(8), which may read its private keys.

The program reads one request and writes one answer, each a length, a version, and fields: the
number of the file descriptor of the connection, whose local address has to belong to the name that
is signed, and the data; the signature.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from ssh_keys import (
    KeyImportError,
    KeyListArg,
    SignatureError,
    SSHKey,
    SSHKeyPair,
    load_public_keys,
)
from ssh_keys.wire import (
    PacketDecodeError,
    Reader,
    encode_byte,
    encode_string,
    encode_uint32,
)
from ssh_transport.process_groups import KILL, signal_group

__all__ = ["KeysignKeyPair", "find_keysign", "load_keysign_keys"]

_VERSION = 2
_TIMEOUT = 30.0
_GRACE = 2.0
_MAX_ANSWER = 64 * 1024
_PLACES = (
    "/usr/lib/openssh",
    "/usr/libexec/openssh",
    "/usr/libexec",
    "/usr/lib/ssh",
    "/usr/lib64/ssh",
    "/usr/local/libexec",
)
_FOLDER = "/etc/ssh"
_HOST_KEYS = "ssh_host_*_key.pub"


def find_keysign(choice: str | Path | bool) -> str:
    """Return the path of ssh-keysign.

    Parameters:
        choice: its path, or True to look where systems have it.

    Raises ValueError if it is not there.
    """
    if not isinstance(choice, bool):
        path = os.fspath(choice)
        if not os.access(path, os.X_OK):
            raise ValueError(f"client_host_keysign: {path!r} can not be run")
        return path
    for folder in _PLACES:
        path = f"{folder}/ssh-keysign"
        if os.access(path, os.X_OK):
            return path
    raise ValueError("client_host_keysign: ssh-keysign is not installed")


def load_keysign_keys(
    program: str, keys: KeyListArg | None, descriptor: Callable[[], int]
) -> Sequence[SSHKeyPair]:
    """Return a key pair for each public host key, without private parts.

    Parameters:
        program: path of ssh-keysign.
        keys: the public keys; None for those of this host.
        descriptor: gives the file descriptor of the connection.

    Raises OSError, and KeyImportError for keys that were named and can not be read.
    """
    public: list[SSHKey] = []
    if keys is not None:
        public += load_public_keys(keys)
    else:
        for name in sorted(os.listdir(_FOLDER)):
            if fnmatchcase(name, _HOST_KEYS):
                try:
                    public += load_public_keys(f"{_FOLDER}/{name}")
                except (OSError, KeyImportError):
                    continue
    return [KeysignKeyPair(program, key, descriptor) for key in public]


class KeysignKeyPair(SSHKeyPair):
    """A host key that ssh-keysign signs with.

    Parameters:
        program: path of ssh-keysign.
        key: the public host key.
        descriptor: gives the file descriptor of the connection.
    """

    _key_type = "keysign"

    def __init__(self, program: str, key: SSHKey, descriptor: Callable[[], int]) -> None:
        super().__init__(
            key.algorithm, key.sig_algorithms, key.public_data, key.get_comment_bytes()
        )
        self._program = program
        self._descriptor = descriptor

    async def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Have the data signed, and return the signature blob.

        Raises SignatureError if the program refuses, OSError if it can not be run.
        """
        number = self._descriptor()
        request = encode_byte(_VERSION) + encode_uint32(number) + encode_string(data)
        process = await asyncio.create_subprocess_exec(
            self._program,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            pass_fds=(number,),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer, _ = await process.communicate(encode_string(request))
        except TimeoutError:
            raise SignatureError("ssh-keysign did not answer in time") from None
        finally:
            if process.returncode is None:
                await _end(process)
        return _decode_answer(answer, sig_algorithm)


async def _end(process: Process) -> None:
    """End the program, as far as we may: it belongs to root where it is installed as it should be.

    In that case it ends by itself, for it has no other input, and nobody waits for it.
    """
    signal_group(process.pid, KILL)
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()


def _decode_answer(answer: bytes, sig_algorithm: bytes) -> bytes:
    if not answer or len(answer) > _MAX_ANSWER:
        raise SignatureError("ssh-keysign refused to sign; is EnableSSHKeysign set?")
    try:
        reader = Reader(Reader(answer).string())
        if reader.byte() != _VERSION:
            raise SignatureError("ssh-keysign speaks another version")
        signature = reader.string()
        made = Reader(signature).string()
    except PacketDecodeError as exc:
        raise SignatureError(f"answer of ssh-keysign: {exc}") from None
    if made != sig_algorithm:
        raise SignatureError(f"ssh-keysign made another signature than {sig_algorithm.decode()}")
    return signature
