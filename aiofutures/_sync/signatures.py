"""The signature of a decorated function, for `inspect`, `typing` and documentation tools."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from inspect import Signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._typing import override

if sys.version_info >= (3, 14):
    from annotationlib import Format, annotations_to_string, get_annotations

# Formats of `annotationlib`, which is new in Python 3.14.
_VALUE: Final = 1
_FORWARDREF: Final = 3

W = TypeVar("W", bound=Callable[..., Any])


def copy_signature(wrapper: W, fn: Callable[..., Any], annotation: Callable[[Any], Any]) -> W:
    """Make `wrapper` look like `fn`, except for the return type, and return it.

    `annotation` maps the type that awaiting the result of `fn` gives to the one of `wrapper`.
    """
    functools.update_wrapper(wrapper, fn)
    # The marks of coroutine functions.
    for mark in ("_is_coroutine", "_is_coroutine_mark"):
        vars(wrapper).pop(mark, None)
    try:
        wrapper.__annotations__ = annotations = _annotations(fn, annotation)
    except Exception:
        # An annotation names what is defined later.
        setattr(wrapper, "__annotate__", partial(_annotations, fn, annotation))  # noqa: B010
        vars(wrapper)["__signature__"] = _LateSignature(fn, annotation)
        return wrapper
    # Some builtins have no signature.
    with suppress(TypeError, ValueError):
        returned = annotations.get("return", Signature.empty)
        vars(wrapper)["__signature__"] = inspect.signature(fn).replace(return_annotation=returned)
    return wrapper


class _LateSignature(Signature):
    """A signature that is made anew whenever somebody looks at it."""

    def __init__(self, fn: Callable[..., Any], annotation: Callable[[Any], Any]) -> None:
        self._fn = fn
        self._annotation = annotation

    @property
    @override
    def parameters(self) -> MappingProxyType[str, inspect.Parameter]:
        now: Signature = self.replace()
        return now.parameters

    @property
    @override
    def return_annotation(self) -> Any:
        annotations = _annotations(self._fn, self._annotation, _FORWARDREF)
        return annotations.get("return", Signature.empty)

    @override
    def replace(self, **changes: Any) -> Any:
        # Any: the option is new in Python 3.14, as what this class is for.
        make: Any = inspect.signature
        changes.setdefault("return_annotation", self.return_annotation)
        return make(self._fn, annotation_format=_FORWARDREF).replace(**changes)

    if not TYPE_CHECKING:
        __replace__ = replace


def _function(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind partials, methods and callable objects."""
    while isinstance(fn, partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn):
        fn = type(fn).__call__
    function: Callable[..., Any] = inspect.unwrap(getattr(fn, "__func__", fn))
    return function


def _annotations(
    fn: Callable[..., Any], annotation: Callable[[Any], Any], form: int = _VALUE
) -> dict[str, Any]:
    """Return the annotations of a wrapper of `fn`; `form` is a format of `annotationlib`."""
    function = _function(fn)
    if sys.version_info >= (3, 14):
        annotations = get_annotations(function, format=Format(form))
        if form == Format.STRING:
            annotations.pop("return", None)
            evaluated = _annotations(fn, annotation, _FORWARDREF)
            return annotations_to_string(evaluated) | annotations
    else:
        annotations = dict(getattr(function, "__annotations__", {}))
    returned = _awaited(function, annotations.pop("return", Signature.empty), form)
    if returned is not Signature.empty:
        annotations["return"] = annotation(returned)
    return annotations


def _awaited(function: Callable[..., Any], returned: Any, form: int) -> Any:
    """Return the type that awaiting what `function` returns gives, or Signature.empty."""
    if inspect.iscoroutinefunction(function) or returned is Signature.empty:
        return returned
    try:
        if sys.version_info >= (3, 14):
            returned = typing.get_type_hints(function, format=Format(form))["return"]
        else:
            returned = typing.get_type_hints(function)["return"]
    except Exception:
        # A name is not known yet, and no annotation is better than a wrong one.
        return Signature.empty
    origin = typing.get_origin(returned)
    if inspect.isclass(origin) and issubclass(origin, Awaitable):
        return typing.get_args(returned)[-1]
    return Signature.empty
