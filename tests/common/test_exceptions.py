"""The errors fit where the standard library's are caught."""

import builtins
import concurrent.futures

import pytest

import aiofutures


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (aiofutures.AsyncExecutorError, Exception),
        (aiofutures.InvalidStateError, aiofutures.AsyncExecutorError),
        (aiofutures.InvalidStateError, concurrent.futures.InvalidStateError),
        (aiofutures.InvalidStateError, RuntimeError),
        (aiofutures.DeadlockError, aiofutures.AsyncExecutorError),
        (aiofutures.DeadlockError, RuntimeError),
        (aiofutures.BlockingCallWarning, RuntimeWarning),
    ],
)
def test_bases(error: type[Exception], base: type[Exception]) -> None:
    """Who catches the standard error catches the one of the package too."""
    assert issubclass(error, base)


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("CancelledError", concurrent.futures.CancelledError),
        ("TimeoutError", builtins.TimeoutError),
        ("BrokenExecutor", concurrent.futures.BrokenExecutor),
    ],
)
def test_reexported(name: str, standard: type[Exception]) -> None:
    """What the standard library has is re-exported, not defined anew."""
    assert getattr(aiofutures, name) is standard
