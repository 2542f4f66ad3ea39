"""The facts of keys and certificates, by the names that they have in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.key import SSHKey
from ssh_keys.sk import FLAG_PRESENCE, FLAG_RESIDENT, FLAG_VERIFICATION, SecurityKey
from ssh_keys.time_values import FOREVER
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.purposes import purpose_name

__all__ = ["describe_certificate", "describe_key", "moment"]


def describe_key(key: SSHKey, hash_name: str = "sha256") -> dict[str, object]:
    """Return the facts of a key."""
    facts: dict[str, object] = {
        "kind": "private key" if key.is_private else "public key",
        "algorithm": key.get_algorithm(),
        "bits": key.bits,
        "type": key.type_name,
        "fingerprint": key.get_fingerprint(hash_name),
        "comment": key.get_comment(errors="backslashreplace"),
    }
    if isinstance(key, SecurityKey):
        facts["application"] = key.application.decode("utf-8", "backslashreplace")
        if key.key_handle is not None:
            flags = key.key_handle.flags
            facts["touch_required"] = bool(flags & FLAG_PRESENCE)
            facts["verify_required"] = bool(flags & FLAG_VERIFICATION)
            facts["resident"] = bool(flags & FLAG_RESIDENT)
    return facts


def moment(seconds: int) -> str:
    """Return a time of a file, which may be any number, as ISO 8601 has it if that is possible."""
    if seconds == FOREVER:
        return "forever"
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def describe_certificate(
    certificate: SSHCertificate, hash_name: str = "sha256"
) -> dict[str, object]:
    """Return the facts of a certificate, as `ssh-keygen -L` and `openssl x509` have them."""
    if isinstance(certificate, SSHX509Certificate):
        return _describe_x509(certificate, hash_name)
    assert isinstance(certificate, SSHOpenSSHCertificate)
    return _describe_openssh(certificate, hash_name)


def _describe_x509(certificate: SSHX509Certificate, hash_name: str) -> dict[str, object]:
    contents, purposes = certificate.contents, certificate.purposes
    return {
        "kind": "X.509 authority" if certificate.is_ca else "X.509 certificate",
        "algorithm": certificate.get_algorithm(),
        "fingerprint": certificate.get_fingerprint(hash_name),
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial,
        "valid_after": moment(contents.valid_after),
        "valid_before": moment(contents.valid_before),
        "purposes": ["any"] if purposes is None else [purpose_name(oid) for oid in purposes],
        "user_principals": list(certificate.user_principals),
        "host_principals": list(certificate.host_principals),
        "path_length": contents.path_length,
        "comment": certificate.get_comment(errors="backslashreplace"),
    }


def _describe_openssh(certificate: SSHOpenSSHCertificate, hash_name: str) -> dict[str, object]:
    fields = certificate.fields

    def shown(options: Mapping[str, bytes]) -> dict[str, object]:
        known = certificate.options
        return {name: known.get(name, data.hex()) for name, data in options.items()}

    return {
        "kind": f"{fields.type.name.lower()} certificate",
        "algorithm": certificate.get_algorithm(),
        "fingerprint": certificate.get_fingerprint(hash_name),
        "signing_key": certificate.signing_key.get_fingerprint(hash_name),
        "signing_key_type": certificate.signing_key.type_name,
        "signature_algorithm": certificate.signature_algorithm.decode("ascii"),
        "key_id": fields.key_id,
        "serial": fields.serial,
        "valid_after": moment(fields.valid_after),
        "valid_before": moment(fields.valid_before),
        "principals": list(fields.principals),
        "critical_options": shown(fields.critical_options),
        "extensions": shown(fields.extensions),
        "comment": certificate.get_comment(errors="backslashreplace"),
    }
