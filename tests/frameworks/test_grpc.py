"""gRPC's async channel, against its own sync server in this process."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final

import grpc
import grpc.aio
import pytest
from support import LIMIT

from aiofutures import AsyncExecutor, Shared, shared, to_sync, to_sync_iter

THREADS: Final = 20
left = Event()


def reverse(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Return a name reversed."""
    if request == b"nobody":
        context.abort(grpc.StatusCode.NOT_FOUND, "nobody is here")
    return request[::-1]


def count(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Count up."""
    context.add_callback(left.set)
    for number in range(int(request)):
        yield str(number).encode()


@pytest.fixture(scope="module", autouse=True)
def _polling() -> Iterator[None]:
    """The thread of gRPC's that the channels of a process share."""

    async def call(function: Callable[[], None]) -> None:
        function()

    with asyncio.Runner() as runner:
        runner.run(call(grpc.aio.init_grpc_aio))
        yield
        runner.run(call(grpc.aio.shutdown_grpc_aio))


@pytest.fixture
def channel(default_executor: AsyncExecutor) -> Iterator[Shared[grpc.aio.Channel]]:
    """A channel for the whole process, to a server of its own."""
    left.clear()
    handlers = {
        "Reverse": grpc.unary_unary_rpc_method_handler(reverse),
        "Count": grpc.unary_stream_rpc_method_handler(count),
    }
    with ThreadPoolExecutor(THREADS) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Names", handlers)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        channel = shared(grpc.aio.insecure_channel, f"127.0.0.1:{port}")
        yield channel
        channel.close()
        server.stop(None).wait(LIMIT)


def test_calls(channel: Shared[grpc.aio.Channel]) -> None:
    """Threads call the methods of one channel."""
    call = to_sync(channel().unary_unary("/Names/Reverse"))

    with ThreadPoolExecutor(THREADS) as threads:
        names = [*threads.map(call, [f"{number:03}".encode() for number in range(100)])]

    assert names == [f"{number:03}"[::-1].encode() for number in range(100)]


def test_error(channel: Shared[grpc.aio.Channel]) -> None:
    """An error of the service is raised here, with its code."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        to_sync(channel().unary_unary("/Names/Reverse"))(b"nobody")

    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_stream(channel: Shared[grpc.aio.Channel]) -> None:
    """A stream of answers is iterated."""
    stream = to_sync_iter(channel().unary_stream("/Names/Count"))

    assert [*stream(b"1000")] == [str(number).encode() for number in range(1000)]


def test_stream_left(channel: Shared[grpc.aio.Channel]) -> None:
    """A stream that is left early has to be cancelled, as in async code, and is at once."""

    @to_sync
    async def numbers() -> AsyncGenerator[bytes, None]:
        call = (await channel).unary_stream("/Names/Count")(b"1000000000")
        try:
            async for number in call:
                yield number
        finally:
            call.cancel()

    for number in numbers():
        assert number == b"0"
        break
    assert left.wait(LIMIT)
