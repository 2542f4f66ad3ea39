"""Connection objects: what an application holds in its hand, cut by concern."""
