"""The members, bases and attributes of classes in stubs."""

from twins.stubs import Write, methods


class TestManagers:
    """Methods that the standard library's `contextmanager` has made."""

    def test_sync(self, write: Write) -> None:
        """A sync manager is handed through: what it yields is no twin."""
        stub = write(
            """
            from collections.abc import Generator, Iterator
            from contextlib import contextmanager
            from typing import Any, Callable, Generic, ParamSpec, Self, TypeVar
            from aiofutures import sync_class
            P = ParamSpec("P")
            R = TypeVar("R")
            T = TypeVar("T")
            def logged(fn: Callable[P, R]) -> Callable[P, R]: return fn
            def listed(fn: Callable[P, R]) -> Callable[P, list[R]]: return fn
            class AsyncPage:
                async def text(self) -> str: ...
            class AsyncClient:
                @contextmanager
                def lock(self, page: AsyncPage) -> Generator[AsyncPage]: yield page
                @contextmanager
                def quoted(self) -> "Iterator[list[AsyncPage]]": yield []
                @contextmanager
                def itself(self) -> Iterator[Self]: yield self
                @contextmanager
                def old(self: T) -> Iterator[T]: yield self
                @contextmanager
                def bare(self) -> Iterator: yield 1
                @logged
                @contextmanager
                def logged(self) -> Iterator[AsyncPage]: yield AsyncPage()
                @listed
                @contextmanager
                def paired(self) -> Iterator[AsyncPage]: yield AsyncPage()
                async def get(self) -> AsyncPage: ...
            class AsyncPool(Generic[T]):
                @contextmanager
                def itself(self) -> Iterator[Self]: yield self
                async def get(self) -> T: ...
            Client = sync_class(AsyncClient)
            Page = sync_class(AsyncPage)
            Pool = sync_class(AsyncPool)
            """
        )

        manager = "AbstractContextManager"
        members = methods(stub)
        assert members["lock"].endswith(f"-> {manager}[AsyncPage, bool | None]")
        assert members["quoted"] == f"quoted(self) -> {manager}[list[AsyncPage], bool | None]"
        assert members["itself"] == f"itself(self) -> {manager}[AsyncClient, bool | None]"
        assert members["old"] == f"old(self) -> {manager}[AsyncClient, bool | None]"
        assert members["bare"] == f"bare(self) -> {manager}[Any, bool | None]"
        assert members["logged"] == f"logged(self) -> {manager}[AsyncPage, bool | None]"
        assert members["paired"] == f"paired(self) -> list[{manager}[AsyncPage]]"
        itself = methods(stub, "Pool")["itself"]
        assert itself == f"itself(self) -> {manager}[AsyncPool[T], bool | None]"
