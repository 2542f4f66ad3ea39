"""An authority, and credentials whose keys it has certified, made by ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials

#: Validity of a certificate that is over, as ssh-keygen wants it.
EXPIRED = "20200101:20200102"


@dataclass(frozen=True, slots=True)
class CertifiedCredentials(Credentials):
    """Credentials that only an authority vouches for: no key of theirs is listed anywhere."""

    #: The public key of the authority.
    authority: Path

    def known_hosts(self, port: int, *, wrong: bool = False) -> Path:
        """A known_hosts file with the authority, or with a key that is none.

        Args:
            port: the port of the server.
            wrong: name an authority that has signed nothing.
        """
        key = (self.other_key.with_suffix(".pub") if wrong else self.authority).read_text()
        path = self.folder / f"known_hosts-{port}{'-wrong' if wrong else ''}"
        path.write_text(f"@cert-authority [{HOST}]:{port} {key}")
        return path


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that signs certificates with ssh-keygen."""

    key: Path

    def certify(
        self,
        key: Path,
        principals: str,
        *,
        host: bool = False,
        validity: str = "always:forever",
        options: Sequence[str] = (),
        sig_algorithm: str = "",
    ) -> Path:
        """Write a certificate beside a key, and return its path.

        Args:
            key: the private key; only its public part is read.
            principals: names with commas between; empty for none.
            host: make a host certificate.
            validity: from and until when, for ``-V``.
            options: critical options and extensions, for ``-O``.
            sig_algorithm: what an RSA authority signs with.
        """
        words = [program("ssh-keygen"), "-q", "-s", str(self.key), "-I", "interop", "-V", validity]
        words += ["-n", principals] if principals else []
        words += ["-h"] if host else []
        words += ["-t", sig_algorithm] if sig_algorithm else []
        words += [word for option in options for word in ("-O", option)]
        subprocess.run([*words, str(key.with_suffix(".pub"))], check=True)
        return key.with_name(f"{key.name}-cert.pub")


def make_authority(folder: Path, key_type: str = "ed25519", name: str = "authority") -> Authority:
    """Generate the key of an authority in a folder."""
    words = [program("ssh-keygen"), "-q", "-t", key_type, "-N", "", "-f", str(folder / name)]
    subprocess.run(words, check=True)
    return Authority(folder / name)


def certified(credentials: Credentials, folder: Path, authority: Authority) -> CertifiedCredentials:
    """Copies of credentials for an authority to certify; nothing has a certificate yet.

    The authorized_keys file has the authority in it and nothing else.
    """
    public = authority.key.with_suffix(".pub")
    made = CertifiedCredentials(folder, credentials.user, credentials.password, public)
    for theirs, ours in (
        (credentials.host_key, made.host_key),
        (credentials.user_key, made.user_key),
        (credentials.other_key, made.other_key),
    ):
        shutil.copy(theirs, ours)
        shutil.copy(theirs.with_suffix(".pub"), ours.with_suffix(".pub"))
    made.authorized_keys.write_text(f"cert-authority {public.read_text()}")
    return made
