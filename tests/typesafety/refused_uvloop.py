"""What else uvloop has does not fit for a loop factory."""

import uvloop

from aiofutures import AsyncExecutor

from .subjects import use


def check_loop_factory() -> None:
    use(AsyncExecutor(loop_factory=uvloop.new_event_loop()))  # refused
    use(AsyncExecutor(loop_factory=uvloop.run))  # refused
    use(AsyncExecutor(loop_factory=uvloop))  # refused
