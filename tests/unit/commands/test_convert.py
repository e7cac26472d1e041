"""The options of `convert` and `pattern`; tests/cli runs them as processes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct import called
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.bundled import MAPS, map_file
from envmap_inverse.commands import convert as command
from envmap_inverse.commands.convert import Kind
from envmap_inverse.console.options import RowConvention
from envmap_inverse.images import read_image, write_image, writing
from envmap_inverse.sphere.latlong import resample, texel_solid_angles
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall, Projection
from envmap_inverse.sphere.reproject import reproject, rotation

convert = called(command.convert)
pattern = called(command.pattern)

Image = NDArray[np.float32]


@pytest.fixture
def ours(tmp_path: Path, random_map: Callable[..., Image]) -> Path:
    """A latlong map of 64 x 32 texels in our convention."""
    path = tmp_path / "ours.exr"
    write_image(path, random_map(32, 64))
    return path


def shape(path: Path) -> tuple[int, int]:
    height, width, _ = read_image(path).shape
    return width, height


@pytest.mark.parametrize("suffix", ["exr", "hdr", "npy", "png"])
def test_every_kind_of_file_can_be_written_and_read(ours: Path, suffix: str) -> None:
    there, back = ours.with_name(f"there.{suffix}"), ours.with_name("back.npy")
    convert(ours, there, exposure=0.25)
    convert(there, back, exposure=4)
    step = {"exr": 1e-6, "npy": 1e-6, "hdr": 1 / 64, "png": 1 / 32}[suffix]
    np.testing.assert_allclose(read_image(back), read_image(ours), atol=step)


def test_the_values_are_those_of_the_library(ours: Path) -> None:
    out = ours.with_name("out.exr")
    convert(ours, out, to=Kind.angular, rotate="y=40,x=-15", exposure=2)
    matrix = rotation(("y", 40), ("x", -15))
    expected = reproject(read_image(ours), Latlong(32, 64), AngularMap(128, 128), matrix)
    np.testing.assert_allclose(read_image(out), 2 * expected, rtol=1e-6)


BEHIND = "ignore:.*a mirror ball hardly shows what is behind it"


@pytest.mark.filterwarnings(BEHIND)
@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (Kind.latlong, (64, 32)),
        (Kind.blender, (64, 32)),
        (Kind.cube, (128, 96)),
        (Kind.ball, (128, 128)),
        (Kind.angular, (128, 128)),
    ],
)
def test_the_default_size_holds_the_detail_and_leads_back(
    ours: Path, kind: Kind, size: tuple[int, int]
) -> None:
    there, back = ours.with_name("there.exr"), ours.with_name("back.exr")
    convert(ours, there, to=kind)
    convert(there, back, from_=kind)
    assert (shape(there), shape(back)) == (size, (64, 32))


def rms(error: Image) -> float:
    """Root mean square over the sphere."""
    weights = texel_solid_angles(*error.shape[:2])[..., None]
    return float(np.sqrt(np.sum(weights * error**2) / (3 * np.sum(weights))))


@pytest.mark.filterwarnings(BEHIND)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize(
    ("kind", "as_wide"),
    [
        (Kind.cube, Cube(48, 64)),
        (Kind.ball, MirrorBall(64, 64)),
        (Kind.angular, AngularMap(64, 64)),
    ],
)
def test_there_and_back_adds_a_hundredth_of_what_means_over_as_many_columns_add(
    tmp_path: Path, name: str, kind: Kind, as_wide: Projection
) -> None:
    texels = resample(read_image(map_file(name)), 32, 64).astype(np.float32)
    write_image(tmp_path / "map.exr", texels)
    convert(tmp_path / "map.exr", tmp_path / "there.exr", to=kind)
    convert(tmp_path / "there.exr", tmp_path / "back.exr", from_=kind)
    flat = Latlong(32, 64)
    plain = reproject(reproject(texels, flat, as_wide), as_wide, flat)
    error = rms(read_image(tmp_path / "back.exr") - texels)
    assert error < 0.01 * rms(plain - texels)


def test_a_turned_cube_map_turns_back(tmp_path: Path) -> None:
    texels = resample(read_image(map_file("museum")), 32, 64).astype(np.float32)
    names = [tmp_path / f"{name}.exr" for name in ("map", "there", "back")]
    write_image(names[0], texels)
    convert(names[0], names[1], to=Kind.cube, rotate="x=20,y=50")
    convert(names[1], names[2], from_=Kind.cube, rotate="y=-50,x=-20")
    assert rms(read_image(names[2]) - texels) < 0.01 * rms(texels)


def test_a_map_too_small_for_the_detail_of_a_cube_map_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).uniform(0, 1, (48, 64, 3))
    write_image(tmp_path / "cube.exr", noise)
    with pytest.warns(UserWarning, match=r"back\.exr: IN has detail .* 32 x 16 does not hold"):
        convert(tmp_path / "cube.exr", tmp_path / "back.exr", from_=Kind.cube)
    plain = reproject(noise, Cube(48, 64), Latlong(16, 32))
    np.testing.assert_allclose(read_image(tmp_path / "back.exr"), plain, rtol=1e-5)


def test_a_size_that_holds_less_than_the_map_is_named(ours: Path) -> None:
    with pytest.warns(UserWarning, match=r"a latlong map 50 wide, IN that of one 64 wide"):
        convert(ours, ours.with_name("out.exr"), to=Kind.cube, size="100")


def test_a_ball_is_said_to_show_little_of_what_is_behind_it(ours: Path) -> None:
    with pytest.warns(UserWarning, match=r"within 37 degrees of -z its pixels are coarser"):
        convert(ours, ours.with_name("out.exr"), to=Kind.ball)


def test_an_image_that_would_be_too_large_is_as_large_as_may_be(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAX_PIXELS", 100**2)
    with (
        pytest.warns(UserWarning, match="128 pixels would keep all detail"),
        pytest.warns(UserWarning, match="a latlong map 50 wide"),
    ):
        convert(ours, ours.with_name("out.exr"), to=Kind.angular)
    assert shape(ours.with_name("out.exr")) == (100, 100)


@pytest.mark.parametrize(
    ("kind", "option", "size"),
    [
        (Kind.latlong, "100", (100, 50)),
        (Kind.latlong, "96x49", (96, 49)),
        (Kind.cube, "100", (100, 75)),
        (Kind.cube, "30x40", (30, 40)),
        (Kind.cube, "10x60", (10, 60)),
        (Kind.ball, "33", (33, 33)),
    ],
)
def test_size_is_the_width_or_both_sides(
    ours: Path, kind: Kind, option: str, size: tuple[int, int]
) -> None:
    out = ours.with_name("out.exr")
    pattern(out, to=kind, size=option)
    assert shape(out) == size


@pytest.mark.parametrize("program", [Kind.blender, Kind.three_js, Kind.usd])
def test_a_map_of_another_program_becomes_ours(ours: Path, program: Kind) -> None:
    """Twice between row conventions: no value lies outside those of the rows above and below."""
    there, back = ours.with_name("there.exr"), ours.with_name("back.exr")
    convert(ours, there, to=program)
    convert(there, back, from_=program)
    before = read_image(ours)
    padded = np.pad(before, ((2, 2), (0, 0), (0, 0)), mode="edge")
    near = np.stack([padded[k : k + 32] for k in range(5)])
    after = read_image(back)
    assert (after <= near.max(axis=0) + 1e-6).all()
    assert (after >= near.min(axis=0) - 1e-6).all()


def test_the_rows_of_in_and_out_can_be_chosen(ours: Path) -> None:
    out = ours.with_name("out.exr")
    centred = RowConvention.centred
    convert(ours, out, rows=centred, to=Kind.blender)
    np.testing.assert_array_equal(read_image(out), np.roll(read_image(ours), 16, axis=1))
    convert(ours, out, from_=Kind.usd, to_rows=centred, overwrite=True)
    np.testing.assert_array_equal(read_image(out), read_image(ours))


def test_a_file_is_replaced_only_if_it_may_be(ours: Path) -> None:
    out = ours.with_name("out.npy")
    out.write_bytes(b"dear to someone")
    for write in (lambda: convert(ours, out), lambda: pattern(out, size="16")):
        with pytest.raises(InputError, match=r"out\.npy: is there already; .*--overwrite"):
            write()
        assert out.read_bytes() == b"dear to someone"
    convert(ours, out, overwrite=True)
    np.testing.assert_array_equal(read_image(out), read_image(ours))


def test_all_that_is_wrong_with_a_conversion_is_told_at_once(ours: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)^--exposure .*\n.*ours\.exr: is IN and OUT; name"):
        convert(ours, ours, exposure=-1)
    with pytest.raises(InputError) as caught:
        convert(
            *(ours, ours.with_name("b.npy")),
            exposure=-1,
            rotate="up",
            to=Kind.cube,
            to_rows=RowConvention.corner,
            size="x",
        )
    options = [line.split()[0] for line in str(caught.value).splitlines()]
    assert options == ["--to-rows", "--exposure", "--rotate", "--size"]


def test_the_pattern_is_drawn_for_the_program(tmp_path: Path) -> None:
    pattern(tmp_path / "ours.exr", to_rows=RowConvention.centred, size="256")
    pattern(tmp_path / "theirs.exr", to=Kind.blender, size="256")
    expected = np.roll(read_image(tmp_path / "ours.exr"), 64, axis=1)
    np.testing.assert_allclose(read_image(tmp_path / "theirs.exr"), expected, atol=1e-6)


def test_the_pattern_can_be_turned(tmp_path: Path) -> None:
    pattern(tmp_path / "a.exr", size="64", to=Kind.cube)
    pattern(tmp_path / "b.exr", size="64", to=Kind.cube, rotate="y=90")
    a, b = read_image(tmp_path / "a.exr"), read_image(tmp_path / "b.exr")
    np.testing.assert_allclose(b[16:32], np.roll(a[16:32], -16, axis=1), atol=1e-6)


def nan_map() -> Image:
    texels = np.ones((32, 64, 3), np.float32)
    texels[3, 7, 1] = np.nan
    return texels


BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": "0"}, "--size 0: give pixels"),
    ({"size": "-4x8"}, "--size -4x8: give pixels"),
    ({"size": "big"}, "--size big: give pixels"),
    ({"size": "4x4x4"}, "--size 4x4x4: give pixels"),
    ({"size": "40x40"}, "--size 40x40: a latlong map is twice as wide as high"),
    ({"size": "1"}, "--size 1: a latlong map is twice as wide as high; found 1 x 2"),
    ({"size": "1000000x500000"}, "--size: 1000000 x 500000 pixels are more than"),
    ({"to": Kind.cube, "size": "64x32"}, "--size 64x32: a cube map is a 4:3 cross"),
    ({"to": Kind.ball, "size": "64x32"}, "--size 64x32: a mirror ball is square"),
    ({"from_": Kind.ball}, "ours.exr: a mirror ball is square; found 64 x 32; name what it is"),
    ({"from_": Kind.cube}, "ours.exr: a cube map is .*; name what it is with --from"),
    ({"to": Kind.ball, "to_rows": RowConvention.corner}, "--to-rows corner: only latlong maps"),
    ({"from_": Kind.ball, "rows": RowConvention.corner}, "--rows corner: only latlong maps"),
    ({"rotate": "90"}, "--rotate 90: give axes and degrees"),
    ({"rotate": "w=90"}, "--rotate w=90: give axes and degrees"),
    ({"rotate": "y=nan"}, "--rotate y=nan: give axes and degrees"),
    ({"rotate": "y=90,"}, "--rotate y=90,: give axes and degrees"),
    ({"rotate": ""}, "--rotate : give axes and degrees"),
    ({"exposure": 0.0}, "--exposure 0.0: must be a positive number"),
    ({"exposure": np.nan}, "--exposure nan: must be a positive number"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[words[:24] for _, words in BAD])
def test_what_cannot_be_is_refused_and_leaves_no_file(
    ours: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        convert(ours, ours.with_name("out.exr"), **options)
    assert list(ours.parent.iterdir()) == [ours]


def test_values_that_are_not_finite_are_refused_by_their_place(tmp_path: Path) -> None:
    write_image(tmp_path / "in.exr", nan_map())
    with pytest.raises(InputError, match=r"in\.exr: 1 values are NaN .* row 3, column 7"):
        convert(tmp_path / "in.exr", tmp_path / "out.exr")


def test_in_is_not_overwritten(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ours.read_bytes()
    monkeypatch.chdir(ours.parent)
    for name in (ours, Path(ours.name), ours.parent / "." / ".." / ours.parent.name / ours.name):
        with pytest.raises(InputError, match="is IN and OUT"):
            convert(ours, name, to=Kind.cube)
    assert ours.read_bytes() == before


@pytest.mark.parametrize("name", ["out.gif", "out", "out.tif"])
def test_an_unknown_kind_of_file_is_refused(ours: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: unknown kind of image; use one of"):
        convert(ours, ours.with_name(name))


def test_a_folder_that_is_not_there_is_named(ours: Path) -> None:
    out = ours.parent / "nowhere" / "out.exr"
    with pytest.raises(InputError, match=f"{out}: cannot be written: No such file or directory"):
        convert(ours, out)
    with pytest.raises(InputError, match=f"{out}: cannot be written"):
        pattern(out, size="64")


def test_a_full_disk_is_no_fault_of_the_folder(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a temporary file")

    monkeypatch.setattr(writing, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        convert(ours, ours.parent / "out.exr")
    assert caught.value.filename == str(ours.parent / "out.exr")
