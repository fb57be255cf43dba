"""The members of a class of twins: functions and descriptors around the originals'."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property, partial
from inspect import Signature, getattr_static, isasyncgen
from threading import RLock
from types import MemberDescriptorType
from typing import Any, Final

from .._common.coroutines import is_async_generator_function
from .._common.typing import override
from .._decorators import _blocking
from .._sync.call import Openable
from .._sync.signatures import awaited_or_viewed, copy_signature, returned_type
from .._sync.views import ContextManager, not_entered
from .base import (
    SYNC_NAMES,
    Home,
    Homes,
    Twin,
    WrapsOriginals,
    bare,
    bare_all,
    bare_named,
    home_of,
    original_of,
)
from .kinds import (
    ON_LOOP,
    function_of,
    is_async_function,
    is_for_loop_thread,
    is_pending,
    may_return,
    mro,
    returns_atoms,
    settled,
)
from .replaced import variant

# Names that Python or the twin itself defines.
OWN: Final = frozenset(
    {
        *["__new__", "__init__", "__del__", "__init_subclass__", "__set_name__", "__annotate__"],
        *["__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__dir__", "__sizeof__"],
        *["__eq__", "__ne__", "__hash__", "__repr__", "__subclasshook__", "__class_getitem__"],
        *["__get__", "__set__", "__delete__", "__annotate_func__", "__instancecheck__"],
        *["__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__"],
        *["__getnewargs_ex__", "__copy__", "__deepcopy__", "__replace__", "__subclasscheck__"],
    }
)


# Passes the original, in place of the twin, as the first argument.
_homes: Final[Any] = Homes()


def twin_members(cls: type, family: WrapsOriginals) -> dict[str, Any]:
    """Return the members of the twin of a class, without those the twin inherits."""
    # A class that can be both awaited and called keeps its own `__call__`.
    replaced = {
        sync for name, sync in SYNC_NAMES.items() if hasattr(cls, name) and name != "__await__"
    }
    members: dict[str, Any] = {}
    if "__init__" in vars(cls) or "__new__" in vars(cls):
        members["__init__"] = _init(cls)
    named = [name for name in vars(cls).get(ON_LOOP, ()) if hasattr(cls, name)]
    listed = {name: getattr_static(cls, name) for name in named}
    for name, raw in [*(listed | dict(vars(cls))).items()]:
        is_special = name.startswith("__") and name.endswith("__")
        if name in SYNC_NAMES:
            if name != "__await__" or not any("__call__" in vars(base) for base in mro(cls)):
                members[SYNC_NAMES[name]] = _renamed(name, cls, family)
        elif name in OWN or name in replaced or (name.startswith("_") and not is_special):
            continue
        elif isinstance(raw, (classmethod, staticmethod)) and callable(raw.__func__):
            members[name] = _class_member(name, raw, cls, family)
        elif (function := function_of(raw)) is not None:
            members[name] = _method(name, function, cls, family)
        elif name == "__match_args__":
            members[name] = raw
        elif not is_special:
            members[name] = Attribute(name, raw, cls, family)
    return members


def _init(cls: Any) -> Any:
    def __init__(self: Twin, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        Twin.__init__(self, *args, **kwargs)

    makes = cls.__init__ if "__init__" in vars(cls) else cls.__new__
    return copy_signature(__init__, makes, lambda _: Signature.empty)


def _method(name: str, function: Callable[..., Any], cls: type, family: WrapsOriginals) -> Any:
    """Return the synchronous counterpart of a method."""
    title = f"{cls.__qualname__}.{name}"
    raw = getattr(cls, name)
    make: Callable[..., Any] = _as_it_is
    if is_async_generator_function(raw):
        make = _generator
    elif is_async_function(raw):
        make = partial(_coroutine, is_plain=returns_atoms(function))
    elif is_for_loop_thread(name, function, cls):
        make = _on_loop
    return _signed(make(name, title, family), function)


def _coroutine(
    name: str, title: str, family: WrapsOriginals, *, is_plain: bool
) -> Callable[..., Any]:
    executor: Any = Homes(name)
    finish = None if is_plain else family.finish
    return _blocking(executor.submit, title, family.timeout, executor, finish=finish)


def _generator(name: str, title: str, family: WrapsOriginals) -> Callable[..., Any]:
    def generating(self: Twin, /, *args: Any, **kwargs: Any) -> Any:
        fn = getattr(original_of(self), name)
        generator = family.generating(fn, title, home_of(self), type(self))(*args, **kwargs)
        # So that only the async generator keeps them alive.
        del args, kwargs
        yield from generator

    return generating


def _on_loop(name: str, title: str, family: WrapsOriginals) -> Callable[..., Any]:
    def call(original: Any, /, *args: Any, **kwargs: Any) -> Any:
        return settled(getattr(original, name)(*args, **kwargs))

    blocking = _blocking(call, title, family.timeout, _homes, stacklevel=3)

    as_it_is = _as_it_is(name, title, family)

    def method(self: Twin, /, *args: Any, **kwargs: Any) -> Any:
        if home_of(self).host.is_current():
            # For instance in a callback.
            return as_it_is(self, *args, **kwargs)
        return family.wrap(blocking(self, *args, **kwargs), home_of(self), type(self))

    return method


def _as_it_is(name: str, title: str, family: WrapsOriginals) -> Callable[..., Any]:
    def method(self: Twin, /, *args: Any, **kwargs: Any) -> Any:
        fn = getattr(original_of(self), name)
        try:
            result = fn(*bare_all(args), **bare_named(kwargs))
        except RuntimeError as error:
            if str(error) == "no running event loop":
                error.add_note(
                    f"{title}() is a sync method, and was called in the caller's thread. If it "
                    "belongs on the loop thread, name it in the class attribute __loop_thread__"
                )
            raise
        return family.delivered(result, home_of(self), type(self), title)

    return method


def _class_member(
    name: str,
    raw: classmethod[Any, Any, Any] | staticmethod[Any, Any],
    cls: type,
    family: WrapsOriginals,
) -> Any:
    """Return the synchronous counterpart of a class method or static method.

    A sync class method runs on the loop thread if its annotations allow an object of the class or
    anything async.
    """
    title, own = f"{cls.__qualname__}.{name}", getattr(cls, name)
    is_class_method = isinstance(raw, classmethod)
    on_loop = is_for_loop_thread(name, own, cls) or (is_class_method and may_return(own, cls))

    def bound(owner: type[Twin] | None) -> Any:
        """Return the original; a class method belongs to the class that it is called on."""
        return raw.__get__(None, cls if owner is None else owner._aiofutures_class)

    def generating(owner: type[Twin] | None, /, *args: Any, **kwargs: Any) -> Any:
        generate = family.generating(bound(owner), title, family.home(), owner)
        yield from generate(*args, **kwargs)

    def calling(owner: type[Twin] | None, /, *args: Any, **kwargs: Any) -> Any:
        home, fn = family.home(), bound(owner)
        if not (on_loop or is_async_function(own)):
            result = fn(*bare_all(args), **bare_named(kwargs))
            return family.delivered(result, home, owner, title)
        blocking = _blocking(
            lambda *args, **kwargs: settled(fn(*args, **kwargs)),
            *(title, family.timeout, home),
            stacklevel=4,
        )
        return family.wrap(blocking(*args, **kwargs), home, owner)

    call = generating if is_async_generator_function(own) else calling

    def class_method(owner: type[Twin], /, *args: Any, **kwargs: Any) -> Any:
        return call(owner, *args, **kwargs)

    def static_method(*args: Any, **kwargs: Any) -> Any:
        return call(None, *args, **kwargs)

    if is_class_method:
        return classmethod(_signed(class_method, raw.__func__))
    return staticmethod(_signed(static_method, own))


def _signed(wrapper: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the name, parameters and docstring of an async one."""
    copy_signature(wrapper, fn, _shown)
    # From Python 3.13 on, mocks of a class follow this, and would be async.
    del vars(wrapper)["__wrapped__"]
    return wrapper


