"""The laws that the source of the package states of itself, and what sees that they hold.

Docstrings and comments say what a law is for, and so it outlives renames and moves. No module or
function of the package is named here but in `NOT_YET`.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

import pytest

import aiofutures
from aiofutures import AsyncExecutor


def modules() -> Iterator[ModuleType]:
    """Yield the modules of the package, but for those that need what is not installed."""
    yield aiofutures
    for found in pkgutil.walk_packages(aiofutures.__path__, f"{aiofutures.__name__}."):
        try:
            module = importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith(aiofutures.__name__):
                raise
        else:
            yield module


# "Loop thread only."

_LOOP_THREAD_ONLY: Final = re.compile(r"\bLoop thread only\.\s*?(\n\s*\n|\s*$)")

#: What breaks the law today, and what calls it there: not yet put right.
NOT_YET: Final = frozenset(
    {
        ("FutureState._settle_cancelled", "Scheduler.submit"),
        ("FutureState._settle_exception", "LoopThread._fail"),
    }
)


def is_for_loop_threads(docstring: object) -> bool:
    """Tell whether a paragraph of `docstring` ends with the law."""
    return isinstance(docstring, str) and bool(_LOOP_THREAD_ONLY.search(docstring))


def code_for_loop_threads() -> set[CodeType]:
    """Return the code of the functions of the package that the law is for."""
    return {code for module in modules() for code in reserved_in(module)}


def reserved_in(owner: ModuleType | type) -> Iterator[CodeType]:
    """Yield the code for loop threads that a module or class defines."""
    module, prefix = owner.__name__, ""
    if isinstance(owner, type):
        module, prefix = owner.__module__, f"{owner.__qualname__}."
    for name, value in vars(owner).items():
        function = _function(value)
        if isinstance(value, type):
            if (value.__module__, value.__qualname__) == (module, prefix + name):
                yield from reserved_in(value)
        elif function is not None and function.__module__ == module:
            if any(map(is_for_loop_threads, _docstrings(owner, name))):
                yield function.__code__
            yield from _reserved_inside(function.__code__)


def _reserved_inside(code: CodeType) -> Iterator[CodeType]:
    """Yield what is for loop threads of the functions that are defined in a function."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if is_for_loop_threads(next(iter(inner.co_consts), None)):
                yield inner
            yield from _reserved_inside(inner)


def _docstrings(owner: ModuleType | type, name: str) -> Iterator[str | None]:
    """Yield what a function has to obey: its docstring, its class's, and what it overrides."""
    for base in getattr(owner, "__mro__", (owner,)):
        if name in vars(base):
            function = _function(vars(base)[name])
            yield function and function.__doc__
            if isinstance(base, type) and not name.startswith("__"):
                yield base.__doc__


def _function(value: Any) -> FunctionType | None:
    """Return the function below what a decorator has made of it."""
    for attribute in ("fget", "func", "__func__"):
        value = getattr(value, attribute, value)
    unwrapped = inspect.unwrap(value) if callable(value) else None
    return unwrapped if isinstance(unwrapped, FunctionType) else None


class _Thread(threading.local):
    """What is known of the current thread."""

    is_loop_thread = False


class LoopThreadLaw:
    """Notes each entry into a function for loop threads that is not made on one.

    A loop thread is one that begins with the function in which the threads of executors begin.
    That is so before its event loop runs and after it, and never of a thread that runs an event
    loop of the user's. Whether it is the loop thread of that very executor is not looked at.

    Args:
        tool: Its id in `sys.monitoring`. The first ones are for debuggers and coverage.
    """

    def __init__(self, tool: int) -> None:
        self._tool = tool
        self._thread = _Thread()
        self._reserved: tuple[CodeType, ...] = ()
        self._main: CodeType | None = None
        # A file, not a list: what a forked child notes is seen here too.
        self._notes = tempfile.TemporaryFile("w+b", buffering=0)

    def start(self, reserved: Iterable[CodeType]) -> None:
        """Watch these functions, where Python can: from 3.12 on."""
        if sys.version_info >= (3, 12):
            self._main = _main_of_loop_threads()
            self._reserved = tuple(reserved)
            started = sys.monitoring.events.PY_START
            sys.monitoring.use_tool_id(self._tool, "laws")
            sys.monitoring.register_callback(self._tool, started, self._enter)
            for code in self._reserved:
                sys.monitoring.set_local_events(self._tool, code, started)

    def stop(self) -> None:
        """Watch no longer."""
        if sys.version_info >= (3, 12):
            for code in self._reserved:
                sys.monitoring.set_local_events(self._tool, code, 0)
            sys.monitoring.register_callback(self._tool, sys.monitoring.events.PY_START, None)
            sys.monitoring.free_tool_id(self._tool)
        self._notes.close()

    def check(self, exception: pytest.Mark | None = None) -> None:
        """Fail if the law was broken since the last look, or was not and `exception` says so."""
        notes = self.take()
        if exception is None:
            assert not notes, notes
        elif self._reserved:
            assert exception.args, f"the mark {exception.name} does not say why"
            assert notes, f"the mark {exception.name} is not needed: {exception.args[0]}"

    def take(self) -> str:
        """Return the notes, and drop them."""
        self._notes.seek(0)
        notes = self._notes.read().decode()
        self._notes.seek(0)
        self._notes.truncate()
        return notes

    def _enter(self, code: CodeType, _: int) -> None:
        if self._thread.is_loop_thread:
            return
        stack = list(_stack(sys._getframe(1)))
        if any(frame.f_code is self._main for frame in stack):
            self._thread.is_loop_thread = True
        elif tuple(frame.f_code.co_qualname for frame in stack[:2]) not in NOT_YET:
            where = "".join(traceback.format_stack(stack[0], limit=12))
            name = threading.current_thread().name
            self._notes.write(f"{code.co_qualname} on the thread {name}\n{where}\n".encode())


def _main_of_loop_threads() -> CodeType:
    """Return the code in which the threads of executors begin."""

    async def look() -> CodeType:
        inside = re.compile(rf"{aiofutures.__name__}\b")
        frames = [
            frame
            for frame in _stack(sys._getframe())
            if inside.match(frame.f_globals.get("__name__", ""))
        ]
        return frames[-1].f_code

    with AsyncExecutor() as executor:
        return executor.submit(look).result()


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield `frame` and those that led to it."""
    while frame is not None:
        yield frame
        frame = frame.f_back
