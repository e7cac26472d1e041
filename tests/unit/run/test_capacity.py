from __future__ import annotations

from pathlib import Path

import pytest

from envmap_inverse import InputError
from envmap_inverse.run import capacity
from envmap_inverse.run.capacity import check_disk, check_memory


def test_a_run_that_does_not_fit_into_memory_is_refused_with_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 500 * 2**20)
    check_memory(7 * 10**5, 10**5)
    with pytest.raises(InputError, match=r"10000000 pixels and 8 texels take about 1\.99 GiB"):
        check_memory(10**7, 8)


def test_a_run_that_does_not_fit_onto_the_disk_is_refused(tmp_path: Path) -> None:
    check_disk(tmp_path / "new" / "folder", 1000)
    with pytest.raises(InputError, match=r"may take 9\.31e\+08 GiB and .* are free"):
        check_disk(tmp_path / "new" / "folder", 10**18)
