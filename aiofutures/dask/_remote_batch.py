"""The calls of a batch, on the worker that runs them."""

from __future__ import annotations

import concurrent.futures
from contextlib import suppress
from contextvars import Context
from typing import Any

from .. import Future
from .._common.typing import override
from ._emitter import Emitter
from ._outcomes import CANCELLED, Outcome, pack_error, pack_result
from ._packing import UnpackedCall, unpack_batch
from ._runner import Runner


class RemoteCall(Future[Any]):
    """A call that tells its batch when it is done. Nobody else waits for it."""

    batch: RemoteBatch
    number: int

    @override
    def settle(self, result: object) -> None:
        super().settle(result)
        self._notify()

    @override
    def _notify(self) -> None:
        self.batch.note(self)

    @override
    def _must_be_fetched(self, error: BaseException) -> bool:
        return False


class RemoteBatch:
    """A batch of calls, until all are done.

    Args:
        runner: Runs them.
        emitter: Sends their outcomes.
        blob: The packed batch.
        context: Copied for each call.
    """

    def __init__(self, runner: Runner, emitter: Emitter, blob: bytes, context: Context) -> None:
        #: The future of the outcomes that are too large for an event.
        self.ended: concurrent.futures.Future[list[Outcome]] = concurrent.futures.Future()
        self._runner = runner
        self._emitter = emitter
        self._blob = blob
        self._context = context
        self._calls: dict[int, RemoteCall] = {}
        self._is_let_go = False
        runner.batches.add(self)

    def let_go(self) -> None:
        """Cancel the calls without telling the client: Dask runs the batch again."""
        self._is_let_go = True
        # First this, or the client would take the cancellations for outcomes.
        self._emitter.let_go()
        self._runner.host.call_soon(self._cancel)

    def begin(self) -> None:
        """Start the calls, after those started before. Loop thread only."""
        # The event loop may be ending, which a call that was there before has blocked.
        if self._is_let_go:
            self._end(None)
            return
        try:
            for unpacked in unpack_batch(self._blob):
                self._register(unpacked)
        except Exception as error:
            self._end(error)
            return
        self._blob = b""
        self._emitter.start()
        # Only now: `cancel_calls` writes its tombstones before it looks for the calls.
        key = self._emitter.key
        for number, call in list(self._calls.items()):
            if (key, number) in self._runner.tombstones:
                call.cancel()
            else:
                self._runner.host.submit(call)
        self._end_if_done()

    def note(self, call: RemoteCall) -> None:
        """Send the outcome of a call. Loop thread only."""
        if self._calls.pop(call.number, None) is not None:
            del self._runner.calls[self._emitter.key, call.number]
            self._emitter.add(_outcome(call, self._emitter.address))
            self._end_if_done()

    def _register(self, unpacked: UnpackedCall) -> None:
        """Create the future of a call, if it could be unpickled. Loop thread only."""
        number, fn, args, kwargs, error = unpacked
        if error is not None:
            self._emitter.add(pack_error(number, error, self._emitter.address))
            return
        call = RemoteCall(self._runner.host, fn, args, kwargs, self._context.copy())
        call.batch, call.number = self, number
        self._calls[number] = self._runner.calls[self._emitter.key, number] = call

    def _end_if_done(self) -> None:
        """End the batch after its last call. Loop thread only."""
        if not (self._calls or self._blob):
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        """Tell Dask that the batch has ended. Loop thread only."""
        self._emitter.flush()
        self._runner.batches.discard(self)
        # Its task was cancelled, or the batch has already ended.
        with suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.ended.set_result(self._emitter.large)
            else:
                self.ended.set_exception(error)

    def _cancel(self) -> None:
        """Cancel the remaining calls. Loop thread only."""
        for call in list(self._calls.values()):
            call.cancel()


def _outcome(call: RemoteCall, address: str) -> Outcome:
    if call.cancelled():
        return call.number, CANCELLED, b""
    error = call.exception()
    if error is not None:
        return pack_error(call.number, error, address)
    return pack_result(call.number, str(call._call_name()), call.result(), address)
