"""The members, bases and attributes of classes in stubs."""

import ast

from twins.stubs import Write, methods


def _bases(stub: str) -> dict[str, list[str]]:
    """Return the bases of the classes of a stub."""
    classes = [each for each in ast.parse(stub).body if isinstance(each, ast.ClassDef)]
    return {cls.name: [*map(ast.unparse, cls.bases)] for cls in classes}


class TestManagers:
    """Methods that the standard library's `contextmanager` has made."""

    def test_sync(self, write: Write) -> None:
        """What a sync manager yields is a twin, too."""
        stub = write(
            """
            from collections.abc import Generator, Iterator
            from contextlib import contextmanager
            from typing import Any, Callable, Generic, ParamSpec, Self, TypeVar
            from aiofutures import sync_class
            P = ParamSpec("P")
            R = TypeVar("R")
            T = TypeVar("T")
            def logged(fn: Callable[P, R]) -> Callable[P, R]: return fn
            def listed(fn: Callable[P, R]) -> Callable[P, list[R]]: return fn
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncClient:
                @contextmanager
                def lock(self, page: AsyncPage) -> Generator[AsyncPage]: yield page
                @contextmanager
                def quoted(self) -> "Iterator[list[AsyncPage]]": yield []
                @contextmanager
                def itself(self) -> Iterator[Self]: yield self
                @contextmanager
                def old(self: T) -> Iterator[T]: yield self
                @contextmanager
                def bare(self) -> Iterator: yield 1
                @logged
                @contextmanager
                def logged(self) -> Iterator[AsyncPage]: yield AsyncPage()
                @listed
                @contextmanager
                def paired(self) -> Iterator[AsyncPage]: yield AsyncPage()
                async def get(self) -> AsyncPage: ...
            class AsyncPool(Generic[T]):
                @contextmanager
                def itself(self) -> Iterator[Self]: yield self
                async def get(self) -> T: ...
            Client = sync_class(AsyncClient)
            Page = sync_class(AsyncPage)
            Pool = sync_class(AsyncPool)
            """
        )

        manager = "AbstractContextManager"
        members = methods(stub)
        assert members["lock"].endswith(f"-> {manager}[Page, bool | None]")
        assert members["quoted"] == f"quoted(self) -> {manager}[list[Page], bool | None]"
        assert members["itself"] == f"itself(self) -> {manager}[Self, bool | None]"
        assert members["old"] == f"old(self) -> {manager}[Self, bool | None]"
        assert members["bare"] == f"bare(self) -> {manager}[Any, bool | None]"
        assert members["logged"] == f"logged(self) -> {manager}[Page, bool | None]"
        assert members["paired"] == f"paired(self) -> list[{manager}[Page, bool | None]]"
        itself = methods(stub, "Pool")["itself"]
        assert itself == f"itself(self) -> {manager}[Self, bool | None]"


