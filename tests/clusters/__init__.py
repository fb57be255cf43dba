"""Tests of `aiofutures.dask`, on clusters of this machine."""
