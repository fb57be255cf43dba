"""The logger of the package."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

LOGGER: Final = logging.getLogger("aiofutures")


def log_error(error: BaseException, message: str, /, *args: object) -> None:
    """Log an error that no caller can receive."""
    _log(logging.ERROR, error, message, args)


def log_warning(message: str, /, *args: object) -> None:
    """Log a warning."""
    _log(logging.WARNING, None, message, args)


def _log(level: int, error: BaseException | None, message: str, args: tuple[object, ...]) -> None:
    try:
        LOGGER.log(level, message, *args, exc_info=error)
    except Exception as failure:
        # Raised by a handler of the user's. It must not stop what comes next.
        _show(error, failure)


def handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio reports. An exception of a logging handler would end the event loop."""
    try:
        loop.default_exception_handler(context)
    except Exception as failure:
        _show(context.get("exception"), failure)


def _show(*errors: BaseException | None) -> None:
    for error in errors:
        _Ignored(error)


class _Ignored:
    """Hands an error to `sys.unraisablehook` when it dies; only Python itself can do so."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def __del__(self) -> None:
        if self._error is not None:
            raise self._error
