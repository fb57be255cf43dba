"""The kinds of values, classes and members: which of them are async."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import types
import typing
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from functools import cached_property, partial, partialmethod, singledispatchmethod
from typing import Any, Final, Generic, NamedTuple, Protocol, Self
from weakref import WeakKeyDictionary, WeakSet

from .. import _decorators
from .._common.coroutines import is_async_generator_function
from .._sync.call import can_be_entered
from .._sync.signatures import returned_type
from .containers import ATOMS, CONTAINERS

#: Base classes that twins do not need.
ROOTS: Final = (object, Generic, Protocol)

# Not async clients: what runs tasks, modules and classes, and what is raised as it is.
_PLAIN: Final = (asyncio.AbstractEventLoop, asyncio.Future, types.ModuleType, type, BaseException)
_GENERATED: Final = contextlib._AsyncGeneratorContextManager
_ITERATING: Final = {name for name in dir(types.AsyncGeneratorType) if not name.startswith("_")}
# Packages whose objects may be used only on the thread of their event loop.
_LOOP_BOUND: Final = frozenset({"anyio", "asyncio", "uvloop"})

# What methods of transports, handles and servers are called, which wake or start tasks.
_WAKING: Final = frozenset(
    {"abort", "cancel", "close", "disconnect", "kill", "stop", "terminate", "write", "write_eof"}
)

#: The class attribute that names sync members for the loop thread, inherited ones too.
ON_LOOP: Final = "__loop_thread__"


class Kind(Enum):
    """What a value becomes in synchronous code."""

    PLAIN = auto()
    TWIN = auto()
    ITERATOR = auto()
    MANAGER = auto()


_kinds: WeakKeyDictionary[type, Kind] = WeakKeyDictionary()
# Classes that are plain, and lead to plain ones alone. Their objects may be async by attributes.
_plain: WeakSet[type] = WeakSet()


def kind_of(value: object) -> Kind:
    """Return the kind of `value`, which the first object of a class decides for the class."""
    cls = type(value)
    kind = _kinds.get(cls)
    if kind is None:
        kind = _kinds[cls] = _kind_of_first(value)
    return kind


def _kind_of_first(value: object) -> Kind:
    """Return the kind of the first object of a class."""
    cls = type(value)
    if cls.__module__ == "unittest.mock" and _is_loose(value):
        return Kind.PLAIN
    reached = [cls]
    kind = _kind_of_class(cls, reached)
    if kind is not Kind.PLAIN:
        return kind
    # None of these is async, or this one would be.
    _plain.update(reached)
    is_async = any(map(_is_async_attribute, _attributes(value)))
    return Kind.TWIN if is_async else Kind.PLAIN


def _is_loose(mock: Any) -> bool:
    """Tell whether a mock stands for no async object, although it may have all methods."""
    specification = mock.__class__
    if specification is not type(mock):
        return kind_of_class(specification) is Kind.PLAIN
    return all(each.__name__ != "AsyncMock" for each in type(mock).__mro__)


def _attributes(value: object) -> list[Any]:
    """Return the values of an object's own public attributes."""
    if issubclass(type(value), _PLAIN):
        return []
    # Without those that `__getattr__` makes up.
    try:
        own: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return []
    return [each for name, each in list(own.items()) if not name.startswith("_")]


def _is_async_attribute(value: object) -> bool:
    """Tell whether an attribute of an object is an async function or object."""
    return _comes_of_async(value) or kind_of_class(type(value)) is Kind.TWIN


def _comes_of_async(value: Any) -> bool:
    """Tell whether it is an async function, or one decorated by others than this package."""
    if not issubclass(type(value), (types.FunctionType, types.MethodType)):
        return False
    # A bound method may be that of a callable object.
    code = getattr(value, "__code__", None)
    is_ours = code is not None and code.co_filename == _decorators.__file__
    return not is_ours and is_async_function(inspect.unwrap(value))


