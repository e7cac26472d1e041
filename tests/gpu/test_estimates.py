"""Maps of the bundled bunny, recovered on a GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.losses import LOSSES
from envmap_inverse.metrics import log_rmse, sum_of_squared_errors
from envmap_inverse.optimizers import transport
from envmap_inverse.priors import PRIORS
from envmap_inverse.system.arrays import HOST, Library, to_host

Texels = NDArray[np.float32]
PictureOfBunny = Callable[[int], tuple[ei.Scene, Texels]]

ON_THE_PROCESSOR = """
import sys
import numpy as np
import envmap_inverse as ei
from envmap_inverse.bundled import bunny
picture, *maps = sys.argv[1:]
image = np.load(picture)
try:
    scene = ei.load_scene(bunny(), variant="llvm_ad_rgb")
except ei.BackendError as error:
    sys.exit(f"no libLLVM: {error}")
scene.set_film_size(len(image))
for seed, path in enumerate(maps):
    np.save(path, ei.estimate(scene, image, optimizer=ei.Transport(seed=seed)).texels)
"""


@pytest.fixture(params=[64, 256])
def size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize("frozen", [True, False])
def test_adam_comes_nearer_to_the_true_map(
    picture_of_bunny: PictureOfBunny, size: int, frozen: bool
) -> None:
    scene, picture = picture_of_bunny(size)
    truth = scene.envmap.texels
    result = ei.estimate(
        scene, picture, optimizer=ei.Adam(frozen=frozen), initial=1.0, ground_truth=truth
    )
    errors = [record.error for record in result.history]
    assert (result.status, result.num_dropped) == ("done", 0)
    assert errors[-1] == pytest.approx(sum_of_squared_errors(result.texels, truth), rel=1e-3)
    assert errors[-1] < 0.9 * errors[0]
    np.testing.assert_array_equal(scene.envmap.texels, truth)


def test_replayed_renderings_give_the_map_of_new_ones(picture_of_bunny: PictureOfBunny) -> None:
    """But for rounding: a GPU adds gradients up in any order."""
    scene, picture = picture_of_bunny(64)
    maps, losses = [], []
    for frozen in (True, False):
        adam = ei.Adam(iterations=10, frozen=frozen)
        result = ei.estimate(scene, picture, optimizer=adam, initial=1.0)
        maps.append(result.texels)
        losses.append([record.loss for record in result.history])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    taken_together = 10 * ei.Adam().learning_rate
    assert np.mean(np.abs(maps[0] - maps[1])) < 1e-3 * taken_together


def test_the_transport_comes_nearer_than_adam(picture_of_bunny: PictureOfBunny, size: int) -> None:
    scene, picture = picture_of_bunny(size)
    truth = scene.envmap.texels
    by_adam, by_transport = (
        ei.estimate(scene, picture, optimizer=optimizer).texels
        for optimizer in (ei.Adam(), ei.Transport())
    )
    assert log_rmse(by_transport, truth) < log_rmse(by_adam, truth)


def test_the_map_is_the_processors_to_within_the_noise_of_a_recording(
    picture_of_bunny: PictureOfBunny,
    size: int,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """The same paths are traced; another seed gives others, and a map as good."""
    scene, picture = picture_of_bunny(size)
    ours = ei.estimate(scene, picture, optimizer=ei.Transport(seed=0)).texels
    np.save(tmp_path / "picture.npy", picture)
    paths = [tmp_path / f"{seed}.npy" for seed in range(2)]
    command = [sys.executable, "-c", ON_THE_PROCESSOR, tmp_path / "picture.npy", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "no libLLVM" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    same_seed, other_seed = map(np.load, paths)
    difference, noise = (float(log_rmse(texels, same_seed)) for texels in (ours, other_seed))
    record_property("log RMSE to the processor's map", difference)
    record_property("log RMSE of two seeds", noise)
    assert difference < 0.5 * noise


@pytest.mark.parametrize("material", ["mirror", "rough", "diffuse"])
def test_what_is_solved_on_the_card_is_what_the_processor_finds(
    make_scene: Callable[..., ei.Scene],
    random_map: Callable[..., Texels],
    card: Library,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    material: str,
) -> None:
    """The same recording, but for the order of sums."""
    scene = make_scene(material, size=(64, 64), texels=random_map(16, 32))
    image = ei.render(scene, spp=64)
    views = [ei.View(image), ei.View(np.minimum(2 * image, 1), exposure="auto", white=1.0)]
    found = []
    for library in (HOST, card):
        monkeypatch.setattr(transport, "library_of_variant", lambda library=library: library)
        found.append(ei.estimate(scene, views, optimizer=ei.Transport(spp=16)))
    here, there = found
    difference = float(log_rmse(there.texels, here.texels))
    record_property("log RMSE to the processor's solution", difference)
    assert difference < 1e-2
    np.testing.assert_allclose(there.exposures, here.exposures, rtol=1e-3)
    assert log_rmse(there.deviation, here.deviation) < 1e-2
    assert there.samples(2, seed=0).shape == (2, 16, 32, 3)


@pytest.mark.parametrize("prior", [kind() for kind in PRIORS], ids=lambda p: type(p).__name__)
def test_each_prior_is_the_same_on_the_card(card: Library, prior: ei.Prior) -> None:
    texels, start = np.random.default_rng(4).uniform(0.05, 3, (2, 9, 16, 3)).astype(np.float32)
    here = prior.quadratic(texels, start)
    there = prior.quadratic(card.array(texels), card.array(start))
    expected = here.matrix @ (texels.reshape(-1, 3) - here.centre)
    found = there.matrix @ (card.array(texels).reshape(-1, 3) - there.centre)
    size = np.abs(expected).max()
    np.testing.assert_allclose(to_host(found), expected, rtol=1e-4, atol=1e-5 * size)
    np.testing.assert_allclose(to_host(there.matrix.diagonal()), here.matrix.diagonal(), rtol=1e-5)


@pytest.mark.parametrize("loss", [kind() for kind in LOSSES], ids=lambda p: type(p).__name__)
def test_each_loss_is_the_same_on_the_card(card: Library, loss: ei.Loss) -> None:
    values = np.random.default_rng(5).uniform(0.01, 2, (2, 50, 3)).astype(np.float32)
    for function in (loss, loss.weight):
        found = to_host(function(*map(card.array, values)))
        np.testing.assert_allclose(found, function(*values), rtol=1e-3, atol=1e-6)


def test_the_recording_on_the_card_has_the_products_of_the_processors(
    make_scene: Callable[..., ei.Scene], random_map: Callable[..., Texels], card: Library
) -> None:
    scene = make_scene("rough", size=(32, 32), texels=random_map(16, 32))
    here = ei.LightTransport.record(scene, spp=16)
    there = ei.LightTransport.record(scene, spp=16, library=card)
    assert there.library is card
    generator = np.random.default_rng(3)
    texels, pixels = (generator.random((n, 3), np.float32) for n in (16 * 32, 32 * 32))
    pairs = [
        (there.matvec(card.array(texels)), here.matvec(texels)),
        (there.rmatvec(card.array(pixels)), here.rmatvec(pixels)),
        (there.normal(card.array(texels), card.array(pixels)), here.normal(texels, pixels)),
        (there.gram_diagonal(card.array(pixels)), here.gram_diagonal(pixels)),
        (there.variance(card.array(texels)), here.variance(texels)),
        (there.moved_to(HOST).matvec(texels), here.matvec(texels)),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-4, atol=1e-7)
