"""The executor refuses arguments of wrong types."""

import asyncio
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from aiofutures import (
    AsyncExecutor,
    ExecutorStatistics,
    get_default_executor,
    set_default_executor,
)

from .accepted_executor import name_of
from .subjects import nothing, use


def check_construction() -> None:
    use(AsyncExecutor(4))  # refused
    use(AsyncExecutor(ProcessPoolExecutor()))  # refused
    use(AsyncExecutor(None, 4))  # refused
    use(AsyncExecutor(max_workers="4"))  # refused
    use(AsyncExecutor(max_workers=1.5))  # refused
    use(AsyncExecutor(loops="2"))  # refused
    use(AsyncExecutor(loops=None))  # refused
    use(AsyncExecutor(loops=1.5))  # refused
    use(AsyncExecutor(loop_factory=asyncio.new_event_loop()))  # refused
    use(AsyncExecutor(loop_factory=nothing))  # refused
    use(AsyncExecutor(loop_factory=str))  # refused
    use(AsyncExecutor(thread_name_prefix=None))  # refused
    use(AsyncExecutor(cancel_at_exit=None))  # refused
    use(AsyncExecutor(initializer=print))  # refused


def check_stdlib() -> None:
    use(name_of(AsyncExecutor))  # refused


def check_context_manager() -> None:
    with AsyncExecutor:  # refused
        pass
    with AsyncExecutor() as executor:
        use(executor.missing)  # refused


def check_shutdown(executor: AsyncExecutor) -> None:
    use(executor.shutdown("now"))  # refused
    use(executor.shutdown(True, True))  # refused
    use(executor.shutdown(timeout=1))  # refused


def check_cancel_futures(executor: AsyncExecutor) -> None:
    use(executor.cancel_futures(True))  # refused


def check_tasks(executor: AsyncExecutor) -> None:
    use(executor.tasks())  # refused
    executor.tasks = set()  # refused


def check_statistics(executor: AsyncExecutor, statistics: ExecutorStatistics) -> None:
    use(executor.statistics.pending)  # refused
    use(executor.statistics().missing)  # refused
    statistics.pending = 1  # refused


def check_default_executor() -> None:
    use(get_default_executor(1))  # refused
    use(get_default_executor().missing)  # refused
    use(set_default_executor())  # refused
    use(set_default_executor(None))  # refused
    use(set_default_executor(ThreadPoolExecutor()))  # refused
