"""Readers of keys: from data, from files, and from the mixed lists that options take."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from os import PathLike, fspath
from typing import TypeVar, cast

from ssh_keys.asn1_keys import decode_private_der, decode_public_der
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import (
    CertListArg,
    certificates_beside_key,
    certificates_for,
    check_certified,
    load_certificates,
)
from ssh_keys.errors import (
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.exporting import passphrase_bytes
from ssh_keys.files import file_exists, parse_file, read_file
from ssh_keys.formats import openssh_key, ppk
from ssh_keys.formats.armour import PEMBlock, decode_base64, iterate_pem
from ssh_keys.formats.dropbear import decode_dropbear, is_dropbear
from ssh_keys.formats.pem_encryption import decrypt_pem
from ssh_keys.formats.rfc4716 import iterate_rfc4716
from ssh_keys.formats.sshcom import decode_sshcom, iterate_sshcom
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.key_types import decode_ssh_private_key, decode_ssh_public_key
from ssh_keys.keypair import SSHKeyPair, SSHLocalKeyPair
from ssh_keys.wire import PacketDecodeError, Reader
from ssh_keys.x509.decoding import split_der

__all__ = [
    "KeyListArg",
    "KeyPairListArg",
    "Passphrase",
    "import_private_key",
    "import_public_key",
    "load_keypairs",
    "load_public_keys",
    "read_private_key",
    "read_private_key_list",
    "read_public_key",
    "read_public_key_list",
    "set_default_skip_rsa_key_validation",
]

FilePath = str | PathLike[str]
#: What a passphrase function gives: the passphrase, None for none.
PassphraseAnswer = str | bytes | None
PassphraseFunction = Callable[[str], PassphraseAnswer | Awaitable[PassphraseAnswer]]
Passphrase = str | bytes | PassphraseFunction | None

T = TypeVar("T")
#: A reader that stops where a passphrase is needed: yields the file name, is sent the answer.
PassphraseSteps = Generator[str, PassphraseAnswer, T]
KeyReference = FilePath | bytes | SSHKey
KeyPairReference = KeyReference | SSHKeyPair | tuple[KeyReference, CertListArg | None]
KeyPairListArg = KeyPairReference | Sequence[KeyPairReference]
KeyListArg = KeyReference | Sequence[KeyReference]

_SINGLE = (str, PathLike, bytes, SSHKey, SSHKeyPair)
_DER_PRIVATE_LABELS = frozenset(
    (
        b"RSA PRIVATE KEY",
        b"EC PRIVATE KEY",
        b"DSA PRIVATE KEY",
        b"PRIVATE KEY",
        b"ENCRYPTED PRIVATE KEY",
    )
)
_CERTIFICATE_MARK = re.compile(rb"-cert(?:-v01@|[ \t])|x509v3-|-BEGIN [A-Z0-9 ]*CERTIFICATE-")
_ARMOUR = re.compile(rb"^----[- ]BEGIN ", re.MULTILINE)
_LINE_STARTS = (b"ssh-", b"ecdsa-", b"sk-")
_DEFAULTS = {"skip_rsa_key_validation": False}


def import_private_key(
    data: str | bytes,
    passphrase: str | bytes | None = None,
    unsafe_skip_rsa_key_validation: bool | None = None,
) -> SSHKey:
    """Return the first private key in data.

    Parameters:
        data: a private key: OpenSSH (PROTOCOL.key), PEM or DER of PKCS#1, SEC 1 and PKCS#8,
            PuTTY's PPK, Dropbear, ssh.com.
        passphrase: what the key is encrypted with; ignored if it is not encrypted.
        unsafe_skip_rsa_key_validation: leave out the costly primality tests of RSA keys, for keys
            from a trusted source.

    Raises KeyPassphraseError if the passphrase is missing or wrong, and KeyImportError (or one of
    its subclasses) for anything that is no private key.
    """
    secret = None if passphrase is None else passphrase_bytes(passphrase)
    for key in _private_keys(_to_bytes(data), secret, unsafe_skip_rsa_key_validation):
        return key
    raise KeyImportError("no private key found")


def import_public_key(data: str | bytes) -> SSHKey:
    """Return the first public key in data.

    Parameters:
        data: a public key: OpenSSH (one line), RFC 4716, PEM or DER of SubjectPublicKeyInfo, and of
            PKCS#1 for RSA.

    Raises KeyImportError or one of its subclasses.
    """
    data = _to_bytes(data)
    if data.startswith(_LINE_STARTS) and data.find(b"\n", 0, -1) < 0:
        # The usual text is one line, and nothing has to be found out about it.
        return _numbered_line(1, data)
    for key in _public_keys(data):
        return key
    raise KeyImportError("no public key found")


def read_private_key(
    filename: FilePath,
    passphrase: Passphrase = None,
    unsafe_skip_rsa_key_validation: bool | None = None,
) -> SSHKey:
    """Return the first private key in a file.

    Parameters:
        filename: the file; `~` at its start is the home directory.
        passphrase: what the key is encrypted with, or a function that is called with the file name
            when a passphrase is needed and returns it, None for none. Nothing here waits, so it
            must not be a coroutine function: `read_private_key_async` is for those.
        unsafe_skip_rsa_key_validation: as in `import_private_key`.

    Raises OSError, and KeyImportError as `import_private_key` does.
    """
    keys = read_private_key_list(filename, passphrase, unsafe_skip_rsa_key_validation)
    return keys[0]


def read_private_key_list(
    filename: FilePath,
    passphrase: Passphrase = None,
    unsafe_skip_rsa_key_validation: bool | None = None,
) -> Sequence[SSHKey]:
    """Return all private keys in a file, which has at least one.

    Parameters and errors as of `read_private_key`.
    """
    return answer_steps(
        private_key_steps(filename, passphrase, unsafe_skip_rsa_key_validation), passphrase
    )


def private_key_steps(
    filename: FilePath, passphrase: Passphrase, skip_validation: bool | None
) -> PassphraseSteps[Sequence[SSHKey]]:
    """Read all private keys of a file; parameters and errors as of `read_private_key`."""
    data = read_file(filename)
    try:
        return (yield from _private_steps(data, fspath(filename), passphrase, skip_validation))
    except KeyImportError as exc:
        raise type(exc)(f"{fspath(filename)!r}: {exc}") from None


def _private_steps(
    data: bytes, name: str, passphrase: Passphrase, skip_validation: bool | None
) -> PassphraseSteps[Sequence[SSHKey]]:
    secret = None
    if passphrase is not None and not callable(passphrase):
        secret = passphrase_bytes(passphrase)
    try:
        keys = list(_private_keys(data, secret, skip_validation))
    except KeyPassphraseError:
        if not callable(passphrase):
            raise
        answer = yield name
        secret = None if answer is None else passphrase_bytes(answer)
        keys = list(_private_keys(data, secret, skip_validation))
    if not keys:
        raise KeyImportError("no private key found")
    return keys


def answer_steps(steps: PassphraseSteps[T], passphrase: Passphrase) -> T:
    """Run a reader to its end, calling the passphrase function where it stops.

    Raises TypeError for an answer that is neither text nor bytes nor None.
    """
    try:
        name = next(steps)
        while True:
            assert callable(passphrase)
            name = steps.send(check_answer(passphrase(name)))
    except StopIteration as stop:
        return cast("T", stop.value)


def check_answer(answer: object) -> PassphraseAnswer:
    """Return what a passphrase function returned; raises TypeError if it is no passphrase."""
    if isinstance(answer, str | bytes | None):
        return answer
    if isinstance(answer, Coroutine):
        answer.close()  # it will never be awaited, and need not be complained about twice
    advice = "; use the function with _async in its name" if isinstance(answer, Awaitable) else ""
    raise TypeError(f"passphrase function returned a {type(answer).__name__}{advice}")


def read_public_key(filename: FilePath) -> SSHKey:
    """Return the first public key in a file; raises OSError and KeyImportError."""
    return read_public_key_list(filename)[0]


def read_public_key_list(filename: FilePath) -> Sequence[SSHKey]:
    """Return all public keys in a file, which has at least one.

    Raises OSError, and KeyImportError as `import_public_key` does.
    """
    return parse_file(filename, some_public_keys)


def some_public_keys(data: bytes) -> Sequence[SSHKey]:
    """Return all public keys in data, which has at least one; errors of `import_public_key`."""
    if keys := list(_public_keys(data)):
        return keys
    raise KeyImportError("no public key found")


def load_keypairs(
    keylist: KeyPairListArg,
    passphrase: Passphrase = None,
    certlist: CertListArg = (),
    skip_public: bool = False,
    ignore_encrypted: bool = False,
    unsafe_skip_rsa_key_validation: bool | None = None,
) -> Sequence[SSHKeyPair]:
    """Return key pairs from everything that an option for private keys takes.

    Parameters:
        keylist: a reference to a private key, or a sequence of references. A reference is a file
            name, the bytes of a key, an `SSHKey`, an `SSHKeyPair`, or a tuple of such a reference
            to a key and one to its certificate: a file name, bytes, an `SSHCertificate`, None, or
            a list of them with an X.509 certificate and those of the authorities above it. A file
            may hold several keys. With a file name alone, a certificate is looked for in the file
            of that name with `-cert.pub` behind it; else X.509 certificates behind the key.
        passphrase: as in `read_private_key`, for all encrypted keys.
        certlist: further certificates, each of which is used with the key that it is for.
        skip_public: leave out keys without a private part instead of refusing them.
        ignore_encrypted: leave out keys whose passphrase is missing or wrong.
        unsafe_skip_rsa_key_validation: as in `import_private_key`.

    A key with a certificate gives two pairs, that with it first. A tuple's has to fit its key.

    Raises OSError, and KeyImportError as `import_private_key` and `import_certificate` do.
    """
    steps = keypair_steps(
        keylist, passphrase, certlist, skip_public, ignore_encrypted, unsafe_skip_rsa_key_validation
    )
    return answer_steps(steps, passphrase)


def keypair_steps(
    keylist: KeyPairListArg,
    passphrase: Passphrase,
    certlist: CertListArg,
    skip_public: bool,
    ignore_encrypted: bool,
    skip_validation: bool | None,
) -> PassphraseSteps[Sequence[SSHKeyPair]]:
    """Load key pairs; parameters and errors as of `load_keypairs`."""
    more = load_certificates(certlist)
    references = (keylist,) if isinstance(keylist, _SINGLE) or _is_pair(keylist) else keylist
    pairs: list[SSHKeyPair] = []
    for reference in cast("Sequence[KeyPairReference]", references):
        if isinstance(reference, SSHKeyPair):
            pairs.append(reference)
            continue
        try:
            keys, certificates = yield from _resolve(reference, passphrase, skip_validation)
        except KeyPassphraseError:
            if ignore_encrypted:
                continue
            raise
        for key in keys:
            if key.is_private:
                pairs.extend(_pairs_of(key, (*certificates, *more)))
            elif not skip_public:
                raise KeyImportError(f"{key!r} has no private part")
    return pairs


def _is_pair(keylist: object) -> bool:
    """Whether a tuple is a key with its certificate rather than a list of two keys."""
    if not isinstance(keylist, tuple) or len(keylist) != 2:
        return False
    key, certificate = keylist
    if not isinstance(key, str | PathLike | bytes | SSHKey):
        return False
    # A list is a chain of X.509 certificates.
    if certificate is None or isinstance(certificate, SSHCertificate | list | tuple):
        return True
    return isinstance(certificate, bytes) and _CERTIFICATE_MARK.search(certificate) is not None


def _resolve(
    reference: KeyReference | tuple[KeyReference, CertListArg | None],
    passphrase: Passphrase,
    skip_validation: bool | None,
) -> PassphraseSteps[tuple[Sequence[SSHKey], Sequence[SSHCertificate]]]:
    certificates: Sequence[SSHCertificate] = ()
    if isinstance(reference, tuple):
        reference, certificate = reference
        certificates = () if certificate is None else load_certificates(certificate)
        keys = yield from _resolve_private(reference, passphrase, skip_validation)
        check_certified(keys, certificates)
        return keys, certificates
    if isinstance(reference, str | PathLike):
        path = f"{fspath(reference)}-cert.pub"
        if file_exists(path):
            certificates = load_certificates(path)
    if not certificates and not isinstance(reference, SSHKey):
        data = reference if isinstance(reference, bytes) else read_file(reference)
        certificates = certificates_beside_key(data)
    keys = yield from _resolve_private(reference, passphrase, skip_validation)
    return keys, certificates


def _pairs_of(key: SSHKey, certificates: Sequence[SSHCertificate]) -> Iterator[SSHKeyPair]:
    for certificate in certificates_for(key.public_data, certificates):
        yield SSHLocalKeyPair(key, certificate)
    yield SSHLocalKeyPair(key)


def _resolve_private(
    reference: KeyReference, passphrase: Passphrase, skip_validation: bool | None
) -> PassphraseSteps[Sequence[SSHKey]]:
    if isinstance(reference, SSHKey):
        return (reference,)
    if isinstance(reference, bytes):
        return (yield from _private_steps(reference, "", passphrase, skip_validation))
    return (yield from private_key_steps(reference, passphrase, skip_validation))


def load_public_keys(keylist: KeyListArg) -> Sequence[SSHKey]:
    """Return public keys from everything that an option for public keys takes.

    Parameters:
        keylist: a file name, the bytes of a key, an `SSHKey`, or a sequence of them. A file may
            hold several keys.

    Raises OSError, and KeyImportError as `import_public_key` does.
    """
    keys: list[SSHKey] = []
    for reference in (keylist,) if isinstance(keylist, _SINGLE) else keylist:
        if isinstance(reference, SSHKey):
            keys.append(reference)
        elif isinstance(reference, bytes):
            keys.append(import_public_key(reference))
        else:
            keys.extend(read_public_key_list(reference))
    return keys


def set_default_skip_rsa_key_validation(skip_validation: bool) -> None:
    """Set what `unsafe_skip_rsa_key_validation=None` means, for all imports from now on."""
    _DEFAULTS["skip_rsa_key_validation"] = skip_validation


def _to_bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _private_keys(
    data: bytes, passphrase: bytes | None, skip_validation: bool | None
) -> Iterator[SSHKey]:
    if skip_validation is None:
        skip_validation = _DEFAULTS["skip_rsa_key_validation"]
    if data.startswith(b"\x30"):
        yield decode_private_der(split_der(data)[0], passphrase, skip_validation)
        return
    if data.startswith(ppk.MAGIC):
        yield _putty_private_key(ppk.decode_ppk(data), passphrase, skip_validation)
        return
    if is_dropbear(data):
        yield _dropbear_private_key(data, skip_validation)
        return
    for block in iterate_pem(data):
        if block.label == b"OPENSSH PRIVATE KEY":
            yield _openssh_private_key(block, passphrase, skip_validation)
        elif block.label in _DER_PRIVATE_LABELS:
            yield _pem_private_key(block, passphrase, skip_validation)
    for content, comment in iterate_sshcom(data):
        key = decode_ssh_private_key(Reader(decode_sshcom(content, passphrase)), skip_validation)
        key.set_comment(comment)
        yield key


def _putty_private_key(
    file: ppk.PPKFile, passphrase: bytes | None, skip_validation: bool
) -> SSHKey:
    reader = Reader(file.decrypt(passphrase))
    key = decode_ssh_private_key(reader, skip_validation)
    if key.public_data != file.public_data:
        raise KeyImportError("the public key in front of the private key is another one")
    key.set_comment(file.comment)
    return key


def _dropbear_private_key(data: bytes, skip_validation: bool) -> SSHKey:
    reader = Reader(decode_dropbear(data))
    key = decode_ssh_private_key(reader, skip_validation)
    if reader.remaining:
        raise KeyTruncatedError(f"Dropbear private key: {reader.remaining} bytes behind the key")
    return key


def _pem_private_key(block: PEMBlock, passphrase: bytes | None, skip_validation: bool) -> SSHKey:
    der = decrypt_pem(block, passphrase)
    try:
        return decode_private_der(der, passphrase, skip_validation)
    except (KeyPassphraseError, UnsupportedKeyError):
        raise
    except KeyImportError:
        if b"DEK-Info" in block.headers:
            raise KeyPassphraseError("wrong passphrase, or a damaged private key") from None
        raise


def _openssh_private_key(
    block: PEMBlock, passphrase: bytes | None, skip_validation: bool
) -> SSHKey:
    container = openssh_key.parse(block.data)
    reader = container.decrypt(passphrase)
    key = decode_ssh_private_key(reader, skip_validation)
    try:
        comment = reader.string()
    except PacketDecodeError as exc:
        raise KeyImportError(f"comment of the private key: {exc}") from None
    openssh_key.check_padding(reader.rest())
    if key.public_data != container.public_data:
        raise KeyImportError("the public key in front of the private key is another one")
    key.set_comment(comment)
    return key


def _public_keys(data: bytes) -> Iterator[SSHKey]:
    if data.startswith(b"\x30"):
        yield decode_public_der(data)
        return
    if data.startswith(ppk.MAGIC):
        file = ppk.decode_ppk(data)
        key = decode_ssh_public_key(file.public_data)
        key.set_comment(file.comment)
        yield key
        return
    if _ARMOUR.search(data) is None:
        yield from _public_lines(data)
        return
    for block in iterate_pem(data):
        if block.label in (b"PUBLIC KEY", b"RSA PUBLIC KEY"):
            yield decode_public_der(block.data)
    for blob, comment in iterate_rfc4716(data):
        key = decode_ssh_public_key(blob)
        key.set_comment(comment)
        yield key


def _public_lines(data: bytes) -> Iterator[SSHKey]:
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.strip()
        if line and not line.startswith(b"#"):
            yield _numbered_line(number, line)


def _numbered_line(number: int, line: bytes) -> SSHKey:
    try:
        return parse_public_line(line)
    except KeyImportError as exc:
        raise type(exc)(f"line {number}: {exc}") from None


def parse_public_line(line: bytes) -> SSHKey:
    """Return the key of one line: type, base64 and optional comment, with blanks between.

    Raises KeyImportError or one of its subclasses.
    """
    parts = line.split(None, 2)
    if len(parts) < 2:
        raise KeyImportError("not a public key line")
    key = decode_ssh_public_key(decode_base64(parts[1]))
    if key.algorithm != parts[0]:
        raise KeyImportError(f"{printable(parts[0])} in front of a key of another type")
    if len(parts) > 2:
        key.set_comment(parts[2].rstrip())
    return key
