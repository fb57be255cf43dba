"""The logger of the package."""

from __future__ import annotations

import logging
from typing import Final

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
        for lost in (error, failure):
            _Ignored(lost)


class _Ignored:
    """Hands an error to `sys.unraisablehook` when it dies, which Python itself alone can call."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def __del__(self) -> None:
        if self._error is not None:
            raise self._error
