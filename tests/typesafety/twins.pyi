# Made by `python -m aiofutures.twin typesafety.twins`: do not edit it.

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    Self,
    TypeAlias,
    TypeVar,
    Unpack,
    overload,
)

from typing_extensions import deprecated

from .library import LIMIT as library_LIMIT
from .library import Awaited as library_Awaited
from .library import Client as library_Client
from .library import Number, Options, Raw, Url
from .rows import Cursor, Key, Pool, Record, Response, Shape
from .rows import T as rows_T

C = TypeVar("C")

class SyncSession:
    """An async class in an async class."""

    @property
    def __wrapped__(self) -> library_Client.Session: ...
    def ping(self) -> SyncSession:
        """Ping."""

class Client:
    """A client.

    It has a second paragraph."""

    @property
    def __wrapped__(self) -> library_Client: ...
    def __init__(self, base: Url, *, limit: int = library_LIMIT, size: Number = 1.5) -> None:
        """Make a client."""
    kind: ClassVar[Literal["client"]]
    cursor: SyncCursor | None
    Settings: TypeAlias = library_Client.Settings
    Session: TypeAlias = SyncSession
    base: Url
    closed: bool
    raw: SyncRaw
    items: dict[str, int]

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, traceback: object) -> bool | None: ...
    @overload
    def find(self, key: str, *, one: Literal[True]) -> Record:
        """Find records."""

    @overload
    def find(self, key: str, *, one: Literal[False] = ...) -> list[Record]: ...
    def cursors(self, *urls: Url, **options: Unpack[Options]) -> Mapping[str, SyncCursor]:
        """Return cursors."""

    def move(
        self,
        cursor: Cursor | SyncCursor,
        /,
        other: Cursor | SyncCursor | Url | None = None,
        by: int = -1,
    ) -> None:
        """Move a cursor."""

    def stream(self, shape: Shape) -> Generator[SyncCursor, None, None]:
        """Return an iterator."""

    def changes(self) -> Generator[SyncCursor, Cursor | SyncCursor, None]:
        """Yield changes."""

    def lock(self, name: str = "a") -> AbstractContextManager[SyncCursor, bool | None]:
        """Lock."""

    def transaction(self) -> AbstractContextManager[SyncCursor, bool | None]:
        """Begin a transaction."""

    def pool(self) -> SyncPool[SyncCursor]:
        """Return a pool."""

    def request(self, url: Url) -> SyncCursor:
        """Request."""

    def later(self, value: Key) -> Key:
        """Return it later."""

    def either(self) -> SyncCursor:
        """Return it now or later."""

    def handler(self, fn: Callable[[Cursor], Awaitable[None]]) -> Callable[[], None]:
        """Take a handler."""

    def annotated(self, value: int) -> str:
        """Return a string."""

    def logged(self, key: str) -> tuple[SyncCursor, str]:
        """Log."""

    @property
    def size(self) -> int:
        """The size."""

    @size.setter
    def size(self, value: int) -> None: ...
    @cached_property
    def session(self) -> SyncSession:
        """The session."""

    @classmethod
    def connect(cls, url: Url) -> Self:
        """Connect."""

    @staticmethod
    def parse(text: str) -> tuple[SyncCursor, ...]:
        """Parse."""

    @deprecated("use find")
    def search(self) -> None:
        """Search."""

    @overload
    def find_all(self, key: str, *, one: Literal[True]) -> Record:
        """Find records."""

    @overload
    def find_all(self, key: str, *, one: Literal[False] = ...) -> list[Record]: ...
    def __call__(self, x: int) -> str: ...
    def __len__(self) -> int: ...
    def fetch(self, key: str) -> int: ...
    def page(self) -> SyncResponse[list[int]]:
        """Return a page."""

    def only(self, key: str) -> int:
        """Return a value."""

class Awaited:
    """What can be awaited alone, or entered."""

    @property
    def __wrapped__(self) -> library_Awaited: ...
    def __init__(self, value: int) -> None: ...
    value: int

    def __call__(self) -> Self: ...
    def close(self) -> None:
        """Close."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class SyncCursor:
    """A cursor."""

    @property
    def __wrapped__(self) -> Cursor: ...
    def step(self, by: int = 1) -> Self:
        """Step."""

    def __iter__(self) -> Generator[Record, None, None]: ...

class SyncRaw:
    """What is made of the methods of another class."""

    @property
    def __wrapped__(self) -> Raw: ...
    def __init__(self, client: library_Client | Client) -> None: ...
    @overload
    def find(self, key: str, *, one: Literal[True]) -> SyncResponse[Record]: ...
    @overload
    def find(self, key: str, *, one: Literal[False] = ...) -> SyncResponse[list[Record]]: ...
    def connect(
        self, *urls: Url, **options: Unpack[Options]
    ) -> AbstractContextManager[SyncResponse[Mapping[str, SyncCursor]], bool | None]:
        """Return cursors."""

class SyncPool(Generic[C]):
    """A pool of cursors, whose type variable has an async bound."""

    @property
    def __wrapped__(self) -> Pool[Any]: ...
    def __init__(self, make: type[C]) -> None: ...
    make: type[C]

    def get(self) -> C:
        """Return one."""

    def put(self, cursor: C) -> None:
        """Take one back."""

    def join(self, other: Pool[Any] | SyncPool[C]) -> SyncPool[C]:
        """Return another pool."""

class SyncResponse(Generic[rows_T]):
    """A response with a value."""

    @property
    def __wrapped__(self) -> Response[rows_T]: ...
    value: rows_T

    def read(self) -> rows_T:
        """Read."""

T = TypeVar("T")
LIMIT: Final = 3
Urls: TypeAlias = list[Url]
named: str
cursor: Cursor

def first(values: list[T], *, default: T | None = None) -> T | None:
    """Return the first value."""

async def connect(urls: Urls) -> Cursor:
    """Return a cursor."""
