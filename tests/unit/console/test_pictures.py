"""Which pictures and masks a command line names, and how they were taken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from envmap_inverse import InputError
from envmap_inverse.console.pictures import (
    Reading,
    noise_of,
    read_views,
    say_how_read,
    say_who_took_what,
)
from envmap_inverse.console.shots import (
    crops_of,
    exposures_of,
    find_masks,
    find_pictures,
    flat_options,
    one_each,
    parse_sensors,
)
from envmap_inverse.images import write_image
from envmap_inverse.problem.placing import Crop
from envmap_inverse.problem.view import View


def read(pictures: list[Path], sensors: list[int], **options: Any) -> list[View]:
    each: dict[str, Any] = {"masks": ["none"] * len(pictures), "exposures": [1.0] * len(pictures)}
    each |= {key: options.pop(key) for key in ("masks", "exposures", "sizes") if key in options}
    return read_views(pictures, sensors, **each, reading=Reading(**options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of 4 x 3 pixels, brighter one by one, and a text file."""
    for number, name in enumerate(("b.exr", "a.png", "c.exr"), start=1):
        write_image(tmp_path / name, np.full((3, 4, 3), 0.2 * number, np.float32))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_stands_for_its_pictures_in_order_and_names_the_rest(folder: Path) -> None:
    (folder / ".hidden.png").touch()
    (folder / "more").mkdir()
    with pytest.warns(UserWarning, match=r"not read as pictures: more, notes\.txt$"):
        assert names(find_pictures([folder])) == ["a.png", "b.exr", "c.exr"]


@pytest.mark.parametrize("pattern", [".", "r_*.exr"])
def test_numbers_in_names_are_ordered_by_their_value(tmp_path: Path, pattern: str) -> None:
    for number in (10, 2, 1, 11, 0):
        (tmp_path / f"r_{number}.exr").touch()
    found = names(find_pictures([tmp_path / pattern]))
    assert found == ["r_0.exr", "r_1.exr", "r_2.exr", "r_10.exr", "r_11.exr"]


def test_a_folder_of_arrays_is_a_folder_of_pictures(tmp_path: Path) -> None:
    for name in ("b", "a"):
        np.save(tmp_path / f"{name}.npy", np.ones((3, 4, 3), np.float32))
    assert names(find_pictures([tmp_path])) == ["a.npy", "b.npy"]


def test_a_pattern_stands_for_its_files_in_order(folder: Path) -> None:
    assert names(find_pictures([folder / "*.exr"])) == ["b.exr", "c.exr"]


def test_files_keep_the_order_in_which_they_are_named(folder: Path) -> None:
    assert names(find_pictures([folder / "c.exr", folder / "a.png"])) == ["c.exr", "a.png"]


def test_a_file_may_have_a_name_like_a_pattern(folder: Path) -> None:
    (folder / "[x].exr").write_bytes((folder / "b.exr").read_bytes())
    assert names(find_pictures([folder / "[x].exr"])) == ["[x].exr"]


def test_a_pattern_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"x\*\.exr: no picture there"):
        find_pictures([folder / "x*.exr"])


def test_masks_may_be_separated_by_commas(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "d,e.png").write_bytes((folder / "a.png").read_bytes())
    found = find_masks(["a.png,none", "d,e.png"])
    assert found == [str(folder / "a.png"), "none", str(folder / "d,e.png")]


def test_one_mask_and_one_exposure_serve_all_pictures(folder: Path) -> None:
    write_image(folder / "mask.exr", np.full((3, 4, 3), 0.5))
    given = {
        "masks": [str(folder / "mask.exr")] * 2,
        "exposures": exposures_of("2:1:0.5", 2),
    }
    views = read([folder / "b.exr", folder / "c.exr"], [0, 1], **given)
    for number, view in enumerate(views):
        assert view.sensor == number
        np.testing.assert_array_equal(view.mask, np.full((3, 4), 0.5))
        np.testing.assert_array_equal(view.exposure, (2, 1, 0.5))


