"""The host of calls that run on a cluster."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context
from threading import Thread
from typing import Any, Final

from .. import AsyncExecutor, BrokenExecutor, Future
from .._common.contract import Host, Runnable, ignore
from .._common.typing import override
from .._loops.blocking import call_elsewhere
from .._loops.lifecycle import abandonable, in_words
from .._loops.run import count
from .._loops.thread import LoopThread
from .._loops.waves import Cleanups, begin_wave, end_wave, nobody, numbers_of
from ._dispatch import Dispatch, Sizes
from ._engine import Engine
from ._errors import ClusterLostError
from ._hub import FORKED
from ._runner import Options

# Number of seconds between checks of the cluster.
_TICK: Final = 1.0


class ClusterHost:
    """A host whose calls run on a cluster.

    In this process they have an event loop, which receives their outcomes and runs derived futures.
    While calls are unfinished, a job on that loop waits for them. So `shutdown`, the end of the
    interpreter and Ctrl-C wait for them, or cancel them, as with other calls.
    """

    loop_in_words = "that receives its outcome"
    #: What the calls of a cluster wait for is not known here.
    limit = None

    def __init__(
        self, client: Any, *, options: Options, sizes: Sizes, where: dict[str, Any], name: str
    ) -> None:
        self.name = name
        self.engine = Engine(client, options, where, self._receive)
        self._executor = AsyncExecutor(thread_name_prefix=name)
        self.loop_thread: LoopThread = self._executor._loop_thread
        self.queue: deque[Runnable] = deque()
        self.dispatch = Dispatch(
            self.queue, sizes, self.engine, self.loop_thread.call_soon, self._notify
        )
        self._is_serving = self._is_in_wave = False
        self._idle: asyncio.Future[None] | None = None
        self._fork: BrokenExecutor | None = None
        abandonable.add(self)

    # As a host.

    @property
    def local(self) -> Host:
        """The host of derived futures: the event loop in this process."""
        return self.loop_thread

    def submit(self, future: Runnable, /) -> None:
        """Queue a call that is already packed.

        Raises:
            InvalidStateError: The executor was shut down.
            ClusterLostError: The client is not connected.
            BrokenExecutor: This process was forked from the client's.
        """
        self.refuse()
        if Cleanups.have_begun:
            self.loop_thread.note_cleanup(future)
        dispatch, queue = self.dispatch, self.queue
        try:
            queue.append(future)
            if not dispatch.awake or len(queue) == dispatch.full:
                dispatch.awake = True
                self._ring()
            self.loop_thread.refuse_after_shutdown()
        except RecursionError:
            call_elsewhere(self._take_back, (future,))
            raise
        except BaseException:
            # Possibly a signal handler's.
            self._take_back(future)
            raise

    def _take_back(self, future: Runnable) -> None:
        """Cancel a call that was queued when an error came. Others may rely on its wake-up."""
        future.cancel()
        self.dispatch.awake = False
        if any(other is not future for other in list(self.queue)):
            self._ring()

    def cancel(self, future: Runnable, asked: Callable[[bool], object], /) -> None:
        """Cancel a call on its worker, or at once if no worker has announced it."""
        self._cancel(future, asked, nobody)

    def _cancel(
        self,
        future: Runnable,
        asked: Callable[[bool], object],
        but: Callable[[Runnable], bool],
    ) -> None:
        if not future.done():
            self.dispatch.withdraw(future)
            self.loop_thread.call_soon(self.dispatch.cancel, future, asked, but)

    def is_current(self) -> bool:
        """Tell whether the caller runs on the event loop of this host, or on Dask's."""
        return self.loop_thread.is_current() or self.engine.is_current()

    def report(self, context: dict[str, Any], /) -> None:
        """Report an error that no caller can receive."""
        self.loop_thread.report(context)

    # For the executor.

    def refuse(self) -> None:
        """Raise an error if no call can run."""
        if self._fork is not None:
            raise self._fork
        self.loop_thread.refuse_after_shutdown()
        if not self.engine.is_usable():
            raise ClusterLostError(
                f"cannot schedule new futures: the client is {self.engine.status()}"
            )

    def cancel_all(self, but: Callable[[Runnable], bool] = nobody) -> None:
        """Cancel the queued calls at once, and the sent ones where they run, each once."""
        futures = self.futures()
        numbers = numbers_of(futures)
        call_soon = self.loop_thread.call_soon
        with ExitStack() as stack:
            # In the same order as `waves.cancel_all`.
            stack.callback(call_soon, call_soon, call_soon, self._end_wave, numbers)
            begin_wave(numbers)
            stack.callback(self.loop_thread.cancel_all, but)
            stack.callback(call_soon, self._begin_wave)
            for future in futures:
                stack.callback(future.tell_withdrawn)
            for future in futures:
                if not (but(future) or future.withdraw()):
                    stack.callback(self._cancel, future, ignore, but)

    def futures(self) -> list[Runnable]:
        """Return the futures that are not done, the oldest first."""
        # The queue first, so that none is missed; a call that is being sent may be in both. Copying
        # into a list is atomic, as Dask needs the GIL.
        queued = list(self.queue)
        return list(dict.fromkeys([*list(self.dispatch.calls), *queued]))

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many were sent."""
        return count(self.futures())

    def close(self) -> None:
        """Wait until everything is done, and close the client if it was created here."""
        self.loop_thread.close()
        self.loop_thread.join()
        if self._fork is None:
            self.engine.close()

    def close_soon(self) -> None:
        """Do the same as `close`, without waiting."""
        self.loop_thread.close()
        is_used = self.engine.is_owner or self.loop_thread.state() != "not started"
        if is_used and self._fork is None:
            Thread(target=self.close, name=f"{self.name}-end").start()

    def state(self) -> str:
        """Return its state, in the words that executors use."""
        state = self.loop_thread.state()
        is_open = state in ("not started", "running")
        return "broken" if is_open and not self.engine.is_usable() else state

    def abandon(self) -> None:
        """In a forked child, leave the calls to the parent process."""
        self._fork = BrokenExecutor(FORKED)
        for future in self.futures():
            future.abandon(self._fork)
        self.queue.clear()
        self.dispatch.calls.clear()
        _left_behind.append(self.engine)

    # For the loop thread.

    def _ring(self) -> None:
        """Make the event loop look at the queue, and keep it alive until all calls are done."""
        job = _Job(self.loop_thread, self._serve, (), None, Context())
        job.host = self
        self.loop_thread.submit(job)

    def _receive(self, kind: str, key: str, content: Any) -> None:
        """Pass on a message from a worker. Called on Dask's event loop."""
        self.loop_thread.call_soon(self.dispatch.receive, kind, key, content)

    async def _serve(self) -> None:
        """Send what is queued, and run until all calls are done. Loop thread only."""
        self.dispatch.look()
        if self._is_serving:
            return
        self._is_serving = True
        try:
            while not self._is_idle():
                await self._wait()
        finally:
            self._is_serving = False

    async def _wait(self) -> None:
        """Wait until nothing is left to do, or it is time for a check. Loop thread only."""
        self._idle = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([self._idle], timeout=_TICK)
        except asyncio.CancelledError:
            # Every call of the event loop was cancelled, so cancel those on the cluster too.
            if not self._is_in_wave:
                self._cancel_rest()
        if not self._is_idle():
            self.dispatch.tick()

    def _cancel_rest(self) -> None:
        """Cancel the calls whose cancellation was not requested yet. Loop thread only."""
        for future in self.futures():
            call = self.dispatch.calls.get(future)
            if call is None or not call.is_cancelled:
                future.cancel()

    def _is_idle(self) -> bool:
        """Tell whether nothing is left to do. Loop thread only."""
        return not self.queue and self.dispatch.is_idle()

    def _notify(self) -> None:
        """Let the job end when nothing is left to do. Loop thread only."""
        if self._idle is not None and not self._idle.done() and self._is_idle():
            self._idle.set_result(None)

    def _begin_wave(self) -> None:
        """Note that all calls are being cancelled by `cancel_all`. Loop thread only."""
        self._is_in_wave = True

    def _end_wave(self, numbers: dict[Runnable, int]) -> None:
        """Note that waiters know that all of these were cancelled. Loop thread only."""
        self._is_in_wave = False
        end_wave(numbers)


class _Job(Future[None]):
    """The job of the event loop for a cluster. It can be cancelled only while it waits."""

    host: ClusterHost

    @override
    def cancel(self) -> bool:
        return self.running() and super().cancel()

    @override
    def note_cancel(self) -> None:
        """Do nothing: it goes on, with the calls that come later."""

    @override
    def withdraw(self) -> bool:
        return False

    @override
    def _call_name(self) -> str:
        """Return the names of the calls, for which the end of the interpreter waits."""
        return in_words(str(future._call_name()) for future in self.host.futures())


# Kept by a forked child so that nothing closes them: their threads are the parent's.
_left_behind: Final[list[object]] = []
