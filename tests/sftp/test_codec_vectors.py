"""Every packet against bytes written by hand from draft-ietf-secsh-filexfer-02 and PROTOCOL."""

from __future__ import annotations

import pytest

from ssh_sftp.codec import extensions, framing, requests, responses
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPLimits, SFTPName, SFTPVFSAttrs
from ssh_sftp.codec.constants import PacketType
from ssh_sftp.codec.wire import Message, PacketDecodeError

ATTRS = SFTPAttrs(
    type=1, size=5, uid=1000, gid=100, permissions=0o100644, atime=1_000_000_000, mtime=1
)
ATTRS_HEX = "0000000f 0000000000000005 000003e8 00000064 000081a4 3b9aca00 00000001"
NO_ATTRS = bytes(4)
PATH_HEX = "00000004 2f746d70"  # "/tmp"
HANDLE_HEX = "00000002 6831"  # "h1"

VECTORS: list[tuple[Message, str]] = [
    (requests.Init(3), "01 00000003"),
    (requests.Open(7, b"/tmp", 0x1A, NO_ATTRS), f"03 00000007 {PATH_HEX} 0000001a 00000000"),
    (requests.Close(7, b"h1"), f"04 00000007 {HANDLE_HEX}"),
    (
        requests.Read(7, b"h1", 0x100000000, 32768),
        f"05 00000007 {HANDLE_HEX} 0000000100000000 00008000",
    ),
    (
        requests.Write(7, b"h1", 1, b"abc"),
        f"06 00000007 {HANDLE_HEX} 0000000000000001 00000003 616263",
    ),
    (requests.LStat(7, b"/tmp"), f"07 00000007 {PATH_HEX}"),
    (requests.FStat(7, b"h1"), f"08 00000007 {HANDLE_HEX}"),
    (requests.SetStat(7, b"/tmp", ATTRS.encode()), f"09 00000007 {PATH_HEX} {ATTRS_HEX}"),
    (requests.FSetStat(7, b"h1", ATTRS.encode()), f"0a 00000007 {HANDLE_HEX} {ATTRS_HEX}"),
    (requests.OpenDir(7, b"/tmp"), f"0b 00000007 {PATH_HEX}"),
    (requests.ReadDir(7, b"h1"), f"0c 00000007 {HANDLE_HEX}"),
    (requests.Remove(7, b"/tmp"), f"0d 00000007 {PATH_HEX}"),
    (requests.MkDir(7, b"/tmp", NO_ATTRS), f"0e 00000007 {PATH_HEX} 00000000"),
    (requests.RmDir(7, b"/tmp"), f"0f 00000007 {PATH_HEX}"),
    (requests.RealPath(7, b"/tmp"), f"10 00000007 {PATH_HEX}"),
    (requests.Stat(7, b"/tmp"), f"11 00000007 {PATH_HEX}"),
    (requests.Rename(7, b"/tmp", b"h1"), f"12 00000007 {PATH_HEX} {HANDLE_HEX}"),
    (requests.ReadLink(7, b"/tmp"), f"13 00000007 {PATH_HEX}"),
    (requests.Symlink(7, b"/tmp", b"h1"), f"14 00000007 {PATH_HEX} {HANDLE_HEX}"),
    (requests.Link(7, b"h1", b"/tmp", 1), f"15 00000007 {HANDLE_HEX} {PATH_HEX} 01"),
    (
        requests.Block(7, b"h1", 1, 2, 0x40),
        f"16 00000007 {HANDLE_HEX} 0000000000000001 0000000000000002 00000040",
    ),
    (
        requests.Unblock(7, b"h1", 1, 2),
        f"17 00000007 {HANDLE_HEX} 0000000000000001 0000000000000002",
    ),
    (requests.Extended(7, b"x@y", b"z"), "c8 00000007 00000003 784079 7a"),
    (responses.Version(3), "02 00000003"),
    (
        responses.Version(3, responses.encode_extension_pairs({b"copy-data": b"1"})),
        "02 00000003 00000009 636f70792d64617461 00000001 31",
    ),
    (
        responses.StatusReply(7, 2, b"No", b"en"),
        "65 00000007 00000002 00000002 4e6f 00000002 656e",
    ),
    (responses.Handle(7, b"h1"), f"66 00000007 {HANDLE_HEX}"),
    (responses.Data(7, b"abc"), "67 00000007 00000003 616263"),
    (
        responses.Name(7, 1, SFTPName(b"a", b"-a", SFTPAttrs()).encode()),
        "68 00000007 00000001 00000001 61 00000002 2d61 00000000",
    ),
    (responses.Attrs(7, ATTRS.encode()), f"69 00000007 {ATTRS_HEX}"),
    (responses.ExtendedReply(7, b"z"), "c9 00000007 7a"),
    (extensions.PosixRename(b"/tmp", b"h1"), f"{PATH_HEX} {HANDLE_HEX}"),
    (extensions.StatVFS(b"/tmp"), PATH_HEX),
    (extensions.FStatVFS(b"h1"), HANDLE_HEX),
    (extensions.HardLink(b"/tmp", b"h1"), f"{PATH_HEX} {HANDLE_HEX}"),
    (extensions.FSync(b"h1"), HANDLE_HEX),
    (extensions.LSetStat(b"/tmp", ATTRS.encode()), f"{PATH_HEX} {ATTRS_HEX}"),
    (extensions.Limits(), ""),
    (extensions.ExpandPath(b"~"), "00000001 7e"),
    (
        extensions.CopyData(b"h1", 1, 2, b"h2", 3),
        f"{HANDLE_HEX} 0000000000000001 0000000000000002 00000002 6832 0000000000000003",
    ),
    (extensions.HomeDirectory(b""), "00000000"),
    (
        extensions.UsersGroupsById(b"\0\0\0\1", b""),
        "00000004 00000001 00000000",
    ),
    (
        extensions.UsersGroupsByIdReply(b"\0\0\0\1a", b""),
        "00000005 0000000161 00000000",
    ),
]


