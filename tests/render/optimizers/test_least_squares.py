from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from comparing import assert_same_result
from numpy.typing import NDArray
from scipy.optimize import nnls

import envmap_inverse as ei
from envmap_inverse import losses, metrics, priors
from envmap_inverse.optimizers.least_squares import smooth
from envmap_inverse.optimizers.least_squares.smooth import is_blurred, smooth_factor
from envmap_inverse.optimizers.least_squares.solver import LeastSquares
from envmap_inverse.problem import reduced
from envmap_inverse.problem.problem import Problem

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]
Image = NDArray[np.float32]

QUICK = ei.Transport(spp=4)

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}
LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


@pytest.fixture(scope="module")
def lamps() -> Image:
    """A dim room of three lamps, up to a thousand times as bright."""
    texels = np.full((9, 16, 3), 0.05, np.float32)
    texels[3, 4], texels[5, 12], texels[2:4, 7:9] = 50, 20, 1
    return texels


@pytest.fixture(scope="module")
def open_scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """Nothing but the map: a camera that looks across its seam, at rows 3 to 5 of 9."""
    return make_scene(texels=random_map(9, 16), **BEHIND_THE_CAMERA)


# The bound and the solver


@pytest.mark.parametrize("material", ["mirror", "rough", "diffuse"])
def test_no_texel_is_ever_negative(make_scene: MakeScene, lamps: Image, material: str) -> None:
    scene = make_scene(material, size=(12, 12), texels=lamps)
    noisy, lowest = ei.render(scene, spp=1, seed=9), []
    found = ei.estimate(
        scene,
        noisy,
        optimizer=QUICK,
        priors=(),
        loss=ei.MSE(),
        on_iteration=lambda iteration: lowest.append(iteration.texels.min()),
    )
    assert found.texels.min() == 0  # else the bound has not been met
    assert min(lowest) >= 0


@pytest.mark.filterwarnings("ignore:initial map")
@pytest.mark.parametrize("names", [(), ("TotalVariation", "Tikhonov")])
def test_a_start_map_with_negative_texels_gives_none(
    smooth_scene: ei.Scene,
    picture: Image,
    smooth_map: Image,
    rng: np.random.Generator,
    names: tuple[str, ...],
) -> None:
    """A plain Adam may leave such texels."""
    start = rng.normal(1, 0.7, smooth_map.shape)
    chosen = [getattr(priors, name)() for name in names]
    found = ei.estimate(
        smooth_scene, picture, optimizer=ei.Transport(), initial=start, priors=chosen
    )
    assert found.texels.min() >= 0
    assert found.texels.max() < 100


@pytest.mark.filterwarnings("ignore:reference image")
def test_a_picture_whose_mean_is_negative_gives_no_negative_texel(
    smooth_scene: ei.Scene, picture: Image
) -> None:
    """Such is a nearly black one whose dark level was taken out."""
    found = ei.estimate(smooth_scene, -0.01 * picture, optimizer=ei.Transport())
    assert found.texels.min() >= 0
    assert found.texels.max() < 1


@pytest.mark.filterwarnings("ignore:reference image. is black")
def test_a_black_picture_gives_a_dark_map(smooth_scene: ei.Scene) -> None:
    found = ei.estimate(smooth_scene, np.zeros((16, 16, 3)), optimizer=ei.Transport())
    assert found.texels.min() >= 0
    assert found.texels.max() < 0.01


@pytest.mark.parametrize(
    ("material", "size", "spp"),
    [("mirror", 8, 1), ("mirror", 12, 256), ("rough", 8, 64)],
)
def test_the_squared_error_never_rises_and_ends_at_that_of_non_negative_least_squares(
    make_scene: MakeScene, smooth_map: Image, material: str, size: int, spp: int
) -> None:
    """SciPy's active-set method solves the same dense problem. Noise weights are made equal.

    Steps are taken beyond where a run would end.
    """
    scene = make_scene(material, size=(size, size), texels=smooth_map)
    reference = ei.render(scene, spp=spp, seed=999)
    settings = {"spp": 16, "rounds": 40, "iterations": 30, "tolerance": 1e-6, "noise_floor": 1e6}
    recorded, flat = ei.LightTransport.record(scene, spp=16), reference.reshape(-1, 3)
    problem = Problem.create(scene, reference, loss=ei.MSE())
    solver = LeastSquares(ei.Transport(**settings), problem, recorded)
    history = np.array([solver.step(index).loss for index in range(41)])
    assert (np.diff(history) <= 1e-6 * history[:-1] + 1e-9).all()

    optimum = sum(
        nnls(recorded.channels[c].toarray().astype(np.float64), flat[:, c])[1] ** 2
        for c in range(3)
    )
    residual = recorded.matvec(solver.solution().texels.reshape(-1, 3)) - flat
    assert np.sum(residual**2) < 1.03 * optimum


# The start map


