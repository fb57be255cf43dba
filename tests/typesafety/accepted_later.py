"""Annotations may name what is defined later, from Python 3.14 on."""

# ruff: noqa: F821  it assumes Python 3.11

from typing import assert_type

from aiofutures import Future, in_executor, to_sync


@to_sync
async def find(key: Key) -> Key:
    return key


@in_executor
async def start_finding(key: Key, *more: list[Key]) -> Key:
    return key


class Store:
    @to_sync
    async def get(self, key: Key) -> Item:
        return Item(key)


class Item:
    def __init__(self, key: Key) -> None:
        self.key = key


class Key: ...


def check_calls() -> None:
    assert_type(find(Key()), Key)
    assert_type(start_finding(Key(), [Key()]), Future[Key])
    assert_type(Store().get(Key()), Item)
