from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envmap_inverse.backend import mi, select_variant
from envmap_inverse.bundled import bunny
from envmap_inverse.images import read_image
from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall, Projection
from envmap_inverse.sphere.reproject import reproject, rotation

Image = NDArray[np.float32]
Array = NDArray[np.float64]

MAP = Latlong(125, 250)
TARGETS: dict[str, Projection] = {
    "centred": Latlong(60, 120, rows="centred", offset=0.25),
    "horizontal cross": Cube(96, 128),
    "vertical cross": Cube(96, 72),
    "strip": Cube(192, 32),
    "ball": MirrorBall(100, 100),
    "angular": AngularMap(100, 100),
}
TURN = rotation(("x", 33), ("y", -71))


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest) -> Projection:
    return TARGETS[request.param]


@pytest.fixture(scope="module")
def sun() -> Image:
    """A map with most of its light in one texel."""
    return read_image(bunny().parents[1] / "maps" / "sun.exr")


def pixel_directions(projection: Projection) -> Array:
    y, x = np.indices((projection.height, projection.width))
    return projection.directions(x, y)


def solid_angles(projection: Projection) -> Array:
    """Steradians of each pixel, by 8 x 8 points in it."""
    offsets = (np.arange(8) + 0.5) / 8 - 0.5
    dx, dy = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    y, x = np.indices((projection.height, projection.width))
    return projection.density(x[..., None] + dx, y[..., None] + dy).mean(axis=-1)


def test_there_and_back_every_direction_is_still_its_own(target: Projection) -> None:
    """The image holds where its pixels look; each way errs by half a new and one old diagonal."""
    image = pixel_directions(MAP)
    there = reproject(image, MAP, target)
    back = reproject(there, target, MAP)
    seen = image[..., 2] > -0.5 if isinstance(target, MirrorBall) else np.ones(back.shape[:2], bool)
    largest = MAP.pitch + 2 * target.pitch  # at a ball up to 120 degrees
    errors = np.linalg.norm(back - image, axis=2)[seen]
    assert errors.max() <= 1.5 * np.sqrt(2) * largest
    assert np.sqrt(np.mean(errors**2)) <= 0.25 * largest


@pytest.mark.parametrize("matrix", [np.eye(3), TURN], ids=["as it is", "turned"])
def test_the_light_of_the_whole_sphere_is_kept_to_two_per_cent(
    target: Projection, sun: Image, matrix: Array
) -> None:
    before = np.einsum("hw,hwc->c", latlong.texel_solid_angles(125, 250), sun)
    after = np.einsum("hw,hwc->c", solid_angles(target), reproject(sun, MAP, target, matrix))
    np.testing.assert_allclose(after, before, rtol=0.02)


@pytest.mark.parametrize("degrees", [0, 37, 90, -120])
@pytest.mark.parametrize(("height", "width"), [(125, 250), (60, 120)])
def test_a_turn_about_y_of_a_latlong_map_keeps_the_light_exactly(
    sun: Image, degrees: float, height: int, width: int
) -> None:
    turned = reproject(sun, MAP, Latlong(height, width), rotation(("y", degrees)))
    before = np.einsum("hw,hwc->c", latlong.texel_solid_angles(125, 250), sun)
    after = np.einsum("hw,hwc->c", latlong.texel_solid_angles(height, width), turned)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_nothing_to_do_changes_nothing(sun: Image) -> None:
    np.testing.assert_array_equal(reproject(sun, MAP, MAP), sun)


def test_a_map_for_blender_is_ours_a_quarter_turn_on(
    random_map: Callable[..., Image],
) -> None:
    ours = random_map(16, 32)
    theirs = reproject(
        ours, Latlong(16, 32, rows="centred"), Latlong(16, 32, rows="centred", offset=0.25)
    )
    np.testing.assert_array_equal(theirs, np.roll(ours, 8, axis=1))


def test_four_quarter_turns_are_none(random_map: Callable[..., Image]) -> None:
    texels = random_map(16, 32)
    turned = texels
    for _ in range(4):
        turned = reproject(turned, Latlong(16, 32), Latlong(16, 32), rotation(("y", 90)))
    np.testing.assert_array_equal(turned, texels)


def test_turning_forth_and_back_leaves_every_direction() -> None:
    image = pixel_directions(MAP)
    there = reproject(image, MAP, MAP, TURN)
    np.testing.assert_allclose(there, image @ TURN, atol=2 * MAP.pitch)
    back = reproject(there, MAP, MAP, TURN.T)
    np.testing.assert_allclose(back, image, atol=4 * MAP.pitch)


def test_a_lamp_moves_as_the_rotation_says() -> None:
    texels = np.zeros((125, 250, 3), np.float32)
    texels[40:43, 100:103] = 1
    direction = pixel_directions(MAP)[41, 101]
    for projection in TARGETS.values():
        moved = reproject(texels, MAP, projection, TURN)[..., 0]
        found = pixel_directions(projection)[np.unravel_index(moved.argmax(), moved.shape)]
        assert found @ (TURN @ direction) > np.cos(3 * projection.pitch)


def test_a_checkerboard_of_texels_shrinks_to_gray() -> None:
    """A mean of n x n look-ups half a texel apart misses at most a line of them at each edge."""
    fine = Latlong(512, 1024, rows="centred")
    board = np.indices((512, 1024)).sum(axis=0) % 2
    gray = reproject(np.repeat(board[..., None], 3, axis=2), fine, Cube(24, 32))
    inside = solid_angles(Cube(24, 32)) > 0
    assert np.abs(gray[inside] - 0.5).max() < 0.03


