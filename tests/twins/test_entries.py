"""The removal of dead entries, atomic in every thread."""

import gc
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

from aiofutures._twins.entries import remove_dead, remove_in_turn

Remove = Callable[[dict[int, ref[Any]], int], None]


def test_standard_library() -> None:
    """Python has the fast way still: a private name, which `WeakValueDictionary` uses."""
    assert remove_dead is not remove_in_turn


class Thing:
    """Something that a reference can be weak to."""


@pytest.mark.parametrize("remove", [remove_dead, remove_in_turn])
def test_removal(remove: Remove) -> None:
    """An entry is removed when its object is dead, and only then."""
    thing = Thing()
    references: dict[int, ref[Any]] = {1: ref(thing)}
    remove(references, 1)
    remove(references, 2)
    assert references[1]() is thing

    del thing
    gc.collect()
    remove(references, 1)
    remove(references, 1)
    assert not references
