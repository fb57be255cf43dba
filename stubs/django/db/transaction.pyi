from contextlib import AbstractContextManager
from typing import Any

def atomic() -> AbstractContextManager[Any, None]: ...
