"""The limit on the threads of BLAS."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from envmap_inverse.system.blas import single_threaded_blas


def threads() -> list[int]:
    """Of each BLAS that the process has loaded."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_has_one_thread_inside_and_those_of_before_again() -> None:
    with threadpool_limits(2, user_api="blas"):
        with single_threaded_blas():
            assert set(threads()) == {1}
            number = len(threads())
        assert threads()[0] == 2
    assert number >= 2  # NumPy's and SciPy's
