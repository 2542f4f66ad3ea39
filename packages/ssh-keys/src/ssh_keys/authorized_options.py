"""The options in front of a key in authorized_keys (sshd(8)): parse and enforce."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

from ssh_keys.authorized_key_options import AuthorizedKeyOptions
from ssh_keys.errors import KeyImportError
from ssh_keys.key import SSHKey
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.option_words import OptionWords
from ssh_keys.patterns import PatternList, parse_address
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.contents import X509Contents
from ssh_keys.x509.names import X509NamePattern
from ssh_keys.x509.purposes import X509Purposes
from ssh_keys.x509.trust import X509Path, X509Trust

__all__ = ["AuthorizedEntry", "AuthorizedKeyEntry", "AuthorizedX509Entry", "parse_options"]

Options = dict[str, object]

#: Canonical spelling of every flag; sshd compares option names without regard to case.
_FLAGS = {
    name.lower(): name
    for name in (
        "cert-authority",
        "no-agent-forwarding",
        "no-port-forwarding",
        "no-pty",
        "no-touch-required",
        "no-user-rc",
        "no-X11-forwarding",
        "restrict",
        "verify-required",
    )
}
#: What `restrict` takes, and the flags that give it back.
_PERMISSIONS = {
    name.lower(): "no-" + name
    for name in ("agent-forwarding", "port-forwarding", "pty", "user-rc", "X11-forwarding")
}
MAXIMUM_PORT = 65535
#: Largest number of a tun device; OpenSSH keeps two above it for `any` and errors.
MAXIMUM_TUNNEL = 0x7FFFFFFD


class AuthorizedEntry:
    """What the lines of an authorized_keys file have in common.

    Attributes:
        options: the options, as `SSHAuthorizedKeys.validate` returns them.
    """

    __slots__ = ("_from", "options")

    def __init__(self, options: Options) -> None:
        self.options: Mapping[str, object] = options
        # Every from= of the line has to match (sshd refuses a second one; so do we in parsing).
        patterns = cast("list[str] | None", options.get("from"))
        try:
            self._from = None if patterns is None else PatternList(patterns)
        except ValueError as exc:
            raise KeyImportError(f"option from: {exc}") from None

    @property
    def typed_options(self) -> AuthorizedKeyOptions:
        """The options as one immutable object with a field for each option."""
        return AuthorizedKeyOptions.from_options(self.options)

    @property
    def is_ca(self) -> bool:
        """Whether the key signs certificates instead of logging in itself."""
        return "cert-authority" in self.options

    @property
    def _has_principals(self) -> bool:
        return self.is_ca

    def _with_options(self, line: bytes) -> bytes:
        options = self.typed_options.export_options()
        encoded = options.encode("utf-8", "surrogateescape")
        return encoded + b" " + line if encoded else line

    def allows(
        self,
        client_host: str,
        client_addr: str,
        cert_principals: Iterable[str] | None = None,
        now: float | None = None,
    ) -> bool:
        """Whether `from`, `principals` and `expiry-time` let the client in.

        Parameters as of `SSHAuthorizedKeys.validate`.
        """
        if self._from is not None and not self._allows_client(client_host, client_addr):
            return False
        principals = cast("list[str] | None", self.options.get("principals"))
        if principals is not None:
            # Only certificates have principals: like sshd, let no plain key in by such a line.
            if not self._has_principals or not set(principals) & set(cert_principals or ()):
                return False
        expiry = cast("float | None", self.options.get("expiry-time"))
        if expiry is not None:
            return (datetime.now(UTC).timestamp() if now is None else now) < expiry
        return True

    def _allows_client(self, client_host: str, client_addr: str) -> bool:
        assert self._from is not None
        names = dict.fromkeys(name.lower() for name in (client_host, client_addr) if name)
        address = parse_address(client_addr)
        if address is not None:
            names[str(address)] = None
        return self._from.matches(names, () if address is None else (address,))


class AuthorizedKeyEntry(AuthorizedEntry):
    """One line of an authorized_keys file, with a key.

    Attributes:
        key: the key, or the key of a certificate authority.
        options: the options, as `SSHAuthorizedKeys.validate` returns them.
    """

    __slots__ = ("key",)

    def __init__(self, key: SSHKey, options: Options) -> None:
        super().__init__(options)
        self.key = key

    def export_line(self) -> bytes:
        """Return the line as it stands in a file, with its options in the order of their names.

        Raises KeyExportError as `AuthorizedKeyOptions.export_options` does.
        """
        return self._with_options(self.key.convert_to_public().export_public_key())


class AuthorizedX509Entry(AuthorizedEntry):
    """One line of an authorized_keys file, with an X.509 certificate or subject.

    Attributes:
        holder: the certificate or subject of a user, or of an authority if there is the option
            `cert-authority`.
        options: the options, as `SSHAuthorizedKeys.validate` returns them.
    """

    __slots__ = ("holder",)

    def __init__(self, holder: SSHX509Certificate | X509NamePattern, options: Options) -> None:
        super().__init__(options)
        self.holder = holder

    @property
    def _has_principals(self) -> bool:
        return True

    def is_for(self, contents: X509Contents) -> bool:
        """Whether the certificate with these contents is the one that is meant."""
        if isinstance(self.holder, X509NamePattern):
            return self.holder.matches(contents.subject)
        return self.holder.contents.der == contents.der

    def validate(
        self,
        certificate: SSHX509Certificate,
        trust: X509Trust,
        purposes: X509Purposes = "secureShellClient",
        *,
        now: float | None = None,
        minimum_rsa_bits: int = MINIMUM_RSA_BITS,
    ) -> X509Path | None:
        """Return the path that lets the holder of a certificate in; None if the line is not for it.

        Parameters:
            certificate: what the client presents, with the certificates above it.
            trust: authorities that are trusted for all users; the certificate of this line is
                trusted, too.
            purposes: what the certificate may be used for.
            now: the time in seconds since 1970; the present if not given.
            minimum_rsa_bits: smallest RSA key in the chain.

        The restrictions of the line are checked by `allows`, with the principals of the path.

        Raises CertificateError.
        """
        if not self.is_ca and not self.is_for(certificate.contents):
            return None
        if isinstance(self.holder, SSHX509Certificate):
            trust = (
                X509Trust((self.holder.contents,)) if self.is_ca else trust.extended((self.holder,))
            )
        path = trust.validate(certificate, purposes, now=now, minimum_rsa_bits=minimum_rsa_bits)
        if self.is_ca and not any(map(self.is_for, path.contents[1:])):
            return None
        return path

    def export_line(self) -> bytes:
        """Return the line as it stands in a file, with its options in the order of their names.

        Raises KeyExportError as `AuthorizedKeyOptions.export_options` does.
        """
        if isinstance(self.holder, SSHX509Certificate):
            return self._with_options(self.holder.export_certificate())
        return self._with_options(b"x509v3-ssh-rsa Subject:" + str(self.holder).encode() + b"\n")


def parse_options(text: str) -> tuple[Options, str]:
    """Split a line into its options and what follows them.

    Raises KeyImportError for an unknown option or a bad value.
    """
    options: Options = {}
    words = OptionWords(text)
    for name, value in words:
        _set_option(options, name, value)
    return options, words.rest


def _set_option(options: Options, name: str, value: str | None) -> None:
    if value is not None:
        if name not in _VALUES:
            raise KeyImportError(f"unknown option {name!a} with a value")
        canonical, setter = _VALUES[name]
        setter(options, canonical, value)
    elif name in _PERMISSIONS:
        options.pop(_PERMISSIONS[name], None)
    elif name in _FLAGS:
        options[_FLAGS[name]] = True
        if name == "restrict":
            options.update(dict.fromkeys(_PERMISSIONS.values(), True))
    else:
        raise KeyImportError(f"unknown option {name!a} without a value")


def _set_text(options: Options, name: str, value: str) -> None:
    # sshd refuses a second command too: which one counts must not depend on the reader.
    if name in options:
        raise KeyImportError(f"option {name} is given twice")
    if "\0" in value:
        raise KeyImportError(f"option {name} holds a NUL character")
    options[name] = value


def _set_tunnel(options: Options, name: str, value: str) -> None:
    number = value if value.isascii() and value.isdigit() and len(value) <= 10 else ""
    if value.lower() != "any" and not (number and int(number) <= MAXIMUM_TUNNEL):
        raise KeyImportError(f"option {name} is neither a number nor any: {value!a}")
    # The last of several counts, for sshd too.
    options[name] = value


def _set_list(options: Options, name: str, value: str) -> None:
    # Whole strings: a blank or an empty element is data, never trimmed away (CVE-2026-35414).
    if name in options:
        raise KeyImportError(f"option {name} is given twice")
    items = value.split(",")
    if not all(items):
        raise KeyImportError(f"option {name} has an empty element")
    options[name] = items


def _set_environment(options: Options, name: str, value: str) -> None:
    variable, equals, content = value.partition("=")
    if not equals or not variable or not all(c.isalnum() or c == "_" for c in variable):
        raise KeyImportError("option environment is not NAME=value")
    # The first setting counts (sshd(8)).
    cast("dict[str, str]", options.setdefault(name, {})).setdefault(variable, content)


def _set_permit(options: Options, name: str, value: str) -> None:
    host, colon, port_text = value.rpartition(":")
    if not colon:
        if name != "permitlisten":
            raise KeyImportError(f"option {name} is not host:port")
        host = ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if port_text == "*":
        port = None
    elif port_text.isascii() and port_text.isdigit() and 0 < int(port_text) <= MAXIMUM_PORT:
        port = int(port_text)
    else:
        raise KeyImportError(f"option {name} with the port {port_text!a}")
    if not host and name == "permitopen":
        raise KeyImportError(f"option {name} is not host:port")
    cast("set[tuple[str, int | None]]", options.setdefault(name, set())).add((host, port))


def _set_expiry(options: Options, name: str, value: str) -> None:
    text = value[:-1] if value.endswith("Z") else value
    formats = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    if len(text) not in formats or not (text.isascii() and text.isdigit()):
        raise KeyImportError(f"option {name} is not YYYYMMDD[HHMM[SS]][Z]")
    try:
        moment = datetime.strptime(text, formats[len(text)])  # noqa: DTZ007 - zone follows
        expiry = (moment.replace(tzinfo=UTC) if value.endswith("Z") else moment).timestamp()
    except (ValueError, OverflowError, OSError):
        raise KeyImportError(f"option {name} is not a date") from None
    # The earliest of several counts.
    options[name] = min(expiry, cast("float", options.get(name, expiry)))


_Setter = Callable[[Options, str, str], None]
_VALUES: dict[str, tuple[str, _Setter]] = {
    "command": ("command", _set_text),
    "environment": ("environment", _set_environment),
    "expiry-time": ("expiry-time", _set_expiry),
    "from": ("from", _set_list),
    "permitlisten": ("permitlisten", _set_permit),
    "permitopen": ("permitopen", _set_permit),
    "principals": ("principals", _set_list),
    "tunnel": ("tunnel", _set_tunnel),
}
