"""The exceptions of `aiofutures.dask`."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from .._typing import override


class WorkerLostError(BrokenExecutor):
    """The call was lost with its worker each time that it ran, at last while it ran alone.

    It has probably ended the process, for instance by its use of memory. Other calls go on.

    .. versionadded:: 0.2.0
    """


class ClusterLostError(BrokenExecutor):
    """The cluster does not answer any more, has dropped the call, or its client was closed.

    The call may have run.

    .. versionadded:: 0.2.0
    """


class RemoteTraceback(Exception):  # noqa: N818  it is not raised
    """The traceback of an error on its worker, as text. It is the cause of the error here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    @override
    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'
