"""The command that writes stubs with the exact types of synchronous twins.

    python -m aiofutures.twin clients

writes `clients.pyi` next to `clients.py`, which creates the twins with `sync_class`. With
`--check`, it writes nothing and fails if the stub is out of date. It needs the extra `twin`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import UnsupportedOperation
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ._stubs.generate import stub_of
from ._stubs.modules import StubError, imported_names, is_nobodys_work
from ._twins.base import Twin
from ._twins.family import sync_name
from ._twins.kinds import Kind, kind_of_class

__all__ = ["main"]


class _Task(NamedTuple):
    """What to write, and where; None for the standard output."""

    target: str
    module: ModuleType
    twins: dict[str, type]
    path: Path | None
    is_whole: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a stub, or check one; return the exit status.

    Args:
        arguments: The command-line arguments; None means `sys.argv`.

    Returns:
        0 for success, 1 if the checked stub is out of date, and 2 for an error.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except StubError as error:
        print(f"aiofutures.twin: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    task = _task(options.target, options.output)
    path = task.path
    if options.check and path is None:
        raise StubError(f"{options.target} has no file that could be checked: say which with -o")
    if path is not None and path.is_dir():
        raise StubError(f"{path} is a directory: name a file")
    output = f" -o {options.output.as_posix()}" if options.output else ""
    command = f"{task.target}{output}"
    stub = stub_of(task.module, task.twins, command, path, is_whole=task.is_whole)
    if path is None:
        _print(stub)
    elif not options.check:
        try:
            _write(stub, path)
        except OSError as error:
            raise StubError(f"{path} cannot be written: {error.strerror}") from error
    elif not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != stub:
        print(f"{path} is out of date: run python -m aiofutures.twin {command}", file=sys.stderr)
        return 1
    return 0


def _print(stub: str) -> None:
    try:
        number = sys.stdout.fileno()
    except UnsupportedOperation:
        # It is replaced, by a test for example.
        print(stub, end="")
        return
    try:
        # Not `sys.stdout`, which may not be UTF-8, and would fail once more at exit.
        with open(number, "w", encoding="utf-8", closefd=False) as screen:
            screen.write(stub)
    except OSError as error:
        raise StubError(f"the stub cannot be printed: {error.strerror}") from error


def _write(stub: str, path: Path) -> None:
    # An empty file, such as a temporary one, or one of comments may be replaced, too.
    if path.is_file() and not is_nobodys_work(path):
        raise StubError(
            f"{path} was not made by this command, and is left as it is: remove it, or choose "
            "another file with -o"
        )
    path = path.resolve()
    if path.exists() and not path.is_file():
        # Such as a pipe.
        path.write_text(stub, encoding="utf-8")
        return
    # Where that cannot be written, the old stub stays.
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(stub, encoding="utf-8")
        if path.is_file():
            # Fails if it must not be written.
            path.open("r+b").close()
            shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aiofutures.twin",
        description="Write the stub of a module that makes synchronous twins with sync_class().",
    )
    parser.add_argument(
        "target",
        metavar="module[:Class]",
        help="the module, also by one of its twins; or one class alone, to print it or with -o",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write the stub")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail if the stub is out of date"
    )
    return parser


def _task(target: str, output: Path | None) -> _Task:
    name, _, wanted = target.partition(":")
    module = _imported(name)
    one = _one(module, wanted) if wanted else {}
    is_own = wanted in one and wanted not in imported_names(name)
    # The file beside a module has all of it, also where only one of its twins is asked for.
    if wanted and (output is not None or not is_own):
        return _Task(target, module, one, output, is_whole=False)
    twins = {
        name: vars(value)["_aiofutures_class"]
        for name, value in vars(module).items()
        if isinstance(value, type) and "_aiofutures_class" in vars(value)
    }
    if not twins.keys() - imported_names(name):
        raise StubError(f"{name} has no class of its own made by sync_class()")
    source = getattr(module, "__file__", None)
    beside = Path(source).with_suffix(".pyi") if source else None
    return _Task(name, module, twins, output or beside, is_whole=True)


def _imported(name: str) -> ModuleType:
    try:
        # The standard output may be the stub.
        with redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    # Importing a module runs the user's code.
    except BaseException as error:
        raise StubError(f"{name!r} cannot be imported: {type(error).__name__}: {error}") from error


def _one(module: ModuleType, name: str) -> dict[str, type]:
    """Return the requested async class, by the name of its twin."""
    try:
        cls = getattr(module, name, None)
    # A module may have a function for that, which imports something, for example.
    except Exception as error:
        raise StubError(
            f"{module.__name__}:{name} cannot be read: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(cls, type):
        found = "it has no such name" if cls is None else f"it is {cls!r}"
        raise StubError(f"{module.__name__}:{name} is not a class: {found}")
    if issubclass(cls, Twin) and "_aiofutures_class" in vars(cls):
        return {name: vars(cls)["_aiofutures_class"]}
    if kind_of_class(cls) is not Kind.TWIN:
        raise StubError(f"{module.__name__}:{name} has no public async members")
    return {sync_name(cls): cls}


if __name__ == "__main__":
    sys.exit(main())
