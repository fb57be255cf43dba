"""Whole async classes, called from synchronous code."""

import asyncio
import collections
import copy
import gc
import inspect
import os
import pickle
import pydoc
import rlcompleter
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial, singledispatchmethod, wraps
from types import GeneratorType
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypedDict

import pytest
from support import LIMIT, MakeExecutor, in_thread, run_python

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    DeadlockError,
    Future,
    InvalidStateError,
    get_default_executor,
    sync_class,
    to_sync,
    unwrap,
)
from aiofutures._twins import base, members
from aiofutures._twins.entries import remove_dead
from twins import shop
from twins.shop import tenant


@pytest.fixture
def executor(make_executor: MakeExecutor) -> AsyncExecutor:
    """An executor over each kind of event loop."""
    return make_executor(thread_name_prefix="home")


@pytest.fixture
def Shop(executor: AsyncExecutor) -> Any:
    """The class of twins."""
    return sync_class(shop.Shop, executor=executor)


@pytest.fixture
def twin(Shop: Any) -> Any:
    """A twin."""
    return Shop("corner")


class TestMembers:
    """Each kind of member has its synchronous form."""

    def test_original_lives_on_the_loop_thread(self, twin: Any) -> None:
        """The original is made on the loop thread."""
        assert twin.thread.name == "home"

    def test_coroutine_method(self, twin: Any) -> None:
        """A coroutine method blocks and returns its result."""
        assert twin.item(1).name == "item 1"
        assert twin.item(number=0).name == "item 0"

    def test_error(self, twin: Any) -> None:
        """What it raises comes out."""
        with pytest.raises(LookupError, match="corner"):
            twin.fail_later()

    def test_async_generator(self, twin: Any) -> None:
        """An async generator is a generator in one task, to which values can be sent."""
        generator = twin.items()
        first = next(generator)
        second = generator.send("renamed")
        rest = list(generator)

        assert isinstance(generator, GeneratorType)
        assert inspect.isgeneratorfunction(type(twin).items)
        assert (first.name, second.name, rest) == ("renamed", "item 1", [])
        assert len({*twin.tasks}) == 1

    def test_async_iterator(self, twin: Any) -> None:
        """An async iterator without other members is a generator."""
        numbers = twin.numbers(3)

        assert isinstance(numbers, GeneratorType)
        assert list(numbers) == [0, 1, 2]

    def test_async_iterator_with_members(self, twin: Any) -> None:
        """One with other members is a twin, to be iterated or asked for the next item."""
        pages = twin.pages(4)

        assert next(pages) == 0
        assert pages.rest() == 3
        assert list(pages) == [1, 2, 3]
        with pytest.raises(StopIteration):
            next(pages)

    def test_result_that_is_an_async_generator(self, twin: Any) -> None:
        """A coroutine method that returns an async generator gives a generator of twins."""
        assert [item.upper() for item in twin.later()] == ["ITEM 0", "ITEM 1"]

    def test_async_context_manager(self, twin: Any) -> None:
        """An async context manager is a context manager, in one task."""
        with twin.reply("letter") as reply:
            assert reply.price() == 6
            assert reply.is_open

        assert not reply.is_open
        assert len({*twin.tasks}) == 1

    @pytest.mark.parametrize("name", ["request", "unsaid"])
    def test_what_is_awaitable(self, twin: Any, name: str) -> None:
        """A sync method that returns an awaitable blocks, whether it says so or not."""
        assert getattr(twin, name)("x").name == "x"

    def test_what_is_awaitable_and_a_context_manager(self, twin: Any) -> None:
        """What is awaitable and a context manager gives what it awaits to, which can be entered."""
        with twin.request("x") as reply:
            assert reply.is_open
            assert isinstance(unwrap(reply), shop.Reply)

        assert not reply.is_open

    def test_what_is_awaitable_and_has_members(self, twin: Any) -> None:
        """What is built first and awaited then is a twin, and calling it is awaiting it."""
        query = twin.query().where("a").where("b")

        assert query.count() == 2
        assert query() == ["a", "b"]

    def test_sync_method(self, twin: Any) -> None:
        """A sync method runs in the thread of its caller."""
        assert twin.describe("the ") == "the corner on MainThread"

    def test_sync_member_for_the_loop_thread(self, twin: Any) -> None:
        """One that the class names in `__loop_thread__` runs on the loop thread."""
        assert "oop" in twin.loop_name()
        assert twin.home_thread.name == "home"

    def test_sync_method_of_asyncio(self, executor: AsyncExecutor) -> None:
        """Those of asyncio's own classes run there, too: a waiting task hears of it."""
        queue = sync_class(asyncio.Queue, executor=executor)()
        waiting = executor.submit(unwrap(queue).get)
        while not unwrap(queue)._getters:
            executor.submit(asyncio.sleep, 0).result(LIMIT)

        queue.put_nowait("item")

        assert waiting.result(LIMIT) == "item"

    def test_sync_method_that_needs_the_loop(self, twin: Any) -> None:
        """One that needs the event loop and does not say so is told how to."""
        with pytest.raises(RuntimeError, match="no running event loop") as caught:
            twin.start()

        assert "Shop.start() is a sync method" in caught.value.__notes__[0]
        assert "__loop_thread__" in caught.value.__notes__[0]

    def test_sync_method_that_fails(self, twin: Any) -> None:
        """Another error of a sync method is left as it is."""
        with pytest.raises(RuntimeError, match="broken") as caught:
            twin.fail()

        assert not hasattr(caught.value, "__notes__")

    def test_property(self, twin: Any) -> None:
        """A property is read, set and deleted on the original."""
        item = twin.item(1)

        assert twin.first.name == "item 0"
        twin.first = item
        assert unwrap(twin)._items == [unwrap(item)] * 2
        del twin.first
        assert len(twin) == 1

    def test_property_to_be_awaited(self, twin: Any) -> None:
        """A property that gives an awaitable blocks."""
        assert twin.opened.name == "item 0"

    def test_cached_property(self, twin: Any) -> None:
        """A cached property is cached."""
        assert twin.last is twin.last
        assert "last" in vars(unwrap(twin))

    def test_attributes(self, twin: Any) -> None:
        """Attributes are those of the original."""
        twin.name = "big"
        twin.new = twin.item()

        assert unwrap(twin).name == "big"
        assert unwrap(twin).new is unwrap(twin.new)
        del twin.new
        with pytest.raises(AttributeError, match="'Shop' object has no attribute 'new'"):
            _ = twin.new

    def test_attribute_that_is_a_function(self, twin: Any) -> None:
        """An async function that an object has as an attribute blocks, others run as they are."""
        part = twin.part

        assert part.echo(twin.item()) is twin.item()
        assert part.plain([1, 2]) == 2
        assert part.shop is twin

    def test_attribute_that_is_an_async_generator_function(self, twin: Any) -> None:
        """An async generator function that is an attribute is a generator function."""
        unwrap(twin).other = unwrap(twin).items

        assert [item.name for item in twin.other()] == ["item 0", "item 1"]

    def test_attribute_that_a_decorator_has_made(self, twin: Any) -> None:
        """What a decorator has made of an async function makes its object async, too."""
        with twin.wrapped.reply("x") as reply:
            assert reply.price() == 1

    def test_private_member(self, twin: Any) -> None:
        """A private member is there as well, for derived classes."""
        assert twin._unsaid("x").name == "x"

    def test_class_attribute(self, Shop: Any, twin: Any) -> None:
        """An attribute of the class is there on both."""
        assert Shop.currency == twin.currency == "EUR"
        twin.currency = "USD"
        assert (Shop.currency, twin.currency) == ("EUR", "USD")

    def test_nested_class(self, Shop: Any, twin: Any) -> None:
        """An async class in an async class is a class of twins."""
        assert Shop.Basket().size() == 0
        assert twin.Basket is Shop.Basket

    def test_class_method(self, Shop: Any) -> None:
        """A class method that may make an original runs on the loop thread."""
        assert Shop.named("x").thread.name == "home"
        assert Shop.opened_later("x").name == "x"
        assert isinstance(Shop.named("x"), Shop)

    def test_class_method_that_makes_none(self, Shop: Any, twin: Any) -> None:
        """One that says that it makes none runs as it is."""
        assert Shop.code() == twin.code() == "Shop on MainThread"

    def test_static_method(self, Shop: Any, twin: Any) -> None:
        """A static method works on the class and on a twin."""
        assert Shop.add(1, 2) == twin.add(1, other=2) == 3
        assert Shop.subtract(3, 2) == twin.subtract(3, 2) == 1
        assert list(Shop.count(3)) == list(twin.count(3)) == [0, 1, 2]

    def test_special_methods(self, twin: Any) -> None:
        """Special methods work, and async ones by their synchronous names."""
        assert twin(3) == 3
        assert len(twin) == 2
        assert twin[0] is twin.item(0)
        assert twin.item(0) in twin

    def test_decorated_methods(self, executor: AsyncExecutor) -> None:
        """What a decorator has made of an async method is async, but for what `to_sync` makes."""

        def guarded(fn: Any) -> Any:
            @wraps(fn)
            def call(*args: Any) -> Any:
                asyncio.get_running_loop()
                return fn(*args)

            return call

        class Cursor:
            @guarded
            async def fetch(self) -> int:
                return 3

        class Sync:
            @to_sync(executor=executor)
            async def fetch(self) -> int:
                return 4

        class Client:
            def cursor(self) -> Any:
                return Cursor()

            async def sync(self) -> Any:
                return Sync()

        twin = sync_class(Client, executor=executor)()

        assert twin.cursor().fetch() == 3
        assert type(twin.sync()) is Sync
        assert twin.sync().fetch() == 4

    def test_async_call(self, executor: AsyncExecutor) -> None:
        """A class whose objects are called and awaited is async."""

        class App:
            async def __call__(self, number: int) -> int:
                return number + 1

        class Handler(Protocol):
            async def __call__(self) -> int: ...

        class Server:
            handler: Handler

            async def app(self) -> App:
                return App()

        class Holder:
            handler: Handler

        app: Any = sync_class(App, executor=executor)()
        assert app(1) == 2
        server: Any = sync_class(Server, executor=executor)()
        assert server.app()(2) == 3
        with pytest.raises(TypeError, match="no public async members"):
            sync_class(Holder)

    def test_inherited_class_methods(self, executor: AsyncExecutor) -> None:
        """A class method belongs to the class that it is called on."""

        class Base:
            kind = "base"

            @classmethod
            async def create(cls) -> Self:
                return cls()

            @classmethod
            def make(cls) -> Self:
                return cls()

            @classmethod
            def name(cls, owner: str = "") -> str:
                return cls.kind + owner

            @classmethod
            async def kinds(cls) -> AsyncIterator[Self]:
                yield cls()

            @staticmethod
            def static(owner: str) -> str:
                return owner

        class Derived(Base):
            kind = "derived"

        cls: Any = sync_class(Derived, executor=executor)

        class Mine(cls):  # type: ignore[misc]  # it is Any
            pass

        assert isinstance(unwrap(cls.create()), Derived)
        assert isinstance(unwrap(cls.make()), Derived)
        assert isinstance(unwrap(Mine().make()), Derived)
        assert isinstance(Mine.create(), Mine)
        assert [type(unwrap(each)) for each in cls.kinds()] == [Derived]
        assert cls.name(owner=" of me") == cls().name(owner=" of me") == "derived of me"
        assert cls.static(owner="me") == "me"

    def test_dispatched_method(self, executor: AsyncExecutor) -> None:
        """A method of `singledispatchmethod` is one."""

        class Shop:
            @singledispatchmethod
            async def find(self, key: object) -> str:
                return f"object {key}"

            @find.register
            async def _(self, key: int) -> str:
                return f"int {key}"

        shop: Any = sync_class(Shop, executor=executor)()

        assert (shop.find("x"), shop.find(1)) == ("object x", "int 1")

    def test_property_of_the_class(self, executor: AsyncExecutor) -> None:
        """A descriptor that computes something for the class does it for its twin."""

        class classproperty:
            def __init__(self, fn: Callable[[type], Any]) -> None:
                self.fn = fn

            def __get__(self, instance: object, cls: type) -> Any:
                return self.fn(cls)

        class Model:
            @classproperty
            def label(cls: Any) -> Any:
                return cls.__name__

            async def save(self) -> int:
                return 1

        class Derived(Model):
            pass

        model: Any = sync_class(Derived, executor=executor)
        assert (model.label, model().label) == ("Derived", "Derived")

    def test_sync_context_manager(self, executor: AsyncExecutor) -> None:
        """What a sync context manager of `contextlib` gives is a twin, too."""

        class Client:
            prices: ClassVar[dict[str, int]] = {}

            @contextmanager
            def locked(self) -> Iterator[Self]:
                with suppress(KeyError):
                    yield self

            async def get(self) -> int:
                return 1

        client: Any = sync_class(Client, executor=executor)()

        with client.locked() as entered:
            assert entered is client
            client.prices["unknown"]
        assert client.locked()(client.get)() == 1
        with pytest.raises(ValueError, match="mine"), client.locked():
            raise ValueError("mine")

    def test_awaitable_that_is_called(self, executor: AsyncExecutor) -> None:
        """What can be awaited and called keeps its call."""

        class Job:
            def __await__(self) -> Any: ...

            def __call__(self, number: int) -> int:
                return number

            async def name(self) -> str:
                return "job"

        twin = sync_class(Job, executor=executor)()

        assert (twin(3), twin.name()) == (3, "job")

    def test_generic_class(self, executor: AsyncExecutor) -> None:
        """A generic class stays one, and one with slots has no other attributes."""
        Box = sync_class(shop.Box, executor=executor)
        box = Box[int](1)

        box.value = 2

        assert box.get() == 2
        with pytest.raises(AttributeError):
            box.other = 1

    def test_methods_of_every_kind_of_callable(self, executor: AsyncExecutor) -> None:
        """Partial methods are methods, and static methods may be no functions."""

        class Odd:
            async def both(self, one: int, other: int) -> int:
                return one + other

            from functools import partialmethod

            plus_one = partialmethod(both, 1)

            text: Any = staticmethod("text")  # type: ignore[arg-type]  # a constant that is not bound

        odd = sync_class(Odd, executor=executor)()

        assert odd.plus_one(2) == 3
        assert odd.text == "text"


