"""Renderings on a GPU, whose texture units interpolate the map, and recordings, which do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from z_test import look_up_rounding

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi
from envmap_inverse.scene.integrators import gradient_integrator

Images = NDArray[np.floating]
MakeMap = Callable[..., NDArray[np.float32]]
MakeScene = Callable[..., ei.Scene]

NUM_RUNS = 16
SPP = 128


@pytest.fixture(params=["smooth", "rough"])
def texels(request: pytest.FixtureRequest, random_map: MakeMap) -> NDArray[np.float32]:
    """A map of 16 x 9 texels: one whose neighbours are alike, and one whose are not."""
    if request.param == "rough":
        return np.exp(2 * random_map(9, 16) - 2)
    row, column, channel = np.indices((9, 16, 3))
    wave = np.cos(2 * np.pi * (column + 0.5) / 16 + channel) * np.sin(np.pi * row / 8)
    return (1 + 0.5 * wave).astype(np.float32)


def stacked(images: list[Images]) -> Images:
    return np.stack([image.reshape(-1, 3) for image in images])


def test_a_recording_predicts_the_renderings(
    make_scene: MakeScene,
    texels: NDArray[np.float32],
    material: str,
    differ: Callable[[Images, Images], bool],
) -> None:
    scene = make_scene(material, texels=texels)
    predicted = []
    for seed in range(NUM_RUNS):
        transport = ei.LightTransport.record(scene, spp=SPP, seed=seed)
        predicted.append(transport.matvec(texels.reshape(-1, 3)) + transport.offset)
    rendered = [ei.render(scene, spp=SPP, seed=1000 + k) for k in range(NUM_RUNS)]
    assert not differ(stacked(predicted), stacked(rendered))


def test_a_look_up_errs_by_no_more_than_the_texture_units_round(
    make_scene: MakeScene,
    random_map: MakeMap,
    variant: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Pixels see the map itself, and so little of it that the rounding does not average out."""
    texels = random_map(5, 6)
    away = mi.ScalarTransform4f().look_at([0, 0, 4], [0, 1.3, 8], [0, 1, 0])
    film = {"type": "hdrfilm", "width": 512, "height": 2, "pixel_format": "rgb"}
    film["rfilter"] = {"type": "box"}
    sensor = {"type": "perspective", "fov": 30, "to_world": away, "film": film}
    scene = make_scene(texels=texels, sensor0=sensor)
    transport = ei.LightTransport.record(scene, spp=256)
    predicted = transport.matvec(texels.reshape(-1, 3)).reshape(2, 512, 3)
    differences = np.abs(ei.render(scene, spp=256) - predicted)
    half_step = look_up_rounding(texels)
    largest = float(differences.max()) / half_step
    record_property("largest error of a look-up, in half steps", largest)
    noise = 0.05  # a pixel sees 1 / 1000 of a texel, 256 times: 5 standard deviations
    rounding = 1 if variant.startswith("cuda") else 0
    assert largest <= rounding + noise


def test_the_gradient_is_the_adjoint_of_the_derivative(
    make_scene: MakeScene, material: str, rng: np.random.Generator
) -> None:
    scene = make_scene(material)
    of_map, of_image = rng.normal(size=(8, 18, 3)), rng.normal(size=(8, 8, 3))
    of_map[:, [0, -1]] = 0  # the halo
    tensor, image = differentiable_image(scene, scene.mi_scene.integrator())
    dr.set_grad(tensor, mi.TensorXf(of_map))
    dr.enqueue(dr.ADMode.Forward, tensor)
    dr.traverse(dr.ADMode.Forward)
    forward = np.array(dr.grad(image)) * of_image
    tensor, image = differentiable_image(scene, gradient_integrator(scene))
    dr.backward(dr.sum(image * mi.TensorXf(of_image)))
    backward = np.array(dr.grad(tensor)) * of_map
    rounding = 1e-5 * float(np.abs(forward).sum())
    assert forward.sum() == pytest.approx(backward.sum(), abs=rounding)
    assert abs(forward.sum()) > 100 * rounding


def differentiable_image(scene: ei.Scene, integrator: Any) -> tuple[Any, Any]:
    """The map's tensor, and an image that depends on it, by the same paths each time."""
    tensor = mi.TensorXf(dr.detach(scene.envmap.params[f"{scene.envmap.name}.data"]))
    dr.enable_grad(tensor)
    scene.envmap.write_tensor(tensor)
    options: dict[str, Any] = {"integrator": integrator, "spp": 16, "seed": 4, "seed_grad": 5}
    return tensor, mi.render(scene.mi_scene, scene.envmap.params, **options)
