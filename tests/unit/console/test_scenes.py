"""Maps that options name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envmap_inverse.console.scenes import read_initial
from envmap_inverse.images import write_image


@pytest.fixture
def scene() -> Any:
    return SimpleNamespace(envmap=SimpleNamespace(resolution=(16, 8)))


def test_a_number_is_a_start_map(scene: Any) -> None:
    assert read_initial("0.5", scene) == 0.5


def test_a_start_map_of_the_right_size_is_taken_as_it_is(scene: Any, tmp_path: Path) -> None:
    texels = np.random.default_rng(1).random((8, 16, 3), np.float32)
    write_image(tmp_path / "start.exr", texels)
    np.testing.assert_array_equal(read_initial(str(tmp_path / "start.exr"), scene), texels)


def test_a_start_map_of_another_size_is_resampled_with_a_warning(
    scene: Any, tmp_path: Path
) -> None:
    write_image(tmp_path / "start.exr", np.full((4, 8, 3), 0.7, np.float32))
    with pytest.warns(UserWarning, match=r"--initial .*: is 8 x 4; resampled to the .* 16 x 8"):
        found = read_initial(str(tmp_path / "start.exr"), scene)
    np.testing.assert_allclose(found, np.full((8, 16, 3), 0.7), rtol=1e-5)
