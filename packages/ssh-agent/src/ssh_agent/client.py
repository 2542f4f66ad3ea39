"""`SSHAgentClient`: what an application asks an agent for, and `connect_agent`, which opens one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Generator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ssh_keys import Error, KeyPairListArg, Passphrase, SSHKeyPair, load_keypairs_async
from ssh_keys.wire import Message, PacketDecodeError, encode_string

from .constraints import Constraint, confirm_use
from .constraints import lifetime as limit_lifetime
from .core import MAX_PENDING, AgentCore
from .errors import (
    AgentConnectionError,
    AgentError,
    AgentExtensionFailure,
    AgentFailure,
    AgentProtocolError,
    AgentTimeoutError,
)
from .keypair import SSHAgentKeyPair, private_contents
from .messages import (
    AddIdConstrained,
    AddIdentity,
    AddSmartcardKey,
    AddSmartcardKeyConstrained,
    AgentMessage,
    Extension,
    Lock,
    RemoveAllIdentities,
    RemoveIdentity,
    RemoveSmartcardKey,
    RequestIdentities,
    SignRequest,
    SignResponse,
    Unlock,
    decode_extension_names,
    decode_identities,
)
from .streams import AgentOpener, AgentReader, AgentWriter
from .unix import open_unix
from .win32 import DEFAULT_PIPE, open_pipe

__all__ = ["AgentConnecting", "SSHAgentClient", "connect_agent", "open_agent_stream"]

CONNECT_TIMEOUT = 10.0
"""Seconds that opening the way to an agent may take."""

REQUEST_TIMEOUT = 120.0
"""Seconds that an agent may take to answer: its user may have to confirm, or touch a token."""

_READ_SIZE = 65536

#: The names that `ssh-add` looks for, of the key types that there are here.
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


class SSHAgentClient:
    """A connection to an SSH agent.

    Made by `connect_agent`. Several requests may be under way at once; the agent answers them in
    order. A request that is cancelled does no harm to the others. As an async context manager it
    closes itself at the end.

    Parameters:
        reader, writer: the two halves of the stream to the agent.
        timeout: seconds that an answer may take, None for no limit. When it is over, the
            connection is closed, since nobody could tell what the agent is doing.
    """

    def __init__(
        self, reader: AgentReader, writer: AgentWriter, *, timeout: float | None = REQUEST_TIMEOUT
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self._core = AgentCore()
        self._slots = asyncio.Semaphore(MAX_PENDING)
        self._reading: asyncio.Task[None] | None
        self._reading = asyncio.create_task(self._read(), name="ssh-agent reader")
        self._reading.add_done_callback(self._read_ended)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    # --- Requests and answers ----------------------------------------------------------------

    async def _read(self) -> None:
        error: AgentError = AgentConnectionError("the agent closed the connection")
        try:
            while data := await self._reader.read(_READ_SIZE):
                self._core.receive_data(data)
        except AgentError as exc:
            error = exc
        except (OSError, EOFError, Error) as exc:
            error = AgentConnectionError(f"the connection to the agent failed: {exc}")
        self._end(error)

    def _read_ended(self, reading: asyncio.Task[None]) -> None:
        self._reading = None  # when it was cancelled, its traceback knows us

    def _end(self, error: AgentError) -> None:
        self._core.end(error)
        # What could not be sent yet will never be answered: nothing is worth waiting for.
        if isinstance(self._writer, asyncio.StreamWriter):
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _exchange(self, payload: bytes) -> bytes:
        """Send a request and return its answer, number first."""
        await self._slots.acquire()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        try:
            frame = self._core.request(payload, partial(self._answered, answer))
        except AgentError as exc:
            self._slots.release()
            raise type(exc)(str(exc)) from None
        try:
            try:
                self._writer.write(frame)
                await self._writer.drain()
            except (OSError, Error) as exc:
                self._end(AgentConnectionError(f"the connection to the agent failed: {exc}"))
            return await answer
        finally:
            # Who is cancelled while the request is written does not come to look at the answer,
            # and an error that nobody looks at ends up on the terminal.
            if not answer.cancel() and not answer.cancelled():
                answer.exception()
            del answer  # it has the exception, and the exception this frame

    def _answered(self, answer: asyncio.Future[bytes], reply: bytes | AgentError) -> None:
        self._slots.release()
        if answer.done():
            return  # who asked was cancelled
        if isinstance(reply, AgentError):
            answer.set_exception(type(reply)(str(reply)))
        else:
            answer.set_result(reply)

    async def _request(self, request: Message, action: str) -> bytes:
        """Return the answer to `request`; raise if the agent refuses or does not answer.

        Parameters:
            action: what is being tried, for the text of an error ("sign").
        """
        try:
            payload = request.encode()
        except ValueError as exc:
            raise AgentError(f"cannot ask the agent to {action}: {exc}") from None
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._exchange(payload)
        except AgentError:
            raise
        except TimeoutError:
            reason = f"the agent did not {action} within {self._timeout} seconds"
            self._end(AgentTimeoutError(reason))
            raise AgentTimeoutError(reason) from None
        number = reply[0]
        if number == AgentMessage.SSH_AGENT_FAILURE:
            raise AgentFailure(f"the agent refused to {action}")
        if number == AgentMessage.SSH_AGENT_EXTENSION_FAILURE:
            raise AgentExtensionFailure(f"the agent failed to {action}")
        return reply

    def _unexpected(self, reply: bytes, action: str) -> AgentProtocolError:
        error = AgentProtocolError(f"the agent answered {reply[0]} when asked to {action}")
        self._end(error)
        return AgentProtocolError(str(error))

    async def _simple_request(self, request: Message, action: str) -> None:
        reply = await self._request(request, action)
        if reply != bytes((AgentMessage.SSH_AGENT_SUCCESS,)):
            raise self._unexpected(reply, action)

    # --- Keys --------------------------------------------------------------------------------

    async def get_keys(
        self, identities: Collection[bytes] | None = None
    ) -> Sequence[SSHAgentKeyPair]:
        """Return the keys and certificates that the agent can sign with.

        Parameters:
            identities: key blobs that are wanted; None for all of them.

        Keys of a type that is not supported are left out. Raises AgentError.
        """
        action = "list its keys"
        reply = await self._request(RequestIdentities(), action)
        if reply[0] != AgentMessage.SSH_AGENT_IDENTITIES_ANSWER:
            raise self._unexpected(reply, action)
        try:
            found = decode_identities(reply, 1)
        except PacketDecodeError as exc:
            raise AgentProtocolError(f"malformed list of the agent's keys: {exc}") from None
        wanted = None if identities is None else frozenset(identities)
        pairs = (
            SSHAgentKeyPair.from_identity(self, each.key_blob, each.comment)
            for each in found
            if wanted is None or each.key_blob in wanted
        )
        return [pair for pair in pairs if pair is not None]

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        """Return a signature blob: algorithm name and signature, both strings.

        Parameters:
            key_blob: public key or certificate, as the agent lists it.
            data: what is signed, in full.
            flags: `SSHAgentRsaFlag` bits.

        Raises AgentFailure if the agent does not have the key or its user refused.
        """
        reply = await self._request(SignRequest(key_blob, data, flags), "sign")
        if reply[0] != AgentMessage.SSH_AGENT_SIGN_RESPONSE:
            raise self._unexpected(reply, "sign")
        try:
            return SignResponse.decode(reply, 1).signature
        except PacketDecodeError as exc:
            raise AgentProtocolError(f"malformed signature from the agent: {exc}") from None

    async def add_keys(
        self,
        keylist: KeyPairListArg = (),
        passphrase: Passphrase = None,
        lifetime: int | None = None,
        confirm: bool = False,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        """Add private keys, with their certificates, to the agent.

        Parameters:
            keylist: the keys (see "Specifying private keys"); () for those of the user's default
                keys that need no other pass phrase.
            passphrase: for those of them that are encrypted; text, or a function of the file
                name, which may be a coroutine function.
            lifetime: seconds until the agent forgets the keys; None for never.
            confirm: whether the agent asks its user before each signature.
            constraints: more limits, see `ssh_agent.constraints`.

        Raises KeyImportError for a key that cannot be read, AgentError if a key has no private
        part here or the agent refuses it.
        """
        limits = _constraints(lifetime, confirm, constraints)
        # Reading files and deriving a key from a pass phrase both take too long for the loop.
        default = keylist == ()
        pairs = await load_keypairs_async(
            await asyncio.to_thread(_default_keys) if default else keylist,
            passphrase,
            ignore_encrypted=default,
            run=asyncio.to_thread,
        )
        for pair in pairs:
            contents = private_contents(pair)
            comment = pair.get_comment_bytes() or b""
            request = (
                AddIdConstrained(contents, comment, limits)
                if limits
                else AddIdentity(contents, comment)
            )
            await self._simple_request(request, "add a key")

    async def remove_keys(self, keylist: Sequence[SSHKeyPair]) -> None:
        """Remove keys from the agent; raises AgentFailure if it does not have one of them."""
        for pair in keylist:
            await self._simple_request(RemoveIdentity(pair.public_data), "remove a key")

    async def remove_all(self) -> None:
        """Remove every key from the agent."""
        await self._simple_request(RemoveAllIdentities(), "remove all keys")

    async def add_smartcard_keys(
        self,
        provider: str,
        pin: str | None = None,
        lifetime: int | None = None,
        confirm: bool = False,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> None:
        """Add the keys of a token to the agent.

        Parameters:
            provider: what the agent knows the token by; for OpenSSH, a PKCS#11 library that is
                on the list of those it may load.
            pin: the token's PIN.
            lifetime: seconds until the agent forgets the keys; None for never.
            confirm: whether the agent asks its user before each signature.
            constraints: more limits, see `ssh_agent.constraints`.

        Raises AgentFailure if the agent found no key there.
        """
        limits = _constraints(lifetime, confirm, constraints)
        request = (
            AddSmartcardKeyConstrained(provider, pin or "", limits)
            if limits
            else AddSmartcardKey(provider, pin or "")
        )
        await self._simple_request(request, "add the keys of a token")

    async def remove_smartcard_keys(self, provider: str, pin: str | None = None) -> None:
        """Remove the keys of a token; raises AgentFailure if the agent has none of it."""
        request = RemoveSmartcardKey(provider, pin or "")
        await self._simple_request(request, "remove the keys of a token")

    # --- The agent itself --------------------------------------------------------------------

    async def lock(self, passphrase: str) -> None:
        """Lock the agent; raises AgentFailure if it is locked already."""
        await self._simple_request(Lock(passphrase), "lock")

    async def unlock(self, passphrase: str) -> None:
        """Unlock the agent; raises AgentFailure if it is not locked, or not with this phrase."""
        await self._simple_request(Unlock(passphrase), "unlock")

    async def query_extensions(self) -> Sequence[str]:
        """Return the names of the extensions that the agent knows; none if it cannot tell."""
        action = "list its extensions"
        try:
            reply = await self._request(Extension(b"query"), action)
        except AgentFailure:
            return []
        start = 1
        if reply[0] == AgentMessage.SSH_AGENT_EXTENSION_RESPONSE:
            start += len(encode_string(b"query"))
            if reply[1:start] != encode_string(b"query"):
                raise self._unexpected(reply, action)
        elif reply[0] != AgentMessage.SSH_AGENT_SUCCESS:
            raise self._unexpected(reply, action)
        try:
            return decode_extension_names(reply, start)
        except PacketDecodeError as exc:
            raise AgentProtocolError(f"malformed list of the agent's extensions: {exc}") from None

    async def request_extension(self, name: str, contents: bytes = b"") -> bytes:
        """Make a vendor's request (draft-miller-ssh-agent section 4.7) and return the answer.

        Parameters:
            name: name of the extension, `name@example.com`.
            contents: what the vendor defines.

        Returns the whole answer, number first. Raises AgentExtensionFailure if the request
        failed, AgentFailure if the agent does not know it.
        """
        return await self._request(Extension(name.encode(), contents), f"do {name!r}")

    async def bind_session(
        self, host_key: bytes, session_id: bytes, signature: bytes, *, is_forwarding: bool
    ) -> None:
        """Bind this connection to an SSH session (PROTOCOL.agent section 1).

        The agent then knows where its keys are used, which keys with a destination constraint
        need.

        Parameters:
            host_key: the server's host key blob.
            session_id: exchange hash of the first key exchange.
            signature: the server's signature of it.
            is_forwarding: whether the agent is forwarded over the session.

        Raises AgentFailure if the agent does not know session binding or refuses this one.
        """
        contents = (
            encode_string(host_key)
            + encode_string(session_id)
            + encode_string(signature)
            + bytes((is_forwarding,))
        )
        request = Extension(b"session-bind@openssh.com", contents)
        await self._simple_request(request, "bind the session")

    def close(self) -> None:
        """Close the connection to the agent; requests under way fail."""
        self._end(AgentConnectionError("the connection to the agent was closed"))
        if self._reading is not None:
            self._reading.cancel()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
        try:
            await self._writer.wait_closed()
        except (OSError, Error):
            pass  # it is closed, that is all that was asked for


def _constraints(lifetime: int | None, confirm: bool, more: Sequence[Constraint]) -> bytes:
    parts = [] if lifetime is None else [limit_lifetime(lifetime)]
    if confirm:
        parts.append(confirm_use())
    return b"".join([*parts, *more])


def _default_keys() -> list[Path]:
    folder = Path.home() / ".ssh"
    return [folder / name for name in _DEFAULT_KEYS if (folder / name).is_file()]


class AgentConnecting:
    """What `connect_agent` returns: `await` it, or use it in `async with`."""

    def __init__(self, agent_path: str | AgentOpener | None, timeout: float | None) -> None:
        self._agent_path = agent_path
        self._timeout = timeout
        self._client: SSHAgentClient | None = None

    def __await__(self) -> Generator[object, None, SSHAgentClient]:
        return self._open().__await__()

    async def __aenter__(self) -> SSHAgentClient:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client:
            await self._client.__aexit__(exc_type, exc_value, traceback)

    async def _open(self) -> SSHAgentClient:
        reader, writer = await open_agent_stream(self._agent_path)
        return SSHAgentClient(reader, writer, timeout=self._timeout)


async def open_agent_stream(
    agent_path: str | AgentOpener | None = None,
) -> tuple[AgentReader, AgentWriter]:
    """Open a stream to an agent, for somebody who speaks its protocol: a forwarded connection.

    Parameters:
        agent_path: as in `connect_agent`.

    Raises AgentConnectionError if no agent can be reached within 10 seconds.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await _open_stream(agent_path)
    except AgentError:
        raise
    except TimeoutError:
        raise AgentTimeoutError(f"no agent within {CONNECT_TIMEOUT} seconds") from None
    except (OSError, Error) as exc:
        raise AgentConnectionError(f"no agent: {exc}") from exc


