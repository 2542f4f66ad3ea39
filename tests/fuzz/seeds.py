"""Write the first inputs of each target: `python -m tests.fuzz.seeds`.

They are well-formed, so that a fuzzer starts behind the first checks. What a fuzzer found worth
keeping lies beside them, named by its hash; what found a fault has a name that says which.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ssh_connection.config.client_keywords import CLIENT_KEYWORDS
from ssh_connection.config.server_keywords import SERVER_KEYWORDS
from ssh_keys.wire import encode_boolean, encode_string, encode_uint32
from ssh_transport import CIPHERS, Role
from ssh_transport.compression import ZlibCompressor
from ssh_transport.kex.messages import KexDhGexRequestOld, KexGSSContinue, KexGSSError
from ssh_transport.messages import encode_ext_info
from ssh_transport.negotiation import encode_kexinit, our_offer
from ssh_transport.packet_writer import PacketWriter
from tests.fuzz.targets import KEX_HOST_KEY, KEX_ROWS, MESSAGES, Repeatable, _config
from tests.recorded.session import fixed_rsa_key
from tests.transport.gss_mechanism import SharedKeyContext
from tests.transport.kex_driver import Exchange

CORPUS = Path(__file__).parent / "corpus"

_CLIENT, _SERVER = b"\0", b"\xff"


def _sized(*payloads: bytes) -> bytes:
    return b"".join(len(payload).to_bytes(2, "big") + payload for payload in payloads)


def _kexinit(role: Role) -> bytes:
    config = _config(role)
    config.macs = (b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512")  # UMAC is not everywhere
    offer = our_offer(config, config.host_key_algorithms, first=True)
    return encode_kexinit(bytes(16), offer)


def _packets(*payloads: bytes) -> bytes:
    writer = PacketWriter(Repeatable())
    for payload in payloads:
        writer.write(payload)
    return bytes(writer.output())


_INITS = {_CLIENT: _kexinit(Role.SERVER), _SERVER: _kexinit(Role.CLIENT)}
_POINT = bytes(32)
_SERVICE = b"\x05" + encode_string(b"ssh-userauth")
_DISCONNECT = b"\x01" + encode_uint32(11) + encode_string(b"bye") + encode_string(b"")
_GENERIC = (
    b"\x02" + encode_string(b"ignored"),
    b"\x03" + encode_uint32(7),
    b"\x04" + encode_boolean(True) + encode_string(b"text") + encode_string(b"en"),
    b"\xc0" + encode_string(b"ping"),
    b"\x96unknown",
)


#: A value of each wire type, by the name of the type.
_VALUES: Mapping[str, Mapping[str, object]] = {
    "usual": {
        "byte": 7,
        "boolean": True,
        "uint32": 1,
        "string": b"some bytes",
        "string (UTF-8)": "some text \N{EURO SIGN}",
        "mpint": 1 << 70,
        "name-list": (b"one", b"two@example.org"),
        "rest of the packet": encode_string(b"what follows") + encode_uint32(2),
    },
    "least": {
        "byte": 0,
        "boolean": False,
        "uint32": 0,
        "string": b"",
        "string (UTF-8)": "",
        "mpint": 0,
        "name-list": (),
        "rest of the packet": b"",
    },
}


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name and content of each input that is the same each time."""
    yield "identification", "server", _CLIENT + b"Hello\r\nthere\nSSH-2.0-x y\r\nmore"
    yield "identification", "client", _SERVER + b"SSH-2.0-x\n"
    yield "identification", "old", _CLIENT + b"SSH-1.5-x\n"
    for role, init in _INITS.items():
        name = "client" if role == _CLIENT else "server"
        yield "clear_packets", name, role + _packets(init, b"\x1e" + encode_string(_POINT))
        yield "clear_payloads", name, role + _sized(init, b"\x1e" + encode_string(_POINT))
        yield "clear_payloads", f"{name}-generic", role + _sized(*_GENERIC, _DISCONNECT)
        yield "kexinit", name, init[1:]
        for number, phase in enumerate((_CLIENT, _SERVER)):
            payloads = (*_GENERIC, _SERVICE, init, b"\x5e" + bytes(8), _DISCONNECT)
            yield "connected", f"{name}-{number}", role + phase + _sized(*payloads)
    for index, row in enumerate(CIPHERS):
        yield "encrypted_packets", row.name.decode(), bytes([index, index]) + bytes(300)
    extensions = {b"server-sig-algs": b"ssh-ed25519", b"ping@openssh.com": b"0"}
    yield "ext_info", "two", encode_ext_info(extensions)[1:]
    for declaration in MESSAGES:
        kinds = [wire_type for _, wire_type in declaration._codec()]
        for name, values in _VALUES.items():
            fields = b"".join(kind.encode(values[kind.name]) for kind in kinds)
            yield f"message/{declaration.__name__}", name, fields
    yield from _configuration_seeds()
    yield "socks", "4", b"\4\1\0\x50\x7f\0\0\1me\0data"
    yield "socks", "4a", b"\4\1\0\x50\0\0\0\1me\0name\0data"
    for kind, address in (("1", b"\1" + bytes(4)), ("3", b"\3\4name"), ("4", b"\4" + bytes(16))):
        yield "socks", f"5-{kind}", b"\5\2\2\0\5\1\0" + address + b"\0\x50data"
    yield "tunnel", "frame", bytes(14)
    yield "tunnel", "4", encode_uint32(2) + b"\x45" + bytes(19)
    yield "tunnel", "6", encode_uint32(24) + b"\x60" + bytes(39)
    compressor = ZlibCompressor()
    stream = [compressor.compress(b"x" * size)[2:] for size in (20, 10, 5000)]
    yield "decompression", "stream", _sized(*stream)
    yield "decompression", "bomb", _sized(zlib.compress(bytes(100_000)))


