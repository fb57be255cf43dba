"""Receive what is published on a Redis channel in a `for` loop, with `redis.asyncio`.

By hand: a thread that runs an event loop, a task there that listens, a queue, a way to end both.
"""

from collections.abc import AsyncGenerator

from redis.asyncio import Redis

from aiofutures import to_sync, to_sync_context


@to_sync
async def messages(redis: Redis, channel: str) -> AsyncGenerator[str, None]:
    """Yield "ready" when it listens, then what is published."""
    async with redis.pubsub() as subscription:
        await subscription.subscribe(channel)
        async for event in subscription.listen():
            yield event["data"] if event["type"] == "message" else "ready"


def main(url: str) -> None:
    """Count down: answer each number with the next one."""
    with to_sync_context(Redis.from_url)(url, decode_responses=True) as redis:
        for message in messages(redis, "countdown"):
            print(message)
            if message == "0":
                break
            answer = "3" if message == "ready" else str(int(message) - 1)
            to_sync(redis.publish)("countdown", answer)


if __name__ == "__main__":
    from servers import redis_server, run

    run(main, redis_server)
