from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import losses
from envmap_inverse.backend import dr, mi
from envmap_inverse.scene.integrators import gradient_integrator
from envmap_inverse.sphere import latlong

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

NUM_SEEDS = 12
SPP = 256


@pytest.fixture
def small_scene(make_scene: MakeScene, random_map: MakeMap, material: str) -> ei.Scene:
    """An 8 x 8 map seen in each material on an 8 x 8 film."""
    return make_scene(material, texels=random_map(8, 8))


@pytest.fixture
def directions(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A direction of the map, flat RGBA, and one of the image."""
    of_map = rng.normal(size=8 * 8 * 4).astype(np.float32)
    return of_map, rng.normal(size=(8, 8, 3)).astype(np.float32)


def leaf(scene: ei.Scene) -> Any:
    """The flat RGBA texture as a variable that the scene's map depends on."""
    rgba = mi.Float(scene.envmap.rgba)
    dr.enable_grad(rgba)
    scene.envmap.write_tensor(scene.envmap.to_tensor(rgba))
    return rgba


def render_with_gradient(scene: ei.Scene, integrator: Any, seed: int, spp: int = 16) -> Any:
    """An image whose gradient comes from the paths that a primal image of that seed has."""
    return mi.render(
        scene.mi_scene,
        scene.envmap.params,
        integrator=integrator,
        spp=spp,
        seed=seed + 1_000_000,
        seed_grad=seed,
    )


def jacobian_times(scene: ei.Scene, direction: NDArray[np.float32]) -> NDArray[np.float32]:
    rgba = leaf(scene)
    dr.set_grad(rgba, mi.Float(direction))
    dr.enqueue(dr.ADMode.Forward, rgba)
    dr.traverse(dr.ADMode.Forward, dr.ADFlag.ClearEdges)
    image = render_with_gradient(scene, scene.mi_scene.integrator(), seed=4)
    dr.forward_to(image)
    return np.array(dr.grad(image))


def transposed_jacobian_times(
    scene: ei.Scene, weights: NDArray[np.float32], seed: int = 4, spp: int = 16
) -> NDArray[np.float32]:
    rgba = leaf(scene)
    image = render_with_gradient(scene, gradient_integrator(scene), seed, spp)
    dr.backward(dr.sum(image * mi.TensorXf(weights)))
    return np.array(dr.grad(rgba))


def difference_quotient(
    scene: ei.Scene, direction: NDArray[np.float32], seed: int, spp: int
) -> NDArray[np.float64]:
    """Central; the image is linear in the map, so that the step may be large."""
    texels, resolution = scene.envmap.texels, scene.envmap.resolution
    step = 0.5 * texels.min() / np.abs(direction).max()
    change = step * latlong.unflatten_rgba(direction, resolution)
    above = ei.render(scene, texels + change, spp=spp, seed=seed).astype(np.float64)
    return (above - ei.render(scene, texels - change, spp=spp, seed=seed)) / (2 * step)


def test_the_gradient_is_the_adjoint_of_the_derivative(
    small_scene: ei.Scene, directions: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    of_map, of_image = directions
    forward = jacobian_times(small_scene, of_map) * of_image
    backward = transposed_jacobian_times(small_scene, of_image) * of_map
    rounding = 1e-5 * float(np.abs(forward).sum())
    assert forward.sum() == pytest.approx(backward.sum(), abs=rounding)
    assert abs(forward.sum()) > 100 * rounding


def test_alpha_has_no_gradient(
    small_scene: ei.Scene, directions: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    gradient = transposed_jacobian_times(small_scene, directions[1]).reshape(-1, 4)
    assert (gradient[:, 3] == 0).all()
    assert (gradient[:, :3] != 0).any(axis=0).all()


def test_the_gradient_of_a_mirror_is_the_difference_quotient_of_the_same_paths(
    make_scene: MakeScene,
    random_map: MakeMap,
    directions: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    scene, (of_map, of_image) = make_scene("mirror", texels=random_map(8, 8)), directions
    expected = difference_quotient(scene, of_map, seed=4, spp=16) * of_image
    found = transposed_jacobian_times(scene, of_image) * of_map
    assert found.sum() == pytest.approx(expected.sum(), abs=1e-4 * np.abs(expected).sum())


def test_the_gradient_is_the_difference_quotient_in_the_mean(
    small_scene: ei.Scene, directions: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    of_map, of_image = directions
    samples = np.array(
        [
            (
                np.sum(difference_quotient(small_scene, of_map, seed, SPP) * of_image),
                np.sum(transposed_jacobian_times(small_scene, of_image, 99 + seed, SPP) * of_map),
            )
            for seed in range(NUM_SEEDS)
        ]
    )
    (expected, found), errors = samples.mean(axis=0), samples.std(axis=0, ddof=1) / NUM_SEEDS**0.5
    assert np.hypot(*errors) < 0.05 * abs(expected)  # else the next line would prove little
    assert abs(found - expected) < 4.5 * np.hypot(*errors)


@pytest.mark.parametrize("name", [kind.__name__ for kind in losses.LOSSES])
def test_the_gradient_of_a_loss_is_that_of_its_weighted_square(
    name: str, rng: np.random.Generator
) -> None:
    loss = getattr(losses, name)()
    prediction, observation = rng.uniform(0.001, 2, (2, 100))
    double = dr.float64_array_t(mi.Float)
    x = double(prediction)
    dr.enable_grad(x)
    dr.backward(dr.sum(loss(x, double(observation))))
    expected = 2 * loss.weight(prediction, observation) * (prediction - observation)
    np.testing.assert_allclose(np.array(dr.grad(x)), expected, rtol=1e-5)


def test_the_gradient_of_the_squared_error_is_its_difference_quotient(
    rng: np.random.Generator,
) -> None:
    prediction, observation = rng.uniform(0.1, 2, (2, 100))
    double = dr.float64_array_t(mi.Float)
    x = double(prediction)
    dr.enable_grad(x)
    dr.backward(dr.sum(losses.MSE()(x, double(observation))))
    above, below = (losses.MSE()(prediction + step, observation) for step in (1e-6, -1e-6))
    np.testing.assert_allclose(np.array(dr.grad(x)), (above - below) / 2e-6, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("settings", "max_depth", "rr_depth", "hide_emitters"),
    [
        ({"max_depth": 3}, 3, 5, False),
        ({"max_depth": -1}, 2**32 - 1, 5, False),
        ({"max_depth": 7, "rr_depth": 2, "hide_emitters": True}, 7, 2, True),
    ],
)
def test_a_path_tracer_is_differentiated_by_path_replay_of_the_same_depth(
    make_scene: MakeScene,
    settings: dict[str, Any],
    max_depth: int,
    rr_depth: int,
    hide_emitters: bool,
) -> None:
    found = gradient_integrator(make_scene(integrator={"type": "path", **settings}))
    assert type(found) is type(mi.load_dict({"type": "prb"}))
    assert (found.max_depth, found.rr_depth) == (max_depth, rr_depth)
    assert found.hide_emitters == hide_emitters


@pytest.mark.parametrize("kind", ["prb", "direct"])
def test_another_integrator_is_differentiated_as_it_is(make_scene: MakeScene, kind: str) -> None:
    scene = make_scene(integrator={"type": kind})
    assert gradient_integrator(scene) is scene.mi_scene.integrator()


def test_path_replay_renders_what_the_path_tracer_renders(small_scene: ei.Scene) -> None:
    replayed = ei.render(small_scene, spp=4, integrator=gradient_integrator(small_scene))
    np.testing.assert_allclose(replayed, ei.render(small_scene, spp=4), rtol=1e-4)
