"""The client: a sans-IO core, the pipelines of the data path, and `SFTPClient`."""
