"""The functions of ssh-meta open things in the same way as those of ssh-connection."""

from __future__ import annotations

import pytest

import ssh_connection.api
import ssh_meta.api


@pytest.mark.parametrize("name", ssh_meta.api.__all__)
def test_result_is_a_context_manager_in_both_or_in_none(name: str) -> None:
    ours, theirs = getattr(ssh_meta.api, name), getattr(ssh_connection.api, name)
    # What `opening` decorates keeps the function.
    assert hasattr(ours, "__wrapped__") == hasattr(theirs, "__wrapped__")
