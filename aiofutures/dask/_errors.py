"""The exceptions of `aiofutures.dask`."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from .._common.typing import override


class WorkerLostError(BrokenExecutor):
    """The call lost its worker every time it ran, the last time while running alone.

    It probably crashes the process, for instance by running out of memory. Other calls continue.

    .. versionadded:: 0.2.0
    """


class ClusterLostError(BrokenExecutor):
    """The cluster no longer answers, or dropped the call, or its client was closed.

    The call may have run.

    .. versionadded:: 0.2.0
    """


class RemoteTraceback(Exception):  # noqa: N818  never raised
    """The traceback of an error on its worker, as text: the cause of the error here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @override
    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'
