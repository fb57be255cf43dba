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

    Raised at once, instead of hanging, when code on an executor's event loop blocks on work for the
    same loop (await the future instead), or when one of the executor's worker threads waits for its
    shutdown.

    .. versionadded:: 0.2.0
    """


class SyncFunctionError(DeadlockError, TypeError):
    """A function decorated with `to_sync` was passed in place of an async one.

    A subclass of both errors that used to be raised.
    """


class BlockingCallWarning(RuntimeWarning):
    """A blocking call stalls an event loop that other tasks share.

    .. versionadded:: 0.2.0
    """
