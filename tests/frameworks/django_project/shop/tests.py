"""The tests of the project, for `manage.py test`: transactions, rows, queries, languages."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.urls import get_script_prefix, set_script_prefix
from django.utils import timezone, translation

from aiofutures import in_caller_thread, run_async, to_sync

from .models import Item
from .views import lines, names

THREADS = 16


@to_sync
async def add(name):
    """Add an item in both ways, and return the names of all."""
    await Item.objects.acreate(name=name)
    await in_caller_thread(Item.objects.create, name=name)
    return await names()


class InTestCase(TestCase):
    """In a TestCase, which never commits."""

    @classmethod
    def setUpTestData(cls):
        """Add one item for all tests, from an async function."""
        add("all")

    def test_rows(self):
        """Async functions see the rows of the test, and the test sees theirs."""
        Item.objects.create(name="test")
        self.assertEqual(add("async"), ["all", "all", "test", "async", "async"])
        self.assertEqual(Item.objects.count(), 5)

    def test_rows_are_gone(self):
        """What another test has added was rolled back."""
        self.assertEqual(to_sync(names)(), ["all", "all"])

    def test_rollback(self):
        """What an async function writes goes with the transaction of its caller."""
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            add("gone")
            raise ZeroDivisionError
        self.assertEqual(Item.objects.count(), 2)

    def test_number_of_queries(self):
        """Queries of async functions are counted."""
        with self.assertNumQueries(3):
            add("counted")

    def test_on_commit(self):
        """Functions for the commit are those of the caller's transaction."""
        done = []

        @to_sync
        async def later():
            await sync_to_async(transaction.on_commit)(lambda: done.append("asgiref"))
            await in_caller_thread(transaction.on_commit, lambda: done.append("caller"))

        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            later()
            self.assertEqual(done, [])
        self.assertEqual(len(callbacks), 2)
        self.assertEqual(done, ["asgiref", "caller"])

    def test_generator(self):
        """So it is in generators and at once."""

        @to_sync
        async def generate():
            await asyncio.gather(Item.objects.acreate(name="a"), Item.objects.acreate(name="a"))
            async for item in Item.objects.order_by("id"):
                yield item.name

        self.assertEqual(list(generate()), ["all", "all", "a", "a"])

    def test_client(self):
        """Views see the rows of the test, and the test sees theirs."""
        Item.objects.create(name="test")
        answer = self.client.get("/add", {"name": "new"}).json()
        self.assertEqual(answer, {"count": 4, "names": ["all", "all", "test", "new"]})
        with self.assertRaises(ValueError):
            self.client.get("/add_or_not", {"name": "bad"})
        self.assertEqual(self.client.get("/").content, b"all\nall\ntest\nnew")

    async def test_async(self):
        """A test that is an async function calls synchronous code that calls async code."""
        await Item.objects.acreate(name="test")
        self.assertEqual(await sync_to_async(to_sync(names))(), ["all", "all", "test"])
        answer = await self.async_client.get("/add", {"name": "new"})
        self.assertEqual(answer.json()["count"], 4)

    def test_stream(self):
        """A stream sees the rows of the test, and ends where it is left."""
        with translation.override("de"):
            stream = lines()
            self.assertEqual(next(stream), "0 de 3\n")
            stream.close()
        self.assertEqual(Item.objects.last().name, "stream ends")


class Committed(TransactionTestCase):
    """In a TransactionTestCase, which commits."""

    def test_transaction(self):
        """Functions for the commit run after it, and not after a rollback."""
        done = []

        @to_sync
        async def write(name):
            await Item.objects.acreate(name=name)
            await sync_to_async(transaction.on_commit)(lambda: done.append(name))

        with transaction.atomic():
            write("one")
            self.assertEqual(done, [])
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            write("two")
            raise ZeroDivisionError

        self.assertEqual(done, ["one"])
        self.assertEqual(to_sync(names)(), ["one"])

    def test_many_threads(self):
        """The calls of many threads run at once, each on the connection of its thread."""
        barrier = Barrier(THREADS)

        def meet():
            barrier.wait(10)
            return id(connection.connection)

        async def call():
            await Item.objects.acount()
            return await sync_to_async(meet)()

        def check(_):
            try:
                return to_sync(call)() == id(connection.connection)
            finally:
                connection.close()

        if connection.vendor != "postgresql":
            self.skipTest("the threads of a test cannot share SQLite's database in memory")
        with ThreadPoolExecutor(THREADS) as pool:
            self.assertTrue(all(pool.map(check, range(THREADS))))


class Locals(SimpleTestCase):
    """What Django keeps for a request."""

    def test_language_and_time_zone(self):
        """They reach tasks and worker threads, and the caller's own are as before."""

        async def seen():
            await asyncio.sleep(0)
            with translation.override("fr"), timezone.override("Asia/Tokyo"):
                await asyncio.sleep(0)
            thread = await sync_to_async(translation.get_language, thread_sensitive=False)()
            return translation.get_language(), timezone.get_current_timezone_name(), thread

        expected = ("de", "Europe/Paris", "de")
        with translation.override("de"), timezone.override("Europe/Paris"):
            self.assertEqual(to_sync(seen)(), expected)
            self.assertEqual(run_async(seen).result(), expected)
            self.assertEqual(translation.get_language(), "de")
            self.assertEqual(timezone.get_current_timezone_name(), "Europe/Paris")
        self.assertEqual(translation.get_language(), "en-us")

    def test_activate(self):
        """A language that an async function activates is active for its caller."""

        @to_sync
        async def activate():
            translation.activate("it")

        with translation.override("de"):
            activate()
            self.assertEqual(translation.get_language(), "it")

    def test_script_prefix(self):
        """So it is with the prefix of the URLs."""

        @to_sync
        async def prefix():
            return get_script_prefix()

        set_script_prefix("/shop/")
        try:
            self.assertEqual(prefix(), "/shop/")
        finally:
            set_script_prefix("/")
