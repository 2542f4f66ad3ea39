"""The command sign-cert."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial

from ssh_keys.certificate import MAXIMUM_SERIAL, SSHOpenSSHCertificate
from ssh_keys.cli.arguments import (
    PERMITTED,
    bound_of,
    certificate_option,
    permissions,
    serial_step,
)
from ssh_keys.cli.descriptions import describe_certificate
from ssh_keys.cli.files import outputs_of, refuse_existing, write_output
from ssh_keys.cli.input_keys import add_token_options, public_key_of_file, signing_key
from ssh_keys.cli.output import Answer, UsageError, joined
from ssh_keys.cli.passphrases import add_passphrase_options
from ssh_keys.key import SSHKey

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parser of this command with its options."""
    parser = commands["sign-cert"]
    parser.add_argument("file", nargs="+", help="public keys to certify; - for standard input")
    parser.add_argument("--ca", required=True, help="private key of the authority")
    parser.add_argument("--id", required=True, help="key id, for logs")
    parser.add_argument("--host", action="store_true", help="certificate of a host")
    parser.add_argument("--principals", required=True, help="names, with commas between")
    parser.add_argument(
        "--serial",
        type=serial_step,
        default=(0, 0),
        help="number of the certificate; +N counts up from N with each file",
    )
    parser.add_argument(
        "--valid-after", default="now", type=bound_of, help="or always; default: now"
    )
    parser.add_argument("--valid-before", required=True, type=bound_of, help="e.g. +52w, 20301231")
    parser.add_argument("--force-command", help="run this in place of what is asked for")
    parser.add_argument("--source-address", help="only from these, with commas between")
    parser.add_argument(
        "--permit",
        type=permissions,
        metavar="NAMES",
        help=f"only these, with commas, or none: {', '.join(PERMITTED)}; default: all",
    )
    parser.add_argument("--verify-required", action="store_true", help="for security keys")
    parser.add_argument("--no-touch-required", action="store_true", help="for security keys")
    for kind in ("critical", "extension"):
        parser.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            type=certificate_option,
            metavar="NAME[=TEXT]",
            help=f"further {'critical option' if kind == 'critical' else kind}; repeatable",
        )
    parser.add_argument(
        "--signature-algorithm", default=(), metavar="NAME", help="default: the best of the CA key"
    )
    parser.add_argument(
        "--output",
        help="default: FILE-cert.pub, without the .pub of FILE; - for standard output",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    add_passphrase_options(parser, what="the authority")
    add_token_options(parser)
    parser.set_defaults(run=sign_cert)


def sign_cert(options: Namespace) -> Answer:
    """Certify keys."""
    _check(options)
    outputs = outputs_of(options, lambda name: f"{name.removesuffix('.pub')}-cert.pub")
    refuse_existing(options, *outputs)
    keys = [public_key_of_file(name, options) for name in options.file]
    authority = signing_key(options.ca, options)
    serial, step = options.serial
    # All of them before one is written: the last one may be what cannot be certified.
    certificates = [
        _certify(options, authority, key, serial + number * step) for number, key in enumerate(keys)
    ]
    answers = [
        write_output(output, certificate.export_certificate(), describe_certificate(certificate))
        for output, certificate in zip(outputs, certificates, strict=True)
    ]
    return joined(answers, "certificates")


def _check(options: Namespace) -> None:
    """Raise UsageError for options that do not fit each other."""
    if options.host:
        forced = options.force_command or options.source_address or options.verify_required
        if forced or options.critical:
            raise UsageError("host certificates have no critical options")
        if options.permit is not None or options.no_touch_required:
            raise UsageError("host certificates permit nothing")
    if not all(map(str.strip, options.principals.split(","))):
        # Without any name, some servers take a certificate to be for everybody.
        raise UsageError(f"--principals with an empty name: {options.principals!a}")
    serial, step = options.serial
    if serial + step * (len(options.file) - 1) > MAXIMUM_SERIAL:
        raise UsageError("there are not so many serial numbers")


def _certify(
    options: Namespace, authority: SSHKey, key: SSHKey, serial: int
) -> SSHOpenSSHCertificate:
    """Return a certificate of a key; raises KeyGenerationError."""
    generate: Callable[..., SSHOpenSSHCertificate] = authority.generate_host_certificate
    if not options.host:
        generate = partial(
            authority.generate_user_certificate,
            force_command=options.force_command,
            source_address=options.source_address,
            touch_required=not options.no_touch_required,
            verify_required=options.verify_required,
            critical_options=dict(options.critical),
            **(options.permit or {}),
        )
    return generate(
        key,
        options.id,
        serial=serial,
        principals=options.principals,
        valid_after=options.valid_after,
        valid_before=options.valid_before,
        sig_alg=options.signature_algorithm,
        extensions=dict(options.extension),
    )
