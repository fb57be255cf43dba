"""The executors that the tests use, and the proof that no test leaves anything behind."""

import asyncio
import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Final

import hypothesis
import laws
import pytest
from support import LIMIT, MakeExecutor, loop_that_calls
from typing_extensions import override

from aiofutures import AsyncExecutor, _default, _executor, set_default_executor
from aiofutures._loops import lifecycle

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

_HAS_FREE_THREADED_BUILDS: Final = sys.version_info >= (3, 13)

hypothesis.settings.register_profile("aiofutures", deadline=None, print_blob=True)
hypothesis.settings.load_profile("aiofutures")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--slow`."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    """Register a mark, and have Ctrl-C interrupt the tests and their children.

    A process that is born where SIGINT is ignored, under `nohup` or in the background of a shell,
    ignores it too, as do its own children.
    """
    config.addinivalue_line(
        "markers",
        "empty_context: runs where no context variable is set, which each call would copy",
    )
    config.addinivalue_line(
        "markers",
        "off_loop_thread(reason): calls what is for the loop thread alone on an object without one",
    )
    config.addinivalue_line(
        "markers", "one_loop(reason): is not tested with an executor over two event loops"
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _has_two_loops(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("loop_factory") == "two"


def _may_have_two_loops(item: pytest.Item) -> bool:
    if not _HAS_FREE_THREADED_BUILDS or item.get_closest_marker("one_loop") is not None:
        return False
    return not _OVER_TWO_LOOPS.isdisjoint({item.path.parent.name, item.path.stem})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes long, unless it was asked for, and use two event loops where they belong."""
    items[:] = [item for item in items if not _has_two_loops(item) or _may_have_two_loops(item)]
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="takes long: run it with --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look at no object that exists now again."""
    _collect()


def _collect() -> None:
    """Collect garbage, and have later collections pass over what is left: each test makes one."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that ask for it in an empty context: fixtures and earlier tests may set variables.

    The others run in the context of their fixtures, which may set and reset variables for them.
    """
    if pyfuncitem.get_closest_marker("empty_context") is None:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    Context().run(pyfuncitem.obj, **arguments)
    return True


@pytest.fixture(scope="session", autouse=True)
def _loop_thread_law() -> Iterator[laws.LoopThreadLaw]:
    """What the docstrings reserve for loop threads is watched, as far as Python can do so."""
    law = laws.LoopThreadLaw(tool=4)  # the first ids are for debuggers, coverage and `Watch`
    law.start(laws.code_for_loop_threads())
    yield law
    law.stop()


@pytest.fixture(autouse=True)
def _on_loop_threads(
    request: pytest.FixtureRequest, _loop_thread_law: laws.LoopThreadLaw
) -> Iterator[None]:
    """A test that calls off a loop thread what is for one alone fails, unless it says why."""
    yield
    _loop_thread_law.check(request.node.get_closest_marker("off_loop_thread"))


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[list[logging.LogRecord]]:
    """The errors that were logged. A test that expects some clears the list."""
    handler = _Errors()
    loggers = [logging.getLogger(name) for name in ("aiofutures", "asyncio", "concurrent.futures")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler.records
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _no_leaks(
    logged_errors: list[logging.LogRecord],
    _on_loop_threads: None,  # looks when the threads have ended
) -> Iterator[None]:
    """No thread, event loop, default executor or unexpected error survives a test."""
    threads = set(threading.enumerate())

    yield

    deadline = time.monotonic() + LIMIT
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    _collect()  # what it finds and was not closed warns, and warnings are errors
    assert set(threading.enumerate()) <= threads
    assert not lifecycle.running_loop_threads
    assert not _default._default
    assert [record.getMessage() for record in logged_errors] == []


def _debug_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = LIMIT
    return loop


def _eager_loop() -> asyncio.AbstractEventLoop:
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("eager tasks are new in Python 3.12")
    loop = asyncio.new_event_loop()
    loop.set_task_factory(vars(asyncio)["eager_task_factory"])
    return loop


def _lazy_loop() -> asyncio.AbstractEventLoop:
    return loop_that_calls(lambda _: None)


def _uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


_LOOPS: dict[str, LoopFactory] = {
    "asyncio": asyncio.new_event_loop,
    "debug": _debug_loop,
    "eager": _eager_loop,
    "lazy": _lazy_loop,
    "uvloop": _uvloop,
    "two": asyncio.new_event_loop,
}

#: The rooms and modules where executors over two event loops are tested too, but for tests that are
#: marked `one_loop`.
_OVER_TWO_LOOPS = {
    "futures",
    "guarantees",
    "sync",
    "test_contract",
    "test_default",
    "test_executor",
    "test_shared",
    "test_words",
    "test_workers",
}
# What makes the event loops of such an executor, in the test that runs.
_pairs: set[LoopFactory] = set()


@pytest.fixture(params=_LOOPS)
def loop_factory(request: pytest.FixtureRequest) -> Iterator[LoopFactory]:
    """What makes event loops, of each kind; each loop must be closed when the test ends."""
    make = _LOOPS[request.param]
    make().close()  # skips the test where this kind is not there
    loops: list[asyncio.AbstractEventLoop] = []

    def make_loop() -> asyncio.AbstractEventLoop:
        # Threads may ask at the same time.
        loop = make()
        loops.append(loop)
        return loop

    if request.param == "two":
        _pairs.add(make_loop)
    yield make_loop
    _pairs.clear()
    assert all(loop.is_closed() for loop in loops)


@pytest.fixture
def loops(loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of them an executor has."""
    if loop_factory not in _pairs:
        return 1
    monkeypatch.setattr(_executor, "_has_gil", lambda: False)
    return 2


@pytest.fixture
def make_executor(loop_factory: LoopFactory, loops: int) -> Iterator[MakeExecutor]:
    """Makes executors over each kind of event loop, and shuts them down after the test."""
    executors: list[AsyncExecutor] = []

    def make(
        executor: ThreadPoolExecutor | None = None,
        *,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
    ) -> AsyncExecutor:
        executors.append(
            AsyncExecutor(
                executor,
                max_workers=max_workers,
                loops=loops,
                loop_factory=loop_factory,
                thread_name_prefix=thread_name_prefix,
            )
        )
        return executors[-1]

    yield make
    for executor in executors:
        executor.shutdown(cancel_futures=True)


@pytest.fixture
def executor(make_executor: MakeExecutor) -> AsyncExecutor:
    """An executor over each kind of event loop."""
    return make_executor()


@pytest.fixture
def default_executor(executor: AsyncExecutor) -> Iterator[AsyncExecutor]:
    """The default executor, for one test."""
    set_default_executor(executor)
    yield executor
    _default._default.clear()
