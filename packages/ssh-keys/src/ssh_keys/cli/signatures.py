"""Commands on signatures of files: sign, verify, who has signed and who may."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from ssh_keys.allowed_signers import import_allowed_signers
from ssh_keys.certificate_importing import import_certificate
from ssh_keys.cli.arguments import namespace, time_of
from ssh_keys.cli.files import (
    STANDARD,
    digest_of,
    outputs_of,
    parse_input,
    parse_trust,
    refuse_existing,
    write_output,
)
from ssh_keys.cli.input_keys import add_token_options, signing_key
from ssh_keys.cli.output import Answer, UsageError, joined, plain
from ssh_keys.cli.passphrases import add_passphrase_options
from ssh_keys.errors import KeyImportError, SignatureError
from ssh_keys.importing import KeyPairListArg, some_public_keys
from ssh_keys.krl import MAGIC, SSHKeyRevocationList, import_krl
from ssh_keys.sshsig import HASHES, SSHSignature, create_sshsig, import_sshsig, verify_sshsig

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["sign"]
    parser.add_argument("file", nargs="+", help="files to sign; - for standard input")
    parser.add_argument("--key", required=True, help="private key")
    parser.add_argument("--certificate", help="certificate of the key, to be in the signature")
    parser.add_argument("--namespace", default="file", type=namespace, help="default: file")
    parser.add_argument("--hash", default="sha512", choices=HASHES, help="default: sha512")
    parser.add_argument("--output", help="default: FILE.sig; - for standard output")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    add_passphrase_options(parser)
    add_token_options(parser)
    parser.set_defaults(run=sign)

    parser = commands["verify"]
    _add_signed(parser)
    _add_signers(parser)
    parser.add_argument("--principal", required=True, help="who is said to have signed")
    parser.add_argument("--revoked", metavar="FILE", help="revocation list, or list of public keys")
    parser.set_defaults(run=verify)

    parser = commands["check-novalidate"]
    _add_signed(parser)
    parser.set_defaults(run=check_novalidate)

    parser = commands["find-principals"]
    parser.add_argument("signature", help="the signature; - for standard input")
    _add_signers(parser)
    parser.set_defaults(run=find_principals)

    parser = commands["match-principals"]
    parser.add_argument("principal", help="who is looked for")
    parser.add_argument("--allowed-signers", required=True, metavar="FILE", help="who may sign")
    parser.set_defaults(run=match_principals)


def _add_signed(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="file that was signed; - for standard input")
    parser.add_argument("--signature", help="default: FILE.sig")
    parser.add_argument("--namespace", default="file", type=namespace, help="default: file")


def _add_signers(parser: ArgumentParser) -> None:
    parser.add_argument("--allowed-signers", required=True, metavar="FILE", help="whose keys count")
    parser.add_argument("--time", type=time_of, help="time of the check; default: now")


def sign(options: Namespace) -> Answer:
    """Sign files."""
    outputs = outputs_of(options, lambda name: f"{name}.sig")
    refuse_existing(options, *outputs)
    key = signing_key(options.key, options)
    signer: KeyPairListArg = key
    if options.certificate is not None:
        certificate = parse_input(options, options.certificate, import_certificate)
        signer = (key, certificate)
    # All of them before one is written: the last file may be what cannot be read.
    signatures = [
        create_sshsig(
            signer,
            digest_of(options, name, options.hash),
            is_hashed=True,
            hash_name=options.hash,
            namespace=options.namespace,
        )
        for name in options.file
    ]
    facts: dict[str, object] = {"fingerprint": key.get_fingerprint()}
    answers = [
        write_output(output, signature, facts)
        for output, signature in zip(outputs, signatures, strict=True)
    ]
    return joined(answers, "signatures")


def _answered(facts: dict[str, object], whose: str, check: Callable[[], SSHSignature]) -> Answer:
    """Make an answer of a check, which returns the signature or raises SignatureError."""
    try:
        signature = check()
    except SignatureError as exc:
        return Answer(f"BAD signature: {exc}", {**facts, "good": False, "reason": str(exc)}, 1)
    fingerprint = signature.key.get_fingerprint()
    text = f"Good signature{whose} with {signature.key.type_name} {fingerprint}"
    return Answer(text, {**facts, "fingerprint": fingerprint, "good": True})


def _signature_of(options: Namespace) -> SSHSignature:
    """Read the signature of a file; raises SignatureError, UsageError."""
    if options.signature is None and options.file == STANDARD:
        raise UsageError("standard input has no FILE.sig: give a --signature")
    return _signature(options, options.signature or f"{options.file}.sig")


def _signature(options: Namespace, name: str) -> SSHSignature:
    try:
        return parse_input(options, name, import_sshsig)
    except KeyImportError as exc:
        raise SignatureError(str(exc)) from None


def verify(options: Namespace) -> Answer:
    """Check the signature of a file, and that somebody who may sign has made it."""

    def check() -> SSHSignature:
        signature = _signature_of(options)
        signers = parse_trust(options, options.allowed_signers, import_allowed_signers)
        _check_revoked(options, signature)
        verify_sshsig(
            digest_of(options, options.file, signature.hash_name),
            signature.encode(),
            options.principal,
            signers,
            namespace=options.namespace,
            is_hashed=True,
            now=options.time,
        )
        return signature

    facts = {"file": options.file, "principal": options.principal}
    return _answered(facts, f" of {options.principal!a}", check)


def check_novalidate(options: Namespace) -> Answer:
    """Check the signature of a file, and not who has made it."""

    def check() -> SSHSignature:
        signature = _signature_of(options)
        if signature.namespace != options.namespace:
            raise SignatureError(
                f"signature for {signature.namespace!a}, not for {options.namespace!a}"
            )
        signature.verify(digest_of(options, options.file, signature.hash_name), is_hashed=True)
        return signature

    return _answered({"file": options.file}, ", of whomever,", check)


def _check_revoked(options: Namespace, signature: SSHSignature) -> None:
    """Raise SignatureError if the key or certificate that signed is revoked."""
    if options.revoked is None:
        return
    revoked = parse_input(options, options.revoked, _revocation_list)
    reason = revoked.revocation_reason(signature.certificate or signature.key)
    if reason is not None:
        raise SignatureError(f"revoked: {reason}")


def _revocation_list(data: bytes) -> SSHKeyRevocationList:
    """Return a revocation list, which may also be a file of public keys; raises KeyImportError."""
    if data.startswith(MAGIC):
        return import_krl(data)
    revoked = SSHKeyRevocationList()
    for key in some_public_keys(data):
        revoked.revoke_key(key)
    return revoked


def find_principals(options: Namespace) -> Answer:
    """List who may have made a signature; whether it is one of some file, is not checked."""
    signature = _signature(options, options.signature)
    signers = parse_trust(options, options.allowed_signers, import_allowed_signers)
    found = signers.find_principals(
        signature.key, signature.namespace, signature.certificate, now=options.time
    )
    text = "\n".join(plain(name) for name in found)
    return Answer(text or "nobody", {"principals": list(found)}, 0 if found else 1)


def match_principals(options: Namespace) -> Answer:
    """List the patterns of each line that is for somebody, whatever it lets him sign, and when."""
    signers = parse_trust(options, options.allowed_signers, import_allowed_signers)
    found = signers.match_principals(options.principal)
    lines = [
        {
            "principals": list(signer.principals),
            "fingerprint": signer.key.get_fingerprint(),
            "cert_authority": signer.cert_authority,
        }
        for signer in found
    ]
    text = "\n".join(plain(",".join(signer.principals)) for signer in found)
    return Answer(text or "nobody", {"lines": lines}, 0 if found else 1)