@pytest.mark.filterwarnings("ignore:initial map. is black")
@pytest.mark.parametrize("initial", [0.0, 1e-3, 1e3])
def test_the_brightness_of_the_start_map_does_not_matter(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate, initial: float
) -> None:
    found = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(), initial=initial)
    assert metrics.log_rmse(found.texels, result.texels) < 0.02


def test_texels_that_nothing_sees_keep_the_start_value(
    open_scene: ei.Scene, random_map: MakeMap
) -> None:
    start, reference = random_map(9, 16, seed=8), ei.render(open_scene, spp=16, seed=1)
    found = ei.estimate(open_scene, reference, optimizer=ei.Transport(), priors=(), initial=start)
    is_seen = found.coverage > 0
    assert 18 <= is_seen.sum() <= 36  # three rows of four columns, or nearly, in three channels
    np.testing.assert_allclose(found.texels[~is_seen], start[~is_seen], rtol=1e-6)
    assert (found.texels[is_seen] != start[is_seen]).all()


def test_priors_fill_what_nothing_sees_with_the_start_map_at_the_level_of_what_is_seen(
    make_scene: MakeScene, smooth_map: Image
) -> None:
    scene = make_scene(texels=smooth_map, **BEHIND_THE_CAMERA)
    reference = ei.render(scene, spp=64)
    found = ei.estimate(scene, reference, optimizer=ei.Transport(), initial=7 * smooth_map)
    plain = ei.estimate(scene, reference, optimizer=ei.Transport())
    unseen = ~found.seen
    error, of_plain = (
        np.abs(np.log(result.texels / smooth_map))[unseen].mean() for result in (found, plain)
    )
    assert error < 0.15
    assert error < 0.4 * of_plain


@pytest.mark.parametrize("prior", ["Smoothness", "TotalVariation"])
def test_a_smoothness_prior_reaches_texels_that_nothing_sees(
    make_scene: MakeScene, prior: str
) -> None:
    """Left of the seam it is bright, right of it dark, and so are the neighbours out of sight."""
    texels = np.ones((9, 16, 3), np.float32)
    texels[:, 8:] = 5
    scene = make_scene(texels=texels, **BEHIND_THE_CAMERA)
    reference = ei.render(scene, spp=16, seed=1)
    transport = ei.Transport(iterations=50, rounds=5)
    chosen = (getattr(priors, prior)(),)
    found = ei.estimate(scene, reference, optimizer=transport, priors=chosen)
    left, right = found.texels[4, 12], found.texels[4, 3]
    assert (found.coverage[4, [12, 3]] == 0).all()
    assert (left > 1.05 * right).all()


def test_a_result_does_not_look_at_the_scenes_map(
    make_scene: MakeScene, smooth_map: Image, picture: Image, result: ei.Estimate
) -> None:
    scene = make_scene(size=(16, 16), texels=np.full_like(smooth_map, 77))
    found = ei.estimate(scene, picture, optimizer=ei.Transport())
    assert_same_result(found, result)


def test_a_run_leaves_the_scenes_map_as_it_was(make_scene: MakeScene, random_map: MakeMap) -> None:
    scene = make_scene(lamp=LAMP)
    ei.estimate(scene, np.ones((8, 8, 3)), optimizer=QUICK)
    np.testing.assert_array_equal(scene.envmap.texels, random_map())


# Units, exposure and masks


@pytest.mark.parametrize("factor", [1e-5, 1e3])
@pytest.mark.parametrize("is_start_scaled", [False, True])
def test_a_brighter_picture_gives_a_map_brighter_by_as_much(
    smooth_scene: ei.Scene,
    picture: Image,
    result: ei.Estimate,
    factor: float,
    is_start_scaled: bool,
) -> None:
    found = ei.estimate(
        smooth_scene,
        np.float32(factor) * picture,
        optimizer=ei.Transport(),
        initial=factor if is_start_scaled else 1.0,
    )
    np.testing.assert_allclose(found.texels, factor * result.texels, rtol=1e-3)
    np.testing.assert_allclose(found.deviation, factor * result.deviation, rtol=1e-3)
    np.testing.assert_allclose(found.coverage, result.coverage, rtol=1e-5)


@pytest.mark.parametrize("exposure", [0.01, 8.0])
@pytest.mark.parametrize("loss", [kind.__name__ for kind in losses.LOSSES])
def test_exposure_divides_out(
    smooth_scene: ei.Scene, picture: Image, loss: str, exposure: float
) -> None:
    chosen = getattr(losses, loss)()
    view = ei.View(np.float32(exposure) * picture, exposure=exposure)
    expected = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(), loss=chosen)
    found = ei.estimate(smooth_scene, view, optimizer=ei.Transport(), loss=chosen)
    np.testing.assert_allclose(found.texels, expected.texels, rtol=1e-3)


