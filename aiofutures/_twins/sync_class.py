"""The function that gives a whole async class a synchronous face."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

from .._sync.call import SubmitsCalls
from .base import Twin, bare
from .family import Family, sync_name
from .kinds import Kind, kind_of_class

T_co = TypeVar("T_co", covariant=True)

_families: Final[WeakValueDictionary[tuple[int, float | None], Family]] = WeakValueDictionary()


class HasOriginal(Protocol[T_co]):
    """A twin whose stub says what its original is."""

    @property
    def __wrapped__(self) -> T_co: ...


@overload
def sync_class(
    cls: type[Any],
    /,
    *,
    executor: SubmitsCalls | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> type[Any]: ...
@overload
def sync_class(
    *,
    executor: SubmitsCalls | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> Callable[[type[Any]], type[Any]]: ...
def sync_class(
    cls: Any = None,
    /,
    *,
    executor: SubmitsCalls | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> Any:
    """Give an async class, such as an async client, a synchronous face.

    The class that it returns has the members of `cls` under their own names, for synchronous code.
    Each of its objects is the twin of an original, an object of `cls`, which is created, called and
    closed on the event loop of an executor:

    - a coroutine method blocks; an async generator or iterator is a generator; what can be entered
      with `async with` is a context manager;
    - other methods, properties and attributes work as they are. A class names in `__loop_thread__`
      those that belong on the loop thread; those that return something async do, too;
    - special methods have their synchronous names: `__aenter__` is `__enter__`, and `__await__`,
      which has none, is `__call__`;
    - what a member returns is a twin, too, if its class has public async members, also in a list,
      tuple, set or dict. One original has one twin. An argument that is a twin is passed on as its
      original.

    `python -m aiofutures.twin` writes a stub with the exact types.

    Args:
        cls: The async class.
        executor: Where its objects live; None means the default executor when each is created.
        timeout: Maximum number of seconds for a call, as with `to_sync`; None means no limit.
        name: The name of the new class. None means `Sync` and the name of `cls` without `Async`, or
            for a decorator the same name.

    Returns:
        A class, which may be subclassed. Its members raise what a `to_sync` function raises.

    Raises:
        TypeError: `cls` is not a class, or has nothing async.
        ValueError: `name` is not an identifier.

    Example:
        >>> Client = sync_class(httpx.AsyncClient)
        >>> with Client(base_url="https://example.org") as client:
        ...     page = client.get("/users")

    .. versionadded:: 0.2.0
    """
    if cls is None:
        return partial(_made, executor, timeout, name)
    return _made(executor, timeout, name, cls)


def _made(
    executor: SubmitsCalls | None, timeout: float | None, name: str | None, cls: Any
) -> type[Twin]:
    if not isinstance(cls, type):
        raise TypeError(f"sync_class() expects a class, got {cls!r}")
    if issubclass(cls, Twin):
        raise TypeError(f"{cls!r} is already synchronous: pass the async class to sync_class()")
    if kind_of_class(cls) is Kind.PLAIN:
        raise TypeError(
            f"{cls!r} has no public async members: use it as it is, or to_sync() for functions"
        )
    # Not everybody checks types.
    if name is not None and not f"{name}".isidentifier():
        raise ValueError(f"name must be an identifier, as it is a class's, not {name!r}")
    key = id(executor), timeout
    # A family keeps its executor, and so its id.
    family = _families.get(key) or _families.setdefault(key, Family(executor, timeout))
    frame = sys._getframe(1)
    if frame.f_code is sync_class.__code__:
        frame = sys._getframe(2)
    module = frame.f_globals.get("__name__", cls.__module__)
    if name is None:
        # A decorated class has no name yet.
        known = {**frame.f_globals, **frame.f_locals}
        is_decorated = cls.__module__ == module and known.get(cls.__name__) is not cls
        name = cls.__name__ if is_decorated else sync_name(cls)
    return family.named_class(cls, name, module)


@overload
def unwrap(twin: HasOriginal[T_co], /) -> T_co: ...
@overload
def unwrap(twin: Any, /) -> Any: ...
def unwrap(twin: Any, /) -> Any:
    """Return the original of a twin, or the async class of a class of twins.

    Use its async members on the event loop that it lives on, through `run_async` or the `submit`
    method of the executor passed to `sync_class`.

    Args:
        twin: A twin, or a class of twins.

    Raises:
        TypeError: It is neither.

    .. versionadded:: 0.2.0
    """
    original = bare(twin)
    if original is twin or not isinstance(twin, (Twin, type)):
        raise TypeError(f"expected a twin made by sync_class(), got {twin!r}")
    return original
