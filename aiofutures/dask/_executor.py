"""The executor of a Dask cluster."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import Any, Final

from distributed import Client

from .. import DeadlockError, ExecutorStatistics, Future
from .._common.typing import P, T, override
from .._futures.results import MapsCalls
from .._loops.waves import is_cleaning_up
from ._dispatch import Sizes
from ._host import ClusterHost
from ._packing import Packer
from ._runner import Options

_number = itertools.count()

# One for all calls, which run in a context of the worker.
_NO_CONTEXT: Final = Context()


class DaskExecutor(MapsCalls):
    """Runs async functions on the workers of a Dask cluster.

    It replaces an `AsyncExecutor` where one process is not enough: `submit`, `map` and
    `to_sync(executor=...)` work the same way. Each worker runs many calls at once on its own event
    loop. Calls are sent in batches, and their outcomes come back while others run.

    A call runs at least once: if its worker is lost, Dask runs it again on another. Functions and
    arguments are pickled when submitted; context variables are not sent.

    Args:
        client: The client of the cluster, or the address of its scheduler.
        max_concurrency: Maximum number of calls that run at once in each worker process. None
            means no limit.
        window: Maximum number of unfinished calls sent per worker. None means twice
            `max_concurrency`.
        max_batch: Maximum number of calls sent together.
        linger: Number of seconds that a call waits for others, if some were sent just before.
        loop_factory: The module and name of a function that creates the workers' event loops, for
            instance "uvloop:new_event_loop". The workers import it.
        workers: The workers that may run the calls, as for `Client.submit`.
        resources: The resources that each batch uses, as for `Client.submit`.
        priority: The priority of the calls over other tasks of the cluster.

    Raises:
        TypeError: `client` is neither, or is an asynchronous client; or an option is of another
            type.
        ValueError: One of the numbers is too small, or `loop_factory` has no colon.
        OSError: There is no scheduler at that address.
        BrokenExecutor: This process was forked from one that has run calls with the client.

    Example:
        >>> with Client("tcp://scheduler:8786") as client, DaskExecutor(client) as executor:
        ...     pages = list(executor.map(fetch, urls))

    .. versionadded:: 0.2.0
    """

    def __init__(
        self,
        client: Client | str,
        *,
        max_concurrency: int | None = 1000,
        window: int | None = None,
        max_batch: int = 256,
        linger: float = 0.005,
        loop_factory: str | None = None,
        workers: str | int | Iterable[str | int] | None = None,
        resources: dict[str, float] | None = None,
        priority: int = 0,
    ) -> None:
        _refuse_too_small(max_concurrency=max_concurrency, window=window, max_batch=max_batch)
        # NaN is neither, and not greater than 0.
        if not linger >= 0:
            raise ValueError(f"linger must be 0 or greater, not {linger!r}")
        _refuse_options(loop_factory, resources, priority)
        if window is None and max_concurrency is not None:
            window = 2 * max_concurrency
        if workers is not None:
            # Once: it may be an iterator. The name of a worker may be a number.
            workers = [workers] if isinstance(workers, (str, int)) else [*workers]
        self._max_concurrency = max_concurrency
        self._packer = Packer()
        self._host = ClusterHost(
            client,
            options=Options(max_concurrency, loop_factory),
            sizes=Sizes(window, max_batch, linger),
            where={"workers": workers, "resources": resources, "priority": priority},
            name=f"{type(self).__name__}-{next(_number)}",
        )
        # If discarded without a shutdown, the submitted work finishes and then the thread ends.
        # pyrefly: cannot, it takes the property for an attribute without a slot
        self._finalizer = weakref.finalize(self, self._host.close_soon)
        self._finalizer.atexit = False

    @property
    def client(self) -> Client:
        """The client, for everything else that Dask offers."""
        return self._host.engine.client

    # Narrower than the base class: `fn` must be async. With @override, pyright would not see that
    # the method fits a protocol.
    def submit(  # type: ignore[override, explicit-override]
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)` on a worker of the cluster.

        Args:
            fn: An async function, or any callable that returns an awaitable.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The future of what the awaitable returns. Anything derived from it, such as the function
            passed to `Future.map`, runs in this process.

        Raises:
            TypeError: Something cannot be sent to another process, such as a lock or a future; or
                `fn` is not callable, or clearly not async.
            InvalidStateError: The executor was shut down.
            ClusterLostError: The client is not connected to its cluster.
            BrokenExecutor: This process was forked from the client's.
        """
        self._host.refuse()
        packed: Any = self._packer.pack(fn, args, kwargs)
        future: Future[T] = Future(self._host, fn, (packed,), None, _NO_CONTEXT)
        self._host.submit(future)
        return future

    def cancel_futures(self) -> None:
        """Cancel every call that is queued or running, as `Future.cancel` does."""
        self._host.cancel_all()

    def statistics(self) -> ExecutorStatistics:
        """Return the workload at this moment.

        Calls sent to the cluster count as running. `max_workers` is the total for all workers, as
        of a recent count.
        """
        pending, running = self._host.count()
        limit = self._max_concurrency
        return ExecutorStatistics(
            pending, running, None if limit is None else limit * self._host.dispatch.workers
        )

    @override
    def _close_and_cancel_rest(self) -> None:
        self._host.loop_thread.close()
        self._host.cancel_all(is_cleaning_up)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work from outside, finish the submitted work and end the thread.

        The cluster keeps running, and so does a client passed by the caller. A second call is
        harmless, and can ask for more, such as cancelling.

        Args:
            wait: Whether to wait until everything is done, including cancellations.
            cancel_futures: Whether to cancel queued and running calls.

        Raises:
            DeadlockError: It would block the event loop that receives the outcomes.
        """
        host = self._host
        if wait and (host.is_current() or host.loop_thread.is_inside()):
            raise DeadlockError(
                "shutdown() here would never return: it would wait for calls that need this event "
                "loop; use shutdown(wait=False)"
            )
        self._finalizer.detach()
        host.loop_thread.close()
        if cancel_futures:
            self.cancel_futures()
        if wait:
            host.close()
        else:
            host.close_soon()

    @override
    def __repr__(self) -> str:
        pending, running = self._host.count()
        return (
            f"<{type(self).__name__} client={self._host.engine.address} "
            f"max_concurrency={self._max_concurrency} pending={pending} running={running} "
            f"state={self._host.state()}>"
        )


def _refuse_too_small(**numbers: int | None) -> None:
    """Raise an error for a number that is not greater than 0; None means no limit."""
    for name, number in numbers.items():
        if number is None and name == "max_batch":
            raise TypeError("max_batch must be a number, not None: every batch has an end")
        if number is not None and not number > 0:
            raise ValueError(f"{name} must be greater than 0, not {number!r}")


def _refuse_options(loop_factory: object, resources: object, priority: object) -> None:
    """Raise an error for an option that each worker, or the scheduler, would stumble over."""
    if loop_factory is not None and not isinstance(loop_factory, str):
        raise TypeError(
            f"loop_factory must be 'module:name', which the workers import, not {loop_factory!r}"
        )
    if loop_factory is not None and not all(loop_factory.partition(":")):
        raise ValueError(f"loop_factory must be 'module:name', not {loop_factory!r}")
    if resources is not None and not isinstance(resources, dict):
        raise TypeError(f"resources must be a dict such as {{'GPU': 1}}, not {resources!r}")
    if not isinstance(priority, (int, float)):
        raise TypeError(f"priority must be a number, not {priority!r}")
