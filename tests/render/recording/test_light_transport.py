from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import dense
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, lsqr

import envmap_inverse as ei

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeMap = Callable[..., NDArray[np.float32]]
Pixels = NDArray[np.float32]

NUM_PIXELS, NUM_TEXELS = 64, 9 * 16

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}


@pytest.fixture
def pixels(rng: np.random.Generator) -> Pixels:
    return rng.normal(size=(NUM_PIXELS, 3)).astype(np.float32)


# The operator


def test_a_recording_has_a_row_per_pixel_and_a_column_per_texel(
    transport: ei.LightTransport,
) -> None:
    assert transport.shape == (NUM_PIXELS, NUM_TEXELS)
    assert transport.resolution == (16, 9)
    assert transport.image_sizes == ((8, 8),)
    assert transport.spp == 16
    assert (transport.offset.shape, transport.offset.dtype) == ((NUM_PIXELS, 3), np.float32)


def test_matvec_is_the_matrix_of_each_channel_times_its_column(
    transport: ei.LightTransport, texels: Pixels
) -> None:
    matrices = dense(transport)
    expected = np.stack([matrices[c] @ texels[:, c] for c in range(3)], axis=1)
    found = transport.matvec(texels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rmatvec_is_the_adjoint_of_matvec(
    transport: ei.LightTransport, texels: Pixels, pixels: Pixels
) -> None:
    of_pixels = np.sum(transport.matvec(texels).astype(np.float64) * pixels, axis=0)
    of_texels = np.sum(transport.rmatvec(pixels).astype(np.float64) * texels, axis=0)
    sizes = np.sum(np.abs(transport.matvec(texels) * pixels), axis=0)
    assert (np.abs(of_pixels - of_texels) < 1e-5 * sizes).all()


def test_normal_is_rmatvec_of_weighted_matvec(
    transport: ei.LightTransport, texels: Pixels, pixels: Pixels
) -> None:
    expected = transport.rmatvec(pixels * transport.matvec(texels))
    found = transport.normal(texels, pixels)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_matvec_is_linear(transport: ei.LightTransport, texels: Pixels) -> None:
    other = texels[::-1]
    expected = 2 * transport.matvec(texels) - transport.matvec(other)
    np.testing.assert_allclose(transport.matvec(2 * texels - other), expected, atol=1e-4)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_is_an_operator_that_scipy_solves_with(
    transport: ei.LightTransport, texels: Pixels, channel: int
) -> None:
    operator = transport.linear_operator(channel)
    assert isinstance(operator, LinearOperator)
    assert operator.shape == transport.shape
    image = transport.matvec(texels)[:, channel]
    found = lsqr(operator, image, iter_lim=500)[0]
    residual = operator @ found - image
    assert np.linalg.norm(residual) < 1e-3 * np.linalg.norm(image)


def test_coverage_is_the_column_sums(transport: ei.LightTransport) -> None:
    expected = np.stack([matrix.sum(axis=0) for matrix in dense(transport)], axis=1)
    assert transport.coverage.shape == (9, 16, 3)
    np.testing.assert_allclose(transport.coverage.reshape(-1, 3), expected, rtol=1e-5)


def test_the_gram_diagonal_is_that_of_the_weighted_product(
    transport: ei.LightTransport, rng: np.random.Generator
) -> None:
    weights = rng.uniform(0, 2, (NUM_PIXELS, 3)).astype(np.float32)
    expected = np.stack(
        [
            np.diag(matrix.T @ (weights[:, c, None] * matrix))
            for c, matrix in enumerate(dense(transport))
        ],
        axis=1,
    )
    np.testing.assert_allclose(transport.gram_diagonal(weights), expected, rtol=1e-4)


def test_each_pair_of_pixel_and_texel_is_stored_once(transport: ei.LightTransport) -> None:
    for channel in transport.channels:
        rows = np.repeat(np.arange(NUM_PIXELS), np.diff(channel.indptr))
        pairs = rows * NUM_TEXELS + channel.indices
        assert len(np.unique(pairs)) == len(pairs) == transport.num_entries


def test_an_entry_takes_at_most_twelve_bytes_a_channel(transport: ei.LightTransport) -> None:
    matrices = (*transport.channels, transport.squares)
    arrays = [getattr(matrix, name) for matrix in matrices for name in ("data", "indices")]
    memory = {array.__array_interface__["data"][0]: array.nbytes for array in arrays}
    assert sum(memory.values()) <= 12 * 3 * transport.num_entries
    assert sum(memory.values()) <= transport.nbytes


def test_an_open_view_of_a_white_map_is_white(make_scene: MakeScene) -> None:
    scene = make_scene(texels=np.ones((9, 16, 3), np.float32), **BEHIND_THE_CAMERA)
    transport = ei.LightTransport.record(scene, spp=4)
    np.testing.assert_allclose(transport.matvec(np.ones((NUM_TEXELS, 3))), 1, rtol=1e-5)


def test_a_mirror_is_recorded_where_it_looks(make_scene: MakeScene, random_map: MakeMap) -> None:
    """Through half a degree the camera sees itself, hence nearly one direction of the map."""
    scene = make_scene(texels=random_map(9, 16), size=(8, 8), fov=1)
    expected = ei.render(scene, spp=64)
    transport = ei.LightTransport.record(scene, spp=64)
    found = transport.matvec(scene.envmap.texels.reshape(-1, 3)).reshape(8, 8, 3)
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("reflectance", [(0.9, 0, 0), (0, 0.5, 0.7), (0, 0, 0)])
def test_a_surface_that_swallows_a_colour_is_recorded(
    make_scene: MakeScene, reflectance: tuple[float, float, float]
) -> None:
    bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(reflectance)}}
    sphere = {"type": "sphere", "radius": 3, "bsdf": bsdf}  # fills the film
    scene = make_scene(
        texels=np.ones((9, 16, 3), np.float32), large=sphere, small=BEHIND_THE_CAMERA["small"]
    )
    transport = ei.LightTransport.record(scene, spp=16)
    found = transport.matvec(np.ones((NUM_TEXELS, 3), np.float32))
    np.testing.assert_allclose(found, np.broadcast_to(reflectance, found.shape), atol=1e-3)


