"""A typed interface to the parts of Dask's client that are used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

from distributed import Client, KilledWorker

from ._errors import ClusterLostError
from ._hub import Hub, Receiver
from ._private import LOADS, is_asynchronous, reason_of
from ._runner import Cancelled, Options, cancel_calls
from ._worker import VERSIONS, Origin, pack_task

#: Takes how a batch ended ("finished", "error", "killed" or "cancelled") and its error.
Ended: TypeAlias = Callable[[str, BaseException | None], object]


class Engine:
    """A Dask cluster, as the client sees it.

    Only `close` blocks. Anything that takes time runs on Dask's event loop, and so do the
    callbacks.

    Args:
        client: The client, or the address of the scheduler to create one for.
        options: How the workers run calls.
        where: Which workers run them, as arguments of `Client.submit`.
        receive: Handles messages from the workers, as for `Receiver`.

    Raises:
        TypeError: `client` is not a client, or an asynchronous one.
        OSError: There is no scheduler at that address.
    """

    def __init__(
        self,
        client: Client | str,
        options: Options,
        where: dict[str, Any],
        receive: Callable[[str, str, Any], object],
    ) -> None:
        #: Whether it created the client.
        self.is_owner = isinstance(client, str)
        own: Any = _connected(client)
        self._client: Any = own
        self._loop: asyncio.AbstractEventLoop = own.loop.asyncio_loop
        self._options = options
        self._where = where
        self._token: Final = uuid4().hex
        self._receiver = Receiver(receive)
        self._hub = Hub.of(self._client)
        self._hub.receivers[self._token] = self._receiver
        # asyncio itself keeps only weak references.
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def client(self) -> Client:
        """The client itself."""
        client: Client = self._client
        return client

    @property
    def address(self) -> str:
        """The address of the scheduler; "closed" once the client is."""
        scheduler = self._client.scheduler
        return "closed" if scheduler is None else str(scheduler.address)

    def is_current(self) -> bool:
        """Tell whether the caller runs on Dask's event loop."""
        return asyncio._get_running_loop() is self._loop

    def status(self) -> str:
        """Return the state of the client, which is usable while "running"."""
        return str(self._client.status)

    def is_usable(self) -> bool:
        """Tell whether the client is connected to the scheduler."""
        return self.status() == "running"

    def subscribe(self) -> None:
        """Receive the workers' messages about whatever is submitted after this."""
        self._hub.subscribe(self._client)

    def submit(self, key: str, blob: bytes, ended: Ended) -> Any:
        """Send a batch.

        Args:
            key: The key of its task.
            blob: The packed calls.
            ended: Called when it has ended.

        Returns:
            An object for `cancel` and `gather`, which keeps the batch alive.
        """
        origin = Origin(VERSIONS, self._client.id, self._token, key)
        task = self._client.submit(
            LOADS,
            pack_task(origin, self._options, blob),
            key=key,
            pure=False,
            **self._where,
        )
        self._start(self._watch(task, ended))
        return task

    def gather(self, task: Any, gathered: Callable[[Any], object], ended: Ended) -> None:
        """Fetch the result of a batch, or report how it has ended since."""
        self._start(self._gather(task, gathered, ended))

    def cancel(self, task: Any) -> None:
        """Make Dask forget a batch. If it is running, it continues."""
        self._start(self._cancel(task))

    def cancel_calls(
        self, address: str | None, calls: Cancelled, arrived: Callable[[], object]
    ) -> None:
        """Request the cancellation of calls.

        Args:
            address: Their worker; None means all workers.
            calls: How often each was to be cancelled.
            arrived: Called when the request has arrived, or cannot arrive anywhere.
        """
        self._start(self._cancel_calls(address, calls, arrived))

    def count_workers(self, counted: Callable[[int, Container[str]], object]) -> None:
        """Count the workers that may run the calls, as far as their addresses tell.

        Args:
            counted: Called with their number and the addresses of all workers.
        """
        self._start(self._count_workers(counted))

    def close(self) -> None:
        """Stop receiving messages. Close the client if it was created here, and wait for that."""
        self._hub.leave(self._client, self._token)
        if self.is_owner:
            self._client.close()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._keep, coroutine)
        except RuntimeError:
            # The loop was closed with its client.
            coroutine.close()

    def _keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # On Dask's event loop, where the client's methods return awaitables.

    async def _watch(self, task: Any, ended: Ended) -> None:
        error = await task.exception()
        self._tell(task, error, ended)

    async def _gather(self, task: Any, gathered: Callable[[Any], object], ended: Ended) -> None:
        try:
            (result,) = await self._client.gather([task])
        except Exception as error:
            self._tell(task, error, ended)
        else:
            gathered(result)

    def _tell(self, task: Any, error: BaseException | None, ended: Ended) -> None:
        if isinstance(error, KilledWorker):
            ended("killed", error)
        elif task.status == "cancelled":
            reason = reason_of(task)
            ended("cancelled", ClusterLostError(f"the cluster dropped the call: {reason}"))
        else:
            ended(task.status if error is None else "error", error)

    async def _cancel(self, task: Any) -> None:
        with suppress(OSError):
            await self._client.cancel([task])

    async def _cancel_calls(
        self, address: str | None, calls: Cancelled, arrived: Callable[[], object]
    ) -> None:
        workers = None if address is None else [address]
        try:
            # A worker that is gone runs none of them.
            await self._client.run(cancel_calls, calls, workers=workers, on_error="ignore")
        except OSError:
            # The scheduler is gone too.
            pass
        finally:
            arrived()

    async def _count_workers(self, counted: Callable[[int, Container[str]], object]) -> None:
        threads: dict[str, int] = {}
        # Without a scheduler there are none.
        with suppress(OSError):
            threads = await self._client.nthreads()
        counted(sum(map(self._may_run, threads)), threads)

    def _may_run(self, address: str) -> bool:
        """Tell whether the worker at an address may run the calls."""
        chosen = self._where.get("workers")
        return not chosen or not {address, urlsplit(address).hostname}.isdisjoint(chosen)


def _connected(client: object) -> Client:
    if isinstance(client, str):
        # Any: distributed is not typed.
        make: Any = Client
        own: Client = make(client, set_as_default=False)
        return own
    if not isinstance(client, Client):
        raise TypeError(
            f"expected a distributed.Client or the address of a scheduler, got {client!r}"
        )
    if is_asynchronous(client):
        raise TypeError(
            f"expected a synchronous client, got {client!r}: create it without asynchronous=True"
        )
    return client
