"""A context variable, and who reads it."""

from contextvars import ContextVar

variable: ContextVar[str] = ContextVar("variable", default="default")


async def read_and_set(value: str) -> str:
    """Set the variable; return what it was."""
    before = variable.get()
    variable.set(value)
    return before
