"""A server made with Paramiko, for the interop tests. Runs in the environment of the peers."""

import argparse
import os
import socket
import subprocess
import threading
import time

import paramiko


class Server(paramiko.ServerInterface):
    """Lets one user in, by key or by password, and runs commands in a shell."""

    def __init__(self, arguments, keys):
        self.arguments = arguments
        self.keys = keys

    def get_allowed_auths(self, username):
        return "publickey,password"

    def check_auth_password(self, username, password):
        good = username == self.arguments.user and password == self.arguments.password
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        good = username == self.arguments.user and key.get_base64() in self.keys
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=execute, args=(channel, command), daemon=True).start()
        return True

    def check_channel_env_request(self, channel, name, value):
        return True


def execute(channel, command):
    """Run a command and move its three streams."""
    child = subprocess.Popen(
        ["sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def feed():
        try:
            while data := channel.recv(1 << 18):
                child.stdin.write(data)
            child.stdin.close()
        except OSError:
            pass

    def drain(pipe, send):
        while data := pipe.read1(1 << 18):
            send(data)

    threads = [
        threading.Thread(target=feed, daemon=True),
        threading.Thread(target=drain, args=(child.stdout, channel.sendall)),
        threading.Thread(target=drain, args=(child.stderr, channel.sendall_stderr)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    status = child.wait()
    # Paramiko answers the request only after check_channel_exec_request has returned, and has no
    # hook for when it did: a quick command would close its channel before the answer is sent.
    time.sleep(0.2)
    channel.send_exit_status(status)
    channel.close()


class Handle(paramiko.SFTPHandle):
    """An open file."""

    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class Files(paramiko.SFTPServerInterface):
    """The file system of this machine, as far as the tests need it."""

    def list_folder(self, path):
        return [
            paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)), name)
            for name in os.listdir(path)
        ]

    def stat(self, path):
        return self._attributes(os.stat, path)

    def lstat(self, path):
        return self._attributes(os.lstat, path)

    def _attributes(self, stat, path):
        try:
            return paramiko.SFTPAttributes.from_stat(stat(path))
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno)

    def open(self, path, flags, attr):
        try:
            number = os.open(path, flags, 0o600)
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno)
        mode = "rb" if flags & (os.O_WRONLY | os.O_RDWR) == 0 else "r+b"
        if flags & os.O_WRONLY:
            mode = "wb"
        file = os.fdopen(number, mode)
        handle = Handle(flags)
        handle.readfile = handle.writefile = file
        return handle

    def _do(self, action, *arguments):
        try:
            action(*arguments)
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno)
        return paramiko.SFTP_OK

    def remove(self, path):
        return self._do(os.remove, path)

    def rename(self, oldpath, newpath):
        return self._do(os.rename, oldpath, newpath)

    def mkdir(self, path, attr):
        return self._do(os.mkdir, path)

    def rmdir(self, path):
        return self._do(os.rmdir, path)

    def chattr(self, path, attr):
        return paramiko.SFTP_OK


def serve(sock, arguments, key, keys):
    """Serve one connection."""
    transport = paramiko.Transport(sock)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    try:
        transport.start_server(server=Server(arguments, keys))
    except (paramiko.SSHException, EOFError):
        return
    while transport.is_active():
        channel = transport.accept(1)
        if channel is not None:
            CHANNELS.append(channel)


#: A channel that nobody refers to is closed.
CHANNELS = []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host-key", required=True)
    parser.add_argument("--authorized-keys", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    arguments = parser.parse_args()
    key = paramiko.Ed25519Key.from_private_key_file(arguments.host_key)
    with open(arguments.authorized_keys) as file:
        keys = {line.split()[1] for line in file}
    listener = socket.create_server(("127.0.0.1", arguments.port))
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, arguments, key, keys), daemon=True).start()


main()
