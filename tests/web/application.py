"""A Flask application that makes an executor and uses it when it is imported."""

import asyncio
import os
from typing import Final

from flask import Flask

import aiofutures
from aiofutures import AsyncExecutor, to_sync

app: Final = Flask(__name__)
executor: Final = AsyncExecutor(max_workers=8, cancel_at_exit=True)


async def square(number: int) -> tuple[int, int]:
    """Return the square, and the process that has worked it out in three ways."""
    await asyncio.sleep(0.002)
    process = await executor.sync_to_async(os.getpid)
    assert process == os.getpid()
    return await executor.submit(multiply, number, number), process


async def multiply(one: int, other: int) -> int:
    """Return the product."""
    await asyncio.sleep(0)
    return one * other


# Before the fork: both executors have a thread in the process that imports this.
PARENT: Final = executor.submit(square, 3).result(10)[1]
assert aiofutures.run_async(multiply, 2, 3).result(10) == 6
unfinished: Final = executor.submit(asyncio.sleep, 3600)


@app.get("/square/<int:number>")
def get_square(number: int) -> dict[str, int]:
    """Answer with a square."""
    result, process = executor.submit(square, number).result(10)
    return {"square": result, "process": process, "parent": PARENT}


@app.get("/sum/<int:count>")
def get_sum(count: int) -> dict[str, int]:
    """Answer with a sum of squares, through the default executor."""
    results = list(aiofutures.get_default_executor().map(multiply, range(count), range(count)))
    return {"sum": to_sync(multiply)(sum(results), 1), "process": os.getpid()}


@app.get("/unfinished")
def get_unfinished() -> dict[str, str]:
    """Answer with what has become of a future of the parent's."""
    return {"error": type(unfinished.exception(10)).__name__}
