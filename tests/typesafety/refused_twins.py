"""Refused: calls of `sync_class` and `unwrap` that fail at run time."""

from typing import assert_type

from aiofutures import AsyncExecutor, sync_class, unwrap

from .accepted_twins import Client, Twin


def check_sync_class() -> None:
    sync_class(5)  # refused
    sync_class(Client(1))  # refused
    sync_class(cls=Client)  # refused
    sync_class(Client, AsyncExecutor())  # refused
    sync_class(Client, executor=5)  # refused
    sync_class(Client, timeout="1")  # refused
    sync_class(Client, name=b"x")  # refused
    sync_class(timeout=1)(5)  # refused


def check_unwrap() -> None:
    unwrap()  # refused
    unwrap(twin=Twin(1))  # refused
    assert_type(unwrap(Twin(1)), Client[str])  # refused