def _shown(fn: Callable[..., Any]) -> Any:
    """Return the type of the counterpart of what `fn` returns, if known."""
    kind = awaited_or_viewed(fn)
    return returned_type(fn) if kind is Signature.empty else kind


def _renamed(name: str, cls: type, family: WrapsOriginals) -> Any:
    """Return the synchronous counterpart of an async special method."""
    title = f"{cls.__qualname__}.{name}"
    return _signed(_RENAMED[name](title, family), getattr(cls, name))


def lending_class(cls: type[Twin], family: WrapsOriginals) -> type[Twin]:
    """Return a subclass of twins that can be entered while they are lent."""
    title = f"{cls.__qualname__}.__aexit__"
    return variant(cls, {"__enter__": _enter(title, family), "__exit__": _exit(title, family)})


class _Lease(AbstractContextManager[Any, Any]):
    """Leaves an object that a call has entered."""

    def __init__(self, leave: Callable[..., Any]) -> None:
        self._leave = leave

    @override
    def __exit__(self, *args: object) -> Any:
        return self._leave(*args)


def _enter(title: str, family: WrapsOriginals) -> Callable[..., Any]:
    def enter(self: Twin) -> Any:
        if hasattr(self, "_aiofutures_lent"):
            lent = self._aiofutures_lent
            del self._aiofutures_lent
            leave = _blocking(lent.__aexit__, title, family.timeout, home_of(self))
            _entered(self).append(_Lease(leave))
            return self
        manager = ContextManager(
            family.opening(original_of(self), title, home_of(self), type(self))
        )
        entered = manager.__enter__()
        # Atomic.
        _entered(self).append(manager)
        return entered

    return enter


