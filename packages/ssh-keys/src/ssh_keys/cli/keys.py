"""Commands on keys: generate, convert, edit."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import import_certificate
from ssh_keys.cli.descriptions import describe_certificate, describe_key
from ssh_keys.cli.files import STANDARD, parse_input, refuse_existing, write_output
from ssh_keys.cli.input_keys import private_key, public_key, unlocked_key
from ssh_keys.cli.key_files import ROUNDS as OPENSSH_ROUNDS
from ssh_keys.cli.key_files import add_encryption_options, write_new_key
from ssh_keys.cli.output import Answer, UsageError
from ssh_keys.cli.passphrases import (
    add_passphrase_options,
    add_pin_options,
    new_passphrase,
    passphrase_of,
    pin_of,
)
from ssh_keys.errors import KeyImportError
from ssh_keys.files import file_exists, write_file
from ssh_keys.formats.armour import iterate_pem
from ssh_keys.key import SSHKey
from ssh_keys.key_types import KEY_TYPES, KeyParameter, generate_private_key
from ssh_keys.rsa import MAXIMUM_BITS, MINIMUM_GENERATED_BITS

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
#: Rounds of key derivation that take a fraction of a second: of bcrypt, Argon2id, none, PBKDF2.
ROUNDS = {"openssh": OPENSSH_ROUNDS, "ppk": 13, "ppk2": 1}
PBKDF2_ROUNDS = 600_000
#: Short names of key types.
NAMES = {
    "dsa": "ssh-dss",
    "ecdsa": "ecdsa-sha2-nistp256",
    "ecdsa-sk": "sk-ecdsa-sha2-nistp256@openssh.com",
    "ed25519": "ssh-ed25519",
    "ed25519-sk": "sk-ssh-ed25519@openssh.com",
    "ed448": "ssh-ed448",
    "mldsa44-ed25519": "ssh-mldsa44-ed25519",
    "rsa": "ssh-rsa",
}
#: Options that keys without an authenticator have no use for.
DEVICE_OPTIONS = (
    "application",
    "user",
    "resident",
    "no_touch_required",
    "verify_required",
    "pin_file",
    "pin_env",
)


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["generate"]
    parser.add_argument("file", help="private key; the public one goes to FILE.pub")
    parser.add_argument(
        "--type", default="ed25519", help=f"name of SSH, or {', '.join(NAMES)} (default ed25519)"
    )
    parser.add_argument("--bits", type=int, help="size of an RSA key; 256, 384 or 521 for ecdsa")
    parser.add_argument("--comment", default="", help="text behind the key")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_passphrase_options(parser, what="the new key")
    add_encryption_options(parser)
    device = parser.add_argument_group("security keys")
    device.add_argument("--application", help="what the key is for: ssh: and any text behind it")
    device.add_argument("--user", help="name to tell resident keys apart")
    device.add_argument("--resident", action="store_true", help="keep the key on the device")
    device.add_argument("--no-touch-required", action="store_true", help="sign without a touch")
    device.add_argument("--verify-required", action="store_true", help="sign with the PIN only")
    add_pin_options(parser)
    parser.set_defaults(run=generate)

    parser = commands["convert"]
    parser.add_argument("file", help="key or certificate; - for standard input")
    parser.add_argument("output", help="file to write; - for standard output")
    parser.add_argument(
        "--format",
        required=True,
        choices=sorted({*PUBLIC_FORMATS, *PRIVATE_FORMATS, *CERTIFICATE_FORMATS}),
    )
    parser.add_argument("--public", action="store_true", help="write the public key")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key")
    add_passphrase_options(parser)
    add_passphrase_options(parser, "new-", "the key that is written")
    parser.set_defaults(run=convert)

    parser = commands["edit"]
    parser.add_argument("file", help="private key in the format of OpenSSH")
    parser.add_argument("--comment", help="the new comment; else the passphrase is changed")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the key")
    add_passphrase_options(parser)
    add_passphrase_options(parser, "new-", "the key from now on")
    add_encryption_options(parser)
    parser.set_defaults(run=edit)


def generate(options: Namespace) -> Answer:
    """Make a key and write both files."""
    name = _type_name(options)
    parameters = _parameters(options, name)
    if options.file == STANDARD:
        raise UsageError("a new key is two files, which need a name")
    private, public = Path(options.file), Path(f"{options.file}.pub")
    refuse_existing(options, str(private), str(public))
    passphrase = new_passphrase(options)
    key = generate_private_key(name, options.comment, **parameters)
    facts = write_new_key(key, private, passphrase, options.cipher, options.rounds)
    return Answer(f"{private}\n{public}\n{key.get_fingerprint()}", facts)


def _type_name(options: Namespace) -> str:
    """Return the name of the key type in SSH; raises UsageError."""
    name: str = NAMES.get(options.type.lower(), options.type)
    if _bits_are_in_name(options):
        name = f"ecdsa-sha2-nistp{options.bits}"
    if name.encode("ascii", "replace") not in KEY_TYPES:
        raise UsageError(f"unknown key type {name!a}: there are {', '.join(NAMES)}")
    return name


def _bits_are_in_name(options: Namespace) -> bool:
    return options.bits is not None and options.type.lower() == "ecdsa"


def _parameters(options: Namespace, name: str) -> dict[str, KeyParameter]:
    """Return what `generate_private_key` is to be given; raises UsageError."""
    if name.startswith("sk-"):
        parameters = _device_parameters(options)
    else:
        parameters = {}
        for option in DEVICE_OPTIONS:
            if getattr(options, option) not in (None, False):
                raise UsageError(f"only security keys have --{option.replace('_', '-')}")
    if options.bits is None or _bits_are_in_name(options):
        return parameters
    if name != "ssh-rsa":
        raise UsageError("only RSA keys have --bits")
    if not MINIMUM_GENERATED_BITS <= options.bits <= MAXIMUM_BITS:
        raise UsageError(f"RSA keys have {MINIMUM_GENERATED_BITS} to {MAXIMUM_BITS} bits")
    return {"key_size": options.bits}


def _device_parameters(options: Namespace) -> dict[str, KeyParameter]:
    """Return the parameters of a key that an authenticator makes."""
    parameters: dict[str, KeyParameter] = {
        "resident": options.resident,
        "touch_required": not options.no_touch_required,
        "verify_required": options.verify_required,
    }
    if options.application is not None:
        parameters["application"] = options.application
    if options.user is not None:
        parameters["user"] = options.user
    if options.pin_file or options.pin_env or options.resident or options.verify_required:
        parameters["pin"] = lambda: pin_of(options, "the security key")
    return parameters


def convert(options: Namespace) -> Answer:
    """Write a key or certificate in another format."""
    refuse_existing(options, options.output)
    made, facts, private = parse_input(
        options, options.file, lambda data: _converted(data, options)
    )
    return write_output(options.output, made, facts, private)


def _converted(data: bytes, options: Namespace) -> tuple[bytes, dict[str, object], bool]:
    """Return data in another format, what they are, and whether they are private."""
    certificate = _certificate(data, options)
    if certificate is not None:
        exported = certificate.export_certificate(options.format)
        return exported, describe_certificate(certificate), False
    if options.public:
        key = public_key(data, options.file, options)
        return key.export_public_key(options.format), describe_key(key), False
    key = private_key(data, options.file, options)
    # In DER, PKCS#1 has no encryption: nobody is asked, and a passphrase that is given is refused.
    asked = passphrase_of if options.format == "pkcs1-der" else new_passphrase
    passphrase = asked(options, "new-")
    rounds = ROUNDS.get(options.format, PBKDF2_ROUNDS)
    exported = key.export_private_key(options.format, passphrase, rounds=rounds)
    return exported, describe_key(key), True


def _certificate(data: bytes, options: Namespace) -> SSHCertificate | None:
    """Return the certificate to convert; None if a key is asked for, or there is nothing else."""
    if options.public or options.format not in CERTIFICATE_FORMATS:
        return None
    only_certificates = options.format in ("pem", "der")
    if not only_certificates and b"PRIVATE KEY-----" in data:
        return None
    try:
        return import_certificate(data)
    except KeyImportError:
        if only_certificates:
            raise
        return None


def edit(options: Namespace) -> Answer:
    """Change the passphrase or comment of a private key, and the comment of its public key."""
    if options.file == STANDARD:
        raise UsageError("a file is edited, not standard input")
    key, passphrase = parse_input(options, options.file, lambda data: _editable(data, options))
    new_given = options.new_passphrase_file or options.new_passphrase_env or options.no_passphrase
    if options.comment is None or new_given:
        passphrase = new_passphrase(options, "new-")
    if options.comment is not None:
        key.set_comment(options.comment)
    line = key.export_public_key()
    data = key.export_private_key("openssh", passphrase, options.cipher, rounds=options.rounds)
    write_file(options.file, data, private=True)
    public = f"{options.file}.pub"
    if options.comment is not None and file_exists(public):
        write_file(public, line)
    return Answer(options.file, {**describe_key(key), "output": options.file})


def _editable(data: bytes, options: Namespace) -> tuple[SSHKey, str | None]:
    """Return the key to edit and its passphrase; raises KeyImportError."""
    if not any(block.label == b"OPENSSH PRIVATE KEY" for block in iterate_pem(data)):
        raise KeyImportError("only private keys in the format of OpenSSH are edited: convert it")
    return unlocked_key(data, options.file, options)
