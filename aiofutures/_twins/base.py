"""The base class of all twins, and where their originals live."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn
from weakref import ref

from .._contract import Host
from .._futures.future import Future
from .._sync.call import SubmitsCalls, SyncCall
from .._sync.views import ContextManager
from .._typing import override
from .kinds import ATOMS

if TYPE_CHECKING:
    from .family import Family

#: The twins of originals, by the ids of these: a twin keeps its original, and so its id.
_twins: dict[int, _Reference] = {}

# What stands for an async method has its synchronous name.
SYNC_NAMES: Final = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "__await__": "__call__",
}


class Home:
    """The event loop on which originals live, and the executor that keeps it.

    Args:
        host: The event loop.
        executor: It would be shut down if it were dropped.
    """

    __slots__ = ("executor", "host")

    def __init__(self, host: Host, executor: SubmitsCalls) -> None:
        self.host = host
        self.executor = executor

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call an async function there."""
        future: Future[Any] = Future(
            self.host, fn, bare_all(args), bare_named(kwargs) or None, copy_context()
        )
        self.host.submit(future)
        return future


class Homes:
    """An executor that calls a method of originals, each where it lives.

    Args:
        name: The name of the method; None where the function that is called gets the original.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    def submit(self, call: SyncCall, twin: Twin, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call it with the original of `twin` and the other arguments."""
        original, args = original_of(twin), bare_all(args)
        if self._name is None:
            args = (original, *args)
        else:
            call.fn = getattr(original, self._name)
        kwargs_or_none = bare_named(kwargs) if kwargs else None
        host = twin._aiofutures_home.host
        future: Future[Any] = Future(host, call, args, kwargs_or_none, copy_context())
        host.submit(future)
        return future


class _Wrapped:
    """Gives the original of a twin, and nothing of a class: `inspect` would take it for that."""

    def __get__(self, twin: Twin | None, cls: type[Twin]) -> Any:
        if twin is None:
            raise AttributeError("__wrapped__")
        return original_of(twin)


class Twin:
    """What has the members of an async object as synchronous ones.

    The slots have long names because all other names are those of the original.
    """

    __slots__ = ("__weakref__", "_aiofutures_entered", "_aiofutures_home", "_aiofutures_original")

    _aiofutures_family: ClassVar[Family]
    _aiofutures_class: ClassVar[type]

    __wrapped__ = _Wrapped()

    _aiofutures_home: Home
    _aiofutures_original: Any
    _aiofutures_entered: list[ContextManager]

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        family = self._aiofutures_family
        home = family.home()
        original = family.make(self._aiofutures_class, home, args, kwargs)
        register(self, original, home)

    def __getattr__(self, name: str) -> Any:
        if name in _SLOTS:
            raise AttributeError(name)
        return self._aiofutures_family.attribute(self, name)

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__orig_class__":
            # `Client[int]()` sets it, and the original has its own.
            return
        if name in _SLOTS or _is_own(self, name):
            object.__setattr__(self, name, value)
        else:
            setattr(original_of(self), name, bare(value))

    @override
    def __delattr__(self, name: str) -> None:
        if _is_own(self, name):
            object.__delattr__(self, name)
        else:
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
        original = getattr(self, "_aiofutures_original", "nothing")
        return f"<{type(self).__qualname__} of {original!r}>"

    @override
    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a twin cannot be pickled or copied: copy what unwrap() gives, not {self!r}"
        )


# Faster than `__setattr__`.
_set_home: Final[Any] = vars(Twin)["_aiofutures_home"].__set__
_set_original: Final[Any] = vars(Twin)["_aiofutures_original"].__set__
_SLOTS: Final = frozenset(Twin.__slots__) - {"__weakref__"}
_HIDDEN: Final = frozenset({"_aiofutures_class", "_aiofutures_family"})


