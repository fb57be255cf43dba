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
    Coroutine,
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
from types import GenericAlias, MappingProxyType, NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from .._common.typing import override

if sys.version_info >= (3, 14):
    from annotationlib import Format, annotations_to_string, get_annotations

# Formats of `annotationlib`, new in Python 3.14.
_VALUE: Final = 1
_FORWARDREF: Final = 3

W = TypeVar("W", bound=Callable[..., Any])

_UNKNOWN: Final = inspect.Signature.empty

# A context manager may return itself endlessly.
_MOST_LAYERS: Final = 9

# Any: these are subscripted at run time.
_Coroutine: Final[Any] = Coroutine
_Generator: Final[Any] = Generator
_ContextManager: Final[Any] = AbstractContextManager
# Any: checkers take it for a protocol with data.
_AsyncContextManager: Final[Any] = AbstractAsyncContextManager

# The code of every function that `asynccontextmanager` returns, which has the annotations of the
# generator function behind it.
_make_manager: Final[Any] = asynccontextmanager
_MANAGER_CODE: Final = _make_manager(aiter).__code__


def copy_signature(
    wrapper: W, fn: Callable[..., Any], shown: Callable[[Callable[..., Any]], Any]
) -> W:
    """Make `wrapper` look like `fn`, except for the return type, and return it.

    Args:
        wrapper: A plain function.
        fn: The function it calls.
        shown: Returns the return type of `wrapper` for `fn`, or Signature.empty if it is unknown.
    """
    functools.update_wrapper(wrapper, fn)
    _name(wrapper, fn)
    # Marks of coroutine functions.
    for mark in ("_is_coroutine", "_is_coroutine_marker"):
        vars(wrapper).pop(mark, None)
    annotations_of_wrapper = partial(_wrapper_annotations, fn, shown)
    try:
        wrapper.__annotations__ = annotations = annotations_of_wrapper(_VALUE)
    except Exception:
        # An annotation refers to a name that is defined later.
        setattr(wrapper, "__annotate__", annotations_of_wrapper)  # noqa: B010
        vars(wrapper)["__signature__"] = _LateSignature(fn, annotations_of_wrapper)
        return wrapper
    # Some builtins have no signature.
    with suppress(TypeError, ValueError):
        returned = annotations.get("return", _UNKNOWN)
        vars(wrapper)["__signature__"] = inspect.signature(fn).replace(return_annotation=returned)
    return wrapper


def awaited(fn: Callable[..., Any]) -> Any:
    """Return the type that awaiting the result of `fn` gives, if known."""
    *_, function = _layers(fn)
    if inspect.iscoroutinefunction(function):
        return _annotations(fn).get("return", _UNKNOWN)
    return _awaited(_returned(fn))


def awaited_or_viewed(fn: Callable[..., Any]) -> Any:
    """Return the return type of `to_sync(fn)`, if known."""
    # The annotation of most functions need not be evaluated.
    if inspect.iscoroutinefunction(next(_layers(fn))):
        return awaited(fn)
    kind = _returned(fn)
    # In the order in which a call checks.
    if _is_a(kind, Awaitable):
        return awaited(fn)
    if _is_a(kind, _AsyncContextManager):
        return _manager(kind)
    sent = typing.get_args(kind)[1:2] if _origin(kind) is AsyncGenerator else ()
    return _generator(kind, *sent)


def returned_type(fn: Callable[..., Any]) -> Any:
    """Return the type that `fn` returns, or for an `async def` the awaited type."""
    kind = _returned(fn)
    *_, function = _layers(fn)
    is_coroutine = inspect.iscoroutinefunction(function) and _origin(kind) is Coroutine
    return typing.get_args(kind)[-1] if is_coroutine else kind


def entered(fn: Callable[..., Any]) -> Any:
    """Return the type of the context manager that enters the result of `fn`, if known."""
    return _manager(_returned(fn))


def iterated(fn: Callable[..., Any]) -> Any:
    """Return the type of the generator over the opened result of `fn`, if known."""
    kind = _returned(fn)
    opened: list[Any] = []
    # Entering a client returns the client itself.
    while kind not in opened and len(opened) < _MOST_LAYERS:
        opened.append(kind)
        if _is_a(kind, _AsyncContextManager):
            kind = _result(kind, "__aenter__")
        elif _is_a(kind, Awaitable):
            kind = _awaited(kind)
    return _generator(kind)


