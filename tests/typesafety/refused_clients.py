"""What `to_sync_context` and `to_sync_iter` make refuses what the functions refuse."""

from aiofutures import to_sync_context, to_sync_iter

from . import subjects
from .accepted_clients import (
    Connection,
    Stream,
    connect,
    connect_slowly,
    connect_suppressing,
    create,
    created,
    created_slowly,
    first_page,
    messages,
    numbers,
    numbers_again,
    open_stream,
    pages,
    streamed,
    streamed_slowly,
)
from .subjects import use


def check_context() -> None:
    use(connect())  # refused
    use(connect(1))  # refused
    use(connect("a", retries="1"))  # refused
    use(connect_suppressing(1))  # refused
    # zuban: cannot, it loses the parameters of a class with type arguments
    use(open_stream(1))  # refused
    use(to_sync_context(subjects.fetch))  # refused
    use(to_sync_context(subjects.sync_fetch))  # refused
    use(to_sync_context(create))  # refused
    use(to_sync_context(Connection("a")))  # refused
    with connect("a") as connection:
        use(connection.missing)  # refused


def check_context_with_options() -> None:
    use(connect_slowly())  # refused
    use(connect_slowly("a", retries="1"))  # refused
    use(to_sync_context(timeout="1"))  # refused
    use(to_sync_context(Connection, timeout=1))  # refused
    use(to_sync_context(executor=1))  # refused
    use(to_sync_context(timeout=1)(subjects.fetch))  # refused


def check_iter() -> None:
    use(created())  # refused
    use(created("a", size="2"))  # refused
    use(created("a").send(1))  # refused
    use(pages("1"))  # refused
    use(messages(1))  # refused
    use(to_sync_iter(subjects.fetch))  # refused
    use(to_sync_iter(subjects.sync_fetch))  # refused
    use(to_sync_iter(Connection))  # refused
    use(to_sync_iter(Stream("a")))  # refused


def check_iter_with_options() -> None:
    use(created_slowly())  # refused
    use(created_slowly("a", size="2"))  # refused
    use(numbers_again("1"))  # refused
    use(to_sync_iter(timeout="1"))  # refused
    use(to_sync_iter(create, timeout=1))  # refused
    use(to_sync_iter(executor=1))  # refused
    use(to_sync_iter(timeout=1)(subjects.fetch))  # refused


def check_method(connection: Connection) -> None:
    use(connection.transaction())  # refused
    use(connection.transaction(1))  # refused
    use(connection.rows(connection, "a"))  # refused
    use(connection.rows(1))  # refused


def check_to_sync() -> None:
    use(first_page("1"))  # refused
    use(numbers("2"))  # refused
    use(numbers(2).send(1))  # refused
    use(streamed("a").send(1))  # refused
    # zuban: cannot, it loses the parameters of a class with type arguments
    use(streamed_slowly(1))  # refused
