"""Any sequence of what can be done with one executor keeps its promises."""

import asyncio
import concurrent.futures
import threading
from contextlib import suppress
from typing import Final

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support import LIMIT, until
from typing_extensions import override

from aiofutures import AsyncExecutor, Future, InvalidStateError

_STEPS: Final = 30


class Call:
    """One submitted call, which ends as it is told to."""

    def __init__(self) -> None:
        self.started = False
        self.was_cancelled_in_the_queue = False
        self.outcome: asyncio.Future[int] | None = None
        self.future: Future[int]

    async def run(self, stubborn: bool) -> int:
        """Wait for the outcome; a stubborn one does not end when it is cancelled."""
        self.started = True
        self.outcome = asyncio.get_running_loop().create_future()
        while True:
            try:
                # Unlike the task itself, this does not cancel what it waits for.
                await asyncio.wait([self.outcome])
                return self.outcome.result()
            except asyncio.CancelledError:
                if not stubborn:
                    raise


class ExecutorMachine(RuleBasedStateMachine):
    """Submits, cancels, completes, fails, shuts down and waits, in any order."""

    calls = Bundle("calls")

    @initialize(max_workers=st.sampled_from([None, 1, 2]))
    def make(self, max_workers: int | None) -> None:
        """Make the executor."""
        self.executor = AsyncExecutor(max_workers=max_workers)
        self.max_workers = max_workers
        self.is_shut_down = False
        self.all: list[Call] = []
        self.shutdowns: list[threading.Thread] = []

    @rule(target=calls, stubborn=st.booleans())
    def submit(self, stubborn: bool) -> Call:
        """Submit a call; after the shutdown it is refused."""
        call = Call()
        try:
            call.future = self.executor.submit(call.run, stubborn)
        except InvalidStateError:
            assert self.is_shut_down
            call.future = Future()
            call.future.cancel()
            return call
        assert not self.is_shut_down
        self.all.append(call)
        return call

    @rule(call=calls)
    def cancel(self, call: Call) -> None:
        """Cancel a call: at once while it is queued, by a request while it runs."""
        was_done = call.future.done()
        was_result = was_done and not call.future.cancelled()
        assert call.future.cancel() is not was_result or not was_done
        if call.future.cancelled() and not call.started:
            call.was_cancelled_in_the_queue = True

    @rule(call=calls, fails=st.booleans())
    def finish(self, call: Call, fails: bool) -> None:
        """Let a call that runs return or raise."""
        if call.outcome is None:
            return
        with suppress(RuntimeError):  # the loop is closed
            call.outcome.get_loop().call_soon_threadsafe(_finish, call.outcome, fails)

    @rule()
    def cancel_all(self) -> None:
        """Cancel all that there is."""
        self.executor.cancel_futures()

    @precondition(lambda self: not self.is_shut_down)
    @rule(cancel=st.booleans())
    def shut_down(self, cancel: bool) -> None:
        """Shut down, in a thread that waits."""
        self.is_shut_down = True
        self.executor.shutdown(wait=False, cancel_futures=cancel)
        thread = threading.Thread(target=self.executor.shutdown)
        thread.start()
        self.shutdowns.append(thread)

    @rule(call=calls)
    def wait(self, call: Call) -> None:
        """Wait a little for a call."""
        try:
            call.future.result(0.001)
        except (TimeoutError, ValueError, concurrent.futures.CancelledError):
            pass

    @rule()
    def settle(self) -> None:
        """Let the event loop do what it has to do."""
        loop = self.executor._loop_thread._run.loop
        if loop is not None and not loop.is_closed():
            turned = threading.Event()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # closed just now
                return
            until(lambda: turned.is_set() or loop.is_closed())

    @invariant()
    def adds_up(self) -> None:
        """What is pending, running and done is what was submitted; the limit holds."""
        statistics = self.executor.statistics()
        done = sum(call.future.done() for call in self.all)
        # Between two looks calls only go on from pending to running to done.
        assert statistics.running <= (self.max_workers or len(self.all))
        assert statistics.pending + statistics.running <= len(self.all)
        assert statistics.pending + statistics.running + done >= len(self.all)

    @invariant()
    def cancelled_in_the_queue_never_runs(self) -> None:
        """A call that was cancelled before it started does not start any more."""
        assert not any(call.started and call.was_cancelled_in_the_queue for call in self.all)

    @override
    def teardown(self) -> None:
        """End: every future that was accepted is done, in time."""
        if not hasattr(self, "executor"):
            return

        def finish_all() -> bool:
            for call in self.all:
                self.finish(call, fails=False)
            return all(call.future.done() for call in self.all)

        until(finish_all)
        self.executor.shutdown()
        for thread in self.shutdowns:
            thread.join(LIMIT)
            assert not thread.is_alive()
        for call in self.all:
            if not call.future.cancelled():
                assert isinstance(call.future.exception(), ValueError | None)
        statistics = self.executor.statistics()
        assert (statistics.pending, statistics.running) == (0, 0)


def _finish(outcome: asyncio.Future[int], fails: bool) -> None:
    if outcome.done():
        return
    if fails:
        outcome.set_exception(ValueError())
        outcome.exception()  # the call may be cancelled before it sees it
    else:
        outcome.set_result(1)


TestExecutor = ExecutorMachine.TestCase
TestExecutor.settings = hypothesis.settings(
    max_examples=100, stateful_step_count=_STEPS, deadline=None
)
