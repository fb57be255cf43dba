"""An async library as users have them, and no twins."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import cached_property, wraps
from types import TracebackType
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from typing_extensions import override

T = TypeVar("T")

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


class Row(NamedTuple):
    """A row of a table."""

    number: int
    item: "Item"


class Item:
    """Something with an async method."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def price(self) -> int:
        """Return the price."""
        return len(self.name)

    def upper(self) -> str:
        """Return the name in capitals."""
        return self.name.upper()

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and self.name == other.name

    @override
    def __hash__(self) -> int:
        return hash(self.name)


class Reply(Item):
    """What can be entered, too."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_open = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False


class Request:
    """What can be awaited or entered, as aiohttp has it."""

    def __init__(self, name: str) -> None:
        asyncio.get_running_loop()
        self._name = name
        self._reply: Reply | None = None

    async def _send(self) -> Reply:
        self._reply = Reply(self._name)
        return self._reply

    def __await__(self) -> Generator[Any, Any, Reply]:
        return self._send().__await__()

    async def __aenter__(self) -> Reply:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._reply is not None
        await self._reply.__aexit__(kind, error, traceback)


class Connection:
    """What a pool lends."""

    async def number(self) -> int:
        """Return a number."""
        return 1

    async def sibling(self) -> "Connection":
        """Return another one, which nobody lends."""
        return Connection()


class Lending:
    """A connection that is lent, to be awaited or entered, as asyncpg has it."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        self._connection = await self
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        self._pool.release(self._connection)

    def __await__(self) -> Generator[Any, Any, Connection]:
        return self._pool.take().__await__()


class Number:
    """A number that is lent."""

    async def __aenter__(self) -> int:
        return 2

    async def __aexit__(self, *_: object) -> None: ...

    def __await__(self) -> Generator[Any, Any, int]:
        return self.__aenter__().__await__()


class Pool:
    """A pool that lends two connections."""

    def __init__(self) -> None:
        self._free = [Connection(), Connection()]

    @property
    def free(self) -> int:
        """How many are left."""
        return len(self._free)

    async def take(self) -> Connection:
        """Return one of them."""
        return self._free.pop()

    def acquire(self) -> Lending:
        """Lend one of them."""
        return Lending(self)

    def release(self, connection: Connection) -> None:
        """Take one back."""
        self._free.append(connection)

    def size(self) -> Number:
        """Return how many there are."""
        return Number()


