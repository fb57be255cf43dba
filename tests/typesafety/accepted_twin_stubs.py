"""Accepted: the members of twins that have a stub; see `library` for the originals."""

from collections.abc import Callable, Generator
from typing import Literal, assert_type

from aiofutures import unwrap

from . import library
from .rows import Cursor, Record
from .twins import Awaited, Client, connect, cursor, first, named


def check_members() -> None:
    """Use what is synchronous now."""
    client = Client("url", limit=3, size=2)

    assert_type(unwrap(client), library.Client)
    assert_type(client.kind, Literal["client"])
    assert_type(client.base, str | bytes)
    assert_type(client.items, dict[str, int])
    assert_type(client.fetch("a"), int)
    assert_type(client.find("a", one=True), Record)
    assert_type(client.find("a"), list[Record])
    assert_type(client.find_all("a", one=False), list[Record])
    # ty: cannot, it takes the literal for the type variable
    assert_type(client.later("a"), str)
    assert_type(client.only("a"), int)
    assert_type(client(1), str)
    assert_type(len(client), int)
    assert_type(client.annotated(1), str)
    assert_type(client.page().read(), list[int])
    assert_type(client.page().value, list[int])
    assert_type(client.raw.find("a", one=True).read(), Record)
    assert_type(client.size, int)
    client.size = 2
    assert_type(Client.Settings.debug, bool)
    assert_type(Client.Session().ping(), Client.Session)
    assert_type(client.session.ping(), Client.Session)
    assert_type(Client.connect("url"), Client)
    assert_type(client.handler(library.handle), Callable[[], None])

    step = client.request("url").step(by=2)
    assert_type(list(step), list[Record])
    client.either().step().step(1)
    assert_type(client.logged("a")[1], str)
    for each in client.stream(library.Square()):
        list(each.step())
    client.move(step, other=Cursor(), by=-2)
    client.move(Cursor(), other="url")
    client.move(unwrap(step))
    changes: Generator[object, Cursor, None] = client.changes()
    changes.close()
    for number, change in enumerate(client.changes()):
        client.move(change, by=number)
    for named_cursor in client.cursors("a", b"b", timeout=1.5, retries=2).values():
        named_cursor.step()
    with client.lock() as locked, client.transaction() as begun:
        locked.step(2)
        begun.step(2)
    for parsed in Client.parse("text"):
        parsed.step()
    with client as entered:
        assert_type(entered, Client)

    pool = client.pool()
    pool.put(pool.get())
    pool.put(next(client.stream(library.Square())))
    list(pool.join(pool).get().step())

    awaited = Awaited(1)
    assert_type(awaited(), Awaited)
    assert_type(awaited.value, int)


async def check_others() -> None:
    """Use what is still async."""
    assert_type(await connect(["url"]), Cursor)
    assert_type(named, str)
    assert_type(cursor, Cursor)
    assert_type(first([1], default=None), int | None)
    assert_type(await unwrap(Client("url")).fetch("a"), int)
