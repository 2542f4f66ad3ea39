"""One authority for hosts and users: nobody has to know anybody's key."""

import asyncio

import ssh_meta


async def report(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Say who came, and with which command."""
    process.stdout.write(f"{process.get_extra_info('username')}: {process.command}\n")
    process.exit(0)


async def main() -> None:
    """Certify a host and a user, let them meet, and take the certificate of the user back."""
    authority = ssh_meta.generate_private_key("ssh-ed25519")
    host_key = ssh_meta.generate_private_key("ssh-ed25519")
    user_key = ssh_meta.generate_private_key("ssh-ed25519")
    host_cert = authority.generate_host_certificate(
        host_key, "web-7", principals=["127.0.0.1"], valid_before="+52w"
    )
    user_cert = authority.generate_user_certificate(
        user_key, "ada", serial=1, principals=["deploy"], force_command="deploy", valid_before="+8h"
    )
    public = authority.export_public_key()
    revoked = ssh_meta.SSHKeyRevocationList()
    async with ssh_meta.listen(
        "127.0.0.1",
        0,
        server_host_keys=[(host_key, host_cert)],
        authorized_client_keys=ssh_meta.import_authorized_keys(b"cert-authority " + public),
        revoked_keys=revoked,
        process_factory=report,
    ) as server:
        connection = ssh_meta.connect(
            "127.0.0.1",
            server.get_port(),
            username="deploy",
            client_keys=[(user_key, user_cert)],
            known_hosts=b"@cert-authority * " + public,
        )
        async with connection as conn:
            print((await conn.run("rm -r /")).stdout, end="")
        revoked.revoke_serials(authority, 1)
        try:
            await ssh_meta.connect(
                "127.0.0.1",
                server.get_port(),
                username="deploy",
                client_keys=[(user_key, user_cert)],
                known_hosts=b"@cert-authority * " + public,
            )
        except ssh_meta.PermissionDenied:
            print("revoked")


if __name__ == "__main__":
    asyncio.run(main())
