"""The folder `stubs` is on the path of each checker."""

from typing import assert_type

from tqdm import tqdm


def check_tqdm() -> None:
    assert_type(tqdm([1], total=1), tqdm[int])
    assert_type([number for number in tqdm([1])], list[int])  # noqa: C416  it is the point
