"""A decorated method is bound like any other, and fits wherever a method is asked for."""

from abc import ABC, abstractmethod
from typing import Protocol, Self, assert_type

from typing_extensions import override

from aiofutures import Future, in_executor, to_sync

from .subjects import text_of


class Session:
    @to_sync
    async def get(self, path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries

    @in_executor
    async def start(self, path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries

    @to_sync(timeout=60)
    async def get_slowly(self, path: str) -> bytes:
        return path.encode()

    @in_executor()
    async def start_slowly(self, path: str) -> bytes:
        return path.encode()

    @to_sync
    async def renamed(self, name: str) -> Self:
        return self

    @in_executor
    async def rename(self, name: str) -> Self:
        return self

    @classmethod
    @to_sync
    async def connect(cls, url: str) -> Self:
        return cls()

    @classmethod
    @in_executor
    async def start_connect(cls, url: str) -> Self:
        return cls()

    @staticmethod
    @to_sync
    async def parse(text: str) -> int:
        return int(text)

    @staticmethod
    @in_executor
    async def start_parse(text: str) -> int:
        return int(text)

    @property
    @to_sync
    async def name(self) -> str:
        return "name"

    @property
    @in_executor
    async def future_name(self) -> str:
        return "name"


class SubSession(Session): ...


class Gets(Protocol):
    def get(self, path: str, *, retries: int = 0) -> bytes: ...


class Starts(Protocol):
    def start(self, path: str, *, retries: int = 0) -> Future[bytes]: ...


class Connects(Protocol):
    def connect(self, url: str) -> Session: ...


class Store(ABC):
    @abstractmethod
    def load(self, key: str) -> bytes: ...

    @abstractmethod
    def save(self, key: str, value: bytes) -> Future[None]: ...


class AsyncStore(Store):
    @override
    @to_sync
    async def load(self, key: str) -> bytes:
        return key.encode()

    @override
    @in_executor
    async def save(self, key: str, value: bytes) -> None: ...


class AbstractAsyncStore(ABC):
    @to_sync
    @abstractmethod
    async def load(self, key: str) -> bytes: ...


class LoadedStore(AbstractAsyncStore):
    @override
    @to_sync
    async def load(self, key: str, default: bytes = b"") -> bytes:
        return key.encode() or default


class Attributes:
    get = to_sync(text_of)


def gets(session: Gets) -> bytes:
    return session.get("/")


def starts(session: Starts) -> Future[bytes]:
    return session.start("/")


def connects(session: Connects) -> Session:
    return session.connect("a")


def check_method(session: Session) -> None:
    assert_type(session.get("/"), bytes)
    assert_type(session.get("/", retries=1), bytes)
    assert_type(session.start("/"), Future[bytes])
    assert_type(session.start(path="/", retries=1), Future[bytes])


def check_method_with_options(session: Session) -> None:
    assert_type(session.get_slowly("/"), bytes)
    assert_type(session.start_slowly("/"), Future[bytes])


def check_method_of_the_class(session: Session) -> None:
    assert_type(Session.get(session, "/"), bytes)
    assert_type(Session.start(session, "/"), Future[bytes])


def check_self(session: Session, sub_session: SubSession) -> None:
    assert_type(session.renamed("a"), Session)
    assert_type(sub_session.renamed("a"), SubSession)
    assert_type(sub_session.rename("a"), Future[SubSession])


def check_classmethod(session: Session) -> None:
    assert_type(Session.connect("a"), Session)
    assert_type(SubSession.connect("a"), SubSession)
    assert_type(session.connect("a"), Session)
    assert_type(SubSession.start_connect("a"), Future[SubSession])


def check_staticmethod(session: Session) -> None:
    assert_type(Session.parse("1"), int)
    assert_type(session.parse("1"), int)
    assert_type(Session.start_parse("1"), Future[int])


def check_property(session: Session) -> None:
    assert_type(session.name, str)
    assert_type(session.future_name, Future[str])


def check_protocol(session: Session) -> None:
    assert_type(gets(session), bytes)
    assert_type(starts(session), Future[bytes])
    assert_type(connects(session), Session)


def check_override(store: Store) -> None:
    assert_type(AsyncStore().load("a"), bytes)
    assert_type(AsyncStore().save("a", b""), Future[None])
    assert_type(store.load("a"), bytes)


def check_override_of_decorated() -> None:
    assert_type(LoadedStore().load("a", b""), bytes)