def kex_seeds() -> Iterator[tuple[str, str, bytes]]:
    """What both sides of a whole exchange send, and what else they may: not the same each time."""
    for row in KEX_ROWS:
        name = row.name.decode()
        exchange = Exchange(
            row,
            client_random=Repeatable(),
            server_random=Repeatable(),
            host_key=KEX_HOST_KEY,
            client_gss=lambda: SharedKeyContext(True),
            server_gss=lambda: SharedKeyContext(False),
        )
        with fixed_rsa_key(name):
            exchange.run()
        client, server = exchange.client.sent, exchange.server.sent
        yield f"kex/{name}", "client", _CLIENT + _sized(*server)
        yield f"kex/{name}", "server", _SERVER + _sized(*client)
        if b"group-exchange" in row.name:
            old = KexDhGexRequestOld(3072).encode()
            yield f"kex/{name}", "server-old", _SERVER + _sized(old, *client[1:])
        if row.name.startswith(b"gss-"):
            group = server[:1] if b"gss-gex" in row.name else []
            for what, message in (
                ("continue", KexGSSContinue(b"token")),
                ("error", KexGSSError(1, 2, b"text", b"en")),
            ):
                yield f"kex/{name}", what, _CLIENT + _sized(*group, message.encode())


_LATER_CRITERIA = b"""host
Match localnetwork 127.0.0.0/8,2001:db8::/32 !version OpenSSH_*
    Port 9
Match sessiontype shell,exec !command "ls *" command ""
    User a
Match localnetwork 127.0.0.1/8
    User b
"""

_CLIENT_FILE = b"""\
Include 1
Host *.example !bad.* alpha
    Hostname %h.example.org
    User "b\\"ob"   # comment
    Port=2222
    IdentityFile ~/.ssh/id_%r
    IdentityFile '/a b/${A}'
    CertificateFile none
    SendEnv A LC_* -A
    SetEnv A=1 "B=2 3"
    RekeyLimit 1G 1h30m
    Ciphers ^aes256-ctr
    ForwardAgent yes
    ForwardAgent $A
    IdentityAgent /run/%u
Match host alpha,*.org !user eve exec "test %n = '%h' || true %r"
    ProxyCommand nc %h %p "x y" # no comment
    UserKnownHostsFile ~/kh none
    CanonicalizeHostname always
    CanonicalDomains example.com b.
    CanonicalizePermittedCNAMEs *.a:*.b,c d:e
Match originalhost=alpha localuser me
    ProxyJump u@[::1]:4,ssh://b:ssh/
    RemoteCommand echo %% %C %k
    RequestTTY force
Match !final canonical
    ConnectTimeout none
Match final all
    IgnoreUnknown X*
    Xyz 1
---
Compression yes
Host beta
    Include 2
Host *
    PreferredAuthentications publickey
    PubkeyAuthentication host-bound
    HostKeyAlias x
    RevokedHostKeys /nonexistent/%%
    GSSAPIServerIdentity y
---
ServerAliveInterval 1m
ServerAliveCountMax 3
AddressFamily inet6
BindAddress ::1
SessionType subsystem
StrictHostKeyChecking accept-new
"""

_SERVER_FILE = b"""\
Port 2222
ListenAddress [::1]:ssh
HostKey /nonexistent/%%
AddressFamily any
AllowUsers bob eve@10.0.0.0/8 !x
DenyGroups wheel "a b"
AuthenticationMethods publickey,password publickey,keyboard-interactive:pam
MaxStartups 10:30:100
LoginGraceTime 2m
Ciphers aes256-ctr,aes128-ctr
RekeyLimit default 1h
Compression delayed
Include 1
Match User b*,!eve Address 192.0.2.0/24,::/0
    PasswordAuthentication no
    PermitOpen host:22 [::1]:* *:80
    ForceCommand echo "a b" # this too
    AuthorizedKeysFile .ssh/a %h/b/%u none
    ClientAliveCountMax 0
    PermitRootLogin prohibit-password
Match Group staff LocalPort 22 LocalAddress ::1 Host 192.0.2.1
    DenyUsers eve
    AuthenticationMethods any
    DisableForwarding yes
Match all
    X11Forwarding yes
---
StrictModes no
UseDNS yes
Match User eve
    MaxSessions 1
    Include 1
"""


def _configuration_seeds() -> Iterator[tuple[str, str, bytes]]:
    for host in ("alpha", "beta", "x.example", "-oX", "a;b", ""):
        yield "client_configuration", f"host-{host or 'none'}", host.encode() + b"\n" + _CLIENT_FILE
    yield "client_configuration", "later-criteria", _LATER_CRITERIA
    yield "server_configuration", "whole", _SERVER_FILE
    for keyword in CLIENT_KEYWORDS:
        line = f"h\n{keyword} yes\n{keyword}=7\nMatch final\n{keyword} a:b c\n"
        yield "client_configuration", keyword, line.encode()
    for keyword in SERVER_KEYWORDS:
        line = f"{keyword} yes\nMatch User bob\n{keyword} 7\n{keyword} a:b c\n"
        yield "server_configuration", keyword, line.encode()


def main() -> None:
    """Write them; those that are never the same only where there are none."""
    for again, inputs in ((True, seeds()), (False, kex_seeds())):
        for target, name, data in inputs:
            path = CORPUS / target / name.replace("/", "-")
            path.parent.mkdir(parents=True, exist_ok=True)
            if again or not path.exists():
                path.write_bytes(data)


if __name__ == "__main__":
    main()
