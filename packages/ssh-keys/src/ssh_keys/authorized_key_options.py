"""`AuthorizedKeyOptions`: the options of one line of authorized_keys (sshd(8)) as typed fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar, cast

from ssh_keys.errors import KeyExportError
from ssh_keys.option_words import quote_value
from ssh_keys.record import Record

__all__ = ["AuthorizedKeyOptions", "Permit"]

#: A host (or pattern), and its port or None for any.
Permit = tuple[str, int | None]

T = TypeVar("T")

#: What `restrict` takes and one word gives back: field, word.
_PERMISSIONS = (
    ("permit_agent_forwarding", "agent-forwarding"),
    ("permit_port_forwarding", "port-forwarding"),
    ("permit_pty", "pty"),
    ("permit_user_rc", "user-rc"),
    ("permit_x11_forwarding", "X11-forwarding"),
)
_FLAGS = (
    ("cert_authority", "cert-authority"),
    ("no_touch_required", "no-touch-required"),
    ("verify_required", "verify-required"),
)
_NO_ENVIRONMENT: Mapping[str, str] = {}


class AuthorizedKeyOptions(Record, kw_only=True):
    """What one line of authorized_keys asks of a login, and what it allows a session.

    Every option of sshd(8) is one field; without options a key may do everything. Immutable.

    Attributes:
        cert_authority: whether the key signs certificates instead of logging in itself.
        restrict: whether `restrict` was given, which also takes what later versions may add.
        permit_agent_forwarding: whether the agent may be forwarded.
        permit_port_forwarding: whether TCP ports and Unix sockets may be forwarded.
        permit_pty: whether a terminal may be allocated.
        permit_user_rc: whether `~/.ssh/rc` is run.
        permit_x11_forwarding: whether X11 may be forwarded.
        no_touch_required: whether a security key may sign without its user present.
        verify_required: whether a security key must have verified its user.
        command: what is run whatever the user asked for, None for what the user asked for.
        environment: variables of the session by name.
        expiry_time: when the key stops being good, in seconds since 1970, None for never.
        from_patterns: patterns of host names, addresses and CIDR networks that the client has to
            match, None for any client.
        principals: who certificates have to be for (with `cert_authority`), None if the name of
            the user counts.
        permitopen: host and port of forwardings to other hosts, the port None for any; None for
            all of them.
        permitlisten: the same for listening; the host may be empty for any.
        tunnel: number of the tun device, or `any`, None if the client may choose.
    """

    cert_authority: bool = False
    restrict: bool = False
    permit_agent_forwarding: bool = True
    permit_port_forwarding: bool = True
    permit_pty: bool = True
    permit_user_rc: bool = True
    permit_x11_forwarding: bool = True
    no_touch_required: bool = False
    verify_required: bool = False
    command: str | None = None
    environment: Mapping[str, str] = _NO_ENVIRONMENT
    expiry_time: float | None = None
    from_patterns: tuple[str, ...] | None = None
    principals: tuple[str, ...] | None = None
    permitopen: frozenset[Permit] | None = None
    permitlisten: frozenset[Permit] | None = None
    tunnel: str | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> AuthorizedKeyOptions:
        """Return the typed form of a mapping as `SSHAuthorizedKeys.validate` returns it.

        Parameters:
            options: values by the names of sshd(8); others are left out.
        """
        given = {field: name in options for field, name in _FLAGS}
        given |= {field: f"no-{name}" not in options for field, name in _PERMISSIONS}
        return cls(
            **given,
            restrict="restrict" in options,
            command=_get(options, "command", str),
            environment=dict(cast("Mapping[str, str]", options.get("environment", {}))),
            expiry_time=cast("float | None", options.get("expiry-time")),
            from_patterns=_frozen_list(options.get("from")),
            principals=_frozen_list(options.get("principals")),
            permitopen=_frozen_set(options.get("permitopen")),
            permitlisten=_frozen_set(options.get("permitlisten")),
            tunnel=_get(options, "tunnel", str),
        )

    def export_options(self) -> str:
        """Return the options as they stand in front of a key, empty if there are none.

        Raises KeyExportError for a value that no line can hold: with a line break or NUL, or with
        a backslash at its end.
        """
        return ",".join(self._words())

    def _words(self) -> Iterator[str]:
        values = self.__dict__
        if self.restrict:
            yield "restrict"
        yield from (name for field, name in _FLAGS if values[field])
        for field, name in _PERMISSIONS:
            if values[field] and self.restrict:
                yield name
            elif not values[field] and not self.restrict:
                yield f"no-{name}"
        if self.command is not None:
            yield quote_value("command", self.command)
        for name, value in self.environment.items():
            yield quote_value("environment", f"{name}={value}")
        if self.expiry_time is not None:
            yield quote_value("expiry-time", _format_time(self.expiry_time))
        for name, patterns in (("from", self.from_patterns), ("principals", self.principals)):
            if patterns is not None:
                yield quote_value(name, ",".join(patterns))
        for name, permits in (
            ("permitlisten", self.permitlisten),
            ("permitopen", self.permitopen),
        ):
            for permit in sorted(permits or (), key=str):
                yield quote_value(name, _format_permit(permit))
        if self.tunnel is not None:
            yield quote_value("tunnel", self.tunnel)


def _get(options: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = options.get(name)
    return value if isinstance(value, kind) else None


def _frozen_list(value: object) -> tuple[str, ...] | None:
    return None if value is None else tuple(cast("list[str]", value))


def _frozen_set(value: object) -> frozenset[Permit] | None:
    return None if value is None else frozenset(cast("set[Permit]", value))


def _format_permit(permit: Permit) -> str:
    host, port = permit
    port_text = "*" if port is None else str(port)
    if not host:
        return port_text
    return f"[{host}]:{port_text}" if ":" in host else f"{host}:{port_text}"


def _format_time(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%d%H%M%SZ")
    except (ValueError, OverflowError, OSError):
        raise KeyExportError(f"expiry time {moment} is not in the calendar") from None
