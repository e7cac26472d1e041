"""Small lamps in a mirror ball, in one picture and in brackets."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.optimizers.least_squares.pictures import Pictures
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings
from envmap_inverse.optimizers.least_squares.weighting import balance, unresolved
from envmap_inverse.problem.problem import Problem
from envmap_inverse.sphere.latlong import resample, texel_solid_angles

ROOM, LAMP = 0.2, 50.0
BRACKET = (1.0, 0.2, 0.04, 0.015)
WHITE = 0.999

Image = NDArray[np.float32]


@pytest.fixture(scope="module")
def room() -> Image:
    """Eight lamps, 250 times as bright as the room and as large as four texels of the solution."""
    random = np.random.default_rng(3)
    texels = np.full((64, 128, 3), ROOM, np.float32)
    for y, x in zip(random.integers(12, 46, 8), random.integers(0, 120, 8), strict=True):
        texels[y : y + 4, x : x + 4] = LAMP
    return texels


@pytest.fixture(scope="module")
def scene() -> ei.Scene:
    found = bundled_scene("ball", "mirror")
    found.set_film_size(32, 0)
    found.set_map_size(64, 32)
    return found


@pytest.fixture(scope="module")
def picture(scene: ei.Scene, room: Image) -> Image:
    scene.set_map_size(128, 64)
    scene.set_envmap(room)
    taken = ei.render(scene, spp=64, seed=5)
    scene.set_map_size(64, 32)
    return taken


def clipped(picture: Image, exposures: tuple[float, ...]) -> list[ei.View]:
    return [ei.View(np.minimum(e * picture, 1), exposure=e, white=WHITE) for e in exposures]


def light_of_lamps(texels: Image) -> float:
    lamps = (texels - ROOM).mean(axis=2)
    return float(np.sum(lamps * texel_solid_angles(*texels.shape[:2])))


@pytest.mark.parametrize("exposures", [BRACKET[-1:], BRACKET], ids=["one picture", "bracket"])
def test_small_lamps_have_their_light(
    scene: ei.Scene, picture: Image, room: Image, exposures: tuple[float, ...]
) -> None:
    found = ei.estimate(scene, clipped(picture, exposures), optimizer=ei.Transport(spp=16))
    assert light_of_lamps(found.texels) == pytest.approx(light_of_lamps(room), rel=0.15)


def test_what_only_the_short_exposure_shows_counts_as_much_as_the_rest(
    scene: ei.Scene, picture: Image
) -> None:
    views = clipped(picture, (1.0, 0.015))
    problem = Problem.create(scene, views, loss=ei.MSE())
    transport = ei.LightTransport.record(scene, spp=16).for_sensors([0, 0])
    pictures = Pictures(problem, transport.offset)
    weights, is_exact = pictures.weights, pictures.is_exact
    factors = balance(transport, weights, is_exact, most=2)
    wanted = transport.rmatvec(weights)
    before, after = (
        transport.rmatvec(each * is_exact) / np.maximum(wanted, 1e-9)
        for each in (weights, weights * factors)
    )
    lamps = (wanted > 0.002 * wanted.max()) & (before < 0.8)
    assert lamps.sum() > 10
    assert (np.abs(after[lamps] - 1) < np.abs(before[lamps] - 1)).mean() > 0.9
    assert np.median(after[lamps]) == pytest.approx(1, abs=0.05)
    assert factors.max() <= 2


@pytest.mark.parametrize(
    ("texels", "least", "most"), [((128, 64), 0.5, 1.0), ((32, 16), 0.0, 0.2)], ids=["no", "yes"]
)
def test_held_out_pixels_show_whether_the_map_resolves_the_lamps(
    scene: ei.Scene, room: Image, texels: tuple[int, int], least: float, most: float
) -> None:
    scene.set_film_size(64, 0)
    scene.set_map_size(*texels)
    scene.set_envmap(resample(room, texels[1], texels[0]))
    taken = ei.render(scene, spp=64, seed=5)
    scene.set_map_size(32, 16)
    problem = Problem.create(scene, ei.View(taken), loss=ei.QuasiLikelihood())
    solver = LeastSquares(Settings(), problem, ei.LightTransport.record(scene, spp=64))
    solver.run()
    scene.set_film_size(32, 0)
    scene.set_map_size(64, 32)
    assert least <= solver.share_unresolved <= most


def test_a_map_resolves_what_does_not_change_from_texel_to_texel() -> None:
    texels = np.ones((4, 8, 3), np.float32)
    texels[2, 0] = 5
    found = unresolved(texels.reshape(-1, 3), (8, 4)).reshape(4, 8, 3)[..., 0]
    expected = np.zeros((4, 8))
    expected[2, 0], expected[[1, 3, 2, 2], [0, 0, 1, 7]] = 16, 4
    np.testing.assert_array_equal(found, expected)
