"""The signature of a decorated function, for `inspect`, `typing` and documentation tools."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

W = TypeVar("W", bound=Callable[..., Any])

# Of coroutine functions, in their __dict__.
_MARKS = ("_is_coroutine", "_is_coroutine_mark")


def copy_signature(wrapper: W, fn: Callable[..., Any], annotation: Callable[[Any], Any]) -> W:
    """Make `wrapper` look like `fn`, but for what it returns.

    `functools.wraps` alone would show the return annotation of `fn`, which is not true of it.

    Args:
        wrapper: The function that gets the signature; `fn` itself stays as it is.
        fn: What the user has decorated.
        annotation: Takes the type that awaiting the result of `fn` gives, and returns the type
            that `wrapper` returns.

    Returns:
        `wrapper`.
    """
    functools.update_wrapper(wrapper, fn)
    for mark in _MARKS:
        vars(wrapper).pop(mark, None)
    returned = _awaited(fn)
    if returned is not inspect.Signature.empty:
        returned = annotation(returned)
    annotations = _annotations(fn)
    annotations.pop("return", None)
    if returned is not inspect.Signature.empty:
        annotations["return"] = returned
    wrapper.__annotations__ = annotations
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        # Of some builtins it is not known.
        return wrapper
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
    """Return a copy of the annotations of `fn`, those with unknown names as forward references."""
    function = _function(fn)
    if sys.version_info >= (3, 14):  # pragma: no cover - the newest that the tests run on is 3.13
        import annotationlib  # noqa: PLC0415  new in 3.14

        return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
    return dict(getattr(function, "__annotations__", {}))


def _awaited(fn: Callable[..., Any]) -> Any:
    """Return the annotation of what awaiting the result of `fn` gives, or Signature.empty."""
    function = _function(fn)
    returned = _annotations(fn).get("return", inspect.Signature.empty)
    if inspect.iscoroutinefunction(function) or returned is inspect.Signature.empty:
        return returned
    try:
        returned = typing.get_type_hints(function)["return"]
    except Exception:
        # A name that is not known yet; no annotation is better than a wrong one.
        return inspect.Signature.empty
    origin = typing.get_origin(returned)
    if inspect.isclass(origin) and issubclass(origin, Awaitable):
        return typing.get_args(returned)[-1]
    return inspect.Signature.empty
