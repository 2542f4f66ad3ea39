"""Keys and agents of ssh_config(5): `IdentityFile`, `IdentityAgent` and what belongs to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from .criteria import ClientEvaluation, LocalFacts
from .tokens import expand

__all__ = ["identity_options"]


class Conversion(Protocol):
    """What is needed of the conversion of values into options."""

    evaluation: ClientEvaluation
    facts: LocalFacts
    given: Mapping[str, object]
    made: dict[str, object]

    def path(self, text: str) -> str:
        """Return a file name with everything expanded; raises ValueError."""
        ...

    def at(
        self, keyword: str, value: tuple[str, ...] = ()
    ) -> AbstractContextManager[None]:
        """Convert a value in the body; an error names its place."""
        ...


def identity_options(conversion: Conversion) -> None:
    """Set the options of keys and agents; raises ConfigParseError.

    A key file that is not there is passed over, as OpenSSH does, and one that needs a passphrase
    unless there is one.
    """
    made, values = conversion.made, conversion.evaluation.values
    public: list[str] = []
    if "identityfile" in values:
        private: list[str] = []
        for line in values["identityfile"]:
            if line[0].lower() == "none":
                continue
            with conversion.at("identityfile", line):
                path = conversion.path(line[0])
            if os.path.exists(path + ".pub"):
                public.append(path + ".pub")
            if _is_public(path):
                public.append(path)
            elif os.path.exists(path):
                private.append(path)
        made["client_keys"] = private
        given = conversion.given
        if given.get("passphrase") is None and given.get("client_keys", ()) == ():
            made["ignore_encrypted"] = True  # not of keys that somebody named in the program
    if "certificatefile" in values:
        certificates: list[str] = []
        for line in values["certificatefile"]:
            with conversion.at("certificatefile", line):
                certificates += [conversion.path(line[0])] if line[0].lower() != "none" else []
        made["client_certs"] = [path for path in certificates if os.path.exists(path)]
    if conversion.evaluation.first("identitiesonly") == "yes":
        made["agent_identities"] = list(dict.fromkeys(public)) or _default_public(conversion)
    provider = conversion.evaluation.first("pkcs11provider")
    if provider is not None:
        made["pkcs11_provider"] = None if provider.lower() == "none" else provider
    _agents(conversion)


def _is_public(path: str) -> bool:
    """Whether a file has a public key in it, of which an agent has the private one."""
    try:
        with open(path, "rb") as file:
            start = file.read(64).lstrip()
    except OSError:
        return False
    return not start.startswith((b"-----BEGIN", b"PuTTY-User-Key-File")) and path.endswith(".pub")


def _default_public(conversion: Conversion) -> list[str]:
    if "identityfile" in conversion.evaluation.values:
        return []
    folder = os.path.join(conversion.facts.home, ".ssh")
    names = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if os.path.exists(path)]


_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


def _agents(conversion: Conversion) -> None:
    made, environ = conversion.made, conversion.facts.environ
    agent = conversion.evaluation.first("identityagent")
    if agent is not None and agent != "SSH_AUTH_SOCK":
        with conversion.at("identityagent"):
            made["agent_path"] = None if agent.lower() == "none" else _socket(conversion, agent)
    lines = conversion.evaluation.values.get("forwardagent", ())
    if not lines:
        return
    # The first line says whether; the first path says which agent, even behind another `yes`.
    forwarded = _WORDS.get(lines[0][0].lower(), True)
    path = next((line for line in lines if line[0].lower() not in _WORDS), None)
    with conversion.at("forwardagent", path or lines[0]):
        if not forwarded:
            made["agent_forwarding"] = False
        elif path is not None:
            made["agent_forwarding"] = _socket(conversion, path[0]) or False
        else:
            # Of an agent that is not there nothing can be forwarded.
            there = bool(made.get("agent_path", environ.get("SSH_AUTH_SOCK")))
            made["agent_forwarding"] = there or bool(conversion.given.get("agent_path"))


def _socket(conversion: Conversion, text: str) -> str | None:
    """Return the path of an agent: the value of a variable `$NAME`, or a file name."""
    if text.startswith("$") and not text.startswith("${"):
        return conversion.facts.environ.get(text[1:]) or None
    if text.startswith("~"):
        return conversion.path(text)
    return expand(text, conversion.evaluation.tokens(), conversion.facts.environ)
