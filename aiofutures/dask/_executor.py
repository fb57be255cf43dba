"""The executor of a Dask cluster."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import Any, Final

from distributed import Client

from .. import DeadlockError, ExecutorStatistics, Future
from .._results import MapsCalls
from .._typing import P, T, override
from ._dispatch import Sizes
from ._host import ClusterHost
from ._packing import Packer
from ._runner import Options

_number = itertools.count()

# The one for all calls: a worker has its own.
_NO_CONTEXT: Final = Context()


class DaskExecutor(MapsCalls):
    """Runs async functions on the workers of a Dask cluster.

    It takes the place of an `AsyncExecutor` where one process is not enough: `submit`, `map` and
    `to_sync(executor=...)` are the same. Each worker has an event loop of its own, on which it runs
    many calls at once. Calls are sent in batches, and their outcomes come back while others run.

    A call runs at least once: if its worker is lost, Dask runs it again on another one. Functions
    and arguments are pickled when they are submitted; context variables stay here.

    Args:
        client: The client of the cluster, or the address of its scheduler.
        max_concurrency: Maximum number of calls that each worker process runs at once. None means
            no limit.
        window: Maximum number of calls for each worker that are sent and not finished. None means
            twice `max_concurrency`.
        max_batch: Maximum number of calls that are sent together.
        linger: Number of seconds for which a call waits for others, if some were sent just before.
        loop_factory: The module and name of what creates the event loops of the workers, for
            instance "uvloop:new_event_loop". It is imported there.
        workers: The workers that may run the calls, as `Client.submit` takes them.
        resources: The resources that each batch takes, as `Client.submit` takes them.
        priority: The priority of the calls over other tasks of the cluster.

    Raises:
        TypeError: `client` is neither, or an asynchronous client.
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
        numbers = {"max_concurrency": max_concurrency, "window": window, "max_batch": max_batch}
        for name, number in numbers.items():
            if number is None and name == "max_batch":
                raise TypeError("max_batch must be a number, not None: a batch has an end")
            if number is not None and number <= 0:
                raise ValueError(f"{name} must be greater than 0")
        # NaN is neither.
        if not linger >= 0:
            raise ValueError("linger must not be less than 0")
        if loop_factory is not None and ":" not in loop_factory:
            raise ValueError(f"loop_factory must be 'module:name', not {loop_factory!r}")
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
        # If dropped without a shutdown, the submitted work finishes and then the thread ends.
        # pyrefly: cannot, it takes the property for an attribute without a slot
        self._finalizer = weakref.finalize(self, self._host.close_soon)
        self._finalizer.atexit = False

    @property
    def client(self) -> Client:
        """The client, which has Dask's own functions."""
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
            The future of what the awaitable returns. What follows it, such as the function of
            `Future.map`, runs in this process.

        Raises:
            TypeError: Something cannot be sent to another process, such as a lock or a future; or
                `fn` is not callable, or certainly not async.
            InvalidStateError: The executor was shut down.
            ClusterLostError: The client is not connected to its cluster.
            BrokenExecutor: This process was forked from the one of the client.
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

        What was sent to the cluster counts as running. `max_workers` is for all workers together,
        of which the number was counted not long ago.
        """
        pending, running = self._host.count()
        limit = self._max_concurrency
        return ExecutorStatistics(
            pending, running, None if limit is None else limit * self._host.dispatch.workers
        )

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work from outside, finish what there is and end the thread.

        The cluster goes on, and so does a client that was passed by the caller. Calling it again is
        harmless and may ask for more, for instance to cancel.

        Args:
            wait: Whether to return only when everything is done, cancellations included.
            cancel_futures: Whether to cancel queued and running calls.

        Raises:
            DeadlockError: It would block the event loop that outcomes come through.
        """
        host = self._host
        if wait and (host.is_current() or host.loop_thread.is_inside()):
            raise DeadlockError(
                "shutdown() would wait here for what needs this event loop, for ever; use "
                "shutdown(wait=False)"
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
