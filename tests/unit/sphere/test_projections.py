from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.sphere.latlong import Rows
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall, Projection

Array = NDArray[np.float64]

PROJECTIONS: dict[str, Projection] = {
    "corner": Latlong(33, 64),
    "centred": Latlong(32, 64, rows="centred", offset=0.25),
    "horizontal cross": Cube(48, 64),
    "vertical cross": Cube(64, 48),
    "strip": Cube(96, 16),
    "ball": MirrorBall(64, 64),
    "angular": AngularMap(64, 64),
}


@pytest.fixture(params=list(PROJECTIONS))
def projection(request: pytest.FixtureRequest) -> Projection:
    return PROJECTIONS[request.param]


@pytest.fixture
def directions(rng: np.random.Generator) -> Array:
    vectors = rng.normal(size=(2000, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.fixture
def positions(projection: Projection, rng: np.random.Generator) -> tuple[Array, Array]:
    """Places in an image that show a direction, a little inside the rim of a disc."""
    x = rng.uniform(0, projection.width - 1, 2000)
    y = rng.uniform(0, projection.height - 1, 2000)
    radius = np.hypot(*((2 * side + 1) / 64 - 1 for side in (x, y)))
    is_inside = projection.density(x, y) > 0
    if isinstance(projection, MirrorBall | AngularMap):
        is_inside &= radius < 0.98
    return x[is_inside], y[is_inside]


def image_of_directions(projection: Projection) -> NDArray[np.float32]:
    """An image whose values are where its pixels look."""
    y, x = np.indices((projection.height, projection.width))
    return projection.directions(x, y).astype(np.float32)


def test_the_pixel_of_a_direction_looks_there(projection: Projection, directions: Array) -> None:
    x, y = projection.pixels(directions)
    np.testing.assert_allclose(projection.directions(x, y), directions, atol=1e-7)


def test_the_direction_of_a_pixel_lands_on_it(
    projection: Projection, positions: tuple[Array, Array]
) -> None:
    found = projection.pixels(projection.directions(*positions))
    np.testing.assert_allclose(found, positions, atol=1e-9)


def test_every_direction_has_a_place_in_the_image(
    projection: Projection, directions: Array
) -> None:
    x, y = projection.pixels(directions)
    assert (projection.density(x, y) > 0).all()


def test_the_density_is_the_solid_angle_of_a_small_area(
    projection: Projection, positions: tuple[Array, Array]
) -> None:
    x, y = positions
    step = 1e-4
    across = projection.directions(x + step, y) - projection.directions(x - step, y)
    down = projection.directions(x, y + step) - projection.directions(x, y - step)
    area = np.linalg.norm(np.cross(across, down), axis=1) / (2 * step) ** 2
    far_from_seams = area < 4 * np.median(area)
    assert far_from_seams.mean() > 0.99
    expected = projection.density(x, y)[far_from_seams]
    np.testing.assert_allclose(area[far_from_seams], expected, rtol=1e-4, atol=1e-9)


def test_the_density_adds_up_to_the_sphere(projection: Projection) -> None:
    size = 16
    x = (np.arange(projection.width * size) + 0.5) / size - 0.5
    y = (np.arange(projection.height * size) + 0.5) / size - 0.5
    total = projection.density(*np.meshgrid(x, y)).sum() / size**2
    assert total == pytest.approx(4 * np.pi, rel=1e-3)


PLACES = [
    # +X, -X, +Y, -Y, +Z, -Z as (column, row) of an image whose sides are 1
    (Latlong(65, 128), [(1 / 4, 0.5), (3 / 4, 0.5), None, None, (1 / 2, 0.5), (0, 0.5)]),
    (
        Latlong(64, 128, rows="centred", offset=0.25),
        [(1 / 2, 0.5), (0, 0.5), None, None, (3 / 4, 0.5), (1 / 4, 0.5)],
    ),
    (
        Cube(96, 128),
        [
            (5 / 8, 1 / 2),
            (1 / 8, 1 / 2),
            (3 / 8, 1 / 6),
            (3 / 8, 5 / 6),
            (7 / 8, 1 / 2),
            (3 / 8, 0.5),
        ],
    ),
    (
        Cube(128, 96),
        [
            (5 / 6, 3 / 8),
            (1 / 6, 3 / 8),
            (1 / 2, 1 / 8),
            (1 / 2, 5 / 8),
            (1 / 2, 7 / 8),
            (0.5, 3 / 8),
        ],
    ),
    (Cube(192, 32), [(1 / 2, (2 * k + 1) / 12) for k in range(6)]),
    (
        MirrorBall(128, 128),
        [
            ((1 + 0.5**0.5) / 2, 0.5),
            ((1 - 0.5**0.5) / 2, 0.5),
            (0.5, (1 - 0.5**0.5) / 2),
            (0.5, (1 + 0.5**0.5) / 2),
            (0.5, 0.5),
            (1, 0.5),
        ],
    ),
    (
        AngularMap(128, 128),
        [(3 / 4, 0.5), (1 / 4, 0.5), (0.5, 1 / 4), (0.5, 3 / 4), (1, 0.5), (0.5, 0.5)],
    ),
]
AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)


@pytest.mark.parametrize(("projection", "places"), PLACES, ids=lambda value: type(value).__name__)
def test_the_six_axes_are_where_they_belong(
    projection: Projection, places: list[tuple[float, float] | None]
) -> None:
    for axis, place in zip(AXES, places, strict=True):
        if place is not None:
            x, y = projection.pixels(axis)
            found = (x + 0.5) / projection.width, (y + 0.5) / projection.height
            assert found == pytest.approx(place, abs=1e-6), axis


@pytest.mark.parametrize(
    ("rows", "first", "last"), [("corner", 0, 32), ("centred", -0.5, 32.5)], ids=str
)
def test_the_poles_of_a_latlong_map_are_where_its_rows_say(
    rows: str, first: float, last: float
) -> None:
    projection = Latlong(33, 64, rows=rows)  # type: ignore[arg-type]
    _, y = projection.pixels(np.array([[0, 1, 0], [0, -1, 0]]))
    np.testing.assert_allclose(y, [first, last], atol=1e-12)


def test_a_ball_shows_the_reflections_at_its_normals() -> None:
    """A mirror at the point n of the unit ball shows the reflection of the view, 2 n_z n - z."""
    projection = MirrorBall(101, 101)
    normal = np.array([0.48, 0.6, 0.64])
    x, y = projection.pixels(2 * normal[2] * normal - [0, 0, 1])
    assert ((2 * x + 1) / 101 - 1, 1 - (2 * y + 1) / 101) == pytest.approx((0.48, 0.6))


@pytest.mark.parametrize("labels", [(0, 4), (4, 1), (1, 5), (5, 0)], ids=str)
def test_a_cube_is_seen_from_inside(labels: tuple[int, int]) -> None:
    """Right of a face that one looks at stands the face that one meets turning right."""
    face, right = labels
    x, y = Cube(192, 32).directions(np.array([31.49]), np.array([face * 32 + 15.5]))[0, [0, 2]]
    assert np.dot([x, y], AXES[right, [0, 2]]) > 0.6


def test_a_look_up_takes_the_pixels_round_a_direction(
    projection: Projection, directions: Array
) -> None:
    """They lie within a pixel's diagonal; no side is twice the pitch, at a ball up to 120 degrees.

    What they hold is where they look, so that the error is an angle, also across seams.
    """
    if isinstance(projection, MirrorBall):
        directions = directions[directions[:, 2] > -0.5]
    found = projection.look_up(image_of_directions(projection))(directions)
    errors = np.linalg.norm(found - directions, axis=1)
    assert errors.max() <= np.sqrt(2) * 2 * projection.pitch


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [
        (Latlong(33, 64), Latlong(65, 128)),
        (Latlong(32, 64, rows="centred"), Latlong(64, 128, rows="centred")),
        (Cube(48, 64), Cube(96, 128)),
        (Cube(64, 48), Cube(128, 96)),
        (Cube(96, 16), Cube(192, 32)),
    ],
    ids=["corner", "centred", "horizontal cross", "vertical cross", "strip"],
)
def test_a_look_up_is_smooth_over_every_seam(
    coarse: Projection, fine: Projection, directions: Array
) -> None:
    """Interpolation errs with the square of a pixel, taking the nearest pixel with its side."""
    near, nearer = (
        np.linalg.norm(p.look_up(image_of_directions(p))(directions) - directions, axis=1).max()
        for p in (coarse, fine)
    )
    assert nearer < 0.45 * near


