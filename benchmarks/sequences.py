"""Frames a second after the first, and how much constant light flickers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import Case, bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Spread, Table
from benchmarks.timing import timed
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.scene import Scene
from envmap_inverse.sphere.latlong import texel_directions

Image = NDArray[np.float32]

NOISE = 0.01
"""Standard deviation of a pixel as a share of its light, and of the pictures' mean."""

WARM_UP = 6
"""Frames until a map of constant light is as steady as it becomes."""


def sequences(settings: Settings) -> Table:
    """Follow constant light, and a sun, beside independent solutions."""
    size, count = settings.film(256), settings.steps(WARM_UP + 2, 16, 48)
    return Table(
        name="sequences",
        title=f"Sequences, mirror, {size} x {size}",
        note="Frames after the first, with 1 % of noise. A frame alone is `Transport()` on the "
        "same recording. With files: PNGs are read, maps written as EXR and a video made, the time "
        "of the first frame left out. Flicker is the log RMSE between successive maps of constant "
        "light; the error is the log RMSE of the last map. We aimed at 20 frames a second and a "
        "flicker of a third.",
        columns={
            "light": "",
            "frame alone s": ".3f",
            "followed s": ".4f",
            "frames a second": ".1f",
            "alone / followed": ".1f",
            "with files, frames a second": "",
            "flicker alone": "",
            "flicker followed": "",
            "ratio of flicker": "",
            "error alone": ".3f",
            "error followed": ".3f",
        },
        rows=_rows(size, count),
    )


def _rows(size: int, count: int) -> Iterator[tuple[Any, ...]]:
    case = bundled_case(size)
    recording = ei.LightTransport.record(case.scene, spp=64, seed=1)
    shooting = ei.LightTransport.record(case.scene, spp=256, seed=2)
    optimizer = ei.Transport(recording=recording)
    for light, maps in (
        ("constant", [case.truth] * count),
        ("a sun that moves", list(_suns(case.truth, count))),
    ):
        frames = _shot(shooting, maps, size)
        seconds, followed = _followed(case.scene, frames, optimizer)
        alone = [timed(_alone, case, frame, optimizer) for frame in frames[-3:]]
        by_itself = Spread.of(time for time, _ in alone)
        maps_alone = [texels for _, texels in alone]
        flicker = [
            float(np.mean([log_rmse(b, a) for a, b in itertools.pairwise(found)]))
            for found in (maps_alone, followed[WARM_UP:])
        ]
        is_constant = light == "constant"
        cells = [f"{value:.4f}" if is_constant else "" for value in flicker]
        yield (
            light,
            by_itself,
            Spread.of(seconds),
            1 / Spread.of(seconds).median,
            by_itself.median / Spread.of(seconds).median,
            f"{_with_files(case.scene, frames, recording):.1f}",
            *cells,
            f"{flicker[1] / flicker[0]:.2f}" if is_constant else "",
            log_rmse(maps_alone[-1], maps[-1]),
            log_rmse(followed[-1], maps[-1]),
        )


def _shot(shooting: ei.LightTransport, maps: list[Image], size: int) -> list[Image]:
    """Noisy pictures of maps."""
    random = np.random.default_rng(3)
    pictures = []
    for texels in maps:
        light = shooting.matvec(np.asfortranarray(texels.reshape(-1, 3))).reshape(size, size, 3)
        deviation = NOISE * np.hypot(light, NOISE * light.mean())
        pictures.append(np.float32(light + deviation * random.standard_normal(light.shape)))
    return pictures


def _suns(room: Image, count: int) -> Iterator[Image]:
    """The room with a bright disc of 3 degrees that crosses a third of the horizon."""
    directions = texel_directions(*room.shape[:2])
    for azimuth in np.radians(np.linspace(-60, 60, count)):
        sun = np.array([0.8 * np.sin(azimuth), 0.6, 0.8 * np.cos(azimuth)])
        disc = directions @ sun > np.cos(np.radians(3))
        yield np.float32(room + 300 * room.mean() * disc[:, :, None])


def _followed(
    scene: Scene, frames: list[Image], optimizer: ei.Transport
) -> tuple[list[float], list[Image]]:
    """Seconds of each frame after the first, and all maps."""
    results = list(ei.estimate_sequence(scene, frames, optimizer=optimizer))
    return [result.seconds for result in results[1:]], [result.texels for result in results]


def _alone(case: Case, frame: Image, optimizer: ei.Transport) -> Image:
    return ei.estimate(case.scene, frame, optimizer=optimizer).texels


def _with_files(scene: Scene, frames: list[Image], recording: ei.LightTransport) -> float:
    """Frames a second of a run that reads PNGs and leaves a folder."""
    from envmap_inverse.images import read_picture  # noqa: PLC0415
    from envmap_inverse.optimizers.least_squares.temporal import Temporal  # noqa: PLC0415
    from envmap_inverse.problem.problem import Problem  # noqa: PLC0415
    from envmap_inverse.run import sequence  # noqa: PLC0415
    from envmap_inverse.solving.sequence import as_taken  # noqa: PLC0415

    with TemporaryDirectory() as name:
        folder = Path(name)
        exposure = 0.5 / max(float(np.quantile(frames[0], 0.98)), 1e-6)
        for number, frame in enumerate(frames):
            ei.write_image(folder / f"{number}.png", exposure * frame)
        optimizer = ei.Transport(recording=recording)
        first = ei.View(read_picture(folder / "0.png"))
        problem = Problem.create(
            scene, first, loss=optimizer.default_loss, priors=optimizer.default_priors
        )
        like = replace(first, noise=first.noise_model)

        def read(start: int) -> Iterator[ei.View]:
            for number in range(start, len(frames)):
                view = ei.View(read_picture(folder / f"{number}.png"), noise=like.noise_model)
                yield as_taken(view, like)

        summary, _ = sequence.run(
            sequence.SequenceFolder(folder / "run", {}, overwrite=False),
            *(problem, optimizer, Temporal(), read),
            is_stopped=lambda: False,
            checkpoint_every=30.0,
            seconds={},
            notes=[],
        )
    return float(summary["frames_per_second"])