# The noise


def test_more_paths_have_less_noise(rough_scene: ei.Scene, texels: Pixels) -> None:
    """Stratification makes it fall faster than that of independent paths, by 1 / spp."""
    spread = []
    for spp in (4, 64):
        runs = [ei.LightTransport.record(rough_scene, spp=spp, seed=k) for k in range(12)]
        spread.append(np.var([run.matvec(texels) for run in runs], axis=0, ddof=1).sum())
    assert spread[1] < spread[0] / 16


def test_russian_roulette_adds_little_noise(make_scene: MakeScene, texels: Pixels) -> None:
    """A path survives by what it carries, whatever the number of paths per pixel."""
    bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.9}}
    spread = []
    for rr_depth in (1, 100):
        scene = make_scene(
            texels=np.ones((9, 16, 3), np.float32),
            integrator={"type": "path", "max_depth": 20, "rr_depth": rr_depth},
            large={"type": "sphere", "bsdf": bsdf},
            small={"type": "sphere", "center": [1.1, 0.5, 0.9], "radius": 0.5, "bsdf": bsdf},
        )
        runs = [ei.LightTransport.record(scene, spp=64, seed=k) for k in range(12)]
        spread.append(np.var([run.matvec(texels) for run in runs], axis=0, ddof=1).sum())
    assert spread[0] < 3 * spread[1]


def test_the_variance_is_never_negative(transport: ei.LightTransport, texels: Pixels) -> None:
    variance = transport.variance(texels)
    assert variance.shape == (NUM_PIXELS, 3)
    assert (variance >= 0).all()
    assert variance.max() > 0


def test_the_variance_grows_with_the_square_of_the_light(
    transport: ei.LightTransport, texels: Pixels
) -> None:
    expected = 100 * transport.variance(texels)
    np.testing.assert_allclose(transport.variance(10 * texels), expected, rtol=1e-4)


def test_the_variance_falls_with_the_number_of_paths(rough_scene: ei.Scene, texels: Pixels) -> None:
    few, many = (
        ei.LightTransport.record(rough_scene, spp=spp).variance(texels).sum() for spp in (8, 128)
    )
    assert many == pytest.approx(few / 16, rel=0.1)


@pytest.mark.parametrize("size", [1, 3])
def test_the_variance_of_a_lamps_light_is_the_true_one_within_a_factor(
    make_scene: MakeScene, size: int
) -> None:
    """With one path a pixel there are no strata, and few paths meet a lamp of a few texels.

    Between texels a path meets a share of their light: the estimate is off by a factor of up to
    3/2, and as much as the square of the mean counts beside the variance.
    """
    texels = np.full((9, 16, 3), 0.01, np.float32)
    texels[3 : 3 + size, 4 : 4 + size] = 50
    scene = make_scene("diffuse", texels=texels)
    runs = [ei.LightTransport.record(scene, spp=1, seed=seed) for seed in range(60)]
    columns = texels.reshape(-1, 3)
    true = np.var([run.matvec(columns) for run in runs], axis=0, ddof=1)
    found = np.mean([run.variance(columns) for run in runs], axis=0)
    ratio = float(found.sum() / true.sum())
    assert 1 / 2 < ratio < 2


@pytest.mark.parametrize(
    ("sensor", "film"),
    [
        ({}, {}),
        ({}, {"rfilter": {"type": "gaussian"}}),
        ({}, {"rfilter": {"type": "gaussian"}, "sample_border": True}),
        ({"type": "thinlens", "aperture_radius": 0.3, "focus_distance": 4.0}, {}),
        ({"shutter_open": 0.0, "shutter_close": 1.0}, {}),
    ],
    ids=["pinhole", "filter", "border", "lens", "shutter"],
)
def test_a_sky_that_is_the_same_everywhere_is_the_same_in_every_pixel(
    scene_dict: MakeDict, sensor: dict[str, Any], film: dict[str, Any]
) -> None:
    described = scene_dict(film=film, **BEHIND_THE_CAMERA)
    described["sensor0"] |= sensor
    transport = ei.LightTransport.record(ei.load_scene(described), spp=4)
    sky = np.full((8 * 16, 3), 2.5, np.float32)
    np.testing.assert_allclose(transport.matvec(sky), 2.5, rtol=1e-5)
