"""A decorated method refuses what the method itself refuses."""

from typing_extensions import override

from aiofutures import in_executor, to_sync

from .accepted_methods import (
    AbstractAsyncStore,
    AsyncStore,
    LoadedStore,
    Session,
    Store,
    SubSession,
    connects,
    gets,
    starts,
)
from .subjects import use


class WrongParameter:
    @to_sync
    async def get(self, path: int, *, retries: int = 0) -> bytes:
        return bytes(path + retries)

    @in_executor
    async def start(self, path: str) -> bytes:
        return path.encode()


class WrongResult:
    @to_sync
    async def get(self, path: str, *, retries: int = 0) -> str:
        return path * retries

    @to_sync
    async def start(self, path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries

    @to_sync
    async def connect(self, url: str) -> str:
        return url


class NotDecorated:
    async def get(self, path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries


class WrongStore(Store):
    # ty: cannot, it does not compare decorated methods
    @override
    @to_sync
    async def load(self, key: int) -> bytes:  # refused
        return bytes(key)

    # ty: cannot, it does not compare decorated methods
    @override
    @to_sync
    async def save(self, key: str, value: bytes) -> None:  # refused
        print(key, value)


class WrongResultStore(AbstractAsyncStore):
    # ty: cannot, it does not compare decorated methods
    @override
    @to_sync
    async def load(self, key: str) -> str:  # refused
        return key


class UndecoratedStore(AbstractAsyncStore):
    @override
    async def load(self, key: str) -> bytes:  # refused
        return key.encode()


def check_method(session: Session) -> None:
    use(session.get())  # refused
    use(session.get(1))  # refused
    use(session.get("/", 1))  # refused
    use(session.get(session, "/"))  # refused
    use(session.start())  # refused
    use(session.start("/", retries="1"))  # refused
    use(session.start(session, "/"))  # refused


def check_method_with_options(session: Session) -> None:
    use(session.get_slowly())  # refused
    use(session.get_slowly(1))  # refused
    use(session.start_slowly())  # refused
    use(session.start_slowly(1))  # refused


def check_method_of_the_class(session: Session) -> None:
    use(Session.get("/"))  # refused
    use(Session.get("/", session))  # refused
    use(Session.start("/"))  # refused


def check_self(session: Session, sub_session: SubSession) -> None:
    use(session.renamed(1))  # refused
    use(sub_session.renamed())  # refused
    use(sub_session.rename(1))  # refused


def check_classmethod(session: Session) -> None:
    use(Session.connect())  # refused
    use(Session.connect(Session, "a"))  # refused
    use(session.connect(1))  # refused
    use(SubSession.start_connect(1))  # refused


def check_staticmethod(session: Session) -> None:
    use(Session.parse(1))  # refused
    use(session.parse())  # refused
    use(session.parse(session, "1"))  # refused
    use(Session.start_parse(1))  # refused


def check_property(session: Session) -> None:
    use(session.name())  # refused
    use(session.name.missing)  # refused
    use(session.future_name.missing)  # refused
    session.name = "a"  # refused


def check_protocol() -> None:
    use(gets(WrongParameter()))  # refused
    use(gets(WrongResult()))  # refused
    use(gets(NotDecorated()))  # refused
    use(starts(WrongParameter()))  # refused
    use(starts(WrongResult()))  # refused
    use(connects(WrongResult()))  # refused


def check_override(store: Store) -> None:
    use(AsyncStore().load(1))  # refused
    use(AsyncStore().save("a"))  # refused
    use(store.load(1))  # refused


def check_override_of_decorated() -> None:
    use(LoadedStore().load("a", 1))  # refused
    # ty: cannot, a decorated method is not abstract to it
    use(AbstractAsyncStore().load("a"))  # refused
