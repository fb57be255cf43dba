"""A Flask application with async views, whose event loop is that of this package."""

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final

from flask import Flask, Response, abort, g, request, session, stream_with_context
from flask.typing import ResponseReturnValue
from typing_extensions import override

from aiofutures import shared, to_sync

variable: Final = ContextVar("variable", default="unset")


class Application(Flask):
    """Runs async views on the one event loop of the process, not on one for each call."""

    @override
    def async_to_sync(self, func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        return to_sync(func)


app: Final = Application(__name__)
app.secret_key = "secret"
calls: list[str] = []


@shared
@asynccontextmanager
async def client() -> AsyncGenerator[str, None]:
    """A client for the whole process; it tells when it was opened, and closed."""
    print(f"opened in {os.getpid()}", flush=True)
    yield f"client of {os.getpid()}"
    await asyncio.sleep(0)
    print(f"closed in {os.getpid()}", flush=True)


class Token:
    """What lives as long as its request."""


tokens: "list[weakref.ref[Token]]" = []


class NotThereError(Exception):
    """What an async view raises."""


@app.before_request
async def before() -> None:
    """Leave something for the view."""
    await asyncio.sleep(0)
    g.token = Token()
    tokens.append(weakref.ref(g.token))
    g.user = request.headers.get("X-User", "nobody")
    variable.set(f"of {g.user}")


@app.after_request
async def after(response: Response) -> Response:
    """Add a header."""
    await asyncio.sleep(0)
    response.headers["X-Seen"] = f"{g.user} {request.path}"
    return response


@app.teardown_request
async def teardown(error: BaseException | None = None) -> None:
    """Note how the request has ended."""
    await asyncio.sleep(0)
    calls.append(f"{g.user}: {error!r}")


@app.errorhandler(NotThereError)
async def handle(error: NotThereError) -> ResponseReturnValue:
    """Answer with the error."""
    await asyncio.sleep(0)
    return f"{g.user} has no {error}", 404


@app.get("/locals/<name>")
async def show_locals(name: str) -> dict[str, str]:
    """Show what Flask keeps for the request."""
    await asyncio.sleep(0.005)
    session["visits"] = session.get("visits", 0) + 1
    return {
        "name": name,
        "user": g.user,
        "path": request.path,
        "variable": variable.get(),
        "visits": str(session["visits"]),
        "app": type(app).__name__,
    }


@app.get("/client")
async def use_client() -> dict[str, str]:
    """Show the client of the process."""
    return {"client": await client, "process": str(os.getpid())}


@app.get("/threads")
def count_threads() -> dict[str, int]:
    """Count the threads with an event loop."""
    names = [thread.name for thread in threading.enumerate()]
    return {"loops": sum(name.startswith("aiofutures") for name in names)}


@app.get("/raise/<name>")
async def raise_error(name: str) -> ResponseReturnValue:
    """Raise an error that has a handler."""
    await asyncio.sleep(0)
    raise NotThereError(name)


@app.get("/abort/<int:code>")
async def abort_view(code: int) -> ResponseReturnValue:
    """Raise an error of HTTP."""
    await asyncio.sleep(0)
    abort(code)


async def lines(count: int) -> AsyncGenerator[str, None]:
    """Yield lines that need the request."""
    try:
        for number in range(count):
            yield f"{request.path} {g.user} {number}\n"
            await asyncio.sleep(0)
    finally:
        calls.append("stream closed")
        print("stream closed", flush=True)


@app.get("/sync-stream/<int:count>")
def stream(count: int) -> Response:
    """Stream from a sync view."""
    return Response(stream_with_context(to_sync(lines)(count)))


@app.get("/async-stream/<int:count>")
async def stream_async(count: int) -> Response:
    """Stream from an async view."""
    await asyncio.sleep(0)
    return Response(stream_with_context(to_sync(lines)(count)))


def make(*, early: bool) -> Application:
    """Return the application; open the client before the server forks, or later."""
    if early:
        client()
    return app
