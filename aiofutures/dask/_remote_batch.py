"""The calls of a batch, where they run."""

from __future__ import annotations

import concurrent.futures
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

from .. import Future
from .._coroutines import name_of
from ._emitter import Emitter
from ._outcomes import CANCELLED, Outcome, pack_error, pack_result
from ._packing import UnpackedCall, unpack_batch
from ._runner import Runner


class RemoteBatch:
    """The calls of a batch, until all are done.

    Args:
        runner: What runs them.
        emitter: What their outcomes go to.
        blob: The batch, packed.
        context: What each of them gets a copy of.
    """

    def __init__(self, runner: Runner, emitter: Emitter, blob: bytes, context: Context) -> None:
        #: Of the outcomes that are too large for an event.
        self.ended: concurrent.futures.Future[list[Outcome]] = concurrent.futures.Future()
        self._runner = runner
        self._emitter = emitter
        self._blob = blob
        self._context = context
        self._futures: dict[int, Future[Any]] = {}
        runner.batches.add(self)

    def let_go(self) -> None:
        """Cancel the calls, and tell the client nothing of it: Dask runs the batch again."""
        # First this, or the client would take it for an outcome.
        self._emitter.let_go()
        self._runner.host.call_soon(self._cancel)

    def begin(self) -> None:
        """Begin the calls, after those that were begun before. Loop thread only."""
        try:
            for call in unpack_batch(self._blob):
                self._register(call)
        except Exception as error:
            self._end(error)
            return
        self._blob = b""
        self._emitter.start()
        # Only now: who cancels writes there before he looks at the calls.
        key = self._emitter.key
        for number, future in list(self._futures.items()):
            if (key, number) in self._runner.tombstones:
                future.cancel()
            else:
                self._runner.host.submit(future)
        self._end_if_done()

    def _register(self, call: UnpackedCall) -> None:
        """Make a future of a call, where it can be called. Loop thread only."""
        if call.error is not None:
            self._emitter.add(pack_error(call.number, call.error, self._emitter.address))
            return
        context = self._context.copy()
        future: Future[Any] = Future(self._runner.host, call.fn, call.args, call.kwargs, context)
        self._futures[call.number] = future
        self._runner.calls[self._emitter.key, call.number] = future
        future.add_done_callback(partial(self._note, call.number, name_of(call.fn)))

    def _note(self, number: int, name: str, future: Future[Any]) -> None:
        """Tell what has become of a call. Loop thread only."""
        del self._futures[number]
        del self._runner.calls[self._emitter.key, number]
        self._emitter.add(_outcome(number, name, future, self._emitter.address))
        self._end_if_done()

    def _end_if_done(self) -> None:
        """End the batch with its last call. Loop thread only."""
        if not (self._futures or self._blob):
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        """Tell Dask that the batch has ended. Loop thread only."""
        self._emitter.flush()
        self._runner.batches.discard(self)
        # Its task was cancelled, or it has ended before.
        with suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.ended.set_result(self._emitter.large)
            else:
                self.ended.set_exception(error)

    def _cancel(self) -> None:
        """Cancel what is left. Loop thread only."""
        for future in list(self._futures.values()):
            future.cancel()


def _outcome(number: int, name: str, future: Future[Any], address: str) -> Outcome:
    if future.cancelled():
        return number, CANCELLED, b""
    error = future.exception()
    if error is not None:
        return pack_error(number, error, address)
    return pack_result(number, name, future.result(), address)
