"""Whole clients of other libraries, against servers on this machine."""

import asyncio
import importlib
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import GeneratorType
from typing import Any

import pytest
import servers
from support import LIMIT
from typing_extensions import override

from aiofutures import AsyncExecutor, sync_class, to_sync_context, unwrap

# The group of dependencies that `nox -s twins` installs; other sessions have some of them.
NEEDED = ("IPython", "aiohttp", "asyncpg", "httpx", "mcp", "openai", "redis")
missing = [name for name in NEEDED if find_spec(name) is None]
if missing:
    pytest.skip(f"needs {', '.join(missing)}", allow_module_level=True)

Call = Callable[[Any], Any]


@pytest.fixture
def executor() -> Iterator[AsyncExecutor]:
    """One executor for twins and originals."""
    with AsyncExecutor() as executor:
        yield executor


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, or as the API of a language model does."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer."""
        size = int(self.headers.get("content-length") or 0)
        content = self.rfile.read(size)
        kind, body = "application/json", json.dumps(self.reply(content)).encode()
        if b'"stream": true' in content or b'"stream":true' in content:
            events = [f"data: {json.dumps(chunk(each))}\n\n" for each in ("one", "two")]
            kind, body = "text/event-stream", "".join([*events, "data: [DONE]\n\n"]).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def reply(self, content: bytes) -> dict[str, Any]:
        """Return the JSON of an answer."""
        if self.path.endswith("/chat/completions"):
            return completion()
        if self.path.endswith("/models"):
            return {"object": "list", "data": [{"id": "a", "object": "model"}]}
        if self.path.endswith("/embeddings"):
            data = {"object": "embedding", "index": 0, "embedding": [0.5]}
            return {"object": "list", "data": [data], "model": "a", "usage": {}}
        return {
            "method": self.command,
            "path": self.path,
            "size": len(content),
            "id": "x",
            "object": "model",
        }

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def completion() -> dict[str, Any]:
    """Return an answer of a language model."""
    message = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "x", "object": "chat.completion", "model": "a", "choices": [choice]}


def chunk(text: str) -> dict[str, Any]:
    """Return a part of one."""
    choice = {"index": 0, "delta": {"content": text}}
    return {"id": "x", "object": "chat.completion.chunk", "model": "a", "choices": [choice]}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def compare(executor: AsyncExecutor, twin: Any, calls: dict[str, Call], body: str) -> None:
    """See that each call gives through the twin what awaiting it on the original gives.

    What it raises counts, too. `body` is the name of the method that gives the body of a response.
    """
    original = unwrap(twin)

    async def call_original(call: Call) -> Any:
        return await finish_async(call(original), body)

    for name, call in calls.items():
        mine = outcome(lambda: finish(call(twin), body))
        theirs = outcome(executor.submit(call_original, call).result)
        assert mine == theirs, name


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the error that it raises as text."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error)


def finish(result: Any, body: str) -> Any:
    """Return what can be compared of what a twin has returned, after entering or iterating it."""
    is_iterable = hasattr(getattr(result, "__wrapped__", None), "__aiter__")
    if is_iterable or isinstance(result, GeneratorType):
        return [finish(each, body) for each in result]
    if isinstance(result, AbstractContextManager) and not hasattr(result, "__wrapped__"):
        with result as value:
            return finish(value, body)
    return (show(result), getattr(result, body)()) if hasattr(result, body) else show(result)


async def finish_async(result: Any, body: str) -> Any:
    """Do as `finish` for what the original has returned, after awaiting it."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        return [await finish_async(each, body) async for each in result]
    if hasattr(result, "__aenter__") and not hasattr(result, body):
        async with result as value:
            return await finish_async(value, body)
    return (show(result), await getattr(result, body)()) if hasattr(result, body) else show(result)


def shown(name: str) -> Call:
    """Return a call that gives an attribute as text."""
    return lambda client: str(getattr(client, name))


def named(name: str) -> Call:
    """Return a call that gives the name of the class of an attribute."""

    def call(client: Any) -> str:
        value = getattr(client, name)
        return type(getattr(value, "__wrapped__", value)).__name__

    return call


def show(value: Any) -> Any:
    """Return what can be compared of a result."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    for name in ("status_code", "status", "url"):
        if hasattr(value, name):
            return name, str(getattr(value, name))
    value = getattr(value, "__wrapped__", value)
    return value if isinstance(value, (str, int, bytes, list, dict, tuple, set)) else type(value)


