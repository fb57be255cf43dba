"""The members of stubs that decorators have made."""

import sys
import textwrap
from pathlib import Path

import pytest

from twins.stubs import methods, stub_of_members

DECORATORS = """
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import (
    Any, Concatenate, Generic, NewType, ParamSpec, Self, TypeAlias, TypeVar, overload)
P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])
Method: TypeAlias = Callable[P, Awaitable[R]]
Same = Method
class Conn: ...
class Page:
    async def text(self) -> str: ...
def drops(fn: Callable[Concatenate[S, Conn, P], Awaitable[R]]) -> Callable[
    Concatenate[S, P], Coroutine[Any, Any, R]]: return fn
def adds(fn: "Callable[Concatenate[S, P], Awaitable[R]]") -> (
    "Callable[Concatenate[S, Conn, P], Awaitable[R | None]]"): return fn
def adds_page(fn: Callable[P, R]) -> Callable[Concatenate[Any, Page, P], R]: return fn
def adds_unknown(fn: Callable[P, R]) -> Callable[Concatenate[Any, S, P], R]: return fn
def listed(fn: Method[P, R]) -> Method[P, list[R]]: return fn
def waits(fn: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]: return fn
def collects(fn: Callable[P, AsyncIterator[R]]) -> Callable[P, Awaitable[list[R]]]: return fn
def entered(fn: Callable[P, AbstractAsyncContextManager[R]]) -> Callable[P, Awaitable[R]]: return fn
def fixed(fn: Callable[[S, int], Awaitable[R]]) -> Callable[[S, str, Page], Awaitable[R]]: return fn
def loose(fn: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[list[R]]]: return fn
def bare(fn: Callable[..., Any]) -> Callable[..., Any]: return fn
def anything(fn: Any) -> Any: return fn
def lost(fn: Callable[P, R]) -> Callable[Q, R]: return fn
def lost_result(fn: Callable[P, Any]) -> Callable[P, R]: return fn
def needs_two(fn: Callable[Concatenate[S, int, Conn, P], R]) -> Callable[P, R]: return fn
def untold(fn: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]: return fn
def first(fn: Callable[Concatenate[S, R, P], Any]) -> Callable[Concatenate[S, P], R]: return fn
def one(fn: Callable[P, list[R]]) -> Callable[P, R]: return fn
def of_a_list(fn: Callable[Concatenate[S, list[R], P], Any]) -> Callable[Concatenate[S, P], R]:
    return fn
def adds_list(fn: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, list[Page], P], R]:
    return fn
def odd(fn: F) -> Callable[..., int]: return fn
def make(): return lambda fn: fn
made = make()
UserId = NewType("UserId", int)
class Renewed:
    def __new__(cls, fn): return fn
class Retry:
    def __init__(self, n: int = 3) -> None: ...
    def __call__(self, fn: F) -> F: return fn
    def listed(self, fn: Method[P, R]) -> Method[P, list[R]]: return fn
    def times(self, n: int) -> Callable[[Method[P, R]], Method[P, list[R]]]: return self.listed
    @staticmethod
    def static(fn: Method[P, R]) -> Method[P, list[R]]: return fn
    number = staticmethod(lambda fn: fn)
class Dynamic: ...
setattr(Dynamic, "__call__", lambda self, fn: fn)
dynamic = Dynamic()
class Listing:
    def __call__(self, fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[list[R]]]: return fn
class Nothing:
    __call__ = staticmethod(lambda fn: fn)
retry = Retry()
listing = Listing()
nothing = Nothing()
partial = functools.partial(lambda fn: fn)
def chosen(n: int) -> Listing: return Listing()
def chosen_nothing(n: int) -> "Listing | None": return Listing()
def times(n: int) -> Callable[[Method[P, R]], Method[P, list[R]]]: return listed
twice = times(2)
again = twice
same = listed
class Described(Generic[P, R]):
    def __init__(self, fn: Callable[P, Awaitable[R]]) -> None: ...
    def __get__(self, obj: Any, owner: Any) -> Any: ...
class Opaque(Generic[P, R]): ...
def opaque(fn: Callable[P, Awaitable[R]]) -> Opaque[P, R]: return fn
class reify(Generic[R]):
    def __init__(self, fn: Callable[[Any], R]) -> None: ...
    @overload
    def __get__(self, obj: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, obj: object, owner: Any) -> R: ...
class Method_(Generic[R]):
    def __init__(self, fn: Callable[..., R]) -> None: ...
    def __get__(self, obj: object, owner: Any) -> Callable[..., R]: ...
class Silent(Generic[R]):
    def __init__(self, fn: Callable[..., R]) -> None: ...
    def __get__(self, obj, owner): ...
def lazy(fn: Callable[[Any], R]) -> "reify[list[R]]": return fn
def silent(n: int): return lambda fn: fn
@overload
def option(fn: F) -> F: ...
@overload
def option(*, n: int) -> Callable[[Method[P, R]], Method[P, tuple[R, int]]]: ...
def option(fn: Any = None, *, n: int = 0) -> Any: return fn or (lambda fn: fn)
"""

