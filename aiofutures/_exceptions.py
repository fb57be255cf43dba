"""The errors and warnings of `aiofutures`."""

import concurrent.futures


class AsyncExecutorError(Exception):
    """Base class of the errors that `aiofutures` itself raises."""


class InvalidStateError(AsyncExecutorError, concurrent.futures.InvalidStateError, RuntimeError):
    """What was asked for is not possible in this state.

    Raised by `AsyncExecutor.submit` after `AsyncExecutor.shutdown`, and by
    `Future.set_result` and `Future.set_exception` on a future that is done.
    It is a `RuntimeError` because that is what `ThreadPoolExecutor.submit` raises.
    """


class DeadlockError(AsyncExecutorError, RuntimeError):
    """A blocking wait could never end.

    Raised at once instead of hanging, when code on the event loop of an executor blocks until
    that same event loop has done something: await the future instead. Also when one of its worker
    threads waits for its shutdown.

    .. versionadded:: 0.2.0
    """


class BlockingCallWarning(RuntimeWarning):
    """A blocking call holds up an event loop that other tasks share.

    .. versionadded:: 0.2.0
    """