class Priced:
    async def price(self) -> int:
        return 3


class Pair(NamedTuple):
    first: Priced
    second: int


class Sale(TypedDict):
    item: Priced


class Sold:
    def sale(self) -> Sale:
        return {"item": Priced()}


class Region(Enum):
    EU = "eu"
    US = "us"

    async def ping(self) -> str:
        return f"pong of {self.value}"


class Pairs:
    async def pair(self) -> Pair:
        return Pair(Priced(), 4)

    async def is_pair(self, pair: Pair) -> bool:
        return type(pair) is Pair and type(pair.first) is Priced


class TestValues:
    """What goes in is an original, and what comes out a twin."""

    def test_result(self, twin: Any) -> None:
        """What has public async members is a twin."""
        item = twin.item()

        assert item.price() == 6
        assert repr(item).startswith("<SyncItem of <twins.shop.Item")

    def test_containers(self, twin: Any) -> None:
        """Plain containers have twins in them, named tuples too."""
        catalogue, rows = twin.catalogue(), twin.rows()

        assert catalogue == {"all": [twin[0], twin[1]], "none": []}
        assert catalogue["all"][0] is twin[0]
        assert rows[1].item.price() == 6

    def test_named_tuple(self, executor: AsyncExecutor) -> None:
        """A named tuple stays one, with twins in it, also where its annotations say async types."""
        shop: Any = sync_class(Pairs, executor=executor)()
        first, second = pair = shop.pair()

        assert isinstance(pair, Pair)
        assert (first.price(), second) == (3, 4)
        assert shop.is_pair(pair)

    def test_enumeration(self, executor: AsyncExecutor) -> None:
        """The twin of an enumeration has its members, each as the one twin of the original."""
        regions: Any = sync_class(Region, executor=executor)
        eu, us = regions

        assert [each.ping() for each in (eu, us)] == ["pong of eu", "pong of us"]
        assert regions("eu") is regions["EU"] is regions.EU is eu
        assert regions.__members__ == {"EU": eu, "US": us}
        assert [*reversed(regions)] == [us, eu]
        assert (len(regions), us in regions, Region.US in regions) == (2, True, True)
        assert (unwrap(us), us.name, us.value) == (Region.US, "US", "us")

    def test_typed_dictionary(self) -> None:
        """A class is not async because of a typed dictionary with async objects."""
        with pytest.raises(TypeError, match="has no public async members"):
            sync_class(Sold)

    def test_plain_containers(self, twin: Any) -> None:
        """Containers without anything async are handed through."""
        assert twin.json() == {"a": [1, {"b": None}], "c": ("x",)}

    def test_container_in_itself(self, twin: Any) -> None:
        """A list that is in itself comes out."""
        around = twin.loop_of_lists()

        assert around[0] is twin[0]
        assert around[1][0] is unwrap(twin[0])

    def test_deep_container(self, twin: Any) -> None:
        """A deep one does, too."""
        deep: list[Any] = [unwrap(twin[0])]
        for _ in range(50):
            deep = [deep]

        taken, _ = twin.take(deep)
        while isinstance(taken, list):
            (taken,) = taken

        assert taken is twin[0]

    def test_same_container(self, twin: Any) -> None:
        """A container in which nothing changes is the same one."""
        plain = [object(), {"a": object()}, collections.deque([1])]

        taken, _ = twin.take(plain)

        assert taken is plain

    def test_arguments(self, twin: Any) -> None:
        """A twin that is passed arrives as its original, by position, by name and in containers."""
        item = twin.item()

        assert twin.is_same(twin, unwrap(twin), item, other=twin) == [True, True, False, True]
        taken, names = twin.take([item, (item,), {item: item}, {item}, frozenset({item})])
        assert names == ["Item", "tuple", "dict", "set", "frozenset"]
        assert taken[1] == (item,)
        assert twin.give(item) == "Item"
        assert twin.give(type(item)) == "type"
        assert item in twin

    def test_twin_class_as_an_argument(self, Shop: Any, twin: Any) -> None:
        """A class of twins arrives as the async class, and a derived one as it is."""

        class Derived(Shop):  # type: ignore[misc]  # it is Any
            pass

        assert twin.part.echo(Shop) is shop.Shop
        assert twin.part.echo(Derived) is Derived

    def test_event_loop_is_no_twin(self, twin: Any, executor: AsyncExecutor) -> None:
        """An event loop and a task are handed through."""
        loop = executor.submit(_running_loop).result(LIMIT)

        assert twin.take([loop])[0] == [loop]

    @pytest.mark.parametrize("annotation", ["Unknown", "int"])
    def test_attribute_that_is_annotated(self, executor: AsyncExecutor, annotation: str) -> None:
        """An annotated attribute that is async makes a class async, if all names are known."""

        class Holder:
            item: shop.Item

        Holder.__annotations__["other"] = annotation

        class Client:
            async def get(self) -> Holder:
                return Holder()

        holder = sync_class(Client, executor=executor)().get()

        assert (type(holder) is Holder) == (annotation == "Unknown")

    def test_base_class_that_is_not_async(self, executor: AsyncExecutor) -> None:
        """An object of a base class that has nothing async is handed through."""

        class Plain:
            def one(self) -> int:
                return 1

        class Client(Plain):
            async def make(self) -> Plain:
                return Plain()

        client = sync_class(Client, executor=executor)()

        assert client.one() == 1
        assert type(client.make()) is Plain


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


