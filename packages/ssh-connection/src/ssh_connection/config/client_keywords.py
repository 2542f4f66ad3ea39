"""The keywords of ssh_config(5), and what their arguments may be."""

from __future__ import annotations

from typing import Final

from .evaluate import Count, Keyword
from .values import (
    choice,
    domains,
    flag,
    integer,
    jumps,
    names,
    one,
    permitted_names,
    port,
    raw,
    rekey,
    seconds,
    variable_names,
    variables,
    words,
)

__all__ = ["CLIENT_ALIASES", "CLIENT_KEYWORDS", "NOT_APPLIED"]

CLIENT_ALIASES: Final[dict[str, str]] = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "globalknownhostsfile2": "globalknownhostsfile",
    "hostbasedkeytypes": "hostbasedacceptedalgorithms",
    "identityfile2": "identityfile",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
    "smartcarddevice": "pkcs11provider",
    "tisauthentication": "kbdinteractiveauthentication",
    "userknownhostsfile2": "userknownhostsfile",
}
"""Keyword that is called otherwise now, to its present name."""

def _all(names: str, keyword: Keyword) -> dict[str, Keyword]:
    return dict.fromkeys(names.split(), keyword)


_FLAG = Keyword(flag)
_ONE = Keyword(one)
_NAMES = Keyword(names)
_WORDS = Keyword(words)
_NUMBER = Keyword(integer())

_APPLIED: dict[str, Keyword] = {
    "addressfamily": Keyword(choice("any", "inet", "inet6", flags=False)),
    "bindaddress": _ONE,
    "bindinterface": _ONE,
    "canonicaldomains": Keyword(domains),
    "canonicalizefallbacklocal": _FLAG,
    "canonicalizehostname": Keyword(choice("always")),
    "canonicalizemaxdots": Keyword(integer(-1)),
    "canonicalizepermittedcnames": Keyword(permitted_names),
    "casignaturealgorithms": _NAMES,
    "certificatefile": Keyword(one, Count.EACH),
    "ciphers": _NAMES,
    "compression": Keyword(choice("yes", "no", flags=False)),
    "connecttimeout": Keyword(seconds("none")),
    "enablesshkeysign": _FLAG,
    # The first word says whether, the first path which.
    "forwardagent": Keyword(one, Count.EACH),
    "forwardx11": _FLAG,
    "forwardx11trusted": _FLAG,
    "globalknownhostsfile": _WORDS,
    "gssapiauthentication": _FLAG,
    "gssapidelegatecredentials": _FLAG,
    "gssapikeyexchange": _FLAG,
    "gssapiserveridentity": _ONE,
    "hostbasedauthentication": _FLAG,
    "hostkeyalgorithms": _NAMES,
    "hostkeyalias": _ONE,
    "hostname": _ONE,
    "identitiesonly": _FLAG,
    "identityagent": _ONE,
    "identityfile": Keyword(one, Count.EACH),
    "ignoreunknown": _ONE,
    "kbdinteractiveauthentication": _FLAG,
    "kexalgorithms": _NAMES,
    "macs": _NAMES,
    "passwordauthentication": _FLAG,
    "pkcs11provider": _ONE,
    "port": Keyword(port),
    "preferredauthentications": _ONE,
    "proxycommand": Keyword(raw),
    "proxyjump": Keyword(jumps),
    "proxyusefdpass": _FLAG,
    "pubkeyacceptedalgorithms": _NAMES,
    "pubkeyauthentication": Keyword(choice("unbound", "host-bound")),
    "refuseconnection": _ONE,
    "rekeylimit": Keyword(rekey, Count.PARTS),
    "remotecommand": Keyword(raw),
    "requesttty": Keyword(choice("auto", "force")),
    "requiredrsasize": _NUMBER,
    "revokedhostkeys": _ONE,
    "sendenv": Keyword(variable_names, Count.SIGNED_WORDS),
    "serveralivecountmax": Keyword(integer(1)),
    "serveraliveinterval": Keyword(seconds()),
    "sessiontype": Keyword(choice("none", "subsystem", "default", flags=False)),
    "setenv": Keyword(variables),
    "tag": _ONE,
    "tcpkeepalive": _FLAG,
    "user": _ONE,
    "userknownhostsfile": _WORDS,
    "xauthlocation": _ONE,
}

NOT_APPLIED: Final[dict[str, Keyword]] = {
    **_all(
        "batchmode checkhostip clearallforwardings enableescapecommandline exitonforwardfailure"
        " forkafterauthentication gatewayports gssapirenewalforcesrekey"
        " gssapitrustdns hashknownhosts nohostauthenticationforlocalhost permitlocalcommand"
        " stdinnull streamlocalbindunlink useroaming visualhostkey"
        " useprivilegedport",
        _FLAG,
    ),
    **_all(
        "addkeystoagent channeltimeout controlpath controlpersist escapechar"
        " forwardx11timeout gssapiclientidentity gssapikexalgorithms hostbasedacceptedalgorithms"
        " dynamicforward ipqos kbdinteractivedevices localforward logverbose"
        " obscurekeystroketiming permitremoteopen remoteforward"
        " securitykeyprovider syslogfacility tunneldevice versionaddendum warnweakcrypto",
        _WORDS,
    ),
    **_all("connectionattempts numberofpasswordprompts", _NUMBER),
    "controlmaster": Keyword(choice("auto", "ask", "autoask")),
    "fingerprinthash": Keyword(choice("md5", "sha256", flags=False)),
    "knownhostscommand": Keyword(raw),
    "localcommand": Keyword(raw),
    "loglevel": _ONE,
    "streamlocalbindmask": _ONE,
    "stricthostkeychecking": Keyword(choice("ask", "accept-new", "off=no")),
    "tunnel": Keyword(choice("point-to-point", "ethernet")),
    "updatehostkeys": Keyword(choice("ask")),
    "verifyhostkeydns": Keyword(choice("ask")),
}
"""Keywords that are checked, and change nothing here."""

CLIENT_KEYWORDS: Final[dict[str, Keyword]] = {**_APPLIED, **NOT_APPLIED}
