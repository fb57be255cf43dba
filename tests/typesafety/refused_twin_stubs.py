"""Refused: wrong uses of twins that have a stub."""

from typing import assert_type

from .library import Square
from .rows import Cursor, Record
from .twins import Awaited, Client, connect, first, named


def check_members(client: Client) -> None:
    Client()  # refused
    Client(1)  # refused
    Client("url", limit="3")  # refused
    client.fetch()  # refused
    client.fetch(1)  # refused
    client.find("a", one=1)  # refused
    assert_type(client.find("a", one=True), list[Record])  # refused
    assert_type(client.find("a"), Record)  # refused
    client.pool().put(1)  # refused
    client.pool().put(Cursor())  # refused
    client.only(1, 2)  # refused
    client.later(1)  # refused
    client("a")  # refused
    client.move(1)  # refused
    client.move(cursor=Cursor())  # refused
    client.move(Cursor(), other=1)  # refused
    client.move(Cursor(), by="1")  # refused
    client.cursors(1)  # refused
    client.cursors("a", timeout="1")  # refused
    # ty: cannot, it takes any keyword for that of an open TypedDict
    client.cursors("a", unknown=1)  # refused
    client.stream(1)  # refused
    client.stream(Square()).send(1)  # refused
    client.lock(1)  # refused
    client.lock().step()  # refused
    client.request(1)  # refused
    client.request("url").missing()  # refused
    client.handler(1)  # refused
    client.annotated("a")  # refused
    client.logged(1)  # refused
    client.raw.find("a", two=1)  # refused
    client.size = "a"  # refused
    client.session = 1  # refused
    client.parse(1)  # refused
    Client.connect(1)  # refused
    client.search()  # refused
    client.__aenter__()  # refused
    client._private()  # refused
    Awaited("a")  # refused
    Awaited(1).close(1)  # refused


async def check_others() -> None:
    connect(["url"]).step()  # refused
    first(1)  # refused
    named + 1  # refused
