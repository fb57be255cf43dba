# celery 5.6 and 5.7 ship no types; what this repository uses is here. Delete it when they do.
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

class AsyncResult(Generic[R_co]):
    id: str
    state: str
    def get(self, timeout: float | None = None, interval: float = ...) -> R_co: ...

class Request:
    id: str
    retries: int

class Task(Generic[P, R_co]):
    request: Request
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R_co]: ...
    def retry(self, *, exc: BaseException, countdown: float) -> Exception: ...

class Settings:
    def update(self, **settings: object) -> None: ...

class Celery:
    conf: Settings
    def __init__(self, main: str, *, broker: str, backend: str) -> None: ...
    @overload
    def task(self, fn: Callable[P, R_co], /) -> Task[P, R_co]: ...
    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., R_co]], Task[..., R_co]]: ...
