"""The logger of the package."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any, Final

LOGGER: Final = logging.getLogger("aiofutures")


def log_error(error: BaseException, message: str, /, *args: object) -> None:
    """Log an error that no caller can receive."""
    _log(logging.ERROR, error, message, args)


def log_warning(message: str, /, *args: object) -> None:
    """Log something that somebody should know."""
    _log(logging.WARNING, None, message, args)


def _log(level: int, error: BaseException | None, message: str, args: tuple[object, ...]) -> None:
    try:
        LOGGER.log(level, message, *args, exc_info=error)
    except Exception as failure:
        # Of a handler of the user's. It must not keep anybody waiting for the rest.
        unraisable: Any = SimpleNamespace(
            exc_type=type(failure),
            exc_value=failure,
            exc_traceback=failure.__traceback__,
            err_msg="Exception ignored while an error was logged",
            object=LOGGER,
        )
        sys.unraisablehook(unraisable)
