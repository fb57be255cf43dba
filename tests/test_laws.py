"""What docstrings and comments of the package claim holds, and is seen where it does not."""

import ast
import asyncio
import inspect
import os
import re
import signal
import statistics
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

import laws
import pytest
from support import LIMIT, in_child, in_thread, run_python

from aiofutures import AsyncExecutor

SOURCES: Final = laws.sources()
REGIONS: Final = [
    pytest.param(region, id=f"{path}:{region.code.co_qualname}")
    for path, source in SOURCES.items()
    for region in laws.regions(source, path)
]

#: How many regions the package has at least: none may get lost.
FEWEST_REGIONS: Final = 4

each_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def on_loop_thread() -> int:
    """Do nothing. Loop thread only."""
    return 1


async def as_task() -> int:
    """Call it as a task does."""
    return on_loop_thread()


class TestLoopThread:
    """What the docstrings reserve for the loop thread is called there only."""

    pytestmark = pytest.mark.skipif(
        sys.version_info < (3, 12), reason="sys.monitoring is new in Python 3.12"
    )

    @pytest.fixture
    def law(self) -> Iterator[laws.LoopThreadLaw]:
        """The law, for one function of this module."""
        law = laws.LoopThreadLaw(tool=3)
        law.start([on_loop_thread.__code__])
        yield law
        law.stop()

    def test_on_the_loop_thread(self, law: laws.LoopThreadLaw, executor: AsyncExecutor) -> None:
        """On the loop thread of an executor all is well."""
        executor.submit(as_task).result(LIMIT)

        assert law.take() == ""

    def test_at_the_end_of_the_loop_thread(self, law: laws.LoopThreadLaw) -> None:
        """A loop thread whose event loop does not run any more is one still."""
        loop = asyncio.new_event_loop()
        close = loop.close
        setattr(loop, "close", lambda: (on_loop_thread(), close()))

        with AsyncExecutor(loop_factory=lambda: loop) as executor:
            executor.submit(asyncio.sleep, 0).result(LIMIT)

        assert loop.is_closed()
        assert law.take() == ""

    @pytest.mark.parametrize(
        "call",
        [
            on_loop_thread,
            lambda: in_thread(on_loop_thread).result(LIMIT),
            lambda: asyncio.run(as_task()),
        ],
        ids=["main thread", "another thread", "another event loop"],
    )
    def test_elsewhere(self, law: laws.LoopThreadLaw, call: Callable[[], int]) -> None:
        """Elsewhere it is noted, with the stack."""
        call()

        notes = law.take()
        assert notes.startswith("on_loop_thread on the thread ")
        assert f"{__file__}" in notes
        assert law.take() == ""

    def test_in_a_worker_thread(self, law: laws.LoopThreadLaw, executor: AsyncExecutor) -> None:
        """A worker thread is none, although it belongs to an executor."""

        async def work() -> int:
            return await executor.sync_to_async(on_loop_thread)

        executor.submit(work).result(LIMIT)

        assert "-worker" in law.take()

    def test_in_a_thread_that_comes_after_one(self, law: laws.LoopThreadLaw) -> None:
        """A thread that has the number of a loop thread that has ended is none for that."""
        with AsyncExecutor() as executor:
            executor.submit(as_task).result(LIMIT)

        in_thread(on_loop_thread).result(LIMIT)

        assert law.take() != ""

    # Python 3.15 counts the thread of pytest's faulthandler, too.
    @pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_in_a_forked_child(self, law: laws.LoopThreadLaw) -> None:
        """What a forked child does is seen in the parent."""
        in_child(on_loop_thread)

        assert "on_loop_thread on the thread MainThread" in law.take()

    def test_check(self, law: laws.LoopThreadLaw) -> None:
        """A test in which that happens fails."""
        on_loop_thread()

        with pytest.raises(AssertionError, match="on_loop_thread on the thread MainThread"):
            law.check()
        law.check()

    def test_mark(self, law: laws.LoopThreadLaw) -> None:
        """A test may do it that says why; one that does not do it must not say so."""
        mark = pytest.mark.off_loop_thread("by itself").mark
        on_loop_thread()

        law.check(mark)
        with pytest.raises(AssertionError, match="is not needed: by itself"):
            law.check(mark)

    def test_mark_without_a_reason(self, law: laws.LoopThreadLaw) -> None:
        """A mark that does not say why is none."""
        on_loop_thread()

        with pytest.raises(AssertionError, match="does not say why"):
            law.check(pytest.mark.off_loop_thread.mark)


