"""The GSS-API options, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ssh_keys.record import Record
from ssh_transport import Policy
from ssh_transport.gss import gssapi_available
from ssh_transport.negotiation import GSS_METHODS

__all__ = ["GSSHostArg", "GSSSettings", "gss_settings", "gss_kex_names"]

GSSHostArg: TypeAlias = str | tuple[()] | None
"""Name of the server in its principal; `()` for the usual one, None for no GSS-API at all."""


class GSSSettings(Record):
    """What the GSS-API options come to.

    Parameters:
        host: name of the server in its principal `host/NAME`; None for the one that the
            connection is for (a client), or whichever the keytab has (a server).
        store: where the credentials are; None for what the system says.
        kex: whether key exchange may use it.
        auth: whether authentication may use it.
        wanted: whether an option asks for it; else it is what is tried behind keys.
        delegate: client: whether the server is given our credentials.
    """

    host: str | None
    store: Mapping[str, str] | None
    kex: bool
    auth: bool
    wanted: bool
    delegate: bool


def gss_settings(
    *,
    client: bool,
    host: GSSHostArg,
    store: Mapping[str, str] | None,
    kex: bool | tuple[()],
    auth: bool | tuple[()],
    delegate: bool = False,
    named: bool = False,
) -> GSSSettings | None:
    """Return what the options come to, None if GSS-API is not used.

    A client uses it for authentication wherever the package is installed; everything else has to
    be asked for. Whoever names the host, or a credential store, asks for both.

    Parameters:
        client: whether the options are of a client.
        named: whether `kex_algs` names a GSS-API method.

    The others are the options. Raises ValueError if it is asked for and not installed.
    """
    if host is None or (kex is False and auth is False):
        return None
    named_host = host if isinstance(host, str) and host else None
    both = named_host is not None or store is not None
    wants_kex = kex is True or (kex == () and (both or named))
    wants_auth = auth is True or (auth == () and (both or wants_kex))
    wanted = wants_kex or wants_auth
    if not gssapi_available():
        if not wanted:
            return None
        option = "gss_host" if named_host else "gss_kex" if kex is True else "GSS-API"
        raise ValueError(f"{option} needs the gssapi package: install the extra gssapi")
    wants_auth = wants_auth or (client and auth == ())
    if not (wants_kex or wants_auth):
        return None
    return GSSSettings(named_host, store, wants_kex, wants_auth, wanted, delegate)


def gss_kex_names(policy: Policy, names: tuple[bytes, ...], chosen: bool) -> tuple[bytes, ...]:
    """Return the key exchange methods with those of GSS-API, which come first.

    Parameters:
        policy: knows which of these there are.
        names: the methods that the options select.
        chosen: whether `kex_algs` selects them: then nothing is added.

    Raises ValueError if there is none.
    """
    all_names = names if chosen else (*policy.gss_kex_algorithms, *names)
    if not any(name.startswith(GSS_METHODS) for name in all_names):
        where = "kex_algs" if chosen else f"the policy {policy.name!r}"
        raise ValueError(f"gss_kex: no GSS-API method is in {where}")
    return tuple(dict.fromkeys(all_names))