class TestBases:
    """The bases of twins."""

    def test_nearest(self, write: Write) -> None:
        """A twin derives from the twins of its nearest ancestors that the stub has."""
        stub = write(
            """
            from typing import Final, final
            from aiofutures import sync_class
            class Plain: ...
            class AsyncClient(Plain):
                RETRIES: Final = 3
                limit: "Final[int]"
                @final
                async def get(self) -> int: ...
                async def merge(self, other: "AsyncClient") -> "AsyncClient": ...
            class AsyncPaged:
                async def pages(self) -> int: ...
            class Between(AsyncClient): ...
            class AsyncAzure(Between, AsyncPaged, Plain):
                async def login(self) -> int: ...
            class AsyncBlob(AsyncAzure): ...
            Blob = sync_class(AsyncBlob)
            Azure = sync_class(AsyncAzure)
            Client = sync_class(AsyncClient)
            Paged = sync_class(AsyncPaged)
            """
        )

        bases = _bases(stub)
        assert bases["Blob"] == ["Azure"]
        assert bases["Azure"] == ["Client", "Paged"]
        assert bases["Client"] == bases["Paged"] == []
        assert methods(stub).keys() == {"__wrapped__", "RETRIES", "limit", "get", "merge"}
        # Flat, but what is final is defined only once.
        assert methods(stub, "Azure").keys() == {"__wrapped__", "login", "merge", "pages"}
        assert methods(stub, "Blob").keys() == methods(stub, "Azure").keys()

    def test_made_by_others(self, write: Write) -> None:
        """Twins to which the members of others lead are bases, too."""
        stub = write(
            """
            from aiofutures import sync_class
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncIndex(AsyncPage): ...
            class AsyncClient(AsyncIndex):
                async def page(self) -> AsyncPage: ...
            Client = sync_class(AsyncClient)
            """
        )

        assert _bases(stub)["Client"] == ["SyncPage"]

    def test_generic(self, write: Write) -> None:
        """A generic base has the known type arguments, unless those are async."""
        stub = write(
            """
            from enum import Enum
            from typing import Generic, NamedTuple, TypeVar
            from typing_extensions import TypeVarTuple, Unpack
            from aiofutures import sync_class
            T = TypeVar("T")
            Ts = TypeVarTuple("Ts")
            class AsyncRoot:
                async def root(self) -> int: ...
            class AsyncRepo(AsyncRoot, Generic[T]):
                async def get(self) -> T: ...
            class AsyncRows(AsyncRoot, Generic[Unpack[Ts]]):
                async def row(self) -> tuple[Unpack[Ts]]: ...
            class AsyncInts(AsyncRepo[int]): ...
            class AsyncAny(AsyncRepo): ...
            class AsyncLists(AsyncRepo[list[T]]): ...
            class AsyncRoots(AsyncRepo[AsyncRoot]): ...
            class AsyncDeep(AsyncLists[AsyncRoot]): ...
            class Unnamed:
                async def one(self) -> int: ...
            class AsyncTaking(AsyncRoot, Generic[T]):
                async def take(self, value: T) -> None: ...
            class AsyncTaker(AsyncTaking[Unnamed]): ...
            class AsyncIntRows(AsyncRows[int, str]): ...
            class Pair(NamedTuple):
                root: AsyncRoot
            class AsyncPair(Pair):
                async def all(self) -> Pair: ...
            Root = sync_class(AsyncRoot)
            Repo = sync_class(AsyncRepo)
            Rows = sync_class(AsyncRows)
            Ints = sync_class(AsyncInts)
            Anything = sync_class(AsyncAny)
            Lists = sync_class(AsyncLists)
            Roots = sync_class(AsyncRoots)
            IntRows = sync_class(AsyncIntRows)
            Deep = sync_class(AsyncDeep)
            Taking = sync_class(AsyncTaking)
            Taker = sync_class(AsyncTaker)
            Several = sync_class(AsyncPair)
            """
        )

        bases = _bases(stub)
        assert bases["Repo"] == ["Root", "Generic[T]"]
        assert bases["Ints"] == ["Repo[int]"]
        assert bases["Anything"] == ["Repo[Any]"]
        assert bases["Lists"] == ["Repo[list[T]]", "Generic[T]"]
        for name in ("Roots", "IntRows", "Deep", "Taker"):
            assert bases[name] == ["Root"]
        assert "SyncUnnamed" not in stub
        assert bases["Several"] == []
        rows = "row(self) -> tuple[Unpack[tuple[int, str]]]"
        assert methods(stub, "IntRows")["row"] == rows

    def test_variables_for_several_types(self, write: Write) -> None:
        """Type arguments are those of the variables at their places."""
        stub = write(
            """
            from typing import Generic, TypeVar, TypeVarTuple
            from aiofutures import sync_class
            S = TypeVar("S")
            T = TypeVar("T")
            Ts = TypeVarTuple("Ts")
            class AsyncTable(Generic[S, *Ts, T]):
                async def row(self, *cells: *Ts) -> tuple[*Ts]: ...
                async def ends(self) -> tuple[S, T]: ...
                async def nothing(self, key: tuple[()]) -> tuple[()]: ...
            class AsyncUsers(AsyncTable[int, str, bytes, float]): ...
            class AsyncBare(AsyncTable): ...
            class AsyncRows(Generic[*Ts]):
                async def row(self) -> tuple[*Ts]: ...
            class AsyncEmpty(AsyncRows[()]): ...
            Users = sync_class(AsyncUsers)
            Bare = sync_class(AsyncBare)
            Empty = sync_class(AsyncEmpty)
            """
        )

        users = methods(stub, "Users")
        assert "def row(self, *cells: *tuple[str, bytes]) -> tuple[*tuple[str, bytes]]: ..." in stub
        assert users["ends"] == "ends(self) -> tuple[int, float]"
        assert users["nothing"] == "nothing(self, key: tuple[()]) -> tuple[()]"
        assert "def row(self, *cells: *tuple[Any, ...]) -> tuple[*tuple[Any, ...]]: ..." in stub
        assert methods(stub, "Bare")["ends"] == "ends(self) -> tuple[Any, Any]"
        assert "def row(self) -> tuple[*tuple[()]]: ..." in stub


