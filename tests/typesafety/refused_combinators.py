"""Futures refuse functions that do not fit their results, and what cannot be awaited."""

from aiofutures import Future, first, gather

from .accepted_combinators import fetched, length, of_error
from .subjects import text_of, use


def of_key_error(error: KeyError) -> bytes:
    return str(error).encode()


def check_map(future: Future[str], number: Future[int]) -> None:
    use(number.map(length))  # refused
    use(future.map(length("a")))  # refused
    use(future.map())  # refused
    use(future.map(fn=length))  # refused


def check_then(future: Future[str], number: Future[int]) -> None:
    use(number.then(fetched))  # refused
    use(future.then(length))  # refused
    use(future.then(fetched("a")))  # refused


def check_recover(future: Future[str]) -> None:
    use(future.recover(ValueError, of_key_error))  # refused
    use(future.recover(ValueError))  # refused
    use(future.recover(of_error))  # refused
    use(future.recover("ValueError", of_error))  # refused


def check_zip(future: Future[str]) -> None:
    use(future.zip(1))  # refused
    use(future.zip())  # refused


def check_gather(a: Future[str]) -> None:
    use(gather(1))  # refused
    use(gather(a, 1))  # refused
    use(gather([a, a]))  # refused
    use(gather(text_of))  # refused


def check_first(a: Future[str]) -> None:
    use(first(1))  # refused
    use(first(a, 1))  # refused
    use(first([a, a]))  # refused
    use(first(text_of))  # refused
