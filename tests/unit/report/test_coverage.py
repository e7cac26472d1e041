from __future__ import annotations

import errno
import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from envmap_inverse import Information, InputError, ViewCoverage
from envmap_inverse.images import read_image
from envmap_inverse.report import coverage as advice_files
from envmap_inverse.report.coverage import write_coverage


def view(sensor: int, log_deviation: float) -> ViewCoverage:
    """A view of the upper half of a map of 16 x 8 texels."""
    known = np.full((8, 16, 3), 1.6, np.float32)
    known[:4] = log_deviation
    information = Information(log_deviation=known, deviation=2 * known)
    return ViewCoverage(
        sensor=sensor,
        alone=information,
        together=information,
        gain=1.0,
        coverage=known - np.float32(1.6),
        image=np.full((4, 6, 3), 0.5, np.float32),
    )


def test_the_last_view_tells_what_all_of_them_know(tmp_path: Path) -> None:
    write_coverage(tmp_path / "new" / "folder", [view(2, 0.7), view(0, 0.5)])
    files = {path.stem: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert files.keys() == {"coverage", "coverage_0", "coverage_2", "deviation"}
    deviation = read_image(files["deviation"])
    np.testing.assert_allclose(deviation[:4], 1, rtol=1e-6)
    np.testing.assert_allclose(deviation[4:], 3.2, rtol=1e-6)
    np.testing.assert_allclose(read_image(files["coverage_2"])[:4], -0.9, rtol=1e-6)


def test_the_picture_has_a_row_for_each_view(tmp_path: Path) -> None:
    heights = []
    for count in (1, 2, 3):
        write_coverage(tmp_path, [view(number, 0.5) for number in range(count)])
        heights.append(iio.imread(tmp_path / "coverage.png").shape[0])
    assert heights[2] - heights[1] == heights[1] - heights[0] > advice_files.PANEL_HEIGHT


def test_what_is_better_known_is_brighter() -> None:
    factors = np.array([9, 5, 3, 2, 1.7, 1.4, 1.01])
    shown = advice_files._coloured(np.repeat(np.log(factors)[None, :, None], 3, axis=2))
    assert (np.diff(shown.astype(int).sum(axis=2))[0, 1:5] > 0).all()
    np.testing.assert_array_equal(shown[0, 0], shown[0, 1])
    np.testing.assert_array_equal(shown[0, 5], shown[0, 6])


@pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, InputError), (errno.ENOSPC, OSError)])
def test_another_folder_mends_a_forbidden_one_and_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "a temporary file")

    monkeypatch.setattr(advice_files, "write_image", fail)
    with pytest.raises(kind, match=os.strerror(number)) as caught:
        write_coverage(tmp_path, [view(0, 0.5)])
    assert f"-o {tmp_path}" in str(caught.value)
    assert isinstance(caught.value, InputError) == (number == errno.EACCES)
