from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.metrics import log_rmse
from envmap_inverse.optimizers.least_squares.temporal import LEAST_GAIN, Changes, gain_of
from envmap_inverse.problem.problem import Problem
from envmap_inverse.solving.sequence import Follower

Image = NDArray[np.float32]

FEW = ei.Transport(spp=16)
SIZE = (32, 32)


@pytest.fixture
def room(make_scene: Any) -> ei.Scene:
    scene: ei.Scene = make_scene(size=SIZE)
    return scene


@pytest.fixture
def shoot(room: ei.Scene, rng: np.random.Generator) -> Any:
    """Makes pictures of the scene under a map, with 1 % of noise."""
    transport = ei.LightTransport.record(room, spp=256, seed=9)

    def picture(texels: Image) -> Image:
        light = transport.matvec(texels.reshape(-1, 3)).reshape(*SIZE, 3)
        return np.float32(light * (1 + 0.01 * rng.standard_normal(light.shape)))

    return picture


def lit(column: int) -> Image:
    """A dim map with a lamp."""
    texels = np.full((8, 16, 3), 0.5, np.float32)
    texels[3:5, column : column + 2] = 40
    return texels


def test_constant_light_flickers_a_third_as_much_as_independent_maps(
    room: ei.Scene, shoot: Any
) -> None:
    frames = [shoot(lit(7)) for _ in range(6)]
    followed = [result.texels for result in ei.estimate_sequence(room, frames, optimizer=FEW)]
    alone = [ei.estimate(room, frame, optimizer=FEW).texels for frame in frames[3:]]
    flicker = np.mean([log_rmse(a, b) for a, b in zip(followed[4:], followed[3:], strict=False)])
    assert flicker < np.mean([log_rmse(a, b) for a, b in zip(alone[1:], alone, strict=False)]) / 3


def test_a_lamp_is_where_it_has_gone(room: ei.Scene, shoot: Any) -> None:
    maps = [lit(column) for column in (6, 6, 7, 9, 10)]
    for texels, result in zip(
        maps, ei.estimate_sequence(room, map(shoot, maps), optimizer=FEW), strict=True
    ):
        (lamp,) = ei.find_lamps(result).lamps
        (true,) = ei.find_lamps(texels).lamps
        assert np.degrees(np.arccos(lamp.direction @ true.direction)) < 12  # half a texel
        assert lamp.irradiance.mean() == pytest.approx(true.irradiance.mean(), rel=0.2)


def test_other_light_is_solved_for_as_if_it_were_the_first(room: ei.Scene, shoot: Any) -> None:
    frames = [shoot(lit(2)), shoot(lit(10)[:, :, ::-1] * np.float32([1, 2, 4]))]
    _, second = ei.estimate_sequence(room, frames, optimizer=FEW)
    alone = ei.estimate(room, frames[1], optimizer=FEW)
    assert log_rmse(second.texels, alone.texels) < 0.2


def test_the_weight_decides_how_fast_the_map_follows(room: ei.Scene, shoot: Any) -> None:
    frames = [shoot(lit(7)), 1.2 * shoot(lit(7))]
    changes = []
    for weight in (1e-4, 1.0, 1e4):
        temporal = ei.Temporal(weight=weight)
        a, b = ei.estimate_sequence(room, frames, temporal=temporal, optimizer=FEW)
        changes.append(np.log(b.texels.mean() / a.texels.mean()))
    assert changes[0] > 0.1  # of 0.18
    assert changes[0] > changes[1] > changes[2]
    assert abs(changes[2]) < 0.01


def test_frames_are_taken_as_maps_are_asked_for(room: ei.Scene, shoot: Any) -> None:
    taken: list[int] = []

    def camera() -> Iterator[Image]:
        for number in range(3):
            taken.append(number)
            yield shoot(lit(7))

    results = ei.estimate_sequence(room, camera(), optimizer=FEW)
    assert taken == []
    first = next(results)
    assert (taken, first.deviation is None) == ([0], False)
    second = next(results)
    assert (taken, second.deviation, second.history[0].index) == ([0, 1], None, 1)


def test_the_scene_keeps_its_map(room: ei.Scene, shoot: Any) -> None:
    before = room.envmap.texels
    list(ei.estimate_sequence(room, [shoot(lit(7))] * 2, optimizer=FEW))
    np.testing.assert_array_equal(room.envmap.texels, before)


def test_exposures_of_frames_may_change(room: ei.Scene, shoot: Any) -> None:
    frames = [ei.View(shoot(lit(7))), ei.View(2 * shoot(lit(7)), exposure=2)]
    a, b = ei.estimate_sequence(room, frames, optimizer=FEW)
    assert b.texels.mean() == pytest.approx(a.texels.mean(), rel=0.02)