def kind_of_class(cls: type) -> Kind:
    """Return the kind of a class's objects, as far as the class determines it."""
    return _kind_of_class(cls, [cls])


def _kind_of_class(cls: type, reached: list[type]) -> Kind:
    """Do the same as `kind_of_class`, and note all classes that members of the class lead to.

    If one of those is async, so is the class. There is no recursion, as there may be hundreds.
    """
    kind = _own_kind(cls, reached)
    return Kind.TWIN if kind is Kind.PLAIN and _leads_to_async(reached, 1) else kind


def _leads_to_async(reached: list[type], start: int) -> bool:
    """Tell whether one of the classes `reached`, or one that they lead to, is async."""
    seen = set(reached[:start])
    # It grows.
    for each in itertools.islice(reached, start, None):
        if each not in seen and each not in _plain:
            seen.add(each)
            if _own_kind(each, reached) is not Kind.PLAIN:
                return True
    return False


def _own_kind(cls: type, reached: list[type]) -> Kind:
    """Return the kind of a class by itself, and note those that its members lead to."""
    if issubclass(cls, _PLAIN) or cls.__module__.split(".")[0] == "aiofutures":
        return Kind.PLAIN
    iterates = hasattr(cls, "__aiter__") or hasattr(cls, "__anext__")
    enters = hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__")
    public = {name for base in mro(cls) for name in vars(base) if not name.startswith("_")}
    if iterates and not enters and public <= _ITERATING:
        return Kind.ITERATOR
    if cls is _GENERATED:
        return Kind.MANAGER
    if iterates or enters or _has_async_member(cls, reached):
        return Kind.TWIN
    return Kind.PLAIN


def mro(cls: type) -> Iterator[type]:
    """Iterate over a class and its bases, except those that twins do not need."""
    return (base for base in cls.__mro__ if base not in ROOTS)


def _has_async_member(cls: type, reached: list[type]) -> bool:
    # A protocol with one stands for functions.
    called = None if getattr(cls, "_is_protocol", False) else "__call__"
    return any(
        (name == called or not name.startswith("_")) and _is_async_member(raw, cls, reached)
        for base in mro(cls)
        for name, raw in list(vars(base).items())
    ) or any(
        not name.startswith("_") and _is_async_type(each, reached)
        for name, each in _hints(cls).items()
    )


def _hints(cls: type) -> dict[str, Any]:
    """Return the annotated types of a class's attributes, if they are all known.

    The fields of named tuples and typed dictionaries do not count: they become others, with twins.
    """
    if issubclass(cls, tuple) or typing.is_typeddict(cls):
        return {}
    try:
        return typing.get_type_hints(cls)
    except Exception:
        # A name in an annotation does not exist at run time.
        return {}


def _is_async_member(raw: object, cls: type, reached: list[type]) -> bool:
    if isinstance(raw, (property, cached_property)):
        getter = getter_of(raw)
        return getter is not None and (is_async_function(getter) or returns_async(getter, reached))
    if isinstance(raw, type):
        # What the methods make, such as the pages of a paginator.
        reached.append(raw)
        return False
    function = function_of(raw)
    return function is not None and (
        is_async_function(function) or _comes_of_async(function) or returns_async(function, reached)
    )


def getter_of(raw: property | cached_property[Any]) -> Callable[..., Any] | None:
    """Return the function that computes a property."""
    return raw.func if isinstance(raw, cached_property) else raw.fget


def function_of(raw: object) -> Callable[..., Any] | None:
    """Return the function of a member from the class's namespace; None if not a method."""
    if isinstance(raw, (classmethod, staticmethod)):
        raw = raw.__func__
    while isinstance(raw, (partialmethod, partial, singledispatchmethod)):
        raw = raw.func
    is_method = callable(raw) and hasattr(type(raw), "__get__") and not isinstance(raw, type)
    # Any: checkers forget what `callable` told them.
    function: Any = raw
    return function if is_method else None