def public(twin: Any) -> set[str]:
    """Return the public members of a twin."""
    return {name for name in dir(twin) if not name.startswith("_")}


def test_httpx(executor: AsyncExecutor, url: str) -> None:
    """Each member of httpx.AsyncClient gives what it gives when it is awaited."""
    import httpx

    Client = sync_class(httpx.AsyncClient, executor=executor, timeout=LIMIT)
    calls: dict[str, Call] = {
        "get": lambda client: client.get("/a", params={"page": 1}),
        "options": lambda client: client.options("/a"),
        "head": lambda client: client.head("/a"),
        "post": lambda client: client.post("/a", json={"a": 1}),
        "put": lambda client: client.put("/a", content=b"abc"),
        "patch": lambda client: client.patch("/a", data={"a": "b"}),
        "delete": lambda client: client.delete("/a"),
        "request": lambda client: client.request("GET", "/b"),
        "stream": lambda client: client.stream("GET", "/c"),
        "send": lambda client: client.send(client.build_request("GET", "/d")),
        "build_request": lambda client: client.build_request("GET", "/d").method,
    }
    for name in (
        *("auth", "base_url", "cookies", "event_hooks", "follow_redirects", "headers"),
        *("is_closed", "max_redirects", "params", "timeout", "trust_env"),
    ):
        calls[name] = shown(name)

    with Client(base_url=url) as client:
        compare(executor, client, calls, "aread")
        with client.stream("GET", "/lines") as response:
            assert next(response.aiter_lines()).startswith('{"method": "GET"')
        assert client.get("/a") is not client.get("/a")
    assert client.is_closed
    client.aclose()
    assert {*calls, "aclose"} == public(client)


def test_aiohttp(executor: AsyncExecutor, url: str) -> None:
    """Each member of aiohttp.ClientSession gives what it gives when it is awaited."""
    import aiohttp

    Session = sync_class(aiohttp.ClientSession, executor=executor, timeout=LIMIT)
    calls: dict[str, Call] = {
        "get": lambda session: session.get("/a", params={"page": 1}),
        "options": lambda session: session.options("/a"),
        "head": lambda session: session.head("/a"),
        "post": lambda session: session.post("/a", json={"a": 1}),
        "put": lambda session: session.put("/a", data=b"abc"),
        "patch": lambda session: session.patch("/a", data={"a": "b"}),
        "delete": lambda session: session.delete("/a"),
        "request": lambda session: session.request("GET", "/b"),
    }
    attributes = public(sync_class(aiohttp.ClientSession)) - {*calls, "close", "detach"}
    others = {"ws_connect", "loop"}
    for name in attributes - others:
        calls[name] = named(name)

    with Session(url) as session:
        compare(executor, session, calls, "text")
        with session.get("/with") as response:
            assert response.status == 200
            assert response.json()["path"] == "/with"
        assert response.closed
        with pytest.raises(aiohttp.WSServerHandshakeError):
            session.ws_connect("/socket")
    assert session.closed
    session.close()
    with pytest.warns(DeprecationWarning, match=r"loop property"):
        assert isinstance(session.loop, asyncio.AbstractEventLoop)
    session.detach()


def test_aiohttp_websocket(executor: AsyncExecutor) -> None:
    """A WebSocket of aiohttp sends, receives, is iterated and closed."""
    import aiohttp

    Session = sync_class(aiohttp.ClientSession, executor=executor, timeout=LIMIT)
    with servers.websocket_server() as address, Session() as session:
        with session.ws_connect(address) as socket:
            socket.send_str("hello")
            assert socket.receive_str() == "hello"
            socket.send_bytes(b"bytes")
            assert next(iter(socket)).data == b"bytes"
        assert socket.closed


