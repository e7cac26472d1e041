"""The protocols' pictures, on small films."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from direct import called
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import protocols
from envmap_inverse.commands.evaluate import Protocol, evaluate
from envmap_inverse.images import write_image
from envmap_inverse.protocols import relighting, relighting_images, sphere_images, three_spheres
from envmap_inverse.sphere import latlong

MakeMap = Callable[..., NDArray[np.float32]]
PROTOCOLS = (three_spheres, relighting)
FOV, CAMERA = np.radians(7.27), np.array([-16.0, 2, 0])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {name: replace(s, size=32, spp=16) for name, s in protocols._SPHERES.items()}
    monkeypatch.setattr(protocols, "_SPHERES", small)
    monkeypatch.setattr(protocols, "SIZE", 16)
    monkeypatch.setattr(protocols, "SPP", 16)


def reflections(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Direction that a mirror ball shows in each pixel, cosine of its angle, pixels well inside."""
    forward = -CAMERA / np.linalg.norm(CAMERA)
    right = np.cross(forward, [0, 1, 0]) / np.linalg.norm(np.cross(forward, [0, 1, 0]))
    up = np.cross(right, forward)
    steps = np.tan(FOV / 2) * (2 * (np.arange(size) + 0.5) / size - 1)
    rays = forward + steps[None, :, None] * right - steps[:, None, None] * up
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    along = -rays @ CAMERA
    missed = CAMERA @ CAMERA - along**2
    normals = CAMERA + (along - np.sqrt(np.maximum(1 - missed, 0)))[..., None] * rays
    cosine = -np.sum(rays * normals, axis=2)
    return rays + 2 * cosine[..., None] * normals, cosine, missed < 0.5


def test_the_mirror_shows_the_map_in_the_right_directions() -> None:
    # Tone-mapped, this map is proportional to 1.5 + the direction as a colour.
    texels = (1.5 + latlong.texel_directions(*protocols.SPHERE_MAP)) ** 2.4
    image, _ = sphere_images(texels)["mirror"]
    directions, cosine, inside = reflections(32)
    fresnel = 0.8 + 0.2 * (1 - cosine) ** 5
    expected = fresnel[..., None] * (1.5 + directions)
    shown = image[inside] / expected[inside]
    # A pixel is h = 1/14 of the radius wide; its mean is off by some h^2.
    np.testing.assert_allclose(shown, np.median(shown), rtol=0.01)


def test_the_middle_of_the_mirror_shows_the_same_column_as_in_blender() -> None:
    texels = np.full((16, 32, 3), 0.1)
    texels[7:9, 23:25] = (50, 1, 0.1)  # round u = 3/4, v = 1/2
    image, _ = sphere_images(texels)["mirror"]
    row, column = np.unravel_index(np.argmax(image[..., 0] - image[..., 2]), (32, 32))
    assert (row, column) in {(r, c) for r in range(15, 19) for c in (15, 16)}


def test_under_uniform_light_the_mirror_shows_its_albedo() -> None:
    # White is tone-mapped to 0.5; the metal reflects 0.8 of it or, grazing, up to all.
    image, mask = sphere_images(np.ones((8, 16, 3)))["mirror"]
    inside = reflections(32)[2]
    assert mask[inside].all()
    assert image[16, 16] == pytest.approx(0.4, rel=1e-3)
    assert (image[inside] < 0.5).all()


def test_the_mask_has_the_spheres_area() -> None:
    _, mask = sphere_images(np.ones((8, 16, 3)))["diffuse"]
    radius = np.tan(np.arcsin(1 / np.linalg.norm(CAMERA))) / np.tan(FOV / 2) * 16
    # Pixels that it covers in part count: between the area and that of a ring wider.
    assert np.pi * radius**2 < mask.sum() < np.pi * (radius + np.sqrt(2)) ** 2


def test_outside_the_mask_the_pictures_are_black(random_map: MakeMap) -> None:
    for images in (sphere_images(random_map()), relighting_images(random_map())):
        for image, mask in images.values():
            assert 0 < mask.sum() < mask.size
            assert np.isfinite(image).all()
            assert image[mask].mean() > 0.1
            assert not image[~mask].any()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_maps_have_no_error(
    protocol: Callable[..., protocols.Errors], random_map: MakeMap
) -> None:
    for errors in protocol(random_map(), random_map()).values():
        assert errors == dict.fromkeys(errors, pytest.approx(0, abs=1e-6))


def test_a_map_of_another_size_and_brightness_has_no_error_on_the_spheres() -> None:
    for errors in three_spheres(np.full((8, 16, 3), 7.0), np.full((30, 40, 3), 0.2)).values():
        assert errors == dict.fromkeys(errors, pytest.approx(0, abs=1e-6))


def test_a_map_twice_as_bright_relights_with_an_error_of_1(random_map: MakeMap) -> None:
    for errors in relighting(2 * random_map(), random_map()).values():
        assert errors == dict.fromkeys(errors, pytest.approx(1, rel=1e-5))


def test_a_turned_map_is_wrong_in_every_way(random_map: MakeMap) -> None:
    for protocol in PROTOCOLS:
        for errors in protocol(np.roll(random_map(), 5, axis=1), random_map()).values():
            assert min(errors.values()) > 0.01


def test_the_image_of_a_pair_is_that_of_the_estimate(random_map: MakeMap) -> None:
    # Mirrors are sampled alike under all maps, so that even the noise is equal.
    scene, _ = protocols._knots()["mirror_knot"]
    estimate, truth = random_map(seed=2), random_map(seed=3)
    image, reference, _ = protocols._pair(scene, estimate, truth, spp=16)
    np.testing.assert_allclose(image, ei.render(scene, estimate, spp=16), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(reference, ei.render(scene, truth, spp=16), rtol=1e-5)


def test_maps_of_unequal_shape_cannot_be_relit_against_each_other(random_map: MakeMap) -> None:
    with pytest.raises(ei.InputError, match=r"unequal shape: \(8, 16, 3\) and \(4, 16, 3\)"):
        relighting(random_map(), random_map(4))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_map_with_nan_is_refused(
    protocol: Callable[..., protocols.Errors], random_map: MakeMap
) -> None:
    damaged = random_map().copy()
    damaged[3, 4] = np.nan
    with pytest.raises(ei.InputError, match="3 values are NaN or infinite, the first in row 3"):
        protocol(damaged, random_map())


def test_evaluate_prints_the_errors_of_both_protocols(
    random_map: MakeMap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = random_map(seed=2), random_map(seed=3)
    paths = tmp_path / "estimate.exr", tmp_path / "truth.exr"
    for path, texels in zip(paths, maps, strict=True):
        write_image(path, texels)
    called(evaluate)(*paths, protocol=list(Protocol), as_json=True)
    printed = json.loads(capsys.readouterr().out)
    for protocol in PROTOCOLS:
        for name, errors in protocol(*maps).items():
            assert printed[protocol.__name__][name] == pytest.approx(errors)
