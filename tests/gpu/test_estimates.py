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
from envmap_inverse.metrics import log_rmse, sum_of_squared_errors

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
    adam, transport = (
        ei.estimate(scene, picture, optimizer=optimizer).texels
        for optimizer in (ei.Adam(), ei.Transport())
    )
    assert log_rmse(transport, truth) < log_rmse(adam, truth)


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