DECORATED = [
    (
        "@drops\nasync def get(self, conn: Conn, a: str, *, b: int = 3) -> Page: ...",
        "get(self, a: str, *, b: int=3) -> SyncPage",
    ),
    (
        "@drops\nasync def get(self, conn: Conn = ..., a: str = 'x', /, b: int = 3) -> Page: ...",
        "get(self, a: str='x', /, b: int=3) -> SyncPage",
    ),
    (
        "@adds\nasync def get(self, a: str = '') -> Page: ...",
        "get(self, arg1: Conn, /, a: str='') -> SyncPage | None",
    ),
    (
        "@adds_page\n@staticmethod\nasync def get(a: int) -> int: ...",
        "@staticmethod\ndef get(arg0: Any, arg1: Page | SyncPage, /, a: int) -> int",
    ),
    ("@adds_unknown\nasync def get(self) -> int: ...", "get: Any"),
    ("@listed\nasync def get(self, a: int) -> Page: ...", "get(self, a: int) -> list[SyncPage]"),
    ("@listed\n@listed\nasync def get(self) -> int: ...", "get(self) -> list[list[int]]"),
    ("@listed\n@drops\nasync def get(self, conn: Conn) -> Self: ...", "get(self) -> list[Self]"),
    ("@waits\ndef get(self) -> Page: ...", "get(self) -> SyncPage"),
    (
        "@collects\nasync def get(self) -> AsyncIterator[Page]:\n    yield Page()",
        "get(self) -> list[SyncPage]",
    ),
    (
        "@entered\n@asynccontextmanager\nasync def get(self) -> AsyncIterator[Page]: yield Page()",
        "get(self) -> SyncPage",
    ),
    (
        "@fixed\nasync def get(self, a: int) -> bytes: ...",
        "get(self, arg1: str, arg2: Page | SyncPage, /) -> bytes",
    ),
    ("@fixed\nasync def get(self) -> bytes: ...", "get: Any"),
    ("@loose\nasync def get(self, a: int) -> bytes: ...", "get(self, a: int) -> list[bytes]"),
    ("@bare\nasync def get(self, a: int) -> bytes: ...", "get(self, a: int) -> bytes"),
    ("@anything\nasync def get(self, a: int) -> bytes: ...", "get(self, a: int) -> bytes"),
    ("@lost\nasync def get(self, a: int) -> bytes: ...", "get: Any"),
    ("@lost_result\nasync def get(self, a: int) -> bytes: ...", "get: Any"),
    ("@needs_two\nasync def get(self, a: int) -> bytes: ...", "get: Any"),
    ("@untold\nasync def get(self, a: int): return 3", "get(self, a: int) -> int"),
    ("@first\n@adds\nasync def get(self) -> int: ...", "get(self) -> Conn"),
    ("@one\ndef get(self) -> list[Page]: ...", "get(self) -> SyncPage"),
    ("@one\ndef get(self) -> set[int]: ...", "get: Any"),
    ("@one\ndef get(self) -> UserId: ...", "get: Any"),
    ("@of_a_list\ndef get(self, a: int) -> int: ...", "get: Any"),
    ("@of_a_list\n@adds_list\ndef get(self, a: int) -> int: ...", "get(self, a: int) -> SyncPage"),
    ("@made\ndef get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@odd\nasync def get(self) -> int: ...", "get: Any"),
    ("@dynamic\nasync def get(self) -> int: ...", "get(self) -> int"),
    ("@retry.listed\nasync def get(self) -> int: ...", "get(self) -> list[int]"),
    ("@retry.times(2)\nasync def get(self) -> int: ...", "get(self) -> list[int]"),
    ("@retry.static\nasync def get(self) -> int: ...", "get(self) -> list[int]"),
    ("@retry.number\nasync def get(self) -> int: ...", "get(self) -> int"),
    (
        "@(retry.listed if True else retry.listed)\nasync def get(self) -> int: ...",
        "get(self) -> int",
    ),
    ("@Renewed\ndef get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@Retry(4)\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@retry\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@listing\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> list[int]"),
    ("@chosen(3)\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> list[int]"),
    ("@chosen_nothing(3)\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@twice\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> list[int]"),
    ("@again\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> list[int]"),
    ("@same\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> list[int]"),
    ("@nothing\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@partial\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@silent(3)\nasync def get(self, a: int) -> int: ...", "get(self, a: int) -> int"),
    ("@opaque\nasync def get(self, a: int) -> int: ...", "get: Any"),
    ("@Described\nasync def get(self, a: int) -> int: ...", "@property\ndef get(self) -> Any"),
    ("@reify\ndef get(self) -> Page: ...", "@property\ndef get(self) -> SyncPage"),
    ("@lazy\ndef get(self) -> int: ...", "@property\ndef get(self) -> list[int]"),
    ("@Method_\ndef get(self) -> int: ...", "get: Any"),
    ("@Silent\ndef get(self) -> int: ...", "get: Any"),
    ("@option\nasync def get(self) -> int: ...", "get(self) -> int"),
    ("@option(n=3)\nasync def get(self) -> int: ...", "get(self) -> tuple[int, int]"),
    (
        "@classmethod\n@listed\nasync def get(cls) -> Self: ...",
        "@classmethod\ndef get(cls) -> list[Self]",
    ),
    ("@listed\nasync def get(self: S, other: S) -> S: ...", "get(self, other: Self) -> list[Self]"),
    ("@listed\nasync def get(self, a: type[R]) -> R: ...", "get(self, a: type[R]) -> list[R]"),
]

