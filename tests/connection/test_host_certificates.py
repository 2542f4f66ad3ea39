"""Host certificates: whom a client believes, and how it says why it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssh_connection import SSHClient
from ssh_connection.connection.certificate_trust import CertificateTrust, host_principal
from ssh_connection.connection.host_keys import HostKeyVerifier, load_known_hosts
from ssh_keys import (
    CertificateError,
    CertificatePrincipalError,
    SSHKey,
    SSHLocalKeyPair,
    SSHOpenSSHCertificate,
    generate_private_key,
)
from ssh_transport import (
    HostCertificateExpired,
    HostCertificateInvalid,
    HostCertificateMismatch,
    HostKeyMismatch,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
)

from .loopback import HOST, HOST_KEY, HOST_KEY_ECDSA, OTHER_KEY, RSA_KEY, client, serving

CA = generate_private_key("ssh-ed25519")
OTHER_CA = generate_private_key("ssh-ed25519")
TRUST = CertificateTrust((b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256"))
ED25519_CERT = b"ssh-ed25519-cert-v01@openssh.com"
ED25519, ECDSA, RSA = b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"rsa-sha2-512"


def certificate(ca: SSHKey = CA, key: SSHKey = HOST_KEY, **kwargs: Any) -> SSHOpenSSHCertificate:
    """A certificate of a host, for 127.0.0.1 unless told otherwise."""
    return ca.generate_host_certificate(key, "host", **{"principals": [HOST], **kwargs})


def line(marker: str, key: SSHKey, names: str = "*") -> bytes:
    """A line of a known_hosts file."""
    return f"{marker} {names} ".lstrip().encode() + key.export_public_key()


KNOWS_CA = line("@cert-authority", CA)


def verifier(
    known: bytes, host: str = HOST, alias: str | None = None, trust: CertificateTrust = TRUST
) -> HostKeyVerifier:
    return HostKeyVerifier(load_known_hosts(known), host, alias, 22, HOST, trust)


def check(
    known: bytes, cert: SSHOpenSSHCertificate, callbacks: SSHClient | None = None, **kwargs: Any
) -> None:
    """Return if the key in a certificate is trusted."""
    verifier(known, **kwargs).check(cert.key, callbacks or SSHClient(), cert)


# --- The decision ----------------------------------------------------------------------------


def test_certificate_of_a_known_authority() -> None:
    check(KNOWS_CA, certificate())
    check(line("@cert-authority", CA, "127.0.0.*"), certificate())
    check(KNOWS_CA, certificate(principals=["*.example.org"]), host="WWW.example.org")
    check(KNOWS_CA, certificate(principals=["cluster"]), alias="cluster")
    check(KNOWS_CA, certificate(principals=["other", "www.example.org"]), host="www.example.org.")


@pytest.mark.parametrize(
    ("kwargs", "error", "reason"),
    [
        ({"principals": ["other.example.org"]}, HostCertificateMismatch, "not for '127.0.0.1'"),
        ({"principals": []}, HostCertificateMismatch, "not for '127.0.0.1'"),
        ({"valid_before": "20200101"}, HostCertificateExpired, "has expired"),
        ({"valid_after": "+1d"}, HostCertificateExpired, "not valid yet"),
    ],
)
def test_certificate_that_is_not_good(
    kwargs: dict[str, Any], error: type[HostKeyNotVerifiable], reason: str
) -> None:
    with pytest.raises(error, match=reason) as caught:
        check(KNOWS_CA, certificate(**kwargs))
    assert isinstance(caught.value, HostCertificateInvalid)
    assert HOST_KEY.get_fingerprint() in str(caught.value)
    # The key itself is known: what a certificate adds is not needed then.
    check(KNOWS_CA + line("", HOST_KEY), certificate(**kwargs))


def test_certificate_of_another_kind() -> None:
    user = CA.generate_user_certificate(HOST_KEY, "user", principals=[HOST])
    with pytest.raises(HostCertificateInvalid, match="another kind") as caught:
        check(KNOWS_CA, user)
    assert not isinstance(caught.value, HostCertificateExpired | HostCertificateMismatch)


def test_signature_algorithm_of_the_authority() -> None:
    known = line("@cert-authority", RSA_KEY)
    check(known, certificate(RSA_KEY, sig_alg="rsa-sha2-512"))
    with pytest.raises(HostCertificateInvalid, match="'ssh-rsa', which is not allowed"):
        check(known, certificate(RSA_KEY, sig_alg="ssh-rsa"))
    only = CertificateTrust((b"ssh-ed25519",))
    with pytest.raises(HostCertificateInvalid, match="'rsa-sha2-512', which is not allowed"):
        check(known, certificate(RSA_KEY, sig_alg="rsa-sha2-512"), trust=only)
    with pytest.raises(HostCertificateInvalid, match="2048 bits"):
        check(known, certificate(RSA_KEY), trust=CertificateTrust((RSA,), 3072))


def test_authority_that_is_not_known() -> None:
    with pytest.raises(HostKeyUnknown, match="certified by ssh-ed25519 key SHA256"):
        check(KNOWS_CA, certificate(OTHER_CA))
    with pytest.raises(HostKeyUnknown):
        check(line("@cert-authority", CA, "*.example.org"), certificate())
    # Not an authority, although the key is known.
    with pytest.raises(HostKeyMismatch):
        check(line("", CA), certificate())
    with pytest.raises(HostKeyMismatch):
        check(KNOWS_CA + line("", OTHER_KEY), certificate(OTHER_CA))
    check(KNOWS_CA + line("", HOST_KEY), certificate(OTHER_CA))


@pytest.mark.parametrize("revoked", [CA, HOST_KEY])
def test_revoked(revoked: SSHKey) -> None:
    class Trusting(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return True

        def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return True

    known = KNOWS_CA + line("", HOST_KEY) + line("@revoked", revoked)
    with pytest.raises(HostKeyRevoked):
        check(known, certificate(), Trusting())


def test_callback_decides_about_authorities() -> None:
    asked: list[tuple[object, ...]] = []

    class Client(SSHClient):
        def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            asked.append((host, addr, port, key))
            return key == CA.convert_to_public()

    check(b"", certificate(), Client())
    assert asked == [(HOST, HOST, 22, CA.convert_to_public())]
    with pytest.raises(HostKeyUnknown):
        check(b"", certificate(OTHER_CA), Client())
    with pytest.raises(HostCertificateMismatch):
        check(b"", certificate(principals=["other"]), Client())
    asked.clear()
    check(KNOWS_CA, certificate(), Client())
    assert not asked

    class Truthy(SSHClient):
        def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return 1  # type: ignore[return-value]

    with pytest.raises(HostKeyUnknown):
        check(b"", certificate(), Truthy())


def test_principal_of_a_host() -> None:
    assert host_principal("www.example.org.") == "www.example.org"
    assert host_principal("0:0::1") == "::1"
    assert host_principal("::ffff:192.0.2.1") == "192.0.2.1"
    # Never empty: an empty principal would not be checked at all.
    assert host_principal(".") == "."
    with pytest.raises(CertificateError):
        TRUST.check_host(certificate(), ".")
    user = CA.generate_user_certificate(OTHER_KEY, "user", principals=["user"])
    TRUST.check_user(user, "user", HOST)
    with pytest.raises(CertificatePrincipalError):
        TRUST.check_user(user, "", HOST)


# --- What is asked for -----------------------------------------------------------------------


def test_order_of_algorithms() -> None:
    names = (ED25519, ECDSA, RSA)
    with_certificates = verifier(KNOWS_CA).preferred(names)
    assert with_certificates[:3] == (
        ED25519_CERT,
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com",
        b"rsa-sha2-512-cert-v01@openssh.com",
    )
    assert with_certificates[3:] == names
    both = verifier(KNOWS_CA + line("", HOST_KEY_ECDSA)).preferred(names)
    assert both[3:] == (ECDSA, ED25519, RSA)
    assert verifier(line("@cert-authority", CA, "example.org")).preferred(names) == names
    assert verifier(b"").preferred(names, asks_callback=True) == with_certificates
    # Certificates that nobody could vouch for are no reason to do without a known key.
    assert verifier(b"").preferred((ED25519_CERT, ECDSA)) == (ECDSA, ED25519_CERT)


# --- On loopback -----------------------------------------------------------------------------

HOST_CERT = certificate()


async def test_host_certificate_is_presented_and_believed() -> None:
    async with serving(server_host_keys=[HOST_KEY], server_host_certs=[HOST_CERT]) as server:
        async with await client(server, password="secret", known_hosts=KNOWS_CA) as conn:
            name = conn.get_extra_info("server_host_key_algorithm")
            assert name == ED25519_CERT.decode()
            assert conn.get_server_host_key() == HOST_KEY.convert_to_public()
            assert conn.get_extra_info("server_host_certificate") == HOST_CERT
        async with await client(server, password="secret") as conn:
            assert conn.get_extra_info("server_host_key_algorithm") == "ssh-ed25519"
            assert conn.get_extra_info("server_host_certificate") is None


async def presented(**options: Any) -> object:
    """The certificate that a server with these options shows."""
    async with (
        serving(**options) as server,
        await client(server, password="secret", known_hosts=KNOWS_CA) as conn,
    ):
        return conn.get_extra_info("server_host_certificate")


async def test_certificate_that_is_named_comes_before_that_beside_the_key(tmp_path: Path) -> None:
    beside, named = tmp_path / "key-cert.pub", tmp_path / "other.pub"
    HOST_KEY.write_private_key(tmp_path / "key")
    HOST_CERT.write_certificate(beside)
    newer, newest = certificate(serial=1), certificate(serial=2)
    newer.write_certificate(named)
    for certificates, shown in [
        ((), HOST_CERT),
        ([str(beside)], HOST_CERT),
        ([str(named)], newer),
        ([str(named), str(beside)], HOST_CERT),
        # As sshd does with HostCertificate: the last one of a key is presented.
        ([str(named), newest], newest),
    ]:
        key = str(tmp_path / "key")
        assert await presented(server_host_keys=[key], server_host_certs=certificates) == shown
    with pytest.raises(ValueError, match="two host keys for ssh-ed25519"):
        await presented(server_host_keys=[(HOST_KEY, HOST_CERT), OTHER_KEY])


async def test_configuration_file_with_the_usual_names_of_certificates(tmp_path: Path) -> None:
    key, config = tmp_path / "ssh_host_ed25519_key", tmp_path / "sshd_config"
    HOST_KEY.write_private_key(key)
    HOST_CERT.write_certificate(f"{key}-cert.pub")
    config.write_text(f"HostKey {key}\nHostCertificate {key}-cert.pub\n")
    assert await presented(config=str(config), server_host_keys=()) == HOST_CERT


async def test_every_form_of_known_hosts() -> None:
    async with serving(server_host_keys=[(HOST_KEY, HOST_CERT)]) as server:
        forms: list[Any] = [
            ([], [CA], []),
            ([], [CA], [], [], [], [], []),
            lambda host, addr, port: ([], [CA], []),
        ]
        for known in forms:
            async with await client(server, password="secret", known_hosts=known) as conn:
                assert conn.get_extra_info("server_host_certificate") == HOST_CERT
        for known, error in [
            (([], [OTHER_CA], []), HostKeyUnknown),
            (([], [CA], [CA]), HostKeyRevoked),
            (([OTHER_KEY], [OTHER_CA], []), HostKeyMismatch),
        ]:
            with pytest.raises(error):
                await client(server, password="secret", known_hosts=known)


async def test_refused_certificate_ends_the_connection() -> None:
    expired = certificate(valid_before="20200101")
    async with serving(server_host_keys=[(HOST_KEY, expired)]) as server:
        with pytest.raises(HostCertificateExpired):
            await client(server, password="secret", known_hosts=KNOWS_CA)


async def test_callback_of_the_application() -> None:
    class Client(SSHClient):
        def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return key == CA.convert_to_public()

    async with serving(server_host_keys=[(HOST_KEY, HOST_CERT)]) as server:
        kwargs: Any = {"password": "secret", "known_hosts": b"", "client_factory": Client}
        async with await client(server, **kwargs) as conn:
            assert conn.get_extra_info("server_host_certificate") == HOST_CERT
    async with serving(server_host_keys=[(HOST_KEY, certificate(OTHER_CA))]) as server:
        with pytest.raises(HostKeyUnknown):
            await client(server, **kwargs)


async def test_host_without_a_certificate_falls_back_to_its_key() -> None:
    async with serving() as server:
        known = KNOWS_CA + line("", HOST_KEY, f"[{HOST}]:{server.get_port()}")
        async with await client(server, password="secret", known_hosts=known) as conn:
            assert conn.get_extra_info("server_host_key_algorithm") == "ssh-ed25519"


async def test_ca_signature_algorithms_of_the_options() -> None:
    sha1 = certificate(RSA_KEY, sig_alg="ssh-rsa")
    known = line("@cert-authority", RSA_KEY)
    async with serving(server_host_keys=[(HOST_KEY, sha1)]) as server:
        with pytest.raises(HostCertificateInvalid, match="not allowed"):
            await client(server, password="secret", known_hosts=known)
        async with await client(
            server, password="secret", known_hosts=known, ca_signature_algs="+ssh-rsa"
        ) as conn:
            assert conn.get_extra_info("server_host_certificate") == sha1


async def test_user_certificate_is_no_host_certificate() -> None:
    user = CA.generate_user_certificate(HOST_KEY, "user", principals=[HOST])
    with pytest.raises(ValueError, match="no host certificate"):
        async with serving(server_host_keys=[(HOST_KEY, user)]):
            pass
    pair = SSHLocalKeyPair(HOST_KEY, user)
    with pytest.raises(ValueError, match="no host certificate"):
        async with serving(server_host_keys=[pair]):
            pass
