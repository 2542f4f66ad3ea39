"""Settings of the tests of ssh-keys."""

from __future__ import annotations

from hypothesis import settings

# A deadline for each example fails on a busy machine; pytest-timeout bounds each test as a whole.
settings.register_profile("keys", deadline=None)
settings.load_profile("keys")
