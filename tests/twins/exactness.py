"""How exact stubs of twins are: each member, in each type checker, beside `to_sync` of it.

    python tests/twins/exactness.py [CLASS ...] [--checker NAME ...] [--show]

A member counts where a checker prints the same type for that of the twin as for `to_sync` of that
of the original, or for the attribute. With `--show` the others follow, with both types. The exit
status is 1 where fewer members are exact than `AT_LEAST` says.
"""

import argparse
import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterable, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin

from aiofutures import twin
from aiofutures._sync.signatures import returned_type
from aiofutures._twins.kinds import is_async_function

CHECKERS: Final = ("pyright", "basedpyright", "mypy", "ty", "pyrefly", "zuban")

#: How many members are exact at least, in the order of the checkers. See `docs/twins.md`.
AT_LEAST: Final = {
    "httpx.AsyncClient": (23, 23, 23, 23, 23, 23),
    "mcp.ClientSession": (28, 28, 26, 25, 28, 25),
    "aiohttp.ClientSession": (27, 27, 18, 26, 27, 18),
    "openai.AsyncOpenAI": (56, 56, 49, 53, 53, 53),
    "redis.asyncio.Redis": (393, 393, 394, 390, 387, 394),
}

_BIN: Final = Path(sysconfig.get_path("scripts"))
_CONFIGURATIONS: Final = {
    "pyrefly.toml": 'preset = "strict"\nsearch-path = ["."]\n',
    "mypy.ini": "[mypy]\nstrict = true\npretty = false\nhide_error_context = true\n",
}
_PYTHON: Final = sys.executable
_COMMANDS: Final = {
    "pyright": ["pyright", "--pythonpath", _PYTHON],
    "basedpyright": ["basedpyright", "--pythonpath", _PYTHON],
    "mypy": ["mypy"],
    "ty": ["ty", "check", "--output-format", "concise", "--python", sys.prefix],
    "pyrefly": [
        *("pyrefly", "check", "--output-format", "min-text"),
        *("--python-interpreter-path", _PYTHON),
    ],
    "zuban": ["zuban", "mypy", "--python-executable", _PYTHON],
}
_PATTERN: Final = re.compile(
    r"^.*?probe\.py:(?P<line>\d+)\b.*?"
    r"(?:Type of \".*?\" is \"(?P<a>.*)\"|Revealed type is \"(?P<b>.*)\""
    r"|Revealed type: `(?P<c>.*)`|revealed type: (?P<d>.*) \[reveal-type\])\s*$"
)
_ASYNC: Final[Any] = (Awaitable, AsyncIterable, AbstractAsyncContextManager)


class Pair(NamedTuple):
    """What a checker says of a member of the original and of the twin."""

    member: str
    original: str
    twin: str


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("classes", nargs="*", default=[*AT_LEAST])
    parser.add_argument("--checker", nargs="*", default=[*CHECKERS])
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args(arguments)
    print("| class | members |", " | ".join(options.checker), "|")
    print("|---", "|---:" * (1 + len(options.checker)), "|", sep="")
    differing: list[str] = []
    is_less = False
    for name in options.classes:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory).resolve()
            members = prepare(name, root)
            counts: list[int] = []
            for checker in options.checker:
                pairs = measured(checker, members, root)
                others = [pair for pair in pairs if pair.original != pair.twin]
                counts.append(len(pairs) - len(others))
                is_less |= counts[-1] < AT_LEAST[name][CHECKERS.index(checker)]
                differing += [f"{name}.{a}, {checker}:\n  {b}\n  {c}" for a, b, c in others]
            print(f"| {name} | {len(members)} |", " | ".join(map(str, counts)), "|", flush=True)
    if options.show:
        print(*differing, sep="\n")
    return int(is_less)


def prepare(name: str, root: Path) -> list[str]:
    """Write a module with a twin, its stub and a program that asks; return the members."""
    module, _, attribute = name.rpartition(".")
    source = f"import {module}\nfrom aiofutures import sync_class\nTwin = sync_class({name})\n"
    (root / "clients.py").write_text(source)
    sys.path.insert(0, str(root))
    sys.modules.pop("clients", None)
    importlib.invalidate_caches()
    assert twin.main(["clients"]) == 0
    sys.path.remove(str(root))
    for path, text in _CONFIGURATIONS.items():
        (root / path).write_text(text)
    cls = getattr(importlib.import_module(module), attribute)
    members = sorted({*_public(ast.parse((root / "clients.pyi").read_text()))})
    asked = [
        (f"to_sync(original.{each})" if _is_called(cls, each) else f"original.{each}", each)
        for each in members
    ]
    (root / "probe.py").write_text(
        f"import {module}\nfrom typing import reveal_type\nfrom aiofutures import to_sync\n"
        f"from clients import Twin\ndef probe(original: {name}, twin: Twin) -> None:\n"
        + "".join(f"    reveal_type({a})\n    reveal_type(twin.{b})\n" for a, b in asked)
    )
    return members


def _public(stub: ast.Module) -> Iterator[str]:
    for node in ast.walk(stub):
        if isinstance(node, ast.ClassDef) and node.name == "Twin":
            for each in node.body:
                name = getattr(each, "name", None) or ast.unparse(getattr(each, "target", each))
                if not name.startswith("_") and isinstance(each, (ast.FunctionDef, ast.AnnAssign)):
                    yield name


def _is_called(cls: type, name: str) -> bool:
    """Tell whether `to_sync` takes a member: what it returns is async."""
    member = getattr(cls, name, None)
    if not inspect.isroutine(member):
        return False
    return is_async_function(member) or _is_async(returned_type(member))


def _is_async(kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        return any(map(_is_async, get_args(kind)))
    cls = origin or kind
    return isinstance(cls, type) and issubclass(cls, _ASYNC)


def measured(checker: str, members: list[str], root: Path) -> list[Pair]:
    """Return what a checker says of the members."""
    program, *arguments = _COMMANDS[checker]
    done = subprocess.run(
        [_BIN / program, *arguments, "probe.py"],
        cwd=root,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = originals(ast.parse((root / "clients.pyi").read_text()))
    said: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if match := _PATTERN.match(line):
            shown = next(each for each in match.group("a", "b", "c", "d") if each is not None)
            said[int(match["line"])] = normalized(shown, names)
    assert said, done.stdout + done.stderr
    return [
        Pair(member, said.get(6 + 2 * number, "nothing"), said.get(7 + 2 * number, "nothing else"))
        for number, member in enumerate(members)
    ]


def originals(stub: ast.Module) -> dict[str, str]:
    """Return the names of the async classes, by those of their twins."""
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(stub)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found: dict[str, str] = {}
    for node in stub.body:
        for member in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(member, ast.FunctionDef) and member.name == "__wrapped__":
                assert isinstance(node, ast.ClassDef)
                assert member.returns is not None
                name = ast.unparse(member.returns).partition("[")[0]
                found[node.name] = imported.get(name, name)
    return found


def normalized(shown: str, names: dict[str, str]) -> str:
    """Return a type in which twins have the names of the originals, once in each union."""
    shown = re.sub(r"^bound method [\w.]+?(?:\[.*?\])?\.\w+(?=[(\[])", "", shown)
    shown = shown.replace("collections.abc.", "").replace("typing.Generator", "Generator")
    for name, original in names.items():
        shown = re.sub(rf"\b(?:[\w.]+\.)?(?:{name}|{original})\b", original, shown)
    for original in {*names.values()}:
        arguments = r"(?:\[[^\[\]]*\])?"
        shown = re.sub(rf"\b({original}{arguments})(?: \| \1(?![\w\[]))+", r"\1", shown)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
