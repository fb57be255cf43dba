"""The removal of dead entries from a dictionary of weak references."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import RLock
from typing import Any, Final

# Reentrant, as a finalizer may remove entries in the meantime.
_removing: Final = RLock()


def remove_in_turn(references: dict[int, weakref.ref[Any]], key: int, /) -> None:
    """Remove an entry, unless its object lives or another thread has replaced it.

    This is atomic where nothing else removes entries, and nothing overwrites them.
    """
    with _removing:
        reference = references.get(key)
        if reference is not None and reference() is None:
            del references[key]


#: Does the same; what `WeakValueDictionary` uses takes a tenth of the time.
remove_dead: Final[Callable[[dict[int, weakref.ref[Any]], int], None]] = getattr(
    weakref, "_remove_dead_weakref", remove_in_turn
)
