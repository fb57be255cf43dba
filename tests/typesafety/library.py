"""Async classes as their authors write them, from which stubs are made. See `rows` for a base."""

# ruff: noqa: UP007, UP035, UP036, UP045  much is written in the old way

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    Optional,
    TypedDict,
    Union,
    overload,
)

from typing_extensions import Self, Unpack, deprecated, override

from . import rows
from .rows import Cursor, Key, Record, Rows, logged

if TYPE_CHECKING:
    from .rows import Shape

if sys.version_info >= (3, 11):
    Number = Union[int, float]
else:
    Number = str

Url = Union[str, bytes]
CursorOrUrl = Union[Cursor, Url]
LIMIT: Final = 10


class Options(TypedDict, total=False):
    """Options of a query."""

    timeout: float
    retries: int


class Client(Rows[str, int]):
    """A client.

    It has a second paragraph.
    """

    __slots__ = ("base", "closed")

    kind: ClassVar[Literal["client"]] = "client"
    cursor: Cursor | None

    class Settings:
        """Settings, which are not async."""

        debug = False

    class Session:
        """An async class in an async class."""

        async def ping(self) -> Client.Session:
            """Ping."""
            return self

    def __init__(self, base: Url, *, limit: int = LIMIT, size: Number = 1.5) -> None:
        """Make a client."""
        self.base = base
        self.closed = False
        self.raw = Raw(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> bool | None:
        return None

    @overload
    async def find(self, key: str, *, one: Literal[True]) -> Record: ...
    @overload
    async def find(self, key: str, *, one: Literal[False] = ...) -> list[Record]: ...
    async def find(self, key: str, *, one: bool = False) -> Record | list[Record]:
        """Find records."""
        raise NotImplementedError

    async def cursors(self, *urls: Url, **options: Unpack[Options]) -> Mapping[str, Cursor]:
        """Return cursors."""
        raise NotImplementedError

    async def move(
        self, cursor: Cursor, /, other: Optional[CursorOrUrl] = None, by: int = -1
    ) -> None:
        """Move a cursor."""

    def stream(self, shape: Shape) -> AsyncIterator[Cursor]:
        """Return an iterator."""
        raise NotImplementedError

    async def changes(self) -> AsyncGenerator[Cursor, Cursor]:
        """Yield changes."""
        yield Cursor()

    @asynccontextmanager
    async def lock(self, name: str = "a") -> AsyncGenerator[Cursor, None]:
        """Lock."""
        yield Cursor()

    def transaction(self) -> AbstractAsyncContextManager[Cursor]:
        """Begin a transaction."""
        raise NotImplementedError

    async def pool(self) -> rows.Pool[Cursor]:
        """Return a pool."""
        return rows.Pool(Cursor)

    def request(self, url: Url) -> rows.Request[Cursor]:
        """Request."""
        raise NotImplementedError

    def later(self, value: Key) -> Awaitable[Key]:
        """Return it later."""
        raise NotImplementedError

    def either(self) -> Union[Awaitable[Cursor], Cursor]:
        """Return it now or later."""
        raise NotImplementedError

    def handler(self, fn: Callable[[Cursor], Awaitable[None]]) -> Callable[[], None]:
        """Take a handler."""
        raise NotImplementedError

    def annotated(self, value: Annotated[int, "positive"]) -> Annotated[str, "short"]:
        """Return a string."""
        raise NotImplementedError

    @logged
    async def logged(self, key: str) -> Cursor:
        """Log."""
        return Cursor()

    @property
    def size(self) -> int:
        """The size."""
        return 1

    @size.setter
    def size(self, value: int) -> None: ...

    @cached_property
    def session(self) -> Session:
        """The session."""
        return Client.Session()

    @classmethod
    async def connect(cls, url: Url) -> Self:
        """Connect."""
        return cls(url)

    @staticmethod
    async def parse(text: str) -> tuple[Cursor, ...]:
        """Parse."""
        return ()

    @deprecated("use find")
    async def search(self) -> None:
        """Search."""

    find_all = find

    async def __call__(self, x: int) -> str:
        return str(x)

    def __len__(self) -> int:
        return 1

    def _private(self) -> None: ...

    @override
    async def fetch(self, key: str) -> int:
        return 1


class Raw:
    """What is made of the methods of another class."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.find = rows.wrapped(client.find)
        self.connect = rows.entered(client.cursors)


class Awaited:
    """What can be awaited alone, or entered."""

    def __init__(self, value: int) -> None:
        self.value = value

    async def _connect(self) -> Self:
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._connect().__await__()

    async def close(self) -> None:
        """Close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Square:
    """A shape."""

    @property
    def area(self) -> float:
        """The area."""
        return 1.0


async def handle(cursor: Cursor) -> None:
    """Do nothing with a cursor."""


def connect(url: Url, *, client: Client | None = None) -> Awaited:
    """Connect."""
    raise NotImplementedError
