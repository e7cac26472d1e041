from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.sphere import latlong
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall, Projection
from envmap_inverse.sphere.reproject import reproject, rotation
from envmap_inverse.sphere.restore import can_restore, restore

Image = NDArray[np.float32]

MAP = Latlong(16, 32)
PICTURES: dict[str, Projection] = {
    "horizontal cross": Cube(48, 64),
    "vertical cross": Cube(64, 48),
    "strip": Cube(96, 16),
    "ball": MirrorBall(64, 64),
    "angular": AngularMap(64, 64),
}
TURN = rotation(("x", 33), ("y", -71))


@pytest.fixture(params=list(PICTURES))
def picture(request: pytest.FixtureRequest) -> Projection:
    return PICTURES[request.param]


def rms(error: NDArray[np.floating]) -> float:
    weights = latlong.texel_solid_angles(*error.shape[:2])[..., None]
    return float(np.sqrt(np.sum(weights * error**2) / (3 * np.sum(weights))))


@pytest.mark.parametrize("matrix", [np.eye(3), TURN], ids=["as it is", "turned"])
@pytest.mark.parametrize("target", [MAP, Latlong(16, 32, rows="centred", offset=0.25)], ids=str)
def test_a_map_is_found_from_its_picture(
    random_map: Callable[..., Image],
    picture: Projection,
    target: Latlong,
    matrix: NDArray[np.float64],
) -> None:
    """Of independent texels, but for the rows at the poles, which are finer than any pixel."""
    texels = random_map(16, 32)
    for row in (0, 1, -2, -1):
        texels[row] = texels[row].mean(axis=0)
    seen = reproject(texels, target, picture, matrix)
    found, misfit = restore(seen, picture, target, np.transpose(matrix))
    plain = reproject(seen, picture, target, np.transpose(matrix))
    assert rms(found - texels) < 0.03 * rms(plain - texels)
    assert misfit < 1e-3


def test_a_lamp_that_no_map_shows_is_a_misfit(picture: Projection) -> None:
    image = np.zeros((picture.height, picture.width, 3), np.float32)
    column, row = picture.pixels(np.array([0.3, 0.2, 0.6]))
    image[int(np.rint(row)), int(np.rint(column))] = 1000
    found, misfit = restore(image, picture, MAP)
    assert found.min() >= 0
    assert misfit > 0.5


def test_negative_values_are_kept() -> None:
    texels = latlong.texel_directions(16, 32).astype(np.float32)
    found, _ = restore(reproject(texels, MAP, Cube(48, 64)), Cube(48, 64), MAP)
    np.testing.assert_allclose(found[2:-2], texels[2:-2], atol=1e-3)


def test_black_stays_black() -> None:
    found, misfit = restore(np.zeros((48, 64, 3)), Cube(48, 64), MAP)
    assert (found.max(), misfit) == (0, 0)


def test_only_a_map_as_fine_as_the_picture_is_solved_for() -> None:
    assert can_restore(Cube(48, 64), MAP)
    assert not can_restore(Cube(48, 64), Latlong(15, 30))
    assert not can_restore(MAP, MAP)
    assert not can_restore(MAP, Cube(48, 64))
    assert not can_restore(MirrorBall(5000, 5000), Latlong(1250, 2500))