def test_each_picture_has_the_exposure_at_its_place(folder: Path) -> None:
    given = {"exposures": exposures_of("auto,0.25,auto-rgb", 3)}
    views = read([folder / "b.exr"] * 3, [0, 0, 0], **given)
    assert [view.exposure for view in views] == ["auto", 0.25, "auto-rgb"]


def test_only_8_bit_pictures_are_clipped_by_themselves(folder: Path) -> None:
    pictures = [folder / "a.png", folder / "b.exr"]
    png, exr = read(pictures, [0, 0])
    assert png.white == pytest.approx(((254 / 255 + 0.055) / 1.055) ** 2.4)
    assert png.black == pytest.approx(1 / 255 / 12.92)
    assert (exr.white, exr.black) == (None, None)
    exact, _ = read(pictures, [0, 0], censoring=False)
    assert (exact.white, exact.black) == (None, None)
    own, _ = read(pictures, [0, 0], white=0.9, response="gamma:2.2")
    assert (own.white, own.black) == (0.9, pytest.approx((1 / 255) ** 2.2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"exposures": [0.0, 1.0]}, r"b\.exr: exposure must be one or three positive numbers"),
        ({"white": 0.1, "black": 0.2}, r"b\.exr: white must be greater than black"),
        ({"white": 0.1}, r"b\.exr: every pixel that counts is clipped"),
    ],
)
def test_what_does_not_fit_the_pictures_is_refused(
    folder: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read([folder / "b.exr", folder / "c.exr"], [0, 1], **given)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("1,2,3", "--exposure has 3 values for 2 pictures; give 1 or 2"),
        ("bright", "--exposure 'bright': give a number, three as 1:0.9:0.8"),
        ("1:2", "--exposure '1:2': give a number"),
        ("auto,dark,1,1:2", "(?s)'dark': .*'1:2': .*has 4 values for 2 pictures"),
    ],
)
def test_exposures_that_do_not_fit_are_refused(option: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        exposures_of(option, 2)


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="--mask has 3 values for 2 pictures; give 1 or 2"):
        one_each("--mask", ["none"] * 3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rad=0.1", "--noise 'rad=0.1': no key 'rad'; its keys are: read, shot, relative; did you"),
        ("read=-1", "--noise 'read=-1': noise: read must lie between 0 and 1e.15; found -1"),
        ("loud", "--noise 'loud': 'loud' is not key=value"),
    ],
)
def test_noise_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        noise_of(text)


@pytest.mark.parametrize(
    ("option", "expected"), [(None, [0, 1, 2]), ("1", [1, 1, 1]), ("2,0,1", [2, 0, 1])]
)
def test_pictures_are_of_the_sensors_in_order_unless_told(
    option: str | None, expected: list[int]
) -> None:
    assert parse_sensors(option, 3, 4) == expected


@pytest.mark.parametrize("num_pictures", [1, 3])
def test_pictures_are_of_the_only_sensor(num_pictures: int) -> None:
    assert parse_sensors(None, num_pictures, 1) == [0] * num_pictures