class TestIdentity:
    """One original has one twin."""

    def test_same_twin(self, twin: Any) -> None:
        """The same original comes out as the same twin."""
        assert twin.item() is twin.item()
        assert twin.first is twin.item(0)
        assert twin.part.shop is twin

    def test_equality_and_hash(self, twin: Any) -> None:
        """Twins are equal, and hash, as their originals."""
        one, other = twin.take([shop.Item("x"), shop.Item("x")])[0]

        assert one is not other
        assert one == other
        assert one == unwrap(other)
        assert one != twin[0]
        assert len({one, other, twin[0]}) == 2
        assert hash(one) == hash(unwrap(one))

    def test_held_weakly(self, twin: Any) -> None:
        """A twin that nobody holds is gone, its original too; the next one is another."""
        reference = weakref.ref(twin.part)
        gc.collect()

        assert reference() is None
        assert twin.part.shop is twin

    def test_many_threads(self, twin: Any) -> None:
        """Threads that come at once get the same twin."""
        barrier = threading.Barrier(8)

        def get() -> Any:
            barrier.wait(LIMIT)
            return twin.part

        parts = [future.result(LIMIT) for future in [in_thread(get) for _ in range(8)]]

        assert len({id(part) for part in parts}) == 1

    def test_dead_twin(self, twin: Any) -> None:
        """One that is dead and still noted is no twin any more."""
        original, home = shop.Item("x"), base.home_of(twin)
        first = base.twin_of(original, type(twin[0]), home, None)
        reference = base._twins[id(original)]
        del first

        second = base.twin_of(original, type(twin[0]), home, None)

        assert unwrap(second) is original
        assert base._twins[id(original)] is not reference

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_threads_with_a_dead_twin(
        self, twin: Any, monkeypatch: pytest.MonkeyPatch, is_kept: bool
    ) -> None:
        """Of two threads that find the same dead twin, one has the new one of both, if it lives."""
        original, home = shop.Item("x"), base.home_of(twin)
        cls = type(twin[0])
        base.twin_of(original, cls, home, None)
        gc.collect()
        others: list[Any] = []

        def remove(*entry: Any) -> None:
            monkeypatch.undo()
            remove_dead(*entry)
            other = base.twin_of(original, cls, home, None)
            if is_kept:
                others.append(other)

        monkeypatch.setattr(base, "remove_dead", remove)
        mine = base.twin_of(original, cls, home, None)

        assert all(other is mine for other in others)
        assert base.twin_of(original, cls, home, None) is mine

    def test_two_originals(self, executor: AsyncExecutor) -> None:
        """Of two bases that each create an original, the later one's counts, for good."""

        class AsyncBox:
            def __init__(self, number: int = -1) -> None:
                self.number = number

            async def get(self) -> int:
                return self.number

        class AsyncMaker:
            async def make(self, number: int) -> AsyncBox:
                return AsyncBox(number)

        Box: Any = sync_class(AsyncBox, executor=executor)
        Maker: Any = sync_class(AsyncMaker, executor=executor)

        class Both(Box, Maker):  # type: ignore[misc]
            def __init__(self) -> None:
                Box.__init__(self)
                Maker.__init__(self)

        maker = Maker()
        kept = [Both() for _ in range(20)]
        boxes = [maker.make(number) for number in range(200)]

        assert [box.get() for box in boxes] == list(range(200))
        assert all(each.get() == -1 for each in kept)

    def test_dead_twins_are_swept_out(self, twin: Any) -> None:
        """However many twins there were, few dead ones are noted."""
        for _ in range(3):
            items = [shop.Item("x") for _ in range(2 * base._FEW)]
            assert [unwrap(each) for each in twin.take(items)[0]] == items

        assert len(base._twins) < 5 * base._FEW

    def test_isinstance(self, Shop: Any, twin: Any, executor: AsyncExecutor) -> None:
        """A twin is an object of its class, and a derived class gives twins of the base's, too."""
        Branch = sync_class(shop.Branch, executor=executor)

        assert isinstance(twin, Shop)
        assert issubclass(Branch, Shop)
        assert isinstance(Branch("b"), Shop)
        assert not isinstance(twin, Branch)

    def test_unwrap(self, Shop: Any, twin: Any) -> None:
        """`unwrap` gives the original of a twin, and the async class of a class of twins."""
        assert type(unwrap(twin)) is shop.Shop
        assert unwrap(Shop) is shop.Shop
        assert twin.__wrapped__ is unwrap(twin)

    @pytest.mark.parametrize("value", [1, [], shop.Shop, None])
    def test_unwrap_of_something_else(self, value: object) -> None:
        """Anything else is refused."""
        with pytest.raises(TypeError, match="expected a twin"):
            unwrap(value)

    def test_no_copies(self, twin: Any) -> None:
        """A twin can neither be pickled nor copied."""
        for make in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="copy what unwrap"):
                make(twin)


