"""One realm for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.peers import availability
from tests.kerberos.realm import Realm, missing, running_realm


@pytest.fixture(scope="session")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A KDC, a user with a ticket, and the key of this host."""
    absent = missing()
    if absent:
        availability.missing(absent)
    with running_realm(tmp_path_factory.mktemp("realm")) as running:
        yield running
