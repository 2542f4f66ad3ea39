"""Commands on keys and certificates: generate, show, convert, sign-cert, sign, verify."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from ssh_keys.bubble_babble import bubblebabble
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import read_certificate, read_certificate_list
from ssh_keys.certificate_options import PERMISSIONS
from ssh_keys.cli.devices import ROUNDS as OPENSSH_ROUNDS
from ssh_keys.cli.devices import write_new_key
from ssh_keys.cli.output import Answer, UsageError, describe_certificate, describe_key
from ssh_keys.cli.passphrases import (
    add_passphrase_options,
    add_pin_options,
    add_token_options,
    key_of_file,
    new_passphrase,
    passphrase_of,
    pin_of,
    private_key_of_file,
    signing_key,
)
from ssh_keys.drunken_bishop import randomart
from ssh_keys.errors import KeyImportError, SignatureError
from ssh_keys.files import read_file
from ssh_keys.formats.armour import iterate_pem
from ssh_keys.formats.openssh_key import parse
from ssh_keys.importing import read_public_key_list
from ssh_keys.key import SSHKey
from ssh_keys.key_material import FINGERPRINT_HASHES
from ssh_keys.key_types import (
    KEY_TYPES,
    KeyParameter,
    decode_ssh_public_key,
    generate_private_key,
)
from ssh_keys.rsa import MAXIMUM_BITS, MINIMUM_GENERATED_BITS
from ssh_keys.sshsig import create_sshsig, verify_sshsig
from ssh_keys.time_values import parse_time

__all__ = ["add_commands"]

PUBLIC_FORMATS = ("openssh", "rfc4716", "pkcs8-pem", "pkcs8-der", "pkcs1-pem", "pkcs1-der")
CERTIFICATE_FORMATS = ("openssh", "rfc4716", "pem", "der")
PRIVATE_FORMATS = (
    "openssh",
    "pkcs8-pem",
    "pkcs8-der",
    "pkcs1-pem",
    "pkcs1-der",
    "ppk",
    "ppk2",
    "dropbear",
)
#: Rounds of key derivation that take a fraction of a second.
ROUNDS = {"openssh": OPENSSH_ROUNDS, "ppk": 13, "ppk2": 1}
DEFAULT_ROUNDS = 600_000
NAMES = {
    "dsa": "ssh-dss",
    "ecdsa": "ecdsa-sha2-nistp256",
    "ecdsa-sk": "sk-ecdsa-sha2-nistp256@openssh.com",
    "ed25519": "ssh-ed25519",
    "ed25519-sk": "sk-ssh-ed25519@openssh.com",
    "ed448": "ssh-ed448",
    "mldsa44-ed25519": "ssh-mldsa44-ed25519@openssh.com",
    "rsa": "ssh-rsa",
}


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["generate"]
    parser.add_argument("file", help="private key; the public one goes to FILE.pub")
    parser.add_argument(
        "--type", default="ed25519", help=f"name of SSH, or {', '.join(NAMES)} (default ed25519)"
    )
    parser.add_argument("--bits", type=int, help="size of an RSA key")
    parser.add_argument("--comment", default="")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_passphrase_options(parser, what="the new key")
    device = parser.add_argument_group("security keys")
    device.add_argument("--application", help="what the key is for: ssh: and any text behind it")
    device.add_argument("--user", help="name to tell resident keys apart")
    device.add_argument("--resident", action="store_true", help="keep the key on the device")
    device.add_argument("--no-touch-required", action="store_true", help="sign without a touch")
    device.add_argument("--verify-required", action="store_true", help="sign with the PIN only")
    add_pin_options(parser)
    parser.set_defaults(run=generate)

    parser = commands["show"]
    parser.add_argument("file", help="public key, private key or certificate")
    parser.add_argument(
        "--hash", default="sha256", choices=FINGERPRINT_HASHES, help="hash of fingerprints"
    )
    parser.add_argument("--randomart", action="store_true")
    parser.add_argument("--bubblebabble", action="store_true", help="fingerprint in words")
    add_passphrase_options(parser)
    parser.set_defaults(run=show)

    parser = commands["convert"]
    parser.add_argument("file")
    parser.add_argument("output", help="file to write")
    parser.add_argument(
        "--format",
        required=True,
        choices=sorted({*PUBLIC_FORMATS, *PRIVATE_FORMATS, *CERTIFICATE_FORMATS}),
    )
    parser.add_argument("--public", action="store_true", help="write the public key")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key")
    add_passphrase_options(parser)
    add_passphrase_options(parser, "new-", "the key that is written")
    parser.set_defaults(run=convert)

    _add_signing_commands(commands)


def _add_signing_commands(commands: dict[str, ArgumentParser]) -> None:
    parser = commands["sign-cert"]
    parser.add_argument("file", help="public key to certify")
    parser.add_argument("--ca", required=True, help="private key of the authority")
    parser.add_argument("--id", required=True, help="key id, for logs")
    parser.add_argument("--host", action="store_true", help="certificate of a host")
    parser.add_argument("--principals", required=True, help="names, with commas between")
    parser.add_argument("--serial", type=int, default=0)
    parser.add_argument("--valid-after", default="now", type=_time)
    parser.add_argument("--valid-before", required=True, type=_time, help="e.g. +52w, 20301231")
    parser.add_argument("--force-command")
    parser.add_argument("--source-address")
    permissions = ", ".join(name.removeprefix("permit-") for name in PERMISSIONS)
    parser.add_argument("--permit", help=f"only these, with commas, or none: {permissions}")
    parser.add_argument("--verify-required", action="store_true", help="for security keys")
    parser.add_argument("--no-touch-required", action="store_true", help="for security keys")
    parser.add_argument("--output", help="default: FILE-cert.pub, without the .pub of FILE")
    add_passphrase_options(parser, what="the authority")
    add_token_options(parser)
    parser.set_defaults(run=sign_cert)

    parser = commands["sign"]
    parser.add_argument("file", help="file to sign; the signature goes to FILE.sig")
    parser.add_argument("--key", required=True, help="private key")
    parser.add_argument("--namespace", default="file")
    parser.add_argument("--output")
    add_passphrase_options(parser)
    add_token_options(parser)
    parser.set_defaults(run=sign)

    parser = commands["verify"]
    parser.add_argument("file", help="file that was signed")
    parser.add_argument("--signature", help="default: FILE.sig")
    parser.add_argument("--allowed-signers", required=True)
    parser.add_argument("--principal", required=True, help="who is said to have signed")
    parser.add_argument("--namespace", default="file")
    parser.set_defaults(run=verify)


def _time(text: str) -> str:
    try:
        parse_time(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None
    return text


def generate(options: Namespace) -> Answer:
    """Make a key and write both files."""
    name = NAMES.get(options.type, options.type)
    if name.encode("ascii", "replace") not in KEY_TYPES:
        raise UsageError(f"unknown key type {options.type!a}")
    parameters = _parameters(options, name)
    private, public = Path(options.file), Path(f"{options.file}.pub")
    for path in (private, public):
        if path.exists() and not options.force:
            raise KeyImportError(f"{str(path)!r} exists")
    passphrase = new_passphrase(options)
    key = generate_private_key(name, options.comment, **parameters)
    facts = write_new_key(key, private, passphrase)
    return Answer(f"{private}\n{public}\n{key.get_fingerprint()}", facts)


def _parameters(options: Namespace, name: str) -> dict[str, KeyParameter]:
    """Return what `generate_private_key` is to be given; raises UsageError."""
    if options.bits is not None:
        if name != "ssh-rsa":
            raise UsageError("only RSA keys have --bits")
        if not MINIMUM_GENERATED_BITS <= options.bits <= MAXIMUM_BITS:
            raise UsageError(f"RSA keys have {MINIMUM_GENERATED_BITS} to {MAXIMUM_BITS} bits")
        return {"key_size": options.bits}
    given: dict[str, KeyParameter] = {
        "application": options.application,
        "user": options.user,
        "resident": options.resident or None,
        "touch_required": False if options.no_touch_required else None,
        "verify_required": options.verify_required or None,
    }
    parameters: dict[str, KeyParameter] = {
        key: value for key, value in given.items() if value is not None
    }
    if not name.startswith("sk-"):
        if parameters:
            raise UsageError("only security keys have " + ", ".join(parameters))
        return {}
    if options.pin_file or options.pin_env or options.resident or options.verify_required:
        parameters["pin"] = lambda: pin_of(options, "the security key")
    return parameters


def show(options: Namespace) -> Answer:
    """Describe what is in a file."""
    subjects: list[SSHKey | SSHCertificate] = []
    clear: SSHKey | None = None
    try:
        subjects.extend(read_certificate_list(options.file))
    except KeyImportError:
        try:
            subjects.extend(read_public_key_list(options.file))
        except KeyImportError:
            if passphrase_of(options) is None:
                clear = _clear_part(read_file(options.file))
            subjects.append(clear or private_key_of_file(options.file, options))
    texts, facts = [], []
    for subject in subjects:
        if isinstance(subject, SSHCertificate):
            described = describe_certificate(subject, options.hash)
            texts.append("\n".join(_plain(name, value) for name, value in described.items()))
        else:
            described = describe_key(subject, options.hash)
            if subject is clear:
                described |= {"kind": "private key", "encrypted": True}
            comment = ascii(described["comment"] or "")[1:-1] or "no comment"
            texts.append(
                f"{subject.bits} {described['fingerprint']} {comment} ({subject.type_name})"
            )
            if options.bubblebabble:
                described["bubblebabble"] = bubblebabble(subject)
                texts.append(str(described["bubblebabble"]))
            if options.randomart:
                described["randomart"] = randomart(subject, options.hash)
                texts.append(str(described["randomart"]))
        facts.append(described)
    return Answer("\n".join(texts), {"entries": facts})


def _clear_part(data: bytes) -> SSHKey | None:
    """Return the public key in front of an encrypted OpenSSH private key, None without one.

    It has no comment: that is among what is encrypted.
    """
    for block in iterate_pem(data):
        if block.label == b"OPENSSH PRIVATE KEY":
            container = parse(block.data)
            return decode_ssh_public_key(container.public_data) if container.encrypted else None
    return None


def _plain(name: str, fact: object) -> str:
    """Return a fact as one line in which nothing can move the cursor."""
    return f"{name}: {ascii(_joined(fact))[1:-1]}".rstrip()


def _joined(fact: object) -> str:
    if isinstance(fact, dict):
        parts = (name if data is True else f"{name}={_joined(data)}" for name, data in fact.items())
        return ", ".join(parts)
    if isinstance(fact, list | tuple):
        return ", ".join(map(str, fact))
    return "" if fact is None else str(fact)


def convert(options: Namespace) -> Answer:
    """Write a key or certificate in another format."""
    certificate = _certificate_of_file(options)
    if certificate is not None:
        certificate.write_certificate(options.output, options.format)
        described = describe_certificate(certificate, "sha256")
        return Answer(options.output, {**described, "output": options.output})
    if options.public:
        key = key_of_file(options.file, options)
        key.write_public_key(options.output, options.format)
    else:
        key = private_key_of_file(options.file, options)
        passphrase = None
        if not options.format.endswith("-der") or options.format.startswith("pkcs8"):
            passphrase = new_passphrase(options, "new-")
        key.write_private_key(
            options.output,
            options.format,
            passphrase,
            rounds=ROUNDS.get(options.format, DEFAULT_ROUNDS),
        )
    return Answer(options.output, {**describe_key(key, "sha256"), "output": options.output})


def _certificate_of_file(options: Namespace) -> SSHCertificate | None:
    """Return the certificate to convert; None if a key is asked for, or there is nothing else."""
    if options.public or options.format not in CERTIFICATE_FORMATS:
        return None
    only_certificates = options.format in ("pem", "der")
    if not only_certificates and b"PRIVATE KEY-----" in read_file(options.file):
        return None
    try:
        return read_certificate(options.file)
    except KeyImportError:
        if only_certificates:
            raise
        return None


def sign_cert(options: Namespace) -> Answer:
    """Certify a key."""
    common = {
        "serial": options.serial,
        "principals": options.principals,
        "valid_after": options.valid_after,
        "valid_before": options.valid_before,
    }
    if options.host:
        if options.force_command or options.source_address or options.verify_required:
            raise UsageError("host certificates have no critical options")
        if options.permit is not None or options.no_touch_required:
            raise UsageError("host certificates permit nothing")
    x11, agent, port, pty, user_rc = _permissions(options.permit)
    key = key_of_file(options.file, options)
    authority = signing_key(options.ca, options)
    if options.host:
        certificate = authority.generate_host_certificate(key, options.id, **common)
    else:
        certificate = authority.generate_user_certificate(
            key,
            options.id,
            force_command=options.force_command,
            source_address=options.source_address,
            touch_required=not options.no_touch_required,
            verify_required=options.verify_required,
            permit_x11_forwarding=x11,
            permit_agent_forwarding=agent,
            permit_port_forwarding=port,
            permit_pty=pty,
            permit_user_rc=user_rc,
            **common,
        )
    output = options.output or f"{options.file.removesuffix('.pub')}-cert.pub"
    certificate.write_certificate(output)
    return Answer(output, {**describe_certificate(certificate, "sha256"), "output": output})


def _permissions(text: str | None) -> list[bool]:
    """Return what --permit asks for, in the order of `PERMISSIONS`."""
    known = [name.removeprefix("permit-").lower() for name in PERMISSIONS]
    wanted = known if text is None else [part.strip().lower() for part in text.split(",")]
    if unknown := set(wanted) - {*known, "none"}:
        raise UsageError(f"there is nothing to permit with the name {min(unknown)!a}")
    return [name in wanted for name in known]


def sign(options: Namespace) -> Answer:
    """Sign a file."""
    key = signing_key(options.key, options)
    output = options.output or f"{options.file}.sig"
    Path(output).write_bytes(create_sshsig(key, Path(options.file), namespace=options.namespace))
    return Answer(output, {"output": output, "fingerprint": key.get_fingerprint()})


def verify(options: Namespace) -> Answer:
    """Check the signature of a file."""
    facts: dict[str, object] = {"file": options.file, "principal": options.principal}
    try:
        signature = verify_sshsig(
            Path(options.file),
            Path(options.signature or f"{options.file}.sig"),
            options.principal,
            Path(options.allowed_signers),
            namespace=options.namespace,
        )
    except SignatureError as exc:
        return Answer(f"BAD signature: {exc}", {**facts, "good": False, "reason": str(exc)}, 1)
    fingerprint = signature.key.get_fingerprint()
    return Answer(
        f"Good signature of {options.principal!a} with {signature.key.type_name} {fingerprint}",
        {**facts, "good": True, "fingerprint": fingerprint},
    )