async def _open_stream(agent_path: str | AgentOpener | None) -> tuple[AgentReader, AgentWriter]:
    if agent_path is not None and not isinstance(agent_path, str):
        return await agent_path.open_agent_connection()
    path = agent_path or os.environ.get("SSH_AUTH_SOCK", "")
    if sys.platform == "win32":
        return await open_pipe(path or DEFAULT_PIPE)
    else:
        if not path:
            raise AgentConnectionError("SSH_AUTH_SOCK is not set and no agent was named")
        return await open_unix(path)


def connect_agent(
    agent_path: str | AgentOpener | None = None, *, timeout: float | None = REQUEST_TIMEOUT
) -> AgentConnecting:
    """Connect to an SSH agent.

    `await connect_agent()` gives an `SSHAgentClient`, and so does
    `async with connect_agent() as agent`, which closes it at the end.

    Parameters:
        agent_path: path of the agent's socket, or a server's connection whose client forwards
            its agent. If it is missing, the environment variable SSH_AUTH_SOCK says where the
            agent is (on Windows, without it: the pipe of the agent service).
        timeout: seconds that the agent may take for an answer, None for no limit.

    Raises AgentConnectionError (an `OSError`) if no agent can be reached.
    """
    return AgentConnecting(agent_path, timeout)
