"""The keywords of sshd_config(5), and what their arguments may be."""

from __future__ import annotations

import re
from typing import Final

from .evaluate import Count, Keyword
from .values import choice, integer, names, one, raw, rekey, seconds, words

__all__ = ["RESTRICTIONS", "SERVER_ALIASES", "SERVER_KEYWORDS"]

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


def _all(names: str, keyword: Keyword) -> dict[str, Keyword]:
    return dict.fromkeys(names.split(), keyword)


_YES_NO = choice("yes", "no", flags=False)
_FLAG = Keyword(_YES_NO)
_MATCH_FLAG = Keyword(_YES_NO, in_match=True)
_ONE = Keyword(one)
_NAMES = Keyword(names)
_WORDS = Keyword(words)
_USERS = Keyword(words, Count.WORDS, in_match=True)

_APPLIED: dict[str, Keyword] = {
    "addressfamily": Keyword(choice("any", "inet", "inet6", flags=False)),
    "allowagentforwarding": _MATCH_FLAG,
    "allowgroups": _USERS,
    "allowtcpforwarding": Keyword(choice("all=yes", "local", "remote"), in_match=True),
    "allowusers": _USERS,
    "authenticationmethods": Keyword(words, in_match=True),
    "authorizedkeysfile": Keyword(words, in_match=True),
    "casignaturealgorithms": _NAMES,
    "ciphers": _NAMES,
    "clientalivecountmax": Keyword(integer(), in_match=True),
    "clientaliveinterval": Keyword(seconds(), in_match=True),
    "compression": Keyword(choice("delayed")),
    "denygroups": _USERS,
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
    "listenaddress": Keyword(words, Count.EACH),
    "logingracetime": Keyword(seconds()),
    "macs": _NAMES,
    "maxauthtries": Keyword(integer(1), in_match=True),
    "maxsessions": Keyword(integer(1), in_match=True),
    "maxstartups": Keyword(_startups),
    "passwordauthentication": _MATCH_FLAG,
    "permitopen": Keyword(words, in_match=True),
    "permitrootlogin": Keyword(
        choice("without-password=prohibit-password", "prohibit-password", "forced-commands-only"),
        in_match=True,
    ),
    "permittty": _MATCH_FLAG,
    "port": Keyword(integer(1, 65535), Count.EACH),
    "pubkeyacceptedalgorithms": _NAMES,
    "pubkeyauthentication": _MATCH_FLAG,
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
        "debianbanner gssapicleanupcredentials gssapistorecredentialsonrekey"
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
        "gssapikexalgorithms hostkeyagent modulifile persourcemaxstartups persourcenetblocksize"
        " persourcepenalties persourcepenaltyexemptlist pidfile permituserenvironment"
        " requiredrsasize securitykeyprovider sshdauthpath sshdsessionpath subsystem syslogfacility"
        " versionaddendum xauthlocation",
        _WORDS,
    ),
    **_all(
        "acceptenv allowstreamlocalforwarding authorizedkeyscommand authorizedkeyscommanduser"
        " authorizedprincipalscommand authorizedprincipalscommanduser authorizedprincipalsfile"
        " banner channeltimeout chrootdirectory gatewayports hostbasedacceptedalgorithms"
        " ignorerhosts ipqos loglevel logverbose permitlisten permittunnel pubkeyauthoptions"
        " rdomain refuseconnection setenv streamlocalbindmask trustedusercakeys"
        " unusedconnectiontimeout x11displayoffset",
        Keyword(words, in_match=True),
    ),
    "fingerprinthash": Keyword(choice("md5", "sha256", flags=False)),
}

SERVER_KEYWORDS: Final[dict[str, Keyword]] = {**_APPLIED, **_NOT_APPLIED}
