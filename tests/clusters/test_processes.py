"""What a cluster leaves behind, and where it listens."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra dask")

from .local import LOOPBACK
from .test_failures import LONG, run

pytestmark = [
    pytest.mark.timeout(2 * LONG),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

#: Uses two executors on a cluster of processes, and looks before, meanwhile and afterwards.
SCRIPT = f"""
import gc, logging, os, threading, time
import psutil
from clusters import remote
from distributed import Client, LocalCluster
from aiofutures.dask import DaskExecutor
from aiofutures._loops import lifecycle

def look():
    me = psutil.Process()
    return {{
        "threads": sorted(
            thread.name for thread in threading.enumerate()
            if not thread.name.startswith(("Dask-Offload", "Profile"))
        ),
        "loops": len(lifecycle.running_loop_threads),
    }}

def use(cluster):
    with Client(cluster, set_as_default=False) as client:
        for _ in range(2):
            with DaskExecutor(client) as executor:
                assert sum(executor.map(remote.add, range(1000))) == 499500
                future = executor.submit(remote.pid_after, 1000)
                future.cancel()

def count():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

if __name__ == "__main__":
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    with LocalCluster(n_workers=2, threads_per_worker=1, **{LOOPBACK!r}) as cluster:
        use(cluster)
        before, files = look(), count()
        for _ in range(20):
            use(cluster)
        assert look() == before, (look(), before)
        # Dask's own connections and its looks into /proc come and go, a few at a time.
        deadline = time.monotonic() + 20
        while (left := count() - files) >= 10:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        processes = psutil.Process().children(recursive=True)
        listening = [
            connection.laddr.ip
            for process in (psutil.Process(), *processes)
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert set(listening) == {{"127.0.0.1"}}, listening
    psutil.wait_procs(processes, 20)
    left = [process for process in psutil.Process().children(recursive=True)
            if "resource_tracker" not in " ".join(process.cmdline())]
    assert left == [], left
    print("clean")
"""


def test_nothing_is_left(tmp_path: Path) -> None:
    """No thread, process, event loop or descriptor is left, and all listen on the loopback only."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    script = f"""
    import runpy, sys
    sys.argv = [{str(path)!r}]
    if __name__ == "__main__":
        runpy.run_path({str(path)!r}, run_name="__main__")
    """

    assert run(script) == "clean\n"
