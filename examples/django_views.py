"""Ask two services at once in a Django view, and save the answer in the view's transaction.

By hand: Django makes an event loop for each request, on which no client can stay open.
"""

import asyncio

import django
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path

from aiofutures import in_caller_thread, to_sync


async def ask(service: str) -> int:
    """Ask a service for its price."""
    await asyncio.sleep(0.1)  # in your program: await (await client).get(...)
    return len(service)


def save(price: int) -> int:
    """Save a price and return its number."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO price VALUES (%s) RETURNING rowid", [price])
        number: int = cursor.fetchone()[0]
        return number


async def compare() -> int:
    """Save the lower price of two, in the thread of the view."""
    prices = await asyncio.gather(ask("warehouse"), ask("supplier"))
    return await in_caller_thread(save, min(prices))


def view(request: HttpRequest) -> JsonResponse:
    """Compare the prices in one transaction."""
    with transaction.atomic():
        return JsonResponse({"saved": to_sync(compare)()})


urlpatterns = [path("compare", view)]
database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(ROOT_URLCONF=__name__, DATABASES={"default": database})
django.setup()
with connection.cursor() as opened:
    opened.execute("CREATE TABLE price (amount INTEGER)")
print([Client().get("/compare").json()["saved"] for _ in range(3)])
