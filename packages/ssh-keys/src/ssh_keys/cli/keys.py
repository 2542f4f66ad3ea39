"""Commands on keys and certificates: generate, convert, edit, sign-cert."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import import_certificate
from ssh_keys.certificate_options import PERMISSIONS
from ssh_keys.cli.arguments import bound_of, uint64
from ssh_keys.cli.devices import ROUNDS as OPENSSH_ROUNDS
from ssh_keys.cli.devices import write_new_key
from ssh_keys.cli.files import (
    STANDARD,
    parse_input,
    refuse_existing,
    write_output,
)
from ssh_keys.cli.output import Answer, UsageError, describe_certificate, describe_key
from ssh_keys.cli.passphrases import (
    add_passphrase_options,
    add_pin_options,
    add_token_options,
    ask,
    key_of_file,
    new_passphrase,
    passphrase_of,
    pin_of,
    private_key,
    public_key,
    signing_key,
)
from ssh_keys.cli.show import clear_part
from ssh_keys.errors import KeyImportError
from ssh_keys.files import file_exists, write_file
from ssh_keys.formats.armour import iterate_pem
from ssh_keys.importing import import_private_key
from ssh_keys.key import SSHKey
from ssh_keys.key_types import (
    KEY_TYPES,
    KeyParameter,
    generate_private_key,
)
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
    parser.add_argument("--comment", default="", help="text behind the key")
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
    parser.set_defaults(run=edit)

    _add_sign_cert(commands["sign-cert"])


def _add_sign_cert(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="public key to certify; - for standard input")
    parser.add_argument("--ca", required=True, help="private key of the authority")
    parser.add_argument("--id", required=True, help="key id, for logs")
    parser.add_argument("--host", action="store_true", help="certificate of a host")
    parser.add_argument("--principals", required=True, help="names, with commas between")
    parser.add_argument("--serial", type=uint64, default=0, help="number of the certificate")
    parser.add_argument(
        "--valid-after", default="now", type=bound_of, help="or always; default: now"
    )
    parser.add_argument("--valid-before", required=True, type=bound_of, help="e.g. +52w, 20301231")
    parser.add_argument("--force-command", help="run this in place of what is asked for")
    parser.add_argument("--source-address", help="only from these, with commas between")
    permissions = ", ".join(name.removeprefix("permit-") for name in PERMISSIONS)
    parser.add_argument("--permit", help=f"only these, with commas, or none: {permissions}")
    parser.add_argument("--verify-required", action="store_true", help="for security keys")
    parser.add_argument("--no-touch-required", action="store_true", help="for security keys")
    parser.add_argument(
        "--output",
        help="default: FILE-cert.pub, without the .pub of FILE; - for standard output",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    add_passphrase_options(parser, what="the authority")
    add_token_options(parser)
    parser.set_defaults(run=sign_cert)


def generate(options: Namespace) -> Answer:
    """Make a key and write both files."""
    name = NAMES.get(options.type, options.type)
    if name.encode("ascii", "replace") not in KEY_TYPES:
        raise UsageError(f"unknown key type {options.type!a}")
    parameters = _parameters(options, name)
    if options.file == STANDARD:
        raise UsageError("a new key is two files, which need a name")
    private, public = Path(options.file), Path(f"{options.file}.pub")
    refuse_existing(options, str(private), str(public))
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


def convert(options: Namespace) -> Answer:
    """Write a key or certificate in another format."""
    refuse_existing(options, options.output)
    made, facts, private = parse_input(
        options, options.file, lambda data: _converted(data, options)
    )
    return write_output(options, options.output, made, facts, private)


def _converted(data: bytes, options: Namespace) -> tuple[bytes, dict[str, object], bool]:
    """Return data in another format, what they are, and whether they are private."""
    certificate = _certificate(data, options)
    if certificate is not None:
        exported = certificate.export_certificate(options.format)
        return exported, describe_certificate(certificate, "sha256"), False
    if options.public:
        key = public_key(data, options.file, options)
        return key.export_public_key(options.format), describe_key(key, "sha256"), False
    key = private_key(data, options.file, options)
    passphrase = None
    if not options.format.endswith("-der") or options.format.startswith("pkcs8"):
        passphrase = new_passphrase(options, "new-")
    rounds = ROUNDS.get(options.format, DEFAULT_ROUNDS)
    exported = key.export_private_key(options.format, passphrase, rounds=rounds)
    return exported, describe_key(key, "sha256"), True


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
    write_file(
        options.file,
        key.export_private_key("openssh", passphrase, "aes256-ctr", rounds=OPENSSH_ROUNDS),
        private=True,
    )
    public = f"{options.file}.pub"
    if options.comment is not None and file_exists(public):
        write_file(public, key.export_public_key())
    return Answer(options.file, {**describe_key(key, "sha256"), "output": options.file})


def _editable(data: bytes, options: Namespace) -> tuple[SSHKey, str | None]:
    """Return the key to edit and its passphrase; raises KeyImportError."""
    if not any(block.label == b"OPENSSH PRIVATE KEY" for block in iterate_pem(data)):
        raise KeyImportError("only private keys in the format of OpenSSH are edited: convert it")
    passphrase = passphrase_of(options)
    if passphrase is None and clear_part(data) is not None:
        passphrase = ask(options, f"Passphrase for {options.file}: ")
    if passphrase is None:
        return private_key(data, options.file, options), None
    return import_private_key(data, passphrase), passphrase


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
    if not all(map(str.strip, options.principals.split(","))):
        # Without any name, some servers take a certificate to be for everybody.
        raise UsageError(f"--principals with an empty name: {options.principals!a}")
    output = options.output
    if output is None:
        output = f"{options.file.removesuffix('.pub')}-cert.pub"
        if options.file == STANDARD:
            output = STANDARD
    refuse_existing(options, output)
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
    facts = describe_certificate(certificate, "sha256")
    return write_output(options, output, certificate.export_certificate(), facts)


def _permissions(text: str | None) -> list[bool]:
    """Return what --permit asks for, in the order of `PERMISSIONS`."""
    known = [name.removeprefix("permit-").lower() for name in PERMISSIONS]
    wanted = known if text is None else [part.strip().lower() for part in text.split(",")]
    if unknown := set(wanted) - {*known, "none"}:
        raise UsageError(f"there is nothing to permit with the name {min(unknown)!a}")
    return [name in wanted for name in known]