def test_black_lies_round_a_disc_and_between_the_faces_of_a_cross() -> None:
    for projection in (Cube(48, 64), MirrorBall(64, 64), AngularMap(64, 64)):
        white = reproject(np.ones((125, 250, 3)), MAP, projection)
        y, x = np.indices(white.shape[:2])
        np.testing.assert_allclose(white[projection.density(x, y) > 0], 1, rtol=1e-6)
        assert not white[solid_angles(projection) == 0].any()


some_turns = st.lists(st.tuples(st.sampled_from("xyz"), st.floats(-360, 360)), max_size=4)


@st.composite
def small_projection(draw: st.DrawFn) -> Projection:
    side = draw(st.integers(2, 8))
    rows, offset = draw(st.sampled_from(["corner", "centred"])), draw(st.floats(-1, 1))
    kinds = [
        Latlong(2 * side, 4 * side, rows=rows, offset=offset),
        *(Cube(*(side * count for count in grid)) for grid in ((3, 4), (4, 3), (6, 1))),
        MirrorBall(2 * side, 2 * side),
        AngularMap(2 * side, 2 * side),
    ]
    return draw(st.sampled_from(kinds))


@settings(max_examples=40)
@given(
    source=small_projection(),
    target=small_projection(),
    turns=some_turns,
    seed=st.integers(0, 1000),
)
def test_no_value_is_above_or_below_those_of_the_image(
    source: Projection, target: Projection, turns: list[tuple[str, float]], seed: int
) -> None:
    """But 0 where the target holds nothing; a constant stays one."""
    shape = (source.height, source.width, 1)
    image = np.random.default_rng(seed).uniform(2, 5, shape) * np.float32([1, 1, 0]) + [0, 0, 7]
    found = reproject(image, source, target, rotation(*turns))
    holds = found.any(axis=2)
    assert holds.any()
    assert not found[~holds].any()
    np.testing.assert_allclose(found[holds, 2], 7, rtol=1e-5)
    assert found[holds, 0].min() >= image[..., 0].min() - 1e-4
    assert found[holds, 0].max() <= image[..., 0].max() + 1e-4


# rotations


@given(turns=some_turns)
def test_a_rotation_keeps_lengths_and_hands(turns: list[tuple[str, float]]) -> None:
    matrix = rotation(*turns)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


@given(turns=some_turns, more=some_turns)
def test_turns_follow_one_another(
    turns: list[tuple[str, float]], more: list[tuple[str, float]]
) -> None:
    both = rotation(*turns, *more)
    np.testing.assert_allclose(both, rotation(*more) @ rotation(*turns), atol=1e-12)


def test_a_rotation_is_counter_clockwise_seen_against_its_axis() -> None:
    x, y, z = np.eye(3)
    np.testing.assert_allclose(rotation(("x", 90)) @ y, z, atol=1e-15)
    np.testing.assert_allclose(rotation(("y", 90)) @ z, x, atol=1e-15)
    np.testing.assert_allclose(rotation(("z", 90)) @ x, y, atol=1e-15)


def test_the_first_turn_comes_first() -> None:
    both = rotation(("x", 20), ("z", 50))
    np.testing.assert_allclose(both, rotation(("z", 50)) @ rotation(("x", 20)), atol=1e-15)


def test_the_turns_backwards_undo_them() -> None:
    there, back = rotation(("x", 20), ("z", 50)), rotation(("z", -50), ("x", -20))
    np.testing.assert_allclose(back @ there, np.eye(3), atol=1e-15)


def test_no_turn_is_the_identity() -> None:
    np.testing.assert_array_equal(rotation(), np.eye(3))


@pytest.mark.parametrize(("axis", "vector"), [("x", [1, 0, 0]), ("y", [0, 1, 0]), ("z", [0, 0, 1])])
def test_a_rotation_is_that_of_mitsuba(axis: str, vector: list[float]) -> None:
    select_variant()
    theirs = np.array(mi.ScalarTransform4f().rotate(vector, 35).matrix)[:3, :3]
    np.testing.assert_allclose(rotation((axis, 35)), theirs, atol=1e-6)


def test_a_turned_map_is_the_map_under_a_turned_to_world(random_map: Callable[..., Image]) -> None:
    """`reproject(..., rotation(y, 90))` and Mitsuba's `<rotate y="1" angle="90"/>`."""
    select_variant()
    texels = random_map(16, 32)
    turned = reproject(texels, Latlong(16, 32), Latlong(16, 32), rotation(("y", 90)))
    turn = mi.ScalarTransform4f().rotate([0, 1, 0], 90)
    envmap = mi.load_dict({"type": "envmap", "bitmap": mi.Bitmap(texels), "to_world": turn})
    directions = pixel_directions(Latlong(16, 32)).reshape(-1, 3)
    interaction = mi.SurfaceInteraction3f()
    interaction.wi = -mi.Vector3f(directions.T)
    theirs = np.array(envmap.eval(interaction)).T.reshape(16, 32, 3)
    between = slice(1, -1)  # a pole is in no column
    np.testing.assert_allclose(theirs[between], turned[between], atol=1e-4)
