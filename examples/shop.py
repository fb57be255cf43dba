"""A small SDK that ships both faces of a client from one source.

The async class is the source. `Shop` is its synchronous twin, and `shop.pyi` has the types of both.
CI checks that the stub is up to date, in the directory of this file:

    python -m aiofutures.twin shop --check
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, overload

from aiofutures import sync_class

_PRICES = {"pen": 2, "paper": 5, "ink": 9}


@dataclass(frozen=True)
class Item:
    """Something that the shop sells."""

    name: str
    price: int


class AsyncOrder:
    """An order that is being put together."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def add(self, item: Item, *, count: int = 1) -> Self:
        """Add an item."""
        await asyncio.sleep(0)
        self.items += [item] * count
        return self

    @property
    def total(self) -> int:
        """What it costs."""
        return sum(item.price for item in self.items)


class AsyncShop:
    """A client of the shop."""

    def __init__(self, url: str, *, retries: int = 3) -> None:
        self.url = url
        self.retries = retries

    async def __aenter__(self) -> Self:
        return self

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
    async def find(self, name: str, *more: str) -> Item | list[Item]:
        """Return an item, or several."""
        found = [Item(each, _PRICES[each]) for each in (name, *more)]
        return found if more else found[0]

    async def items(self, *, cheaper_than: int = 100) -> AsyncIterator[Item]:
        """Iterate over what the shop has."""
        for name, price in _PRICES.items():
            await asyncio.sleep(0)
            if price < cheaper_than:
                yield Item(name, price)

    async def order(self) -> AsyncOrder:
        """Begin an order."""
        return AsyncOrder()


Order = sync_class(AsyncOrder, name="Order")
Shop = sync_class(AsyncShop, name="Shop")

if __name__ == "__main__":
    with Shop("https://shop.example") as shop:
        order = shop.order()
        for item in shop.items(cheaper_than=6):
            order.add(item, count=2)
        print(order.total)
