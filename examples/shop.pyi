# Made by `python -m aiofutures.twin shop`: do not edit it.

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, overload

class Order:
    """An order that is being put together."""

    @property
    def __wrapped__(self) -> AsyncOrder: ...
    def __init__(self) -> None: ...
    items: list[Item]

    def add(self, item: Item, *, count: int = 1) -> Self:
        """Add an item."""

    @property
    def total(self) -> int:
        """What it costs."""

class Shop:
    """A client of the shop."""

    @property
    def __wrapped__(self) -> AsyncShop: ...
    def __init__(self, url: str, *, retries: int = 3) -> None: ...
    url: str
    retries: int

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""

    @overload
    def find(self, name: str) -> Item:
        """Return an item, or several."""

    @overload
    def find(self, name: str, *more: str) -> list[Item]: ...
    def items(self, *, cheaper_than: int = 100) -> Generator[Item, None, None]:
        """Iterate over what the shop has."""

    def order(self) -> Order:
        """Begin an order."""

@dataclass(frozen=True)
class Item:
    """Something that the shop sells."""

    name: str
    price: int

class AsyncOrder:
    """An order that is being put together."""

    def __init__(self) -> None: ...
    async def add(self, item: Item, *, count: int = 1) -> Self:
        """Add an item."""

    @property
    def total(self) -> int:
        """What it costs."""
    items: list[Item]

class AsyncShop:
    """A client of the shop."""

    def __init__(self, url: str, *, retries: int = 3) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""

    @overload
    async def find(self, name: str) -> Item: ...
    @overload
    async def find(self, name: str, *more: str) -> list[Item]: ...
    def items(self, *, cheaper_than: int = 100) -> AsyncIterator[Item]:
        """Iterate over what the shop has."""

    async def order(self) -> AsyncOrder:
        """Begin an order."""
    url: str
    retries: int
