"""Solving on a graphics card, with a stand-in for CuPy: the same maps, and nothing crosses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_bit_equal
from like_cupy import LIKE_CUPY, crossings
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.metrics import log_rmse
from envmap_inverse.optimizers import automatic_weights
from envmap_inverse.optimizers import transport as optimizer_module
from envmap_inverse.system.arrays import HOST, to_host

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]
Image = NDArray[np.float32]

QUICK = ei.Transport(spp=8)


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Chooses where the next map is solved for."""

    def choose(is_on_card: bool) -> None:
        library = LIKE_CUPY if is_on_card else HOST
        monkeypatch.setattr(optimizer_module, "library_of_variant", lambda: library)

    return choose


def clipped(image: Image) -> list[ei.View]:
    stored = np.clip(np.round(255 * image / 2) / 255, 0, 1).astype(np.float32)
    return [ei.View(stored, white=1.0, black=0.0, noise=ei.Noise(read=0.01, shot=0.001))]


def exposed(image: Image) -> list[ei.View]:
    return [
        ei.View(image),
        ei.View(np.minimum(3 * image, 1.5), exposure="auto-rgb", white=1.5),
        ei.View(image / 2, exposure="auto"),
    ]


CASES: dict[str, tuple[Callable[[Image], list[ei.View]], dict[str, Any]]] = {
    "as it is": (lambda image: [ei.View(image)], {}),
    "without priors": (lambda image: [ei.View(image)], {"priors": (), "loss": ei.RelativeMSE()}),
    "with a weight to be chosen": (
        lambda image: [ei.View(image)],
        {"priors": (ei.Smoothness(weight="auto"),)},
    ),
    "clipped": (clipped, {}),
    "of unknown exposure": (exposed, {}),
}


@pytest.mark.parametrize(
    ("material", "case"),
    [("mirror", case) for case in CASES]
    + [("diffuse", case) for case in CASES if case != "with a weight to be chosen"],  # slow
)
def test_the_map_and_its_deviation_are_those_of_the_processor(
    make_scene: MakeScene,
    random_map: MakeMap,
    on_card: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    material: str,
    case: str,
) -> None:
    monkeypatch.setattr(automatic_weights, "MAX_SPLITS", 1)
    scene = make_scene(material, size=(12, 12), texels=random_map(9, 16))
    make_views, options = CASES[case]
    views = make_views(ei.render(scene, spp=64))
    found = []
    for is_on_card in (False, True):
        on_card(is_on_card)
        found.append(ei.estimate(scene, views, optimizer=QUICK, **options))
    here, there = found
    # Without priors a diffuse ball leaves most of the map open, and rounding chooses.
    bound = 0.1 if case == "without priors" else 1e-3
    assert log_rmse(there.texels, here.texels) < bound
    assert log_rmse(there.deviation, here.deviation) < bound
    np.testing.assert_allclose(there.coverage, here.coverage, rtol=1e-4, atol=1e-9)


def test_nothing_but_numbers_crosses_before_the_map_is_found(
    make_scene: MakeScene, random_map: MakeMap, on_card: Callable[[bool], None]
) -> None:
    scene = make_scene(size=(12, 12), texels=random_map(9, 16))
    image = ei.render(scene, spp=64)
    on_card(True)
    crossings.clear()
    before: list[int] = []
    optimizer = ei.Transport(spp=8, max_outliers=0)  # they are looked for on the processor
    ei.estimate(
        scene, image, optimizer=optimizer, on_iteration=lambda _: before.append(sum(crossings))
    )
    assert before == [0] * len(before)
    assert sum(crossings) > 0


def test_a_map_looked_at_on_the_way_is_numpys(
    make_scene: MakeScene, random_map: MakeMap, on_card: Callable[[bool], None]
) -> None:
    scene = make_scene(size=(12, 12), texels=random_map(9, 16))
    image = ei.render(scene, spp=64)
    on_card(True)
    shapes: list[Any] = []
    ei.estimate(
        scene,
        image,
        optimizer=QUICK,
        ground_truth=random_map(9, 16),
        on_iteration=lambda i: shapes.append((i.texels.shape, i.image.shape, i.error)),
    )
    assert {shape[:2] for shape in shapes} == {((9, 16, 3), (12, 12, 3))}
    assert shapes[-1][2] > 0


