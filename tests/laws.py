"""The laws that the source of the package states of itself, and what sees that they hold.

Docstrings and comments say what a law is for, and so it outlives renames and moves. No module or
function of the package is named here.
"""

import ast
import dis
import importlib
import inspect
import io
import pkgutil
import re
import sys
import tempfile
import threading
import tokenize
import traceback
from collections.abc import Callable, Container, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

import pytest
from support import line_of

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


def sources() -> dict[str, str]:
    """Return the text of each file of the package, by its path there."""
    root = Path(aiofutures.__path__[0])
    return {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in sorted(root.rglob("*.py"))
    }


# "Loop thread only."

_LOOP_THREAD_ONLY: Final = re.compile(r"\bLoop thread only\.\s*?(\n\s*\n|\s*$)")


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
        else:
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


# "No line calls anything."

_OPENING: Final = "# law: no calls"
_CLOSING: Final = "# law: end of no calls"  # ruff takes `law: end` alone for code

# Neither runs Python code nor looks whether a signal handler or another thread wants to. What is
# not here does, or may: calls, iteration, operators, subscripts, jumps backwards. It cannot know
# what is freed, and so has a finalizer; nor that Python 3.11 may collect garbage where it makes a
# tuple. From 3.12 on that waits for the next look.
_HARMLESS: Final = re.compile(
    r"(LOAD|STORE|DELETE)_(FAST|DEREF|GLOBAL|NAME|ATTR)\w*"
    r"|LOAD_(CONST|CLOSURE|METHOD|SMALL_INT|COMMON_CONSTANT)"
    r"|BUILD_(TUPLE|LIST)|MAKE_FUNCTION|SET_FUNCTION_ATTRIBUTE"
    r"|COPY|SWAP|POP_TOP|PUSH_NULL|NOP|NOT_TAKEN|EXTENDED_ARG|CACHE"
    r"|IS_OP|UNARY_NOT|POP_JUMP_(FORWARD_)?IF_\w+|JUMP_IF_(TRUE|FALSE)_OR_POP|JUMP_FORWARD"
    r"|RETURN_(VALUE|CONST)|PUSH_EXC_INFO|CHECK_EXC_MATCH|POP_EXCEPT|RERAISE"
)


class Region(NamedTuple):
    """Lines of a function that may not call anything."""

    code: CodeType
    lines: range


def regions(source: str, path: str = "<string>") -> list[Region]:
    """Return the regions that comments mark in a module.

    Raises:
        SyntaxError: A mark has no counterpart, is misspelled, or does not stand by itself in one
            function.
    """
    opened: int | None = None
    found: list[range] = []
    for number, mark in _marks(source):
        expected = _OPENING if opened is None else _CLOSING
        if mark != expected:
            raise SyntaxError(f"{mark!r} in line {number} of {path} where {expected!r} must be")
        if opened is None:
            opened = number
        else:
            found.append(range(opened + 1, number))
            opened = None
    if opened is not None:
        raise SyntaxError(f"no {_CLOSING!r} for line {opened} of {path}")
    module = compile(source, path, "exec", dont_inherit=True)
    return [Region(_code_with(module, lines), lines) for lines in found]


def _marks(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of comments that are about this law."""
    for token in _comments(source):
        if re.match(r"#\s*law\b", token.string):
            yield token.start[0], token.line.strip()


def _code_with(module: CodeType, lines: range) -> CodeType:
    """Return the code of the one function that has these lines."""
    found = list(_outermost_with(module, lines))
    if len(found) != 1 or found[0] is module:
        raise SyntaxError(f"lines {lines} of {module.co_filename} are not of one function")
    return found[0]


def _outermost_with(code: CodeType, lines: range) -> Iterator[CodeType]:
    if any(line in lines for _, _, line in code.co_lines()):
        yield code
        return
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _outermost_with(inner, lines)


def properties() -> frozenset[str]:
    """Return the names of the attributes of the package that are computed."""
    return frozenset(
        name
        for module in modules()
        for owner in vars(module).values()
        if isinstance(owner, type) and owner.__module__.startswith(aiofutures.__name__)
        for name, value in vars(owner).items()
        if isinstance(value, (property, cached_property))
    )


def calls_in(
    function: Callable[..., Any], first_text: str, last_text: str
) -> list[dis.Instruction]:
    """Return what may run other code from one line of `function` to another.

    Args:
        function: Where to look.
        first_text: A part of the first line.
        last_text: A part of the last line.
    """
    code, first = line_of(function, first_text)
    _, last = line_of(function, last_text)
    return calls(Region(code, range(first, last + 1)), properties())


def calls(region: Region, computed: Container[str] = ()) -> list[dis.Instruction]:
    """Return what may run other code in a region.

    Args:
        region: Where to look.
        computed: The names of attributes that are properties.
    """
    return [
        instruction
        for before, instruction in pairwise(dis.get_instructions(region.code))
        if instruction.positions
        and instruction.positions.lineno in region.lines
        and not _is_harmless(before, instruction, computed)
    ]


def described(instruction: dis.Instruction) -> str:
    """Return where an instruction stands, and what it is."""
    line = instruction.positions and instruction.positions.lineno
    return f"line {line}: {instruction.opname} {instruction.argrepr}"


def _is_harmless(
    before: dis.Instruction, instruction: dis.Instruction, computed: Container[str]
) -> bool:
    name = instruction.opname
    if name in ("COMPARE_OP", "CONTAINS_OP"):  # what is compared with a constant is as plain
        return before.opname.startswith(("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON")) or (
            before.opname == "LOAD_GLOBAL" and str(before.argval).isupper()
        )
    if name.endswith(("_ATTR", "_METHOD")) and instruction.argval in computed:
        return False
    return _HARMLESS.fullmatch(name) is not None


# Style.

_DIRECTIVE: Final = re.compile(r"#\s*(type|noqa|pragma|pyright|pyrefly|ty|mypy|ruff|law)\b")

# A noun phrase begins with neither; a verb is what a determiner follows ("Runs the loop").
_NO_NOUN_PHRASE: Final = re.compile(
    r"(What|How|Who|Whose|Whether|Where|When|Why|Which|That|Those|These|This|It)\b"
    r"|\w+ (a|an|the|its|each|every|what|how|async)\b",
    re.IGNORECASE,
)


class Function(NamedTuple):
    """A function and the number of lines of its body, without the docstring."""

    name: str
    length: int


def functions(source: str) -> list[Function]:
    """Return the functions of a module, but for those that have no code: overloads, protocols."""
    found = [
        Function(node.name, _body_length(node))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return [function for function in found if function.length]


def _body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines the code of a function has, comments and blank lines included."""
    if all(
        isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in node.body
    ):
        return 0
    last_before = node.body[0].lineno - 1
    if ast.get_docstring(node, clean=False) is not None:
        last_before = node.body[0].end_lineno or 0
    return (node.end_lineno or 0) - last_before


def comments(source: str) -> list[bool]:
    """Return of each line of comment whether it hangs at the end of code; directives aside."""
    return [
        bool(token.line[: token.start[1]].strip())
        for token in _comments(source)
        if not _DIRECTIVE.match(token.string)
    ]


def _comments(source: str) -> Iterator[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT)


def is_noun_phrase(summary: str) -> bool:
    """Tell whether the first line of a docstring is a noun phrase, as far as words show it."""
    return not _NO_NOUN_PHRASE.match(summary)