@pytest.mark.parametrize(("packet", "expected"), VECTORS, ids=lambda v: type(v).__name__)
def test_packet_is_what_the_draft_says(packet: Message, expected: str) -> None:
    data = bytes.fromhex(expected)
    assert packet.encode() == data
    start = 0 if packet.number < 0 else 1
    assert type(packet).decode(data, start) == packet


@pytest.mark.parametrize(("packet", "expected"), VECTORS, ids=lambda v: type(v).__name__)
def test_truncated_packet_is_refused(packet: Message, expected: str) -> None:
    data = bytes.fromhex(expected)
    start = 0 if packet.number < 0 else 1
    whole = type(packet)
    last = whole.field_names()[-1] if whole.field_names() else ""
    for end in range(start, len(data)):
        try:
            shorter = whole.decode(data, start, end)
        except PacketDecodeError:
            continue
        # Only the rest of a packet may be shorter without being noticed here.
        assert len(getattr(shorter, last)) < len(getattr(packet, last))


def test_every_packet_type_is_declared_once() -> None:
    declared = [
        value.number
        for module in (requests, responses)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Message) and value is not Message
    ]
    assert set(declared) == {kind.value for kind in PacketType}
    # OPEN has two forms: version 3 and 4, version 5 and 6.
    assert len(declared) == len(PacketType) + 1


def test_hand_packed_forms_agree_with_the_declarations() -> None:
    for handle in (b"", b"h1", b"h" * 256):
        assert framing.pack_read(9, handle, 1 << 40, 77) == framing.frame(
            requests.Read(9, handle, 1 << 40, 77).encode()
        )
        assert framing.pack_close(9, handle) == framing.frame(requests.Close(9, handle).encode())
        assert framing.pack_write_header(9, handle, 5, 3) + b"abc" == framing.frame(
            requests.Write(9, handle, 5, b"abc").encode()
        )
    assert framing.pack_path_request(17, 9, b"/x") == framing.frame(
        requests.Stat(9, b"/x").encode()
    )
    assert framing.pack_data_header(9, 3) + b"abc" == framing.frame(
        responses.Data(9, b"abc").encode()
    )
    assert framing.pack_status_ok(9) == framing.frame(
        responses.StatusReply(9, 0, b"", b"").encode()
    )


def test_statvfs_and_limits_replies() -> None:
    vfs = SFTPVFSAttrs(*range(11))
    data = b"".join(value.to_bytes(8, "big") for value in range(11))
    assert vfs.encode() == data
    assert SFTPVFSAttrs.decode(data, 0, 88) == vfs
    limits = SFTPLimits(262144, 261120, 261120, 100)
    data = bytes.fromhex("0000000000040000 000000000003fc00 000000000003fc00 0000000000000064")
    assert limits.encode() == data
    assert SFTPLimits.decode(data, 0, 32) == limits
    with pytest.raises(PacketDecodeError):
        SFTPVFSAttrs.decode(data, 0, 32)
    with pytest.raises(PacketDecodeError):
        SFTPLimits.decode(data, 0, 31)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        # flags, type, size, owner, group, permissions, three times, nanoseconds where there are
        (
            4,
            (
                "800001fd 01 0000000000000005 00000001 6f 00000001 67 000001a4"
                "0000000000000001 00000002 0000000000000003 00000004 ffffffffffffffff 00000006"
                "00000003 61636c 00000001 00000001 65 00000001 78"
            ),
        ),
        (
            5,
            (
                "800003fd 01 0000000000000005 00000001 6f 00000001 67 000001a4"
                "0000000000000001 00000002 0000000000000003 00000004 ffffffffffffffff 00000006"
                "00000003 61636c 00000011 00000001 00000001 65 00000001 78"
            ),
        ),
        (
            6,
            (
                "8000fffd 01 0000000000000005 0000000000001000 00000001 6f 00000001 67 000001a4"
                "0000000000000001 00000002 0000000000000003 00000004 ffffffffffffffff 00000006"
                "0000000000000007 00000008 00000003 61636c 00000011 00000013 02 00000001 6d"
                "00000002 00000001 75 00000001 00000001 65 00000001 78"
            ),
        ),
    ],
)
def test_attributes_of_later_versions(version: int, expected: str) -> None:
    attrs = SFTPAttrs(
        type=1, size=5, owner="o", group="g", permissions=0o644, atime=1, atime_ns=2,
        crtime=3, crtime_ns=4, mtime=-1, mtime_ns=6, acl=b"acl", extended=((b"e", b"x"),),
    )  # fmt: skip
    if version >= 5:
        attrs.attrib_bits = 0x11
    if version == 6:
        attrs.alloc_size, attrs.ctime, attrs.ctime_ns = 4096, 7, 8
        attrs.attrib_valid, attrs.text_hint, attrs.mime_type = 0x13, 2, "m"
        attrs.nlink, attrs.untrans_name = 2, b"u"
    data = bytes.fromhex(expected)
    assert attrs.encode(version) == data
    assert SFTPAttrs.decode(data, 0, len(data), version) == (attrs, len(data))
    for end in range(len(data)):
        with pytest.raises(PacketDecodeError):
            SFTPAttrs.decode(data, 0, end, version)