def test_priors_of_ones_own_are_given_arrays_of_numpy(
    make_scene: MakeScene, random_map: MakeMap, on_card: Callable[[bool], None]
) -> None:
    class Own(ei.Tikhonov):
        def quadratic(self, texels: Image, initial: Image) -> Any:
            assert isinstance(texels, np.ndarray)
            return super().quadratic(texels, initial)

    scene = make_scene(size=(8, 8), texels=random_map(9, 16))
    on_card(True)
    result = ei.estimate(scene, ei.render(scene, spp=16), optimizer=QUICK, priors=(Own(),))
    assert result.status == "done"


# The recording


@pytest.mark.parametrize("masked", [False, True])
def test_a_recording_on_the_card_has_the_products_of_the_processors(
    make_scene: MakeScene, random_map: MakeMap, rng: np.random.Generator, masked: bool
) -> None:
    scene = make_scene("rough", texels=random_map(9, 16))
    masks = [np.arange(64).reshape(8, 8) % 3 > 0] * 2 if masked else None
    options: dict[str, Any] = {"sensors": (0, 0), "masks": masks, "spp": 4}
    here = ei.LightTransport.record(scene, **options)
    there = ei.LightTransport.record(scene, **options, library=LIKE_CUPY)
    texels, pixels = (rng.random((n, 3), np.float32) for n in (9 * 16, 2 * 64))
    of_texels, of_pixels = LIKE_CUPY.array(texels), LIKE_CUPY.array(pixels)
    pairs = [
        (there.matvec(of_texels), here.matvec(texels)),
        (there.rmatvec(of_pixels), here.rmatvec(pixels)),
        (there.normal(of_texels, of_pixels), here.normal(texels, pixels)),
        (there.gram_diagonal(of_pixels), here.gram_diagonal(pixels)),
        (there.sum_of_squares(of_texels), here.sum_of_squares(texels)),
        (there.variance(of_texels), here.variance(texels)),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-5, atol=1e-9)
    assert there.num_entries == here.num_entries


def test_a_recording_is_moved_and_kept_without_a_change(
    make_scene: MakeScene, random_map: MakeMap, tmp_path: Path
) -> None:
    scene = make_scene("rough", texels=random_map(9, 16))
    here = ei.LightTransport.record(scene, spp=4)
    there = here.moved_to(LIKE_CUPY)
    assert there.library is LIKE_CUPY
    assert here.moved_to(HOST) is here
    assert_bit_equal(there.moved_to(HOST), here)
    there.save(tmp_path / "T.npz")
    assert_bit_equal(ei.LightTransport.load(tmp_path / "T.npz"), here)


def test_a_recording_that_does_not_fit_on_the_card_is_refused(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(LIKE_CUPY), "free_memory", lambda: 1000)
    with pytest.raises(ei.InputError, match=r"of the graphics card's memory and .* are free"):
        ei.LightTransport.record(
            make_scene("rough", size=(64, 64)), spp=16, memory_budget=50_000, library=LIKE_CUPY
        )


@pytest.mark.parametrize(
    "chosen", [ei.SH(order=2), ei.SG(lobes=4, free=True), ei.SunSky()], ids=repr
)
def test_few_numbers_are_those_of_the_processor(
    make_scene: MakeScene,
    random_map: MakeMap,
    on_card: Callable[[bool], None],
    chosen: Any,
) -> None:
    scene = make_scene("diffuse", size=(8, 8), texels=random_map(9, 16))
    image, found = ei.render(scene, spp=64), []
    for is_on_card in (False, True):
        on_card(is_on_card)
        optimizer = ei.Transport(spp=8, parameterization=chosen)
        found.append(ei.estimate(scene, image, optimizer=optimizer))
    here, there = found
    np.testing.assert_allclose(there.texels, here.texels, rtol=0.01, atol=0.01)
    assert log_rmse(there.deviation, here.deviation) < 0.05
