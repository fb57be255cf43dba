"""What names in the source of a class mean, and what they are in its stub."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from twins.stubs import Write, methods

CLIENT = """
from aiofutures import sync_class
from library import AsyncClient
Client = sync_class(AsyncClient)
"""


def test_order_of_type_variables(write: Write) -> None:
    """Type variables come in the order in which they are written, wherever in a type."""
    stub = write(
        CLIENT,
        library="""
        from typing import Generic, TypeVar
        A = TypeVar("A")
        B = TypeVar("B")
        class Base(Generic[A, B]):
            async def second(self) -> B: ...
        class AsyncClient(Base[list[A], B]):
            async def first(self) -> A: ...
        """,
    )

    assert "class Client(Generic[A, B]):" in stub


def test_source_beside_a_compiled_module(write: Write, tmp_path: Path) -> None:
    """Cython and mypyc leave the source beside what they have compiled."""
    (tmp_path / f"compiled{EXTENSION_SUFFIXES[0]}").touch()
    stub = write(
        CLIENT,
        library="""
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from compiled import Base
        else:
            class Base: ...
        class AsyncClient(Base):
            async def get(self) -> int: ...
        """,
        compiled="class Base:\n    def size(self) -> int: ...\n",
    )

    assert methods(stub)["size"] == "size(self) -> int"


def test_stars(write: Write) -> None:
    """A star passes on what a module lists, defines, or imports as exported; nothing else."""
    stub = write(
        """
        from aiofutures import sync_class
        from package.items import AsyncClient
        Client = sync_class(AsyncClient)
        """,
        **{
            "package.__init__": "from .items import *\nfrom .listed import *\n",
            "package.items": """
            from .kinds import Kind, Open as Open
            from .listed import Listed
            class Own: ...
            class AsyncClient:
                async def all(self) -> tuple[Kind, Own, Open, Listed]: ...
            """,
            "package.kinds": "class Kind: ...\nclass Open: ...\n",
            "package.listed": '__all__ = ["Listed"]\nclass Listed: ...\n',
        },
    )

    assert "from package import AsyncClient, Listed, Open, Own" in stub
    assert "from package.kinds import Kind" in stub


def test_bare_generics(write: Write) -> None:
    """A generic class without type arguments has unknown ones."""
    stub = write(
        CLIENT,
        library="""
        import asyncio
        from collections.abc import Awaitable
        from typing import Generic, TypeVar
        T = TypeVar("T")
        class Page(Generic[T]):
            def __await__(self) -> "Generator[None, None, T]": ...
        class AsyncClient:
            def done(self) -> asyncio.Future: ...
            def page(self) -> Page: ...
            async def later(self) -> asyncio.Future[int]: ...
            async def go(self) -> None: ...
        """,
    )

    assert methods(stub)["done"] == "done(self) -> Any"
    assert methods(stub)["page"] == "page(self) -> Any"
    assert methods(stub)["later"] == "later(self) -> Future[int]"
    assert "from aiofutures import Future" in stub


def test_names_that_a_module_lacks(write: Write) -> None:
    """A name that only a function binds is unknown in the stub."""
    stub = write(
        CLIENT,
        library="""
        class AsyncClient:
            def __init__(self) -> None:
                from decimal import Decimal
                self.cost: Decimal = Decimal(1)
            async def go(self) -> None: ...
        """,
    )

    assert methods(stub)["cost"] == "cost: Any"


def test_namespace_packages(write: Write) -> None:
    """A module of a package without `__init__` is found where it is."""
    stub = write(
        CLIENT,
        library="""
        import space.items
        import space.inner.items
        class AsyncClient:
            async def get(self) -> space.items.Item: ...
            async def inner(self) -> space.inner.items.Item: ...
        """,
        **{"space.items": "class Item: ...\n", "space.inner.items": "class Item: ...\n"},
    )

    assert "from space.items import Item" in stub
    assert "from space.inner.items import Item as items_Item" in stub


def test_deprecated_by_a_library(write: Write) -> None:
    """Type checkers know the standard `deprecated` alone."""
    stub = write(
        CLIENT,
        library="""
        from typing_extensions import deprecated as old
        from other import deprecated
        import typing_extensions
        class AsyncClient:
            @deprecated("1", details="no")
            async def one(self) -> int: ...
            @typing_extensions.deprecated("no")
            async def two(self) -> int: ...
        """,
        other="def deprecated(*args, **kwargs):\n    return lambda fn: fn\n",
    )

    assert methods(stub)["one"] == "one(self) -> int"
    assert methods(stub)["two"] == "@deprecated('no')\ndef two(self) -> int"


def test_object_as_a_base(write: Write) -> None:
    """The members of `object` need not be said."""
    stub = write(
        CLIENT,
        library="""
        class AsyncClient(object):
            async def get(self) -> int: ...
        """,
    )

    assert methods(stub).keys() == {"__wrapped__", "get"}


@pytest.mark.parametrize("kind", ["class", "alias"])
def test_arguments_that_have_lost_their_limits(write: Write, kind: str) -> None:
    """A type variable that has lost its bound is no argument where the bound is required."""
    declared = {
        "class": "class Callback(Generic[C]): ...",
        "alias": "Callback = Callable[[C], Awaitable[None]]",
    }
    stub = write(
        CLIENT,
        library=f"""
        from collections.abc import Awaitable, Callable
        from typing import Generic, TypeVar
        class Connection:
            async def get(self) -> int: ...
        C = TypeVar("C", bound=Connection)
        {declared[kind]}
        class AsyncClient(Generic[C]):
            async def connection(self) -> C: ...
            def configure(self, callback: "Callback[C]") -> None: ...
        """,
    )

    assert methods(stub)["configure"] == "configure(self, callback: Callback[Any]) -> None"


def test_names_assigned_together(write: Write) -> None:
    """An attribute that is None in one of several assignments has no obvious type."""
    stub = write(
        CLIENT,
        library="""
        class AsyncClient:
            def __init__(self, q: int | tuple[int, int]) -> None:
                if isinstance(q, int):
                    self.a, self.b = q, None
                else:
                    self.a, self.b = q
            async def go(self) -> None: ...
        """,
    )

    assert methods(stub)["b"] == "b: Any"


def test_self_of_a_protocol(write: Write) -> None:
    """What a protocol as the type of `self` would say is unknown."""
    stub = write(
        CLIENT,
        library="""
        from typing import Protocol, TypeVar
        T_co = TypeVar("T_co", covariant=True)
        class Opens(Protocol[T_co]):
            async def open(self) -> T_co: ...
        class Mixin:
            async def __aenter__(self: "Opens[T_co]") -> T_co: ...
            async def __aexit__(self, *_: object) -> None: ...
        class AsyncClient(Mixin):
            async def open(self) -> int: ...
        """,
    )

    assert methods(stub)["__enter__"] == "__enter__(self) -> Any"


def test_kinds_at_run_time(write: Write) -> None:
    """A class is async in the stub if it is at run time, where fewer names have a meaning."""
    stub = write(
        CLIENT,
        library="""
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from elsewhere import Other
        class Named:
            def other(self) -> Other: ...
        class Holder:
            def __init__(self, other: Other) -> None:
                self.other = other
                self.client = AsyncClient()
        class Numbers:
            def __init__(self) -> None:
                self.count = 3
            def __aiter__(self): return self
            async def __anext__(self) -> int: ...
        class AsyncClient:
            async def named(self) -> Named: ...
            async def holder(self) -> Holder: ...
            async def numbers(self) -> Numbers: ...
        """,
        elsewhere="class Other:\n    async def get(self) -> int: ...\n",
    )

    assert methods(stub)["named"] == "named(self) -> Named"
    assert methods(stub)["holder"] == "holder(self) -> SyncHolder"
    assert methods(stub)["numbers"] == "numbers(self) -> Generator[int, None, None]"


def test_kinds_of_the_source(write: Write) -> None:
    """A class that only type checkers know is async if its source says so."""
    stub = write(
        CLIENT,
        library="""
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from hidden import Aliased, Called, Letters, Nothing, Other, Plain, Union
        class AsyncClient:
            async def letters(self) -> Letters: ...
            async def union(self) -> Union: ...
            async def aliased(self) -> Aliased: ...
            async def called(self) -> Called: ...
            async def plain(self) -> Plain: ...
            async def nothing(self) -> Nothing: ...
        """,
        hidden="""
        class Other:
            async def get(self) -> int: ...
        class Letters:
            def __aiter__(self) -> Letters: ...
            async def __anext__(self) -> str: ...
        class Union:
            def get(self) -> Other | None: ...
        Alias = Other | None
        class Aliased:
            def plain(self) -> NoAlias: ...
            def get(self) -> Alias: ...
            def get_more(self) -> Alias: ...
        class Twice(Aliased):
            def more(self) -> Alias: ...
        class Called:
            async def __call__(self) -> int: ...
        def function(): ...
        NoAlias: int
        class Plain:
            def get(self) -> function: ...
            def none(self) -> NoAlias: ...
        class Nothing:
            class Inner: ...
            def twice(self) -> Twice: ...
        """,
    )

    assert {name: text.partition(" -> ")[2] for name, text in methods(stub).items()} == {
        "__wrapped__": "AsyncClient",
        "letters": "Generator[str, None, None]",
        "union": "SyncUnion",
        "aliased": "SyncAliased",
        "called": "SyncCalled",
        "plain": "Plain",
        "nothing": "SyncNothing",
    }


def test_containers_through_aliases(write: Write) -> None:
    """An alias inside of a container has either twins in it, or originals."""
    stub = write(
        CLIENT,
        library="""
        class Item:
            async def get(self) -> int: ...
        Items = list[Item]
        class AsyncClient:
            async def items(self) -> Items: ...
            def add(self, items: dict[str, Items]) -> None: ...
        """,
    )

    assert (
        methods(stub)["add"]
        == "add(self, items: dict[str, Items] | dict[str, list[SyncItem]]) -> None"
    )


def test_other_names(write: Write) -> None:
    """Aliases of methods, calls of calls, methods of objects, and what is unpacked."""
    stub = write(
        """
        from collections import OrderedDict, defaultdict, deque
        from aiofutures import sync_class, to_sync
        class AsyncClient:
            async def get(self) -> int: ...
            alias = get
        Client = sync_class(AsyncClient)
        class Plain:
            def first(self) -> int: ...
            second = first
        async def fetch() -> int: ...
        blocking = to_sync(timeout=3)(fetch)
        plain = Plain()
        first = plain.first
        recent = deque([1])
        table = defaultdict(list, a=[1])
        one, *others = range(3)
        ((*rest,), two) = ([1, 2], 3)
        def __getattr__(name: str) -> object: ...
        """,
        target="clients",
    )

    assert methods(stub, "Plain").keys() == {"first", "second"}
    for line in (
        "blocking = to_sync(timeout=3)(fetch)",
        "first = plain.first",
        "recent: deque[int]",
        "table: defaultdict[str, list[int]]",
        "others: list[int]",
        "# pyright: reportIncompleteStub=false",
    ):
        assert f"\n{line}\n" in stub


def test_names_of_nowhere(write: Write) -> None:
    """A module that is not installed may have what a type says."""
    stub = write(
        CLIENT,
        library="""
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from nowhere import Missing
        class AsyncClient:
            async def get(self) -> Missing: ...
        """,
    )

    assert "from nowhere import Missing" in stub


def test_awaited_by_what_is_unknown(write: Write) -> None:
    """What awaiting an object gives is unknown if nothing says what it awaits."""
    stub = write(
        CLIENT,
        library="""
        class Coming:
            get = None
            def __await__(self): return self.get().__await__()
        class AsyncClient:
            async def go(self) -> None: ...
            def coming(self) -> Coming: ...
        """,
    )

    assert methods(stub)["coming"] == "coming(self) -> Any"


def test_bound_that_is_anything(write: Write) -> None:
    """A type variable whose bound has `object` in it accepts twins as it is."""
    stub = write(
        CLIENT,
        library="""
        from typing import TypeVar
        class Page:
            async def text(self) -> str: ...
        T = TypeVar("T", bound="Page | object | None")
        P = TypeVar("P", bound="Page")
        class AsyncClient:
            async def get(self, kind: type[T]) -> T: ...
            async def page(self, page: P) -> P: ...
        """,
    )

    assert "from library import AsyncClient, Page, T\n" in stub
    assert 'P = TypeVar("P", bound=Page | SyncPage)' in stub


def test_self_of_the_original(write: Write) -> None:
    """What is kept as it is has the original, not the twin: callbacks and plain generics."""
    stub = write(
        CLIENT,
        library="""
        from collections.abc import Callable
        from typing import Generic, Self, TypeVar
        T = TypeVar("T")
        S = TypeVar("S", bound="AsyncClient")
        class Box(Generic[T]): ...
        class AsyncClient:
            def on(self, callback: Callable[[Self], None]) -> Box[Self]: ...
            def on_other(self: S, callback: Callable[[S], None]) -> list[S]: ...
            async def same(self, other: Self) -> Self: ...
        """,
    )

    assert methods(stub)["on"] == "on(self, callback: Callable[[Any], None]) -> Box[Any]"
    assert methods(stub)["on_other"] == (
        "on_other(self, callback: Callable[[Any], None]) -> list[Self]"
    )
    assert methods(stub)["same"] == "same(self, other: Self) -> Self"
