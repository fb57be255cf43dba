"""Calls as bytes, for a worker."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import iscoroutine
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from .._common.coroutines import is_async_generator_function, name_of, not_callable
from .._sync.call import SyncCall
from ._pickling import dumps, dumps_plain, is_by_reference, is_importable, loads

#: The types that are pickled with the whole batch.
PLAIN: Final = frozenset({int, float, bool, type(None), complex, str, bytes})

# The assumed size of a number or similar; for strings, their length is used.
_SMALL: Final = 16
_MOST_FUNCTIONS: Final = 256


class Packed(NamedTuple):
    """A call that can be sent.

    Attributes:
        function: The pickled function.
        args: The positional arguments if all arguments are plain, otherwise all of them, pickled.
        kwargs: The keyword arguments, if all arguments are plain and there are any.
        size: The approximate size of the arguments in bytes.
    """

    function: bytes
    args: tuple[Any, ...] | bytes
    kwargs: dict[str, Any] | None
    size: int


class UnpackedCall(NamedTuple):
    """A call on its worker; if `error` is set, it could not be unpickled."""

    number: int
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    error: BaseException | None


class Packer:
    """Packs calls, and caches pickled functions.

    A function that is sent by value is pickled again once any part of it is a different object. If
    a part can change while remaining the same object, the function is pickled every time.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, type], tuple[object, list[object], bytes]] = {}

    def pack(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Packed:
        """Return the call as bytes.

        Raises:
            TypeError: Part of the call cannot be sent; the error names it.
        """
        if not callable(fn):
            raise not_callable(fn)
        function = self._function(fn)
        size = _plain_size((*args, *kwargs.values()))
        if size is not None:
            return Packed(function, args, kwargs or None, size)
        try:
            data = dumps((args, kwargs))
        except Exception as error:
            raise _refused_argument(fn, args, kwargs, error) from error
        return Packed(function, data, None, len(data))

    def _function(self, fn: Callable[..., Any]) -> bytes:
        function: Any = fn.fn if type(fn) is SyncCall else fn
        key = id(function), type(fn)
        known = self._known.get(key)
        # Pickled by reference, a function has no parts.
        if known is not None and known[0] is function and not known[1]:
            return known[2]
        parts = _parts(function) if type(function) is FunctionType else None
        if known is not None and parts is not None and _are_the_same(parts, known[1]):
            return known[2]
        _refuse_sync(fn)
        try:
            data = dumps(fn)
        except Exception as error:
            raise TypeError(
                f"{name_of(fn)}() cannot be sent to another process: {error}. Define it in a "
                "module that the workers can import, and pass what it needs as arguments"
            ) from error
        if parts is not None:
            if len(self._known) >= _MOST_FUNCTIONS:
                self._known.clear()
            self._known[key] = function, parts, data
        return data


def pack_batch(calls: Iterable[tuple[int, Packed]]) -> bytes:
    """Return numbered calls as bytes, with each function only once."""
    functions: dict[bytes, int] = {}
    numbered = [
        (number, functions.setdefault(call.function, len(functions)), call.args, call.kwargs)
        for number, call in calls
    ]
    return dumps_plain((list(functions), numbered))


def unpack_batch(data: bytes) -> Iterator[UnpackedCall]:
    """Yield the calls of a batch, on its worker."""
    functions, calls = loads(data)
    unpacked = [_attempt(function) for function in functions]
    for number, index, args, kwargs in calls:
        fn, error = unpacked[index]
        if type(args) is bytes:
            arguments, failure = _attempt(args)
            positional, named = arguments or ((), None)
            yield UnpackedCall(number, fn, positional, named, error or failure)
        else:
            yield UnpackedCall(number, fn, args, kwargs, error)


def _attempt(data: bytes) -> tuple[Any, BaseException | None]:
    """Unpickle, and return the object or whatever was raised."""
    try:
        return loads(data), None
    except BaseException as error:
        return None, error


def _plain_size(values: Sequence[object]) -> int | None:
    """Return the approximate size in bytes, or None if a value is not plain."""
    size = 0
    for value in values:
        if type(value) not in PLAIN:
            return None
        size += len(value) if isinstance(value, (str, bytes)) else _SMALL
    return size


def _parts(function: FunctionType) -> list[object] | None:
    """Return what is pickled with a function, or None if any of it can change unnoticed."""
    if is_by_reference(function):
        return []
    parts: list[object] = []
    seen: set[int] = set()
    rest: list[object] = [function]
    while rest:
        part = rest.pop()
        parts.append(part)
        if id(part) in seen:
            continue
        seen.add(id(part))
        if type(part) is FunctionType and not is_by_reference(part):
            try:
                rest.extend(_parts_by_value(part))
            except ValueError:
                # A closure cell that is still empty.
                return None
        elif type(part) is tuple:
            rest.extend(part)
        elif not _stays_the_same(part):
            return None
    return parts


def _parts_by_value(function: FunctionType) -> Iterator[object]:
    code = function.__code__
    yield code
    yield from function.__defaults__ or ()
    for named in (function.__kwdefaults__ or {}, vars(function)):
        yield from named
        yield from named.values()
    yield from (cell.cell_contents for cell in function.__closure__ or ())
    for name in _names(code):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code, and the functions defined in it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _stays_the_same(part: object) -> bool:
    """Tell whether this object always pickles to the same bytes."""
    if type(part) is BuiltinFunctionType:
        return isinstance(part.__self__, ModuleType)
    if isinstance(part, type):
        return is_by_reference(part)
    if isinstance(part, ModuleType):
        return is_importable(part)
    return type(part) in PLAIN or isinstance(part, (CodeType, FunctionType, logging.Logger))


def _are_the_same(some: list[object], others: list[object]) -> bool:
    return len(some) == len(others) and all(
        one is other for one, other in zip(some, others, strict=True)
    )


def _refuse_sync(fn: Callable[..., Any]) -> None:
    """Raise TypeError for a function that clearly does not return an awaitable."""
    if is_async_generator_function(fn):
        raise TypeError(
            f"{name_of(fn)}() is an async generator function: iterate over it in an async function "
            "and submit that function"
        )
    function: Any = fn
    while type(function) is partial:
        function = function.func
    is_builtin = type(function) is BuiltinFunctionType
    if is_builtin and str(function.__module__).partition(".")[0] in sys.stdlib_module_names:
        raise TypeError(
            f"{name_of(fn)}() is a sync function: call it with 'await sync_to_async(fn, ...)' in "
            "an async function and submit that function"
        )


def _refused_argument(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> TypeError:
    """Return the error for a call with an argument that cannot be pickled."""
    named = [
        *((f"argument {place}", value) for place, value in enumerate(args, 1)),
        *kwargs.items(),
    ]
    for name, value in named:
        try:
            dumps(value)
        except Exception as reason:
            if iscoroutine(value):
                value.close()
            kind = type(value)
            return TypeError(
                f"{name_of(fn)}() cannot be sent to another process: {name}, of type "
                f"{kind.__module__}.{kind.__qualname__}, cannot be pickled: {reason}"
            )
    return TypeError(f"{name_of(fn)}() cannot be sent to another process: {error}")