class _LateSignature(inspect.Signature):
    """A signature that is computed on each access."""

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
        # Any: the option is new in Python 3.14, like the annotations that this class is for.
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
    """Iterate over the function behind partials and methods, and those its decorators wrap.

    A class yields itself, and a callable object its `__call__` method.
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn):
        fn = type(fn).__call__
    layer: Any = getattr(fn, "__func__", fn)
    # `unwrap` raises ValueError for endless chains.
    last = inspect.unwrap(layer)
    while layer is not last:
        yield layer
        layer = layer.__wrapped__
    yield last


def _wrapper_annotations(
    fn: Callable[..., Any], shown: Callable[[Callable[..., Any]], Any], form: int
) -> dict[str, Any]:
    """Return the annotations of a wrapper of `fn`; see `copy_signature`."""
    annotations = _annotations(fn, form)
    annotations.pop("return", None)
    if sys.version_info >= (3, 14) and form == Format.STRING:
        evaluated = _wrapper_annotations(fn, shown, _FORWARDREF)
        return annotations_to_string(evaluated) | annotations
    returned = shown(fn)
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


def _returned(fn: Callable[..., Any], type_params: tuple[Any, ...] = ()) -> Any:
    """Return the type of what `fn` returns, if known.

    `type_params` are those of the class that `fn` is a method of.
    """
    first, *_ = layers = list(_layers(fn))
    function = layers[-1]
    if inspect.isclass(function):
        return function
    # Without the parameters, whose names may not be defined yet.
    annotation = _annotations(fn).get("return", _UNKNOWN)
    type_params = *getattr(function, "__type_params__", ()), *type_params
    returned = _evaluated(annotation, getattr(function, "__globals__", {}), type_params)
    outer, inner = (
        (inspect.iscoroutinefunction(each), inspect.isasyncgenfunction(each))
        for each in (first, function)
    )
    if not any(outer) and any(getattr(each, "__code__", None) is _MANAGER_CODE for each in layers):
        return _AsyncContextManager[_item(returned), bool | None]
    # A decorator may have changed the kind of the function; a plain one passes coroutines on.
    if outer != inner and (any(outer) or inner[1]):
        return _UNKNOWN
    return _Coroutine[Any, Any, returned] if inner[0] else returned


def _evaluated(annotation: Any, names: dict[str, Any], type_params: tuple[Any, ...] = ()) -> Any:
    probe = SimpleNamespace(__annotations__={"return": annotation}, __globals__=names)
    # Passed by name: Python 3.12 resolves type parameters of functions only from 3.12.4 on.
    parameters = {each.__name__: each for each in type_params}
    try:
        return typing.get_type_hints(probe, localns=parameters)["return"]
    except Exception:
        # A name is not defined yet, and no annotation is better than a wrong one.
        return _UNKNOWN


def _awaited(kind: Any) -> Any:
    return _result(kind, "__await__", -1) if _is_a(kind, Awaitable) else _UNKNOWN


def _manager(kind: Any) -> Any:
    """Return the type of the context manager that enters a `kind`, if it can be entered."""
    if not _is_a(kind, _AsyncContextManager):
        return _UNKNOWN
    left = _known(_result(kind, "__aexit__", 1))
    return _ContextManager[
        _known(_result(kind, "__aenter__")), bool | None if left is Any else left
    ]


def _generator(kind: Any, sent: Any = None) -> Any:
    """Return the type of the generator over a `kind`, if it can be iterated."""
    return _Generator[_known(_item(kind)), sent, None] if _is_a(kind, AsyncIterable) else _UNKNOWN


def _item(kind: Any) -> Any:
    if not _is_a(kind, AsyncIterable):
        return _UNKNOWN
    return _result(kind, "__anext__" if _is_a(kind, AsyncIterator) else "__aiter__")


def _known(kind: Any) -> Any:
    return Any if kind is _UNKNOWN else kind


def _is_a(kind: Any, base: Any) -> bool:
    return inspect.isclass(_origin(kind)) and issubclass(_origin(kind), base)


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _result(kind: Any, name: str, position: int = 0) -> Any:
    """Return the type that a method of a `kind` finally gives, if known.

    If the standard library has no annotation, it is the type argument at `position`.
    """
    owner = next((each for each in _origin(kind).__mro__ if name in vars(each)), None)
    # It is a virtual subclass, which was registered.
    if owner is None:
        return _UNKNOWN
    given, method = _given(kind, owner), getattr(owner, name)
    is_standard = owner.__module__.partition(".")[0] in sys.stdlib_module_names
    if is_standard and "return" not in _annotations(method):
        result = (*[*given.values()][position:], _UNKNOWN)[0]
        return None if result is NoneType else result
    result = _returned(method, getattr(owner, "__type_params__", ()))
    if name == "__await__":
        result = (*typing.get_args(result)[2:], _UNKNOWN)[0]
    elif name == "__aiter__":
        result = _result(result, "__anext__") if _is_a(result, AsyncIterator) else _UNKNOWN
    else:
        result = _awaited(result)
    # Before `Self` existed, a type variable annotated the first parameter, too.
    if isinstance(result, TypeVar) and result not in given and len(_annotations(method)) > 1:
        result = Self
    return kind if result is Self else _filled(result, given)


def _given(kind: Any, owner: type) -> dict[Any, Any]:
    """Return the types that a `kind` gives the type parameters of `owner`, a base of its class.

    Type parameters of the standard library are identified by position.
    """
    origin, arguments = _origin(kind), typing.get_args(kind)
    bases = vars(origin).get("__orig_bases__", origin.__bases__)
    # Without `Generic`, as when derived from a generic of `collections.abc`, a class has no list
    # of them.
    parameters = getattr(origin, "__parameters__", GenericAlias(tuple, bases).__parameters__)
    if arguments and not parameters:
        return dict(enumerate(arguments))
    given = {each: Any for each in parameters if isinstance(each, TypeVar)}
    if len(arguments) == len(parameters):
        given = dict(zip(parameters, arguments, strict=True))
    if origin is owner:
        return given
    names = getattr(sys.modules.get(origin.__module__), "__dict__", {})
    base = next((base for base in bases if owner in getattr(_origin(base), "__mro__", ())), owner)
    return _given(_filled(_evaluated(base, names), given), owner)


def _filled(kind: Any, given: dict[Any, Any]) -> Any:
    """Return a `kind` with the `given` types for its type parameters, if all are given."""
    if isinstance(kind, TypeVar):
        return given.get(kind, _UNKNOWN)
    wanted = () if inspect.isclass(kind) else getattr(kind, "__parameters__", ())
    # There are other kinds of parameters, too.
    with suppress(LookupError, TypeError):
        return kind[tuple(given[each] for each in wanted)] if wanted else kind
    return _UNKNOWN
