"""The base class of all twins, and where their originals live."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any, ClassVar, Final, NoReturn, Protocol
from weakref import ref

from .._common.contract import Host
from .._common.snapshot import snapshot
from .._common.typing import override
from .._futures.future import Future
from .._sync.call import SubmitsCalls, SyncCall
from .containers import ATOMS, ITERATORS, Seen, mapped, passed_on
from .entries import remove_dead
from .replaced import is_method, plain, replace, replaced_in, restore

#: Twins by the id of their original, which stays valid because the twin keeps the original alive.
#: Dead references are swept out when there are many, as a callback for each would cost as much as
#: a twin.
_twins: dict[int, ref[Twin]] = {}
_FEW: Final = 1000
_sweep_above = _FEW

# Async special methods, and the synchronous methods that replace them.
SYNC_NAMES: Final = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "__await__": "__call__",
}


class Home:
    """The event loop that originals live on, and the executor that owns it.

    Args:
        host: The event loop.
        executor: Kept because it would shut down if discarded.
    """

    __slots__ = ("executor", "host")

    def __init__(self, host: Host, executor: SubmitsCalls) -> None:
        self.host = host
        self.executor = executor

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call an async function on this event loop."""
        future: Future[Any] = Future(
            self.host, fn, bare_all(args), bare_named(kwargs) or None, copy_context()
        )
        self.host.submit(future)
        return future


class Homes:
    """An executor that calls a method of originals, each on the event loop it lives on.

    Args:
        name: The name of the method; None to pass the original to the function instead.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    def submit(self, call: SyncCall, twin: Twin, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the method of the original of `twin` with the other arguments."""
        original, home = origin_of(twin)
        if args:
            args = bare_all(args)
        if self._name is None:
            args = (original, *args)
        else:
            call.fn = getattr(original, self._name)
        named = bare_named(kwargs) if kwargs else None
        future: Future[Any] = Future(home.host, call, args, named, copy_context())
        home.host.submit(future)
        return future


class WrapsOriginals(Protocol):
    """A family of classes of twins, as these classes and their members see it."""

    timeout: float | None

    def home(self) -> Home:
        """Return the event loop on which originals are created now."""
        ...

    def make(self, cls: type, home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Create an original on its event loop."""
        ...

    def attribute(self, twin: Twin, name: str) -> Any:
        """Return the synchronous counterpart of an attribute of the original."""
        ...

    def presented(self, value: Any, home: Home, like: type[Twin] | None) -> Any:
        """Return the synchronous counterpart of the value of an attribute."""
        ...

    def wrap(self, value: Any, home: Home, like: type[Twin] | None = None) -> Any:
        """Return the synchronous counterpart of `value`.

        Args:
            value: What a member returned.
            home: The event loop that it lives on.
            like: The class of the twin that returned it. If this is a user's subclass, it is also
                used for other twins of such originals.
        """
        ...

    def finish(self, value: Any, twin: Twin) -> Any:
        """Return the synchronous counterpart of the result of a twin's method."""
        ...

    def delivered(self, result: Any, home: Home, like: type[Twin] | None, name: str) -> Any:
        """Return the counterpart of a sync member's result, after awaiting it if needed."""
        ...

    def generating(
        self, fn: Callable[..., Any], name: str, home: Home, like: type[Twin] | None = None
    ) -> Callable[..., Generator[Any, Any, None]]:
        """Return a generator function for an async one, which yields twins."""
        ...

    def opening(
        self, manager: Any, name: str, home: Home, like: type[Twin] | None = None
    ) -> Callable[[], Any]:
        """Return the function that a view of an async context manager calls to enter it."""
        ...


class _Wrapped:
    """The original of a twin. Classes have none, as `inspect` would take it for theirs."""

    def __get__(self, twin: Twin | None, cls: type[Twin]) -> Any:
        if twin is None:
            raise AttributeError("__wrapped__")
        return original_of(twin)


class Twin:
    """An object with the members of an async object, as synchronous ones.

    The slots have long names because all other names belong to the original.
    """

    __slots__ = (*("__weakref__", "_aiofutures_entered", "_aiofutures_lent", "_aiofutures_origin"),)

    _aiofutures_family: ClassVar[WrapsOriginals]
    _aiofutures_class: ClassVar[type]
    _aiofutures_plain: ClassVar[type[Twin] | None] = None

    __wrapped__ = _Wrapped()

    # A single slot for both is faster to set.
    _aiofutures_origin: tuple[Any, Home]
    _aiofutures_entered: list[AbstractContextManager[Any, Any]]
    _aiofutures_lent: Any

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        family = self._aiofutures_family
        home = family.home()
        original = family.make(self._aiofutures_class, home, args, kwargs)
        # Of two bases, each may create one.
        _forget(self)
        twin_of(original, type(self), home, None, self)

    def __getattr__(self, name: str) -> Any:
        # The `__dict__` of the original is not offered, as it may contain anything.
        if name == "__dict__" and hasattr(self, "_aiofutures_origin"):
            # That is where tools look for what they will have to put back.
            replaced = replaced_in(self, original_of(self))
            if replaced:
                return replaced
        if name in _SLOTS or name == "__dict__":
            raise AttributeError(name)
        return self._aiofutures_family.attribute(self, name)

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__orig_class__":
            # Set by `Client[int]()`; the original has its own.
            return
        if name in _SLOTS or _is_own(self, name):
            object.__setattr__(self, name, value)
        elif is_method(self, name):
            replace(self, original_of(self), name, bare(value))
        else:
            setattr(original_of(self), name, bare(value))

    @override
    def __delattr__(self, name: str) -> None:
        if _is_own(self, name):
            object.__delattr__(self, name)
        elif not (is_method(self, name) and restore(self, original_of(self), name)):
            delattr(original_of(self), name)

    @override
    def __eq__(self, other: object) -> Any:
        return original_of(self) == bare(other)

    @override
    def __hash__(self) -> int:
        return hash(original_of(self))

    @override
    def __dir__(self) -> list[str]:
        names = {*object.__dir__(self), *dir(original_of(self))} - _SLOTS - _HIDDEN
        return sorted(names - SYNC_NAMES.keys())

    @override
    def __repr__(self) -> str:
        original, _ = getattr(self, "_aiofutures_origin", ("nothing", None))
        return f"<{type(self).__qualname__} of {original!r}>"

    @override
    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a twin cannot be pickled or copied: copy what unwrap() gives, not {self!r}"
        )