# Reentrant, as a signal handler or a finalizer may enter another one.
_first_entering: Final = RLock()


def _entered(twin: Twin) -> list[AbstractContextManager[Any, Any]]:
    """Return the managers that were entered and not yet left."""
    if not hasattr(twin, "_aiofutures_entered"):
        with _first_entering:
            if not hasattr(twin, "_aiofutures_entered"):
                twin._aiofutures_entered = []
    return twin._aiofutures_entered


def _exit(title: str, family: WrapsOriginals) -> Callable[..., Any]:
    def leave(self: Twin, *args: Any) -> Any:
        entered = _entered(self)
        if not entered:
            raise not_entered()
        # As in `ContextManager.__exit__`.
        manager = entered[-1]
        del entered[-1]
        return manager.__exit__(*args)

    return leave


class _Kept:
    """An async iterator with another life than the loop over it, which does not close it."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    def __anext__(self) -> Any:
        return anext(self._iterator)


def _iter(title: str, family: WrapsOriginals) -> Callable[..., Any]:
    async def iterated(iterable: Any) -> Openable:
        iterator = aiter(iterable)
        is_kept = iterator is iterable and not isasyncgen(iterator)
        return Openable(_Kept(iterator) if is_kept else iterator, is_iterator=True)

    def iterate(self: Twin) -> Any:
        fn = partial(iterated, original_of(self))
        return family.generating(fn, title, home_of(self), type(self))()

    return iterate


def _next(title: str, family: WrapsOriginals) -> Callable[..., Any]:
    step = _coroutine("__anext__", title, family, is_plain=False)

    def following(self: Twin) -> Any:
        try:
            return step(self)
        except StopAsyncIteration:
            raise StopIteration from None

    return following


def _await(title: str, family: WrapsOriginals) -> Callable[..., Any]:
    async def awaited(original: Any) -> Any:
        return await original

    blocking = _blocking(awaited, title, family.timeout, _homes, stacklevel=3)

    def wait(self: Twin) -> Any:
        return family.wrap(blocking(self), home_of(self), type(self))

    return wait


_RENAMED: Final = {
    "__aenter__": _enter,
    "__aexit__": _exit,
    "__aiter__": _iter,
    "__anext__": _next,
    "__await__": _await,
}


_PROPERTIES: Final = (property, cached_property)


class Attribute:
    """A property, or any other attribute, of the originals."""

    def __init__(self, name: str, raw: object, cls: type, family: WrapsOriginals) -> None:
        self._name = name
        self._raw = raw
        self._family = family
        self._title = f"{cls.__qualname__}.{name}"
        self._is_on_loop = is_for_loop_thread(name, None, cls)
        is_described = hasattr(type(raw), "__get__")
        self.__doc__ = getattr(raw, "__doc__", None) if is_described else None
        # Slots are data.
        self._is_computed = is_described and not isinstance(raw, MemberDescriptorType)

    def __get__(self, twin: Twin | None, owner: type[Twin]) -> Any:
        family = self._family
        if twin is None:
            if isinstance(self._raw, _PROPERTIES):
                return self
            value = getattr(owner._aiofutures_class, self._name)
            return family.presented(value, family.home(), owner)
        home = home_of(twin)
        value = self._ran(partial(getattr, original_of(twin), self._name), home)
        if self._is_computed and (isinstance(self._raw, _PROPERTIES) or is_pending(value)):
            return family.delivered(value, home, owner, self._title)
        return family.presented(value, home, owner)

    def _ran(self, fn: Callable[[], Any], home: Home) -> Any:
        """Call a function, on the loop thread if the attribute belongs there."""
        if not self._is_on_loop:
            return fn()

        async def run() -> Any:
            return fn()

        return _blocking(run, self._title, self._family.timeout, home, stacklevel=4)()

    def __set__(self, twin: Twin, value: Any) -> None:
        change = partial(setattr, original_of(twin), self._name, bare(value))
        self._ran(change, home_of(twin))

    def __delete__(self, twin: Twin) -> None:
        self._ran(partial(delattr, original_of(twin), self._name), home_of(twin))
