"""The exceptions are not more than they say."""

import asyncio
import warnings

from aiofutures import (
    AsyncExecutorError,
    BlockingCallWarning,
    BrokenExecutor,
    CancelledError,
    DeadlockError,
    InvalidStateError,
    TimeoutError,
)

from .accepted_exceptions import broken, cancelled, invalid_state, own, runtime, timed_out
from .subjects import use


def check_own() -> None:
    use(own(RuntimeError("a")))  # refused
    use(own(BrokenExecutor("a")))  # refused
    use(own(BlockingCallWarning("a")))  # refused


def check_runtime() -> None:
    use(runtime(AsyncExecutorError("a")))  # refused
    use(runtime(TimeoutError("a")))  # refused
    use(runtime(CancelledError("a")))  # refused


def check_invalid_state() -> None:
    use(invalid_state(DeadlockError("a")))  # refused
    use(invalid_state(asyncio.InvalidStateError("a")))  # refused


def check_standard_ones() -> None:
    use(broken(InvalidStateError("a")))  # refused
    use(timed_out(DeadlockError("a")))  # refused
    use(cancelled(asyncio.CancelledError()))  # refused


def check_warning() -> None:
    use(warnings.warn("a", DeadlockError))  # refused
