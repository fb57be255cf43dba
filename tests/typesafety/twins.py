"""Twins of the classes of `library`, and what else a module may have beside them."""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

from aiofutures import sync_class

from . import library
from .rows import Cursor

T = TypeVar("T")

LIMIT: Final = 3
Urls: TypeAlias = list[library.Url]
named = "twins"
cursor = Cursor()

Client = sync_class(library.Client)
Awaited = sync_class(library.Awaited)


def first(values: list[T], *, default: T | None = None) -> T | None:
    """Return the first value."""
    return values[0] if values else default


async def connect(urls: Urls) -> Cursor:
    """Return a cursor."""
    raise NotImplementedError(urls)
