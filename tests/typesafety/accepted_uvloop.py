"""The loop factory of uvloop fits."""

from typing import assert_type

import uvloop

from aiofutures import AsyncExecutor


def check_loop_factory() -> None:
    assert_type(AsyncExecutor(loop_factory=uvloop.new_event_loop), AsyncExecutor)
    assert_type(AsyncExecutor(loop_factory=uvloop.Loop), AsyncExecutor)
