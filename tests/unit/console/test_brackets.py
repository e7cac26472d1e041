"""What is printed of exposures and responses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from envmap_inverse.console.brackets import developed
from envmap_inverse.console.pictures import response_of
from envmap_inverse.errors import InputError
from envmap_inverse.images import linear_to_srgb
from envmap_inverse.images.response import Response
from envmap_inverse.problem.view import View


def shoot(path: Path, exposure: float, *, has_exif: bool = True) -> View:
    """A picture of smooth light, exposed so, that an sRGB camera took."""
    y, x = np.mgrid[:48, :48] / 48
    light = np.exp(2 * np.sin(5 * x + 1) + 2 * np.cos(7 * y) - 1)
    values = linear_to_srgb(np.clip(exposure * light, 0, 1))
    exif = Image.Exif()
    if has_exif:
        exif.get_ifd(0x8769).update({33434: exposure / 10, 33437: 4.0, 34855: 100})
    grey = Image.fromarray((255 * values + 0.5).astype(np.uint8))
    grey.convert("RGB").save(path, quality=98, subsampling=0, exif=exif)
    return View(path)  # type: ignore[arg-type]


def test_exposures_are_open_where_exif_has_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    views = [shoot(tmp_path / "a.jpg", 1.0), shoot(tmp_path / "b.jpg", 0.1)]
    found = developed(views, is_exposure_given=False)
    assert float(found[1].exposure) == pytest.approx(0.1, rel=0.02)  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "response: sRGB's, found from 2 pictures" in printed
    assert "EXIF agrees: 1, 0.1, " in printed


def test_given_exposures_and_those_without_exif_stay(tmp_path: Path) -> None:
    views = [shoot(tmp_path / "a.jpg", 1.0), shoot(tmp_path / "b.jpg", 0.1)]
    assert [view.exposure for view in developed(views, is_exposure_given=True)] == [1, 1]
    views = [
        shoot(tmp_path / f"{name}.jpg", exposure, has_exif=False)
        for name, exposure in {"c": 1.0, "d": 0.1}.items()
    ]
    assert [view.exposure for view in developed(views, is_exposure_given=False)] == [1, 1]


def test_one_photograph_gets_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = shoot(tmp_path / "a.jpg", 1.0)
    assert developed([view], is_exposure_given=False) == [view]
    assert "one picture says nothing of its camera's" in capsys.readouterr().out
    developed([shoot(tmp_path / "b.jpg", 1.0, has_exif=False)], is_exposure_given=False)
    assert capsys.readouterr().out == ""


def test_gamma_is_short_for_a_response() -> None:
    response = response_of("auto", 2.2)
    assert isinstance(response, Response)
    assert response.name == "gamma 2.2"
    assert response_of("auto", None) == "auto"


@pytest.mark.parametrize(
    ("response", "gamma", "fault"),
    [
        ("srgb", 2.2, "--gamma 2.2 and --response srgb: give one of them"),
        ("auto", 0.0, "--gamma: response 'gamma:0': gamma must be a positive number"),
        ("gamma:x", None, "--response: response 'gamma:x': gamma must be a positive number"),
        ("curve.csv", None, "--response: curve.csv: no such response; give auto, srgb, linear"),
    ],
)
def test_wrong_responses_are_named(response: str, gamma: float | None, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        response_of(response, gamma)
    assert str(caught.value).startswith(fault)


def test_a_focal_length_alone_says_that_a_picture_is_a_photograph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 28
    Image.new("RGB", (16, 12), (90, 90, 90)).save(tmp_path / "a.jpg", exif=exif)
    developed([View(tmp_path / "a.jpg")], is_exposure_given=False)
    assert "one picture says nothing of its camera's" in capsys.readouterr().out
    Image.new("RGB", (16, 12), (90, 90, 90)).save(tmp_path / "b.jpg")
    developed([View(tmp_path / "b.jpg")], is_exposure_given=False)
    assert capsys.readouterr().out == ""
