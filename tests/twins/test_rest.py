"""The names of a module that are not twins, in its stub; and where the stub is written."""

import ast
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from aiofutures import twin
from twins.stubs import Write, forget

WritePackage = Callable[..., str]

CLIENT = """
from aiofutures import sync_class

class AsyncClient:
    async def get(self) -> int: ...

Client = sync_class(AsyncClient)
"""


@pytest.fixture
def write_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritePackage]:
    """Writes the package `stall`, with `Client` in its module `core`; returns the stub of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_package(source: str, **others: str) -> str:
        for name, text in {"__init__": source, "core": CLIENT, **others}.items():
            path = tmp_path / "stall" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))
        importlib.invalidate_caches()
        forget()
        assert twin.main(["stall"]) == 0
        return (tmp_path / "stall/__init__.pyi").read_text()

    yield write_package
    for each in [each for each in sys.modules if each.partition(".")[0] == "stall"]:
        del sys.modules[each]


def _defined(stub: str) -> set[str]:
    """Return the names that a stub defines itself."""
    found: set[str] = set()
    for node in ast.parse(stub).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                found.add(name)
            case _:
                pass
    return found


class TestImported:
    """Names that a module imports for others, too."""

    def test_in_a_package(self, write_package: WritePackage) -> None:
        """A package has the public names that it imports from its own modules."""
        stub = write_package(
            """
            import json as json
            import re
            from asyncio import Lock
            from aiofutures import sync_class
            from . import core, errors as _errors
            from .core import AsyncClient as AsyncClient, Client as Client
            from .errors import Late as Late, Refused, Refused as Denied, _hidden
            from .more import *
            Other = sync_class(core.AsyncClient)
            def wait(lock: Lock, late: Late) -> Refused: ...
            """,
            errors="class Refused: ...\nclass Late: ...\n_hidden = 1\n",
            more="import sys\nfrom .errors import Late as Later\n"
            "class More: ...\nclass _Less: ...\n",
        )

        assert [line for line in stub.splitlines() if "import" in line] == [
            "import json as json",
            "from asyncio import Lock",
            "from . import core as core",
            "from .core import AsyncClient as AsyncClient",
            "from .core import Client as Client",
            "from .errors import Late as Late",
            "from .errors import Refused as Refused",
            "from .errors import Refused as _Denied",
            "from .more import More as More",
        ]
        assert "\nDenied = _Denied\n" in stub
        assert "def wait(lock: Lock, late: Late) -> Refused: ..." in stub

    @pytest.mark.parametrize(
        "listed",
        [
            '__all__ = ["Other", "Late"]; __all__ += errors.__all__',
            '__all__ = ["Other", "Late"]; __all__.extend(("Refused",))',
            '__all__: list[str] = ["Late", "Other"]; __all__.append("Refused")',
            '__all__ = [*errors.__all__, "Late"] + ["Other"]',
            '__all__ = list(errors.__all__); __all__ = __all__ + ["Late", "Other"]',
            '__all__ = [*("Refused", "Late", "Other", *map(str, []))]',
        ],
    )
    def test_listed(self, write_package: WritePackage, listed: str) -> None:
        """In all usual forms, `__all__` says what a package has."""
        stub = write_package(
            f"""
            from aiofutures import sync_class
            from . import core, errors
            from .errors import Refused, Late, Early
            Other = sync_class(core.AsyncClient)
            {listed}
            def wait(late: Late) -> Refused: ...
            """,
            errors='__all__ = ["Refused"]\nclass Refused: ...\nclass Late: ...\nclass Early: ...\n',
        )

        assert "\nfrom .errors import Late, Refused\n" in stub
        assert "Early" not in stub
        # Others may import by its name what a star does not pass on.
        assert "def wait(" in stub
        line = next(line for line in stub.splitlines() if line.startswith("__all__"))
        assert sorted(ast.literal_eval(line.partition(" = ")[2])) == ["Late", "Other", "Refused"]

    @pytest.mark.parametrize(
        "listed",
        [
            '__all__ = ["Late"]; __all__ += errors.__all__',
            '__all__ = ["Late"]; __all__.extend(("Refused",))',
            '__all__: list[str] = ["Late"]; __all__.append("Refused")',
            '__all__ = [*errors.__all__, "Late"] + []',
            'from .errors import __all__ as more\n__all__ = list(more); __all__ += ["Late"]',
        ],
    )
    def test_listed_elsewhere(self, write_package: WritePackage, listed: str) -> None:
        """So it does where another module imports all names of one."""
        stub = write_package(
            """
            from aiofutures import sync_class
            from . import core
            from .more import *
            Other = sync_class(core.AsyncClient)
            """,
            errors='__all__ = ["Refused"]\nclass Refused: ...\nclass Late: ...\nclass Early: ...\n',
            more=f"from . import errors\nfrom .errors import *\n"
            f"from .errors import Late, Early\n{listed}\n",
        )

        assert "from .more import Late as Late\nfrom .more import Refused as Refused\n" in stub
        assert "Early" not in stub

    def test_in_a_module(self, write: Write) -> None:
        """A module has what it says to be for others, and not all that is in a library."""
        stub = write(
            f"from library import *\nfrom library import Late as Late, Early\n{CLIENT}",
            library="class Late: ...\nclass Early: ...\nclass Refused: ...",
        )

        assert "from library import Late as Late\n" in stub
        assert "Early" not in stub
        assert "Refused" not in stub

    def test_name_of_another_class(self, write_package: WritePackage) -> None:
        """What is imported for others keeps its name; another class of that name has one more."""
        stub = write_package(
            """
            from aiofutures import sync_class
            from . import errors, core
            from .core import AsyncClient as Refused
            class AsyncClient(core.AsyncClient):
                async def why(self) -> errors.Refused: ...
            __all__ = ["Client", "Refused"]
            Client = sync_class(AsyncClient)
            """,
            errors="class Refused: ...",
        )

        assert "from .core import AsyncClient as Refused\n" in stub
        assert "from .errors import Refused as errors_Refused\n" in stub
        assert "def why(self) -> errors_Refused: ..." in stub

    def test_instead_of_what_is_missing(self, write_package: WritePackage) -> None:
        """What is there instead of a module that is missing is in the stub."""
        stub = write_package(
            """
            from aiofutures import sync_class
            from . import core
            try:
                from ._speed import fast, slow
            except ImportError:
                def fast(n: int) -> int: return n
                from .core import AsyncClient as slow
            Other = sync_class(core.AsyncClient)
            """
        )

        assert "def fast(n: int) -> int: ..." in stub
        assert "from .core import AsyncClient as _slow" in stub
        assert "\nslow = _slow\n" in stub
        assert "_speed" not in stub

    def test_used_alone(self, write_package: WritePackage) -> None:
        """What the stub needs is imported, even if it is for others no more."""
        stub = write_package(
            """
            from aiofutures import sync_class
            from . import core, errors
            from .errors import Late
            __all__ = ["Other", "Late", "wait"]
            __all__.remove("Late")
            Other = sync_class(core.AsyncClient)
            def wait(late: errors.Late) -> None: ...
            """,
            errors="class Late: ...",
        )

        assert "from stall.errors import Late\n" in stub
        assert '__all__ = ["Other", "wait"]\n' in stub
        assert "def wait(late: Late) -> None: ..." in stub


class TestLanguage:
    """What the language itself has."""

    def test_type_variables_of_typeshed(self, write: Write) -> None:
        """A class is generic in those that the stubs of the language share, too."""
        stub = write(
            """
            from asyncio import PriorityQueue
            from aiofutures import sync_class
            Client = sync_class(PriorityQueue)
            """
        )

        assert "from _typeshed import SupportsRichComparisonT\n" in stub
        assert "class Client(Generic[SupportsRichComparisonT]):" in stub
        assert "def get(self) -> SupportsRichComparisonT: ..." in stub

    def test_public_places(self, write: Write) -> None:
        """What is defined in a private module has the name of the public one."""
        stub = write(
            """
            import asyncio, contextvars, io, _io, symtable
            from aiofutures import sync_class
            class AsyncClient:
                async def get(self, a: asyncio.Task[int], b: io.BytesIO) -> io.StringIO: ...
                async def put(self, a: contextvars.Context, b: "asyncio.Future[int]") -> None: ...
                async def pop(self, a: _io._IOBase, b: symtable.Symbol) -> None: ...
            Client = sync_class(AsyncClient)
            """
        )

        assert sorted(line for line in stub.splitlines() if line.startswith("from")) == [
            "from _io import _IOBase",
            "from asyncio import Future, Task",
            "from contextvars import Context",
            "from io import BytesIO, StringIO",
            "from symtable import Symbol",
        ]


class TestPrivate:
    """Private names of a module."""

    def test_used_in_the_stub(self, write: Write) -> None:
        """What the stub uses is in it, too, and what that uses; nothing else is."""
        stub = write(
            """
            from collections.abc import Callable
            from dataclasses import dataclass, field
            from typing import NewType, TypeVar
            from aiofutures import sync_class

            F = TypeVar("F", bound=Callable[..., object])
            Some = TypeVar("Some", "Late", str)
            Name = NewType("Name", "list[Late]")
            _FIRST = 1
            _LIMIT = {"a": 1}
            _SIZE = 3
            _UNUSED = 4
            _field = 5

            class Late: ...
            def _unused() -> None: ...
            def _timed(fn: F) -> F: return fn
            def _first(fn: F) -> F: return fn
            @_first
            def _tags() -> list[str]: return []
            def _limited(*_: object, **__: object) -> Callable[[F], F]: return lambda fn: fn

            @_timed
            def total(n: int, *, by: int = -_UNUSED) -> int: return n
            @_limited({"a": _LIMIT, **{}}, not _FIRST, [*(1, 2)], f"{1}", a=lambda field: field.x)
            def most(n: int) -> int: return n
            @_limited(dict[str, int], int | None, {x: x.real for x in (1, 2)}, "".strip())
            def least(n: int) -> int: return n
            @dataclass
            class Order:
                tags: list[str] = field(default_factory=_tags)
                count: int = field(default_factory=lambda: _FIRST + 1)
            class AsyncClient:
                async def get(self, size: int = _SIZE) -> int: ...
            Client = sync_class(AsyncClient)
            """
        )

        assert _defined(stub) == {
            *("AsyncClient", "Client", "F", "Late", "Name", "Order", "Some"),
            *("_FIRST", "_LIMIT", "_SIZE", "_first", "_limited", "_tags", "_timed"),
            *("least", "most", "total"),
        }
        assert 'F = TypeVar("F", bound=Callable[..., object])' in stub
        assert 'Some = TypeVar("Some", Late, str)' in stub
        assert 'Name = NewType("Name", list[Late])' in stub
        assert "@_first\ndef _tags() -> list[str]: ..." in stub
        assert "def total(n: int, *, by: int = ...) -> int: ..." in stub
        called = '{"a": _LIMIT, **{}}, not _FIRST, [*(1, 2)], f"{1}", a=lambda field: field.x'
        assert f"@_limited({called})\ndef most" in stub
        called = 'dict[str, int], int | None, {x: x.real for x in (1, 2)}, "".strip()'
        assert f"@_limited({called})\ndef least" in stub
        assert "field(default_factory=lambda: _FIRST + 1)" in stub
        assert "def get(self, size: int = _SIZE) -> int: ..." in stub


class TestValues:
    """The types of a module's objects."""

    def test_objects(self, write: Write) -> None:
        """They have the types that type checkers find in the source."""
        stub = write(
            f"""
            import decimal, pathlib, re
            from collections import ChainMap
            from functools import partial
            from typing import Final, cast
            from aiofutures import AsyncExecutor, to_sync
            from library import Parser, parse, made
            {CLIENT.replace(chr(10), chr(10) + " " * 12)}
            HERE = pathlib.Path("here")
            PURE = pathlib.PurePath("here")
            NAMES = ["a"]
            SOME = [1, "a", None]
            PAIRS = [(1, "a")]
            EXACT = 1, "a", None
            MANY = tuple(["a", "b"])
            LISTS = {{"a": [1], "b": [], "c": None}}
            TABLE = dict(a=decimal.Decimal(1))
            UNKNOWN = {{}}
            FIXED: Final = {{"a"}}
            SAID = cast("Client | None", None)
            CHAIN = ChainMap[str, int]()
            WORD = re.compile("x", flags=re.I)
            executor = AsyncExecutor()
            parser = Parser()
            inner = made(parser)
            async def load(n: int) -> str: return str(n)
            load_sync = to_sync(load)
            load_one = partial(load, 1)
            load_two = partial(load, 1 + 1)
            same = load
            far = parse
            told = "{{}}".format
            text = "{{}}".join(["a", "b"])
            late = (lambda: load)()
            own = parser.parse(1)
            class Plain:
                make = load
                made = partial(load, 1)
            """,
            **{
                "library.__init__": "from library._impl import Parser, parse, made",
                "library._impl": "class Parser:\n def parse(self, text): return self.parse\n"
                "def parse(text: str) -> int: ...\ndef made(parser: Parser): return parser.parse\n",
            },
        )

        lines = stub.splitlines()
        for line in (
            "HERE: Path",
            "PURE: PurePath",
            "NAMES: list[str]",
            "SOME: list[int | str | None]",
            "PAIRS: list[tuple[int, str]]",
            "EXACT: tuple[int, str, None]",
            "MANY: tuple[str, ...]",
            "LISTS: dict[str, list[int] | None]",
            "TABLE: dict[str, Decimal]",
            "UNKNOWN: Any",
            "FIXED: Final[set[str]]",
            "SAID: Client | None",
            "CHAIN: ChainMap[str, int]",
            'WORD = re_compile("x", flags=I)',
            "executor: AsyncExecutor",
            "parser: Parser",
            "inner = made(parser)",
            "load_sync = to_sync(load)",
            "load_one = partial(load, 1)",
            "load_two: Any",
            "same = load",
            "far = parse",
            "told: Any",
            "text: str",
            "late: Any",
            "own: Any",
            "    make: Any",
            "    made: Any",
            "from aiofutures import AsyncExecutor, to_sync",
        ):
            assert line in lines

    def test_aliases(self, write: Write) -> None:
        """Aliases stay types."""
        stub = write(
            f"""
            import typing
            from collections import abc
            {CLIENT.replace(chr(10), chr(10) + " " * 12)}
            Callback = abc.Callable[[int], str]
            Older = typing.Callable[[int], str]
            Either = int | None
            """
        )

        assert "\nCallback = Callable[[int], str]\n" in stub
        assert "\nOlder = Callable[[int], str]\n" in stub
        assert "\nEither = int | None\n" in stub

    def test_special_names(self, write_package: WritePackage) -> None:
        """Names such as `__version__` are there, even where `__all__` does not list them."""
        stub = write_package(
            """
            from aiofutures import sync_class
            from ._version import __version__
            from . import core
            __all__ = ["Client"]
            __author__ = "A"
            __doc__ = "Text."
            __path__ = list(__path__)
            Client = sync_class(core.AsyncClient)
            def __getattr__(name: str) -> int: ...
            """,
            _version='__version__ = "1"',
        )

        assert "from ._version import __version__ as __version__\n" in stub
        assert "\n__author__: str\n" in stub
        assert "\ndef __getattr__(name: str) -> int: ...\n" in stub
        assert "__doc__" not in stub
        assert "__path__" not in stub