# Faster than assigning through `__setattr__`.
_set_origin: Final[Any] = vars(Twin)["_aiofutures_origin"].__set__
_SLOTS: Final = frozenset(Twin.__slots__) - {"__weakref__"}
_HIDDEN: Final = frozenset(
    {"_aiofutures_class", "_aiofutures_family", "_aiofutures_plain", "_aiofutures_replaced"}
)


def _is_own(twin: Twin, name: str) -> bool:
    """Tell whether the twin itself, perhaps of a user's subclass, has an attribute."""
    if any(hasattr(type(vars(cls).get(name)), "__set__") for cls in type(twin).__mro__):
        return True
    # Only objects of a subclass have one; the original has its own.
    try:
        own = object.__getattribute__(twin, "__dict__")
    except AttributeError:
        return False
    is_made = hasattr(twin, "_aiofutures_origin")
    if not is_made:
        return True
    if name in own:
        # A replaced method is there for tools that look for it.
        return not is_method(twin, name)
    return not hasattr(original_of(twin), name)


def origin_of(twin: Twin) -> tuple[Any, Home]:
    """Return the original of a twin, and the event loop it lives on."""
    try:
        return twin._aiofutures_origin
    except AttributeError:
        raise RuntimeError(
            f"{type(twin).__qualname__}.__init__() has not created the original yet: call "
            "super().__init__(...) first"
        ) from None


def original_of(twin: Twin) -> Any:
    """Return the original of a twin."""
    return origin_of(twin)[0]


def home_of(twin: Twin) -> Home:
    """Return the event loop that the original of a twin lives on."""
    return origin_of(twin)[1]


def twin_of(
    original: object, cls: type[Twin], home: Home, like: type[Twin] | None, new: Twin | None = None
) -> Twin:
    """Return the twin of an original; create one if it has none.

    Args:
        original: The original.
        cls: The class of the twin.
        home: The event loop that the original lives on.
        like: A class to use instead, if it is a subclass of `cls`.
        new: An object to use as the twin.
    """
    key = id(original)
    reference = _twins.get(key)
    if reference is not None:
        known = reference()
        if known is not None and new is None:
            return known
        remove_dead(_twins, key)
    if new is None:
        new = _new(plain(like) if like is not None and issubclass(like, cls) else cls)
    _set_origin(new, (original, home))
    mine = ref(new)
    # Atomic: if two threads come at once, both get the twin of one.
    while (reference := _twins.setdefault(key, mine)) is not mine:
        known = reference()
        if known is not None:
            return known
        remove_dead(_twins, key)
    if len(_twins) > _sweep_above:
        _sweep()
    return new


def _forget(twin: Twin) -> None:
    """Note that a twin no longer has its original, if it has one: another may take that place."""
    original, _ = getattr(twin, "_aiofutures_origin", (None, None))
    reference = _twins.get(id(original))
    # Nobody else removes the entry of one that lives.
    if reference is not None and reference() is twin:
        del _twins[id(original)]


_new: Final[Callable[[type[Twin]], Twin]] = object.__new__


def _sweep() -> None:
    """Remove dead references. The next sweep is due when there are twice as many twins."""
    global _sweep_above  # noqa: PLW0603
    for key, reference in snapshot(_twins.items()):
        if reference() is None:
            remove_dead(_twins, key)
    _sweep_above = max(_FEW, 2 * len(_twins))


def bare(value: Any, seen: Seen | None = None, _: None = None) -> Any:
    """Replace a twin by its original, even inside plain containers and iterators.

    `seen` is that of `mapped`.
    """
    if type(value) in ATOMS:
        return value
    # Not isinstance: a mock claims to be a twin.
    if issubclass(type(value), Twin):
        return original_of(value)
    if issubclass(type(value), type) and issubclass(value, Twin):
        return vars(value).get("_aiofutures_class", value)
    if type(value) in ITERATORS:
        return passed_on(value, bare, bare)
    return mapped(value, seen, bare, None)


def bare_all(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return positional arguments with originals instead of twins."""
    for arg in args:
        if type(arg) not in ATOMS:
            return tuple([bare(each) for each in args])
    return args


def bare_named(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments with originals instead of twins."""
    for value in kwargs.values():
        if type(value) not in ATOMS:
            return {name: bare(each) for name, each in kwargs.items()}
    return kwargs
