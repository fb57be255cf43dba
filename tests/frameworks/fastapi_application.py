"""A FastAPI application with sync endpoints that call async functions."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Annotated, Final

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from aiofutures import shared, sync_to_async, to_sync

variable: Final = ContextVar("variable", default="unset")


@shared
@asynccontextmanager
async def client() -> AsyncGenerator[str, None]:
    """A client for the whole process."""
    print("opened", flush=True)
    yield "client"
    print("closed", flush=True)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
    """Close the client: uvicorn ends its process by the very signal that it was sent."""
    yield
    await sync_to_async(client.close)


app: Final = FastAPI(lifespan=lifespan)


@to_sync
async def load(name: str) -> str:
    """Load something."""
    await asyncio.sleep(0.1)
    variable.set(name)
    return f"{name} by the {await client}"


@to_sync
@asynccontextmanager
async def session() -> AsyncGenerator[str, None]:
    """A session for one request."""
    print("session begins", flush=True)
    yield "session"
    print("session ends", flush=True)


@to_sync
async def lines() -> AsyncGenerator[str, None]:
    """Yield lines without end."""
    try:
        while True:
            yield "line\n"
            await asyncio.sleep(0)
    finally:
        print("stream closed", flush=True)


def open_session() -> Iterator[str]:
    """Open a session."""
    with session() as opened:
        yield opened


@app.get("/load/{name}")
def get_load(name: str, opened: Annotated[str, Depends(open_session)]) -> dict[str, str]:
    """Call an async function."""
    return {"loaded": load(name), "session": opened, "variable": variable.get()}


@app.get("/missing")
def get_missing() -> None:
    """Raise an error of HTTP in an async function."""

    @to_sync
    async def fail() -> None:
        await asyncio.sleep(0)
        raise HTTPException(410, "gone")

    fail()


@app.get("/stream")
def get_stream() -> StreamingResponse:
    """Stream what an async generator yields."""
    return StreamingResponse(lines())


@app.get("/collect")
def collect_garbage() -> int:
    """Collect garbage."""
    return gc.collect()


@app.get("/threads")
def count_threads() -> int:
    """Count the threads with an event loop of this package."""
    return sum(thread.name.startswith("aiofutures") for thread in threading.enumerate())


@app.get("/decorated/{name}")
@to_sync
async def get_decorated(name: str) -> str:
    """Be what no endpoint should be: FastAPI finds the async function behind it."""
    return name