def test_more_pictures_than_sensors_need_to_be_told_apart() -> None:
    with pytest.raises(InputError, match=r"3 pictures, but the scene has 2 sensors; .*--sensor 0"):
        parse_sensors(None, 3, 2)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("0,1", "--sensor has 2 values for 3 pictures"),
        ("front", "--sensor 'front': give numbers"),
        ("0,1,7", "--sensor 7: the scene has 4 sensors, numbered from 0"),
    ],
)
def test_sensors_that_do_not_fit_are_refused(option: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_sensors(option, 3, 4)


def test_alpha_is_the_mask_unless_told_otherwise(tmp_path: Path) -> None:
    alpha = np.array([[255, 255, 128, 0]] * 3, np.uint8)
    image = np.dstack([np.full((3, 4, 3), 200, np.uint8), alpha])
    Image.fromarray(image).save(tmp_path / "a.png")
    write_image(tmp_path / "mask.exr", np.array([[[0.5] * 3, [0] * 3, [1] * 3, [1] * 3]] * 3))

    def read_one(**options: Any) -> View:
        return read([tmp_path / "a.png"], [0], **options)[0]

    for options, expected in (
        ({}, [1, 1, 0, 0]),
        ({"masks": [str(tmp_path / "mask.exr")]}, [0.5, 0, 0, 0]),
        ({"alpha": "ignore", "masks": [str(tmp_path / "mask.exr")]}, [0.5, 0, 1, 1]),
    ):
        mask = read_one(**options).mask
        np.testing.assert_array_equal(mask, [expected] * 3)
    assert (read_one(alpha="ignore").mask == 1).all()


@pytest.mark.parametrize(
    ("orientation", "size", "shape"),
    [
        ("auto", (8, 6), (3, 4)),
        ("auto", (6, 8), (4, 3)),
        ("auto", (5, 5), (4, 3)),
        ("stored", (6, 8), (3, 4)),
        ("upright", (8, 6), (4, 3)),
    ],
)
def test_a_picture_is_turned_to_fit_its_sensor_unless_told_otherwise(
    tmp_path: Path, orientation: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (4, 3), (200, 200, 200)).save(tmp_path / "a.jpg", exif=exif)
    given = {"sizes": [size], "orientation": orientation}
    (view,) = read([tmp_path / "a.jpg"], [0], **given)
    assert view.image.shape[:2] == shape


def test_the_run_says_which_sensor_took_a_picture_and_how_it_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.new("RGBA", (4, 3), (200, 200, 200, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    image.save(tmp_path / "a.png", exif=exif)
    views = read([tmp_path / "a.png"], [2])
    sensor = SimpleNamespace(id=lambda: "front")
    scene: Any = SimpleNamespace(sensor=lambda index: sensor if index == 2 else None)
    say_who_took_what(scene, views)
    assert capsys.readouterr().out == (
        f"picture 1: {tmp_path / 'a.png'} (4 x 3), sensor 2 front; turned upright (EXIF "
        "orientation 3); masked by its alpha, 8.33 % of it\n"
    )
    say_how_read(views)
    assert capsys.readouterr().out == (
        f"{tmp_path / 'a.png'}: turned upright (EXIF orientation 3); masked by its alpha, "
        "8.33 % of it\n"
    )


# [[view]]


def test_crops_are_rectangles_or_none() -> None:
    assert crops_of(["1,2.5,30,20", "none"], 2) == [Crop(1, 2.5, 30, 20), None]
    assert crops_of(None, 2) == [None, None]
    assert crops_of(["0,0,8,8"], 2) == [Crop(0, 0, 8, 8)] * 2


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "-1,0,8,8", "0,0,0,8", "0,0,inf,8", ""])
def test_a_crop_that_is_no_rectangle_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--crop .*: give X,Y,W,H in pixels of the film"):
        crops_of([text], 1)


def test_tables_of_views_stand_for_options() -> None:
    tables = [
        {"image": "a.png", "mask": "m.png", "exposure": "auto"},
        {"image": "b.png", "sensor": 4, "exposure": [1, 0.9, 0.8], "crop": [0, 8.5, 16, 8]},
    ]
    assert flat_options(tables, "run.toml") == {
        "reference": ["a.png", "b.png"],
        "sensor": "0,4",
        "mask": ["m.png", "none"],
        "exposure": "auto,1:0.9:0.8",
        "crop": ["none", "0,8.5,16,8"],
    }


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"image": "a.png"}, r"run\.toml: view must be a list of tables, each headed \[\[view\]\]"),
        ([], "view must be a list"),
        ([{"image": "a.png"}, {"sensor": 1}], r"\[\[view\]\] number 1: no image"),
        ([{"image": "a.png", "iso": 100}], "number 0: unknown key 'iso'; its keys are image"),
    ],
)
def test_tables_that_are_no_views_are_refused(tables: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        flat_options(tables, "run.toml")
