"""Surviving `os.fork`: pre-forking servers copy a meter with its locks, threads and open files.

A SQLite connection carried into a child can corrupt the file, a lock that another thread held stays held
forever, and threads do not come along; so each part says what it does around a fork.
"""

import os
from typing import Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """Something that is told before its process forks, and after it on both sides."""

    def before_fork(self) -> None:
        """Give up what must not be copied, and hold still."""

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; `in_child` says on which side."""


_watched: WeakSet[ForkAware] = WeakSet()


def watch(part: ForkAware) -> None:
    """Tell `part` of every fork for as long as it lives."""
    _watched.add(part)


def _before() -> None:
    for part in list(_watched):
        part.before_fork()


def _after(*, in_child: bool) -> None:
    for part in list(_watched):
        part.after_fork(in_child=in_child)


os.register_at_fork(
    before=_before,
    after_in_parent=lambda: _after(in_child=False),
    after_in_child=lambda: _after(in_child=True),
)
