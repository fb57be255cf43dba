"""The signature of a decorated function, for `inspect`, `typing` and documentation tools."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    suppress,
)
from itertools import repeat
from types import NoneType, SimpleNamespace
from typing import Any, Final, Self, TypeVar

W = TypeVar("W", bound=Callable[..., Any])

_UNKNOWN: Final = inspect.Signature.empty

# They are subscripted at run time.
_Generator: Final[Any] = Generator
_ContextManager: Final[Any] = AbstractContextManager
# Checkers take it for a protocol with data.
_AsyncContextManager: Final[Any] = AbstractAsyncContextManager

# That of all the functions that `asynccontextmanager` returns: they have the annotations of the
# generator functions behind them.
_make_manager: Final[Any] = asynccontextmanager
_MANAGER_CODE: Final = _make_manager(aiter).__code__


def copy_signature(
    wrapper: W, fn: Callable[..., Any], annotation: Callable[[Any], Any], *, has_views: bool = False
) -> W:
    """Make `wrapper` look like `fn`, except for the return type, and return it.

    Args:
        wrapper: A plain function.
        fn: What it calls.
        annotation: Maps the type that awaiting the result of `fn` gives to the one of `wrapper`, or
            to Signature.empty.
        has_views: Whether `wrapper` returns the synchronous view of what cannot be awaited.
    """
    functools.update_wrapper(wrapper, fn)
    _name(wrapper, fn)
    # The marks of coroutine functions.
    for mark in ("_is_coroutine", "_is_coroutine_mark"):
        vars(wrapper).pop(mark, None)
    annotations = _annotations(fn)
    annotations.pop("return", None)
    returned = _awaited(fn)
    if returned is not _UNKNOWN:
        returned = annotation(returned)
    elif has_views:
        returned = _viewed(fn)
    if returned is not _UNKNOWN:
        annotations["return"] = returned
    wrapper.__annotations__ = annotations
    # Some builtins have no signature.
    with suppress(TypeError, ValueError):
        signature = inspect.signature(fn)
        vars(wrapper)["__signature__"] = signature.replace(return_annotation=returned)
    return wrapper


def _name(wrapper: Callable[..., Any], fn: Callable[..., Any]) -> None:
    """Name `wrapper` after the function behind partials, or the class of a callable object."""
    if hasattr(fn, "__name__"):
        return
    while isinstance(fn, functools.partial):
        fn = fn.func
    named = fn if hasattr(fn, "__name__") else type(fn)
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(wrapper, attribute, getattr(named, attribute))


def _layers(fn: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Iterate over the function behind partials and methods, and what its decorators have wrapped.

    A class stands for itself, and a callable object for its method.
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn):
        fn = type(fn).__call__
    layer: Any = getattr(fn, "__func__", fn)
    # `unwrap` knows endless ones.
    last = inspect.unwrap(layer)
    while layer is not last:
        yield layer
        layer = layer.__wrapped__
    yield last


def _annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return a copy of the annotations of `fn`; unknown names become forward references."""
    *_, function = _layers(fn)
    if inspect.isclass(function):
        function = function.__init__
    if sys.version_info >= (3, 14):  # pragma: no cover - the newest that the tests run on is 3.13
        import annotationlib  # noqa: PLC0415  new in 3.14

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(function, "__annotations__", {}))


def _returned(fn: Callable[..., Any]) -> Any:
    """Return what `fn` returns, by its annotation; for an `async def`, what awaiting it gives."""
    *_, function = _layers(fn)
    if inspect.isclass(function):
        return function
    # Without the parameters, whose names may not be known yet.
    probe = SimpleNamespace(
        __annotations__={"return": _annotations(fn).get("return", _UNKNOWN)},
        __globals__=getattr(function, "__globals__", {}),
        __type_params__=getattr(function, "__type_params__", ()),
    )
    try:
        return typing.get_type_hints(probe)["return"]
    except Exception:
        # A name is not known yet, and no annotation is better than a wrong one.
        return _UNKNOWN


def _awaited(fn: Callable[..., Any]) -> Any:
    """Return the type that awaiting the result of `fn` gives, if that is known."""
    *_, function = _layers(fn)
    if inspect.iscoroutinefunction(function):
        return _annotations(fn).get("return", _UNKNOWN)
    return _argument_of(Awaitable, _returned(fn))


def _argument_of(base: type, kind: Any) -> Any:
    """Return the last argument of a `kind` that is a generic `base`, if it is one."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if arguments and inspect.isclass(origin) and issubclass(origin, base):
        return arguments[-1]
    return _UNKNOWN


def _viewed(fn: Callable[..., Any]) -> Any:
    """Return the type of the synchronous view of what `fn` returns, if that is known."""
    outermost, *_ = layers = list(_layers(fn))
    # A decorator has made another kind of function of it.
    if inspect.iscoroutinefunction(outermost):
        return _UNKNOWN
    view = _view(_returned(fn))
    if any(getattr(layer, "__code__", None) is _MANAGER_CODE for layer in layers):
        return _ContextManager[(*typing.get_args(view), Any)[0], bool | None]
    return view


def _view(kind: Any) -> Any:
    """Return the type of the synchronous view of a `kind`, in the order in which calls decide."""
    origin = typing.get_origin(kind) or kind
    arguments = tuple(None if each is NoneType else each for each in typing.get_args(kind))
    if not inspect.isclass(origin) or issubclass(origin, Awaitable):
        return _UNKNOWN
    if origin is _AsyncContextManager:
        return _ContextManager[(*arguments, Any, bool | None)[0], (*arguments[1:], bool | None)[0]]
    if issubclass(origin, _AsyncContextManager):
        left = _result(kind, "__aexit__")
        return _ContextManager[_result(kind, "__aenter__"), bool | None if left is Any else left]
    if origin in {AsyncGenerator, AsyncIterator, AsyncIterable}:
        return _Generator[(*arguments, Any)[0], (*arguments[1:], None)[0], None]
    if issubclass(origin, AsyncIterator):
        return _Generator[_result(kind, "__anext__"), None, None]
    return _view(_returned(origin.__aiter__)) if issubclass(origin, AsyncIterable) else _UNKNOWN


def _result(kind: Any, name: str) -> Any:
    """Return the type that awaiting a method of a `kind` gives; Any where it is not known."""
    owner = typing.get_origin(kind) or kind
    method = getattr(owner, name)
    result = _returned(method)
    if not inspect.iscoroutinefunction(method):
        result = _argument_of(Awaitable, result)
    parameters: tuple[Any, ...] = getattr(owner, "__parameters__", ())
    if result is Self or (isinstance(result, TypeVar) and result not in parameters):
        return kind
    if result in parameters:
        return dict(zip(parameters, typing.get_args(kind) or repeat(Any), strict=False)).get(result)
    if result is NoneType:
        return None
    return Any if result is _UNKNOWN else result
