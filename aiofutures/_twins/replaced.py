"""Methods that are replaced in a single twin, for instance by a mock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from inspect import getattr_static, iscoroutinefunction
from threading import RLock
from types import FunctionType
from typing import Any, ClassVar, Final, Protocol, TypeVar

from .._common.snapshot import snapshot
from .._common.typing import override
from .kinds import function_of, is_async_function, is_for_loop_thread

# What `asynccontextmanager` makes of any function.
_MANAGING: Final = asynccontextmanager(is_async_function).__code__  # type: ignore[arg-type]
# Threads may replace different methods of one twin. No code of users runs under it, except for
# finalizers and signal handlers, which may replace others: hence reentrant.
_replacing: Final = RLock()
_METHODS: Final = (FunctionType, classmethod, staticmethod)


class HasVariants(Protocol):
    """A twin, as this module sees it."""

    _aiofutures_class: ClassVar[type]
    _aiofutures_plain: ClassVar[type[Any] | None]


TwinT = TypeVar("TwinT", bound=HasVariants)


class _Variant:
    """A class that looks like another one, whose `__init_subclass__` it does not call."""

    __slots__ = ()

    @classmethod
    @override
    def __init_subclass__(cls) -> None: ...


def variant(cls: type[TwinT], namespace: dict[str, Any]) -> type[TwinT]:
    """Return a subclass that looks the same, for those twins of a class that have more members.

    No code of users learns of it, neither hooks nor a metaclass.
    """
    looks = {name: getattr(cls, name) for name in ("__module__", "__qualname__")}
    kept = {"_aiofutures_class": cls._aiofutures_class, "_aiofutures_plain": plain(cls)}
    bases = (cls,) if _Variant in cls.__mro__ else (_Variant, cls)
    new = {"__slots__": (), **looks, **kept, **namespace}
    made: type[TwinT] = type.__new__(type(cls), cls.__name__, bases, new)
    return made


def plain(cls: type[TwinT]) -> type[TwinT]:
    """Return the class that this is a variant of, or the class itself."""
    return cls._aiofutures_plain or cls


def is_method(twin: HasVariants, name: str) -> bool:
    """Tell whether a twin has a method of this name, perhaps a replaced one."""
    # `getattr_static` takes ten times as long.
    names = (vars(cls) for cls in type(twin).__mro__)
    return isinstance(next((each[name] for each in names if name in each), None), _METHODS)


def replace(twin: HasVariants, original: Any, name: str, value: Any) -> None:
    """Replace a method of a twin by a sync function, and that of its original by what fits there.

    An async function fits, and so does any other if the method is sync there, too. The method
    itself is put back by tools that have replaced it.
    """
    cls, _ = _replaced_in(twin)
    if _is_itself(value, getattr_static(cls, name), twin):
        restore(twin, original, name)
        return
    is_async = _gives_async(value)
    if is_async or not _is_async(twin._aiofutures_class, name):
        setattr(original, name, value)
    with _replacing:
        cls, replaced = _replaced_in(twin)
        if is_async:
            replaced.pop(name, None)
        else:
            replaced[name] = staticmethod(value)
        _show(twin, cls, replaced)


def restore(twin: HasVariants, original: Any, name: str) -> bool:
    """Undo the same; return False if there is nothing to undo."""
    with _replacing:
        cls, replaced = _replaced_in(twin)
        known = replaced.pop(name, None)
        _show(twin, cls, replaced)
    is_in_original = name in getattr(original, "__dict__", ())
    if is_in_original:
        delattr(original, name)
    return known is not None or is_in_original


def _gives_async(function: Any) -> bool:
    """Tell whether a function is async, or an async context manager's."""
    called = type(function).__call__ if callable(function) else None
    return (
        is_async_function(function)
        or iscoroutinefunction(called)
        or getattr(function, "__code__", None) is _MANAGING
    )


def replaced_in(twin: HasVariants, original: Any) -> dict[str, Any]:
    """Return what replaces methods of a twin or of its original, by name."""
    _, replaced = _replaced_in(twin)
    own = getattr(original, "__dict__", {})
    in_original = {name: each for name, each in snapshot(own.items()) if is_method(twin, name)}
    return in_original | {name: each.__func__ for name, each in replaced.items()}


def _is_itself(value: Any, method: Any, twin: HasVariants) -> bool:
    """Tell whether a value was read from the method of a twin."""
    owner = getattr(value, "__self__", twin)
    function = getattr(method, "__func__", method)
    # A class may be a variant.
    is_own = owner is twin or isinstance(owner, type)
    return is_own and getattr(value, "__func__", value) is function


def _replaced_in(twin: TwinT) -> tuple[type[TwinT], dict[str, Any]]:
    """Return the class of a twin without what was replaced, and a copy of that, by name."""
    cls = type(twin)
    replaced = vars(cls).get("_aiofutures_replaced")
    return (cls, {}) if replaced is None else (cls.__bases__[-1], dict(replaced))


def _show(twin: TwinT, cls: type[TwinT], replaced: dict[str, Any]) -> None:
    """Give a twin the methods of `cls` and those that replace some of them."""
    try:
        # Only objects of a user's subclass have one.
        own = object.__getattribute__(twin, "__dict__")
    except AttributeError:
        own = {}
    for name in vars(type(twin)).get("_aiofutures_replaced", ()):
        own.pop(name, None)
    own.update({name: each.__func__ for name, each in replaced.items()})
    # Only a class hides the methods of another one.
    more = {**replaced, "_aiofutures_replaced": replaced}
    object.__setattr__(twin, "__class__", variant(cls, more) if replaced else cls)


def change_class(twin: TwinT, change: Callable[[type[TwinT]], type[TwinT]]) -> None:
    """Change the class of a twin, apart from the methods that are replaced."""
    with _replacing:
        cls, replaced = _replaced_in(twin)
        _show(twin, change(cls), replaced)


def _is_async(cls: type, name: str) -> bool:
    """Tell whether a method of an original returns something async."""
    function = function_of(getattr_static(cls, name, None))
    return is_async_function(function) or is_for_loop_thread(name, function, cls)
