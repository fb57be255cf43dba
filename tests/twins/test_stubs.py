"""The stubs of classes of twins, and the command that writes them."""

import ast
import builtins
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from aiofutures import twin
from twins.stubs import Write, forget, methods, stub_of_members

REPOSITORY = Path(__file__).parents[2]
TYPED = REPOSITORY / "tests" / "typesafety"

WritePackage = Callable[[str, dict[str, str]], Path]

later = pytest.mark.skipif(sys.version_info < (3, 12), reason="is new syntax in Python 3.12")


@pytest.fixture
def write_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritePackage]:
    """Writes the modules of a package, and returns its directory."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def write_package(name: str, texts: dict[str, str]) -> Path:
        names.append(name)
        for each, text in {"__init__": "", **texts}.items():
            path = tmp_path / name / f"{each}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / name

    yield write_package
    for each in [each for each in sys.modules if each.partition(".")[0] in names]:
        del sys.modules[each]


def _undefined(stub: str) -> set[str]:
    """Return the names in a stub that nothing in it defines."""
    tree = ast.parse(stub)
    nodes = [*ast.walk(tree)]
    known = {alias.asname or alias.name for each in nodes for alias in getattr(each, "names", [])}
    known |= {each.name for each in nodes if isinstance(each, (ast.ClassDef, ast.FunctionDef))}
    names = [each for each in nodes if isinstance(each, ast.Name)]
    known |= {each.id for each in names if isinstance(each.ctx, ast.Store)}
    used = {each.id for each in names if isinstance(each.ctx, ast.Load)}
    return used - known - {*dir(builtins)}


CLIENT = """
from aiofutures import sync_class
from library import *

Client = sync_class(AsyncClient)
"""


class TestModule:
    """The stub of a whole module."""

    def test_is_up_to_date(self) -> None:
        """The stub that the type checkers look at is the one that is made on every Python."""
        done = subprocess.run(
            [sys.executable, "-m", "aiofutures.twin", "typesafety.twins", "--check"],
            cwd=TYPED.parent,
            capture_output=True,
            text=True,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")

    def test_header(self, write: Write) -> None:
        """The first line says how to make the stub again."""
        stub = write(CLIENT, library="class AsyncClient:\n async def get(self): ...")

        first = "# Made by `python -m aiofutures.twin clients`: do not edit it."
        assert stub.splitlines()[0] == first

    def test_plain_classes(self, write: Write) -> None:
        """Plain classes of the module stay as usable as they are."""
        stub = write(
            """
            from collections.abc import Sequence
            from dataclasses import dataclass, field
            from enum import Enum
            from typing import TYPE_CHECKING, NamedTuple
            from aiofutures import sync_class
            from library import AsyncClient

            class Mode(Enum):
                READ = 1
                WRITE = READ
            class Setting:
                mode = Mode.READ
            if TYPE_CHECKING:
                class Seen(Setting): ...
            class Failed(Exception):
                def __init__(self, code: int) -> None:
                    self.code = code
                    self.reply = self.cause = None
                    self._text = ""
                def answer(self) -> None:
                    self.reply = 3
            @dataclass
            class Order:
                number: int
                tags: list[str] = field(default_factory=list)
                paid: bool = field(default=False, init=False)
            class Line(NamedTuple):
                name: str
                prices: Sequence[int] = ()
            Client = sync_class(AsyncClient)
            """,
            library="class AsyncClient:\n async def get(self) -> int: ...",
        )

        assert methods(stub, "Failed") == {
            "__init__": "__init__(self, code: int) -> None",
            "answer": "answer(self) -> None",
            "code": "code: int",
            "reply": "reply: Any",
            "cause": "cause: None",
        }
        assert "    READ = 1\n    WRITE = READ\n" in stub
        assert "    mode: Mode\n" in stub
        assert "class Seen(Setting):" in stub
        assert "    tags: list[str] = field(default_factory=list)\n" in stub
        assert "    paid: bool = field(default=False, init=False)\n" in stub
        assert "    prices: Sequence[int] = ...\n" in stub

    def test_objects_and_bases_that_are_twins(self, write: Write) -> None:
        """What a twin's class makes has its type, and a class made on the spot its name."""
        stub = write(
            """
            from aiofutures import AsyncExecutor, sync_class
            from library import AsyncClient, AsyncOther

            executor = AsyncExecutor()
            Client = sync_class(AsyncClient, executor=executor)
            client = Client()
            class Mine(sync_class(AsyncClient, executor=executor)):
                def twice(self) -> int: ...
            class Other(sync_class(AsyncOther)): ...
            @sync_class
            class Store:
                async def size(self) -> int: ...
            mine = Mine()
            executor.shutdown()
            """,
            library="class AsyncClient:\n async def get(self) -> int: ...\n"
            "class AsyncOther(AsyncClient): ...",
        )

        assert "client: Client\n" in stub
        assert "mine: Mine\n" in stub
        assert "class Mine(Client):" in stub
        assert "class Other(sync_class(AsyncOther)):" in stub
        assert methods(stub, "Store") == {"size": "size(self) -> int"}

    @later
    def test_bounds_in_brackets(self, write: Write) -> None:
        """Type parameters in brackets and `type` statements have the imports they need."""
        stub = write(
            """
            import money
            from aiofutures import sync_class
            from library import AsyncClient

            type Amount = money.Money | int
            type Some[T: money.Money] = list[T]
            def same[T: money.Money](value: T) -> T: return value
            class Box[T: money.Money]:
                value: T
            Client = sync_class(AsyncClient)
            """,
            library="class AsyncClient:\n async def get(self) -> int: ...",
            money="class Money: ...",
        )

        assert "from money import Money" in stub
        assert "type Amount = Money | int" in stub
        assert "type Some[T: Money] = list[T]" in stub
        assert "def same[T: Money](value: T) -> T" in stub
        assert "class Box[T: Money]:" in stub

    def test_other_names(self, write: Write) -> None:
        """What else is public in the module is in its stub, and only what it exports."""
        stub = write(
            """
            from __future__ import annotations
            from collections import OrderedDict
            from dataclasses import dataclass
            from os import sep as separator, path
            from typing import Callable, Final, NewType, overload
            from aiofutures import sync_class

            __all__ = ["Client", "Mine", "Point", "PREFIX", "path", "log", "pick", "steps",
                       "Name", "ids", "table", "nothing", "both", "items", "unknown", "Ids",
                       "Picked"]
            PREFIX: Final = "x"
            Name = NewType("Name", str)
            Ids = list[int]
            ids: Ids = [1]
            Picked = int if PREFIX else str
            table = OrderedDict[str, int]()
            nothing = None
            both = unknown = lambda: None
            items: dict[str, Callable[..., int]] = {}

            def _private(): ...
            def log(*values: object, sep: str = separator, end="\\n", **more: int) -> None: ...
            @overload
            def pick(a: int) -> int: ...
            @overload
            def pick(a: str) -> str: ...
            def pick(a): return a
            async def steps(count: int = -1):
                "Step."
                yield count

            class AsyncClient:
                async def get(self) -> int: ...

            Client = sync_class(AsyncClient)

            @dataclass(frozen=True)
            class Point:
                "A point."
                x: int
                y = 2

            class Mine(Client, metaclass=type):
                __slots__ = ("a",)
                def __init__(self):
                    self.late: int = 1
                    self.later = 2
                def more(self) -> int:
                    return self.get()
                Kind = int
                class Inner:
                    Kind = int
                    size: int = 3
            """
        )

        body = stub.partition("PREFIX")[2]
        assert "class AsyncClient:" in stub
        assert "    async def get(self) -> int: ..." in stub
        assert ': Final = "x"' in body
        assert 'Name = NewType("Name", str)' in body
        assert "ids: Ids" in body
        assert "nothing: Any" in body
        assert "table: OrderedDict[str, int]" in body
        assert "Picked: Any" in body
        assert "from os import path" in stub
        assert "separator" not in body.replace("sep: str = ...", "")
        assert "_private" not in body
        assert body.count("def pick") == 2
        assert "def steps(count: int = -1):" in body
        assert "    class Inner:\n        Kind = int\n        size: int = 3\n" in body
        assert "@dataclass(frozen=True)\nclass Point:" in body
        assert "    x: int\n    y: int" in body
        assert "class Mine(Client, metaclass=type):" in body
        assert "    late: int" in body
        assert "__slots__" not in body

    def test_exported_names(self, write: Write) -> None:
        """What `__all__` lists is exported, also twins and modules that are imported, once each."""
        stub = write(
            """
            import os.path as p
            import sys
            from aiofutures import sync_class
            from library import *
            from lower import Lower as Low, helper as h
            __all__ = ["Client", "Low", "h", "p", "sys"]
            Client = sync_class(AsyncClient)
            """,
            library=LIBRARY,
            lower="""
            from aiofutures import sync_class
            from library import Started
            Lower = sync_class(Started)
            def helper() -> int: ...
            """,
        )

        assert '\n__all__ = ["Client", "Low", "h", "p", "sys"]\n' in stub
        for line in ("import os.path as p", "import sys", "from lower import helper as h"):
            assert f"\n{line}\n" in stub
        assert stub.count("import Lower as Low") == 1

    def test_same_twin(self, write: Write) -> None:
        """A further name of a twin is one in the stub, too."""
        stub = write(
            f"{CLIENT}Other = Client\nAnother = sync_class(AsyncClient)\n", library=LIBRARY
        )

        assert stub.endswith("\n\nOther = Client\nAnother = Client\n")

    def test_decorated_class(self, write: Write) -> None:
        """A decorated class is in the stub as its twin, under its own name alone."""
        stub = write(
            """
            from aiofutures import sync_class

            @sync_class(timeout=3)
            class Client:
                async def clone(self, other: "Client | None" = None) -> "list[Client]": ...

            class AsyncOther:
                async def get(self) -> Client: ...

            Other = sync_class(AsyncOther, timeout=3)
            """
        )

        assert methods(stub)["clone"] == "clone(self, other: Client | None=None) -> list[Client]"
        assert "__wrapped__" not in methods(stub)
        assert methods(stub, "Other")["get"] == "get(self) -> Client"

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
    def test_encoding(self, write: Write, tmp_path: Path, encoding: str) -> None:
        """A source may be in another encoding, if it says so as Python wants it."""
        source = f"# coding: {encoding}\nclass AsyncOther:\n async def get(self, a='ä'): ..."
        (tmp_path / "other.py").write_text(source, encoding=encoding)
        stub = write(CLIENT, library="from other import AsyncOther as AsyncClient")

        sys.modules.pop("other", None)
        assert methods(stub)["get"] == "get(self, a='ä') -> None"

    def test_twin_of_another_module(self, write: Write) -> None:
        """A twin that another module has made is imported, not made once more."""
        stub = write(
            """
            import library
            from others import Item as Thing, Other
            from aiofutures import sync_class

            Client = sync_class(library.AsyncClient)

            def pick(thing: Thing) -> Thing: ...
            """,
            library="""
            class AsyncItem:
                async def price(self) -> int: ...
            class AsyncClient:
                async def item(self, other: AsyncItem) -> AsyncItem: ...
            """,
            others="""
            import library
            from aiofutures import sync_class
            Item = sync_class(library.AsyncItem)
            Other = sync_class(library.AsyncClient)
            """,
        )

        assert methods(stub)["item"] == "item(self, other: AsyncItem | Thing) -> Thing"
        assert "from others import Item as Thing\n" in stub
        assert "from others import Other as Other\n" in stub
        assert "def pick(thing: Thing) -> Thing: ..." in stub
        assert stub.count("\nclass ") == 1

    def test_stub_that_is_there_is_not_read(self, write: Write) -> None:
        """A stub that was made here is no source for the next one."""
        source = "class AsyncClient:\n async def get(self) -> int: ..."
        first = write(CLIENT.replace("from library import *", source))

        assert write(CLIENT.replace("from library import *", source)) == first

    def test_package(self, write_package: WritePackage) -> None:
        """In a package it imports what is near as the package does."""
        directory = write_package(
            "shopping",
            {
                "clients": "from aiofutures import sync_class\nfrom .items import AsyncClient\n"
                "Client = sync_class(AsyncClient)\n",
                "items": "from . import kinds\nclass AsyncClient:\n"
                "    async def kind(self) -> kinds.Kind: ...\n",
                "kinds": "class Kind: ...\n",
            },
        )

        assert twin.main(["shopping.clients"]) == 0

        stub = (directory / "clients.pyi").read_text()
        assert "from .items import AsyncClient" in stub
        assert "from .kinds import Kind" in stub

    def test_package_itself(self, write_package: WritePackage) -> None:
        """The module of a package imports from the package, not from the one around it."""
        directory = write_package(
            "stall",
            {
                "api/__init__": "from aiofutures import sync_class\nfrom .core import AsyncClient\n"
                "Client = sync_class(AsyncClient)\n",
                "api/core": "class Kind: ...\nclass AsyncClient:\n"
                "    async def kind(self) -> Kind: ...\n",
            },
        )

        assert twin.main(["stall.api"]) == 0

        stub = (directory / "api/__init__.pyi").read_text()
        assert "from .core import AsyncClient as AsyncClient\nfrom .core import Kind\n" in stub


