"""Call async functions in the tasks of Celery, with one HTTP client for each process of a worker.

By hand: `asyncio.run` in each task, which opens and closes the client each time.
"""

import os
import sys
from pathlib import Path
from subprocess import DEVNULL, Popen

import httpx
from celery import Celery
from celery.signals import worker_process_shutdown
from servers import http_server, redis_server, run

from aiofutures import shared, to_sync

URL = os.environ.get("REDIS", "")
app = Celery("celery_tasks", broker=URL, backend=URL)
client = shared(httpx.AsyncClient, trust_env=False)  # a server here needs no proxy


@worker_process_shutdown.connect
def close(**_: object) -> None:
    """Close the client: a process of Celery's ends without the exit functions of Python."""
    client.close()


@app.task
@to_sync(timeout=10)
async def measure(url: str) -> int:
    """Return the size of a page."""
    return len((await (await client).get(url)).text)


def main(redis: str) -> None:
    """Run a worker, and have it measure 20 pages."""
    app.conf.update(broker_url=redis, result_backend=redis)
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker"]
    environment = {**os.environ, "REDIS": redis, "PYTHONPATH": str(Path(__file__).parent)}
    worker = Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL)
    with worker, http_server() as url:
        results = [measure.delay(f"{url}/{number}") for number in range(20)]
        print(sum(result.get(timeout=60) for result in results))
        worker.terminate()


if __name__ == "__main__":
    run(main, redis_server)
