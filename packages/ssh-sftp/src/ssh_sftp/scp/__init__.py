"""The scp protocol (that of rcp) over any pair of byte streams: source, sink, copy, server.

It has no specification; what is here is what OpenSSH's scp speaks with `-O`. Sources and sinks move
files of this machine, or those of an `SFTPServer`.
"""
