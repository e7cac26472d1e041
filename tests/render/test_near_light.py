"""Light on a sphere or a box of finite size round the scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.sphere.latlong import texel_directions

MakeScene = Callable[..., ei.Scene]
HEIGHT, WIDTH = 33, 64
RADIUS = 5.0
CAMERAS = ((0, 0, 4), (4, 0, 0))
BALLS = {
    f"ball{k}": {"type": "sphere", "radius": 0.3, "center": c, "bsdf": {"type": "conductor"}}
    for k, c in enumerate([(0.8, 0.6, 0), (-0.9, -0.5, 0.3), (0.2, -0.9, -0.7)])
}


@pytest.fixture
def lamp_map() -> np.ndarray:
    """A room with three lamps."""
    texels = np.full((HEIGHT, WIDTH, 3), 0.3, np.float32)
    for row, column in ((8, 10), (14, 40), (22, 55)):
        texels[row : row + 2, column : column + 3] = 12
    return texels


def make(make_scene: MakeScene, texels: np.ndarray, size: int = 32, **more: object) -> ei.Scene:
    """Mirrors of different places, seen from two sides; the first ball is the fixture's."""
    return make_scene(
        "mirror", size=(size, size), texels=texels, cameras=CAMERAS, **{**BALLS, **more}
    )


@pytest.mark.parametrize("near", [ei.NearSphere(radius=1e4), ei.NearBox(size=(1e4, 1e4, 1e4))])
def test_light_on_a_huge_sphere_or_box_is_far(
    make_scene: MakeScene, lamp_map: np.ndarray, near: ei.NearSphere | ei.NearBox
) -> None:
    scene = make(make_scene, lamp_map)
    far = ei.LightTransport.record(scene, spp=4).matvec(lamp_map.reshape(-1, 3))
    scene.surroundings = near
    close = ei.LightTransport.record(scene, spp=4).matvec(lamp_map.reshape(-1, 3))
    np.testing.assert_allclose(close, far, atol=0.05)


def test_a_lamp_is_mirrored_where_mitsuba_shows_one_at_its_place(make_scene: MakeScene) -> None:
    texels = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    texels[10, 20] = 1
    place = RADIUS * texel_directions(HEIGHT, WIDTH)[10, 20]
    scene = make(make_scene, texels, size=64)
    scene.surroundings = ei.NearSphere(radius=RADIUS, centre=(0, 0, 0))
    lamp = {
        "type": "sphere",
        "center": place.tolist(),
        "radius": 0.15,
        "emitter": {"type": "area", "radiance": 1.0},
    }
    with_lamp = make(make_scene, np.zeros_like(texels), size=64, lamp=lamp)
    near, real = (ei.render(s, spp=64).sum(axis=2) for s in (scene, with_lamp))
    rows, columns = np.mgrid[:64, :64]
    for image in (near, real):
        image[image < 0.05 * image.max()] = 0
    for part in (np.s_[:32, :32], np.s_[:32, 32:], np.s_[32:, :32], np.s_[32:, 32:]):
        if real[part].sum() == 0:
            continue
        for places in (rows, columns):
            centres = [np.average(places[part], weights=each[part]) for each in (near, real)]
            assert abs(centres[0] - centres[1]) < 1


def test_a_box_is_seen_where_the_ray_meets_its_wall() -> None:
    scene_box = ei.NearBox(size=(4, 6, 8))
    origin, direction = mi.Vector3f(0.5, -1, 1), mi.Vector3f(1, 0, 0)
    seen = np.array(scene_box.seen_from_centre(origin, direction)).ravel()
    np.testing.assert_allclose(seen, np.array([2, -1, 1]) / np.sqrt(6), rtol=1e-6)


def misfit(scene: ei.Scene, views: list[ei.View]) -> float:
    found = ei.estimate(scene, views, optimizer=ei.Transport(spp=32, max_outliers=0))
    error = [ei.render(scene, found.texels, 64, 5, k) - v.image for k, v in enumerate(views)]
    return float(np.sqrt(np.mean(np.square(error))))


def test_a_near_model_removes_the_residual_that_a_far_one_leaves(
    make_scene: MakeScene, lamp_map: np.ndarray
) -> None:
    scene = make(make_scene, lamp_map)
    scene.surroundings = ei.NearSphere(radius=RADIUS)
    views = [ei.View(ei.render(scene, spp=256, seed=3, sensor=k), sensor=k) for k in range(2)]
    near = misfit(scene, views)
    scene.surroundings = None
    assert misfit(scene, views) > 3 * near


def test_the_distance_is_found(make_scene: MakeScene, lamp_map: np.ndarray) -> None:
    scene = make(make_scene, lamp_map, size=48)
    scene.surroundings = ei.NearSphere(radius=RADIUS)
    views = [ei.View(ei.render(scene, spp=64, seed=3, sensor=k), sensor=k) for k in range(2)]
    before = scene.surroundings
    found = ei.find_distance(scene, views)
    assert scene.surroundings == before
    assert found.surroundings is not None
    assert found.surroundings.radius == pytest.approx(RADIUS, rel=0.1)
    assert found.gain > 1.5
    assert min(found.losses) == found.losses[found.radii.index(found.surroundings.radius)]


def test_far_light_is_found_to_be_far(make_scene: MakeScene, lamp_map: np.ndarray) -> None:
    scene = make(make_scene, lamp_map)
    views = [ei.View(ei.render(scene, spp=64, seed=3, sensor=k), sensor=k) for k in range(2)]
    found = ei.find_distance(scene, views).surroundings
    assert found is None or found.radius > 5 * RADIUS


def test_a_recording_is_of_its_distance(make_scene: MakeScene, lamp_map: np.ndarray) -> None:
    scene = make(make_scene, lamp_map, size=8)
    image = ei.render(scene, spp=4)
    scene.surroundings = ei.NearSphere(radius=RADIUS)
    recording = ei.LightTransport.record(scene, spp=4)
    scene.surroundings = None
    with pytest.raises(InputError, match="recording: of another scene"):
        ei.estimate(scene, image, optimizer=ei.Transport(recording=recording))


def test_what_cannot_be_near_is_refused(make_scene: MakeScene, lamp_map: np.ndarray) -> None:
    scene = make(make_scene, lamp_map, size=8)
    with pytest.raises(InputError, match=r"sphere:1: does not hold the scene, which is .* large"):
        scene.surroundings = ei.NearSphere(radius=1)
    with pytest.raises(InputError, match="found 'sphere:4'; give a NearSphere"):
        scene.surroundings = "sphere:4"  # type: ignore[assignment]
    scene.surroundings = ei.NearBox(size=(9, 9, 9))
    with pytest.raises(InputError, match="Adam renders by Mitsuba, whose maps are infinitely far"):
        ei.estimate(scene, np.ones((8, 8, 3), np.float32), optimizer=ei.Adam(iterations=1))


@pytest.mark.parametrize(
    ("make_near", "message"),
    [
        (lambda: ei.NearSphere(radius=0), "radius must be positive; found 0"),
        (lambda: ei.NearSphere(radius=float("nan")), "radius must be positive"),
        (lambda: ei.NearBox(size=(1, 2)), "size must be three numbers"),
        (lambda: ei.NearBox(size=(1, 2, -3)), "size must be positive"),
        (lambda: ei.NearSphere(radius=1, centre=(1, 2)), "centre must be three"),
    ],
)
def test_numbers_that_no_light_has_are_refused(
    make_near: Callable[[], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_near()