class Query:
    """What is built step by step, and then awaited."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def where(self, part: str) -> "Query":
        """Return a longer one."""
        return Query(*self.parts, part)

    async def count(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def __await__(self) -> Generator[Any, Any, list[str]]:
        return self._all().__await__()

    async def _all(self) -> list[str]:
        return [*self.parts]


class Numbers:
    """An async iterator that is not a generator."""

    def __init__(self, end: int) -> None:
        self._left = list(range(end))
        self.tasks: list[object] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


class Pages(Numbers):
    """One that has more to it."""

    async def rest(self) -> int:
        """Return how many are left."""
        return len(self._left)


class Part:
    """A part of a client, without an async method of its own class."""

    def __init__(self, shop: "Shop") -> None:
        async def echo(value: T) -> T:
            return value

        self.echo = echo
        self.plain = len
        self.shop = shop


class Wrapped:
    """What has but what a decorator has made of an async function."""

    def __init__(self, shop: "Shop") -> None:
        @wraps(shop.item)
        def reply(name: str) -> Reply:
            return Reply(name)

        self.reply = reply


class Shop:
    """An async client.

    With two paragraphs.
    """

    currency: ClassVar[str] = "EUR"
    __loop_thread__ = ("loop_name", "home_thread")

    class Basket:
        """An async class in another one."""

        async def size(self) -> int:
            """Return the size."""
            return 0

    def __init__(self, name: str, *, items: int = 2) -> None:
        """Open a shop."""
        self.name = name
        self.thread = threading.current_thread()
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.contexts: list[str] = []
        self._items = [Item(f"item {number}") for number in range(items)]
        self.part = Part(self)
        self.wrapped = Wrapped(self)

    async def __aenter__(self) -> Self:
        self.tasks.append(asyncio.current_task())
        tenant.set(self.name)
        return self

    async def __aexit__(self, *_: object) -> bool | None:
        self.tasks.append(asyncio.current_task())
        return None

    async def item(self, number: int = 0) -> Item:
        """Return an item."""
        self.tasks.append(asyncio.current_task())
        self.contexts.append(tenant.get())
        return self._items[number]

    async def catalogue(self) -> dict[str, list[Item]]:
        """Return all items."""
        return {"all": [*self._items], "none": []}

    async def rows(self) -> tuple[Row, ...]:
        """Return rows."""
        return tuple(Row(number, item) for number, item in enumerate(self._items))

    async def json(self) -> dict[str, Any]:
        """Return what needs no twins."""
        return {"a": [1, {"b": None}], "c": ("x",)}

    async def loop_of_lists(self) -> list[Any]:
        """Return a list that is in itself."""
        around: list[Any] = [self._items[0]]
        around.append(around)
        return around

    async def items(self) -> AsyncGenerator[Item, str | None]:
        """Yield the items; take their new names."""
        for item in self._items:
            self.tasks.append(asyncio.current_task())
            name = yield item
            if name is not None:
                item.name = name

    def numbers(self, end: int) -> Numbers:
        """Return an iterator."""
        return Numbers(end)

    def pages(self, end: int) -> Pages:
        """Return an iterator that has more to it."""
        return Pages(end)

    async def later(self) -> AsyncIterator[Item]:
        """Return an iterator, when awaited."""
        return self.items()

    def request(self, name: str) -> Request:
        """Return what can be awaited or entered."""
        return Request(name)

    def unsaid(self, name):  # type: ignore[no-untyped-def]
        """Return a coroutine, and do not say so."""
        return self._unsaid(name)

    async def _unsaid(self, name: str) -> Item:
        return Item(name)

    def query(self) -> Query:
        """Return what can be awaited, and has more to it."""
        return Query()

    @asynccontextmanager
    async def reply(self, name: str) -> AsyncGenerator[Reply, None]:
        """Open a reply."""
        reply = Reply(name)
        self.tasks.append(asyncio.current_task())
        try:
            yield reply
        finally:
            self.tasks.append(asyncio.current_task())
            reply.is_open = False

    def describe(self, prefix: str = "") -> str:
        """Return the name and the thread."""
        return f"{prefix}{self.name} on {threading.current_thread().name}"

    def loop_name(self) -> str:
        """Return the class of the event loop."""
        return type(asyncio.get_running_loop()).__name__

    @property
    def home_thread(self) -> threading.Thread:
        """The thread on which it is read."""
        return threading.current_thread()

    def start(self) -> object:
        """Start a task."""
        return asyncio.get_running_loop()

    def fail(self) -> None:
        """Raise an error."""
        raise RuntimeError("broken")

    async def fail_later(self) -> None:
        """Raise an error."""
        raise LookupError(self.name)

    @property
    def first(self) -> Item:
        """The first item."""
        return self._items[0]

    @first.setter
    def first(self, item: Item) -> None:
        self._items[0] = item

    @first.deleter
    def first(self) -> None:
        del self._items[0]

    @property
    def opened(self) -> Awaitable[Item]:
        """A property to be awaited."""
        return self.item(0)

    @cached_property
    def last(self) -> Item:
        """The last item."""
        return self._items[-1]

    @classmethod
    def named(cls, name: str) -> Self:
        """Return another shop."""
        return cls(name)

    @classmethod
    async def opened_later(cls, name: str) -> Self:
        """Return another shop."""
        return cls(name)

    @classmethod
    def code(cls) -> str:
        """Return something plain."""
        return f"{cls.__name__} on {threading.current_thread().name}"

    @staticmethod
    async def add(one: int, other: int) -> int:
        """Add."""
        return one + other

    @staticmethod
    def subtract(one: int, other: int) -> int:
        """Subtract."""
        return one - other

    @staticmethod
    async def count(end: int) -> AsyncGenerator[int, None]:
        """Count."""
        for number in range(end):
            yield number

    async def is_same(self, *others: Any, **named: Any) -> list[bool]:
        """Tell what is this very object."""
        return [other is self for other in (*others, *named.values())]

    async def take(self, value: Any) -> Any:
        """Return what is given."""
        return value, [type(each).__name__ for each in value]

    def give(self, value: Any) -> str:
        """Return the class of what is given."""
        return type(value).__name__

    async def forever(self) -> None:
        """Wait without end."""
        await asyncio.Event().wait()

    async def __call__(self, number: int) -> int:
        return number

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Item:
        return self._items[number]

    def __contains__(self, item: Item) -> bool:
        return any(item is each for each in self._items)


class Branch(Shop):
    """A client that is derived from another one."""

    @override
    async def item(self, number: int = 0) -> Item:
        """Return another item."""
        return Item("branch")

    async def only_here(self) -> str:
        """Return something."""
        return "here"


class Box(Generic[T]):
    """A generic client with slots."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    async def get(self) -> T:
        """Return the value."""
        return self.value


class Never:
    """Nothing in it is async."""

    def plain(self) -> int:
        """Return 1."""
        return 1
