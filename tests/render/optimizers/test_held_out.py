from __future__ import annotations

import functools

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.images import read_image
from envmap_inverse.optimizers.least_squares.solver import LeastSquares
from envmap_inverse.problem.problem import Problem

SIZE, NOISE = 48, 0.1
LEFT_OUT = SIZE**2 // 20


@functools.cache
def _case(material: str = "mirror") -> tuple[ei.Scene, np.ndarray, ei.Noise]:
    """The bunny in a room, a picture with noise, and that noise."""
    scene = bundled_scene("bunny", material)
    scene.set_film_size(SIZE)
    scene.envmap.write(read_image(map_file("windows")))
    clean = ei.render(scene, spp=256, seed=7)
    noise = NOISE * float(clean.mean())
    random = np.random.default_rng(1).standard_normal(clean.shape)
    return scene, (clean + noise * random).astype(np.float32), ei.Noise(read=noise)


@pytest.mark.parametrize("material", ["mirror", "rough"])
def test_held_out_pixels_are_predicted_as_well_as_noise_allows(material: str) -> None:
    scene, picture, noise = _case(material)
    held_out = ei.estimate(scene, ei.View(image=picture, noise=noise)).held_out
    assert held_out is not None
    assert held_out.num_pixels == LEFT_OUT
    assert held_out.spread == pytest.approx((2 / LEFT_OUT) ** 0.5)
    assert held_out.chi2 == pytest.approx(1, abs=0.5)


def test_held_out_pixels_show_noise_that_a_picture_is_said_not_to_have() -> None:
    scene, picture, _ = _case()
    view = ei.View(image=np.maximum(picture, 0), noise=ei.Noise())
    found = ei.estimate(scene, view, priors=())
    assert found.held_out is not None
    assert found.fit is not None
    assert found.held_out.chi2 > 4
    assert found.fit.as_dict()["held_out"]["chi2"] == found.held_out.chi2


def test_the_last_round_sees_all_pixels() -> None:
    scene, picture, noise = _case()
    problem = Problem.create(scene, ei.View(image=picture, noise=noise), loss=ei.QuasiLikelihood())
    solver = LeastSquares(ei.Transport(), problem, ei.LightTransport.record(scene, spp=4))
    unseen = [(solver.weights == 0).all(axis=1).sum()]
    for index in range(4):
        assert not solver.is_finished
        solver.step(index)
        unseen.append((solver.weights == 0).all(axis=1).sum())
        if solver.is_finished:
            break
    assert unseen == [*[LEFT_OUT] * (len(unseen) - 1), 0]


def test_a_single_round_holds_nothing_out() -> None:
    scene, picture, noise = _case()
    view = ei.View(image=picture, noise=noise)
    assert ei.estimate(scene, view, optimizer=ei.Transport(rounds=1)).held_out is None


def test_a_restored_solver_knows_the_pixels_that_were_held_out() -> None:
    scene, picture, noise = _case()
    problem = Problem.create(scene, ei.View(image=picture, noise=noise), loss=ei.QuasiLikelihood())
    transport = ei.LightTransport.record(scene, spp=4)
    solver, again = (LeastSquares(ei.Transport(), problem, transport) for _ in range(2))
    solver.run()
    again.restore(solver.state(), 4)
    assert again.solution().held_out == solver.solution().held_out
    np.testing.assert_array_equal(again.solution().coverage, solver.solution().coverage)


def test_a_uniform_map_that_predicts_held_out_pixels_better_ends_a_run() -> None:
    scene, picture, noise = _case()
    problem = Problem.create(scene, ei.View(image=picture, noise=noise), loss=ei.QuasiLikelihood())
    solver = LeastSquares(ei.Transport(), problem, ei.LightTransport.record(scene, spp=4))
    solver.run()
    assert solver.solution().status == "done"
    solver.held_out.measures[1] += 10  # as if these pixels had been predicted badly
    assert "no better than light that is the same from everywhere" in solver.solution().status
