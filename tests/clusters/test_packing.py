"""Calls and outcomes as bytes."""

import asyncio
import concurrent.futures
import logging
import os
import sys
import threading
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support import LIMIT
from typing_extensions import override

pytest.importorskip("distributed", reason="needs the extra dask")

import cloudpickle
from distributed import Client
from distributed import Future as DaskFuture

from aiofutures import Future, InvalidStateError, to_sync
from aiofutures._sync.call import SyncCall
from aiofutures.dask import DaskExecutor
from aiofutures.dask._outcomes import RAISED, RETURNED, pack_error, pack_result, settle
from aiofutures.dask._packing import Packed, Packer, pack_batch, unpack_batch
from aiofutures.dask._pickling import dumps, loads

from . import decorated, remote

LIMITS = 7
LATER: Any = None


def unpacked(*calls: Packed) -> list[Any]:
    """Return the functions and arguments of calls on their way."""
    return [each[1:4] for each in unpack_batch(pack_batch(enumerate(calls)))]


def pack(fn: Any, *args: Any, **kwargs: Any) -> Packed:
    """Pack a call."""
    return Packer().pack(fn, args, kwargs)


class TestFunctions:
    """How functions are sent."""

    def test_by_name(self) -> None:
        """A function of a module goes by its name."""
        ((fn, args, kwargs),) = unpacked(pack(remote.add, 1, more=2))

        assert (fn, args, kwargs) == (remote.add, (1,), {"more": 2})
        assert len(pack(remote.add).function) < 100

    @pytest.mark.parametrize(
        "fn",
        [
            vars(decorated.load)["__wrapped__"],
            vars(vars(decorated.traced)["__wrapped__"])["__wrapped__"],
            vars(vars(decorated.Shop)["load"])["__wrapped__"],
            vars(vars(decorated.Shop)["make"].__func__)["__wrapped__"],
        ],
        ids=["function", "two decorators", "method", "class method"],
    )
    def test_below_decorators(self, fn: Callable[..., Any]) -> None:
        """So does one below decorators, which would else drag its globals along."""
        ((found, _, _),) = unpacked(pack(fn))

        assert found is fn
        call_of_it: Any = SyncCall(fn, "name")
        ((call, _, _),) = unpacked(pack(call_of_it))
        assert call.fn is fn

    def test_called(self, executor: DaskExecutor) -> None:
        """A decorated function whose module has what cannot be pickled runs on the cluster."""
        load: Any = to_sync(executor=executor)(vars(decorated.load)["__wrapped__"])

        assert load(3) == 3

    def test_renamed(self) -> None:
        """A function that its name does not lead to is sent as it is."""

        async def add(value: int) -> int:
            return value

        add.__module__, add.__qualname__ = remote.__name__, "add"

        ((found, _, _),) = unpacked(pack(add))

        assert found not in (add, remote.add)

    def test_by_value_on_demand(self) -> None:
        """A module that cloudpickle is told to send as it is, is."""
        cloudpickle.register_pickle_by_value(decorated)
        try:
            ((found, _, _),) = unpacked(pack(decorated.plain))
        finally:
            cloudpickle.unregister_pickle_by_value(decorated)

        assert found is not decorated.plain


def make(step: Any = 1, **globals_: Any) -> Any:
    """Return a function that no worker can import, with a cell and globals of its own."""

    async def local(value: int, extra: tuple[int, int] = (0, 0), *, other: int = 0) -> Any:
        return value, step, extra, other, LIMITS, logging.getLogger, LATER()

    return types.FunctionType(
        local.__code__,
        {**globals(), **globals_},
        "local",
        local.__defaults__,
        local.__closure__,
    )


