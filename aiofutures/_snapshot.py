"""A copy of a container that other threads change meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from ._typing import T


def snapshot(items: Iterable[T]) -> list[T]:
    """Return what is in `items`, such as a deque or the values of a dict, at one moment."""
    # A list, as under the GIL nothing comes between its first item and its last. A tuple allocates
    # halfway, and on Python 3.11 the garbage collector may run there, and so any thread.
    while True:
        try:
            return list(items)
        except RuntimeError:
            # Some is written in Python, as WeakSet is, or there is no GIL.
            continue
