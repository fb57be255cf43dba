"""Stubs of modules that tests write."""

import ast
import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aiofutures import twin
from aiofutures._stubs import classes, modules

Write = Callable[..., str]


def written(folder: Path, source: str, target: str = "clients", **others: str) -> Iterator[str]:
    """Write modules, make the stub of the first one, and yield it; then forget them."""
    for name, text in {"clients": source, **others}.items():
        path = folder / (name.replace(".", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    importlib.invalidate_caches()
    forget()
    assert twin.main([target]) == 0
    yield (folder / "clients.pyi").read_text(encoding="utf-8")
    forget()
    for name in ("clients", *others):
        sys.modules.pop(name.removesuffix(".__init__"), None)


def forget() -> None:
    """Have modules read anew."""
    for cached in (modules.load, modules._resolved, modules._is_module, modules._exports):
        cached.cache_clear()
    for found in (classes._class_named, classes._members_of_generic):
        found.cache_clear()


def methods(stub: str, name: str = "Client") -> dict[str, str]:
    """Return the members of a class of a stub, without their docstrings."""
    tree = ast.parse(stub)
    (cls,) = (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name)
    found: dict[str, str] = {}
    for node in cls.body:
        if isinstance(node, ast.FunctionDef):
            node.body = [ast.Expr(ast.Constant(...))]
            text = ast.unparse(node).replace("\n    ...", "").rstrip(":").removeprefix("def ")
            found[node.name] = f"{found[node.name]}; {text}" if node.name in found else text
        elif isinstance(node, ast.AnnAssign):
            found[ast.unparse(node.target)] = ast.unparse(node)
    return found


def stub_of_members(folder: Path, library: str, members: Sequence[str]) -> str:
    """Return the stub of a module with a class for each member: one is made faster than many."""
    clients = "from library import *\nfrom aiofutures import sync_class\n"
    for number, each in enumerate(members):
        library += f"class C{number}:\n    async def always(self) -> None: ...\n"
        library += f"    {each}\n"
        clients += f"Client{number} = sync_class(C{number})\n"
    library = library.replace('__all__ = ["AsyncClient"]\n', "")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.chdir(folder)
        (stub,) = written(folder, clients, library=library)
    return stub