class TestFiles:
    """The file of a stub."""

    @pytest.mark.parametrize("text", ["", "# to be made\n", "# Licence: MIT\n\n"])
    def test_nothing_of_a_source(self, write: Write, tmp_path: Path, text: str) -> None:
        """An empty stub, or one with a licence above what was made, is no source."""
        stub = write(CLIENT)
        for before in (text, text + stub):
            (tmp_path / "clients.pyi").write_text(before)
            forget()

            assert twin.main(["clients"]) == 0
            assert (tmp_path / "clients.pyi").read_text() == stub

    def test_permissions(self, write: Write, tmp_path: Path) -> None:
        """A new stub has the permissions of the old one, and a link to it stays."""
        stub = write(CLIENT)
        path = tmp_path / "clients.pyi"
        moved = path.rename(tmp_path / "moved.pyi")
        path.symlink_to(moved)
        moved.write_text("# to be made\n")
        moved.chmod(0o640)

        assert twin.main(["clients"]) == 0
        assert path.is_symlink()
        assert moved.read_text() == stub
        assert moved.stat().st_mode & 0o777 == 0o640

    def test_full_disk(self, write: Write, tmp_path: Path) -> None:
        """Where a stub cannot be written, the old one stays, and an error says so."""
        pytest.importorskip("resource")
        stub = write(CLIENT)
        (tmp_path / "clients.py").write_text(f"{CLIENT}a = 1\n")
        limited = (
            "import resource, sys; from aiofutures import twin\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99))\n"
            "sys.exit(twin.main(['clients']))\n"
        )

        done = subprocess.run(
            [sys.executable, "-c", limited], capture_output=True, text=True, check=False
        )

        assert done.returncode == 2
        assert "clients.pyi cannot be written: File too large" in done.stderr
        assert {each.name for each in tmp_path.glob("*.pyi*")} == {"clients.pyi"}
        assert (tmp_path / "clients.pyi").read_text() == stub

    def test_device(self, write: Write, tmp_path: Path) -> None:
        """What is no file is written as it is."""
        write(CLIENT)

        assert twin.main(["clients", "-o", os.devnull]) == 0