def test_a_look_up_in_a_constant_image_is_that_constant(
    projection: Projection, directions: Array
) -> None:
    x, y = np.meshgrid(np.arange(projection.width), np.arange(projection.height))
    image = np.where(projection.density(x, y)[..., None] > 0, 3, np.nan).astype(np.float32)
    if isinstance(projection, Latlong):  # the density of a pole row is 0 at its very centre
        image = np.full_like(image, 3)
    values = projection.look_up(np.repeat(image, 3, axis=2))(directions)
    np.testing.assert_allclose(values, 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "height", "width", "words"),
    [
        (Latlong, 64, 64, "twice as wide as high; found 64 x 64"),
        (Latlong, 1, 2, "twice as wide"),
        (Cube, 64, 64, "4:3 cross, a 3:4 cross or a 1:6 strip"),
        (Cube, 3, 5, "found 5 x 3"),
        (Cube, 5, 1, "found 1 x 5"),
        (MirrorBall, 64, 65, "a mirror ball is square; found 65 x 64"),
        (AngularMap, 64, 65, "an angular map is square"),
        (AngularMap, 1, 1, "found 1 x 1"),
    ],
)
def test_images_of_another_shape_are_refused(
    kind: type, height: int, width: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        kind(height, width)


@pytest.mark.parametrize("kind", ["latlong", "angular", "sphere", "cube"])
def test_skylibs_agrees(kind: str, directions: Array) -> None:
    """skylibs has -z in the middle of a latlong map, and turns a mirror ball about."""
    skylibs = pytest.importorskip(
        "envmap.projections", reason="skylibs is not installed; pip install '.[test]' brings it"
    )
    x, y, z = directions.T
    flipped = -z if kind == "sphere" else z
    u, v = getattr(skylibs, f"world2{kind}")(x, y, flipped)
    ours = {
        "latlong": Latlong(500, 1000, rows="centred", offset=0.5),
        "angular": AngularMap(1000, 1000),
        "sphere": MirrorBall(1000, 1000),
        "cube": Cube(1200, 900),
    }[kind]
    column, row = ours.pixels(directions)
    np.testing.assert_allclose((column + 0.5) / ours.width, u, atol=1e-9)
    np.testing.assert_allclose((row + 0.5) / ours.height, v, atol=1e-9)


# Images of any size


@st.composite
def any_projection(draw: st.DrawFn) -> Projection:
    side = draw(st.integers(2, 40))
    rows, offset = draw(st.sampled_from(["corner", "centred"])), draw(st.floats(-2, 2))
    kinds = [
        Latlong(side, 2 * side, rows=rows, offset=offset),
        *(Cube(*(side * count for count in grid)) for grid in ((3, 4), (4, 3), (6, 1))),
        MirrorBall(side, side),
        AngularMap(side, side),
    ]
    return draw(st.sampled_from(kinds))


any_directions = st_np.arrays(np.float64, (4, 3), elements=st.floats(-1, 1)).filter(
    lambda vectors: np.diff(np.sort(np.abs(vectors)))[:, -1].min() > 1e-3
)
"""No edges of a cube, which are on two faces."""


@settings(max_examples=25)
@given(projection=any_projection(), vectors=any_directions)
def test_a_direction_comes_back_from_its_pixel_as_a_unit_vector(
    projection: Projection, vectors: Array
) -> None:
    """The rim of a ball, where all of a circle is one direction, keeps half of the digits."""
    found = projection.directions(*projection.pixels(vectors))
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@settings(max_examples=25)
@given(projection=any_projection(), vectors=any_directions, factor=st.floats(0.01, 100))
def test_only_the_direction_of_a_vector_matters(
    projection: Projection, vectors: Array, factor: float
) -> None:
    found, expected = projection.pixels(factor * vectors), projection.pixels(vectors)
    looks = [projection.directions(*where) for where in (found, expected)]
    np.testing.assert_allclose(*looks, atol=1e-6)


@settings(max_examples=25)
@given(projection=any_projection(), vectors=any_directions, seed=st.integers(0, 1000))
def test_a_look_up_stays_between_the_extremes_of_the_image(
    projection: Projection, vectors: Array, seed: int
) -> None:
    shape = (projection.height, projection.width, 3)
    image = np.random.default_rng(seed).uniform(-1, 5, shape).astype(np.float32)
    values = projection.look_up(image)(vectors)
    assert values.shape == (4, 3)
    assert image.min() - 1e-5 <= values.min() <= values.max() <= image.max() + 1e-5


@settings(max_examples=25)
@given(projection=any_projection(), x=st.floats(0, 1), y=st.floats(0, 1))
def test_no_density_is_negative(projection: Projection, x: float, y: float) -> None:
    place = np.array(x * (projection.width - 1)), np.array(y * (projection.height - 1))
    assert projection.density(*place) >= 0


@pytest.mark.parametrize("kind", [MirrorBall, AngularMap])
@pytest.mark.parametrize("aside", [0, 5e-324, 3e-301, 1e-299, 1e-9])
@pytest.mark.parametrize("forwards", [-1, 1])
def test_a_disc_shows_its_axis_however_near_a_direction_is(
    kind: type, aside: float, forwards: int
) -> None:
    projection, direction = kind(7, 7), np.array([[0.0, aside, forwards], [aside, aside, forwards]])
    found = projection.directions(*projection.pixels(direction))
    np.testing.assert_allclose(found, direction, atol=1e-7)


@pytest.mark.parametrize("rows", ["corner", "centred"])
def test_taps_are_what_a_look_up_takes(rows: Rows, rng: np.random.Generator) -> None:
    projection = Latlong(8, 16, rows=rows, offset=0.25)
    image = rng.uniform(size=(8, 16, 3)).astype(np.float32)
    directions = np.concatenate([rng.normal(size=(50, 3)), np.eye(3), -np.eye(3)])
    index, share = projection.taps(directions)
    np.testing.assert_allclose(share.sum(axis=0), 1)
    values = np.sum(share[..., None] * image.reshape(-1, 3)[index], axis=0)
    np.testing.assert_allclose(values, projection.look_up(image)(directions), atol=1e-6)
