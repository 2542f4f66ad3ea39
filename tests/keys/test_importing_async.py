"""Passphrase functions that wait, in programs with an event loop."""

from __future__ import annotations

import asyncio
import threading
import warnings
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys.importing import Passphrase

from .support import make_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, passphrase in (("first", "one"), ("second", "two")):
        make_key("ssh-ed25519", len(passphrase) + (name == "second")).write_private_key(
            tmp_path / name, passphrase=passphrase, rounds=1
        )
    make_key("ssh-ed25519").write_private_key(tmp_path / "plain")
    return tmp_path


async def ask(name: str) -> str | None:
    await asyncio.sleep(0)
    return {"first": "one", "second": "two"}.get(Path(name).name)


@pytest.mark.parametrize("threads", [False, True])
def test_keypairs_of_several_files(folder: Path, threads: bool) -> None:
    files = [folder / name for name in ("first", "plain", "second")]
    run = asyncio.to_thread if threads else None
    pairs = asyncio.run(ssh_keys.load_keypairs_async(files, ask, run=run))
    read = [pair.public_data for pair in pairs]
    assert read == [
        ssh_keys.read_private_key(file, word).public_data
        for file, word in zip(files, ("one", None, "two"), strict=True)
    ]


def test_other_passphrases_work_as_before(folder: Path) -> None:
    wanted = ssh_keys.read_private_key(folder / "first", "one")
    passphrases: tuple[Passphrase, ...] = ("one", b"one", lambda name: "one", ask)
    for passphrase in passphrases:
        read = asyncio.run(ssh_keys.read_private_key_async(folder / "first", passphrase))
        assert read == wanted
    keys = asyncio.run(ssh_keys.read_private_key_list_async(folder / "plain"))
    assert list(keys) == [make_key("ssh-ed25519")]


def test_only_the_costly_part_runs_in_the_other_thread(folder: Path) -> None:
    here = threading.get_ident()
    asked: list[int] = []

    async def asking(name: str) -> str:
        asked.append(threading.get_ident())
        return "one"

    asyncio.run(ssh_keys.load_keypairs_async(folder / "first", asking, run=asyncio.to_thread))
    assert asked == [here]


def test_wrong_and_missing_passphrases(folder: Path) -> None:
    async def nothing(name: str) -> None:
        return None

    async def wrong(name: str) -> bytes:
        return b"wrong"

    async def number(name: str) -> int:
        return 1

    functions: tuple[Passphrase, ...] = (nothing, wrong)
    for function in functions:
        with pytest.raises(ssh_keys.KeyPassphraseError, match="first"):
            asyncio.run(ssh_keys.read_private_key_async(folder / "first", function))
        pairs = asyncio.run(
            ssh_keys.load_keypairs_async(folder / "first", function, ignore_encrypted=True)
        )
        assert pairs == []
    with pytest.raises(TypeError, match="returned a int"):
        asyncio.run(
            ssh_keys.read_private_key_async(folder / "first", number)  # type: ignore[arg-type]
        )
    with pytest.raises(FileNotFoundError):
        asyncio.run(ssh_keys.load_keypairs_async(folder / "none", ask, run=asyncio.to_thread))


def test_functions_that_do_not_wait_refuse_coroutines(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="_async"):
            ssh_keys.read_private_key(folder / "first", ask)


def test_a_certificate_is_loaded_once(tmp_path: Path) -> None:
    """As the one beside its key that is also named, whoever does that: it is tried once."""
    key, path = make_key("ssh-ed25519"), str(tmp_path / "id")
    key.write_private_key(path)
    key.generate_user_certificate(key, "id").write_certificate(f"{path}-cert.pub")
    pairs = ssh_keys.load_keypairs(path, certlist=[f"{path}-cert.pub"] * 2)
    assert [pair.certificate is None for pair in pairs] == [False, True]
    loaded = asyncio.run(ssh_keys.load_keypairs_async(path, certlist=f"{path}-cert.pub"))
    assert [pair.public_data for pair in loaded] == [pair.public_data for pair in pairs]