MEMBERS = [
    pytest.param(
        "async def get(self, a, /, b: int = 3, *c: str, d=None, e: float = -1.5, **f: bool): ...",
        "get(self, a, /, b: int=3, *c: str, d=None, e: float=-1.5, **f: bool) -> None",
        id="parameters",
    ),
    pytest.param(
        "async def get(self, a: 'Optional[List[Other]]' = None) -> Dict[str, 'Other']: ...",
        "get(self, a: List[Other] | List[SyncOther] | None=None) -> Dict[str, SyncOther]",
        id="quoted",
    ),
    pytest.param(
        'async def get(self, a: "the name of an article") -> "found there": ...',
        "get(self, a: Any) -> Any",
        id="prose",
    ),
    pytest.param(
        "async def get(self, a: Sequence[Other], b: Callable[[Other], None]) -> Other: ...",
        "get(self, a: Sequence[Other | SyncOther], b: Callable[[Other], None]) -> SyncOther",
        id="positions",
    ),
    pytest.param(
        "async def get(self) -> type[Other]: ...", "get(self) -> type[Other]", id="class given"
    ),
    pytest.param("kinds: type[Other]", "kinds: type[SyncOther]", id="class attribute"),
    pytest.param(
        "hook: Callable[[int], Awaitable[Other]]",
        "@property\ndef hook(self) -> Callable[[int], SyncOther]; "
        "@hook.setter\ndef hook(self, value: Callable[[int], Awaitable[Other]]) -> None",
        id="function attribute",
    ),
    pytest.param("hook: Callable", "hook: Callable", id="any function"),
    pytest.param(
        "def get(self) -> Coroutine[Any, Any, int]: ...", "get(self) -> int", id="coroutine"
    ),
    pytest.param("def get(self) -> Awaitable: ...", "get(self) -> Any", id="bare awaitable"),
    pytest.param(
        "def get(self) -> AsyncIterable: ...",
        "get(self) -> Generator[Any, None, None]",
        id="bare iterable",
    ),
    pytest.param(
        "def get(self) -> AsyncContextManager[Other]: ...",
        "get(self) -> AbstractContextManager[SyncOther, bool | None]",
        id="manager",
    ),
    pytest.param(
        "def get(self) -> AbstractAsyncContextManager[int, None]: ...",
        "get(self) -> AbstractContextManager[int, None]",
        id="manager that suppresses nothing",
    ),
    pytest.param("def get(self) -> Loop: ...", "get(self) -> AbstractEventLoop", id="event loop"),
    pytest.param("def get(self) -> Future[int]: ...", "get(self) -> int", id="future"),
    pytest.param(
        "async def get(self) -> Future[int]: ...", "get(self) -> Future[int]", id="awaited future"
    ),
    pytest.param(
        "def get(self) -> Numbers: ...", "get(self) -> Generator[int, None, None]", id="iterator"
    ),
    pytest.param(
        "def get(self) -> Letters: ...", "get(self) -> Generator[str, None, None]", id="special"
    ),
    pytest.param(
        "def get(self) -> Steps[bytes]: ...",
        "get(self) -> Generator[bytes, None, None]",
        id="generic iterator",
    ),
    pytest.param(
        "def get(self) -> Unsaid: ...", "get(self) -> Generator[Any, None, None]", id="unsaid"
    ),
    pytest.param("def get(self) -> Alone: ...", "get(self) -> int", id="awaitable class"),
    pytest.param("def get(self) -> Untyped: ...", "get(self) -> Any", id="untyped awaitable"),
    pytest.param("def get(self) -> Lent[str]: ...", "get(self) -> str", id="generic awaitable"),
    pytest.param("def get(self) -> Opened: ...", "get(self) -> SyncOpened", id="gives itself"),
    pytest.param("def get(self) -> Started: ...", "get(self) -> SyncStarted", id="starts itself"),
    *(
        pytest.param(f"def get(self) -> {name}: ...", f"get(self) -> {expected}", id=name)
        for name, expected in {
            **{name: f"Sync{name}" for name in ("Hooked", "Maybe", "Perhaps", "ByAlias", "Found")},
            **{name: f"Sync{name}" for name in ("Point", "Rows", "Twice", "Nest")},
            **{name: name for name in ("Ring", "Unknown", "Vague", "Odd")},
            "Turned": "Generator[int, None, None]",
            "Spun[str]": "Generator[str, None, None]",
            **dict.fromkeys(("Lost", "Stopped"), "Any"),
            "Coming": "Generator[int, None, None]",
            **dict.fromkeys(("Bare", "Wrong", "Silent", "Lonely"), "Generator[Any, None, None]"),
        }.items()
    ),
    pytest.param("def get(self) -> Either: ...", "get(self) -> SyncOther | None", id="alias"),
    pytest.param(
        "def get(self, a: Either, b: Plain) -> Listed[Other]: ...",
        "get(self, a: Awaitable[Other] | Other | SyncOther | None, b: Plain) -> list[SyncOther]",
        id="aliases",
    ),
    pytest.param(
        "def get(self, a: Again) -> Again: ...", "get(self, a: Again) -> Again", id="ring"
    ),
    pytest.param(
        "def get(self) -> Literal['a', 'b'] | Annotated[int, 'x']: ...",
        "get(self) -> Literal['a', 'b'] | int",
        id="literal",
    ),
    pytest.param("async def get(self: S) -> S: ...", "get(self) -> Self", id="self"),
    pytest.param("async def get(self: 'S') -> 'S': ...", "get(self) -> Self", id="quoted self"),
    pytest.param(
        "@classmethod\n    async def get(cls: Type[S]) -> S: ...",
        "@classmethod\ndef get(cls) -> Self",
        id="class method",
    ),
    pytest.param(
        "@final\n    async def get(self) -> int: ...", "@final\ndef get(self) -> int", id="final"
    ),
    pytest.param(
        "@old('no', category=Old)\n    async def get(self) -> None: ...",
        "get(self) -> None",
        id="unknown decorator",
    ),
    pytest.param(
        "@deprecated('no', category=Old)\n    async def get(self) -> None: ...",
        "@deprecated('no', category=Old)\ndef get(self) -> None",
        id="deprecated",
    ),
    pytest.param(
        "@counted(3)\n    async def get(self, a: int) -> str: ...",
        "get(self, a: int) -> tuple[str, int]",
        id="decorator with options",
    ),
    pytest.param(
        "@same\n    async def get(self, a: int) -> str: ...", "get(self, a: int) -> str", id="same"
    ),
    pytest.param(
        "@property\n    def get(self) -> Other: ...\n"
        "    @get.setter\n    def get(self, other: Other) -> None: ...\n"
        "    @get.deleter\n    def get(self) -> None: ...",
        "@property\ndef get(self) -> SyncOther; @get.setter\n"
        "def get(self, other: Other | SyncOther) -> None; @get.deleter\ndef get(self) -> None",
        id="property",
    ),
    pytest.param(
        "@cached_property\n    def get(self) -> Other: ...",
        "@cached_property\ndef get(self) -> SyncOther",
        id="cached property",
    ),
    pytest.param(
        "@overload\n    async def get(self: 'Fits', a: int) -> int: ...\n"
        "    @overload\n    async def get(self: 'Lacks', a: str) -> str: ...\n"
        "    @overload\n    async def get(self: 'Differs', a: str) -> bytes: ...\n"
        "    async def get(self, a): ...\n    marker: Literal[True]",
        "get(self, a: int) -> int",
        id="overloads for other classes",
    ),
    pytest.param(
        "def get(self, a=Old(), b=[], c=(1, 2), d=int, e=LIMIT, f=sep): ...",
        "get(self, a: Old=..., b=[], c=..., d=int, e=LIMIT, f=sep) -> None",
        id="defaults",
    ),
    pytest.param(
        "async def get(self, *args: P.args, **kwargs: P.kwargs) -> None: ...",
        "get(self, *args: P.args, **kwargs: P.kwargs) -> None",
        id="parameters of another",
    ),
    pytest.param(
        "async def get(self, a: Callable[Concatenate[int, P], T], *b: *Ts) -> Tuple[*Ts]: ...",
        "get(self, a: Callable[Concatenate[int, P], T], *b: *Ts) -> Tuple[*Ts,]",
        id="variadic",
    ),
    pytest.param("def get(self): return self", "get(self) -> Self", id="returns itself"),
    pytest.param("def get(self): return Other()", "get(self) -> SyncOther", id="returns a class"),
    pytest.param(
        "@classmethod\n    def get(cls):\n        new = cls()\n        return new",
        "@classmethod\ndef get(cls) -> Self",
        id="returns a variable",
    ),
    pytest.param(
        "def get(self, a: int):\n        return a if a else None",
        "get(self, a: int) -> int | None",
        id="returns either",
    ),
    pytest.param(
        "def get(self):\n        if self: return f'{self}'\n        return not self",
        "get(self) -> str | bool",
        id="returns twice",
    ),
    pytest.param("def get(self): return self.a.b", "get(self)", id="returns what is not plain"),
    pytest.param("def get(self): raise TypeError", "get(self)", id="returns nothing at all"),
    pytest.param("def get(self): return one()", "get(self) -> int", id="returns a result"),
    pytest.param("async def get(self): return await two()", "get(self) -> str", id="awaits"),
    pytest.param("async def get(self): return two()", "get(self)", id="does not await"),
    pytest.param("async def get(self): return Box()", "get(self)", id="returns a generic class"),
    pytest.param("async def get(self):\n        yield 1", "get(self)", id="yields"),
    pytest.param("get = one", "get: Any", id="function of a module"),
    pytest.param("async def got(self) -> int: ...\n    get = got", "get(self) -> int", id="name"),
    pytest.param("Inner = Other", "Inner: TypeAlias = SyncOther", id="class by another name"),
    pytest.param(
        "def __init__(self, a: int, b=3):\n        self.get = a\n        self.b = b",
        "get: int",
        id="parameter",
    ),
    pytest.param(
        "def __init__(self):\n        self.get = None\n        self.get: int | None = 3",
        "get: int | None",
        id="annotated later",
    ),
    pytest.param("def __init__(self):\n        self.get = Box(1)", "get: Any", id="generic object"),
    pytest.param("def __init__(self):\n        self.get = self.x()", "get: Any", id="unknown call"),
    pytest.param(
        "def __init__(self, o: Other):\n        self.get = boxed(o.step)",
        "get(self, by: int=1) -> SyncBox[int]",
        id="function of a method",
    ),
    pytest.param(
        "def __init__(self, o: Other):\n        self.get = boxed(o.gone)",
        "get: Any",
        id="function of no method",
    ),
    pytest.param(
        "def __init__(self, o):\n        self.get = boxed(o.step)", "get: Any", id="of no class"
    ),
    pytest.param(
        "def __new__(cls, a: int) -> 'Self': ...",
        "__new__(cls, a: int) -> Self",
        id="__new__",
    ),
    pytest.param(
        "def __getattr__(self, n: str) -> Other: ...",
        "__getattr__(self, n: str) -> SyncOther",
        id="__getattr__",
    ),
    pytest.param(
        "def __await__(self) -> Generator[Any, Any, int]: ...",
        "__call__(self) -> int",
        id="__await__",
    ),
    pytest.param(
        "def __await__(self) -> Generator[Any, Any, int]: ...\n"
        "    def __call__(self, a: bytes) -> str: ...",
        "__call__(self, a: bytes) -> str",
        id="__await__ and __call__",
    ),
    pytest.param(
        "def __aiter__(self) -> AsyncGenerator[int, str]: ...",
        "__iter__(self) -> Generator[int, str, None]",
        id="__aiter__",
    ),
    pytest.param(
        "async def __aiter__(self):\n        yield 1",
        "__iter__(self) -> Generator[Any, None, None]",
        id="untyped __aiter__",
    ),
    pytest.param(
        "def __aiter__(self) -> Self: ...\n    async def __anext__(self) -> int: ...",
        "__iter__(self) -> Generator[int, None, None]",
        id="iterator of itself",
    ),
    pytest.param("__slots__ = ('a',)\n    a: int", "a: int", id="slots"),
    pytest.param("a: ClassVar[Final[int]] = 1", "a: ClassVar[Final[int]]", id="constant"),
    pytest.param("a: Final = 'x'", "a: Final = 'x'", id="constant without a type"),
    pytest.param("a: ClassVar[Final] = 1", "a: Final = 1", id="constant of the class"),
    pytest.param("a: Final = Other()", "a: Final[SyncOther]", id="object without a type"),
    pytest.param("a: 'ClassVar' = [1]", "a: ClassVar[Any]", id="nothing but of the class"),
    pytest.param(
        "def __init__(self, n: int):\n        self.a: Final = n",
        "a: Final[int]",
        id="final parameter",
    ),
    pytest.param(
        "def __init__(self):\n        self.a: Final = 1", "a: Final[int]", id="final number"
    ),
    pytest.param(
        "def __init__(self):\n        self.get: int = 1\n"
        "    def reset(self):\n        new = 2\n        self.get = new",
        "get: int",
        id="annotated before",
    ),
    pytest.param(
        "def get(self):\n        def inner(): return 1\n        return self",
        "get(self) -> Self",
        id="function in a function",
    ),
    pytest.param("def get(self): return (lambda: 1)()", "get(self)", id="calls a lambda"),
    pytest.param(
        "def __init__(self, o: Other):\n        self.get = partial(o.step)",
        "get: Any",
        id="class of a method",
    ),
    pytest.param(
        "@Marked\n    async def get(self, a: int) -> str: ...",
        "get(self, a: int) -> str",
        id="class as a decorator",
    ),
    pytest.param(
        "@counted(3)\n    def get(self, a: int) -> str: ...",
        "get: Any",
        id="decorator of async functions",
    ),
    pytest.param(
        "@(lambda fn: fn)\n    async def get(self, a: int) -> str: ...",
        "get(self, a: int) -> str",
        id="lambda as a decorator",
    ),
    pytest.param(
        "X = 1\n    def get(self, a=X, b=int().real): ...",
        "get(self, a=..., b=...) -> None",
        id="defaults of the class",
    ),
    pytest.param(
        "async def get(self, a: asyncio) -> None: ...", "get(self, a: Any) -> None", id="module"
    ),
    pytest.param(
        "async def get(self, a: UserId) -> UserId: ...",
        "get(self, a: UserId) -> UserId",
        id="new type",
    ),
    pytest.param("def get(self) -> Renamed: ...", "get(self) -> SyncOther", id="other name"),
    pytest.param("from os import sep as get\n    a: int", "a: int", id="import in a class"),
    pytest.param(
        "@overload\n    async def get(self: 'Gone', a: int) -> int: ...\n"
        "    @overload\n    async def get(self: 'Other', a: str) -> str: ...\n"
        "    @overload\n    async def get(self: 'Plainly', a: bytes) -> bytes: ...\n"
        "    async def get(self, a): ...\n    plain: int",
        "@overload\ndef get(self, a: int) -> int; @overload\ndef get(self, a: str) -> str; "
        "@overload\ndef get(self, a: bytes) -> bytes",
        id="overloads for this class",
    ),
]