def test_an_exposure_per_channel_divides_out(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate
) -> None:
    exposure = np.float32((4, 0.5, 2))
    view = ei.View(exposure * picture, exposure=exposure)
    found = ei.estimate(smooth_scene, view, optimizer=ei.Transport())
    # The loss's epsilon is a value of the pictures, not of the radiance.
    np.testing.assert_allclose(found.texels, result.texels, rtol=5e-3)


@pytest.mark.parametrize("garbage", [1e6, -1e3, 1e30])
def test_masked_pixels_do_not_matter(
    smooth_scene: ei.Scene, picture: Image, garbage: float
) -> None:
    mask = np.ones((16, 16), np.float32)
    mask[4:8, 3:9] = 0
    results = []
    for value in (0, garbage):
        image = picture.copy()
        image[mask == 0] = value
        view = ei.View(image, mask=mask)
        results.append(ei.estimate(smooth_scene, view, optimizer=ei.Transport()))
    assert_same_result(*results)


def test_a_mask_limits_what_is_recovered(open_scene: ei.Scene) -> None:
    reference = ei.render(open_scene, spp=64, seed=1)
    mask = np.zeros((8, 8), np.float32)
    mask[:, :4] = 1
    whole, half = (
        ei.estimate(open_scene, view, optimizer=ei.Transport(), priors=(), initial=1.0)
        for view in (reference, ei.View(reference, mask=mask))
    )
    hidden = (whole.coverage > 0) & (half.coverage == 0)
    assert hidden.any()
    np.testing.assert_allclose(half.texels[hidden], 1, rtol=1e-6)
    assert (half.coverage > 0).any()


# Smooth changes


@pytest.mark.parametrize("material", ["rough", "diffuse"])
def test_a_smooth_factor_brings_light_to_where_it_comes_from(
    make_scene: MakeScene, material: str
) -> None:
    """What a map lacks as a whole and on one side is found at once."""
    height, width = 16, 32
    across = np.cos(np.linspace(0, 2 * np.pi, width, endpoint=False))[None, :, None]
    wanted = np.exp(0.3 + 0.5 * across * np.ones((height, 1, 3))).astype(np.float32)
    scene = make_scene(material, size=(16, 16), texels=wanted)
    transport = ei.LightTransport.record(scene, spp=64)
    truth = wanted.reshape(-1, 3)
    start = np.ones_like(truth)
    missing = transport.matvec(truth) - transport.matvec(start)
    variance = np.full_like(missing, 1e-4)
    factor = smooth_factor(transport, start, missing, variance)
    seen = transport.coverage.reshape(-1, 3) > 0
    before, after = (np.abs(np.log(f / truth))[seen].mean() for f in (start, factor))
    assert after < 0.35 * before
    left = transport.matvec(factor * start) - transport.matvec(truth)
    assert np.abs(left).mean() < 0.05 * np.abs(missing).mean()


def test_a_quarter_of_the_pixels_shows_how_light_is_spread(
    make_scene: MakeScene, random_map: MakeMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values count in all pixels: noise is averaged as if all of them stood for themselves."""
    truth = random_map(16, 32)
    scene = make_scene("diffuse", size=(24, 24), texels=truth)
    transport = ei.LightTransport.record(scene, spp=64)
    noise = np.random.default_rng(1).normal(0, 0.05, (24 * 24, 3)).astype(np.float32)
    start = np.ones((16 * 32, 3), np.float32)
    observed = transport.matvec(truth.reshape(-1, 3)) + noise
    missing = observed - transport.matvec(start)
    variance = np.full_like(missing, 0.05**2)
    monkeypatch.setattr(smooth, "MAX_PIXELS", 36)  # squares of 4 x 4
    left = []
    for least_side in (4, 5):
        monkeypatch.setattr(reduced, "LEAST_SIDE", least_side)
        factor = smooth_factor(transport, start, missing, variance)
        explained = transport.matvec(factor * start) - transport.matvec(start)
        left.append(np.abs(missing - noise - explained).mean())
    assert left[0] < 1.05 * left[1] < 0.6 * np.abs(missing).mean()


def test_what_does_not_count_has_no_say_in_the_smooth_factor(make_scene: MakeScene) -> None:
    scene = make_scene("diffuse", size=(8, 8), texels=np.ones((8, 16, 3), np.float32))
    transport = ei.LightTransport.record(scene, spp=16)
    start = np.ones((8 * 16, 3), np.float32)
    missing = np.full((64, 3), 5, np.float32)
    factor = smooth_factor(transport, start, missing, np.full((64, 3), np.inf, np.float32))
    np.testing.assert_allclose(factor, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("material", "spp", "expected"), [("mirror", 1, False), ("diffuse", 64, True)]
)
def test_light_is_blurred_by_the_material_and_not_by_few_paths(
    make_scene: MakeScene, random_map: MakeMap, material: str, spp: int, expected: bool
) -> None:
    scene = make_scene(material, size=(32, 32), texels=random_map(16, 32))
    transport = ei.LightTransport.record(scene, spp=spp)
    assert is_blurred(transport) is expected