class TestKinds:
    """Members of unusual kinds."""

    def test_members(self, write: Write) -> None:
        """Each has the type that its twin's has."""
        stub = write(
            """
            from collections.abc import Awaitable, Callable
            from dataclasses import dataclass
            from functools import singledispatchmethod
            from typing import Any, Final, ParamSpec, TypeVar
            from aiofutures import sync_class
            import library
            P = ParamSpec("P")
            T = TypeVar("T")
            class AsyncPart:
                async def go(self) -> int: ...
            @dataclass
            class AsyncClient(library.Base):
                number: Final[int] = 3
                def keep(self, fn: Callable[P, Any], value: T, *args: P.args) -> T:
                    self.fn = fn
                    self.value = value
                    self.args = args
                    return value
                async def make(self, kind: type[AsyncPart]) -> AsyncPart: ...
                @library.Base.limit.setter
                def limit(self, value: int) -> None: ...
                @library.Base.bare.deleter
                def bare(self) -> None: ...
                @singledispatchmethod
                async def find(self, key: object) -> str: ...
                def __getattr__(self, name: str) -> Callable[..., Awaitable[int]]: ...
            Part = sync_class(AsyncPart)
            Client = sync_class(AsyncClient)
            """,
            library="""
            class Limit: ...
            class Base:
                @property
                def limit(self) -> Limit: ...
                @property
                def bare(self): ...
            """,
        )

        members = methods(stub)
        assert members["__init__"] == "__init__(self, number: int=...) -> None"
        assert members["fn"] == "fn: Any"
        assert members["value"] == "value: Any"
        assert members["make"] == "make(self, kind: type[AsyncPart] | type[Part]) -> Part"
        assert members["limit"] == (
            "@property\ndef limit(self) -> Limit; "
            "@limit.setter\ndef limit(self, value: int) -> None"
        )
        assert members["find"] == "find(self, key: object) -> str"
        assert members["__getattr__"] == "__getattr__(self, name: str) -> Callable[..., int]"

    def test_types(self, write: Write) -> None:
        """Checks narrow to twins, aliases of all forms are seen through, and Self is inherited."""
        stub = write(
            """
            from typing import Self, TypeVar
            from typing_extensions import TypeAliasType, TypeIs
            from aiofutures import sync_class
            T = TypeVar("T")
            class AsyncPart:
                async def go(self) -> int: ...
            Parts = TypeAliasType("Parts", list[AsyncPart])
            Pairs = TypeAliasType("Pairs", tuple[T, AsyncPart], type_params=(T,))
            class AsyncModel:
                @classmethod
                async def all(cls) -> list[Self]: ...
                async def same(self) -> Self: ...
            class AsyncClient(AsyncModel):
                def is_part(self, value: object) -> TypeIs[AsyncPart]: ...
                async def parts(self, parts: Parts) -> Parts: ...
                async def pairs(self) -> Pairs[int]: ...
            Part = sync_class(AsyncPart)
            Model = sync_class(AsyncModel)
            Client = sync_class(AsyncClient)
            """
        )

        members = methods(stub)
        assert members["is_part"] == "is_part(self, value: object) -> TypeIs[Part]"
        assert members["parts"] == "parts(self, parts: list[AsyncPart] | list[Part]) -> list[Part]"
        assert members["pairs"] == "pairs(self) -> tuple[int, Part]"
        assert "all" not in members
        assert members["same"] == "same(self) -> Self"

    def test_options(self, write: Write) -> None:
        """Twins with other options are others: members give their own kind, and take all."""
        stub = write(
            """
            from aiofutures import sync_class
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncNode:
                async def child(self) -> "AsyncNode": ...
                async def page(self) -> AsyncPage: ...
                async def add(self, page: AsyncPage) -> None: ...
            Page = sync_class(AsyncPage)
            Node = sync_class(AsyncNode)
            SlowNode = sync_class(AsyncNode, timeout=60, name="SlowNode")
            """
        )

        assert methods(stub, "Node")["child"] == "child(self) -> Node"
        assert methods(stub, "SlowNode")["child"] == "child(self) -> SlowNode"
        assert methods(stub, "Node")["page"] == "page(self) -> Page"
        assert methods(stub, "SlowNode")["page"] == "page(self) -> SyncPage"
        add = "add(self, page: AsyncPage | Page | SyncPage) -> None"
        assert methods(stub, "Node")["add"] == methods(stub, "SlowNode")["add"] == add