class TestScreen:
    """A stub on the standard output."""

    COMMAND = (sys.executable, "-m", "aiofutures.twin", "clients:AsyncClient")

    def test_encoding(self, write: Write) -> None:
        """It is UTF-8 there, too."""
        write(CLIENT.replace("self", "self, a='ä→'"))

        done = subprocess.run(
            self.COMMAND,
            env=os.environ | {"PYTHONIOENCODING": "cp1250"},
            capture_output=True,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, b"")
        assert 'def get(self, a="ä→") -> int: ...' in done.stdout.decode("utf-8")

    def test_nobody_reads(self, write: Write) -> None:
        """Where nobody reads any more, an error says so."""
        write(CLIENT)
        read, written = os.pipe()
        os.close(read)

        done = subprocess.run(
            self.COMMAND, stdout=written, stderr=subprocess.PIPE, text=True, check=False
        )

        os.close(written)
        assert done.stderr == "aiofutures.twin: the stub cannot be printed: Broken pipe\n"
        assert done.returncode == 2

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is always full")
    def test_full_disk(self, write: Write) -> None:
        """So it does on a full disk."""
        write(CLIENT)

        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                self.COMMAND, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )

        assert done.stderr.startswith("aiofutures.twin: the stub cannot be printed: No space left")
        assert done.returncode == 2
