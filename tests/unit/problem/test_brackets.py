"""Views at several exposures, whose camera's response is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from envmap_inverse.images import linear_to_srgb
from envmap_inverse.images.response import Response
from envmap_inverse.problem.brackets import response_summary, with_found_responses
from envmap_inverse.problem.view import View

TIMES = (0.25, 1 / 16, 1 / 64)
EXPOSURES = np.array([1, 0.25, 0.0625])
JPEG: dict[str, Any] = {"quality": 98, "subsampling": 0}
Pixels = NDArray[np.floating]


def film(light: Pixels) -> Pixels:
    """An S-curve."""
    return 1.16 * light / (light + 0.16)


@pytest.fixture(scope="module")
def light() -> Pixels:
    """Smooth light over four decades, 64 x 48 pixels, with an edge in it."""
    y, x = np.mgrid[:48, :64] / 48
    waves = np.sin(5 * x + 1) + np.cos(7 * y) + np.where(x > 0.9, 1.0, -0.5)
    colours = np.array([1.0, 0.8, 0.9])
    return np.exp(1.6 * waves - 0.3)[..., None] * colours


def shoot(
    folder: Path,
    light: Pixels,
    *,
    curve: Any = film,
    times: Sequence[float | None] = TIMES,
    name: str = "shot",
) -> list[Path]:
    """Files of a bracket; EXIF lacks a time that is None."""
    paths = []
    for number, (exposure, time) in enumerate(zip(EXPOSURES, times, strict=True)):
        exif = Image.Exif()
        if time is not None:
            tags = exif.get_ifd(ExifTags.IFD.Exif)
            tags.update({33434: time, 33437: 4.0, 34855: 100})
        values = curve(np.clip(exposure * light, 0, 1))
        paths.append(folder / f"{name}_{number}.jpg")
        stored = Image.fromarray((255 * values + 0.5).astype(np.uint8))
        stored.save(paths[-1], exif=exif, **JPEG)
    return paths


def views(paths: Sequence[Path], exposure: Any = "auto", **options: Any) -> list[View]:
    return [View(path, exposure=exposure, **options) for path in paths]  # type: ignore[arg-type]


def exposures(found: Sequence[View]) -> NDArray[np.float64]:
    return np.array([float(view.exposure) for view in found])  # type: ignore[arg-type]


def test_a_bracket_is_linear_by_the_curve_that_is_found(tmp_path: Path, light: Pixels) -> None:
    found = with_found_responses(views(shoot(tmp_path, light)))
    np.testing.assert_allclose(exposures(found), EXPOSURES, rtol=0.03)
    middle = found[1]
    is_inside = ~middle.is_over & (middle.image > 0.02)
    ratio = middle.image / (EXPOSURES[1] * light)
    spread = np.std(np.log(ratio[is_inside]))
    assert spread < 0.05
    by_srgb = views([tmp_path / "shot_1.jpg"])[0].image / (EXPOSURES[1] * light)
    assert np.std(np.log(by_srgb[is_inside])) > 5 * spread


def test_levels_follow_the_curve(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light)
    before, found = views(paths), with_found_responses(views(paths))
    assert found[0].white is not None
    assert before[0].white is not None
    assert found[0].white < before[0].white  # film rolls highlights off
    at_white = [view.image >= view.white for view in (found[0], before[0])]
    np.testing.assert_array_equal(*at_white)
    own = with_found_responses(views(paths, white=0.7))
    assert own[0].white == 0.7


def test_what_compression_lowers_beside_clipped_values_counts_as_clipped(tmp_path: Path) -> None:
    light = np.full((32, 32, 3), 0.05)
    light[4:9, 5:9] = 50
    light[24:28, 24:28] = 0.8  # as bright, but beside nothing that is clipped
    path = shoot(tmp_path, light, curve=linear_to_srgb)[0]
    Image.open(path).save(path, quality=80)
    (view,) = views([path])
    is_lamp = view.is_over.all(axis=2)
    assert (view.image[4:9, 5:9] < view.white).any()
    assert is_lamp[4:9, 5:9].mean() > 0.9
    assert not is_lamp[24:28, 24:28].any()


def test_srgb_stays_as_it_is_with_its_exposures_found(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light, curve=linear_to_srgb, times=(None,) * 3)
    found = with_found_responses(views(paths))
    for before, after in zip(views(paths), found, strict=True):
        np.testing.assert_array_equal(before.image, after.image)
    np.testing.assert_allclose(exposures(found), EXPOSURES, rtol=0.02)


def test_pictures_may_be_shifted_and_cropped(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light)
    with Image.open(paths[1]) as picture:
        picture.crop((3, 2, 64, 47)).save(paths[1], exif=picture.getexif(), **JPEG)
    found = with_found_responses(views(paths))
    assert [view.image.shape for view in found] == [(48, 64, 3), (45, 61, 3), (48, 64, 3)]
    np.testing.assert_allclose(exposures(found), EXPOSURES, rtol=0.03)


def test_masked_pixels_do_not_count(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light)
    mask = np.ones((48, 64), np.float32)
    mask[:20] = 0
    for path, grey in zip(paths, (90, 200, 30), strict=True):
        with Image.open(path) as picture:
            values = np.array(picture)
            values[:20] = grey
            Image.fromarray(values).save(path, exif=picture.getexif(), **JPEG)
    found = with_found_responses(views(paths, mask=mask))
    np.testing.assert_allclose(exposures(found), EXPOSURES, rtol=0.03)


def test_given_exposures_stay_and_help(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light, times=(None,) * 3)
    taken = [View(path, exposure=e) for path, e in zip(paths, 3 * EXPOSURES, strict=True)]  # type: ignore[arg-type]
    found = with_found_responses(taken)
    np.testing.assert_allclose(exposures(found), 3 * EXPOSURES)
    assert isinstance(found[0].response, Response)
    assert found[0].response.bracket is not None
    assert found[0].response.bracket.sharing == "one curve"


def test_exposures_have_the_unit_of_a_given_one(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light)
    taken = [View(paths[0]), View(paths[1], exposure=2.0), View(paths[2])]  # type: ignore[arg-type]
    opened = [taken[1], *views([paths[0], paths[2]])]
    found = with_found_responses(opened)
    np.testing.assert_allclose(exposures(found), [2, 8, 0.5], rtol=0.03)


@pytest.mark.parametrize(
    ("exposure", "response"),
    [(1.0, "auto"), ("auto", "srgb"), ("auto", "gamma:2.2")],
    ids=["one exposure", "sRGB given", "a power given"],
)
def test_other_pictures_stay_as_they_are(
    tmp_path: Path, light: Pixels, exposure: Any, response: str
) -> None:
    taken = views(shoot(tmp_path, light), exposure=exposure, response=response)
    assert all(a is b for a, b in zip(taken, with_found_responses(taken), strict=True))


def test_one_picture_and_arrays_stay_as_they_are(tmp_path: Path, light: Pixels) -> None:
    one = views(shoot(tmp_path, light)[:1])
    array = View(np.ones((48, 64, 3), np.float32), exposure="auto")
    taken = [*one, array]
    assert all(a is b for a, b in zip(taken, with_found_responses(taken), strict=True))


def test_views_that_were_cropped_since_stay_as_they_are(tmp_path: Path, light: Pixels) -> None:
    whole = views(shoot(tmp_path, light))
    taken = [replace(view, image=view.image[:40], mask=view.mask[:40]) for view in whole]
    assert all(a is b for a, b in zip(taken, with_found_responses(taken), strict=True))


def test_pictures_of_something_else_are_named_in_a_warning(tmp_path: Path, light: Pixels) -> None:
    noise = np.random.default_rng(1).random((48, 64, 3))
    paths = [shoot(tmp_path, light)[0], shoot(tmp_path, noise, name="noise")[1]]
    taken = views(paths)
    with pytest.warns(UserWarning, match=r"response is not found from them \(they do not show"):
        found = with_found_responses(taken)
    assert [view.exposure for view in found] == ["auto", "auto"]


def test_brackets_of_two_sensors_have_one_curve(tmp_path: Path, light: Pixels) -> None:
    first = views(shoot(tmp_path, light))
    second = views(shoot(tmp_path, light[::-1, ::-1], name="second"), sensor=1)
    found = with_found_responses([*first, *second])
    np.testing.assert_allclose(exposures(found), np.tile(EXPOSURES, 2), rtol=0.03)
    np.testing.assert_array_equal(found[0].response.table(9), found[5].response.table(9))  # type: ignore[union-attr]


def test_brackets_that_nothing_links_keep_their_exposures_open(
    tmp_path: Path, light: Pixels
) -> None:
    no_exif = (None,) * 3
    first = views(shoot(tmp_path, light, times=no_exif))
    second = views(shoot(tmp_path, light[::-1], times=no_exif, name="second"), sensor=1)
    found = with_found_responses([*first, *second])
    assert {view.exposure for view in found} == {"auto"}
    assert all(isinstance(view.response, Response) for view in found)


def test_the_summary_has_curves_exposures_and_whether_exif_agrees(
    tmp_path: Path, light: Pixels
) -> None:
    found = with_found_responses(views(shoot(tmp_path, light)))
    summary = response_summary(found)
    assert summary is not None
    assert summary["sharing"] == "one curve"
    assert summary["agrees_with_exif"] is True
    np.testing.assert_allclose(summary["by_exif"], EXPOSURES)
    assert np.shape(summary["curves"]) == (3, 3, len(summary["stored"]))
    assert response_summary(views(shoot(tmp_path, light))) is None


def test_exif_that_is_wrong_is_reported(tmp_path: Path, light: Pixels) -> None:
    paths = shoot(tmp_path, light, curve=linear_to_srgb, times=(0.25, 1 / 16, 1 / 32))
    summary = response_summary(with_found_responses(views(paths)))
    assert summary is not None
    assert summary["agrees_with_exif"] is False


def test_a_single_photograph_beside_a_bracket_has_its_curve_and_the_exposure_of_exif(
    tmp_path: Path, light: Pixels
) -> None:
    bracket = views(shoot(tmp_path, light))
    beside = shoot(tmp_path, light, name="beside")[1]
    alone = View(beside, sensor=1, exposure="auto")  # type: ignore[arg-type]
    *_, same, single = with_found_responses([*bracket, alone])
    assert single.exposure == pytest.approx(EXPOSURES[1], rel=0.03)
    values = np.linspace(0.1, 0.9, 9)
    assert isinstance(same.response, Response)
    assert isinstance(single.response, Response)
    np.testing.assert_allclose(
        single.response.curves[1](values), same.response.curves[1](values), rtol=1e-6
    )
    ratio = single.image / (EXPOSURES[1] * light)
    assert np.std(np.log(ratio[~single.is_over & (single.image > 0.02)])) < 0.05


def test_a_drawing_beside_a_bracket_stays_as_it_is(tmp_path: Path, light: Pixels) -> None:
    bracket = views(shoot(tmp_path, light))
    beside = shoot(tmp_path, light, name="beside", times=(None, None, None))[1]
    drawing = View(beside, sensor=1)  # type: ignore[arg-type]
    assert with_found_responses([*bracket, drawing])[-1] is drawing
