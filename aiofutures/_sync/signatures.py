"""The signature of a decorated function, for `inspect`, `typing` and documentation tools."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

W = TypeVar("W", bound=Callable[..., Any])


def copy_signature(wrapper: W, fn: Callable[..., Any], annotation: Callable[[Any], Any]) -> W:
    """Make `wrapper` look like `fn`, except for the return type, and return it.

    `annotation` maps the type that awaiting the result of `fn` gives to the one of `wrapper`, or to
    Signature.empty.
    """
    functools.update_wrapper(wrapper, fn)
    # The marks of coroutine functions.
    for mark in ("_is_coroutine", "_is_coroutine_mark"):
        vars(wrapper).pop(mark, None)
    annotations = _annotations(fn)
    annotations.pop("return", None)
    returned = _awaited(fn)
    if returned is not inspect.Signature.empty:
        returned = annotation(returned)
    if returned is not inspect.Signature.empty:
        annotations["return"] = returned
    wrapper.__annotations__ = annotations
    # Some builtins have no signature.
    with suppress(TypeError, ValueError):
        signature = inspect.signature(fn)
        vars(wrapper)["__signature__"] = signature.replace(return_annotation=returned)
    return wrapper


def _function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind partials, methods and callable objects."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn):
        fn = type(fn).__call__
    function: Callable[..., Any] = inspect.unwrap(getattr(fn, "__func__", fn))
    return function


def _annotations(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return a copy of the annotations of `fn`; unknown names become forward references."""
    function = _function(fn)
    if sys.version_info >= (3, 14):  # pragma: no cover - the newest that the tests run on is 3.13
        import annotationlib  # noqa: PLC0415  new in 3.14

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(function, "__annotations__", {}))


def _awaited(fn: Callable[..., Any]) -> Any:
    """Return the type that awaiting the result of `fn` gives, or Signature.empty."""
    function = _function(fn)
    returned = _annotations(fn).get("return", inspect.Signature.empty)
    if inspect.iscoroutinefunction(function) or returned is inspect.Signature.empty:
        return returned
    try:
        returned = typing.get_type_hints(function)["return"]
    except Exception:
        # A name is not known yet, and no annotation is better than a wrong one.
        return inspect.Signature.empty
    origin = typing.get_origin(returned)
    if inspect.isclass(origin) and issubclass(origin, Awaitable):
        return typing.get_args(returned)[-1]
    return inspect.Signature.empty
