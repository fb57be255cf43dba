"""What `to_sync` makes of async generators and context managers refuses what those refuse."""

from aiofutures import in_executor, to_sync

from .accepted_generators import (
    Session,
    lines,
    lines_of,
    numbers,
    numbers_of,
    open_session,
    open_slowly,
    open_suppressing,
    opened,
    slow_lines,
    slow_numbers,
)
from .subjects import sync_variadic, use


def check_async_generator() -> None:
    use(numbers())  # refused
    use(numbers("2"))  # refused
    use(numbers(2, other=1))  # refused
    use(numbers(2).send(1))  # refused
    use(sum(lines("a")))  # refused
    use(in_executor(numbers_of))  # refused


def check_async_iterator() -> None:
    use(lines())  # refused
    use(lines(1))  # refused
    use(lines("a").send("a"))  # refused
    use(to_sync(lines_of("a")))  # refused
    use(to_sync(sync_variadic))  # refused


def check_options() -> None:
    use(slow_numbers("2"))  # refused
    use(slow_lines(1))  # refused


def check_method(session: Session) -> None:
    use(session.pages())  # refused
    use(session.pages(1))  # refused
    use(session.pages(session, "/"))  # refused


def check_context_manager() -> None:
    use(opened())  # refused
    use(opened(1))  # refused
    use(open_suppressing(1))  # refused
    with opened("a") as body:
        use(body.missing)  # refused


def check_class() -> None:
    use(open_session())  # refused
    use(open_session(1))  # refused
    use(open_session("a", 1))  # refused
    use(open_slowly("a", retries="1"))  # refused
    with open_session("a") as session:
        use(session.missing)  # refused
