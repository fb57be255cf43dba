"""The base class of all twins, and where their originals live."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import copy_context
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn
from weakref import ref

from .._contract import Host
from .._futures.future import Future
from .._snapshot import snapshot
from .._sync.call import SubmitsCalls, SyncCall
from .._typing import T, override
from .kinds import ATOMS, CONTAINERS

if TYPE_CHECKING:
    from .family import Family

#: The twins of originals, by the ids of these: a twin keeps its original, and so its id. The dead
#: are swept out when there are many: a callback for each would cost as much as a twin.
_twins: dict[int, ref[Twin]] = {}
# Held where an entry is replaced or removed. A finalizer that runs meanwhile may do so, too.
_replacing: Final = RLock()
_FEW: Final = 1000
_sweep_above = _FEW

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

    __slots__ = (*("__weakref__", "_aiofutures_entered", "_aiofutures_lent", "_aiofutures_origin"),)

    _aiofutures_family: ClassVar[Family]
    _aiofutures_class: ClassVar[type]

    __wrapped__ = _Wrapped()

    # One slot for both is set faster.
    _aiofutures_origin: tuple[Any, Home]
    _aiofutures_entered: list[AbstractContextManager[Any, Any]]
    _aiofutures_lent: Any

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        family = self._aiofutures_family
        home = family.home()
        original = family.make(self._aiofutures_class, home, args, kwargs)
        twin_of(original, type(self), home, None, self)

    def __getattr__(self, name: str) -> Any:
        # That of the original is not looked into: it may have anything in it.
        if name in _SLOTS or name == "__dict__":
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
        original, _ = getattr(self, "_aiofutures_origin", ("nothing", None))
        return f"<{type(self).__qualname__} of {original!r}>"

    @override
    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a twin cannot be pickled or copied: copy what unwrap() gives, not {self!r}"
        )


# Faster than `__setattr__`.
_set_origin: Final[Any] = vars(Twin)["_aiofutures_origin"].__set__
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
    is_made = hasattr(twin, "_aiofutures_origin")
    return name in own or not is_made or not hasattr(original_of(twin), name)


def origin_of(twin: Twin) -> tuple[Any, Home]:
    """Return the original of a twin, and where that lives."""
    try:
        return twin._aiofutures_origin
    except AttributeError:
        raise RuntimeError(
            f"{type(twin).__qualname__}.__init__() has not made the original: call "
            "super().__init__(...) first"
        ) from None


def original_of(twin: Twin) -> Any:
    """Return the original of a twin."""
    return origin_of(twin)[0]


def home_of(twin: Twin) -> Home:
    """Return where the original of a twin lives."""
    return origin_of(twin)[1]


def twin_of(
    original: object, cls: type[Twin], home: Home, like: type[Twin] | None, new: Twin | None = None
) -> Twin:
    """Return the twin of an original; make one if it has none.

    Args:
        original: The original.
        cls: The class of the twin.
        home: Where the original lives.
        like: A class to be taken instead where a user has derived it from that.
        new: An object that is to be the twin.
    """
    key = id(original)
    reference = _twins.get(key)
    if reference is not None and new is None:
        known = reference()
        if known is not None:
            return known
    if new is None:
        new = _new(like if like is not None and issubclass(like, cls) else cls)
    _set_origin(new, (original, home))
    mine = ref(new)
    # Atomic: of two threads that come at once, one has the twin of both.
    if reference is None and _twins.setdefault(key, mine) is mine:
        if len(_twins) > _sweep_above:
            _sweep()
        return new
    with _replacing:
        reference = _twins.get(key)
        known = None if reference is None else reference()
        if known is None:
            _twins[key] = mine
    return new if known is None else known


_new: Final[Callable[[type[Twin]], Twin]] = object.__new__


def _sweep() -> None:
    """Remove the dead, and wait until there are twice as many twins as now."""
    global _sweep_above  # noqa: PLW0603
    with _replacing:
        for key, reference in snapshot(_twins.items()):
            if reference() is None and _twins.get(key) is reference:
                del _twins[key]
        _sweep_above = max(_FEW, 2 * len(_twins))


def bare(value: Any, within: tuple[object, ...] = (), _: None = None) -> Any:
    """Return the original of a twin, also in plain containers; anything else as it is.

    `within` has the containers that it is in.
    """
    if type(value) in ATOMS:
        return value
    if isinstance(value, Twin):
        return original_of(value)
    if isinstance(value, type) and issubclass(value, Twin):
        return vars(value).get("_aiofutures_class", value)
    return mapped(value, within, bare, None)


def bare_all(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return positional arguments without twins."""
    for arg in args:
        if type(arg) not in ATOMS:
            return tuple([bare(each) for each in args])
    return args


def bare_named(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments without twins."""
    for value in kwargs.values():
        if type(value) not in ATOMS:
            return {name: bare(each) for name, each in kwargs.items()}
    return kwargs


# A container may be in itself, and so the fast look ends somewhere.
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
    value: Any,
    within: tuple[object, ...],
    change: Callable[[Any, tuple[object, ...], T], Any],
    for_: T,
) -> Any:
    """Return a plain container with its items changed; the same one where none changes.

    Args:
        value: It may be anything; what is no plain container stays as it is.
        within: The containers that `value` is in.
        change: Gets an item, the containers that it is in, and `for_`.
        for_: See there.
    """
    kind = type(value)
    is_named = kind not in CONTAINERS
    if is_named and not (issubclass(kind, tuple) and hasattr(kind, "_make")):
        return value
    if within and any(value is each for each in within):
        return value
    within = (*within, value)
    is_same, new = True, []
    for item in [part for pair in value.items() for part in pair] if kind is dict else value:
        changed = change(item, within, for_)
        is_same = is_same and changed is item
        new.append(changed)
    if is_same:
        return value
    if kind is dict:
        return dict(zip(new[::2], new[1::2], strict=True))
    return new if kind is list else kind._make(new) if is_named else kind(new)
