"""Context variables as tracing needs them, with the SDK of OpenTelemetry."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest
from support import LIMIT, MakeExecutor, run_python

from aiofutures import AsyncExecutor, gather, to_sync

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Parents = Callable[[], dict[str, str | None]]


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """What makes the tracers; not the global one, which can be set only once."""
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def tracer(provider: TracerProvider) -> trace.Tracer:
    """A tracer whose spans are kept in memory."""
    return provider.get_tracer("tests")


@pytest.fixture
def parents(provider: TracerProvider) -> Parents:
    """Returns the name of the parent of each span."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def get() -> dict[str, str | None]:
        spans: tuple[ReadableSpan, ...] = exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        return {
            span.name: names[span.parent.span_id] if span.parent else None  # or it is lost
            for span in spans
        }

    return get


def test_task(executor: AsyncExecutor, tracer: trace.Tracer, parents: Parents) -> None:
    """A span of synchronous code is the parent of those of the tasks that it submits."""

    async def work(name: str) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)

    with tracer.start_as_current_span("request"):
        futures = [executor.submit(work, name) for name in ("a", "b")]
    with tracer.start_as_current_span("another request"):
        for future in futures:
            future.result(LIMIT)

    assert parents() == {"a": "request", "b": "request", "request": None, "another request": None}


def test_worker_thread(executor: AsyncExecutor, tracer: trace.Tracer, parents: Parents) -> None:
    """A span of a task is the parent of those of its worker threads, and so on through all."""

    def query() -> None:
        with tracer.start_as_current_span("query"):
            to_sync(executor=executor)(commit)()

    async def commit() -> None:
        with tracer.start_as_current_span("commit"):
            await asyncio.sleep(0)

    async def work() -> None:
        with tracer.start_as_current_span("task"):
            await executor.sync_to_async(query)

    with tracer.start_as_current_span("request"):
        to_sync(executor=executor)(work)()
        assert isinstance(span := trace.get_current_span(), ReadableSpan)
        assert span.name == "request"

    assert parents() == {"commit": "query", "query": "task", "task": "request", "request": None}


def test_generator(executor: AsyncExecutor, tracer: trace.Tracer, parents: Parents) -> None:
    """The spans of an async generator belong to where it is iterated, across all its steps."""

    @to_sync(executor=executor)
    async def pages() -> AsyncGenerator[int, None]:
        for number in range(2):
            with tracer.start_as_current_span(f"page {number}"):
                await asyncio.sleep(0)
            yield number

    with tracer.start_as_current_span("request"):
        for number in pages():
            with tracer.start_as_current_span(f"use of {number}"):
                pass

    assert parents() == {
        "page 0": "request",
        "use of 0": "request",
        "page 1": "request",
        "use of 1": "request",
        "request": None,
    }


def test_derived_futures(executor: AsyncExecutor, tracer: trace.Tracer, parents: Parents) -> None:
    """The functions of combinators see the span in which they were chained."""

    async def fetch() -> int:
        with tracer.start_as_current_span("fetch"):
            return 1

    def count(number: int) -> int:
        with tracer.start_as_current_span("count"):
            return number + 1

    with tracer.start_as_current_span("request"):
        future = gather(executor.submit(fetch).map(count), executor.submit(asyncio.sleep, 0, 1))

    assert future.result(LIMIT) == (2, 1)
    assert parents() == {"fetch": "request", "count": "request", "request": None}


def test_concurrent_requests(
    make_executor: MakeExecutor, tracer: trace.Tracer, parents: Parents
) -> None:
    """Under a limit, calls of many spans do not mix them up."""
    executor = make_executor(max_workers=3)

    async def work(number: int) -> None:
        with tracer.start_as_current_span(f"task {number}"):
            await executor.sync_to_async(query, number)

    def query(number: int) -> None:
        with tracer.start_as_current_span(f"query {number}"):
            pass

    futures = []
    for number in range(20):
        with tracer.start_as_current_span(f"request {number}"):
            futures.append(executor.submit(work, number))
    for future in futures:
        future.result(LIMIT)

    assert parents() == {
        **{f"query {number}": f"task {number}" for number in range(20)},
        **{f"task {number}": f"request {number}" for number in range(20)},
        **{f"request {number}": None for number in range(20)},
    }


def test_import_needs_no_tracing() -> None:
    """The package does not import OpenTelemetry."""
    output = run_python(
        "import sys, aiofutures; print([m for m in sys.modules if 'opentelemetry' in m])"
    )

    assert output == "[]\n"
