"""The classes of twins that are made with the same options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import partial, update_wrapper
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MethodType,
    MethodWrapperType,
)
from typing import Any, Final, TypeAlias

from .._coroutines import is_async_generator_function, name_of
from .._decorators import _blocking, _generating
from .._default import get_default_executor
from .._executor import AsyncExecutor
from .._sync.call import Openable, SubmitsCalls
from .._sync.steps import StepTask
from .._sync.views import ContextManager, opened, view
from .._typing import override
from .base import (
    Home,
    Twin,
    bare_all,
    bare_named,
    holds_nothing,
    home_of,
    mapped,
    original_of,
    twin_of,
)
from .kinds import (
    ATOMS,
    CONTAINERS,
    ROOTS,
    Kind,
    Lent,
    is_async_function,
    is_pending,
    kind_of,
    kind_of_class,
    settled,
)
from .members import lending_class, members_of

# What is called of what an attribute may give.
_CALLED: Final = (FunctionType, MethodType, BuiltinFunctionType, MethodWrapperType, partial)


# Where an original lives, and what class its twin may have.
_Place: TypeAlias = tuple[Home, type[Twin] | None]


class _TwinTask(StepTask):
    """A task whose steps give twins."""

    def __init__(self, wrap: Callable[[Any], Any], *args: Any) -> None:
        super().__init__(*args)
        self._wrap = wrap

    @override
    def run(self, fn: Any, *, must_run: bool = False, is_last: bool = False) -> Any:
        return self._wrap(super().run(fn, must_run=must_run, is_last=is_last))


class Family:
    """The classes of twins with the same options, each for one class of originals.

    Args:
        executor: Where originals live; None means the default executor when each is made.
        timeout: Maximum number of seconds for a call; None means no limit.
    """

    def __init__(self, executor: SubmitsCalls | None, timeout: float | None) -> None:
        self._executor = executor
        self.timeout = timeout
        self._classes: dict[type, type[Twin]] = {}
        # Those of what was seen to be async: a base of it need not be.
        self._seen: dict[type, type[Twin]] = {}
        # Those of what can be entered only where it is lent.
        self._lending: dict[type[Twin], type[Twin]] = {}

    def home(self) -> Home:
        """Return where an original is made now."""
        executor = get_default_executor() if self._executor is None else self._executor
        if isinstance(executor, AsyncExecutor):
            return Home(executor._loop_thread, executor)
        host = executor.submit(asyncio.sleep, 0)._host
        if host is None or host.local is not host:
            raise TypeError(
                f"{executor!r} has no event loop of its own here, on which objects could live: "
                "pass an AsyncExecutor to sync_class()"
            )
        return Home(host, executor)

    def make(self, cls: type, home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make an original on its event loop."""

        async def make(*args: Any, **kwargs: Any) -> Any:
            return cls(*args, **kwargs)

        # The caller of the class.
        return _blocking(make, cls.__qualname__, self.timeout, home, stacklevel=5)(*args, **kwargs)

    # What goes to the caller.

    def finish(self, value: Any, twin: Twin) -> Any:
        """Return what stands for what a method of a twin has returned."""
        made = self._seen.get(type(value))
        _, home = twin._aiofutures_origin
        if made is None:
            return self._wrap(value, (), (home, type(twin)))
        return twin_of(value, made, home, type(twin))

    def wrap(self, value: Any, home: Home, like: type[Twin] | None = None) -> Any:
        """Return what stands for `value` in synchronous code.

        Args:
            value: What a member has returned.
            home: Where it lives.
            like: The class of the twin that has returned it: one that a user has derived is that
                of other twins of such originals, too.
        """
        return self._wrap(value, (), (home, like))

    def _wrap(self, value: Any, within: tuple[object, ...], place: _Place) -> Any:
        """Do as `wrap` for what is in the containers `within`."""
        cls = type(value)
        made = self._seen.get(cls)
        if made is None:
            if cls in ATOMS or isinstance(value, Twin):
                return value
            if cls in CONTAINERS:
                if holds_nothing(value):
                    return value
                return mapped(value, within, self._wrap, place)
            if cls is Lent:
                return self._lend(value, place)
            kind = kind_of(value)
            if kind is Kind.PLAIN:
                return mapped(value, within, self._wrap, place)
            if kind is not Kind.TWIN:
                return self._viewed(kind, value, place[0])
            made = self._seen[cls] = self.twin_class(cls)
        return twin_of(value, made, *place)

    def _lend(self, lent: Lent, place: _Place) -> Any:
        """Return the twin of what was entered, which a `with` block leaves."""
        twin = self._wrap(lent.value, (), place)
        if isinstance(twin, Twin):
            cls = type(twin)
            if not hasattr(cls, "__enter__"):
                self._lending.setdefault(cls, lending_class(cls, self))
                object.__setattr__(twin, "__class__", self._lending[cls])
            twin._aiofutures_lent = lent.manager
        return twin

    def _viewed(self, kind: Kind, value: Any, home: Home) -> Any:
        """Return the synchronous view of an async iterator, or context manager."""
        name = name_of(value)
        if kind is Kind.ITERATOR:
            return self.generating(lambda: value, name, home)()
        return ContextManager(self.opening(value, name, home))

    def generating(
        self, fn: Callable[..., Any], name: str, home: Home
    ) -> Callable[..., Generator[Any, Any, None]]:
        """Return a generator function over an async one, whose items are twins."""
        make_task = partial(_TwinTask, partial(self.wrap, home=home))
        return _generating(fn, name, self.timeout, home, partial(view, make_task=make_task))

    def opening(self, manager: Any, name: str, home: Home) -> Callable[[], Any]:
        """Return what a synchronous view of an async context manager needs to enter it."""

        async def found() -> Openable:
            return Openable(manager, is_iterator=False)

        make_task = partial(_TwinTask, partial(self.wrap, home=home))
        make_view = partial(opened, make_task=make_task)
        return _blocking(found, name, self.timeout, home, make_view, stacklevel=4)

    def delivered(self, result: Any, home: Home, like: type[Twin] | None, name: str) -> Any:
        """Return what stands for the result of a sync member, after awaiting it if need be."""
        if type(result) in ATOMS:
            return result
        if is_pending(result):
            result = _blocking(lambda: settled(result), name, self.timeout, home, stacklevel=4)()
        return self.wrap(result, home, like)

    # Attributes.

    def attribute(self, twin: Twin, name: str) -> Any:
        """Return what stands for an attribute of the original."""
        return self.presented(getattr(original_of(twin), name), home_of(twin), type(twin))

    def presented(self, value: Any, home: Home, like: type[Twin] | None) -> Any:
        """Return what stands for the value of an attribute."""
        if isinstance(value, _CALLED):
            return self._called(value, home, like)
        if isinstance(value, type):
            return self.twin_class(value) if kind_of_class(value) is Kind.TWIN else value
        return self.wrap(value, home, like)

    def _called(self, fn: Callable[..., Any], home: Home, like: type[Twin] | None) -> Any:
        """Return what stands for a function that an object has as an attribute."""
        name = name_of(fn)
        if is_async_generator_function(fn):
            return update_wrapper(self.generating(fn, name, home), fn)
        blocking = _blocking(fn, name, self.timeout, home, stacklevel=3)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.wrap(blocking(*args, **kwargs), home, like)

        def call_as_is(*args: Any, **kwargs: Any) -> Any:
            result = fn(*bare_all(args), **bare_named(kwargs))
            return self.delivered(result, home, like, name)

        return update_wrapper(call if is_async_function(fn) else call_as_is, fn)

    # Classes.

    def twin_class(self, cls: type) -> type[Twin]:
        """Return the class of the twins of the objects of a class."""
        if cls not in self._classes:
            # Atomic: all threads get the same one.
            self._classes.setdefault(cls, self._make_class(cls))
        return self._classes[cls]

    def named_class(self, cls: type, name: str, module: str) -> type[Twin]:
        """Return the class with this name, for all further twins of the objects of a class."""
        known = self._classes.get(cls)
        if known is not None and known.__name__ == name:
            return known
        made = self._make_class(cls)
        made.__qualname__ = cls.__qualname__.removesuffix(cls.__name__) + name
        made.__name__, made.__module__ = name, module
        self._classes[cls] = made
        self._seen.pop(cls, None)
        return made

    def _make_class(self, cls: type) -> type[Twin]:
        bases = tuple(self.twin_class(base) for base in cls.__bases__ if base not in ROOTS)
        name = sync_name(cls)
        namespace: dict[str, Any] = {
            "__slots__": (),
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__.removesuffix(cls.__name__) + name,
            "__doc__": cls.__doc__,
            "_aiofutures_class": cls,
            "_aiofutures_family": self,
            **members_of(cls, self),
        }
        if hasattr(cls, "__class_getitem__"):
            namespace["__class_getitem__"] = classmethod(GenericAlias)
        return type(name, bases or (Twin,), namespace)


def sync_name(cls: type) -> str:
    """Return the name of the twin of a class, for which nobody has given one."""
    if kind_of_class(cls) is Kind.PLAIN:
        return cls.__name__
    return "Sync" + (cls.__name__.removeprefix("Async") or cls.__name__)