@pytest.mark.skipif(sys.platform == "win32", reason="the child is left to itself there")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_mcp(executor: AsyncExecutor) -> None:
    """Each member of mcp.ClientSession gives what it gives when it is awaited."""
    import mcp
    from mcp import types
    from mcp.client.stdio import StdioServerParameters, stdio_client

    Session = sync_class(mcp.ClientSession, executor=executor, timeout=LIMIT)
    program = Path(__file__).with_name("mcp_server.py")
    parameters = StdioServerParameters(command=sys.executable, args=[str(program)])
    calls: dict[str, Call] = {
        "call_tool": lambda session: session.call_tool("add", {"one": 1, "other": 2}),
        "list_tools": lambda session: session.list_tools(),
        "list_resources": lambda session: session.list_resources(),
        "list_resource_templates": lambda session: session.list_resource_templates(),
        "read_resource": lambda session: session.read_resource("shop://items"),
        "list_prompts": lambda session: session.list_prompts(),
        "get_prompt": lambda session: session.get_prompt("ask", {"what": "x"}),
        "complete": lambda session: session.complete(
            types.PromptReference(name="ask"), {"name": "what", "value": "x"}
        ),
        "send_ping": lambda session: session.send_ping(),
        # The server refuses some, as others do that have more: in the same way to both.
        "discover": lambda session: session.discover(),
        "send_discover": lambda session: session.send_discover("2026-07-28"),
        "set_logging_level": lambda session: session.set_logging_level("error"),
        "subscribe_resource": lambda session: session.subscribe_resource("shop://items"),
        "unsubscribe_resource": lambda session: session.unsubscribe_resource("shop://items"),
        "send_request": lambda session: session.send_request(
            types.PingRequest(), types.EmptyResult
        ),
        "send_notification": lambda session: session.send_notification(
            types.RootsListChangedNotification()
        ),
        "send_progress_notification": lambda session: session.send_progress_notification("a", 0.5),
        "send_roots_list_changed": lambda session: session.send_roots_list_changed(),
        "dispatch_input_request": lambda session: session.dispatch_input_request(
            None, types.ListRootsRequest()
        ),
        "adopt": lambda session: session.adopt(session.initialize_result),
    }
    for name in (
        *("initialize_result", "discover_result", "protocol_version", "server_info"),
        *("server_capabilities", "instructions"),
    ):
        calls[name] = shown(name)

    connect = to_sync_context(executor=executor)(stdio_client)
    with connect(parameters) as (reading, writing), Session(reading, writing) as session:
        assert session.initialize().server_info.name == "shop"
        compare(executor, session, calls, "no body")
        result = session.call_tool("add", {"one": 1, "other": 2})
        session.validate_tool_result("add", result)
        assert {*calls, "initialize", "validate_tool_result"} == public(session)
        with pytest.raises(mcp.MCPError):
            session.get_prompt("missing")


