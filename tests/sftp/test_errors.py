"""The error tree."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys

import pytest

import ssh_sftp
from ssh_sftp import errors
from ssh_sftp.codec.constants import Status

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, errors.SFTPError)
    and value.__name__.startswith("SFTP")
    and value is not errors.SFTPError
]


def test_there_is_one_class_per_status_code() -> None:
    assert len(CLASSES) == 31
    assert {cls.status for cls in CLASSES} == {code.value for code in Status} - {0}
    names = {cls.status: cls.__name__ for cls in CLASSES}
    for code in Status:
        if code:
            words = code.name.removeprefix("SSH_FX_").replace("_", "").lower()
            expected = names[code.value].removeprefix("SFTP").lower()
            assert words in (expected, expected.removesuffix("error")), code


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_class_carries_code_reason_and_language(cls: type[errors.SFTPError]) -> None:
    error = cls("why", "de")  # type: ignore[arg-type]
    assert (error.code, error.reason, error.lang) == (cls.status, "why", "de")
    assert str(error) == "why"
    assert type(errors.error_for_status(cls.status, "why")) is cls
    assert issubclass(cls, errors.Error)
    assert getattr(ssh_sftp, cls.__name__) is cls
    assert cls.__name__ in errors.__doc__


def test_special_constructors() -> None:
    assert errors.SFTPEOFError().reason == ""
    error = errors.SFTPUnknownPrincipal("who?", unknown_names=("x",))
    assert (error.code, error.unknown_names) == (16, ("x",))
    plain = errors.SFTPError(4, "text")
    assert (plain.code, plain.reason, plain.lang) == (4, "text", "en-US")
    unknown = errors.error_for_status(99, "text")
    assert type(unknown) is errors.SFTPError
    assert unknown.code == 99


def test_escapes() -> None:
    assert errors.printable("plain äö") == "plain äö"
    assert errors.printable("a\x1b[31m\r\nb\u202e") == "a\\x1b[31m\\r\\nb\\u202e"


def test_root_is_that_of_ssh_keys_where_it_is_installed() -> None:
    try:
        keys = importlib.import_module("ssh_keys.errors")
    except ImportError:
        assert errors.Error.__module__ == "ssh_sftp.errors"
    else:
        assert errors.Error is keys.Error


def test_root_without_ssh_keys() -> None:
    code = (
        "import sys; sys.modules['ssh_keys'] = None\n"
        "from ssh_sftp.errors import Error, SFTPNoSuchFile\n"
        "e = SFTPNoSuchFile('gone')\n"
        "assert isinstance(e, Error) and Error.__module__ == 'ssh_sftp.errors'\n"
        "assert (e.code, e.reason, e.lang, str(e)) == (2, 'gone', 'en-US', 'gone')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_codec_alone_brings_no_event_loop() -> None:
    code = (
        "import sys, ssh_sftp.codec.requests, ssh_sftp.codec.responses\n"
        "assert not {'asyncio', 'socket', 'subprocess'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ssh_sftp.nothing  # noqa: B018
    assert "SFTPClient" in dir(ssh_sftp)


def test_records_can_be_pickled() -> None:
    attrs = ssh_sftp.SFTPAttrs(size=3)
    assert pickle.loads(pickle.dumps(attrs)) == attrs