LIBRARY = """
from __future__ import annotations
import asyncio
from asyncio import Future, AbstractEventLoop as Loop
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import cached_property, partial
from collections import namedtuple
from os import sep
from typing import *
from typing_extensions import deprecated

__all__ = ["AsyncClient"]
LIMIT = 3
T = TypeVar("T")
S = TypeVar("S")
Listed_ = List[int]
P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

class Old(Warning): ...
class Fits(Protocol):
    marker: Literal[True]
class Lacks(Protocol):
    other: int
class Plainly(Protocol):
    plain: int
class Marked:
    def __init__(self, fn): ...
class Differs(Protocol):
    marker: Literal[False]

def one() -> int: ...
async def two() -> str: ...
def old(*args, **kwargs): return lambda fn: fn
def same(fn: T) -> T: return fn
def counted(n) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[tuple[R, int]]]]:
    return lambda fn: fn
def boxed(fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[Box[R]]]: ...

class Other:
    async def step(self, by: int = 1) -> int: ...
class Box(Generic[T]):
    async def open(self) -> T: ...
class Numbers:
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> int: ...
class Letters(AsyncIterator[str]): ...
class Steps(Generic[T]):
    def __aiter__(self) -> AsyncIterator[T]: ...
class Unsaid:
    def __aiter__(self): ...
class Alone:
    def __await__(self) -> Generator[Any, None, int]: ...
class Untyped:
    def __await__(self): yield
class Lent(Awaitable[T]): ...
class Opened:
    async def __aenter__(self): ...
    async def __aexit__(self, *_): ...
    def __await__(self) -> Generator[Any, Any, Self]: ...
class Started(Opened):
    async def start(self: T) -> T: ...
    def __await__(self): return self.start().__await__()

class Hooked:
    hook: Callable[[], Awaitable[int]]
class Maybe:
    def get(self) -> "Other | None": ...
class Perhaps:
    @property
    def get(self) -> Optional[Other]: ...
class ByAlias:
    def get(self) -> Either: ...
class Ring:
    def get(self) -> Again: ...
class Unknown:
    def get(self) -> (lambda: 1): ...
    other: 3
class Coming:
    def __aiter__(self): ...
    def __anext__(self) -> Awaitable[int]: ...
class Bare(Coming):
    def __anext__(self) -> "Awaitable": ...
class Wrong(Coming):
    def __anext__(self) -> List[int]: ...
class Silent(Coming):
    def __anext__(self): ...
class Lost(Opened):
    def __await__(self): return self.missing().__await__()
class Found(Opened):
    async def start(self): return self
    def __await__(self): return self.start().__await__()
class Stopped(Opened):
    async def start(self): return self.x.y
    def __await__(self): return self.start().__await__()

class Point(namedtuple("Point", "x")):
    async def move(self) -> None: ...
class Rows(Listed_):
    async def more(self) -> None: ...
class Twice:
    async def one(self) -> None: ...
class Twice(Twice):
    async def two(self) -> None: ...
class Nest:
    class Inner: ...
    async def open(self) -> None: ...
class Vague:
    def get(self) -> "Gone": ...
class Turned:
    def __aiter__(self) -> Numbers: ...
class Lonely:
    def __aiter__(self) -> "Gone": ...
class Spun(Generic[T]):
    def __aiter__(self) -> Steps[T]: ...

Either = Union[Awaitable[Other], Optional[Other]]
Plain = Union[int, str]
Listed = List[T]
Listed = list[T]
Again = Union[int, "Again"]
UserId = NewType("UserId", int)
Renamed = Other
Odd = int().real

class AsyncClient:
    async def always(self) -> None: ...
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The stub of a module with a class for each member: one is made faster than many."""
    return stub_of_members(
        tmp_path_factory.mktemp("members"), LIBRARY, [str(each.values[0]) for each in MEMBERS]
    )