STATED: Final = """
from contextlib import contextmanager
from functools import cached_property
from inspect import cleandoc

def yes_function(): "Do it. Loop thread only."

async def yes_coroutine():
    '''Do it. Loop thread only.

    Args:
        None.
    '''

@contextmanager
def yes_decorated(): "Do it. Loop thread only."

def no_function():
    "Do it. Loop thread only, or not."
    def yes_inner(): "Do it. Loop thread only."

class Base:
    @staticmethod
    def yes_static(): "Do it. Loop thread only."
    @classmethod
    def yes_class(cls): "Do it. Loop thread only."
    @property
    def yes_property(self): "It. Loop thread only."
    @cached_property
    def yes_cached(self): "It. Loop thread only."
    def yes_overridden(self): "Do it. Loop thread only."
    def no_method(self): "Do it."
    class Inner:
        def yes_of_an_inner_class(self): "Do it. Loop thread only."

class Derived(Base):
    outer = Base
    def yes_overridden(self): pass
    def no_method(self): pass

class Whole:
    "What is all of it. Loop thread only."
    def __init__(self): pass
    def yes_of_a_whole_class(self): "Do it."
"""


class TestDocstrings:
    """Which functions are for the loop thread only."""

    def test_stated(self) -> None:
        """A function is if its docstring says so, that of its class, or of what it overrides."""
        module = types.ModuleType("stated")
        exec(STATED, vars(module))

        names = [code.co_name for code in laws.reserved_in(module)]

        assert sorted(names) == sorted(re.findall(r"def (yes_\w+)", STATED))

    def test_all_are_watched(self) -> None:
        """Each docstring that has the law is one of a function that is watched."""
        watched = {(code.co_filename, code.co_firstlineno) for code in laws.code_for_loop_threads()}
        stated = {
            (inspect.getfile(module), min([node.lineno, *(d.lineno for d in node.decorator_list)]))
            for module in laws.modules()
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and laws.is_for_loop_threads(ast.get_docstring(node))
        }

        assert stated
        assert stated <= watched


class Example:
    """A class with lines that call, and lines that do not."""

    first: Any = None
    second: Any = None

    @property
    def computed(self) -> int:
        """Computed."""
        return 1

    def swap(self) -> None:
        """Have two lines that call nothing between two that do."""
        print("begin")
        first = self.first
        self.first, self.second = self.second, first
        print("end")


CONSTANT: Final = "constant"

# Each calls nothing.
HARMLESS: Final = [
    "self.first = other",
    "self.first = self.second = None",
    "self.first, self.second = other, self.first",
    "del self.first",
    "other = self.first, 1, 'text'",
    "return other",
    "if self.first is None: return",
    "if self.first is not other or self.second is None: self.first = 1",
    "if self.first != CONSTANT: return other",
    "if self.first in CONSTANT: return",
    "self.first = lambda: other()",
    "try:\n        del self.first\n    except AttributeError:\n        return None",
]

# Each may run other code.
CALLS: Final = [
    "other()",
    "self.first(other, key=1)",
    "other(*self.first)",
    "other += 1",
    "-other",
    "other[0]",
    "other[0] = 1",
    "del other[0]",
    "self.first == other",
    "self.first in other",
    "first, second = other",
    "self.first = [*other]",
    "self.first = f'{other}'",
    "self.first = self.computed",
    "self.computed = 1",
    "for _ in other: self.first = None",
    "while other is None: self.first = None",
    "with other: self.first = None",
    "yield other",
    "raise other",
    "import os",
    "class Inner: first = 1",
    "self.first = [each for each in other]",
    pytest.param(
        "if other: self.first = None",
        marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="has no opcode of its own"),
    ),
]


def region_of(statement: str) -> laws.Region:
    """Return the region with this statement, in a function of its own."""
    (region,) = laws.regions(
        "def example(self, other):\n"
        "    print('begin')\n"
        "    # law: no calls\n"
        f"    {statement}\n"
        "    # law: end of no calls\n"
        "    print('end')\n"
    )
    return region


class TestNoCalls:
    """Between two marks no line calls anything."""

    @pytest.mark.parametrize("region", REGIONS)
    def test_package(self, region: laws.Region) -> None:
        """No signal handler and no other thread can come between these lines of the package."""
        found = laws.calls(region, laws.properties())

        assert [laws.described(instruction) for instruction in found] == []

    def test_no_region_is_lost(self) -> None:
        """The package has as many regions as it had."""
        assert len(REGIONS) >= FEWEST_REGIONS

    @pytest.mark.parametrize("statement", HARMLESS)
    def test_harmless(self, statement: str) -> None:
        """What only moves values around calls nothing."""
        assert laws.calls(region_of(statement)) == []

    @pytest.mark.parametrize("statement", CALLS)
    def test_calls(self, statement: str) -> None:
        """What runs Python code, or may be interrupted, does."""
        assert laws.calls(region_of(statement), {"computed"})

    def test_lines_of_a_function(self) -> None:
        """The lines of a function are found by their text."""
        assert laws.calls_in(Example.swap, "first = self.first", "self.second, first") == []
        begin = laws.calls_in(Example.swap, 'print("begin")', "self.second, first")
        end = laws.calls_in(Example.swap, "first = self.first", 'print("end")')

        assert begin
        assert end
        assert {*map(laws.described, begin)}.isdisjoint(map(laws.described, end))

    def test_innermost_function(self) -> None:
        """Marks in an inner function are for that alone."""
        (region,) = laws.regions(
            "def outer():\n"
            "    def inner(self):\n"
            "        # law: no calls\n"
            "        del self.first\n"
            "        # law: end of no calls\n"
            "        self.second()\n"
            "    inner()\n"
        )

        assert region.code.co_name == "inner"
        assert laws.calls(region) == []

    @pytest.mark.parametrize(
        "source",
        [
            "def f():\n    # law: no calls\n    pass\n",
            "def f():\n    pass\n    # law: end of no calls\n",
            "def f():\n    # law: no call\n    pass\n    # law: end of no calls\n",
            "def f():\n    # law: no calls\n    # law: no calls\n    pass\n",
            "def f():\n    x = 1  # law: no calls\n    pass\n    # law: end of no calls\n",
            "# law: no calls\nx = 1\n# law: end of no calls\n",
            "def f():\n    # law: no calls\n    # law: end of no calls\n    pass\n",
            "def f():\n    # law: no calls\n    1\ndef g():\n    1\n    # law: end of no calls\n",
        ],
        ids=["open", "not open", "misspelled", "twice", "tail", "module", "empty", "functions"],
    )
    def test_wrong_marks(self, source: str) -> None:
        """Marks that mark nothing are errors."""
        with pytest.raises(SyntaxError):
            laws.regions(source)