WITH_BRACKETS = [
    (
        "@listed\nasync def get[T](self, a: type[T]) -> T: ...",
        "get[T](self, a: type[T]) -> list[T]",
    ),
    ("@listed\nasync def get[T](self: T) -> T: ...", "get(self) -> list[Self]"),
    (
        "@asynccontextmanager\nasync def get[T](self, a: T) -> AsyncIterator[T]: yield a",
        "get[T](self, a: T) -> AbstractContextManager[T, bool | None]",
    ),
]


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stub with a class for each."""
    sources = [textwrap.indent(source, "    ").strip() for source, _ in DECORATED]
    return stub_of_members(tmp_path_factory.mktemp("decorated"), DECORATORS, sources)


@pytest.mark.parametrize(("number", "expected"), [*enumerate(each for _, each in DECORATED)])
def test_method(stub: str, number: int, expected: str) -> None:
    """A method has the type that the decorators give it; Any if they do not tell."""
    assert methods(stub, f"Client{number}")["get"] == expected


@pytest.mark.skipif(sys.version_info < (3, 12), reason="is new syntax in Python 3.12")
@pytest.mark.parametrize(("source", "expected"), WITH_BRACKETS)
def test_brackets(tmp_path: Path, source: str, expected: str) -> None:
    """The type parameters of a method are known in what decorators make of it."""
    stub = stub_of_members(tmp_path, DECORATORS, [textwrap.indent(source, "    ").strip()])

    assert methods(stub, "Client0")["get"] == expected
