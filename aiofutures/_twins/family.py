"""The classes of twins with the same options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, _GeneratorContextManager
from enum import Enum
from functools import partial, update_wrapper
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
)
from typing import Any, Final, TypeAlias

from .._common.contract import Host
from .._common.coroutines import is_async_generator_function, name_of
from .._common.typing import override
from .._decorators import _blocking, _generating
from .._default import get_default_executor
from .._executor import AsyncExecutor
from .._sync.call import Openable, SubmitsCalls
from .._sync.steps import StepTask
from .._sync.views import ContextManager, opened, view
from .base import (
    Home,
    Twin,
    WrapsOriginals,
    bare,
    bare_all,
    bare_named,
    home_of,
    original_of,
    twin_of,
)
from .containers import ATOMS, CONTAINERS, ITERATORS, Seen, holds_nothing, mapped, passed_on
from .kinds import (
    ROOTS,
    Kind,
    Lent,
    is_async_function,
    is_pending,
    kind_of,
    kind_of_class,
    settled,
)
from .members import lending_class, twin_members
from .outcomes import followed
from .replaced import change_class

# Types of attributes whose values are called as functions.
_CALLED: Final = (FunctionType, MethodType, BuiltinFunctionType, MethodWrapperType, partial)

# Types of values that are, or give, something else.
_GIVING: Final = ITERATORS | {Lent, _GeneratorContextManager, asyncio.Future, asyncio.Task}


# The event loop an original lives on, and a class that its twin may have.
_Place: TypeAlias = tuple[Home, type[Twin] | None]


class _TwinTask(StepTask):
    """A task whose steps return twins."""

    def __init__(self, wrap: Callable[[Any], Any], *args: Any) -> None:
        super().__init__(*args)
        self._wrap = wrap

    @override
    def run(self, fn: Any, *, must_run: bool = False, is_last: bool = False) -> Any:
        return self._wrap(super().run(fn, must_run=must_run, is_last=is_last))


class _Manager(AbstractContextManager[Any, Any]):
    """A sync context manager of `contextlib` that gives a twin."""

    def __init__(self, manager: Any, wrap: Callable[[Any], Any]) -> None:
        self._manager = manager
        self._wrap = wrap

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, as these can."""
        decorated: Callable[..., Any] = self._manager(fn)
        return decorated

    @override
    def __enter__(self) -> Any:
        return self._wrap(self._manager.__enter__())

    @override
    def __exit__(self, *args: object) -> Any:
        return self._manager.__exit__(*args)


class _Receiver:
    """An async generator that receives originals where twins are sent to it."""

    def __init__(self, generator: Any) -> None:
        self._asend = generator.asend
        self.__anext__ = generator.__anext__
        self.athrow, self.aclose = generator.athrow, generator.aclose

    def asend(self, value: object) -> Any:
        return self._asend(bare(value))