def is_async_function(function: object) -> bool:
    """Tell whether this is a coroutine function or an async generator function."""
    return inspect.iscoroutinefunction(function) or (
        callable(function) and is_async_generator_function(function)
    )


def returns_async(function: Callable[..., Any], reached: list[type] | None = None) -> bool:
    """Tell whether a sync function is annotated as returning something async."""
    kind = returned_type(function)
    if kind is not inspect.Signature.empty:
        if reached is not None:
            return _is_async_type(kind, reached)
        found: list[type] = []
        return _is_async_type(kind, found) or _leads_to_async(found, 0)
    # Only type checkers may know the name, such as `chat.AsyncChatWithRawResponse` of openai.
    written = getattr(function, "__annotations__", {}).get("return")
    return isinstance(written, str) and written.rpartition(".")[2].startswith("Async")


def _is_async_type(kind: Any, reached: list[type]) -> bool:
    """Tell whether objects of a type, or of a member of a union, are async."""
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        return any(_is_async_type(each, reached) for each in typing.get_args(kind))
    if kind is Self:
        return False
    cls = kind if origin is None else origin
    if not isinstance(cls, type):
        return False
    # The async members of some exist on their objects alone.
    if cls.__name__.startswith("Async") or issubclass(cls, _ASYNC):
        return True
    reached.append(cls)
    return False


_ASYNC: Final[Any] = (Awaitable, AsyncIterable, AsyncGenerator, AbstractAsyncContextManager)


def is_pending(value: object) -> bool:
    """Tell whether the result of a method should be awaited.

    An awaitable that also has members, such as a query under construction, should not; one that can
    be entered should, such as aiohttp's `client.get(url)`.
    """
    return inspect.isawaitable(value) and (kind_of(value) is not Kind.TWIN or can_be_entered(value))


class Lent(NamedTuple):
    """An entered object, and the context manager that leaves it.

    The manager could be awaited instead, but a `with` block may follow: only the manager returns a
    connection to its pool.
    """

    value: Any
    manager: Any


async def settled(result: Any) -> Any:
    """Await or enter the result of a sync method, if it is pending.

    Loop thread only.
    """
    if not is_pending(result):
        return result
    if not can_be_entered(result):
        return await result
    value = await type(result).__aenter__(result)
    if kind_of(value) is not Kind.PLAIN:
        return Lent(value, result)
    # Nothing else could leave it.
    await type(result).__aexit__(result, None, None, None)
    return value


def is_for_loop_thread(name: str, function: Callable[..., Any] | None, cls: type) -> bool:
    """Tell whether a sync member of a class belongs on the loop thread.

    It does if `__loop_thread__` names it, if it returns something async, if asyncio, anyio or
    uvloop defines it or calls something so that wakes a task, or if it is a decorated async
    function.
    """
    if name in getattr(cls, ON_LOOP, ()):
        return True
    if function is None:
        return False
    if name in _WAKING and isinstance(function, types.FunctionType):
        return True
    module = getattr(function, "__module__", None) or ""
    return (
        module.split(".")[0] in _LOOP_BOUND or _comes_of_async(function) or returns_async(function)
    )


def returns_atoms(function: Callable[..., Any]) -> bool:
    """Tell whether a function is annotated so that its result cannot contain a twin."""
    return _has_atoms_alone(returned_type(function))


def _has_atoms_alone(kind: Any) -> bool:
    """Tell whether objects of a type, including those in containers, are plain values."""
    origin = typing.get_origin(kind)
    if origin in CONTAINERS or origin in {typing.Union, types.UnionType}:
        return all(each is ... or _has_atoms_alone(each) for each in typing.get_args(kind))
    return kind is None or kind in ATOMS


def may_return(function: Callable[..., Any], cls: type) -> bool:
    """Tell whether a class method may return an object of its class or anything async."""
    kind = returned_type(function)
    return kind is inspect.Signature.empty or kind is Self or kind is cls or returns_async(function)