def _is_own(twin: Twin, name: str) -> bool:
    """Tell whether an attribute is that of the twin, whose class a user may have derived."""
    if any(hasattr(type(vars(cls).get(name)), "__set__") for cls in type(twin).__mro__):
        return True
    # Only a derived class has it; the original has another one.
    try:
        own = object.__getattribute__(twin, "__dict__")
    except AttributeError:
        return False
    is_made = hasattr(twin, "_aiofutures_original")
    return name in own or not is_made or not hasattr(original_of(twin), name)


def original_of(twin: Twin) -> Any:
    """Return the original of a twin."""
    try:
        return twin._aiofutures_original
    except AttributeError:
        raise RuntimeError(
            f"{type(twin).__qualname__}.__init__() has not made the original: call "
            "super().__init__(...) first"
        ) from None


def home_of(twin: Twin) -> Home:
    """Return where the original of a twin lives."""
    original_of(twin)
    return twin._aiofutures_home


def twin_of(original: object, cls: type[Twin], home: Home) -> Twin:
    """Return the twin of an original; make one of a class if it has none."""
    reference = _twins.get(id(original))
    if reference is not None:
        known = reference()
        if known is not None:
            return known
    return register(_new(cls), original, home)


_new: Final[Callable[[type[Twin]], Twin]] = object.__new__


def register(twin: Twin, original: Any, home: Home) -> Twin:
    """Make `twin` that of an original, unless that has one already; return its twin."""
    _set_home(twin, home)
    _set_original(twin, original)
    reference = _Reference(twin, _forget)
    reference.key = id(original)
    while True:
        # Atomic: of two threads that come at once, one has the twin of both.
        current = _twins.setdefault(reference.key, reference)
        if current is reference:
            return twin
        known = current()
        if known is not None:
            return known
        _forget(current)


class _Reference(ref[Twin]):
    __slots__ = ("key",)

    key: int


def _forget(reference: _Reference) -> None:
    if _twins.get(reference.key) is reference:
        _twins.pop(reference.key, None)


def bare(value: Any) -> Any:
    """Return the original of a twin, also in plain containers; anything else as it is."""
    return _bare(value, ())


def _bare(value: Any, within: tuple[object, ...]) -> Any:
    if type(value) in ATOMS:
        return value
    if isinstance(value, Twin):
        return original_of(value)
    if isinstance(value, type) and issubclass(value, Twin):
        return vars(value).get("_aiofutures_class", value)
    return mapped(value, _bare, within)


def bare_all(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return positional arguments without twins."""
    for arg in args:
        if type(arg) not in ATOMS:
            return tuple(map(bare, args))
    return args


def bare_named(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments without twins."""
    return {name: bare(value) for name, value in kwargs.items()} if kwargs else kwargs


#: The plain containers. One may be in itself, and so the fast look ends somewhere.
CONTAINERS: Final = frozenset({dict, frozenset, list, set, tuple})
_DEPTH: Final = 20


def holds_nothing(value: Any, depth: int = 0) -> bool:
    """Tell, fast, whether a plain container has nothing but such containers and atoms in it."""
    if depth > _DEPTH:
        return False
    if type(value) is dict:
        if not ATOMS.issuperset(map(type, value)):
            return False
        value = value.values()
    for each in value:
        kind = type(each)
        if kind not in ATOMS and not (kind in CONTAINERS and holds_nothing(each, depth + 1)):
            return False
    return True


def mapped(
    value: Any, change: Callable[[Any, tuple[object, ...]], Any], within: tuple[object, ...]
) -> Any:
    """Return a plain container with its items changed; the same one where none changes.

    Args:
        value: It may be anything; what is no plain container stays as it is.
        change: Gets an item and the containers that it is in.
        within: The containers that `value` is in.
    """
    kind = type(value)
    is_named = issubclass(kind, tuple) and hasattr(kind, "_make")
    if not (kind in CONTAINERS or is_named) or any(value is each for each in within):
        return value
    within = (*within, value)
    if kind is dict:
        items = [part for pair in value.items() for part in pair]
        new = [change(each, within) for each in items]
        make = _pairs
    else:
        items = [*value]
        new = [change(each, within) for each in items]
        make = kind._make if is_named else kind
    return value if all(map(is_, items, new)) else make(new)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))