class TestLimits:
    """What the page on twins says that a stub does not tell."""

    def test_alias_of_itself(self, write: Write) -> None:
        """The inner part of an alias that refers to itself has originals."""
        stub = write(
            """
            from aiofutures import sync_class
            class AsyncPage:
                async def text(self) -> str: ...
            Nest = AsyncPage | list["Nest"]
            class AsyncClient:
                async def get(self, nest: Nest) -> Nest: ...
            Page = sync_class(AsyncPage)
            Client = sync_class(AsyncClient)
            """
        )

        get = "get(self, nest: AsyncPage | Page | list[Nest]) -> Page | list[Nest]"
        assert methods(stub)["get"] == get

    def test_named_tuple(self, write: Write) -> None:
        """One with async methods has its fields, and is no tuple."""
        stub = write(
            """
            from typing import NamedTuple
            from aiofutures import sync_class
            class AsyncRow(NamedTuple):
                size: int
                async def load(self) -> str: ...
            Row = sync_class(AsyncRow)
            """
        )

        assert "class Row:" in stub
        names = {"__wrapped__", "__init__", "size", "load"}
        assert methods(stub, "Row").keys() == names

    def test_base_with_an_async_argument(self, write: Write) -> None:
        """Of a base with an async argument, a twin has the members, but does not derive."""
        stub = write(
            """
            from typing import Generic, TypeVar
            from aiofutures import sync_class
            T = TypeVar("T")
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncCollection(Generic[T]):
                async def first(self) -> T: ...
            class AsyncPages(AsyncCollection[AsyncPage]): ...
            class AsyncNumbers(AsyncCollection[int]): ...
            Page = sync_class(AsyncPage)
            Collection = sync_class(AsyncCollection)
            Pages = sync_class(AsyncPages)
            Numbers = sync_class(AsyncNumbers)
            """
        )

        assert methods(stub, "Pages")["first"] == "first(self) -> Page"
        assert "class Pages:" in stub
        assert "class Numbers(Collection[int]):" in stub


class TestTypeVariables:
    """The type variables of methods."""

    def test_bound(self, write: Write) -> None:
        """One that is bound to an async class accepts its twin, and those of its subclasses."""
        stub = write(
            """
            from typing import TypeVar
            from aiofutures import sync_class
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncBook(AsyncPage): ...
            P = TypeVar("P", bound="AsyncPage")
            One = TypeVar("One", AsyncPage, str)
            class AsyncClient:
                async def add(self, page: P) -> P: ...
                async def one(self, one: One) -> One: ...
            Client = sync_class(AsyncClient)
            Book = sync_class(AsyncBook)
            """
        )

        variable = methods(stub)["add"].rpartition(" ")[2]
        assert f'{variable} = TypeVar("{variable}", bound=AsyncPage | SyncPage)\n' in stub
        assert methods(stub)["add"] == f"add(self, page: {variable}) -> {variable}"
        assert _bases(stub)["Book"] == ["SyncPage"]
        variable = methods(stub)["one"].rpartition(" ")[2]
        assert f'{variable} = TypeVar("{variable}")\n' in stub

    def test_bound_of_class_and_method(self, write: Write) -> None:
        """One that a generic class has too is another one there, without a bound."""
        stub = write(
            """
            from aiofutures import sync_class
            from library import *
            Client = sync_class(AsyncClient)
            Pool = sync_class(AsyncPool)
            """,
            library="""
            from typing import Generic, TypeVar
            class Conn:
                async def ping(self) -> str: ...
            C = TypeVar("C", bound=Conn)
            class AsyncPool(Generic[C]):
                async def get(self) -> C: ...
            class AsyncClient:
                async def pool(self, conn: C, pool: AsyncPool[C]) -> C: ...
            """,
        )

        assert 'C = TypeVar("C", bound=Conn | SyncConn)\n' in stub
        assert 'library_C = TypeVar("library_C")\n' in stub
        assert methods(stub)["pool"] == ("pool(self, conn: C, pool: AsyncPool[Any] | Pool[C]) -> C")
        assert methods(stub, "Pool")["get"] == "get(self) -> library_C"


