"""GSS-API of connections: contexts out of the options, and steps off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ssh_transport.config import TransportConfig
from ssh_transport.errors import KeyExchangeFailed
from ssh_transport.gss import GSSAPIContext, GSSError
from ssh_transport.negotiation import GSS_METHODS
from ssh_transport.protocols import GSSContext

from ..logging import ConnectionLog, Peer
from ..options.gss import GSSSettings
from ..userauth.protocols import MaybeAwait

__all__ = ["ClientGSS", "ServerGSS", "check_acceptor", "check_ticket"]

T = TypeVar("T")

Principal = Callable[[str, str, str], MaybeAwait[bool]]
"""Takes the user name and the principals of the client and the server."""


class ClientGSS:
    """A client's contexts; implements `GSSInitiator`.

    Parameters:
        settings: the options.
        host: name that the connection was asked for.
    """

    def __init__(self, settings: GSSSettings, host: str) -> None:
        self._settings = settings
        self._host = settings.host or host
        self.kex_context: GSSContext | None = None

    def new_context(self) -> GSSAPIContext:
        """Return a new context; raises GSSError if there are no credentials."""
        settings = self._settings
        return GSSAPIContext.initiator(self._host, delegate=settings.delegate, store=settings.store)

    async def check(self) -> None:
        """Get a ticket for the server; raises GSSError if that is not possible."""
        await asyncio.get_running_loop().run_in_executor(None, self._begin)

    def _begin(self) -> None:
        self.new_context().step(b"")

    def context(self) -> MaybeAwait[GSSContext]:
        """Return a new context, made in another thread: files are read, a package imported."""
        return _elsewhere(self.new_context)

    def step(self, context: GSSContext, token: bytes) -> MaybeAwait[bytes]:
        """Go on in another thread, because the KDC may be asked."""
        return _elsewhere(lambda: context.step(token))


class ServerGSS:
    """A server's contexts; implements `GSSAcceptor`.

    Parameters:
        settings: the options.
        validate: asks the application.
    """

    def __init__(self, settings: GSSSettings, validate: Principal) -> None:
        self._settings = settings
        self._validate = validate
        self.kex_context: GSSContext | None = None
        self.accepted: GSSContext | None = None
        """The context that the present user was let in with."""

    def new_context(self) -> GSSAPIContext:
        """Return a new context; raises GSSError if there is no key."""
        return GSSAPIContext.acceptor(self._settings.host, store=self._settings.store)

    def context(self) -> MaybeAwait[GSSContext]:
        """Return a new context, made in another thread, because files are read."""
        return _elsewhere(self.new_context)

    def step(self, context: GSSContext, token: bytes) -> MaybeAwait[bytes]:
        """Go on in another thread, because of the replay cache."""
        return _elsewhere(lambda: context.step(token))

    def validate(self, user: str, context: GSSContext) -> MaybeAwait[bool]:
        """Ask the application."""
        answer = self._validate(user, context.initiator_name, context.acceptor_name)
        if isinstance(answer, Awaitable):
            return self._validate_later(answer, context)
        return self._decided(answer, context)

    async def _validate_later(self, answer: Awaitable[bool], context: GSSContext) -> bool:
        return self._decided(await answer, context)

    def extra_info(self) -> dict[str, object]:
        """Return what `get_extra_info` tells of the user's principal and credentials."""
        context = self.accepted
        if context is None:
            return {}
        return {
            "gss_principal": context.initiator_name,
            "gss_delegated_creds": getattr(context, "delegated_credentials", None),
        }

    def _decided(self, answer: bool, context: GSSContext) -> bool:
        if answer is True:
            self.accepted = context
        return answer is True


async def check_ticket(gss: ClientGSS, config: TransportConfig, log: ConnectionLog) -> None:
    """Offer the GSS-API methods of key exchange only if there is a ticket for the server.

    Raises KeyExchangeFailed if there is none, and no other method.
    """
    try:
        await gss.check()
    except GSSError as exc:
        names = [name for name in config.kex_algorithms if not name.startswith(GSS_METHODS)]
        if not names:
            raise KeyExchangeFailed(f"GSS-API: {exc}") from None
        log.info("no GSS-API key exchange: %s", Peer(exc))
        config.kex_algorithms, config.gss = tuple(names), None


def check_acceptor(settings: GSSSettings) -> None:
    """Raise ValueError unless there is a key to accept clients with."""
    try:
        GSSAPIContext.acceptor(settings.host, store=settings.store)
    except GSSError as exc:
        raise ValueError(f"gss_host: no key to accept clients with: {exc}") from None


def _elsewhere(call: Callable[[], T]) -> Awaitable[T]:
    return asyncio.get_running_loop().run_in_executor(None, call)
