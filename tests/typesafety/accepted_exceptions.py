"""The exceptions can be caught as what the standard library raises in their place."""

import builtins
import concurrent.futures
import warnings
from typing import assert_type

from aiofutures import (
    AsyncExecutorError,
    BlockingCallWarning,
    BrokenExecutor,
    CancelledError,
    DeadlockError,
    InvalidStateError,
    TimeoutError,
)


def own(error: AsyncExecutorError) -> str:
    return str(error)


def runtime(error: RuntimeError) -> str:
    return str(error)


def invalid_state(error: concurrent.futures.InvalidStateError) -> str:
    return str(error)


def cancelled(error: concurrent.futures.CancelledError) -> str:
    return str(error)


def broken(error: concurrent.futures.BrokenExecutor) -> str:
    return str(error)


def timed_out(error: builtins.TimeoutError) -> str:
    return str(error)


def check_own() -> None:
    assert_type(own(InvalidStateError("a")), str)
    assert_type(own(DeadlockError("a")), str)


def check_runtime() -> None:
    assert_type(runtime(InvalidStateError("a")), str)
    assert_type(runtime(DeadlockError("a")), str)
    assert_type(runtime(BrokenExecutor("a")), str)


def check_invalid_state() -> None:
    assert_type(invalid_state(InvalidStateError("a")), str)


def check_standard_ones() -> None:
    assert_type(cancelled(CancelledError()), str)
    assert_type(timed_out(TimeoutError()), str)
    assert_type(broken(BrokenExecutor()), str)


def check_warning() -> None:
    assert_type(warnings.warn("a", BlockingCallWarning), None)
