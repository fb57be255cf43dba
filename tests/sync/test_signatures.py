"""What a decorated function shows."""

import asyncio
import functools
import inspect
import sys
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import views_to_show as shown
from support import echo

from aiofutures import Future, in_executor, to_sync, to_sync_context, to_sync_iter
from aiofutures._sync.signatures import awaited, copy_signature

Manager: Any = AbstractContextManager


def dressed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plain function dressed as `fn`, which returns a list of what `fn` awaits to."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    def in_list(fn: Callable[..., Any]) -> Any:
        returned = awaited(fn)
        return returned if returned is inspect.Signature.empty else list.__class_getitem__(returned)

    return copy_signature(wrapper, fn, in_list)


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

    # From Python 3.12 on.
    mark = getattr(inspect, "markcoroutinefunction", lambda _: None)
    mark(fetch)
    vars(fetch)["_is_coroutine"] = getattr(asyncio.coroutines, "_is_coroutine", object())
    marks = {*vars(fetch)}

    wrapper = dressed(fetch)

    assert not inspect.iscoroutinefunction(wrapper)
    assert not vars(wrapper).keys() & marks
    assert vars(fetch).keys() == marks


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


def shown_by(wrapper: Callable[..., Any]) -> object:
    """Return what a wrapper shows, all places alike."""
    returned = inspect.signature(wrapper).return_annotation
    assert inspect.get_annotations(wrapper).get("return", inspect.Signature.empty) == returned
    return returned


@pytest.mark.parametrize(
    ("fn", "returned"),
    [
        (shown.manages, Manager[int, bool | None]),
        (shown.manages_something, Manager[Any, bool | None]),
        (functools.partial(shown.manages, "name"), Manager[int, bool | None]),
        (shown.returns_manager, Manager[int, bool | None]),
        (shown.returns_manager_that_suppresses_nothing, Manager[int, None]),
        (shown.Client, Manager[shown.Client, None]),
        (shown.Client("").open, Manager[bytes, bool | None]),
        (shown.OldClient, Manager[shown.OldClient, bool]),
        (shown.Untyped, Manager[Any, bool | None]),
        (shown.Shop.open, Manager[shown.Shop, bool | None]),
        (shown.returns("Stream[int]"), Manager[shown.Stream[int], None]),
        (shown.returns("Subscripted[int]"), Manager[Any, None]),
        (shown.Connection, Manager[shown.Connection, None]),
        (asyncio.timeout, Manager[asyncio.Timeout, bool | None]),
        # It could be awaited, too.
        (shown.returns_reply, Manager[shown.Reply, None]),
    ],
)
def test_entered(fn: Callable[..., Any], returned: object) -> None:
    """What `to_sync_context` enters shows the type of its block, where it could be awaited too."""
    wrapper: Callable[..., Any] = to_sync_context(fn)

    assert shown_by(wrapper) == returned