class TestCollections:
    """Bases from `collections.abc`."""

    def test_members(self, write: Write) -> None:
        """What these bases define is there, with the types that the class gives them."""
        stub = write(
            """
            from collections import UserDict
            from collections.abc import (
                AsyncIterator, Awaitable, Hashable, Mapping, MutableMapping, Sequence, Set)
            import typing
            from aiofutures import sync_class
            V = typing.TypeVar("V")
            class Page:
                async def text(self) -> str: ...
            class Flushed:
                async def flush(self) -> None: ...
            class AsyncStream(Flushed, AsyncIterator[Page]):
                async def __anext__(self) -> Page: ...
            class AsyncUntold(Flushed, AsyncIterator[int]):
                def __aiter__(self): return self
                async def __anext__(self): ...
            class AsyncStore(Flushed, Mapping[str, int], Hashable): ...
            class AsyncBox(Flushed, MutableMapping[str, V], typing.Generic[V]): ...
            class AsyncDict(Flushed, UserDict[int, str]): ...
            class AsyncRow(Flushed, Sequence): ...
            class AsyncSet(Flushed, Set[int]): ...
            class AsyncCall(Flushed, typing.Awaitable[Page]): ...
            Stream = sync_class(AsyncStream)
            Untold = sync_class(AsyncUntold)
            Store = sync_class(AsyncStore)
            Box = sync_class(AsyncBox)
            Dict = sync_class(AsyncDict)
            Row = sync_class(AsyncRow)
            Numbers = sync_class(AsyncSet)
            Call = sync_class(AsyncCall)
            """
        )

        assert methods(stub, "Stream")["__iter__"] == (
            "__iter__(self) -> Generator[SyncPage, None, None]"
        )
        assert methods(stub, "Untold")["__iter__"] == (
            "__iter__(self) -> Generator[int, None, None]"
        )
        assert methods(stub, "Store")["items"] == "items(self) -> ItemsView[str, int]"
        assert methods(stub, "Store")["__contains__"].endswith("key: object, /) -> bool")
        assert methods(stub, "Box")["setdefault"].endswith("(self, key: str, default: V, /) -> V")
        # Only where the values may be None.
        assert "default: None = None" not in methods(stub, "Box")["setdefault"]
        assert methods(stub, "Dict")["keys"] == "keys(self) -> KeysView[int]"
        assert methods(stub, "Row")["__reversed__"] == "__reversed__(self) -> Iterator[Any]"
        assert methods(stub, "Numbers")["isdisjoint"].endswith("Iterable[Any], /) -> bool")
        assert methods(stub, "Call")["__call__"] == "__call__(self) -> SyncPage"


class TestIterators:
    """What can only be iterated."""

    def test_attributes_of_objects(self, write: Write) -> None:
        """An async iterator is a generator, unless its class has other public names."""
        stub = write(
            """
            from typing import TYPE_CHECKING, Self
            from aiofutures import sync_class
            if TYPE_CHECKING:
                from elsewhere import Unseen
            class Lines:
                limit: int
                def __init__(self, count: int) -> None:
                    self.count = count
                def __aiter__(self) -> Self: return self
                async def __anext__(self) -> str: ...
            class Slots(Lines):
                __slots__ = ("size",)
                def __init__(self) -> None:
                    self.size = 3
            class Constant(Lines):
                size = 3
            class Method(Lines):
                def reset(self) -> None: ...
            class AsyncClient:
                async def close(self) -> None: ...
                def lines(self) -> Lines: ...
                def slots(self) -> Slots: ...
                def constant(self) -> Constant: ...
                def method(self) -> Method: ...
                def unseen(self) -> "Unseen": ...
            Client = sync_class(AsyncClient)
            """,
            elsewhere="""
            from typing import Self
            class Unseen:
                def __init__(self) -> None:
                    self.count = 3
                def __aiter__(self) -> Self: return self
                async def __anext__(self) -> int: ...
            """,
        )

        members = methods(stub)
        assert members["lines"] == "lines(self) -> Generator[str, None, None]"
        assert members["slots"] == "slots(self) -> SyncSlots"
        assert members["constant"] == "constant(self) -> SyncConstant"
        assert members["method"] == "method(self) -> SyncMethod"
        assert members["unseen"] == "unseen(self) -> Generator[int, None, None]"


