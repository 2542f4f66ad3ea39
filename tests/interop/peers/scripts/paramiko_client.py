"""A client made with Paramiko, for the interop tests. Runs in the environment of the peers."""

import argparse
import os
import sys
import threading

import paramiko


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("--key")
    parser.add_argument("--password")
    parser.add_argument("--rekey-bytes", type=int)
    parser.add_argument("words", nargs="+")
    return parser.parse_args()


def execute(client, command):
    """Give the command our standard input, and pass on what it writes."""
    channel = client.get_transport().open_session()
    channel.exec_command(command)

    def send():
        # Chunks, because sendall() copies the rest of its argument for each packet. Unbuffered: the
        # lock of a buffer that a thread still waits in aborts the interpreter when it ends.
        while data := os.read(0, 1 << 20):
            channel.sendall(data)
        channel.shutdown_write()

    def receive(recv, output):
        while data := recv(1 << 18):
            output.write(data)
        output.flush()

    threads = [
        threading.Thread(target=send, daemon=True),
        threading.Thread(target=receive, args=(channel.recv, sys.stdout.buffer)),
        threading.Thread(target=receive, args=(channel.recv_stderr, sys.stderr.buffer)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    return channel.recv_exit_status()


def main():
    arguments = parse()
    verb, *words = arguments.words
    client = paramiko.SSHClient()
    client.load_host_keys(arguments.known_hosts)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        client.connect(
            arguments.host,
            arguments.port,
            arguments.user,
            password=arguments.password,
            key_filename=arguments.key,
            allow_agent=False,
            look_for_keys=False,
            timeout=20,
        )
        client.get_transport().packetizer.REKEY_BYTES = arguments.rekey_bytes
        if verb == "exec":
            return execute(client, words[0])
        with client.open_sftp() as sftp:
            (sftp.put if verb == "put" else sftp.get)(words[0], words[1])
    except (paramiko.SSHException, OSError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return 255
    finally:
        client.close()
    return 0


sys.exit(main())
