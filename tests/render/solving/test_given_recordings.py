"""A recording that was made before, and the scenes, films and pictures that it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_same_result
from numpy.typing import NDArray

import envmap_inverse as ei

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeMap = Callable[..., NDArray[np.float32]]

QUICK = ei.Transport(spp=4)


@pytest.fixture
def scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    return make_scene("rough", texels=random_map(9, 16))


@pytest.fixture
def picture(scene: ei.Scene) -> NDArray[np.float32]:
    return ei.render(scene, spp=64)


@pytest.fixture
def recording(scene: ei.Scene) -> ei.LightTransport:
    return ei.LightTransport.record(scene, spp=4)


@pytest.fixture
def no_tracing(recording: ei.LightTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("paths are traced")

    monkeypatch.setattr(ei.LightTransport, "record", fail)


def test_the_recording_of_a_result_gives_the_same_bits(
    scene: ei.Scene, picture: NDArray[np.float32]
) -> None:
    first = ei.estimate(scene, picture, optimizer=QUICK, keep_transport=True)
    assert first.transport is not None
    again = ei.estimate(scene, picture, optimizer=ei.Transport(recording=first.transport))
    assert_same_result(again, first)
    assert again.transport is None


def test_a_recording_from_a_file_is_as_good(
    scene: ei.Scene, picture: NDArray[np.float32], recording: ei.LightTransport, tmp_path: Path
) -> None:
    recording.save(tmp_path / "T.npz")
    loaded = ei.LightTransport.load(tmp_path / "T.npz")
    results = [
        ei.estimate(scene, picture, optimizer=ei.Transport(recording=each))
        for each in (recording, loaded)
    ]
    assert_same_result(*results)


@pytest.mark.usefixtures("no_tracing")
def test_other_light_pictures_masks_exposures_losses_and_priors_need_no_tracing(
    scene: ei.Scene, recording: ei.LightTransport, random_map: MakeMap
) -> None:
    scene.set_envmap(random_map(9, 16, seed=2))
    evening = ei.render(scene, spp=64)
    mask = np.ones((8, 8), np.float32)
    mask[:2] = 0
    views = [ei.View(evening, mask=mask), ei.View(2 * evening, exposure="auto")]
    result = ei.estimate(
        scene,
        views,
        optimizer=ei.Transport(recording=recording),
        loss=ei.Huber(),
        priors=(ei.Smoothness(),),
    )
    assert result.status == "done"
    assert result.exposures is not None
    np.testing.assert_allclose(result.exposures[1], 2, rtol=0.05)


@pytest.mark.usefixtures("no_tracing")
def test_the_map_follows_the_light_of_the_pictures(
    scene: ei.Scene, recording: ei.LightTransport
) -> None:
    optimizer = ei.Transport(recording=recording)
    for level in (0.5, 4.0):
        scene.set_envmap(np.full((9, 16, 3), level, np.float32))
        found = ei.estimate(scene, ei.render(scene, spp=64), optimizer=optimizer)
        assert np.median(found.texels) == pytest.approx(level, rel=0.1)


def test_views_are_found_by_their_sensors(scene_dict: MakeDict, random_map: MakeMap) -> None:
    described = scene_dict("rough", texels=random_map(9, 16), cameras=[(0, 0, 4), (4, 1, 0)])
    scene = ei.load_scene(described)
    both = ei.LightTransport.record(scene, (0, 1), spp=4)
    swapped = both.for_sensors((1, 0, 1))
    texels = scene.envmap.texels.reshape(-1, 3)
    first, second = np.split(both.matvec(texels), 2)
    np.testing.assert_array_equal(swapped.matvec(texels), np.concatenate([second, first, second]))
    image = ei.render(scene, spp=64, sensor=1)
    optimizer = ei.Transport(recording=both)
    assert ei.estimate(scene, ei.View(image, sensor=1), optimizer=optimizer).status == "done"


def test_masks_of_views_of_one_sensor_are_taken_together(scene: ei.Scene) -> None:
    upper, lower = np.zeros((2, 8, 8), bool)
    upper[:5], lower[3:] = True, True
    shared = ei.LightTransport.record(scene, (0, 0), masks=[upper, lower], spp=4)
    assert (shared.for_sensors((0,)).rows >= 0).all()


def refusals() -> dict[str, tuple[Callable[[ei.Scene], Any], str]]:
    def film(scene: ei.Scene) -> None:
        scene.set_film_size(6)

    def light(scene: ei.Scene) -> None:
        scene.set_map_size(32, 17)

    return {
        "film": (film, r"recording: of films of 8 x 8 pixels, but .* has 6 x 6"),
        "map": (light, r"recording: of a map of 16 x 9 texels, but the scene's has 32 x 17"),
    }


@pytest.mark.parametrize("change", refusals())
def test_a_recording_of_another_film_or_map_is_refused(
    scene: ei.Scene, recording: ei.LightTransport, change: str
) -> None:
    alter, words = refusals()[change]
    alter(scene)
    image = ei.render(scene, spp=4)
    with pytest.raises(ei.InputError, match=words):
        ei.estimate(scene, image, optimizer=ei.Transport(recording=recording))


@pytest.mark.parametrize("different", [{"material": "mirror"}, {"fov": 41}])
def test_a_recording_of_another_scene_is_refused(
    make_scene: MakeScene,
    random_map: MakeMap,
    recording: ei.LightTransport,
    different: dict[str, Any],
) -> None:
    other = make_scene(**{"material": "rough", "texels": random_map(9, 16), **different})
    with pytest.raises(ei.InputError, match="recording: of another scene; shapes, materials"):
        ei.estimate(other, ei.render(other, spp=4), optimizer=ei.Transport(recording=recording))


def test_a_recording_that_lacks_a_sensor_or_pixels_is_refused(
    scene: ei.Scene, picture: NDArray[np.float32]
) -> None:
    mask = np.ones((8, 8), np.float32)
    mask[0] = 0
    part = ei.LightTransport.record(scene, masks=[mask], spp=4)
    with pytest.raises(ei.InputError, match="recording: lacks pixels that count"):
        ei.estimate(scene, picture, optimizer=ei.Transport(recording=part))
    seen = ei.View(picture, mask=mask)
    assert ei.estimate(scene, seen, optimizer=ei.Transport(recording=part)).status == "done"
    with pytest.raises(ei.InputError, match="recording: sensor 1 is not in it"):
        part.for_sensors((1,))


def test_what_does_not_go_with_a_recording_is_refused(
    scene: ei.Scene, picture: NDArray[np.float32], recording: ei.LightTransport
) -> None:
    with pytest.raises(ei.InputError, match="spp: a recording has its own, 4; leave it out"):
        ei.Transport(spp=4, recording=recording)
    with pytest.raises(ei.InputError, match=r"recording: found str; give a LightTransport"):
        ei.Transport(recording="T.npz")  # type: ignore[arg-type]
    with pytest.raises(ei.InputError, match="refine: changes the scene"):
        ei.estimate(
            scene,
            picture,
            optimizer=ei.Transport(recording=recording),
            refine=ei.Refine(camera=True),
        )