class TestHooks:
    """Attributes for functions that the original calls."""

    def test_setter(self, write: Write) -> None:
        """They are read as sync functions, and set to async ones."""
        stub = write(
            """
            from collections.abc import Awaitable, Callable
            from dataclasses import dataclass
            from typing import Protocol, TypeAlias
            from aiofutures import sync_class
            class Page:
                async def text(self) -> str: ...
            class Handler(Protocol):
                async def __call__(self, text: str) -> None: ...
            Hook: TypeAlias = Callable[[str], Awaitable[None]]
            @dataclass
            class AsyncClient:
                on_text: Callable[[str], Awaitable[None]] | None = None
                on_page: "Callable[[], Page] | Page" = Page
                on_alias: Hook = None
                on_sync: Callable[[str], int] | None = None
                handler: Handler | None = None
                page: Page | None = None
                async def push(self, text: str) -> None: ...
            Client = sync_class(AsyncClient)
            """
        )

        setter = "@{0}.setter\ndef {0}(self, value: {1}) -> None"
        members = methods(stub)
        assert members["on_text"] == (
            "@property\ndef on_text(self) -> Callable[[str], None] | None; "
            + setter.format("on_text", "Callable[[str], Awaitable[None]] | None")
        )
        assert members["on_page"] == (
            "@property\ndef on_page(self) -> Callable[[], SyncPage] | SyncPage; "
            + setter.format("on_page", "Callable[[], Page] | Page | SyncPage")
        )
        assert members["on_alias"].endswith(setter.format("on_alias", "Hook"))
        assert members["handler"] == (
            "@property\ndef handler(self) -> SyncHandler | None; "
            + setter.format("handler", "Handler | None")
        )
        assert members["on_sync"] == "on_sync: Callable[[str], int] | None"
        assert members["page"] == "page: SyncPage | None"


class TestProtocols:
    """Protocols with async members."""

    def test_structure(self, write: Write) -> None:
        """Their twins are protocols, which the twins of all that have their members meet."""
        stub = write(
            """
            from typing import Protocol, TypeVar
            from aiofutures import sync_class
            T_co = TypeVar("T_co", covariant=True)
            class Source(Protocol[T_co]):
                async def pull(self) -> T_co: ...
            class Named(Source[int], Protocol):
                async def name(self) -> str: ...
            class AsyncPipe:
                async def pull(self) -> int: ...
                async def drain(self, source: Source[int], named: Named | None = None) -> int: ...
            class AsyncFile(Named):
                async def close(self) -> None: ...
            Pipe = sync_class(AsyncPipe)
            File = sync_class(AsyncFile)
            """
        )

        bases = _bases(stub)
        assert bases["SyncSource"] == ["Protocol[T_co]"]
        assert bases["SyncNamed"] == ["SyncSource[int]", "Protocol"]
        assert bases["File"] == ["SyncNamed"]
        assert methods(stub, "Pipe")["drain"] == (
            "drain(self, source: Source[int] | SyncSource[int], "
            "named: Named | SyncNamed | None=None) -> int"
        )
        # So that only twins meet it.
        assert "__wrapped__" in methods(stub, "SyncSource")