class TestClasses:
    """The class is one to derive from and to look at."""

    def test_derived_class(self, Shop: Any) -> None:
        """A derived class may add methods and attributes, and override."""

        class Mine(Shop):  # type: ignore[misc]  # it is Any
            limit = 3

            def __init__(self, name: str, token: str) -> None:
                self.before = token
                super().__init__(name)
                self.token = token

            def item(self, number: int = 0) -> Any:
                return super().item(1 - number)

            def both(self) -> list[str]:
                return [self.item().name, self.token + self.before + self.name]

            @property
            def double(self) -> str:
                return self.token * 2

        mine = Mine("own", "t")

        assert mine.both() == ["item 1", "ttown"]
        assert mine.double == "tt"
        assert isinstance(Mine.named("x"), Mine)
        assert isinstance(mine.part.shop, Mine)
        with pytest.raises(AttributeError):
            setattr(mine, "double", "x")
        mine.limit, mine.name = 4, "other"
        assert (mine.limit, Mine.limit) == (4, 3)
        assert unwrap(mine).name == "other"
        del mine.token
        assert not hasattr(mine, "token")

    def test_derived_class_that_makes_no_original(self, Shop: Any) -> None:
        """One that does not call `__init__` of the base is told to."""

        class Mine(Shop):  # type: ignore[misc]  # it is Any
            def __init__(self) -> None:
                pass

        with pytest.raises(RuntimeError, match=r"Mine.__init__\(\) has not created the original"):
            Mine().item()
        assert repr(Mine()).endswith("Mine of 'nothing'>")

    def test_decorated_class(self) -> None:
        """It is a decorator, with options too, and the class keeps its name."""

        @sync_class
        class One:
            """One."""

            async def get(self) -> int:
                return 1

        @sync_class(timeout=5)
        class Two:
            async def get(self) -> int:
                return 2

        one: Any = One
        two: Any = Two
        assert (one().get(), two().get()) == (1, 2)
        assert (one.__name__, two.__qualname__.rpartition(".")[2]) == ("One", "Two")
        assert (one.__doc__, one.__module__) == ("One.", __name__)
        get_default_executor().shutdown()
        base_default_clear()

    def test_names(self, executor: AsyncExecutor) -> None:
        """The class is named after the async one, or as told."""

        class AsyncThing:
            async def get(self) -> int:
                return 1

        make = partial(sync_class, AsyncThing, executor=executor)

        first = make()
        assert (first.__name__, first.__module__) == ("SyncThing", __name__)
        assert make(name="Thing").__name__ == "Thing"
        assert make(name="Thing") is make(name="Other") is make() is first
        assert first.__name__ == "SyncThing"

    @pytest.mark.parametrize("name", ["", "a b", "a.b"])
    def test_wrong_name(self, name: str) -> None:
        """What cannot be the name of a class is refused."""
        with pytest.raises(ValueError, match=rf"name must be an identifier.*not '{name}'"):
            sync_class(shop.Shop, name=name)

    def test_same_class(self, executor: AsyncExecutor) -> None:
        """The same class with the same options is the same, also as what members return."""
        Item = sync_class(shop.Item, executor=executor)
        Shop = sync_class(shop.Shop, executor=executor)

        assert sync_class(shop.Shop, executor=executor) is Shop
        assert sync_class(shop.Shop, executor=executor, timeout=1.0) is not Shop
        assert isinstance(Shop("x").item(), Item)

    @pytest.mark.parametrize("value", [1, len, shop.Never, sync_class(shop.Item)])
    def test_wrong_class(self, value: Any) -> None:
        """What is no class, has nothing async or is synchronous already is refused."""
        with pytest.raises(TypeError, match=r"expects a class|no public async|already synchronous"):
            sync_class(value)

    def test_signatures(self, Shop: Any) -> None:
        """The class and its methods have the parameters of the originals."""
        assert str(inspect.signature(Shop)) == "(name: str, *, items: int = 2)"
        assert list(inspect.signature(Shop.item).parameters) == ["self", "number"]
        assert Shop.item.__doc__ == "Return an item."
        assert Shop.__doc__ == shop.Shop.__doc__

    def test_help_and_dir(self, Shop: Any, twin: Any) -> None:
        """`help` and `dir` show the members, and the special methods by their new names."""
        text = pydoc.plain(pydoc.render_doc(Shop))

        assert "Return an item." in text
        assert "The first item." in text
        assert {"item", "items", "first", "name", "part", "__enter__"} <= {*dir(twin)}
        assert not {"__aenter__", "_aiofutures_home"} & {*dir(twin)}

    def test_no_dict(self, twin: Any) -> None:
        """What the original has in its `__dict__` is not shown as the twin's."""
        with pytest.raises(TypeError):
            vars(twin)
        assert "name" in dir(twin)

    def test_completion(self, twin: Any) -> None:
        """What completes names finds the members, and calls none of them."""
        matches = rlcompleter.Completer({"twin": twin}).attr_matches("twin.it")

        assert {"twin.item(", "twin.items()"} <= {*matches}

    def test_decorated_inits(self, executor: AsyncExecutor) -> None:
        """The class of a dataclass takes its fields, which can be set as they can be there."""

        @dataclass
        class Client:
            url: str
            retries: int = 3

            async def get(self) -> int:
                return self.retries

        twin = sync_class(Client, executor=executor)("x")
        twin.retries = 5

        assert str(inspect.signature(type(twin))) == "(url: str, retries: int = 3)"
        assert type(twin).__match_args__ == ("url", "retries")
        assert (twin.url, twin.get(), replace(unwrap(twin), url="y").retries) == ("x", 5, 5)
        assert repr(twin).endswith("Client(url='x', retries=5)>")

    def test_repr(self, Shop: Any, twin: Any) -> None:
        """The class names itself and the original."""
        assert repr(twin) == f"<{Shop.__qualname__} of {unwrap(twin)!r}>"