def test_several_cameras_see_each_frame(make_scene: Any) -> None:
    scene = make_scene(size=(16, 16), cameras=[(0, 0, 4), (0, 0, -4)])
    frames = [[ei.render(scene, spp=64, seed=k, sensor=s) for s in (0, 1)] for k in (0, 5)]
    views = [[ei.View(image, sensor=s) for s, image in enumerate(frame)] for frame in frames]
    a, b = ei.estimate_sequence(scene, views, optimizer=FEW)
    truth = scene.envmap.texels
    assert log_rmse(b.texels, truth) < 1.1 * log_rmse(a.texels, truth)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.ones((8, 9, 3)), "frame 1: is 9 x 8, but the first frame is 32 x 32"),
        (np.full((32, 32, 3), np.nan), "frame 1: "),
        ("missing.png", "missing.png: no such image file"),
    ],
)
def test_a_bad_frame_is_named_after_the_maps_before(
    room: ei.Scene, shoot: Any, bad: Any, words: str
) -> None:
    results = ei.estimate_sequence(room, [shoot(lit(7)), bad], optimizer=FEW)
    next(results)
    with pytest.raises(ei.InputError, match=words):
        next(results)


def test_no_frames_are_refused(room: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="frames: there are none"):
        next(ei.estimate_sequence(room, []))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"optimizer": ei.Adam()}, "optimizer: Adam cannot follow frames"),
        ({"temporal": 0.1}, "temporal: found float; give a Temporal"),
    ],
)
def test_what_cannot_follow_frames_is_refused_at_once(
    room: ei.Scene, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ei.InputError, match=words):
        ei.estimate_sequence(room, [], **arguments)


def test_a_tie_has_the_gradient_of_its_energy(rng: np.random.Generator) -> None:
    last, texels, step = (rng.uniform(0.5, 2, (8, 16, 3)).astype(np.float32) for _ in range(3))
    tie = ei.Temporal(weight=0.3)
    form = tie.quadratic(texels, last)
    slope = 2 / 3 * np.sum(step.reshape(-1, 3) * (form.matrix @ (texels - last).reshape(-1, 3)))
    up, down = (form.energy(texels + sign * 1e-2 * step) for sign in (1, -1))
    assert slope == pytest.approx((up - down) / 2e-2, rel=1e-3)
    assert tie.energy(last, last) == 0


@pytest.mark.parametrize("factor", [0.8, 1.02, 1.2])
def test_light_that_fades_is_followed(room: ei.Scene, shoot: Any, factor: float) -> None:
    frames = [factor**frame * shoot(lit(7)) for frame in range(6)]
    first, *_, last = ei.estimate_sequence(room, frames, optimizer=FEW)
    change = np.mean(np.log(last.texels) - np.log(first.texels))
    assert change == pytest.approx(5 * np.log(factor), rel=0.2)


def test_noise_alone_is_no_change(rng: np.random.Generator) -> None:
    frames = np.float32(1) + 0.02 * rng.standard_normal((30, 4000, 3)).astype(np.float32)
    noise = np.full_like(frames[0], 9 * 0.02**2)  # more than there is
    changes = Changes([(50, 80)], frames[0], noise, noise)
    for frame in frames[1:]:
        changes.add(frame, noise, np.ones(frame.shape, bool))
    assert np.mean(changes.excess) == pytest.approx(1, rel=0.3)
    assert not changes.is_strong.any()
    assert np.mean(gain_of(changes.excess)) < LEAST_GAIN + 0.07


def test_a_sequence_goes_on_from_any_frame_with_the_same_bits(room: ei.Scene, shoot: Any) -> None:
    columns = (6, 6, 6, 7, 7, 7, 12)
    frames = [ei.View(shoot(lit(column))) for column in columns]
    problem = Problem.create(
        room, [frames[0]], loss=FEW.default_loss, priors=FEW.default_priors, initial=None
    )

    def begun() -> Follower:
        follower = Follower(problem, FEW, ei.Temporal())
        follower.begin()
        return follower

    whole, states, maps = begun(), [], []
    for frame in frames[1:]:
        states.append({name: np.array(value) for name, value in whole.state().items()})
        maps.append(whole.follow([frame]).texels)
    for number in (1, 3, 5):
        again = begun()
        again.restore(states[number], number + 1)
        for frame, expected in zip(frames[number + 1 :], maps[number:], strict=True):
            np.testing.assert_array_equal(again.follow([frame]).texels, expected)