class TestNames:
    """Classes that are members of classes."""

    def test_twin_with_the_name_of_a_member(self, write: Write) -> None:
        """A class attribute with the name of a twin does not hide that."""
        stub = write(
            """
            from aiofutures import sync_class
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncBook(AsyncPage): ...
            class Plain: ...
            class AsyncClient:
                Page = AsyncPage
                Kind = Plain
                async def get(self) -> AsyncPage: ...
                async def put(self, page: AsyncPage) -> list[AsyncPage]: ...
            class AsyncShelf(AsyncClient):
                Page = AsyncBook
            Page = sync_class(AsyncPage)
            Client = sync_class(AsyncClient)
            Shelf = sync_class(AsyncShelf)
            """
        )

        assert "\n_Page = Page\n" in stub
        members = methods(stub)
        assert members["Page"] == "Page: TypeAlias = _Page"
        assert members["Kind"] == "Kind: TypeAlias = Plain"
        assert members["get"] == "get(self) -> _Page"
        assert members["put"] == "put(self, page: AsyncPage | _Page) -> list[_Page]"
        # Checkers refuse another alias.
        assert methods(stub, "Shelf")["Page"] == "Page: Any"

    def test_nested(self, write: Write) -> None:
        """A nested class is found by its dotted name within the class."""
        stub = write(
            """
            from aiofutures import sync_class
            from library import AsyncClient
            Client = sync_class(AsyncClient)
            """,
            library="""
            class AsyncClient:
                class Config:
                    class Inner: ...
                    class Page:
                        async def text(self) -> str: ...
                    limit = 3
                async def get(self) -> Config.Inner: ...
                async def put(self, inner: "Config.Inner | None" = None) -> Config.Page: ...
                async def limit(self, limit: int = Config.limit) -> int: ...
            """,
        )

        members = methods(stub)
        assert "from library import AsyncClient\n" in stub
        assert members["get"] == "get(self) -> AsyncClient.Config.Inner"
        assert members["put"] == (
            "put(self, inner: AsyncClient.Config.Inner | None=None) -> SyncPage"
        )
        assert members["limit"] == "limit(self, limit: int=...) -> int"


class TestMade:
    """Methods that the decorators of classes make."""

    def test_order(self, write: Write) -> None:
        """A dataclass with an order can be compared, and so can its subclasses."""
        stub = write(
            """
            from dataclasses import dataclass
            from functools import total_ordering
            from aiofutures import sync_class
            @dataclass(order=True)
            class AsyncJob:
                rank: int
                async def run(self) -> int: ...
            class AsyncTask(AsyncJob): ...
            @total_ordering
            class AsyncOne:
                def __lt__(self, other: "AsyncOne") -> bool: ...
                async def run(self) -> int: ...
            Job = sync_class(AsyncJob)
            Task = sync_class(AsyncTask)
            One = sync_class(AsyncOne)
            """
        )

        for name in ("__lt__", "__le__", "__gt__", "__ge__"):
            compared = f"{name}(self, other: Self) -> bool"
            assert methods(stub, "Job")[name] == compared
            # It has that of its base.
            assert name not in methods(stub, "Task")
        assert methods(stub, "One")["__lt__"] == "__lt__(self, other: AsyncOne | One) -> bool"
        assert methods(stub, "One")["__ge__"] == "__ge__(self, other: Self) -> bool"

    def test_methods_that_take_self(self, write: Write) -> None:
        """A derived twin leaves them to its base, where Self is the base."""
        stub = write(
            """
            from typing import Self
            from aiofutures import sync_class
            class AsyncBase:
                async def merge(self, other: Self) -> int: ...
                async def get(self) -> Self: ...
            class AsyncDerived(AsyncBase):
                async def more(self, other: Self) -> int: ...
            Base = sync_class(AsyncBase)
            Derived = sync_class(AsyncDerived)
            """
        )

        assert methods(stub, "Derived").keys() == {"__wrapped__", "get", "more"}

    def test_sort(self, write: Write) -> None:
        """An overload whose own type has a type variable applies to any argument."""
        stub = write(
            """
            from aiofutures import sync_class
            class AsyncRows(list[int]):
                async def load(self) -> None: ...
            Rows = sync_class(AsyncRows)
            """
        )

        assert "@overload\ndef sort(self" in methods(stub, "Rows")["sort"]

    def test_alias(self, write: Write) -> None:
        """A field of attrs is taken under its alias, with its type."""
        stub = write(
            """
            from attrs import define, field
            from aiofutures import sync_class
            @define
            class AsyncJob:
                size: int = field(alias="n", default=1)
                _name: str = ""
                async def run(self) -> int: ...
            Job = sync_class(AsyncJob)
            """
        )

        made = "__init__(self, n: int=..., name: str=...) -> None"
        assert methods(stub, "Job")["__init__"] == made