@pytest.mark.parametrize(
    ("fn", "returned"),
    [
        (shown.generates, int),
        (shown.generates_from_one, int),
        (shown.iterates, None),
        (shown.Lines, bytes),
        (shown.Lines(), bytes),
        (shown.Client("").items, str),
        (shown.answers, int),
        (shown.answers_behind, int),
        (shown.opens, str),
        (shown.manages_items, int),
        (shown.Shop().orders, int),
        (shown.Shop.events, str),
        (shown.returns("AsyncIterable"), Any),
        (shown.returns("Awaitable[AsyncIterable[int]]"), int),
        (shown.returns("AbstractAsyncContextManager[AsyncIterator[int]]"), int),
        (shown.returns("AsyncGenerator[int, str]"), int),
        (shown.returns("asyncio.Task[AsyncIterator[int]]"), int),
        (shown.returns("Coroutine[Any, Any, Stream[int]]"), int),
    ],
)
def test_iterated(fn: Callable[..., Any], returned: object) -> None:
    """What `to_sync_iter` iterates shows its items, behind all that is awaited or entered first."""
    wrapper: Callable[..., Any] = to_sync_iter(fn)

    assert shown_by(wrapper) == Generator[returned, None, None]  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        ("Stream[int]", int),
        ("Stream[T]", shown.T),
        ("Stream", Any),
        ("Integers", int),
        ("Batches[int]", list[int]),
        ("Batches", list[Any]),
        ("Swapped[str, int]", int),
        ("Numbers[int]", int),
        ("Unannotated[int]", Any),
        ("Rows[int]", tuple[int]),
        ("Rows[int, str]", Any),
        ("Rows", Any),
        ("Manufactured", int),
        ("Circular", Any),
        ("Registered", Any),
    ],
)
def test_type_parameters(annotation: str, item: object) -> None:
    """The type arguments of the annotation take the place of the parameters of its class."""
    wrapper: Callable[..., Any] = to_sync_iter(shown.returns(annotation))

    assert shown_by(wrapper) == Generator[item, None, None]  # type: ignore[valid-type]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_type_parameters_in_brackets(future: str) -> None:
    """So they do for parameters that a class declares in brackets, also where they are strings."""
    names: dict[str, Any] = {}
    exec(  # The syntax is an error before.
        f"""
{future}
from collections.abc import AsyncIterator
class Base[U]:
    def __aiter__(self) -> AsyncIterator[dict[str, U]]: ...
class Stream[T](Base[list[T]]): ...
def stream() -> Stream[int]: ...
async def generates[T](item: T) -> AsyncIterator[T]: yield item
""",
        names,
    )

    returned = Generator[dict[str, list[int]], None, None]
    assert shown_by(to_sync_iter(names["stream"])) == returned
    assert shown_by(to_sync(names["stream"])) == returned
    parameter: Any
    (parameter,) = names["generates"].__type_params__
    assert shown_by(to_sync_iter(names["generates"])) == Generator[parameter, None, None]


@pytest.mark.parametrize(
    ("annotation", "returned"),
    [
        ("Query[int]", list[int]),
        ("BareQuery[int]", shown.Stream),
        ("SilentQuery[int]", inspect.Signature.empty),
        ("asyncio.Future[int]", int),
        ("Coroutine[Any, Any, None]", None),
    ],
)
def test_awaitable_of_another_type(annotation: str, returned: object) -> None:
    """What awaiting gives is told by `__await__`, not by a type argument of a user's class."""
    fn = shown.returns(annotation)

    assert shown_by(to_sync(fn)) == returned
    started = returned if returned is inspect.Signature.empty else Future[returned]  # type: ignore[valid-type]
    assert shown_by(in_executor(fn)) == started


def test_sent_to_generators_alone() -> None:
    """A second type argument that is none of a generator says nothing of what can be sent."""
    wrapper: Callable[..., Any] = to_sync(shown.returns("Rows[int, str]"))

    assert shown_by(wrapper) == Generator[Any, None, None]


@pytest.mark.parametrize("decorate", [to_sync_context, to_sync_iter])
@pytest.mark.parametrize(
    "fn",
    [
        shown.generates_what_is_missing,
        shown.returns_nothing,
        returns_unknown,
        returns_any,
        returns_list,
        echo,
    ],
)
def test_unknown_opening(
    decorate: Callable[[Any], Callable[..., Any]], fn: Callable[..., Any]
) -> None:
    """What cannot be opened, as far as its annotation tells, has no return annotation."""
    assert shown_by(decorate(fn)) is inspect.Signature.empty


def test_opened_without_end() -> None:
    """Where each type gives another one there is an end to it, and no return annotation."""
    assert shown_by(to_sync_iter(shown.returns("Box[int]"))) is inspect.Signature.empty


@pytest.mark.parametrize(
    "fn", [shown.collects, shown.generates_behind, shown.manages_behind, shown.pages]
)
@pytest.mark.parametrize("decorate", [to_sync, to_sync_context, to_sync_iter])
def test_another_kind_of_function(
    decorate: Callable[[Any], Callable[..., Any]], fn: Callable[..., Any]
) -> None:
    """Where a decorator may have made another kind of function, there is no return annotation."""
    assert shown_by(decorate(fn)) is inspect.Signature.empty


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