def test_openai(executor: AsyncExecutor, url: str) -> None:
    """Each shape of call of openai.AsyncOpenAI gives what it gives when it is awaited."""
    import openai

    Client = sync_class(openai.AsyncOpenAI, executor=executor, timeout=LIMIT)
    messages: Any = [{"role": "user", "content": "hello"}]
    asked: Any = {"model": "a", "messages": messages}
    calls: dict[str, Call] = {
        "create": lambda client: client.chat.completions.create(**asked),
        "stream": lambda client: client.chat.completions.create(**asked, stream=True),
        "list": lambda client: client.models.list(),
        "retrieve": lambda client: client.models.retrieve("a"),
        "delete": lambda client: client.models.delete("a"),
        "embeddings": lambda client: client.embeddings.create(model="a", input="b"),
        "options": lambda client: client.with_options(max_retries=1).models.retrieve("a"),
        "copy": lambda client: client.copy(timeout=3).models.retrieve("a"),
        "raw": lambda client: client.models.with_raw_response.retrieve("a"),
        "get": lambda client: client.get("/things", cast_to=object),
        "post": lambda client: client.post("/things", cast_to=object, body={"a": 1}),
        "api_key": lambda client: client.api_key,
        "base_url": lambda client: str(client.base_url),
        "max_retries": lambda client: client.max_retries,
        "is_closed": lambda client: client.is_closed(),
        "put": lambda client: client.put("/things", cast_to=object, body={"a": 1}),
        "patch": lambda client: client.patch("/things", cast_to=object, body={"a": 1}),
        "delete_thing": lambda client: client.delete("/things", cast_to=object),
        "headers": lambda client: sorted(client.default_headers),
        "user_agent": lambda client: client.user_agent,
        "auth_headers": lambda client: client.auth_headers,
        "raw_list": lambda client: client.models.with_raw_response.list(),
        "raw_create": lambda client: client.chat.completions.with_raw_response.create(**asked),
        "several": lambda client: client.embeddings.create(model="a", input=["b", "c"], user="d"),
        "extra": lambda client: client.models.retrieve("a", extra_headers={"x": "y"}, timeout=9),
        "refused": lambda client: client.models.retrieve(""),
        "unknown": lambda client: client.chat.completions.create(model="a"),
    }

    with Client(api_key="x", base_url=url, max_retries=0) as client:
        compare(executor, client, calls, "no body")
        stream = client.chat.completions.create(**asked, stream=True)
        assert [each.choices[0].delta.content for each in stream] == ["one", "two"]
        with client.chat.completions.create(**asked, stream=True) as stream:
            assert next(stream).choices[0].delta.content == "one"
        with client.models.with_streaming_response.retrieve("a") as response:
            assert response.json()["path"] == "/models/a"
        assert [model.id for model in client.models.list()] == ["a"]
        assert isinstance(client.with_options(timeout=1), Client)
        assert client.chat is client.chat


def test_redis(executor: AsyncExecutor) -> None:
    """Each shape of call of redis.asyncio.Redis gives what it gives when it is awaited."""
    import redis.asyncio

    try:
        servers.find_program("redis-server")
    except FileNotFoundError:
        pytest.skip("needs redis-server")
    Client = sync_class(redis.asyncio.Redis, executor=executor, timeout=LIMIT)
    calls: dict[str, Call] = {
        "ping": lambda client: client.ping(),
        "set": lambda client: client.set("a", 1, ex=100),
        "get": lambda client: client.get("a"),
        "mset": lambda client: client.mset({"b": 1, "c": 2}),
        "mget": lambda client: client.mget("a", "b"),
        "exists": lambda client: client.exists("a", "b"),
        "type": lambda client: client.type("a"),
        "hset": lambda client: client.hset("h", mapping={"x": 1}),
        "hgetall": lambda client: client.hgetall("h"),
        "sadd": lambda client: client.sadd("s", 1, 2),
        "smembers": lambda client: client.smembers("s"),
        "zadd": lambda client: client.zadd("z", {"m": 1.5}),
        "zrange": lambda client: client.zrange("z", 0, -1, withscores=True),
        "scan_iter": lambda client: client.scan_iter(match="a*"),
        "hscan_iter": lambda client: client.hscan_iter("h"),
        "config_get": lambda client: client.config_get("maxmemory"),
        "execute_command": lambda client: client.execute_command("GET", "a"),
        "eval": lambda client: client.eval("return 1", 0),
        "keys": lambda client: client.keys("a"),
        "ttl": lambda client: client.ttl("missing"),
        "dbsize": lambda client: client.dbsize(),
        "get_connection_kwargs": lambda client: type(client.get_connection_kwargs()).__name__,
        "setex": lambda client: client.setex("a", 100, "1"),
        "getex": lambda client: client.getex("a", ex=100),
        "expire": lambda client: client.expire("a", 100, nx=True),
        "append": lambda client: client.append("missing", ""),
        "lrange": lambda client: client.lrange("l", 0, -1),
        "rpush": lambda client: client.rpush("l"),
        "blpop": lambda client: client.blpop(["missing"], timeout=0.01),
        "hmget": lambda client: client.hmget("h", ["x", "y"]),
        "hget": lambda client: client.hget("h", "x"),
        "zscore": lambda client: client.zscore("z", "m"),
        "zscan_iter": lambda client: client.zscan_iter("z"),
        "sscan_iter": lambda client: client.sscan_iter("s"),
        "sinter": lambda client: client.sinter(["s"]),
        "pfcount": lambda client: client.pfcount("missing"),
        "xlen": lambda client: client.xlen("missing"),
        "xrange": lambda client: client.xrange("missing", count=1),
        "geosearch": lambda client: client.geosearch(
            "missing", longitude=1, latitude=1, radius=1, unit="km"
        ),
        "bitcount": lambda client: client.bitcount("a"),
        "info": lambda client: client.info("errorstats"),
        "refused": lambda client: client.incr("h"),
        "echo": lambda client: client.echo("x"),
    }
    with servers.redis_server() as address, Client.from_url(address) as client:
        # What the first call changes, the second one finds changed.
        for name in ("expire", "set", "mset", "hset", "sadd", "zadd"):
            calls[name](client)
        compare(executor, client, calls, "no body")
        with client.pipeline() as pipeline:
            pipeline.set("p", 1)
            pipeline.incr("p")
            assert pipeline.execute() == [True, 2]
        with client.lock("lock", timeout=5) as lock:
            assert lock.owned()
        with client.pubsub() as pubsub:
            pubsub.subscribe("news")
            client.publish("news", "hello")
            kinds = [message["type"] for _, message in zip(range(2), pubsub.listen(), strict=False)]
            assert kinds == ["subscribe", "message"]
        assert client() is client
        script = client.register_script("return ARGV[1]")
        # An object that is called and awaited.
        assert script(args=["told"]) == b"told"
        client.aclose()


