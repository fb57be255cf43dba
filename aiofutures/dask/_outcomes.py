"""Outcomes of calls as bytes, for the process that has asked."""

from __future__ import annotations

import traceback
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


def pack_result(number: int, name: str, result: object, address: str) -> Outcome:
    """Return what a call has returned, or the error where that cannot be pickled."""
    try:
        data = dumps_plain(result) if type(result) in PLAIN else dumps(result)
    except Exception as error:
        refusal = TypeError(
            f"what {name}() has returned, {_described(result)}, cannot be sent back: {error}"
        )
        refusal.__cause__ = error
        return pack_error(number, refusal, address)
    return number, RETURNED, data


def pack_error(number: int, error: BaseException, address: str) -> Outcome:
    """Return what a call has raised, with its traceback as text."""
    text = "".join(traceback.format_exception(error))
    data: bytes | None
    try:
        data = dumps(error)
        # Some do not find the arguments again with which they were made.
        if not isinstance(loads(data), BaseException):
            data = None
    except Exception:
        data = None
    return number, RAISED, dumps_plain((data, _in_words(error), text, address))


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
    except Exception as error:
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
        with suppress(Exception):
            error = loads(data)
    if not isinstance(error, BaseException):
        error = RuntimeError(words)
        error.add_note("It was raised in another process, and could not be pickled or unpickled.")
    # Some refuse to have attributes.
    with suppress(Exception):
        error.__cause__ = RemoteTraceback(text)
        error.add_note(f"It was raised on the worker {address}.")
    failure: BaseException = error
    return failure


def _in_words(error: BaseException) -> str:
    """Return the type and text of an error."""
    return "".join(traceback.format_exception_only(error)).strip()


def _described(value: object) -> str:
    kind = type(value)
    return f"of type {kind.__module__}.{kind.__qualname__}"