class EnumType(type):
    """The type of twins of enumerations, each of which has its members as twins."""

    @override
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the twin of a member, not a new one."""
        return cls._wrap(cls._original()(*bare_all(args), **bare_named(kwargs)))

    def __getitem__(cls, name: str) -> Any:
        return cls._wrap(cls._original()[name])

    def __iter__(cls) -> Iterator[Any]:
        return map(cls._wrap, cls._original())

    def __reversed__(cls) -> Iterator[Any]:
        return map(cls._wrap, reversed(cls._original()))

    def __len__(cls) -> int:
        return len(cls._original())

    def __contains__(cls, value: object) -> bool:
        return bare(value) in cls._original()

    @property
    def __members__(cls) -> Mapping[str, Any]:
        """The twins of the members, by name."""
        members: Mapping[str, Any] = cls._original().__members__
        return MappingProxyType({name: cls._wrap(each) for name, each in members.items()})

    def _original(cls) -> Any:
        return cls._aiofutures_class  # type: ignore[attr-defined]

    def _wrap(cls, member: object) -> Any:
        family: Family = cls._aiofutures_family  # type: ignore[attr-defined]
        return family.wrap(member, family.home())


class Family(WrapsOriginals):
    """The classes of twins with the same options, each for one class of originals.

    Args:
        executor: Where originals live; None means the default executor when each is created.
        timeout: Maximum number of seconds for a call; None means no limit.
    """

    def __init__(self, executor: SubmitsCalls | None, timeout: float | None) -> None:
        self._executor = executor
        self.timeout = timeout
        self._classes: dict[type, type[Twin]] = {}
        # By the classes of objects that were seen: objects of a base class need not be async.
        self._seen: dict[type, type[Twin]] = {}
        # The classes of twins that can be entered only when they are lent.
        self._lending: dict[type[Twin], type[Twin]] = {}

    @override
    def home(self) -> Home:
        executor = get_default_executor() if self._executor is None else self._executor
        if isinstance(executor, AsyncExecutor):
            return Home(executor._loop_thread, executor)
        host = executor.submit(asyncio.sleep, 0)._host
        if host is None or host.local is not host:
            raise TypeError(
                f"{executor!r} has no event loop in this process that objects could live on: pass "
                "an AsyncExecutor to sync_class()"
            )
        return Home(host, executor)

    @override
    def make(self, cls: type, home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        async def make(*args: Any, **kwargs: Any) -> Any:
            return cls(*args, **kwargs)

        # `stacklevel` points to the caller of the class.
        return _blocking(make, cls.__qualname__, self.timeout, home, stacklevel=5)(*args, **kwargs)

    # Values for the caller.

    @override
    def finish(self, value: Any, twin: Twin) -> Any:
        made = self._seen.get(type(value))
        _, home = twin._aiofutures_origin
        if made is None:
            return self._wrap(value, None, (home, type(twin)))
        return twin_of(value, made, home, type(twin))

    @override
    def wrap(self, value: Any, home: Home, like: type[Twin] | None = None) -> Any:
        return self._wrap(value, None, (home, like))

    def _wrap(self, value: Any, seen: Seen | None, place: _Place) -> Any:
        """Do the same as `wrap` for a value inside the containers `seen`, as in `mapped`."""
        cls = type(value)
        made = self._seen.get(cls)
        if made is None:
            if cls in ATOMS or issubclass(cls, Twin):
                return value
            # The most frequent container of twins, in a third of the time.
            if cls is list and value and seen is None and type(value[0]) in self._seen:
                seen = {id(value): value}
                return [self._wrap(each, seen, place) for each in value]
            if cls in CONTAINERS:
                if holds_nothing(value):
                    return value
                return mapped(value, seen, self._wrap, place)
            if cls in _GIVING:
                return self._giving(value, place)
            kind = kind_of(value)
            if kind is Kind.PLAIN:
                return mapped(value, seen, self._wrap, place)
            if kind is not Kind.TWIN:
                return self._viewed(kind, value, *place)
            made = self._seen[cls] = self.twin_class(cls)
        return twin_of(value, made, *place)

    def _giving(self, value: Any, place: _Place) -> Any:
        """Return what gives twins in place of something that gives originals."""
        wrap = partial(self._wrap, seen=None, place=place)
        if type(value) is Lent:
            return self._lend(value, place)
        if type(value) is _GeneratorContextManager:
            return _Manager(value, wrap)
        if isinstance(value, asyncio.Future):
            return followed(value, place[0], wrap)
        return passed_on(value, wrap, bare)

    def _lend(self, lent: Lent, place: _Place) -> Any:
        """Return the twin of an entered object, which a `with` block leaves."""
        twin = self._wrap(lent.value, None, place)
        if isinstance(twin, Twin):
            if not hasattr(type(twin), "__enter__"):
                change_class(twin, self._lending_class)
            twin._aiofutures_lent = lent.manager
        return twin

    def _lending_class(self, cls: type[Twin]) -> type[Twin]:
        self._lending.setdefault(cls, lending_class(cls, self))
        return self._lending[cls]

    def _viewed(self, kind: Kind, value: Any, home: Home, like: type[Twin] | None) -> Any:
        """Return the synchronous view of an async iterator or context manager."""
        name = name_of(value)
        if kind is Kind.ITERATOR:
            return self.generating(lambda: value, name, home, like)()
        return ContextManager(self.opening(value, name, home, like))

    @override
    def generating(
        self, fn: Callable[..., Any], name: str, home: Home, like: type[Twin] | None = None
    ) -> Callable[..., Generator[Any, Any, None]]:
        make_task = partial(_TwinTask, partial(self.wrap, home=home, like=like))

        def make_view(
            openable: Openable, host: Host | None, timeout: float | None, name: str
        ) -> Any:
            if hasattr(openable.value, "asend"):
                openable = openable._replace(value=_Receiver(openable.value))
            return view(openable, host, timeout, name, make_task)

        return _generating(fn, name, self.timeout, home, make_view)

    @override
    def opening(
        self, manager: Any, name: str, home: Home, like: type[Twin] | None = None
    ) -> Callable[[], Any]:
        async def found() -> Openable:
            return Openable(manager, is_iterator=False)

        make_task = partial(_TwinTask, partial(self.wrap, home=home, like=like))
        make_view = partial(opened, make_task=make_task)
        return _blocking(found, name, self.timeout, home, make_view, stacklevel=4)

    @override
    def delivered(self, result: Any, home: Home, like: type[Twin] | None, name: str) -> Any:
        if type(result) in ATOMS:
            return result
        if is_pending(result):
            result = _blocking(lambda: settled(result), name, self.timeout, home, stacklevel=4)()
        return self.wrap(result, home, like)

    # Attributes.

    @override
    def attribute(self, twin: Twin, name: str) -> Any:
        return self.presented(getattr(original_of(twin), name), home_of(twin), type(twin))

    @override
    def presented(self, value: Any, home: Home, like: type[Twin] | None) -> Any:
        # Not isinstance: the `__class__` of a proxy may raise.
        if issubclass(type(value), _CALLED):
            return self._called(value, home, like)
        if issubclass(type(value), type):
            return self.twin_class(value) if kind_of_class(value) is Kind.TWIN else value
        return self.wrap(value, home, like)

    def _called(self, fn: Callable[..., Any], home: Home, like: type[Twin] | None) -> Any:
        """Return the synchronous counterpart of a function in an attribute of an object."""
        name = name_of(fn)
        if is_async_generator_function(fn):
            return update_wrapper(self.generating(fn, name, home, like), fn)
        blocking = _blocking(fn, name, self.timeout, home, stacklevel=3)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.wrap(blocking(*args, **kwargs), home, like)

        def call_as_is(*args: Any, **kwargs: Any) -> Any:
            result = fn(*bare_all(args), **bare_named(kwargs))
            return self.delivered(result, home, like, name)

        return update_wrapper(call if is_async_function(fn) else call_as_is, fn)

    # Classes.

    def twin_class(self, cls: type) -> type[Twin]:
        """Return the class of twins for the objects of a class."""
        if cls not in self._classes:
            # Atomic, so that all threads get the same one.
            self._classes.setdefault(cls, self._make_class(cls))
        return self._classes[cls]

    def named_class(self, cls: type, name: str, module: str) -> type[Twin]:
        """Return the class of twins for the objects of a class, under a new name."""
        made = self.twin_class(cls)
        made.__qualname__ = cls.__qualname__.removesuffix(cls.__name__) + name
        made.__name__, made.__module__ = name, module
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
            **twin_members(cls, self),
        }
        if hasattr(cls, "__class_getitem__"):
            namespace["__class_getitem__"] = classmethod(GenericAlias)
        make = EnumType if issubclass(cls, Enum) else type
        return make(name, bases or (Twin,), namespace)


def sync_name(cls: type) -> str:
    """Return the default name for the twin of a class."""
    if kind_of_class(cls) is Kind.PLAIN:
        return cls.__name__
    return "Sync" + (cls.__name__.removeprefix("Async") or cls.__name__)