class TestKnown:
    """The bytes of functions are kept."""

    def test_by_name(self) -> None:
        """Those of a function that goes by its name."""
        packer = Packer()

        first, again = (packer.pack(remote.add, (), {}) for _ in range(2))

        assert first.function is again.function

    @pytest.mark.parametrize("later", [len, remote.sync, remote.Shop, make])
    def test_by_value(self, later: Any) -> None:
        """Those of one that is sent as it is, as long as all its parts stay the same objects."""
        packer, fn = Packer(), make(LATER=later, LIMITS=1)

        first, again = (packer.pack(fn, (), {}) for _ in range(2))
        fn.__globals__["LIMITS"] = 2
        changed = packer.pack(fn, (), {})

        assert first.function is again.function
        assert changed.function is not first.function

    def test_changing_parts(self) -> None:
        """One with a part that can change in place is pickled each time."""
        packer, parts = Packer(), [1]
        fn = make(parts, LATER=len)

        packer.pack(fn, (), {})
        parts.append(2)
        ((found, _, _),) = unpacked(packer.pack(fn, (), {}))

        assert found.__closure__[0].cell_contents == [1, 2]

    @pytest.mark.parametrize("kind", ["class", "module"])
    def test_by_value_and_changing(self, kind: str) -> None:
        """So is one with a class or module that is sent as it is: its attributes can change."""
        part: Any = type("Part", (), {}) if kind == "class" else types.ModuleType("part")
        packer, fn = Packer(), make(LATER=part)

        part.step = 1
        before = packer.pack(fn, (), {}).function
        part.step = 2

        assert packer.pack(fn, (), {}).function != before

    def test_bound_method_of_a_list(self) -> None:
        """A built-in method may belong to something that changes."""
        packer, parts = Packer(), [1]
        fn = make(LATER=parts.copy)

        first, again = (packer.pack(fn, (), {}) for _ in range(2))

        assert first.function is not again.function

    def test_empty_cell(self) -> None:
        """A cell that has no value yet may get one."""
        packer = Packer()

        async def local() -> int:
            return later

        first = packer.pack(local, (), {})
        later = 1
        second = packer.pack(local, (), {})

        assert first.function != second.function

    def test_changed_defaults(self) -> None:
        """Defaults and attributes are parts, too."""
        packer, fn = Packer(), make(LATER=len)
        before = packer.pack(fn, (), {}).function

        fn.__kwdefaults__ = {"other": 5}
        middle = packer.pack(fn, (), {}).function
        fn.attribute = 1

        assert len({before, middle, packer.pack(fn, (), {}).function}) == 3

    def test_not_too_many(self) -> None:
        """Those of many functions are not all kept."""
        packer = Packer()
        for number in range(600):
            packer.pack(make(number, LATER=len), (), {})

        assert len(packer._known) <= 256

    def test_inner(self) -> None:
        """What only an inner function looks up is a part, too."""
        packer, parts = Packer(), [1]

        async def local() -> Any:
            def inner() -> Any:
                return LATER

            return inner()

        fn = types.FunctionType(local.__code__, {"LATER": parts})
        before = packer.pack(fn, (), {}).function
        parts.append(2)

        assert packer.pack(fn, (), {}).function != before

    def test_recursive(self) -> None:
        """A function that calls itself is sent."""
        fn = make()
        fn.__globals__["LATER"] = fn

        ((found, _, _),) = unpacked(pack(fn))

        assert found.__globals__["LATER"] is found


class TestArguments:
    """How arguments are sent."""

    def test_plain(self) -> None:
        """Plain ones are taken as they are."""
        assert pack(remote.add, 1, "x", more=b"y").args == (1, "x")

    def test_pickled(self) -> None:
        """Others are pickled when they are submitted: what changes later does not."""
        values = [1]
        packed = pack(remote.add, values, values)
        values.append(2)

        ((_, (one, other), _),) = unpacked(packed)

        assert one == [1]
        assert one is other

    def test_broken(self) -> None:
        """Arguments that cannot be unpickled are an error of their call alone."""
        here = Packer()
        calls = [here.pack(remote.add, (value,), {}) for value in (1, remote.OnlyThere(0))]
        bad = calls[1]._replace(args=dumps(remote.OnlyThere(os.getpid())))

        good, wrong = unpack_batch(pack_batch(enumerate((calls[0], bad))))

        assert good.error is None
        assert isinstance(wrong.error, RuntimeError)

    def test_broken_on_the_worker(self, executor: DaskExecutor) -> None:
        """The others of its batch run."""
        futures = (
            executor.submit(remote.add, remote.OnlyThere(os.getpid())),
            executor.submit(remote.add, 1),
        )

        assert str(futures[0].exception(10)) == "not here"
        assert futures[1].result(10) == 1

    def test_exit_on_the_worker(self, executor: DaskExecutor) -> None:
        """SystemExit of what is unpickled is one of its call; the worker goes on."""
        futures = (
            executor.submit(remote.add, remote.Leaving("unpickled")),
            executor.submit(remote.add, 1),
        )

        assert isinstance(futures[0].exception(LIMIT), SystemExit)
        assert futures[1].result(LIMIT) == 1

    def test_broken_function(self) -> None:
        """So is a function."""
        missing = dumps(remote.add).replace(b"add", b"abd")
        calls = [pack(remote.add), pack(remote.add)._replace(function=missing)]

        good, wrong = unpack_batch(pack_batch(enumerate(calls)))

        assert good.error is None
        assert isinstance(wrong.error, AttributeError)