def test_asyncpg(executor: AsyncExecutor) -> None:
    """A pool of asyncpg lends connections, by `with` and without, and has transactions."""
    asyncpg: Any = importlib.import_module("asyncpg")
    for name in ("initdb", "postgres"):
        try:
            servers.find_program(name)
        except FileNotFoundError:
            pytest.skip(f"needs {name}")
    Pool = sync_class(asyncpg.Pool, executor=executor, timeout=LIMIT)
    options: dict[str, Any] = dict.fromkeys(("connect", "setup", "init", "reset", "loop"))
    options |= {"min_size": 1, "max_size": 2, "max_queries": 100}
    options |= {"connection_class": asyncpg.Connection, "record_class": asyncpg.Record}
    options["max_inactive_connection_lifetime"] = 60
    with servers.postgresql_server() as address, Pool(address, **options) as pool:
        assert pool.fetchval("SELECT $1::integer * 2", 3) == 6
        with pool.acquire() as connection:
            with connection.transaction():
                assert [row["n"] for row in connection.cursor("SELECT 1 AS n").fetch(3)] == [1]
            assert connection.fetchrow("SELECT 1 AS n")["n"] == 1
        connection = pool.acquire()
        assert connection.fetchval("SELECT 1") == 1
        pool.release(connection)
        with pytest.raises(asyncpg.UndefinedTableError):
            pool.fetch("SELECT * FROM missing")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_completion_in_ipython(executor: AsyncExecutor) -> None:
    """IPython completes the members of a twin, and shows their documentation."""
    from IPython.core import completer as completers
    from IPython.core.oinspect import Inspector

    twin = sync_class(Client, executor=executor)()
    make: Any = completers.IPCompleter
    completer = make(namespace={"client": twin})
    with completers.provisionalcompleter():
        found = {each.text for each in completer.completions("client.fet", 10)}

    assert {"fetch", "fetch_all"} <= found
    info = Inspector(theme_name="nocolor").info(twin.fetch, oname="client.fetch")
    assert info["docstring"] == "Fetch a page."


class Client:
    """A client."""

    async def fetch(self) -> str:
        """Fetch a page."""
        return ""

    async def fetch_all(self) -> list[str]:
        """Fetch all of them."""
        return []
