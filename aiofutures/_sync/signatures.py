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
from functools import partial
from itertools import repeat
from types import MappingProxyType, NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from .._typing import override

if sys.version_info >= (3, 14):
    from annotationlib import Format, annotations_to_string, get_annotations

# Formats of `annotationlib`, which is new in Python 3.14.
_VALUE: Final = 1
_FORWARDREF: Final = 3

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
    annotations_of_wrapper = partial(_wrapper_annotations, fn, annotation, has_views)
    try:
        wrapper.__annotations__ = annotations = annotations_of_wrapper(_VALUE)
    except Exception:
        # An annotation names what is defined later.
        setattr(wrapper, "__annotate__", annotations_of_wrapper)  # noqa: B010
        vars(wrapper)["__signature__"] = _LateSignature(fn, annotations_of_wrapper)
        return wrapper
    # Some builtins have no signature.
    with suppress(TypeError, ValueError):
        returned = annotations.get("return", _UNKNOWN)
        vars(wrapper)["__signature__"] = inspect.signature(fn).replace(return_annotation=returned)
    return wrapper


class _LateSignature(inspect.Signature):
    """A signature that is made anew whenever somebody looks at it."""

    def __init__(
        self, fn: Callable[..., Any], annotations_of_wrapper: Callable[[int], dict[str, Any]]
    ) -> None:
        self._fn = fn
        self._annotations_of_wrapper = annotations_of_wrapper

    @property
    @override
    def parameters(self) -> MappingProxyType[str, inspect.Parameter]:
        now: inspect.Signature = self.replace()
        return now.parameters

    @property
    @override
    def return_annotation(self) -> Any:
        return self._annotations_of_wrapper(_FORWARDREF).get("return", _UNKNOWN)

    @override
    def replace(self, **changes: Any) -> Any:
        # Any: the option is new in Python 3.14, as what this class is for.
        make: Any = inspect.signature
        changes.setdefault("return_annotation", self.return_annotation)
        return make(self._fn, annotation_format=_FORWARDREF).replace(**changes)

    if not TYPE_CHECKING:
        __replace__ = replace


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


def _wrapper_annotations(
    fn: Callable[..., Any], annotation: Callable[[Any], Any], has_views: bool, form: int
) -> dict[str, Any]:
    """Return the annotations of a wrapper of `fn`; see `copy_signature`."""
    annotations = _annotations(fn, form)
    annotations.pop("return", None)
    if sys.version_info >= (3, 14) and form == Format.STRING:
        evaluated = _wrapper_annotations(fn, annotation, has_views, _FORWARDREF)
        return annotations_to_string(evaluated) | annotations
    returned = _awaited(fn)
    if returned is not _UNKNOWN:
        returned = annotation(returned)
    elif has_views:
        returned = _viewed(fn)
    if returned is not _UNKNOWN:
        annotations["return"] = returned
    return annotations


def _annotations(fn: Callable[..., Any], form: int = _FORWARDREF) -> dict[str, Any]:
    """Return a copy of the annotations of `fn`; `form` is a format of `annotationlib`."""
    *_, function = _layers(fn)
    if inspect.isclass(function):
        function = function.__init__
    if sys.version_info >= (3, 14):
        return get_annotations(function, format=Format(form))
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
