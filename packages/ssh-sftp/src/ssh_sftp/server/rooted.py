"""Paths below a root directory, resolved one component at a time.

Every directory on the way is opened relative to the one before it, without following links; links
are expanded here, absolute ones from the root. So neither `..` nor a link nor a directory that is
moved meanwhile leads out of the root, whatever another process does at the same time.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Place", "Root"]

_DIRECTORY: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_MAX_LINKS: Final = 40
_MAX_COMPONENTS: Final = 4096

# Where a file is: an open directory and a name in it; without a root, None and a whole path.
Place = tuple[int | None, bytes]


class Root:
    """An open directory that paths cannot leave.

    Parameters:
        path: the directory.

    Raises OSError, and NotImplementedError on systems without `openat`.
    """

    def __init__(self, path: bytes) -> None:
        if os.open not in os.supports_dir_fd or not hasattr(os, "O_NOFOLLOW"):
            raise NotImplementedError("a root directory needs a system with openat()")
        self._root: int | None = os.open(path, _DIRECTORY & ~os.O_NOFOLLOW)

    def close(self) -> None:
        """Close the directory."""
        if self._root is not None:
            os.close(self._root)
            self._root = None

    @contextmanager
    def place(self, path: bytes, *, follow_symlinks: bool) -> Iterator[Place]:
        """Give directory descriptor and name of a file that may not exist.

        Parameters:
            path: relative to the root, also with a slash in front.
            follow_symlinks: what a link at the end points to.

        The name is never `..` and, with `follow_symlinks`, no link; use it with O_NOFOLLOW all the
        same, because it may be exchanged. Raises OSError.
        """
        walk = self._walk(path, follow_symlinks, missing_ok=False)
        try:
            yield walk.descriptors[-1], walk.name
        finally:
            walk.close()

    def real_path(self, path: bytes) -> bytes:
        """Return the absolute path below the root, without links. What does not exist is kept.

        Raises OSError.
        """
        walk = self._walk(path, True, missing_ok=True)
        walk.close()
        names = [*walk.names]
        if walk.name != b".":
            names.append(walk.name)
        return b"/" + b"/".join(names)

    def _walk(self, path: bytes, follow_last: bool, *, missing_ok: bool) -> _Walk:
        if self._root is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if b"\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        walk = _Walk(self._root)
        try:
            walk.run(path, follow_last or path.endswith((b"/", b"/.")), missing_ok)
        except BaseException:
            walk.close()
            raise
        return walk


class _Walk:
    """One path on its way: the directories passed so far, and the name at the end."""

    def __init__(self, root: int) -> None:
        self.descriptors = [root]  # the first is not ours to close
        self.names: list[bytes] = []
        self.name = b"."

    def close(self) -> None:
        """Close the directories."""
        for descriptor in self.descriptors[1:]:
            os.close(descriptor)
        del self.descriptors[1:]

    def run(self, path: bytes, follow_last: bool, missing_ok: bool) -> None:
        """Go along `path`. Raises OSError."""
        todo = deque(part for part in path.split(b"/") if part not in (b"", b"."))
        links = 0
        while todo:
            part = todo.popleft()
            if part == b"..":
                self._leave()
                continue
            if not todo and not follow_last:
                self.name = part
                return
            try:
                target = self._link_target(part)
            except FileNotFoundError:
                if todo and not missing_ok:
                    raise
                self._missing(part, todo)
                return
            if target is not None:
                links += 1
                if links > _MAX_LINKS or len(todo) > _MAX_COMPONENTS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith(b"/"):
                    self.close()
                    self.names.clear()
                parts = [part for part in target.split(b"/") if part not in (b"", b".")]
                todo.extendleft(reversed(parts))
            elif todo:
                self._enter(part)
            else:
                self.name = part

    def _link_target(self, part: bytes) -> bytes | None:
        try:
            return os.readlink(part, dir_fd=self.descriptors[-1])
        except OSError as exc:
            if exc.errno == errno.EINVAL:  # exists, and is no link
                return None
            raise

    def _enter(self, part: bytes) -> None:
        self.descriptors.append(os.open(part, _DIRECTORY, dir_fd=self.descriptors[-1]))
        self.names.append(part)

    def _leave(self) -> None:
        # The directory that we came from, not what ".." means in the file system by now.
        if len(self.descriptors) > 1:
            os.close(self.descriptors.pop())
            self.names.pop()

    def _missing(self, part: bytes, todo: deque[bytes]) -> None:
        """What follows does not exist: it is part of the name, and nothing is opened."""
        for rest in (part, *todo):
            if rest != b"..":
                self.names.append(rest)
            elif self.names:
                self.names.pop()
        self.name = self.names.pop() if self.names else b"."
