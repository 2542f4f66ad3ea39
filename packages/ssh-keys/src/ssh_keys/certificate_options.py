"""Critical options and extensions of OpenSSH certificates (PROTOCOL.certkeys)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from ssh_keys.errors import KeyGenerationError, KeyImportError, KeyTruncatedError
from ssh_keys.wire import PacketDecodeError, Reader, encode_string

__all__ = [
    "CRITICAL_OPTIONS",
    "PERMISSIONS",
    "check_source_address_list",
    "decode_option_list",
    "encode_option_list",
    "option_values",
]

#: The critical options of user certificates that we enforce. Host certificates have none.
CRITICAL_OPTIONS = ("force-command", "source-address", "verify-required")
#: Which of them hold a string; the others are flags, and empty.
_TEXT_OPTIONS = ("force-command", "source-address")
#: The extensions that grant something, in the order of ssh-keygen.
PERMISSIONS = (
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
)
_FLAG_EXTENSIONS = (*PERMISSIONS, "no-touch-required")


def decode_option_list(data: bytes) -> dict[str, bytes]:
    """Return name and raw data of each option.

    Raises KeyImportError for a list that is truncated or has a name twice. The order that the
    specification asks for changes no meaning, and is not insisted on.
    """
    options: dict[str, bytes] = {}
    reader = Reader(data)
    try:
        while reader.remaining:
            name, value = reader.text(), reader.string()
            if not name or name in options:
                raise KeyImportError(f"certificate option {name!a} is empty or given twice")
            options[name] = value
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"certificate options: {exc}") from None
    return options


def encode_option_list(options: Mapping[str, bytes]) -> bytes:
    """Return options in the order of their names."""
    items = sorted((name.encode(), value) for name, value in options.items())
    return b"".join(encode_string(name) + encode_string(value) for name, value in items)


def option_values(
    critical_options: Mapping[str, bytes], extensions: Mapping[str, bytes]
) -> dict[str, object]:
    """Return the options that we know, decoded: text, a list of networks, or True for flags.

    Raises KeyImportError for one with a malformed value.
    """
    values: dict[str, object] = {}
    for name, data in critical_options.items():
        if name in _TEXT_OPTIONS:
            text = _decode_text(name, data)
            values[name] = text
            if name == "source-address":
                values[name] = check_source_address_list(text.split(","))
        elif name in CRITICAL_OPTIONS:
            values[name] = _decode_flag(name, data)
    for name, data in extensions.items():
        if name in _FLAG_EXTENSIONS:
            values[name] = _decode_flag(name, data)
    return values


def _decode_text(name: str, data: bytes) -> str:
    try:
        reader = Reader(data)
        text = reader.text()
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"certificate option {name}: {exc}") from None
    return text


def _decode_flag(name: str, data: bytes) -> bool:
    if data:
        raise KeyImportError(f"certificate option {name} holds data")
    return True


def check_source_address_list(patterns: Iterable[str]) -> list[str]:
    """Return the addresses and networks of a `source-address` option.

    Raises KeyImportError for anything that is no address or network.
    """
    patterns = list(patterns)
    try:
        for pattern in patterns:
            ip_network(pattern)
    except ValueError as exc:
        raise KeyImportError(f"certificate option source-address: {exc}") from None
    return patterns


def user_critical_options(
    force_command: str | None, source_address: str | Iterable[str] | None, verify_required: bool
) -> dict[str, bytes]:
    """Return the critical options of a new user certificate; raises KeyGenerationError."""
    options: dict[str, bytes] = {}
    if force_command:
        options["force-command"] = encode_string(force_command.encode())
    if source_address:
        listed = source_address.split(",") if isinstance(source_address, str) else source_address
        try:
            text = ",".join(check_source_address_list(listed))
        except KeyImportError as exc:
            raise KeyGenerationError(str(exc)) from None
        options["source-address"] = encode_string(text.encode())
    if verify_required:
        options["verify-required"] = b""
    return options
