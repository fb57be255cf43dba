"""The same calls on a Dask cluster."""

try:
    import distributed  # noqa: F401  the modules below would raise a less helpful error
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "aiofutures.dask needs Dask's distributed scheduler: pip install 'aiofutures[dask]'",
        name=_error.name,
    ) from _error

from ._errors import ClusterLostError, WorkerLostError
from ._executor import DaskExecutor

__all__ = ["ClusterLostError", "DaskExecutor", "WorkerLostError"]
