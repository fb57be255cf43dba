"""What a decorated function shows."""

import asyncio
import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import views_to_show as shown
from support import echo

from aiofutures import in_executor, to_sync
from aiofutures._sync.signatures import copy_signature

Manager: Any = AbstractContextManager


def dressed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function dressed as `fn`, which returns a list of what `fn` awaits to."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    return copy_signature(wrapper, fn, list.__class_getitem__)


def test_coroutine_function() -> None:
    """The parameters are those of the function; the return annotation is the wrapper's own."""

    async def fetch(url: str, /, *, retries: int = 3) -> bytes:
        """Fetch."""
        return url.encode() * retries

    wrapper = dressed(fetch)

    assert str(inspect.signature(wrapper)) == "(url: str, /, *, retries: int = 3) -> list[bytes]"
    assert typing.get_type_hints(wrapper) == {"url": str, "retries": int, "return": list[bytes]}
    assert (wrapper.__name__, wrapper.__doc__) == ("fetch", "Fetch.")
    assert vars(wrapper)["__wrapped__"] is fetch


def test_original_stays_as_it_is() -> None:
    """The function that was decorated keeps its own annotations and signature."""

    async def fetch(url: str) -> bytes:
        return url.encode()

    dressed(fetch)

    assert fetch.__annotations__ == {"url": str, "return": bytes}
    assert not hasattr(fetch, "__signature__")


def test_no_return_annotation() -> None:
    """A function without a return annotation gets none."""

    async def fetch(url):  # type: ignore[no-untyped-def]  # that is what is tried here
        return url

    wrapper = dressed(fetch)

    assert str(inspect.signature(wrapper)) == "(url)"
    assert wrapper.__annotations__ == {}


def returns_coroutine(url: str) -> Coroutine[Any, Any, int]:
    """Return a coroutine without being a coroutine function."""
    return echo(len(url))


def returns_awaitable(url: str) -> Awaitable[int]:
    """Return an awaitable."""
    return echo(len(url))


def returns_future(url: str) -> "asyncio.Future[int]":
    """Return a future, annotated with a string."""
    return asyncio.ensure_future(echo(len(url)))


@pytest.mark.parametrize("fn", [returns_coroutine, returns_awaitable, returns_future])
def test_function_that_returns_an_awaitable(fn: Callable[..., Any]) -> None:
    """The type that awaiting gives is taken out of the annotation of the awaitable."""
    wrapper = dressed(fn)

    assert inspect.signature(wrapper).return_annotation == list[int]
    assert typing.get_type_hints(wrapper)["return"] == list[int]


def returns_unknown(url: str) -> "Missing":  # type: ignore[name-defined]  # noqa: F821  tried here
    """Return something whose type cannot be found."""


def returns_any(url: str) -> Any:
    """Return something, perhaps awaitable."""


def returns_list(url: str) -> list[int]:
    """Return what is no awaitable."""
    return [len(url)]


@pytest.mark.parametrize("fn", [returns_unknown, returns_any, returns_list])
def test_unknown_return_annotation(fn: Callable[..., Any]) -> None:
    """No return annotation is better than a wrong one."""
    wrapper = dressed(fn)

    assert inspect.signature(wrapper).return_annotation is inspect.Signature.empty
    assert "return" not in wrapper.__annotations__
    assert wrapper.__annotations__["url"] is str


def test_function_without_a_signature() -> None:
    """A builtin whose signature is not known gets none, and no error."""
    wrapper = dressed(print if not _has_signature(print) else _builtin_without_signature())

    assert not hasattr(wrapper, "__signature__")


def _has_signature(fn: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fn)
    except ValueError:
        return False
    return True


def _builtin_without_signature() -> Callable[..., Any]:
    found: Callable[..., Any] = next(
        fn for fn in (max, min, iter, getattr) if not _has_signature(fn)
    )
    return found


def test_mark_of_coroutine_functions_is_dropped() -> None:
    """A wrapper of a function that was marked as a coroutine function is not one."""

    def fetch() -> Awaitable[int]:
        return echo(1)

    vars(fetch)["_is_coroutine_mark"] = getattr(inspect, "_is_coroutine_mark", object())
    vars(fetch)["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", object())

    wrapper = dressed(fetch)

    assert not inspect.iscoroutinefunction(wrapper)
    assert not vars(wrapper).keys() & {"_is_coroutine_mark", "_is_coroutine"}
    assert "_is_coroutine_mark" in vars(fetch)


class Client:
    """Has methods and is callable."""

    async def fetch(self, url: str) -> bytes:
        """Fetch."""
        return url.encode()

    async def __call__(self, url: str) -> int:
        """Call."""
        return len(url)


