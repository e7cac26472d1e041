"""What callers give in place of arrays of radiance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.images.arrays import as_radiance

PICTURE = np.ones((4, 6, 3), np.float32)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64, bool])
def test_numbers_become_float32(kind: Any) -> None:
    array = as_radiance(PICTURE.astype(kind))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, PICTURE)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_bytes_of_a_picture_are_no_radiance(kind: Any) -> None:
    with pytest.raises(ei.InputError, match=f"^photo: holds {kind.__name__} values.* sRGB"):
        ei.View(PICTURE.astype(kind), name="photo")


def test_bytes_are_not_written_as_radiance(tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match=r"a\.png: the image holds uint8 values.* sRGB"):
        ei.write_image(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["photo.jpg", Path("photo.jpg")])
def test_a_file_name_is_no_array(name: Any) -> None:
    with pytest.raises(
        ei.InputError, match=r"is the name 'photo\.jpg', but must be an array; read"
    ):
        as_radiance(name)
    with pytest.raises(ei.InputError, match=r"^left: its mask: is the name 'photo\.jpg'"):
        ei.View(PICTURE, mask=name, name="left")


@pytest.mark.parametrize("values", [[[1, 2], [3]], None, object(), [1j], ["a"]])
def test_what_holds_no_numbers_is_refused(values: Any) -> None:
    with pytest.raises(ei.InputError, match="is not an array of numbers"):
        as_radiance(values)


def test_a_mask_of_bytes_says_what_to_divide_by() -> None:
    mask = np.full((4, 6), 255, np.uint8)
    with pytest.raises(ei.InputError, match="from 0 to 1; found 255 to 255; divide bytes by 255"):
        ei.View(PICTURE, mask=mask)  # type: ignore[arg-type]
    assert ei.View(PICTURE, mask=mask // 255).mask.shape == mask.shape
