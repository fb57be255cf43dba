"""A Celery application whose tasks call async functions."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_shutdown

from aiofutures import in_caller_thread, shared, to_sync

URL = os.environ["REDIS"]
app = Celery("celery_application", broker=URL, backend=URL)
app.conf.update(broker_connection_retry_on_startup=True, task_track_started=True)


@shared
@asynccontextmanager
async def client() -> AsyncGenerator[str, None]:
    """A client for the whole process; it tells when it was opened, and closed."""
    print(f"opened in {os.getpid()}", flush=True)
    yield f"client of {os.getpid()}"
    await asyncio.sleep(0)
    print(f"closed in {os.getpid()}", flush=True)


@worker_process_shutdown.connect
def close_client(**_: object) -> None:
    """Close the client in a process of the prefork pool, which ends without a word to Python."""
    client.close()


@to_sync
async def name_client(number: int) -> tuple[int, str, int]:
    """Return the client."""
    await asyncio.sleep(0.01)
    return number, await client, os.getpid()


@app.task
def use_client(number: int) -> tuple[int, str, int]:
    """Call an async function."""
    return name_client(number)


@app.task
def count_loops() -> int:
    """Count the threads with an event loop."""
    names = [thread.name for thread in threading.enumerate()]
    return sum(name.startswith("aiofutures") for name in names)


@to_sync
async def sleep(seconds: float) -> str:
    """Take time, and clean up."""
    print(f"sleeping in {os.getpid()}", flush=True)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.sleep(0.05)
        print("cleaned up", flush=True)
    return "slept"


@app.task
def sleep_long(seconds: float) -> str:
    """Take time."""
    return sleep(seconds)


@app.task(soft_time_limit=1, time_limit=60)
def sleep_within_soft_limit() -> str:
    """Take too long, and notice it."""
    try:
        return sleep(3600)
    except SoftTimeLimitExceeded:
        return "over the limit"


@app.task(soft_time_limit=1, time_limit=60)
@to_sync
async def block_within_soft_limit() -> str:
    """Take too long in the thread of the task."""
    try:
        await in_caller_thread(time.sleep, 30)
    finally:
        await asyncio.sleep(0)
        print("cleaned up", flush=True)
    return "slept"


@app.task(time_limit=1)
def sleep_within_hard_limit() -> str:
    """Take too long."""
    return sleep(3600)


@to_sync
async def fail_twice(attempt: int) -> str:
    """Fail the first two times."""
    await asyncio.sleep(0)
    if attempt < 2:
        raise ConnectionError(attempt)
    return f"attempt {attempt}"


@app.task(bind=True, max_retries=3)
def retry(self: "Task[..., Any]") -> tuple[str, str]:
    """Fail the first two times, and try again."""
    try:
        return fail_twice(self.request.retries), self.request.id
    except ConnectionError as error:
        raise self.retry(exc=error, countdown=0) from error


@app.task(bind=True, autoretry_for=(ConnectionError,), retry_backoff=False, default_retry_delay=0)
def retry_by_itself(self: "Task[..., Any]") -> str:
    """Fail the first two times; Celery tries again."""
    return fail_twice(self.request.retries)


@app.task
def raise_error(name: str) -> Any:
    """Raise what an async function raises."""

    @to_sync
    async def fail() -> None:
        raise LookupError(name)

    fail()


@app.task(bind=True, max_retries=3)
@to_sync
async def retry_inside(self: "Task[..., Any]") -> tuple[int, str]:
    """Use what Celery keeps for the thread of the task, in the async function."""
    await asyncio.sleep(0)
    request = await in_caller_thread(lambda: (self.request.retries, self.request.id))
    if request[0] < 2:
        raise await in_caller_thread(self.retry, exc=ConnectionError(), countdown=0)
    return request
