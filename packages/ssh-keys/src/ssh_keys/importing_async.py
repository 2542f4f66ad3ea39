"""The readers of private keys for programs with an event loop: passphrase functions may wait.

Nothing here knows an event loop: the functions are coroutines that await what the passphrase
function returns, and, if asked to, what runs the costly rest in another thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, cast

from ssh_keys.certificate_importing import CertListArg
from ssh_keys.importing import (
    FilePath,
    KeyPairListArg,
    Passphrase,
    PassphraseAnswer,
    PassphraseSteps,
    check_answer,
    keypair_steps,
    private_key_steps,
)
from ssh_keys.key import SSHKey
from ssh_keys.keypair import SSHKeyPair, SSHLocalKeyPair

__all__ = [
    "Runner",
    "load_keypairs_async",
    "read_private_key_async",
    "read_private_key_list_async",
]

T = TypeVar("T")


class Runner(Protocol):
    """What calls a function in another thread and can be awaited, as `asyncio.to_thread` does."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Call the function and return its result, or raise what it raises, when awaited."""
        ...


async def load_keypairs_async(
    keylist: KeyPairListArg,
    passphrase: Passphrase = None,
    certlist: CertListArg = (),
    skip_public: bool = False,
    ignore_encrypted: bool = False,
    unsafe_skip_rsa_key_validation: bool | None = None,
    *,
    run: Runner | None = None,
) -> Sequence[SSHKeyPair]:
    """Return key pairs as `load_keypairs` does; the passphrase function may be a coroutine one.

    Parameters as of `load_keypairs`, and

        run: what runs the reading and decrypting of keys, which can take tenths of a second, in
            another thread: `asyncio.to_thread` or its like. The passphrase function is called
            here all the same. None to do all of it here.

    Raises what `load_keypairs` raises.
    """
    if not certlist and (ready := _ready_pairs(keylist)) is not None:
        return ready
    steps = keypair_steps(
        keylist, passphrase, certlist, skip_public, ignore_encrypted, unsafe_skip_rsa_key_validation
    )
    return await _answer(steps, passphrase, run)


async def read_private_key_list_async(
    filename: FilePath,
    passphrase: Passphrase = None,
    unsafe_skip_rsa_key_validation: bool | None = None,
    *,
    run: Runner | None = None,
) -> Sequence[SSHKey]:
    """Return all private keys in a file; the passphrase function may be a coroutine function.

    Parameters and errors as of `read_private_key` and `load_keypairs_async`.
    """
    steps = private_key_steps(filename, passphrase, unsafe_skip_rsa_key_validation)
    return await _answer(steps, passphrase, run)


async def read_private_key_async(
    filename: FilePath,
    passphrase: Passphrase = None,
    unsafe_skip_rsa_key_validation: bool | None = None,
    *,
    run: Runner | None = None,
) -> SSHKey:
    """Return the first private key in a file; the passphrase function may be a coroutine function.

    Parameters and errors as of `read_private_key` and `load_keypairs_async`.
    """
    keys = await read_private_key_list_async(
        filename, passphrase, unsafe_skip_rsa_key_validation, run=run
    )
    return keys[0]


def _ready_pairs(keylist: KeyPairListArg) -> Sequence[SSHKeyPair] | None:
    """Return the pairs of keys that were read before, None if there is anything else.

    Programs that open many connections give each the same keys: there is nothing to wait for.
    """
    if not isinstance(keylist, list | tuple):
        return None
    pairs: list[SSHKeyPair] = []
    for each in keylist:
        if isinstance(each, SSHKey) and each.is_private:
            pairs.append(SSHLocalKeyPair(each))
        elif isinstance(each, SSHKeyPair):
            pairs.append(each)
        else:
            return None
    return pairs


async def _answer(steps: PassphraseSteps[T], passphrase: Passphrase, run: Runner | None) -> T:
    answer: PassphraseAnswer = None
    while True:
        step = partial(_advance, steps, answer)
        done, value = step() if run is None else await run(step)
        if done:
            return cast("T", value)
        assert callable(passphrase)
        said = passphrase(cast("str", value))
        answer = check_answer(await said if isinstance(said, Awaitable) else said)


def _advance(steps: PassphraseSteps[object], answer: PassphraseAnswer) -> tuple[bool, object]:
    # StopIteration cannot pass through a future, so the end is told in another way.
    try:
        return False, steps.send(answer)
    except StopIteration as stop:
        return True, stop.value
