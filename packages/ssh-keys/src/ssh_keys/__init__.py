"""SSH keys, certificates, known_hosts and authorized_keys, without any network code."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ssh_keys._version import __version__
from ssh_keys.algorithms import Algorithm, Registry, Status
from ssh_keys.allowed_signers import (
    AllowedSigner,
    SSHAllowedSigners,
    import_allowed_signers,
    read_allowed_signers,
)
from ssh_keys.authorized_key_options import AuthorizedKeyOptions
from ssh_keys.authorized_keys import (
    SSHAuthorizedKeys,
    import_authorized_keys,
    read_authorized_keys,
)
from ssh_keys.authorized_options import AuthorizedKeyEntry, AuthorizedX509Entry
from ssh_keys.bubble_babble import bubblebabble
from ssh_keys.certificate import CertificateFields, CertificateType, SSHOpenSSHCertificate
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import (
    CertListArg,
    decode_ssh_certificate,
    import_certificate,
    load_certificates,
    read_certificate,
    read_certificate_list,
)
from ssh_keys.drunken_bishop import randomart
from ssh_keys.errors import (
    CertificateError,
    CertificateExpiredError,
    CertificatePrincipalError,
    CertificateRevokedError,
    Error,
    KeyEncryptionError,
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.importing import (
    KeyListArg,
    KeyPairListArg,
    Passphrase,
    import_private_key,
    import_public_key,
    load_keypairs,
    load_public_keys,
    read_private_key,
    read_private_key_list,
    read_public_key,
    read_public_key_list,
    set_default_skip_rsa_key_validation,
)
from ssh_keys.importing_async import (
    load_keypairs_async,
    read_private_key_async,
    read_private_key_list_async,
)
from ssh_keys.key import SSHKey
from ssh_keys.key_types import decode_ssh_public_key, generate_private_key
from ssh_keys.keypair import SSHKeyPair, SSHLocalKeyPair
from ssh_keys.known_hosts import (
    HostKeyStatus,
    KnownHostsArg,
    KnownHostsMatch,
    KnownHostsResult,
    SSHKnownHosts,
    import_known_hosts,
    match_known_hosts,
    read_known_hosts,
)
from ssh_keys.known_hosts_editor import (
    KnownHostsEditor,
    KnownHostsLine,
    hash_known_hosts,
    learn_host_key,
    remove_known_host,
)
from ssh_keys.krl import SSHKeyRevocationList, import_krl, read_krl
from ssh_keys.pkcs11_tokens import SSHPKCS11KeyPair, load_pkcs11_keys
from ssh_keys.resident_keys import load_resident_keys
from ssh_keys.signature_algorithms import (
    HOST_KEY_ALGORITHMS,
    SIGNATURE_ALGORITHMS,
    SignatureAlgorithm,
    sig_algorithm_of,
)
from ssh_keys.sshsig import (
    SSHSignature,
    create_sshsig,
    import_sshsig,
    validate_sshsig,
    verify_sshsig,
)
from ssh_keys.wire import PacketDecodeError
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.decoding import decode_x509_certificate
from ssh_keys.x509.names import X509Name, X509NamePattern
from ssh_keys.x509.purposes import X509Purposes
from ssh_keys.x509.trust import (
    X509CertPathsArg,
    X509CertsArg,
    X509Path,
    X509Trust,
    load_x509_trust,
)

if _TYPE_CHECKING:
    from ssh_keys.krl_specification import extend_krl
    from ssh_keys.sshfp import (
        SSHFPRecord,
        SSHFPStatus,
        check_sshfp,
        create_sshfp,
        decode_sshfp,
        import_sshfp,
    )

__all__ = [
    "HOST_KEY_ALGORITHMS",
    "SIGNATURE_ALGORITHMS",
    "Algorithm",
    "AllowedSigner",
    "AuthorizedKeyEntry",
    "AuthorizedKeyOptions",
    "AuthorizedX509Entry",
    "CertListArg",
    "CertificateError",
    "CertificateExpiredError",
    "CertificateFields",
    "CertificatePrincipalError",
    "CertificateRevokedError",
    "CertificateType",
    "Error",
    "HostKeyStatus",
    "KeyEncryptionError",
    "KeyExportError",
    "KeyGenerationError",
    "KeyImportError",
    "KeyListArg",
    "KeyPairListArg",
    "KeyPassphraseError",
    "KeyTruncatedError",
    "KnownHostsArg",
    "KnownHostsEditor",
    "KnownHostsLine",
    "KnownHostsMatch",
    "KnownHostsResult",
    "PacketDecodeError",
    "Passphrase",
    "Registry",
    "SSHAllowedSigners",
    "SSHAuthorizedKeys",
    "SSHCertificate",
    "SSHFPRecord",
    "SSHFPStatus",
    "SSHKey",
    "SSHKeyPair",
    "SSHKeyRevocationList",
    "SSHKnownHosts",
    "SSHLocalKeyPair",
    "SSHOpenSSHCertificate",
    "SSHPKCS11KeyPair",
    "SSHSignature",
    "SSHX509Certificate",
    "SignatureAlgorithm",
    "SignatureError",
    "Status",
    "UnsupportedKeyError",
    "X509CertPathsArg",
    "X509CertsArg",
    "X509Name",
    "X509NamePattern",
    "X509Path",
    "X509Purposes",
    "X509Trust",
    "__version__",
    "check_sshfp",
    "create_sshfp",
    "create_sshsig",
    "decode_ssh_certificate",
    "decode_ssh_public_key",
    "decode_sshfp",
    "decode_x509_certificate",
    "extend_krl",
    "generate_private_key",
    "hash_known_hosts",
    "import_allowed_signers",
    "import_authorized_keys",
    "import_certificate",
    "import_known_hosts",
    "import_krl",
    "import_private_key",
    "import_public_key",
    "import_sshfp",
    "import_sshsig",
    "learn_host_key",
    "load_certificates",
    "load_keypairs",
    "load_keypairs_async",
    "load_pkcs11_keys",
    "load_public_keys",
    "load_resident_keys",
    "load_x509_trust",
    "match_known_hosts",
    "randomart",
    "bubblebabble",
    "read_allowed_signers",
    "read_authorized_keys",
    "read_certificate",
    "read_certificate_list",
    "read_known_hosts",
    "read_krl",
    "read_private_key",
    "read_private_key_async",
    "read_private_key_list",
    "read_private_key_list_async",
    "read_public_key",
    "read_public_key_list",
    "remove_known_host",
    "set_default_skip_rsa_key_validation",
    "sig_algorithm_of",
    "validate_sshsig",
    "verify_sshsig",
]

if not _TYPE_CHECKING:
    # Imported when they are first used: most programs need none of them.
    _MODULES = {
        "ssh_keys.krl_specification": ("extend_krl",),
        "ssh_keys.sshfp": (
            "SSHFPRecord",
            "SSHFPStatus",
            "check_sshfp",
            "create_sshfp",
            "decode_sshfp",
            "import_sshfp",
        ),
    }
    _HOME = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(_import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
