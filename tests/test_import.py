"""Importing the package does nothing else."""

import os

import pytest
from support import run_python


def test_import_starts_nothing() -> None:
    """`import aiofutures` starts no thread and makes no event loop and no executor."""
    output = run_python(
        """
        import asyncio, gc, threading
        import aiofutures
        assert threading.enumerate() == [threading.main_thread()]
        assert not [o for o in gc.get_objects() if isinstance(o, asyncio.AbstractEventLoop)]
        assert not [o for o in gc.get_objects() if isinstance(o, aiofutures.AsyncExecutor)]
        print("nothing")
        """,
        env={**os.environ, "AIOFUTURES_INIT": ""},
    )

    assert output == "nothing\n"


def test_import_reads_one_variable() -> None:
    """`import aiofutures` reads AIOFUTURES_INIT from the environment and nothing else."""
    output = run_python(
        """
        import asyncio, concurrent.futures.thread, importlib.metadata, os
        import dataclasses, inspect, logging, queue, typing_extensions, warnings

        class Noticing(type(os.environ)):
            def __getitem__(self, key):
                print(key)
                return super().__getitem__(key)

        os.environ.__class__ = Noticing
        import aiofutures
        os.environ.__class__ = Noticing.__mro__[1]
        """,
        "-I" if not os.environ.get("COVERAGE_PROCESS_CONFIG") else "-Wdefault",
    )

    assert output == "AIOFUTURES_INIT\n"


@pytest.mark.parametrize("value", ["1", "true", "YES", " on ", "anything"])
def test_init_starts_the_default_executor(value: str) -> None:
    """AIOFUTURES_INIT starts the default executor at import."""
    output = run_python(
        """
        import threading
        import aiofutures
        print(*sorted(thread.name for thread in threading.enumerate()))
        """,
        env={**os.environ, "AIOFUTURES_INIT": value},
    )

    assert output == "MainThread aiofutures\n"


@pytest.mark.parametrize("value", ["", "0", "false", "No", " OFF "])
def test_init_can_be_off(value: str) -> None:
    """The usual words for no leave the start of the default executor to its first use."""
    output = run_python(
        """
        import threading
        import aiofutures
        print(*sorted(thread.name for thread in threading.enumerate()))
        """,
        env={**os.environ, "AIOFUTURES_INIT": value},
    )

    assert output == "MainThread\n"


def test_init_waits_for_the_end() -> None:
    """A default executor that was started at import ends with the interpreter, unused or not."""
    output = run_python(
        """
        import aiofutures
        async def work():
            print("done")
        aiofutures.run_async(work)
        """,
        env={**os.environ, "AIOFUTURES_INIT": "1"},
    )

    assert output == "done\n"
