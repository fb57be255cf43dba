"""A copy of a container that other threads are changing."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable
from typing import Final

from .typing import T

_TRIES: Final = 10


def snapshot(items: Iterable[T]) -> list[T]:
    """Return what is in `items`, such as a deque or the values of a dict, at one moment."""
    # A list, as under the GIL nothing comes between its first item and its last. A tuple allocates
    # halfway, and on Python 3.11 the garbage collector may run there, and so any thread.
    tries = 0
    while True:
        try:
            return list(items)
        except RuntimeError:
            # Some containers, such as WeakSet, are written in Python; or there is no GIL.
            tries += 1
        # Without the GIL, threads that never rest can change a deque as fast as it is read. This
        # stops them all.
        if tries >= _TRIES and isinstance(items, deque):
            return [item for item in gc.get_referents(items) if item is not type(items)]
