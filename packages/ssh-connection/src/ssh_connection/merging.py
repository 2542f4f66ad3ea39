"""Options on top of other options; files that they name are read in another thread."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from .options.base import SSHConnectionOptions

__all__ = ["make_options", "merge_options"]

O = TypeVar("O", bound=SSHConnectionOptions)  # noqa: E741


def merge_options(kind: type[O], options: O | None, **given: object) -> O:
    """Return options on top of others; without anything new the others themselves.

    Parameters:
        kind: class of the result.
        options: what to start from, if there is something.
        given: option name to value; `()` stands for not given.

    Raises ValueError and TypeError for options that can not be.
    """
    new = {name: value for name, value in given.items() if value != ()}
    if options is not None and not new:
        return options
    return kind(options=options, **new)  # type: ignore[arg-type]


async def make_options(kind: type[O], options: O | None, **given: object) -> O:
    """Do as `merge_options`; configuration files are read in another thread.

    Raises as `merge_options` does, and ConfigParseError for files.
    """
    config = given.get("config", ()) or (options is not None and options.config)
    if config:
        return await asyncio.to_thread(lambda: merge_options(kind, options, **given))
    return merge_options(kind, options, **given)
