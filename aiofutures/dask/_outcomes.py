"""Outcomes of calls as bytes, for the process that has asked."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from .._contract import Runnable
from ._errors import RemoteTraceback
from ._packing import PLAIN
from ._pickling import dumps, dumps_plain, loads

RETURNED: Final = 0
RAISED: Final = 1
CANCELLED: Final = 2

#: The number of a call in its batch, what has become of it, and the bytes of that.
Outcome: TypeAlias = tuple[int, int, bytes]


# What is pickled, unpickled or formatted here may raise anything, SystemExit too. That concerns one
# call alone: its batch and the event loop go on.


def pack_result(number: int, name: str, result: object, address: str) -> Outcome:
    """Return what a call has returned, or the error where that cannot be pickled."""
    try:
        data = dumps_plain(result) if type(result) in PLAIN else dumps(result)
    except BaseException as error:
        refusal = TypeError(
            f"what {name}() has returned, {_described(result)}, cannot be sent back: "
            f"{_in_words(error)}"
        )
        refusal.__cause__ = error
        return pack_error(number, refusal, address)
    return number, RETURNED, data


def pack_error(number: int, error: BaseException, address: str) -> Outcome:
    """Return what a call has raised, with its traceback as text."""
    data: bytes | None
    try:
        data = dumps(error)
        # Some do not find the arguments again with which they were made.
        if not isinstance(loads(data), BaseException):
            data = None
    except BaseException:
        data = None
    words = _in_words(error)
    text = _formatted(traceback.format_exception, error) or words
    return number, RAISED, dumps_plain((data, words, text, address))


def settle(future: Runnable, status: int, data: bytes) -> None:
    """Finish a future with the outcome of its call."""
    if status == CANCELLED:
        future.settle_cancelled()
    elif status == RAISED:
        future.fail(_unpack_error(*loads(data)))
    else:
        _settle_result(future, data)


def _settle_result(future: Runnable, data: bytes) -> None:
    try:
        result = loads(data)
    except BaseException as error:
        failure = TypeError(
            f"what {future._call_name()}() has returned cannot be unpickled here: "
            f"{_in_words(error)}"
        )
        failure.__cause__ = error
        future.fail(failure)
    else:
        future.settle(result)


def _unpack_error(data: bytes | None, words: str, text: str, address: str) -> BaseException:
    error: Any = None
    if data is not None:
        # The type may be unknown here.
        with suppress(BaseException):
            error = loads(data)
    if not isinstance(error, BaseException):
        error = RuntimeError(words)
        error.add_note("It was raised in another process, and could not be pickled or unpickled.")
    # Some refuse to have attributes.
    with suppress(BaseException):
        error.__cause__ = RemoteTraceback(text)
        error.add_note(f"It was raised on the worker {address}.")
    failure: BaseException = error
    return failure


def _in_words(error: BaseException) -> str:
    """Return the type and text of an error."""
    return _formatted(traceback.format_exception_only, error) or type(error).__qualname__


def _formatted(formatting: Callable[[BaseException], list[str]], error: BaseException) -> str:
    """Return an error as text; an empty one where its attributes do not allow that."""
    try:
        return "".join(formatting(error)).strip()
    except BaseException:
        return ""


def _described(value: object) -> str:
    kind = type(value)
    return f"of type {kind.__module__}.{kind.__qualname__}"