class TestRefused:
    """What cannot be sent is refused when it is submitted, in words."""

    @pytest.mark.parametrize("place", ["argument 2", "more"])
    @pytest.mark.parametrize(
        ("value", "name", "reason"),
        [
            (threading.Lock(), "_thread.lock", "cannot pickle"),
            (concurrent.futures.Future(), "concurrent.futures._base.Future", "pass its result"),
            (Future(), "aiofutures._futures.future.Future", "pass its result"),
            ([Future()], "builtins.list", "pass its result"),
        ],
        ids=["lock", "future", "own future", "inside"],
    )
    def test_argument(self, place: str, value: Any, name: str, reason: str) -> None:
        """The error names the function, the argument and its type."""
        args, kwargs = ((1, value), {}) if place == "argument 2" else ((1,), {"more": value})

        with pytest.raises(TypeError) as caught:
            pack(remote.add, *args, **kwargs)

        start = f"add() cannot be sent to another process: {place}, of type {name}, "
        assert str(caught.value).startswith(start)
        assert reason in str(caught.value)

    def test_future_of_asyncio_and_dask(self, client: Client) -> None:
        """A future of asyncio's or Dask's is refused as well."""
        loop = asyncio.new_event_loop()
        make: Any = DaskFuture
        for future in (loop.create_future(), make("key", client)):
            with pytest.raises(TypeError, match="a future cannot leave its process; pass"):
                pack(remote.add, future)
        loop.close()

    def test_coroutine(self) -> None:
        """A coroutine object is refused, and closed, as a function and as an argument."""
        with pytest.raises(TypeError, match=r", of type builtins.coroutine, cannot be"):
            pack(remote.add, remote.add(1))
        with pytest.raises(TypeError, match=r"pass add, ... instead of add\(...\)"):
            pack(remote.add(1))

    def test_function(self) -> None:
        """A function that has what cannot be pickled is refused by its name."""
        lock = threading.Lock()

        async def locked() -> None:
            lock.acquire()

        with pytest.raises(
            TypeError, match=r"locked\(\) cannot be sent to another process: .*lock"
        ):
            pack(locked)

    @pytest.mark.parametrize("fn", [len, partial(len), partial(partial(print), 1)])
    def test_sync(self, fn: Any) -> None:
        """A function of the standard library that is certainly not async is refused."""
        with pytest.raises(TypeError, match=r"is a sync function: call it with 'await sync_to"):
            pack(fn)

    def test_async_generator_function(self) -> None:
        """So is an async generator function."""
        with pytest.raises(TypeError, match=r"items\(\) is an async generator function"):
            pack(remote.items, 1)

    def test_no_function(self) -> None:
        """And what cannot be called."""
        with pytest.raises(TypeError, match="expected an async function, got 3"):
            pack(3)

    def test_error_of_both_together(self) -> None:
        """Where each argument can be pickled, but not all of them, the error says why."""

        class Twice:
            times = 0

            @override
            def __reduce__(self) -> Any:
                Twice.times += 1
                if Twice.times == 1:
                    raise ValueError("not now")
                return int, ()

        with pytest.raises(TypeError, match=r"add\(\) cannot be sent to another process: not now"):
            pack(remote.add, Twice())

    @pytest.mark.parametrize("fn", [remote.sync, remote.generate, decorated.load])
    def test_in_the_future(self, executor: DaskExecutor, fn: Any) -> None:
        """What shows only when it is called is an error of the call, in the words of executors."""
        error = executor.submit(fn, *([] if fn is remote.generate else [1])).exception(10)

        assert isinstance(error, TypeError)
        assert fn.__name__ in str(error)

    def test_after_shutdown(self, client: Client) -> None:
        """After `shutdown` that is the error, whatever is submitted."""
        executor = DaskExecutor(client)
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="cannot schedule new futures after shutdown"):
            _ = executor.submit(remote.add, threading.Lock())


