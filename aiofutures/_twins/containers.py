"""Plain containers and iterators, in which twins and originals replace each other."""

from __future__ import annotations

import itertools
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Generator, ItemsView, Iterator, KeysView, ValuesView
from functools import partial
from types import GeneratorType, MappingProxyType
from typing import Any, Final, TypeAlias
from weakref import ref

from .._common.typing import T

#: Types whose values cannot contain a twin, the most common first.
ATOMS: Final = frozenset({str, type(None), int, bytes, bool, float, complex, bytearray})

_MAPPINGS: Final = frozenset({dict, OrderedDict, defaultdict, MappingProxyType, Counter, UserDict})
_DICTS: Final[tuple[dict[Any, Any], ...]] = ({}, OrderedDict())

_VIEWS_OF_PAIRS: Final = frozenset({ItemsView, *(type(each.items()) for each in _DICTS)})

# How to make a container like another one, from its new items; those of a mapping are pairs.
_MAKERS: Final[dict[type, Callable[[Any, list[Any]], Any]]] = {
    **{
        kind: lambda old, new: type(old)(new) for kind in (dict, frozenset, OrderedDict, set, tuple)
    },
    list: lambda _, new: new,
    **{kind: lambda old, new: type(old)(dict(new)) for kind in (Counter, UserDict)},
    ChainMap: lambda _, new: ChainMap(*new),
    UserList: lambda _, new: UserList(new),
    defaultdict: lambda old, new: defaultdict(old.default_factory, new),
    deque: lambda old, new: deque(new, old.maxlen),
    MappingProxyType: lambda _, new: MappingProxyType(dict(new)),
    **{type(each.keys()): lambda _, new: dict.fromkeys(new).keys() for each in _DICTS},
    **{type(each.values()): lambda _, new: dict(enumerate(new)).values() for each in _DICTS},
    **{type(each.items()): lambda _, new: dict(new).items() for each in _DICTS},
    KeysView: lambda _, new: dict.fromkeys(new).keys(),
    ValuesView: lambda _, new: dict(enumerate(new)).values(),
    ItemsView: lambda _, new: dict(new).items(),
}

#: The plain containers.
CONTAINERS: Final = frozenset(_MAKERS)

_REVERSIBLE: Final[tuple[Any, ...]] = ([], deque(), {}.items(), {}.values(), *_DICTS)
#: The iterators that are part of the language, and those of `itertools`.
ITERATORS: Final = frozenset(
    {GeneratorType, enumerate, filter, map, reversed, zip, type(iter(int, 0))}
    | {type(iter(each)) for each in ((), set(), *_REVERSIBLE)}
    | {type(reversed(each)) for each in _REVERSIBLE}
    | {each for each in vars(itertools).values() if hasattr(each, "__next__")}
)

# From here on the fast check notes what it has seen, as there may be much of it.
_SHALLOW: Final = 3


def holds_nothing(value: Any, depth: int = 0, seen: set[int] | None = None) -> bool:
    """Check quickly whether a plain container has only atoms and plain containers in it.

    `seen` has the ids of containers below the first levels, which may contain each other.
    """
    if depth >= _SHALLOW and seen is not None:
        if id(value) in seen:
            return True
        seen.add(id(value))
    if type(value) is ChainMap:
        value = value.maps
    elif type(value) in _MAPPINGS:
        if not ATOMS.issuperset(map(type, value)):
            return False
        value = value.values()
    elif type(value) in _VIEWS_OF_PAIRS:
        value = _halves(value)
    for each in value:
        kind = type(each)
        if kind not in ATOMS:
            seen = set() if seen is None else seen
            if not (kind in CONTAINERS and holds_nothing(each, depth + 1, seen)):
                return False
    return True


#: By the id of each container that was seen: what it becomes, or itself while that is unknown.
Seen: TypeAlias = dict[int, Any]


def mapped(value: Any, seen: Seen | None, change: Callable[[Any, Seen, T], Any], for_: T) -> Any:
    """Return a plain container with its items changed, or the same one if none changes.

    Args:
        value: Any object; one that is not a plain container is returned unchanged.
        seen: The containers that were seen before, as those may contain each other.
        change: Called with an item, the containers seen by then, and `for_`.
        for_: Passed to `change`.
    """
    kind = type(value)
    if kind not in CONTAINERS and not (issubclass(kind, tuple) and hasattr(kind, "_make")):
        return value
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = value
    is_same, new = True, []
    is_of_pairs = kind in _MAPPINGS or kind in _VIEWS_OF_PAIRS
    items = value.maps if kind is ChainMap else value
    for item in _halves(value) if is_of_pairs else items:
        changed = change(item, seen, for_)
        is_same = is_same and changed is item
        new.append(changed)
    if not is_same:
        new = [*zip(new[::2], new[1::2], strict=True)] if is_of_pairs else new
        seen[id(value)] = _MAKERS[kind](value, new) if kind in _MAKERS else kind._make(new)
    return seen[id(value)]


def _halves(value: Any) -> list[Any]:
    """Return the keys and values of a mapping or of its items, in turns.

    The pairs are made on the fly, so nothing may note that they were seen.
    """
    pairs = value.items() if type(value) in _MAPPINGS else value
    return [half for pair in pairs for half in pair]


def passed_on(
    iterator: Any, change: Callable[[Any], Any], change_sent: Callable[[Any], Any]
) -> Iterator[Any]:
    """Return an iterator over the changed items of another one; a generator for a generator."""
    if type(iterator) is GeneratorType:
        itself: list[ref[Any]] = []
        generator = _delegated(iterator, change, change_sent, itself)
        itself.append(ref(generator))
        return generator
    return map(change, iterator)


def _delegated(
    generator: Generator[Any, Any, Any],
    change: Callable[[Any], Any],
    change_sent: Callable[[Any], Any],
    itself: list[ref[Any]],
) -> Generator[Any, Any, Any]:
    """Do the same as `yield from generator`, with all values changed.

    `itself` is dead when this generator is discarded: others may use the other one further.
    """
    step: Callable[[], Any] = partial(next, generator)
    while True:
        try:
            item = step()
        except StopIteration as stop:
            return change(stop.value)
        finally:
            # It may hold an exception whose traceback refers to this frame.
            del step
        try:
            sent = yield change(item)
        except GeneratorExit:
            if itself[0]() is not None:
                generator.close()
            raise
        except BaseException as error:
            step = partial(generator.throw, error)
        else:
            step = partial(generator.send, change_sent(sent))