def base_default_clear() -> None:
    """Have no default executor again."""
    from aiofutures import _default

    _default._default.clear()


class TestBlocks:
    """A `with` block holds the original open."""

    def test_one_task(self, twin: Any) -> None:
        """Enter and exit share a task, and each call in the block has one of its own."""
        with twin as entered:
            assert entered is twin
            twin.item()
            twin.item()

        enter, one, other, leave = twin.tasks
        assert enter is leave
        assert len({enter, one, other}) == 3

    def test_context(self, twin: Any) -> None:
        """A call in the block sees the context variables that entering has set."""
        with twin:
            twin.item()
            assert tenant.get() == "corner"

        assert twin.contexts == ["corner"]

    def test_lent_object(self, executor: AsyncExecutor) -> None:
        """What is lent, to be awaited or entered, is given back by what lent it."""
        Pool = sync_class(shop.Pool, executor=executor)
        pool = Pool()

        with pool.acquire() as connection:
            assert connection.number() == 1
            assert pool.free == 1
        assert pool.free == 2
        with pytest.raises(AttributeError, match="__aexit__"), connection:
            raise AssertionError
        with pytest.raises(ZeroDivisionError), pool.acquire():
            raise ZeroDivisionError
        alone = pool.acquire()
        assert (pool.free, alone.number()) == (1, 1)
        pool.release(alone)
        assert pool.free == pool.size() == 2

    def test_lent_object_that_makes_others(self, executor: AsyncExecutor) -> None:
        """What a lent object returns is not lent, although it is of the same class."""
        pool: Any = sync_class(shop.Pool, executor=executor)()

        with pool.acquire() as connection:
            other = connection.sibling()

        assert type(other) is sync_class(shop.Connection, executor=executor)
        assert not hasattr(other, "__enter__")

    def test_entered_by_two_threads(
        self, twin: Any, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where two threads enter a twin for the first time at once, both leave it."""
        other = sync_class(shop.Shop, executor=executor)("other")

        class Late:
            """A lock that another thread has first."""

            def __enter__(self) -> None:
                if not hasattr(twin, "_aiofutures_entered"):
                    twin._aiofutures_entered = [other]

            def __exit__(self, *_: object) -> None: ...

        monkeypatch.setattr(members, "_first_entering", Late())
        with twin:
            assert twin._aiofutures_entered[0] is other

        assert twin._aiofutures_entered == [other]

    def test_errors_travel(self, executor: AsyncExecutor) -> None:
        """The exit gets the error of the block, and may suppress it."""

        class Quiet:
            async def __aenter__(self) -> Self:
                return self

            async def __aexit__(self, kind: object, *_: object) -> bool:
                return kind is LookupError

            async def nothing(self) -> None: ...

        def raise_in_block(error: type[Exception]) -> None:
            with sync_class(Quiet, executor=executor)():
                raise error

        raise_in_block(LookupError)
        with pytest.raises(KeyError):
            raise_in_block(KeyError)

    def test_nested(self, twin: Any) -> None:
        """A twin may be entered twice."""
        with ExitStack() as stack:
            stack.enter_context(twin)
            stack.enter_context(twin)

        assert twin.tasks == [twin.tasks[0], twin.tasks[1], twin.tasks[1], twin.tasks[0]]


class TestLikeToSync:
    """Limits, errors and places are those of `to_sync`."""

    def test_left_without_an_enter(self, twin: Any) -> None:
        """A twin that was not entered, or was left already, says so."""
        with twin:
            pass

        with pytest.raises(RuntimeError, match="left already"):
            twin.__exit__(None, None, None)

    def test_timeout(self, executor: AsyncExecutor) -> None:
        """A call that takes too long is cancelled, by its name."""
        twin = sync_class(shop.Shop, executor=executor, timeout=0.05)("x")

        with pytest.raises(TimeoutError, match=r"Shop.forever\(\) was cancelled: .* 0.05 seconds"):
            twin.forever()

    def test_own_loop(self, twin: Any, executor: AsyncExecutor) -> None:
        """On its own event loop, a call, an item and a block raise DeadlockError."""

        async def call(fn: Callable[[], object]) -> None:
            with pytest.raises(DeadlockError):
                fn()

        for fn in (twin.item, lambda: next(twin.items()), twin.__enter__, lambda: type(twin)("x")):
            executor.submit(call, fn).result(LIMIT)

    def test_foreign_loop(self, twin: Any) -> None:
        """On another event loop it works, and warns where it was called."""

        calls: list[Callable[[], object]] = [
            lambda: twin.item(),
            lambda: type(twin)("x"),
            lambda: twin.unsaid("x"),
            lambda: next(twin.numbers(1)),
            lambda: twin.add(1, 2),
            lambda: twin.opened,
            lambda: twin.home_thread,
            lambda: twin.part.echo(1),
            lambda: twin.query()(),
            lambda: twin.loop_name(),
            lambda: type(twin).named("x"),
        ]

        async def main() -> None:
            for call in calls:
                with pytest.warns(BlockingCallWarning) as caught:
                    call()
                assert {warning.filename for warning in caught} == {__file__}

        asyncio.run(main())

    def test_shutdown(self, twin: Any, executor: AsyncExecutor) -> None:
        """After the shutdown of the executor a call is refused."""
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="after shutdown"):
            twin.item()

    def test_default_executor(self) -> None:
        """A twin stays with the executor that was the default one when it was made."""
        twin = sync_class(shop.Shop)("x")
        first = get_default_executor()
        base_default_clear()

        assert twin.thread.name == "aiofutures"
        assert twin.item().name == "item 0"
        assert twin.item.__func__ is type(twin).item
        first.shutdown()

    def test_executor_of_another_kind(self, executor: AsyncExecutor) -> None:
        """An executor with the same `submit` will do, if it has an event loop here."""

        class Forwarding:
            def submit(
                self, fn: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
            ) -> Future[Any]:
                return executor.submit(fn, *args, **kwargs)

        twin = sync_class(shop.Shop, executor=Forwarding())("x")

        assert twin.item().name == "item 0"
        assert twin.thread.name == "home"

    def test_executor_without_an_event_loop(self) -> None:
        """One that has none is refused."""

        class Remote:
            def submit(
                self, fn: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
            ) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_result(None)
                return future

        with pytest.raises(TypeError, match="has no event loop in this process"):
            sync_class(shop.Shop, executor=Remote())("x")

    def test_beside_async_code(self, twin: Any, executor: AsyncExecutor) -> None:
        """Async code on the executor uses the original."""
        assert executor.submit(unwrap(twin).item).result(LIMIT) is unwrap(twin.item())
        add: Any = to_sync(executor=executor)(unwrap(twin).add)
        assert add(1, 2) == twin.add(1, 2)

    def test_interrupt(self) -> None:
        """Ctrl-C cancels the call, whose cleanup runs."""
        output = run_python(
            """
            import asyncio, os, signal
            from aiofutures import sync_class

            class Client:
                async def wait(self):
                    try:
                        await asyncio.sleep(0.2)  # until the main thread waits
                        os.kill(os.getpid(), signal.SIGINT)
                        await asyncio.sleep(60)
                    finally:
                        os.write(1, b"cleaned up\\n")

            try:
                sync_class(Client)().wait()
            except KeyboardInterrupt:
                os.write(1, b"interrupted\\n")
            """
        )

        assert output == "cleaned up\ninterrupted\n"

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
    def test_fork(self) -> None:
        """In a forked child a twin works on; what was begun in the parent is refused there."""
        output = run_python(
            """
            import sys, warnings
            sys.path.insert(0, "tests")
            from aiofutures import BrokenExecutor, sync_class
            from support import in_child
            from twins import shop
            warnings.simplefilter("ignore", DeprecationWarning)
            twin = sync_class(shop.Shop)("corner")
            items = twin.items()
            next(items)

            def check():
                assert twin.add(1, 2) == 3
                assert twin.item().price() == len(twin.item().name)
                with twin as entered:
                    assert entered is twin
                try:
                    next(items)
                except BrokenExecutor:
                    return
                raise AssertionError

            in_child(check)
            print(next(items).name, twin.add(1, 2))
            """
        )

        assert output.endswith(" 3\n")

    def test_end_of_the_interpreter(self) -> None:
        """A twin works in an exit function, and one that is left open there ends in silence."""
        output = run_python(
            """
            import atexit, sys
            sys.path.insert(0, "tests")
            from aiofutures import sync_class
            from twins import shop
            twin = sync_class(shop.Shop)("corner")
            items = twin.items()
            next(items)
            twin.__enter__()
            atexit.register(lambda: print(twin.add(1, 2)))
            """
        )

        assert output == "3\n"


class TestGraphs:
    """Time grows with the number of classes and containers, not of the ways through them."""

    def test_classes(self, executor: AsyncExecutor) -> None:
        """Many plain classes whose attributes lead to each other."""
        classes = [type(f"Node{number}", (), {"__init__": None}) for number in range(15)]
        for cls in classes:
            setattr(cls, "__annotations__", {f"to_{each.__name__}": each for each in classes})

        class AsyncStore:
            async def get(self) -> object:
                return object.__new__(classes[0])

        store: Any = sync_class(AsyncStore, executor=executor, timeout=LIMIT)()

        assert type(store.get()) is classes[0]

    @pytest.mark.parametrize("has_twin", [False, True])
    def test_values(self, executor: AsyncExecutor, has_twin: bool) -> None:
        """Many containers that contain each other, as arguments and as results."""

        class AsyncStore:
            async def same(self, value: Any) -> Any:
                return value

        Store: Any = sync_class(AsyncStore, executor=executor, timeout=LIMIT)
        store = Store()
        values: list[dict[str, Any]] = [{"to": []} for _ in range(15)]
        for value in values:
            value["to"].extend(values)
            value["self"] = store if has_twin else None

        found = store.same(values[0])

        assert (found["self"] is store) == has_twin
        assert len(found["to"]) == len(values)

    def test_shared(self, executor: AsyncExecutor) -> None:
        """What is in a container twice is there twice afterwards."""

        class AsyncStore:
            async def pair(self) -> list[list[Any]]:
                part = [self]
                return [part, part]

        one, two = sync_class(AsyncStore, executor=executor)().pair()

        assert one is two


class TestWhatIsHandedThrough:
    """Some values are no twins although parts of them are async."""

    def test_exceptions(self, executor: AsyncExecutor) -> None:
        """An exception can be raised, and is caught by its class."""

        class Reply:
            async def read(self) -> str:
                return "no"

        class Refused(Exception):
            reply: Reply

        class AsyncStore:
            async def last_error(self) -> Refused:
                return Refused("no")

        error = sync_class(AsyncStore, executor=executor)().last_error()

        assert isinstance(error, Refused)

    def test_plain_value_that_is_entered(self, executor: AsyncExecutor) -> None:
        """What is entered to get a plain value is left at once: nobody else could."""
        log: list[str] = []

        class Lease:
            def __await__(self) -> Any:
                return asyncio.sleep(0, "token").__await__()

            async def __aenter__(self) -> str:
                log.append("entered")
                return "token"

            async def __aexit__(self, *_: object) -> None:
                log.append("left")

        class AsyncStore:
            async def size(self) -> int:
                return 0

            def lease(self) -> Lease:
                return Lease()

        assert sync_class(AsyncStore, executor=executor)().lease() == "token"
        assert log == ["entered", "left"]

    def test_iterator_that_is_entered(self, executor: AsyncExecutor) -> None:
        """A loop over what is entered runs while it is entered."""
        log: list[str] = []

        class Query:
            def __await__(self) -> Any:
                return asyncio.sleep(0, self).__await__()

            async def __aenter__(self) -> AsyncIterator[int]:
                async def rows() -> AsyncIterator[int]:
                    yield 1
                    yield 2

                return rows()

            async def __aexit__(self, *_: object) -> None:
                log.append("left")

        class AsyncStore:
            async def size(self) -> int:
                return 0

            def query(self) -> Query:
                return Query()

        rows: Any = sync_class(AsyncStore, executor=executor)().query()

        assert list(rows) == [1, 2]
        assert log == []

    def test_lists_of_known_classes(self, executor: AsyncExecutor) -> None:
        """A list becomes a list of twins, every time."""

        class Page:
            async def read(self) -> str:
                return "text"

        class AsyncStore:
            async def pages(self) -> list[Any]:
                return [Page(), 1, [Page()]]

        store = sync_class(AsyncStore, executor=executor)()
        for _ in range(2):
            page, one, (other,) = store.pages()
            assert (page.read(), one, other.read()) == ("text", 1, "text")


class TestLoopThread:
    """`__loop_thread__`."""

    @pytest.fixture
    def timer(self, executor: AsyncExecutor) -> Any:
        """A twin whose class names a method and a property, of a base class and its own."""

        class LibraryTimer:
            task: asyncio.Task[Any]

            def start(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(0, "rang"))

            async def wait(self) -> Any:
                return await self.task

        class AsyncTimer(LibraryTimer):
            __loop_thread__ = ("start", "speed", "gone")

            @property
            def speed(self) -> int:
                asyncio.get_running_loop()
                return 1

            @speed.setter
            def speed(self, value: int) -> None:
                self.task = asyncio.create_task(asyncio.sleep(0, value))

            @speed.deleter
            def speed(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(0, 0))

        return sync_class(AsyncTimer, executor=executor)()

    def test_inherited(self, timer: Any) -> None:
        """It reaches a member of a base class; a name that does not exist means nothing."""
        timer.start()

        assert timer.wait() == "rang"
        assert not hasattr(timer, "gone")

    def test_property(self, timer: Any) -> None:
        """A property is read, set and deleted there."""
        assert timer.speed == 1
        timer.speed = 3
        assert timer.wait() == 3
        del timer.speed
        assert timer.wait() == 0


def test_async_property_alone(executor: AsyncExecutor) -> None:
    """A class is async by an async property too."""

    class Book:
        @property
        async def author(self) -> str:
            return "me"

    class AsyncStore:
        async def get(self) -> Book:
            return Book()

    assert sync_class(AsyncStore, executor=executor)().get().author == "me"


def test_loop_over_a_stream_that_is_left(executor: AsyncExecutor) -> None:
    """A loop over an object that is its own iterator does not close it."""

    class AsyncStream:
        def __init__(self) -> None:
            self.number = 0
            self.is_closed = False

        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> int:
            self.number += 1
            return self.number

        async def receive(self) -> int:
            return await anext(self)

        async def aclose(self) -> None:
            self.is_closed = True

    stream = sync_class(AsyncStream, executor=executor)()
    for _ in stream:
        break

    assert stream.receive() == 2
    assert not stream.is_closed