class TestMembers:
    """Each kind of member, as it is in the source and in the stub."""

    @pytest.mark.parametrize(
        ("number", "expected"),
        [pytest.param(n, each.values[1], id=each.id) for n, each in enumerate(MEMBERS)],
    )
    def test_member(self, stub: str, number: int, expected: str) -> None:
        """A member has the types that synchronous code sees."""
        assert expected in methods(stub, f"Client{number}").values()

    def test_member_with_the_name_of_a_builtin(self, write: Write) -> None:
        """A builtin class that a member hides is named in full."""
        member = "async def set(self, a: set[int], b: float) -> 'list[int]': ..."
        stub = write(CLIENT, library=f"class AsyncClient:\n    {member}")

        assert methods(stub)["set"] == "set(self, a: builtins.set[int], b: float) -> list[int]"
        assert "import builtins" in stub

    def test_docstrings(self, write: Write) -> None:
        """The class and its members have their docstrings."""
        stub = write(
            CLIENT,
            library="class AsyncClient:\n    'One.\\n\\nTwo.'\n"
            "    async def get(self):\n        'Three.'\n",
        )

        assert '"""One.\n\n    Two."""' in stub
        assert '"""Three."""' in stub

    def test_init_that_is_made(self, write: Write) -> None:
        """The `__init__` that a decorator makes of attributes is in the stub."""
        stub = write(
            CLIENT,
            library="""
            from dataclasses import KW_ONLY, InitVar, dataclass, field
            from typing import ClassVar
            class Other:
                async def get(self) -> int: ...
            @dataclass
            class Base:
                url: "str"
            @dataclass
            class AsyncClient(Base):
                kinds: ClassVar[int] = 1
                other: Other | None = None
                parts: list[Other] = field(default_factory=list)
                late: int = field(init=False)
                _: KW_ONLY
                key: InitVar[bytes]
                limit: int = 3
                async def get(self) -> int: ...
            """,
        )

        assert methods(stub)["__init__"] == (
            "__init__(self, url: str, other: Other | SyncOther | None=..., "
            "parts: list[Other] | list[SyncOther]=..., *, key: bytes, limit: int=...) -> None"
        )

    def test_init_of_a_decorator(self, write: Write) -> None:
        """An `__init__` that only the decorator knows has its parameters, without types."""
        stub = write(
            CLIENT,
            library="""
            def opened(cls):
                def __init__(self, size=1, *args, end=None, **kwargs): ...
                cls.__init__ = __init__
                return cls
            @opened
            class AsyncClient:
                async def get(self) -> int: ...
            """,
        )

        assert methods(stub)["__init__"] == (
            "__init__(self, size=..., *args, end=..., **kwargs) -> None"
        )

    def test_init_of_attrs(self, write: Write) -> None:
        """That of attrs is, too, where private attributes are public parameters."""
        pytest.importorskip("attrs")
        stub = write(
            CLIENT,
            library="""
            import attrs
            def old(cls):
                def __init__(self, *, known, _x: int = 3): ...
                cls.__init__ = __init__
                return cls
            @attrs.define
            class AsyncClient:
                url: str
                _key: bytes | None = None
                async def get(self) -> "Old": ...
            @old
            class Old:
                async def get(self) -> int: ...
            """,
        )

        assert methods(stub)["__init__"] == (
            "__init__(self, url: str, key: bytes | None=...) -> None"
        )
        assert methods(stub, "SyncOld")["__init__"] == "__init__(self, *, known, _x=...) -> None"

    def test_protocol(self, write: Write) -> None:
        """A protocol has no `__init__`."""
        stub = write(
            CLIENT,
            library="""
            from typing import Protocol
            class AsyncClient(Protocol):
                async def get(self) -> int: ...
            """,
        )

        assert methods(stub).keys() == {"__wrapped__", "get"}

    def test_bases(self, write: Write) -> None:
        """What is inherited is in the stub, over modules and with its type arguments."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, TypeVar
            import lower
            from lower import Base as B, Named, Alias
            K = TypeVar("K")
            class Middle(B[K, int], Named, Generic[K]):
                async def middle(self) -> K: ...
                async def named(self) -> int: ...
            class AsyncClient(Middle[str], lower.Plain, dict):
                value = 3
                async def short(self) -> lower.Short: ...
            class Other(Alias): ...
            """,
            lower="""
            from typing import Generic, TypeVar
            K = TypeVar("K")
            from typing import overload
            import typing_extensions
            V = typing_extensions.TypeVar("V", default=str)
            class Base(Generic[K, V]):
                value: V
                @overload
                async def pick(self: "Base[bytes, int]") -> bytes: ...
                @overload
                async def pick(self: "Base[str, int]") -> str: ...
                async def pick(self): ...
                async def get(self, key: K) -> V: ...
            class Short(Base[str]): ...
            class Named:
                async def named(self) -> str: ...
            class Plain(Base):
                async def plain(self) -> str: ...
            Alias = Base[bytes, bytes]
            """,
        )

        assert {
            "value: int",
            "get(self, key: str) -> int",
            "middle(self) -> str",
            "named(self) -> int",
            "plain(self) -> str",
            "pick(self) -> str",
        } <= {*methods(stub).values()}
        assert methods(stub, "SyncShort")["pick"] == "pick(self) -> str"

    def test_attributes_where_self_is_positional_only(self, write: Write) -> None:
        """Attributes are in the stub, too, that a method with a `/` assigns."""
        stub = write(
            CLIENT,
            library="""
            class AsyncClient:
                def __init__(self, url: str, /) -> None:
                    self.url = url
                async def get(self) -> int: ...
            """,
        )

        assert methods(stub)["url"] == "url: str"

    def test_functions_in_a_class(self, write: Write) -> None:
        """A function that a class takes from elsewhere is a method, and one it deletes is none."""
        stub = write(
            CLIENT,
            library="""
            import time
            from collections.abc import Awaitable, Callable
            from typing import Generic, TypeVar
            import lower
            T = TypeVar("T")
            def made() -> Callable[[object, int], Awaitable[str]]: ...
            def open_() -> Callable[..., Awaitable[str]]: ...
            async def outside(self: object, key: int) -> str: ...
            class Base(Generic[T]):
                async def get(self) -> T: ...
            class AsyncClient:
                outer = outside
                base = Base.get
                lower = lower.Other.get
                now = time.time
                made = made()
                open = open_()
                def __init__(self) -> None:
                    self.own = made()
                async def gone(self) -> int: ...
                del gone
            """,
            lower="""
            class Item:
                async def price(self) -> int: ...
            class Other:
                async def get(self) -> "list[Item]": ...
            """,
        )

        found = methods(stub)
        assert {
            "outer(self, key: int) -> str",
            "base(self) -> Any",
            "lower(self) -> list[SyncItem]",
            "now: Any",
            "made(self, arg1: int, /) -> str",
            "open: Callable[..., str]",
            "own: Callable[[object, int], str]",
        } <= {*found.values()}
        assert "gone" not in found

    def test_private_names(self, write: Write) -> None:
        """Where private names are imported, pyright is told so."""
        setting = "# pyright: reportPrivateUsage=false\n"
        library = """
            class _Private: ...
            class AsyncClient:
                async def get(self) -> "_Private": ...
            """

        assert write(CLIENT, library=library).splitlines(keepends=True)[1] == setting
        library = library.replace("_Private", "Public")
        assert setting not in write(CLIENT, library=library)

    def test_attributes(self, write: Write) -> None:
        """What is assigned along with others is there; `ClassVar` and `Final` hold twins."""
        stub = write(
            CLIENT,
            library="""
            from collections.abc import Awaitable, Callable
            from typing import ClassVar, Final
            class Item:
                async def price(self) -> int: ...
            class AsyncClient:
                one, two = 1, "two"
                three, four = divmod(7, 2)
                made: "ClassVar[AsyncClient | None]" = None
                item: Final[Item] = Item()
                hook: ClassVar[Callable[[], Awaitable[Item]]]
                def __init__(self, host: str, port: int) -> None:
                    self.host, self.port = host, port
                    self.five, [six, self.seven] = six = 5, (6, 7)
                async def get(self) -> int: ...
            """,
        )

        found = methods(stub)
        assert {
            *("one: int", "two: str", "three: Any", "four: Any", "host: str", "port: int"),
            *("made: ClassVar[Client | None]", "item: Final[SyncItem]", "five: int"),
            "hook: ClassVar[Callable[[], SyncItem]]",
        } <= {*found.values()}

    def test_members_with_the_names_of_decorators(self, write: Write) -> None:
        """A member named like a decorator does not decorate the others."""
        stub = write(
            CLIENT,
            library="""
            class AsyncClient:
                @property
                def size(self) -> int: ...
                @classmethod
                async def make(cls) -> int: ...
                async def property(self) -> int: ...
                async def classmethod(self) -> int: ...
            """,
        )

        assert methods(stub)["size"].startswith("@builtins.property\n")
        assert methods(stub)["make"].startswith("@builtins.classmethod\n")

    def test_deprecated_class(self, write: Write) -> None:
        """The twin of a deprecated class is deprecated; that of a final one is not final."""
        stub = write(
            CLIENT,
            library="""
            from typing import final
            from typing_extensions import deprecated
            @final
            @deprecated("use another")
            class AsyncClient:
                async def get(self) -> int: ...
            """,
        )

        assert '\n\n@deprecated("use another")\nclass Client:\n' in stub
        assert methods(stub).keys() == {"__wrapped__", "get"}

    def test_type_variables_under_other_names(self, write: Write) -> None:
        """Type variables are known, too, where what makes them is imported by another name."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic
            from typing_extensions import TypeVar as TV, TypeVarTuple as TVT
            T = TV("T", default=int)
            Ts = TVT("Ts")
            class AsyncClient(Generic[T, *Ts]):
                async def get(self) -> T: ...
            """,
        )

        assert "class Client(Generic[T, *Ts]):" in stub
        assert methods(stub)["__wrapped__"].endswith("-> AsyncClient[T, *Ts]")

    def test_named_tuples(self, write: Write) -> None:
        """A named tuple with async objects in it becomes one with twins in it."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, NamedTuple, TypeVar
            T = TypeVar("T")
            class Item:
                async def price(self) -> int: ...
            class Pair(NamedTuple):
                first: Item
                rest: "list[Item] | None" = None
                def total(self) -> int: ...
            class Outer(NamedTuple):
                pairs: tuple["Pair", ...]
            class Named(NamedTuple, Generic[T]):
                name: str
                value: T
            class Both(NamedTuple, Generic[T]):
                item: Item
                value: T
            class Sold(NamedTuple):
                item: Item
                async def price(self) -> int: ...
            class AsyncClient:
                async def outer(self) -> Outer: ...
                async def pairs(self, pair: Pair) -> list[Pair]: ...
                async def named(self) -> Named[Item]: ...
                async def both(self) -> Both[Item]: ...
                async def sold(self) -> Sold: ...
            """,
        )

        assert "class SyncOuter(NamedTuple):\n    pairs: tuple[SyncPair, ...]\n" in stub
        assert (
            "class SyncPair(NamedTuple):\n    first: SyncItem\n"
            "    rest: list[SyncItem] | None = ...\n\n    def total(self) -> int: ...\n"
        ) in stub
        assert "class SyncBoth(NamedTuple, Generic[T]):\n    item: SyncItem\n" in stub
        assert "class SyncSold:\n" in stub
        assert {
            "pairs(self, pair: Pair | SyncPair) -> list[SyncPair]",
            "named(self) -> Named[SyncItem]",
            "both(self) -> SyncBoth[SyncItem]",
        } <= {*methods(stub).values()}

    def test_typed_dictionaries(self, write: Write) -> None:
        """So does a typed dictionary; its keys stay required, or not."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, NotRequired, Required, Required as Must, TypedDict, TypeVar
            from typing_extensions import ReadOnly
            T = TypeVar("T")
            class MaybeRequired(list[T]): ...
            class Item:
                async def price(self) -> int: ...
            class Sale(TypedDict):
                item: Item
                note: NotRequired[Item]
            class More(Sale, total=False):
                items: list[Item]
                must: Required[Item]
                too: Must[Item]
                read: ReadOnly[Required[Item]]
                like: MaybeRequired[Item]
            class Named(TypedDict, Generic[T]):
                value: T
            class AsyncClient:
                async def sold(self, sale: Sale) -> More: ...
                async def named(self) -> Named[Item]: ...
            """,
        )

        assert methods(stub, "SyncMore") == {
            "item": "item: SyncItem",
            "note": "note: NotRequired[SyncItem]",
            "items": "items: NotRequired[list[SyncItem]]",
            "must": "must: Required[SyncItem]",
            "too": "too: Required[SyncItem]",
            "read": "read: ReadOnly[Required[SyncItem]]",
            "like": "like: NotRequired[MaybeRequired[Item]]",
        }
        assert "class SyncMore(TypedDict):" in stub
        assert methods(stub)["sold"] == "sold(self, sale: Sale) -> SyncMore"
        assert methods(stub)["named"] == "named(self) -> Named[SyncItem]"

    def test_records_made_by_calls(self, write: Write) -> None:
        """So does one that a call has made, whatever its keys are, and one that is a base class."""
        stub = write(
            CLIENT + "Row = NamedTuple('Row', [('item', 'Item'), ('size', int)])\n"
            "class Found(namedtuple('Found', ['item', 'size'])): ...\n"
            "class Kept(NamedTuple('Kept', [('item', Item)])): ...\n",
            library="""
            from collections import namedtuple
            from typing import NamedTuple, TypedDict
            NAMES = ["a"]
            FIELDS = [("a", int)]
            KEYS = {"a": int}
            class Item:
                async def price(self) -> int: ...
            Pair = NamedTuple("Pair", [("first", Item), ("rest", "list[Item]")])
            Loose = namedtuple("Loose", ["item", "size"])
            Sale = TypedDict("Sale", {"_id": "Item", "note": str}, total=False)
            Headers = TypedDict("Headers", {"x-item": Item, "from": int})
            Unread = namedtuple("Unread", NAMES)
            More = NamedTuple("More", [*FIELDS, ("item", Item)])
            Other = TypedDict("Other", {**KEYS, "item": Item})
            class Sold(NamedTuple("Sold", (("item", Item),))):
                async def price(self) -> int: ...
            class Made(type("Base", (), {})):
                async def move(self) -> None: ...
            class Point(namedtuple("Point", "x y")):
                async def move(self) -> None: ...
            class AsyncClient:
                async def pair(self, pair: Pair) -> Pair: ...
                async def loose(self) -> Loose: ...
                async def sale(self) -> Sale: ...
                async def headers(self) -> Headers: ...
                async def unread(self) -> Unread: ...
                async def more(self) -> More: ...
                async def other(self) -> Other: ...
                async def sold(self) -> Sold: ...
                async def point(self) -> Point: ...
                async def made(self) -> Made: ...
            """,
        )

        assert "class SyncPair(NamedTuple):\n    first: SyncItem\n    rest: list[SyncItem]" in stub
        assert 'SyncHeaders = TypedDict("SyncHeaders", {"x-item": SyncItem, "from": int})' in stub
        assert "_id: NotRequired[SyncItem]\n    note: NotRequired[str]" in stub
        assert methods(stub, "SyncSold")["item"] == "item: SyncItem"
        assert (
            methods(stub, "SyncSold")["__init__"] == "__init__(self, item: Item | SyncItem) -> None"
        )
        assert methods(stub, "SyncPoint")["y"] == "y: Any"
        assert {*methods(stub, "SyncMade")} == {"__wrapped__", "move"}
        assert methods(stub)["pair"] == "pair(self, pair: Pair | SyncPair) -> SyncPair"
        names = ("loose", "unread", "more", "other")
        assert [methods(stub)[each].split()[-1] for each in names] == [*map(str.title, names)]
        assert "class Row(NamedTuple):\n    item: Item\n    size: int" in stub
        assert 'class Found(namedtuple("Found", ["item", "size"])): ...' in stub
        assert 'class Kept(NamedTuple("Kept", [("item", Item)])): ...' in stub
        # It is assigned.
        assert _undefined(stub) == set()

    def test_options(self, write: Write) -> None:
        """Keyword arguments that a typed dictionary describes may be twins, if the stub has any."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, Required, TypedDict, TypeVar
            from typing_extensions import TypeVarTuple, Unpack
            T = TypeVar("T")
            Ts = TypeVarTuple("Ts")
            class Item:
                async def price(self) -> int: ...
            class Unseen:
                async def price(self) -> int: ...
            class _Options(TypedDict, total=False):
                item: "Item"
                items: Required[list[Item]]
            class More(_Options):
                note: str
            Odd = TypedDict("Odd", {"x-item": Item})
            class Plain(TypedDict):
                note: str
            class Lone(TypedDict):
                item: Unseen
            class Of(TypedDict, Generic[T]):
                item: T
            class AsyncClient:
                async def sell(self, **options: Unpack[_Options]) -> Item: ...
                async def again(self, **options: "Unpack[_Options]") -> None: ...
                async def more(self, **options: Unpack[More]) -> None: ...
                async def odd(self, **options: Unpack[Odd]) -> None: ...
                async def plain(self, **options: Unpack[Plain]) -> None: ...
                async def lone(self, **options: Unpack[Lone]) -> None: ...
                async def of(self, **options: Unpack[Of[int]]) -> None: ...
                async def row(self, *args: Unpack[Ts]) -> tuple[Unpack[Ts]]: ...
            """,
        )

        members = methods(stub)
        assert members["sell"] == "sell(self, **options: Unpack[_SyncOptions]) -> SyncItem"
        assert members["again"] == "again(self, **options: Unpack[_SyncOptions]) -> None"
        assert members["more"] == "more(self, **options: Unpack[_SyncMore]) -> None"
        assert members["odd"] == "odd(self, **options: Unpack[_SyncOdd]) -> None"
        assert members["plain"] == "plain(self, **options: Unpack[Plain]) -> None"
        assert members["lone"] == "lone(self, **options: Unpack[Lone]) -> None"
        assert members["of"] == "of(self, **options: Unpack[Of[int]]) -> None"
        assert members["row"] == "row(self, *args: Unpack[Ts]) -> tuple[Unpack[Ts]]"
        fields = {
            "item": "item: NotRequired[Item | SyncItem]",
            "items": "items: Required[list[Item] | list[SyncItem]]",
        }
        assert methods(stub, "_SyncOptions") == fields
        assert methods(stub, "_SyncMore") == fields | {"note": "note: str"}
        assert '_SyncOdd = TypedDict("_SyncOdd", {"x-item": Item | SyncItem})' in stub
        assert _undefined(stub) == set()

    def test_enumerations(self, write: Write) -> None:
        """An enumeration with async members stays one: its members are twins, with their values."""
        stub = write(
            CLIENT,
            library="""
            from enum import Enum, Flag, IntEnum, auto
            class Region(Enum):
                EU = "eu"
                EUROPE = EU
                ODD = (1, object())
                async def ping(self) -> str: ...
            class Level(IntEnum):
                LOW = auto()
                async def set(self) -> None: ...
            class Right(Flag):
                READ = auto()
                async def grant(self) -> None: ...
            class Planet(Enum):
                EARTH = 1
                def __init__(self, mass: int) -> None:
                    self.mass = mass
                async def visit(self) -> None: ...
            class AsyncClient:
                async def region(self, region: Region = Region.EU) -> Region: ...
                async def level(self) -> Level: ...
                async def right(self) -> Right: ...
                async def planet(self) -> Planet: ...
            """,
        )

        assert "class SyncRegion(Enum):" in stub
        assert 'EU = "eu"\n    EUROPE = EU\n    ODD = cast(Any, ...)\n' in stub
        assert {*methods(stub, "SyncRegion")} == {"__wrapped__", "ping"}
        assert "class SyncRight(Flag):" in stub
        assert {"LOW = 1", "READ = 1", "EARTH = 1"} <= {*map(str.strip, stub.splitlines())}
        assert {*methods(stub, "SyncPlanet")} == {"__wrapped__", "mass", "visit"}
        assert not {"name", "value", "__new__", "__format__"} & {*methods(stub, "SyncLevel")}
        region = "region(self, region: Region | SyncRegion=Region.EU) -> SyncRegion"
        assert methods(stub)["region"] == region

    def test_literals_of_enumerations(self, write: Write) -> None:
        """A literal of an enumeration is imported, and that of an async one is its twin's."""
        stub = write(
            CLIENT,
            library="""
            from enum import Enum
            from typing import Literal
            class Mode(Enum):
                FAST = "fast-mode"
            class Region(Enum):
                EU = "eu"
                async def ping(self) -> str: ...
            class AsyncClient:
                async def mode(self) -> Literal[Mode.FAST, "slow"]: ...
                async def region(self, region: Literal[Region.EU]) -> Literal[Region.EU]: ...
            """,
        )

        assert methods(stub)["mode"] == "mode(self) -> Literal[Mode.FAST, 'slow']"
        region = "region(self, region: Literal[Region.EU]) -> Literal[SyncRegion.EU]"
        assert methods(stub)["region"] == region
        assert _undefined(stub) == set()

    @later
    def test_type_arguments(self, write: Write) -> None:
        """A generic twin of async objects gives twins: of any type if a bound is no async class."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, TypeVar
            T = TypeVar("T")
            Either = TypeVar("Either", int, "Item")
            class Item:
                async def price(self) -> int: ...
            class Plain: ...
            class Part(Plain, Item): ...
            Bound = TypeVar("Bound", bound=Plain)
            class Query(Generic[T, Bound, Either]):
                async def first(self) -> T: ...
            class Later[X, Y: Item, Z: Plain, *Rest]:
                async def first(self) -> X: ...
            class AsyncClient:
                def query(self) -> Query[Item, Part, Item]: ...
                def later(self) -> Later[Item, Item, Part, Item, list[Item]]: ...
            """,
        )

        assert methods(stub)["query"] == "query(self) -> SyncQuery[SyncItem, Any, SyncItem]"
        assert methods(stub)["later"] == (
            "later(self) -> SyncLater[SyncItem, SyncItem, Any, SyncItem, list[SyncItem]]"
        )
        assert "class SyncLater[X, Y, Z: Plain, *Rest]:" in stub
        assert 'Either = TypeVar("Either")\n' in stub
        assert "def __wrapped__(self) -> Query[T, Bound, Any]: ..." in stub
        assert "def __wrapped__(self) -> Later[X, Any, Z, *Rest]: ..." in stub

    def test_limited_type_variables(self, write: Write) -> None:
        """A generic twin, whose arguments are twins, has a type variable without an async bound.

        Originals, whose bound it would not meet, are those of any type there. Functions keep it.
        """
        stub = write(
            """
            from aiofutures import sync_class
            from library import AsyncClient, Conn, One
            Client = sync_class(AsyncClient)
            def same(conn: Conn) -> Conn:
                return conn
            """,
            library="""
            from typing import Generic, TypeVar
            from typing_extensions import TypeVar as LaterVar
            class One:
                async def ping(self) -> int: ...
            class Two(One): ...
            Conn = TypeVar("Conn", bound="One")
            Held = TypeVar("Held", bound=One, covariant=True)
            Given = LaterVar("Given", default=One)
            Number = LaterVar("Number", default=int)
            Tree = TypeVar("Tree", bound="AsyncClient[Tree]")
            class AsyncClient(Generic[Conn]):
                def __init__(self, make: type[Conn]) -> None: ...
                async def get(self) -> Conn: ...
                async def put(self, conn: Conn) -> None: ...
                async def like(self, other: "AsyncClient[Conn]") -> "AsyncClient[Conn]": ...
                async def one(self, other: "AsyncClient[One]") -> "AsyncClient[One]": ...
                async def two(self, other: "AsyncClient[One | Two]") -> None: ...
                async def hold(self) -> "Holder[One, One]": ...
                async def tree(self, tree: Tree) -> Tree: ...
                async def box(self) -> "Box[One]": ...
            class Box(Generic[Number]):
                async def number(self) -> Number: ...
            class Holder(Generic[Held, Given]):
                async def held(self) -> Held: ...
                async def given(self) -> Given: ...
            """,
        )

        assert 'Conn = TypeVar("Conn")\n' in stub
        assert 'Tree = TypeVar("Tree", bound=AsyncClient[Any] | Client[Any])\n' in stub
        assert 'Held = TypeVar("Held", covariant=True)\n' in stub
        assert "import TypeVar as typing_extensions_TypeVar\n" in stub
        assert 'Given = typing_extensions_TypeVar("Given", default=SyncOne)\n' in stub
        assert "def __wrapped__(self) -> AsyncClient[Any]: ..." in stub
        assert methods(stub)["get"] == "get(self) -> Conn"
        like = "like(self, other: AsyncClient[Any] | Client[Conn]) -> Client[Conn]"
        assert methods(stub)["like"] == like
        one = "one(self, other: AsyncClient[One] | Client[SyncOne]) -> Client[SyncOne]"
        assert methods(stub)["one"] == one
        two = "two(self, other: AsyncClient[One | Two] | Client[SyncOne | Two]) -> None"
        assert methods(stub)["two"] == two
        assert methods(stub)["hold"] == "hold(self) -> SyncHolder[SyncOne, SyncOne]"
        assert methods(stub)["tree"] == "tree(self, tree: Tree) -> Tree"
        # A default limits nothing.
        assert methods(stub)["box"] == "box(self) -> SyncBox[SyncOne]"
        assert "def same(conn: library_Conn) -> library_Conn: ..." in stub
        assert _undefined(stub) == set()

    def test_containers(self, write: Write) -> None:
        """Items are given as twins; as a parameter, what can be changed has only one kind."""
        stub = write(
            CLIENT,
            library="""
            from collections import Counter, OrderedDict, defaultdict, deque
            from collections.abc import Generator, Iterable, Iterator, ValuesView
            class Page:
                async def text(self) -> str: ...
            Pages = list[Page]
            class AsyncClient:
                def __iter__(self) -> "Iterator[Page]": ...
                async def last(self) -> deque[Page]: ...
                async def counted(self) -> Counter[Page]: ...
                def views(self) -> ValuesView[Page]: ...
                def spin(self) -> Generator[Page, Page, Page]: ...
                def add(self, a: Pages, b: dict[str, list[Page]], c: defaultdict[str, int]): ...
                def read(self, a: Iterator[Page], b: Iterable[list[Page]]) -> None: ...
            """,
        )

        assert methods(stub)["__iter__"] == "__iter__(self) -> Iterator[SyncPage]"
        assert methods(stub)["last"] == "last(self) -> deque[SyncPage]"
        assert methods(stub)["counted"] == "counted(self) -> Counter[SyncPage]"
        assert methods(stub)["views"] == "views(self) -> ValuesView[SyncPage]"
        assert methods(stub)["spin"] == (
            "spin(self) -> Generator[SyncPage, Page | SyncPage, SyncPage]"
        )
        assert methods(stub)["add"] == (
            "add(self, a: list[Page] | list[SyncPage], b: dict[str, list[Page]] | "
            "dict[str, list[SyncPage]], c: defaultdict[str, int]) -> None"
        )
        assert methods(stub)["read"] == (
            "read(self, a: Iterator[Page | SyncPage], "
            "b: Iterable[list[Page] | list[SyncPage]]) -> None"
        )

    def test_async_call(self, write: Write) -> None:
        """What is called and awaited is a twin; a protocol of that stands for functions."""
        stub = write(
            CLIENT,
            library="""
            from typing import Protocol
            class App:
                async def __call__(self) -> int: ...
            class Handler(Protocol):
                async def __call__(self) -> int: ...
            class Plain(Protocol):
                def __call__(self) -> int: ...
            class AsyncClient:
                handler: Handler
                plain: Plain
                async def app(self) -> App: ...
                async def handlers(self) -> list[Handler]: ...
            """,
        )

        assert methods(stub)["handler"] == (
            "@property\ndef handler(self) -> SyncHandler; "
            "@handler.setter\ndef handler(self, value: Handler) -> None"
        )
        assert methods(stub)["plain"] == "plain: Plain"
        assert methods(stub)["app"] == "app(self) -> SyncApp"
        assert methods(stub)["handlers"] == "handlers(self) -> list[Handler]"
        assert methods(stub, "SyncApp")["__call__"] == "__call__(self) -> int"
        assert methods(stub, "SyncHandler")["__call__"] == "__call__(self) -> int"

    def test_type_arguments_of_self(self, write: Write) -> None:
        """Overloads of a generic class keep those of which they are."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, TypeVar, overload
            T = TypeVar("T")
            class AsyncClient(Generic[T]):
                @overload
                async def get(self: "AsyncClient[int]") -> int: ...
                @overload
                async def get(self: "AsyncClient[str]", a: T) -> str: ...
                async def get(self, a=None): ...
                async def same(self: "AsyncClient[T]") -> T: ...
            """,
        )

        assert methods(stub)["same"] == "same(self: Client[T]) -> T"
        assert methods(stub)["get"] == (
            "@overload\ndef get(self: Client[int]) -> int; "
            "@overload\ndef get(self: Client[str], a: T) -> str"
        )

    def test_builtin_base(self, write: Write) -> None:
        """What a class inherits from a builtin one has its types, imported from where they are."""
        stub = write(
            CLIENT,
            library="""
            from typing import TypeVar
            T = TypeVar("T")
            class AsyncClient(dict[str, T]):
                async def load(self) -> T: ...
                async def rows(self) -> "Rows": ...
                def text(self) -> "Text": ...
                def alias(self) -> "Alias": ...
            class Text(str):
                async def more(self) -> None: ...
            class Rows(list[int]):
                async def more(self) -> None: ...
            from types import GenericAlias
            class Alias(GenericAlias):
                async def more(self) -> None: ...
            """,
        )

        assert methods(stub)["__getitem__"] == "__getitem__(self, key: str, /) -> T"
        assert methods(stub)["values"] == "values(self) -> dict_values[str, T]"
        assert methods(stub, "SyncRows")["append"] == "append(self, object: int, /) -> None"
        assert methods(stub, "SyncText")["lower"] == "lower(self) -> str"
        assert "from types import GenericAlias, UnionType" in stub
        assert _undefined(stub) == set()

    def test_base_by_an_alias(self, write: Write) -> None:
        """An alias of a generic class is a base, too."""
        stub = write(
            CLIENT,
            library="""
            from typing import Generic, TypeVar
            V = TypeVar("V")
            class Base(Generic[V]):
                async def get(self) -> V: ...
            Alias = Base[bytes]
            Same = Alias
            class AsyncClient(Alias): ...
            """,
        )

        assert methods(stub)["get"] == "get(self) -> bytes"

    def test_what_cannot_be_read(self, write: Write, tmp_path: Path) -> None:
        """Where there are two ways to a name, the one that can be read counts.

        A compiled module can be read if it has a stub beside it.
        """
        for name in ("compiled", "documented"):
            (tmp_path / f"{name}{EXTENSION_SUFFIXES[0]}").touch()
        (tmp_path / "documented.pyi").write_text("class Thing:\n    async def a(self): ...")
        stub = write(
            CLIENT,
            library="""
            Value = int
            Value: object = int
            Value = str
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from compiled import *
                from documented import Thing
            class Scanner: ...
            if TYPE_CHECKING:
                from compiled import Scanner
            try:
                from gone import Scanner as Other
            except ImportError:
                Other = Scanner
            class Part:
                same: int
                same = 3
            class AsyncClient:
                async def get(self, a: Scanner, b: Other) -> Part: ...
                async def thing(self) -> "Thing": ...
            """,
        )

        assert methods(stub)["get"].startswith("get(self, a: Scanner, b: ")
        assert "from library import " in stub
        assert methods(stub)["thing"] == "thing(self) -> SyncThing"

    def test_conditions(self, write: Write) -> None:
        """What type checkers take for executed counts, and the first where that cannot be told."""
        stub = write(
            CLIENT,
            library="""
            import sys, typing, os, contextlib
            from typing import TYPE_CHECKING
            try:
                import json as fast
                from _json import make_encoder as Value
            except ImportError:
                from json import JSONEncoder as Value
            class AsyncClient:
                if sys.version_info >= (3, 8) and TYPE_CHECKING:
                    async def a(self) -> int: ...
                else:
                    async def a(self) -> str: ...
                if not typing.TYPE_CHECKING:
                    async def b(self) -> int: ...
                if sys.platform == "amiga":
                    async def c(self) -> int: ...
                if os.name == "nt":
                    async def d(self) -> int: ...
                else:
                    async def d(self) -> str: ...
                if TYPE_CHECKING and sys.gone:
                    async def g(self) -> int: ...
                if sys.maxsize > "x" if False else True:
                    async def e(self) -> int: ...
                with contextlib.nullcontext():
                    async def f(self) -> int: ...
            """,
        )

        found = methods(stub)
        assert found["a"] == "a(self) -> int"
        assert not {"b", "c"} & found.keys()
        assert found["d"] == "d(self) -> int"
        assert {"e", "f", "g"} <= found.keys()

    def test_stub_of_the_source(self, write: Write, tmp_path: Path) -> None:
        """A stub beside the source is read, and so is one in a package of stubs."""
        for name, text in {
            "library.pyi": "from far import Far\nclass AsyncClient(Far):\n"
            "    async def get(self, a: int) -> str: ...\n",
            "far-stubs/__init__.pyi": "from .deep import Deep\nclass Far(Deep):\n"
            "    async def far(self) -> bytes: ...\n",
            "far-stubs/deep.pyi": "class Deep:\n    async def deep(self) -> bytes: ...\n",
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        stub = write(
            CLIENT,
            library="class AsyncClient:\n    async def get(self, a): ...",
            **{
                "far.__init__": "from far.deep import Deep\nclass Far(Deep): ...",
                "far.deep": "class Deep: ...",
            },
        )

        assert methods(stub)["get"] == "get(self, a: int) -> str"
        assert methods(stub)["far"] == "far(self) -> bytes"
        assert methods(stub)["deep"] == "deep(self) -> bytes"

    def test_names_that_collide(self, write: Write) -> None:
        """Two twins, or imports, with the same name get two."""
        stub = write(
            """
            from aiofutures import sync_class
            from library import AsyncClient
            Text = 3
            Client = sync_class(AsyncClient)
            """,
            library="""
            from __future__ import annotations
            import one, two
            class AsyncClient:
                async def first(self) -> one.AsyncThing: ...
                async def second(self, a: one.Text, b: two.Text) -> two.AsyncThing: ...
            """,
            one="class Text: ...\nclass AsyncThing:\n    async def get(self) -> int: ...",
            two="class Text: ...\nclass AsyncThing:\n    async def get(self) -> str: ...",
        )

        assert methods(stub)["first"] == "first(self) -> SyncThing"
        assert methods(stub)["second"] == "second(self, a: one_Text, b: two_Text) -> SyncTwoThing"

    def test_public_names(self, write: Write) -> None:
        """A name is imported from the shortest public module that exports it."""
        stub = write(
            CLIENT.replace("library", "shop"),
            **{
                "shop.__init__": """
                from ._impl import *
                from ._impl import Kind as Kind, Hidden
                from . import _impl as impl
                class Named: ...
                """,
                "_own.parts": "class Part: ...",
                "apart.parts": "class Part: ...",
                "shop._impl": """
                from _own.parts import Part
                from apart import parts
                __all__ = ["AsyncClient", "Listed"]
                class Listed: ...
                class Named: ...
                class Kind: ...
                class Hidden: ...
                class AsyncClient:
                    async def get(self, a: Listed, b: Kind, c: Hidden) -> None: ...
                    async def put(self, a: Named, b: Part, c: parts.Part) -> None: ...
                """,
            },
        )

        assert "from shop import AsyncClient, Kind, Listed" in stub
        assert "from shop._impl import Hidden, Named" in stub
        assert "from _own.parts import Part" in stub
        assert "from apart.parts import Part as parts_Part" in stub

    @later
    def test_new_syntax(self, write: Write) -> None:
        """Type parameters in brackets stay there, with their bounds, which accept twins, too."""
        stub = write(
            CLIENT,
            library="""
            from __future__ import annotations
            type Pair[X] = tuple[X, Other]
            class Other:
                async def get(self) -> int: ...
            class Base[K, V: Other]:
                async def base(self, k: K) -> V: ...
            class AsyncClient[T: (int, str), *Ts, **P](Base[T, Other]):
                async def one[U: Other](self, a: U, b: T) -> tuple[U, T]: ...
                async def two[S](self: S) -> S: ...
                async def pair(self) -> Pair[int]: ...
                async def fresh(self) -> "AsyncClient[int, str, [bytes]]": ...
                async def call(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
                async def known(self) -> Calls[[int, str]]: ...
            class Called[**P]:
                async def call(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
            class Calls[**P](Called[P]): ...
            """,
        )

        assert "class Client[T: (int, str), *Ts, **P]:" in stub
        assert methods(stub)["one"] == "one[U: Other | SyncOther](self, a: U, b: T) -> tuple[U, T]"
        assert methods(stub)["two"] == "two(self) -> Self"
        assert methods(stub)["base"] == "base(self, k: T) -> SyncOther"
        assert methods(stub)["pair"] == "pair(self) -> tuple[int, SyncOther]"
        assert methods(stub)["fresh"] == "fresh(self) -> Client[int, str, [bytes]]"
        assert "def __wrapped__(self) -> AsyncClient[T, *Ts, P]" in stub
        call = "call(self, *args: P.args, **kwargs: P.kwargs) -> None"
        assert methods(stub)["call"] == methods(stub, "SyncCalls")["call"] == call

    @later
    def test_new_syntax_in_the_module(self, write: Write) -> None:
        """Classes, functions and aliases of the module keep theirs, too."""
        stub = write(
            """
            from aiofutures import sync_class
            type Pair[X] = tuple[X, X]
            class Box[T]:
                def get(self) -> T: ...
            def pick[T](a: T) -> T: ...
            class AsyncClient:
                async def get(self) -> Pair[int]: ...
            Client = sync_class(AsyncClient)
            """
        )

        for line in ("type Pair[X] = tuple[X, X]", "class Box[T]:", "def pick[T](a: T) -> T: ..."):
            assert line in stub

    @later
    def test_parameters_that_are_known(self, write: Write) -> None:
        """Those of a base that has fixed them are any: nothing else can say that."""
        stub = write(
            CLIENT,
            library="""
            class Called[**P]:
                async def call(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
            class AsyncClient(Called[[int]]):
                async def loose(self) -> "Loose": ...
            class Loose(Called): ...
            """,
        )

        call = "call(self, *args: Any, **kwargs: Any) -> None"
        assert methods(stub)["call"] == methods(stub, "SyncLoose")["call"] == call


class TestInference:
    """Types that are not annotated."""

    def test_self_of_another_class(self, write: Write) -> None:
        """What a class method returns is an object of its class, not of the twin's."""
        stub = write(
            CLIENT,
            library="""
            from datetime import date, datetime
            from typing import Generic, Self, TypeVar
            T = TypeVar("T")
            class Box(Generic[T]):
                @classmethod
                def empty(cls) -> Self: ...
                @staticmethod
                def name() -> str: ...
            class Part:
                @classmethod
                def all(cls) -> list[Self]: ...
                @classmethod
                def count(cls) -> int: ...
            class AsyncClient:
                def __init__(self) -> None:
                    self.started = datetime.now()
                    self.box = Box.empty()
                    self.name = Box.name()
                    self.parts = Part.all()
                    self.number = Part.count()
                async def get(self) -> int: ...
                def today(self):
                    return date.today()
            """,
        )

        members = methods(stub)
        assert members["started"] == "started: datetime"
        assert members["today"] == "today(self) -> date"
        assert members["number"] == "number: int"
        assert [members[name] for name in ("box", "name", "parts")] == [
            "box: Any",
            "name: Any",
            "parts: Any",
        ]

    def test_quoted_alias(self, write: Write) -> None:
        """An alias in quotes means what is in them."""
        stub = write(
            CLIENT,
            library="""
            from __future__ import annotations
            from typing import TypeAlias, TypeVar
            T = TypeVar("T")
            Pair: TypeAlias = "tuple[T, T]"
            class AsyncClient:
                async def pair(self) -> Pair["AsyncClient"]: ...
            """,
        )

        assert methods(stub)["pair"] == "pair(self) -> tuple[Client, Client]"

    def test_exceptions(self, write: Write) -> None:
        """An exception is no twin, whatever its members are."""
        stub = write(
            CLIENT,
            library="""
            class Refused(Exception):
                async def read(self) -> str: ...
            class AsyncClient:
                async def get(self) -> Refused: ...
            """,
        )

        assert methods(stub)["get"] == "get(self) -> Refused"


class TestCommand:
    """`python -m aiofutures.twin`."""

    @pytest.fixture
    def client(self, write: Write) -> str:
        """A module with a twin, and its stub."""
        return write(CLIENT, library=LIBRARY)

    def test_check(self, client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """`--check` writes nothing, and fails where the stub is missing or another one."""
        path = tmp_path / "clients.pyi"

        assert twin.main(["clients", "--check"]) == 0
        path.write_text(client.replace("always", "never"))
        assert twin.main(["clients", "--check"]) == 1
        assert path.read_text() != client
        path.unlink()
        assert twin.main(["clients", "--check"]) == 1
        assert not path.exists()
        assert "is out of date: run python -m aiofutures.twin clients" in capsys.readouterr().err

    def test_one_class(
        self, client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """One class goes to a file or to the screen; a twin stands for its whole module."""
        output = tmp_path / "one.pyi"

        assert twin.main(["library:AsyncClient", "-o", str(output)]) == 0
        assert "class SyncClient:" in output.read_text()
        assert f"library:AsyncClient -o {output.as_posix()}`" in output.read_text()
        assert twin.main(["library:AsyncClient"]) == 0
        assert "class SyncClient:" in capsys.readouterr().out
        (tmp_path / "clients.pyi").unlink()
        assert twin.main(["clients:Client"]) == 0
        assert (tmp_path / "clients.pyi").read_text() == client
        assert twin.main(["clients:Client", "-o", str(output)]) == 0
        assert "class Client:" in output.read_text()
        (tmp_path / "others.py").write_text("from clients import Client\n")
        assert twin.main(["others:Client"]) == 0
        assert "class Client:" in capsys.readouterr().out
        sys.modules.pop("others")

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("missing", "'missing' cannot be imported: ModuleNotFoundError"),
            ("broken", "'broken' cannot be imported: ZeroDivisionError"),
            ("leaving", "'leaving' cannot be imported: SystemExit: 3"),
            ("skipped", "'skipped' cannot be imported: Skipped: no server"),
            ("lazy:AsyncClient", "lazy:AsyncClient cannot be read: ImportError: no extra"),
            ("library", "library has no class of its own made by sync_class()"),
            ("library:Missing", "library:Missing is not a class: it has no such name"),
            ("library:LIMIT", "library:LIMIT is not a class: it is 3"),
            ("library:Old", "library:Old has no public async members"),
            ("made:AsyncMade", "made.AsyncMade has no readable source"),
            ("bad:AsyncClient", "bad.pyi cannot be read: line 1: "),
        ],
    )
    def test_bad_input(
        self,
        client: str,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        target: str,
        message: str,
    ) -> None:
        """Bad input is an error that says what is wrong; nothing is written."""
        (tmp_path / "broken.py").write_text("1 / 0")
        (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
        (tmp_path / "skipped.py").write_text("import pytest\npytest.skip('no server')")
        (tmp_path / "lazy.py").write_text("def __getattr__(name): raise ImportError('no extra')")
        (tmp_path / "made.py").write_text(
            "async def get(self): ...\nAsyncMade = type('AsyncMade', (), {'get': get})"
        )
        (tmp_path / "bad.py").write_text("class AsyncClient:\n    async def get(self): ...")
        (tmp_path / "bad.pyi").write_text("class class")
        output = tmp_path / "output.pyi"

        assert twin.main([target, "-o", str(output)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("aiofutures.twin: ")
        assert message in printed.err
        assert not output.exists()
        sys.modules.pop("made", None)
        sys.modules.pop("bad", None)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["library:AsyncClient", "--check"], "has no file that could be checked: say which"),
            (["clients", "-o", "gone/clients.pyi"], "clients.pyi cannot be written: No such file"),
            (["clients", "-o", ".", "--check"], ". is a directory: name a file"),
        ],
    )
    def test_bad_output(
        self, client: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
    ) -> None:
        """So is a place that cannot be checked or written."""
        assert twin.main(arguments) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert message in printed.err

    @pytest.mark.parametrize("name", ["clients.py", "clients.pyi"])
    def test_files_of_others(
        self, client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
    ) -> None:
        """What the command has not made, such as a source, is not replaced; other files are."""
        path = tmp_path / name
        path.write_text("Client: int")

        assert twin.main(["clients", "-o", name]) == 2
        assert f"{name} was not made by this command" in capsys.readouterr().err
        assert path.read_text() == "Client: int"
        conflict = "<<<<<<< ours\n# Made by `python -m aiofutures.twin clients`\nx: int\n"
        for text in ("", "# to be made\n", conflict):
            path.write_text(text)
            forget()
            assert twin.main(["library:AsyncClient", "-o", name]) == 0
            assert "class SyncClient:" in path.read_text()

    def test_module_that_prints(
        self, client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """What a module prints when it is imported is not in a stub on the screen."""
        (tmp_path / "noisy.py").write_text("from library import *\nprint('noise')")

        assert twin.main(["noisy:AsyncClient"]) == 0
        printed = capsys.readouterr()
        assert printed.out.startswith("# Made by ")
        assert "noise\n" not in printed.out
        assert printed.err == "noise\n"

    def test_interrupt(self, client: str, tmp_path: Path) -> None:
        """Ctrl-C ends the command while a module is imported."""
        (tmp_path / "slow.py").write_text("raise KeyboardInterrupt")

        with pytest.raises(KeyboardInterrupt):
            twin.main(["slow"])

    def test_bad_settings_of_ruff(
        self, client: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """So are settings of the formatter that are wrong."""
        (tmp_path / "ruff.toml").write_text("line-length = 'long'")

        assert twin.main(["clients"]) == 2
        assert "ruff cannot format the stub: " in capsys.readouterr().err
        assert (tmp_path / "clients.pyi").read_text() == client

    def test_check_of_something_else(self, client: str, tmp_path: Path) -> None:
        """`--check` of a file that is no text fails as with any other one."""
        (tmp_path / "clients.pyi").write_bytes(b"\xff")

        assert twin.main(["clients", "--check"]) == 1

    @pytest.mark.parametrize("name", ["ruff", "typeshed_client"])
    def test_missing_extra(
        self,
        client: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        name: str,
    ) -> None:
        """Without the extra, an error says how to get it."""
        monkeypatch.setitem(sys.modules, name, None)
        forget()

        assert twin.main(["clients"]) == 2
        assert "python -m pip install 'aiofutures[twin]'" in capsys.readouterr().err

    def test_as_a_command(self) -> None:
        """It is a command, with a help text."""
        done = subprocess.run(
            [sys.executable, "-m", "aiofutures.twin", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )

        assert "module[:Class]" in done.stdout
