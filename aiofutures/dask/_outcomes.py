"""Outcomes of calls as bytes, for the process that submitted them."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

from .._common.contract import Runnable
from ._errors import RemoteTraceback
from ._packing import PLAIN
from ._pickling import dumps, dumps_plain, loads

RETURNED: Final = 0
RAISED: Final = 1
CANCELLED: Final = 2

#: The number of a call in its batch, its status, and its pickled result or error.
Outcome: TypeAlias = tuple[int, int, bytes]


# Pickling, unpickling or formatting an object may raise anything, even SystemExit. That affects one
# call only: the batch and the event loop continue.


def pack_result(number: int, name: str, result: object, address: str) -> Outcome:
    """Pack the result of a call, or an error if the result cannot be pickled."""
    try:
        data = dumps_plain(result) if type(result) in PLAIN else dumps(result)
    except BaseException as error:
        refusal = TypeError(
            f"the result of {name}(), {_described(result)}, cannot be sent back: {_in_words(error)}"
        )
        refusal.__cause__ = error
        return pack_error(number, refusal, address)
    return number, RETURNED, data


def pack_error(number: int, error: BaseException, address: str) -> Outcome:
    """Pack the exception of a call, with its traceback as text."""
    data: bytes | None
    try:
        data = dumps(error)
        # Some exceptions cannot be recreated from their `args`.
        if not isinstance(loads(data), BaseException):
            data = None
    except BaseException:
        data = None
    words = _in_words(error)
    text = _formatted(traceback.format_exception, error) or words
    return number, RAISED, dumps_plain((data, words, text, address))


def settle(future: Runnable, status: int, data: bytes) -> None:
    """Settle a future with the outcome of its call."""
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
            f"the result of {future._call_name()}() cannot be unpickled here: {_in_words(error)}"
        )
        failure.__cause__ = error
        future.fail(failure)
    else:
        future.settle(result)


def _unpack_error(data: bytes | None, words: str, text: str, address: str) -> BaseException:
    error: Any = None
    if data is not None:
        # Its type may not exist here.
        with suppress(BaseException):
            error = loads(data)
    if not isinstance(error, BaseException):
        error = RuntimeError(words)
        error.add_note("Raised in another process; the original could not be pickled or unpickled.")
    # Some exceptions refuse attributes.
    with suppress(BaseException):
        error.__cause__ = RemoteTraceback(text)
        error.add_note(f"Raised on the worker {address}.")
    failure: BaseException = error
    return failure


def _in_words(error: BaseException) -> str:
    """Return the type and text of an error."""
    return _formatted(traceback.format_exception_only, error) or type(error).__qualname__


def _formatted(formatting: Callable[[BaseException], list[str]], error: BaseException) -> str:
    """Return an error as text, or an empty string if formatting it fails."""
    try:
        return "".join(formatting(error)).strip()
    except BaseException:
        return ""


def _described(value: object) -> str:
    kind = type(value)
    return f"of type {kind.__module__}.{kind.__qualname__}"
