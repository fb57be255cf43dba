"""Containers and iterators with twins in them, in both directions."""

import gc
import itertools
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import (
    AsyncGenerator,
    Generator,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    ValuesView,
)
from operator import getitem
from types import GeneratorType, MappingProxyType
from typing import Any, NamedTuple, Self

import pytest
from support import MakeExecutor

from aiofutures import sync_class, unwrap


class Page:
    """An async object."""

    def __init__(self, number: int) -> None:
        self.number = number

    async def text(self) -> str:
        """Return its text."""
        return f"page {self.number}"


class AsyncBook:
    """Gives and takes pages in containers of all kinds."""

    def __init__(self) -> None:
        self.pages = [Page(number) for number in range(3)]
        self.log: list[Any] = []
        self.turning: Generator[Page, Any, Page] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)

    def __reversed__(self) -> Iterator[Page]:
        return reversed(self.pages)

    async def echo(self, value: Any) -> Any:
        """Return the same object."""
        return value

    async def kinds(self, pages: Iterable[object]) -> list[str]:
        """Return the names of the classes of what arrives."""
        return [type(each).__name__ for each in pages]

    async def first(self, items: Iterator[int], count: int) -> list[int]:
        """Take the first items."""
        return [next(items) for _ in range(count)]

    def turn(self) -> Generator[Page, Any, Page]:
        """A sync generator, which notes what happens to it."""
        try:
            for page in self.pages[:2]:
                try:
                    self.log.append((yield page))
                except KeyError as error:
                    self.log.append(error)
        finally:
            self.log.append("closed")
        return self.pages[2]

    async def turn_async(self) -> AsyncGenerator[Page, Any]:
        """An async one."""
        for page in self.pages:
            self.log.append((yield page))


class Pair(NamedTuple):
    """A named tuple that is a client, too."""

    first: Page
    second: Page

    async def both(self) -> str:
        """Return their texts."""
        return f"{await self.first.text()}, {await self.second.text()}"


@pytest.fixture
def book(make_executor: MakeExecutor) -> Any:
    """A twin."""
    return sync_class(AsyncBook, executor=make_executor())()


def texts(pages: Iterable[Any]) -> list[str]:
    """Return the texts of twins."""
    return [page.text() for page in pages]


def with_default(pages: list[Page]) -> defaultdict[str, Any]:
    """Return a dictionary that makes new values."""
    pages_by_name: defaultdict[str, Any] = defaultdict(list)
    pages_by_name["a"] = pages[0]
    return pages_by_name


