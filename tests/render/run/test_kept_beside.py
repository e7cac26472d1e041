from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.images import read_image
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.thumbnails import Thumbnails
from envmap_inverse.solving.estimate import solve

MakeScene = Callable[..., ei.Scene]


def _finished(
    scene: ei.Scene,
    folder: Path,
    *,
    samples: int = 0,
    **changes: Any,
) -> tuple[ei.Estimate, dict[str, Any], NDArray[np.float32]]:
    """The result of a run, with changes, its summary and its start map."""
    picture = ei.render(scene, spp=16, seed=1)
    problem = Problem.create(
        scene, picture, loss=ei.QuasiLikelihood(), priors=(ei.Tikhonov(),), initial=0.5
    )
    with RunFolder(folder, {}, overwrite=False, frames=False, samples=samples) as run:
        run.begin(problem)
        result = replace(solve(problem, ei.Transport(spp=16), run.add), **changes)
        summary = run.finish(result, problem, loading=0, notes=[])
    return result, summary, problem.initial


def test_a_run_whose_map_is_of_no_use_keeps_its_start(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    _, _, start = _finished(make_scene(), tmp_path / "bad", status="ended: it is worse")
    np.testing.assert_array_equal(read_image(tmp_path / "bad" / "start.exr"), start)
    _finished(make_scene(), tmp_path / "good")
    assert not (tmp_path / "good" / "start.exr").exists()


def test_outliers_are_a_picture_and_a_share(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = make_scene()
    width, height = scene.film_size(0)
    mask = np.zeros((height, width), bool)
    mask[0, :2] = True
    _, summary, _ = _finished(scene, tmp_path / "run", outliers=(mask,))
    kept = read_image(tmp_path / "run" / "outliers.png")
    np.testing.assert_array_equal(kept > 0.5, np.repeat(mask[:, :, None], 3, axis=2))
    assert summary["outlier_share"] == [2 / mask.size]


def test_a_run_plays_eight_maps_or_as_many_as_it_writes(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    for samples, played in ((0, 8), (3, 3)):
        folder = tmp_path / str(samples)
        _finished(make_scene(), folder, samples=samples)
        assert len(Thumbnails.read(folder / "thumbnails.npz").samples) == played
        assert len(list(folder.glob("sample_*.exr"))) == samples