@pytest.mark.parametrize(
    ("fn", "signature"),
    [
        (Client().fetch, "(url: str) -> list[bytes]"),
        (Client(), "(url: str) -> list[int]"),
        (functools.partial(Client(), "url"), "() -> list[int]"),
        (functools.partial(Client().fetch), "(url: str) -> list[bytes]"),
    ],
)
def test_methods_objects_and_partials(fn: Callable[..., Any], signature: str) -> None:
    """Bound methods, callable objects and partials show what is left of their parameters."""
    wrapper = dressed(fn)

    assert str(inspect.signature(wrapper)) == signature
    assert vars(wrapper)["__wrapped__"] is fn


def test_class() -> None:
    """A class whose instances are awaitable shows the parameters of its constructor."""

    class Query:
        def __init__(self, text: str) -> None:
            self.text = text

    wrapper = dressed(Query)

    assert str(inspect.signature(wrapper)) == "(text: str)"


@pytest.mark.parametrize(
    ("fn", "returned"),
    [
        (shown.generates, Generator[int, str, None]),
        (shown.generates_from_one, Generator[int, str, None]),
        (shown.iterates, Generator[None, None, None]),
        (shown.returns_iterable, Generator[int, None, None]),
        (shown.returns_counter, Generator[int, None, None]),
        (shown.returns_any_counter, Generator[Any, None, None]),
        (shown.Lines, Generator[bytes, None, None]),
        (shown.Lines(), Generator[bytes, None, None]),
        (shown.Client.items, Generator[str, None, None]),
        (shown.Client("").items, Generator[str, None, None]),
        (shown.manages, Manager[int, bool | None]),
        (functools.partial(shown.manages, "name"), Manager[int, bool | None]),
        (shown.manages_something, Manager[Any, bool | None]),
        (shown.returns_manager, Manager[int, bool | None]),
        (shown.returns_manager_that_suppresses_nothing, Manager[int, None]),
        (shown.Client.open, Manager[bytes, bool | None]),
        (shown.Client("").open, Manager[bytes, bool | None]),
        (shown.Client, Manager[shown.Client, None]),
        (shown.returns_client, Manager[shown.Client, None]),
        (shown.OldClient, Manager[shown.OldClient, bool]),
        (shown.Untyped, Manager[Any, bool | None]),
    ],
)
def test_view(fn: Callable[..., Any], returned: object) -> None:
    """What cannot be awaited shows the type of its synchronous view, also from strings."""
    wrapper = to_sync(fn)

    assert inspect.signature(wrapper).return_annotation == returned
    assert wrapper.__annotations__["return"] == returned


@pytest.mark.parametrize(
    "fn",
    [
        shown.generates_what_is_missing,
        shown.collects,
        shown.returns_reply,
        returns_unknown,
        returns_any,
        returns_list,
    ],
)
def test_unknown_view(fn: Callable[..., Any]) -> None:
    """Where a name is missing, or the kind is not known, there is no return annotation."""
    wrapper = to_sync(fn)

    assert inspect.signature(wrapper).return_annotation is inspect.Signature.empty
    assert "return" not in wrapper.__annotations__


def test_view_of_a_future() -> None:
    """What returns futures has no views, and shows none."""
    wrapper: Callable[..., Any] = in_executor(shown.returns_manager)  # type: ignore[arg-type]

    assert "return" not in wrapper.__annotations__


def test_parameters_of_a_class() -> None:
    """The annotations beside the returned type are those of the constructor."""
    wrapper = to_sync(shown.Client)

    assert wrapper.__annotations__ == {"url": "str", "return": Manager[shown.Client, None]}


@pytest.mark.parametrize(
    ("fn", "names"),
    [
        (functools.partial(echo, 1), ("echo", "echo", "support", echo.__doc__)),
        (
            functools.partial(functools.partial(Client().fetch), "url"),
            ("fetch", "Client.fetch", __name__, "Fetch."),
        ),
        (functools.partial(Client), ("Client", "Client", __name__, Client.__doc__)),
        (Client(), ("Client", "Client", __name__, Client.__doc__)),
    ],
)
@pytest.mark.parametrize("decorate", [to_sync, in_executor])
def test_names(decorate: Any, fn: Callable[..., Any], names: tuple[str, ...]) -> None:
    """What has no name is named after the function behind it, or after its class."""
    wrapper = decorate(fn)

    assert (wrapper.__name__, wrapper.__qualname__, wrapper.__module__, wrapper.__doc__) == names
    assert vars(wrapper)["__wrapped__"] is fn
