# tqdm 4.67 to 4.70 ship no types; only what this repository uses is here. Delete it when they do.
import threading
from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")

class tqdm(Generic[T]):
    monitor_interval: ClassVar[int]
    def __init__(
        self,
        iterable: Iterable[T],
        desc: str | None = None,
        total: float | None = None,
        *,
        disable: bool | None = False,
    ) -> None: ...
    def __iter__(self) -> Iterator[T]: ...
    @classmethod
    def set_lock(cls, lock: threading.RLock) -> None: ...