@pytest.mark.skipif(sys.platform == "win32", reason="a child is not born with SIGINT ignored")
class TestInterrupt:
    """Ctrl-C interrupts the tests and their children, however they were started."""

    BOTH: Final = ("test_here", "test_in_a_child")

    def test_here(self) -> None:
        """This process has Python's own handler."""
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_in_a_child(self) -> None:
        """An interpreter that a test starts has it too."""
        output = run_python("import signal; print(signal.getsignal(signal.SIGINT).__name__)")

        assert output == "default_int_handler\n"

    def test_where_it_is_ignored(self) -> None:
        """Both are so where pytest itself was born with SIGINT ignored."""
        done = subprocess.run(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "pytest", "-q"]
            + [f"{__file__}::{type(self).__name__}::{name}" for name in self.BOTH],
            capture_output=True,
            text=True,
            timeout=5 * LIMIT,
            check=False,
        )

        assert f"{len(self.BOTH)} passed" in done.stdout, done.stdout + done.stderr


class TestStyle:
    """The source is short and reads from top to bottom."""

    @each_source
    def test_no_long_function(self, source: str) -> None:
        """The body of no function has more than 40 lines, its docstring aside."""
        assert [each for each in laws.functions(source) if each.length > 40] == []

    def test_functions_are_short(self) -> None:
        """The bodies of half of the functions have 5 lines at most."""
        lengths = [each.length for source in SOURCES.values() for each in laws.functions(source)]

        assert statistics.median(lengths) <= 5

    def test_comments_stand_before_the_code(self) -> None:
        """Fewer than 15 % of the lines of comments hang at the end of a line of code."""
        hanging = [each for source in SOURCES.values() for each in laws.comments(source)]

        assert sum(hanging) < 0.15 * len(hanging)

    def test_modules_are_named(self) -> None:
        """The first line of a module's docstring is a noun phrase, but for the package itself."""
        summaries = {
            path: (ast.get_docstring(ast.parse(source)) or "What?").splitlines()[0]
            for path, source in SOURCES.items()
            if path != "__init__.py"
        }

        assert [each for each in summaries.items() if not laws.is_noun_phrase(each[1])] == []

    def test_length(self) -> None:
        """The signature, the docstring and a stub have no length, a comment and a blank line do."""
        source = (
            "def stub() -> None: ...\n"
            "def documented() -> None:\n"
            '    """Say so."""\n'
            "@decorated\n"
            "def short(\n"
            "    argument: int,\n"
            ") -> None:\n"
            '    """Do it.\n\n    Or not.\n    """\n'
            "    # Why.\n"
            "    return 1\n"
            "async def lines():\n"
            "    first = 1\n\n"
            "    return first\n"
        )

        assert laws.functions(source) == [("short", 2), ("lines", 3)]

    def test_hanging(self) -> None:
        """A comment hangs if code is before it; a directive is none."""
        source = "# One.\n# Two.\nx = 1  # three\ny = 2  # noqa: E741\nz = 3  # type: ignore[x]\n"

        assert laws.comments(source) == [False, False, True]

    @pytest.mark.parametrize(
        "summary",
        [
            "The state machine of a future.",
            "A thread pool.",
            "Futures of several awaitables.",
            "Waiting for a call in synchronous code.",
        ],
    )
    def test_noun_phrase(self, summary: str) -> None:
        """What names a thing is a noun phrase."""
        assert laws.is_noun_phrase(summary)

    @pytest.mark.parametrize(
        "summary",
        [
            "What a future is in.",
            "How a thread waits.",
            "Those who wait.",
            "Runs the event loop.",
            "Wake a thread.",
        ],
    )
    def test_no_noun_phrase(self, summary: str) -> None:
        """A riddle and a verb are none."""
        assert not laws.is_noun_phrase(summary)
