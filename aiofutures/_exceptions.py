"""The exceptions and warnings of `aiofutures`."""

import concurrent.futures


class AsyncExecutorError(Exception):
    """Base class of the exceptions that `aiofutures` itself raises."""


class InvalidStateError(AsyncExecutorError, concurrent.futures.InvalidStateError, RuntimeError):
    """The operation is not allowed in this state.

    Raised by `AsyncExecutor.submit` after `AsyncExecutor.shutdown`, and by `Future.set_result` and
    `Future.set_exception` on a future that is done. It is a `RuntimeError` because that is what
    `ThreadPoolExecutor.submit` raises.
    """


class DeadlockError(AsyncExecutorError, RuntimeError):
    """A blocking wait would never end.

    Raised immediately, instead of hanging, when code on an executor's event loop blocks on work
    for that same loop (await the future instead), or when one of the executor's worker threads
    waits for its shutdown.

    .. versionadded:: 0.2.0
    """


class SyncFunctionError(DeadlockError, TypeError):
    """A function that `to_sync` has decorated stands where an async one is needed.

    Before it had an error of its own, it was one or the other.
    """


class BlockingCallWarning(RuntimeWarning):
    """A blocking call stalls an event loop that other tasks share.

    .. versionadded:: 0.2.0
    """
