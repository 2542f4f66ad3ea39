"""The server: a sans-IO core, one handler per request, and `SFTPServer` on local files."""