class Strange(Exception):
    """An error that makes trouble."""

    @override
    def __str__(self) -> str:
        raise RuntimeError("no text")

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Unformattable(Exception):
    """An error that no traceback can be made of."""

    __notes__ = property(lambda _: sys.exit(3))


class TestOutcomes:
    """How outcomes come back."""

    def test_result_that_cannot_be_pickled(self, executor: DaskExecutor) -> None:
        """It becomes a TypeError with its type, in its own future."""

        async def lock() -> Any:
            return threading.Lock()

        futures = executor.submit(lock), executor.submit(remote.add, 1)

        with pytest.raises(TypeError, match=r"lock\(\), of type _thread.lock, cannot be sent"):
            futures[0].result(10)
        assert futures[1].result(10) == 1

    @pytest.mark.parametrize(
        ("when", "words"),
        [
            ("pickled", "of type clusters.remote.Leaving, cannot be sent back: SystemExit: 3"),
            ("unpickled", "cannot be unpickled here: SystemExit: 3"),
        ],
    )
    def test_result_that_leaves(self, executor: DaskExecutor, when: str, words: str) -> None:
        """So does one that raises SystemExit then, and the others of its batch arrive."""

        async def leave() -> Any:
            return remote.Leaving(when)

        futures = executor.submit(leave), executor.submit(remote.add, 1)

        with pytest.raises(TypeError, match=words):
            futures[0].result(LIMIT)
        assert futures[1].result(LIMIT) == 1

    def test_result_that_cannot_be_unpickled(self) -> None:
        """So does one that cannot be unpickled here."""
        future: Future[Any] = Future()
        outcome = pack_result(0, "f", remote.OnlyThere(os.getpid()), "here")

        settle(future, *outcome[1:])

        assert outcome[1] == RETURNED
        with pytest.raises(TypeError, match="cannot be unpickled here: RuntimeError: not here"):
            future.result(0)

    def test_error_that_cannot_be_pickled(self, executor: DaskExecutor) -> None:
        """It becomes a RuntimeError with its type and text."""

        async def stubborn() -> None:
            raise remote.Stubborn(1, 2)

        error = executor.submit(stubborn).exception(10)

        assert isinstance(error, RuntimeError)
        assert str(error) == f"{remote.__name__}.Stubborn: 1 and 2"
        assert "could not be pickled" in error.__notes__[0]
        assert "stubborn" in str(error.__cause__)

    def test_error_that_cannot_be_formatted(self, executor: DaskExecutor) -> None:
        """One of which no traceback can be made arrives, and its batch ends."""
        error: Any = executor.submit(remote.fail, Unformattable("bad")).exception(LIMIT)

        assert type(error).__name__ == "Unformattable"
        assert str(error.__cause__).strip('"\n') == "Unformattable"

    def test_error_of_an_unknown_type(self) -> None:
        """So does one of a type that is not known here."""
        future: Future[Any] = Future()
        _, status, data = pack_error(0, ValueError("bad"), "here")
        content = loads(data)

        settle(future, status, dumps((b"cno\nsuch\n.", *content[1:])))

        assert status == RAISED
        with pytest.raises(RuntimeError, match=r"^ValueError: bad\n"):
            future.result(0)

    def test_error_that_is_none(self) -> None:
        """And one that is something else once it was pickled."""

        class Other(Exception):
            @override
            def __reduce__(self) -> Any:
                return int, ()

        future: Future[Any] = Future()
        settle(future, *pack_error(0, Other(), "here")[1:])

        assert isinstance(future.exception(0), RuntimeError)

    def test_strange_error(self) -> None:
        """One that has no text and takes no attributes arrives nevertheless."""
        future: Future[Any] = Future()
        settle(future, *pack_error(0, Strange(), "here")[1:])

        assert isinstance(future.exception(0), Strange)
