"""Views that are async functions, or that call some."""

import asyncio
import os
from contextlib import asynccontextmanager

from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils import timezone, translation

from aiofutures import gather, in_caller_thread, run_async, shared, to_sync

from .models import Item


def german(get_response):
    """Answer in the language that the request asks for, as Django's own middleware does."""

    def middleware(request):
        with translation.override(request.GET.get("language", "en-us")):
            return get_response(request)

    return middleware


@shared
@asynccontextmanager
async def clock():
    """A background service: it counts its ticks."""
    ticks = [0]

    async def tick():
        while True:
            ticks[0] += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        service = group.create_task(tick())
        yield ticks
        service.cancel()


async def add(request):
    """Add an item and return how many there are."""
    name = request.GET["name"]
    await Item.objects.acreate(name=name)
    if name == "bad":
        raise ValueError(name)
    return JsonResponse({"count": await Item.objects.acount(), "names": await names()})


async def names():
    """Return the names of all items."""
    return [item.name async for item in Item.objects.order_by("id")]


@transaction.atomic
def add_or_not(request):
    """Add items in a transaction, partly in an async function."""
    Item.objects.create(name="first")
    return to_sync(add)(request)


async def who(request):
    """Return what the request is in: its language, time zone, process and connection."""
    ticks = await clock
    return JsonResponse(
        {
            "language": translation.get_language(),
            "zone": timezone.get_current_timezone_name(),
            "pid": os.getpid(),
            "backend": await in_caller_thread(backend),
            "ticks": ticks[0],
        }
    )


def backend():
    """Return the number of the connection to PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT 0"
        )
        return cursor.fetchone()[0]


@to_sync
async def lines():
    """Count until the client goes away."""
    await Item.objects.acreate(name="stream begins")
    try:
        for number in range(100_000):
            yield f"{number} {translation.get_language()} {await Item.objects.acount()}\n"
            await asyncio.sleep(0.005)
    finally:
        await Item.objects.acreate(name="stream ends")


def stream(request):
    """Stream, for servers that are synchronous; others take the async generator itself."""
    return StreamingHttpResponse(lines())


def submit(request):
    """Return the names twice, from calls that are submitted."""
    return JsonResponse(gather(run_async(names), run_async(names)).result(), safe=False)


async def async_submit(request):
    """Do the same in an async view, which has the thread of the request wait for it."""
    return JsonResponse(await gather(run_async(names), run_async(names)), safe=False)


def index(request):
    """Return the names of all items."""
    return HttpResponse("\n".join(to_sync(names)()))
