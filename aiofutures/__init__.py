"""Call async functions from synchronous code, through the standard executor interface."""

from concurrent.futures import BrokenExecutor, CancelledError, TimeoutError

from ._combinators import first, gather
from ._common.exceptions import (
    AsyncExecutorError,
    BlockingCallWarning,
    DeadlockError,
    InvalidStateError,
)
from ._decorators import in_executor, to_sync, to_sync_context, to_sync_iter
from ._default import (
    get_default_executor,
    in_caller_thread,
    run_async,
    set_default_executor,
    shared,
    sync_to_async,
)
from ._executor import AsyncExecutor, ExecutorStatistics
from ._futures.future import Future
from ._futures.results import Results
from ._sync.shared import Shared
from ._twins.sync_class import sync_class, unwrap

__all__ = [
    "AsyncExecutor",
    "AsyncExecutorError",
    "BlockingCallWarning",
    "BrokenExecutor",
    "CancelledError",
    "DeadlockError",
    "ExecutorStatistics",
    "Future",
    "InvalidStateError",
    "Results",
    "Shared",
    "TimeoutError",
    "first",
    "gather",
    "get_default_executor",
    "in_caller_thread",
    "in_executor",
    "run_async",
    "set_default_executor",
    "shared",
    "sync_class",
    "sync_to_async",
    "to_sync",
    "to_sync_context",
    "to_sync_iter",
    "unwrap",
]
