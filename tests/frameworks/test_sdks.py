"""Other async SDKs, a test or two each, against servers on this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiobotocore.session import get_session
from programs import Program
from redis.asyncio import Redis
from redis.exceptions import LockError
from websockets.asyncio.client import connect

from aiofutures import shared, to_sync, to_sync_context, to_sync_iter

pytestmark = pytest.mark.usefixtures("default_executor")


def test_redis(redis_url: str) -> None:
    """A Redis client is entered, its commands and pipelines are functions, scans are loops."""
    with to_sync_context(Redis.from_url)(redis_url, decode_responses=True) as redis:
        assert to_sync(redis.set)("sdk:0", "zero")
        with to_sync_context(redis.pipeline)() as pipeline:
            for number in range(1, 100):
                _ = pipeline.set(f"sdk:{number}", number)
            assert to_sync(pipeline.execute)() == [True] * 99
        keys = sorted(to_sync_iter(redis.scan_iter)(match="sdk:*"))

        assert to_sync(redis.get)("sdk:0") == "zero"
        assert keys == sorted(f"sdk:{number}" for number in range(100))
        assert to_sync(redis.delete)(*keys) == 100


def test_redis_lock(redis_url: str) -> None:
    """A lock of Redis is held by the block."""
    with to_sync_context(Redis.from_url)(redis_url) as redis:
        with to_sync(redis.lock)("sdk lock", timeout=10):
            assert to_sync(redis.exists)("sdk lock") == 1
            with pytest.raises(LockError), to_sync(redis.lock)("sdk lock", blocking_timeout=0.1):
                pass

        assert to_sync(redis.exists)("sdk lock") == 0


def test_websockets(websocket_url: str) -> None:
    """A connection is entered; its messages are iterated."""
    with to_sync_context(connect)(websocket_url, proxy=None) as connection:
        for number in range(10):
            to_sync(connection.send)(str(number))
        messages = to_sync_iter(connection.__aiter__)()

        assert [next(messages) for _ in range(10)] == [str(number) for number in range(10)]


def test_httpx(http_url: str) -> None:
    """A client for the whole process; a response is streamed in a block, and line by line."""
    client = shared(httpx.AsyncClient, base_url=http_url, trust_env=False)

    with to_sync(client().stream)("GET", "/3") as response:
        lines = [*to_sync(response.aiter_lines)()]
    assert lines == ["0123456789" * 500] * 3
    assert len(to_sync(client().get)("/2").text) == 10_002

    opened = client()
    client.close()
    assert opened.is_closed


def test_aiohttp(http_url: str) -> None:
    """A session for the whole process; a request is entered, the content iterated."""
    client = shared(aiohttp.ClientSession, http_url)

    with to_sync_context(client().get)("/3") as response:
        lines = [*to_sync_iter(response.content.__aiter__)()]
    assert lines == [b"0123456789" * 500 + b"\n"] * 3

    @to_sync
    async def get(path: str) -> str:
        async with (await client).get(path) as response:
            return await response.text()

    assert get("/1") == "0123456789" * 500 + "\n"

    opened = client()
    client.close()
    assert opened.closed


@pytest.fixture
def s3_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with the API of Amazon's S3."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with Program(command, tmp_path) as server:
        yield server.until_says("Running on ")


@pytest.mark.timeout(120)
def test_aiobotocore(s3_url: str) -> None:
    """A client is entered or shared; a paginator is a loop, a body is read in a block."""
    options: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": s3_url,
        "aws_access_key_id": "none",
        "aws_secret_access_key": "none",
    }
    s3 = shared(get_session().create_client, "s3", **options)
    to_sync(s3().create_bucket)(Bucket="books")
    put = to_sync(s3().put_object)
    for number in range(25):
        put(Bucket="books", Key=f"{number:02}", Body=b"text" * number)

    paginator = s3().get_paginator("list_objects_v2")
    pages = to_sync_iter(paginator.paginate)(Bucket="books", PaginationConfig={"PageSize": 10})
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert keys == [f"{number:02}" for number in range(25)]
    answer = to_sync(s3().get_object)(Bucket="books", Key="07")

    @to_sync
    async def read() -> bytes:
        async with answer["Body"] as body:
            text: bytes = await body.read()
            return text

    assert read() == b"text" * 7
    with pytest.raises(s3().exceptions.NoSuchKey):
        to_sync(s3().get_object)(Bucket="books", Key="99")
    s3.close()