CONTAINERS: Any = {
    "deque": lambda pages: deque(pages, 2),
    "ordered": lambda pages: OrderedDict(a=pages[0]),
    "default": with_default,
    "read-only": lambda pages: MappingProxyType({"a": pages[0]}),
    "chained": lambda pages: ChainMap({"b": 1}, {"a": pages[0]}),
    "counted": lambda pages: Counter({pages[0]: 2}),
    "wrapped": lambda pages: UserDict({"a": pages[0]}),
    "wrapped list": lambda pages: UserList(pages),
    "keys": lambda pages: dict.fromkeys(pages).keys(),
    "values": lambda pages: dict(enumerate(pages)).values(),
    "items": lambda pages: dict(enumerate(pages)).items(),
    "ordered keys": lambda pages: OrderedDict.fromkeys(pages).keys(),
    "ordered values": lambda pages: OrderedDict(enumerate(pages)).values(),
    "ordered items": lambda pages: OrderedDict(enumerate(pages)).items(),
    "keys of a mapping": lambda pages: KeysView(dict.fromkeys(pages)),
    "values of a mapping": lambda pages: ValuesView(dict(enumerate(pages))),
    "items of a mapping": lambda pages: ItemsView(dict(enumerate(pages))),
    "items in a list": lambda pages: [[[[{1: {2: pages[0]}.items()}.items()]]]],
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(book: Any, name: str) -> None:
    """All containers of the language come with twins, and go with originals."""
    originals = CONTAINERS[name](unwrap(book).pages)
    twins = CONTAINERS[name]([*book])

    changed = book.echo(originals)

    # All views become those of a dictionary.
    is_same = type(changed) is type(twins)
    assert str(changed) == str(twins) if is_same else [*changed] == [*twins]
    assert "SyncPage" in str(changed)
    book.log = twins
    assert "SyncPage" not in str(unwrap(book).log)
    assert getattr(changed, "maxlen", 2) == 2
    if name == "default":
        assert changed["new"] == []


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_without_twins(book: Any, name: str) -> None:
    """Without anything async they are handed through."""
    plain = CONTAINERS[name]([1, 2])

    assert book.echo(plain) is plain
    (inside,) = book.echo([plain])
    assert inside is plain


def test_pairs_that_are_made_on_the_fly(book: Any) -> None:
    """Different pairs at the same address are different."""
    pages = unwrap(book).pages
    views = [{number: page}.items() for number, page in enumerate(pages * 50)]

    found = [pair for view in book.echo([[[views]]])[0][0][0] for pair in view]

    assert [number for number, _ in found] == [*range(150)]
    assert texts(page for _, page in found) == texts(book) * 50


ITERATORS: Any = {
    "list": iter,
    "tuple": lambda pages: iter(tuple(pages)),
    "set": lambda pages: iter({pages[0]}),
    "dict": lambda pages: iter(dict.fromkeys(pages)),
    "values": lambda pages: iter(dict(enumerate(pages)).values()),
    "deque": lambda pages: iter(deque(pages)),
    "reversed": reversed,
    "map": lambda pages: map(getitem, [[page] for page in pages], itertools.repeat(0)),
    "filter": lambda pages: filter(None, pages),
    "chain": lambda pages: itertools.chain(pages, pages),
    "called": lambda pages: iter(lambda: pages.pop() if pages else None, None),
    "generator": lambda pages: (page for page in pages),
    "pairs": lambda pages: (page for pair in zip(pages, pages, strict=True) for page in pair),
}


@pytest.mark.parametrize("name", ITERATORS)
def test_iterators(book: Any, name: str) -> None:
    """The iterators of the language give twins, and originals where they are passed."""
    pages = unwrap(book).pages

    given = book.echo(ITERATORS[name]([*pages]))

    assert set(texts(given)) <= set(texts(book))
    assert set(book.kinds(ITERATORS[name]([*book]))) == {"Page"}
    assert [*given] == []


def test_loops(book: Any) -> None:
    """A loop over a twin gives twins."""
    assert texts(book) == ["page 0", "page 1", "page 2"]
    assert texts(reversed(book)) == ["page 2", "page 1", "page 0"]


def test_generator(book: Any) -> None:
    """A generator is one, with all that can be done to it."""
    page = next(iter(book))
    log, turning = unwrap(book).log, book.turn()

    assert isinstance(turning, GeneratorType)
    assert next(turning).text() == "page 0"
    assert turning.send(page).text() == "page 1"
    assert log == [unwrap(page)]
    with pytest.raises(StopIteration) as caught:
        turning.throw(KeyError("wrong"))
    assert caught.value.value.text() == "page 2"
    assert isinstance(log[1], KeyError)
    assert log[2:] == ["closed"]


def test_generator_that_is_left(book: Any) -> None:
    """It is closed with the loop, and an error in it comes out."""
    for page in book.turn():
        assert page.text() == "page 0"
        break
    gc.collect()
    turning = book.turn()
    next(turning)
    with pytest.raises(ValueError, match="wrong"):
        turning.throw(ValueError("wrong"))
    turning = book.turn()
    next(turning)
    turning.close()

    assert unwrap(book).log == ["closed"] * 3


def test_generator_that_others_use(book: Any) -> None:
    """What a method has dropped can be used further, also a generator in an attribute."""
    rows = (number for number in range(5))

    assert book.first(rows, 2) == [0, 1]
    assert [*rows] == [2, 3, 4]
    unwrap(book).turning = unwrap(book).turn()
    assert [next(book.turning).text(), next(book.turning).text()] == ["page 0", "page 1"]


def test_async_generator(book: Any) -> None:
    """An async generator gets originals of the twins that are sent."""
    turning = book.turn_async()
    page = next(turning)

    assert [each.text() for each in (turning.send(page), turning.send([page]))] == [
        "page 1",
        "page 2",
    ]
    assert unwrap(book).log == [unwrap(page), [unwrap(page)]]
    turning.close()


def test_named_tuple_with_async_methods(book: Any, make_executor: MakeExecutor) -> None:
    """A named tuple that has async methods is a twin, and unpacked as twins."""
    pair: Any = sync_class(Pair, executor=make_executor())(*[*book][:2])

    first, second = pair

    assert pair.both() == f"{first.text()}, {second.text()}" == "page 0, page 1"
    assert (pair[1] is second, pair.first is first, len(pair)) == (True, True, 2)
