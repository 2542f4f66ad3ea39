"""The keywords of sshd_config(5), and what their arguments may be."""

from __future__ import annotations

import re
from typing import Final

from ssh_keys.patterns import PatternList

from .evaluate import Count, Keyword
from .ports import to_port
from .values import choice, integer, names, one, port, raw, rekey, seconds, words

__all__ = [
    "RESTRICTIONS",
    "SERVER_ALIASES",
    "SERVER_KEYWORDS",
    "permitted_address",
    "split_address",
]

SERVER_ALIASES: Final[dict[str, str]] = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "hostdsakey": "hostkey",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
    "authorizedkeysfile2": "authorizedkeysfile",
}


def _startups(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`MaxStartups`: one number, or three with colons between."""
    (text,) = one(args, rest)
    match = re.fullmatch(r"([0-9]{1,6})(?::([0-9]{1,3}):([0-9]{1,6}))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not like 10:30:100")
    begin, rate, full = match[1], match[2] or "30", match[3] or match[1]
    if not 0 < int(begin) <= int(full) or not 1 <= int(rate) <= 100:
        raise ValueError(f"{text!r} is out of range")
    return (begin, rate, full)


def _methods(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`AuthenticationMethods`: lists of methods with commas between, or `any`."""
    found = words(args, rest)
    if "any" in found and len(found) > 1:
        raise ValueError('"any" must stand alone')
    for word in found:
        if word != "any" and not {name.partition(":")[0] for name in word.split(",")} <= _METHODS:
            raise ValueError(f"{word!r} names a method that there is not")
    return found


def _users(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`AllowUsers` and the like: patterns of users, perhaps with `@` and patterns of hosts."""
    for word in words(args, rest):
        user, at, host = word.rpartition("@")
        if not word or (at and not host):
            raise ValueError(f"{word!r} is no pattern of users")
        PatternList([user or word], ignore_case=False)
        if at:
            PatternList(host.split(","))
    return args


def _permitted(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`PermitOpen`: addresses with a port, or one of `any` and `none`."""
    found = words(args, rest)
    if found not in (("any",), ("none",)):
        for word in found:
            permitted_address(word)
    return found


def permitted_address(text: str) -> tuple[str, int | None]:
    """Return host and port of `host:port`, None for any port; raises ValueError."""
    match = re.fullmatch(r"(?:\[([^\[\]/]+)\]|([^\[\]:/]+)):([^:]+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not host:port")
    return match[1] or match[2], None if match[3] == "*" else to_port(match[3])


def _listen_address(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`ListenAddress`: an address, perhaps with a port; the words behind it are about domains."""
    split_address(words(args, rest)[0])
    return args


def split_address(text: str) -> tuple[str, int | None]:
    """Return address and port of a `ListenAddress`, None for no port; raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    match = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::(.+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not an address")
    return match[1] or match[2], to_port(match[3]) if match[3] else None


def _all(names: str, keyword: Keyword) -> dict[str, Keyword]:
    return dict.fromkeys(names.split(), keyword)


_METHODS = {
    "gssapi-keyex",
    "gssapi-with-mic",
    "hostbased",
    "keyboard-interactive",
    "none",
    "password",
    "publickey",
}
_YES_NO = choice("yes", "no", flags=False)
_FLAG = Keyword(_YES_NO)
_MATCH_FLAG = Keyword(_YES_NO, in_match=True)
_ONE = Keyword(one)
_NAMES = Keyword(names)
_WORDS = Keyword(words)
_GROUPS = Keyword(words, Count.WORDS, in_match=True)
_USERS = Keyword(_users, Count.WORDS, in_match=True)

_APPLIED: dict[str, Keyword] = {
    "addressfamily": Keyword(choice("any", "inet", "inet6", flags=False)),
    "allowagentforwarding": _MATCH_FLAG,
    "allowgroups": _GROUPS,
    "allowtcpforwarding": Keyword(choice("all=yes", "local", "remote"), in_match=True),
    "allowusers": _USERS,
    "authenticationmethods": Keyword(_methods, in_match=True),
    "authorizedkeysfile": Keyword(words, in_match=True),
    "casignaturealgorithms": _NAMES,
    "ciphers": _NAMES,
    "clientalivecountmax": Keyword(integer(), in_match=True),
    "clientaliveinterval": Keyword(seconds(), in_match=True),
    "compression": Keyword(choice("delayed")),
    "denygroups": _GROUPS,
    "denyusers": _USERS,
    "disableforwarding": _MATCH_FLAG,
    "forcecommand": Keyword(raw, in_match=True),
    "gssapiauthentication": _MATCH_FLAG,
    "gssapikeyexchange": _FLAG,
    "hostbasedauthentication": _MATCH_FLAG,
    "hostbasedusesnamefrompacketonly": _FLAG,
    "hostcertificate": Keyword(one, Count.EACH),
    "hostkey": Keyword(one, Count.EACH),
    "hostkeyalgorithms": _NAMES,
    "kbdinteractiveauthentication": _MATCH_FLAG,
    "kexalgorithms": _NAMES,
    "listenaddress": Keyword(_listen_address, Count.EACH),
    "logingracetime": Keyword(seconds()),
    "macs": _NAMES,
    "maxauthtries": Keyword(integer(1), in_match=True),
    "maxsessions": Keyword(integer(1), in_match=True),
    "maxstartups": Keyword(_startups),
    "modulifile": _ONE,
    "passwordauthentication": _MATCH_FLAG,
    "permitopen": Keyword(_permitted, in_match=True),
    "permitrootlogin": Keyword(
        choice("without-password=prohibit-password", "prohibit-password", "forced-commands-only"),
        in_match=True,
    ),
    "permittty": _MATCH_FLAG,
    "permittunnel": Keyword(
        choice("yes", "no", "point-to-point", "ethernet", flags=False), in_match=True
    ),
    "port": Keyword(port, Count.EACH),
    "pubkeyacceptedalgorithms": _NAMES,
    "pubkeyauthentication": _MATCH_FLAG,
    "refuseconnection": _MATCH_FLAG,
    "rekeylimit": Keyword(rekey, Count.PARTS),
    "revokedkeys": _ONE,
    "strictmodes": _FLAG,
    "tcpkeepalive": _FLAG,
    "usedns": _FLAG,
    "x11forwarding": _MATCH_FLAG,
}

RESTRICTIONS: Final[dict[str, tuple[str, ...]]] = {
    "allowstreamlocalforwarding": ("yes",),
    "allowtcpforwarding": ("yes", "no"),
    "chrootdirectory": ("none",),
    "permitlisten": ("any",),
    "permitrootlogin": ("yes", "no", "prohibit-password"),
    "pubkeyauthoptions": ("none",),
    "requiredrsasize": ("1024", "2048"),
}
"""What restricts users, and can not be enforced but with these values: anything else is refused."""

_NOT_APPLIED: dict[str, Keyword] = {
    **_all(
        "debianbanner gssapicleanupcredentials gssapidelegatecredentials"
        " gssapistorecredentialsonrekey"
        " gssapistrictacceptorcheck ignoreuserknownhosts kerberosgetafstoken"
        " kerberosorlocalpasswd kerberosticketcleanup printlastlog printmotd usepam uselogin"
        " useprivilegeseparation",
        _FLAG,
    ),
    **_all(
        "exposeauthinfo kerberosauthentication permitemptypasswords permituserrc"
        " streamlocalbindunlink x11uselocalhost",
        _MATCH_FLAG,
    ),
    **_all(
        "gssapikexalgorithms hostkeyagent persourcemaxstartups persourcenetblocksize"
        " persourcepenalties persourcepenaltyexemptlist pidfile permituserenvironment"
        " requiredrsasize securitykeyprovider sshdauthpath sshdsessionpath subsystem syslogfacility"
        " versionaddendum xauthlocation",
        _WORDS,
    ),
    **_all(
        "acceptenv agentsocketpath allowstreamlocalforwarding authorizedkeyscommand"
        " authorizedkeyscommanduser authorizedprincipalscommand authorizedprincipalscommanduser"
        " authorizedprincipalsfile"
        " banner channeltimeout chrootdirectory gatewayports hostbasedacceptedalgorithms"
        " ignorerhosts ipqos loglevel logverbose pamservicename permitlisten"
        " pubkeyauthoptions rdomain setenv streamlocalbindmask trustedusercakeys"
        " unusedconnectiontimeout warnweakcrypto x11displayoffset",
        Keyword(words, in_match=True),
    ),
    "fingerprinthash": Keyword(choice("md5", "sha256", flags=False)),
}

SERVER_KEYWORDS: Final[dict[str, Keyword]] = {**_APPLIED, **_NOT_APPLIED}
