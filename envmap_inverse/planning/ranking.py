"""Predict how well planned pictures will see the sphere, and which to take first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError
from envmap_inverse.planning.information import Information
from envmap_inverse.problem.evidence import Evidence
from envmap_inverse.problem.noise import Noise, expected_variance
from envmap_inverse.problem.posterior import Posterior
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import as_columns

__all__ = ["ViewCoverage", "rank_views"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewCoverage:
    """The part of the map that one of several views reveals.

    Attributes:
        sensor: its index.
        alone: what it reveals by itself.
        together: what it reveals together with the views before it.
        gain: bits that it adds to the views before it.
        coverage: how strongly it sees each texel, shape (H, W, 3): column sums of the light
            transport, averaged over the pixels.
        image: the view under the scene's own map, shape (h, w, 3).

    Example:
        >>> (view,) = ei.rank_views(scene, spp=4)
        >>> isinstance(view, ei.ViewCoverage), view.sensor
        (True, 0)
    """

    sensor: int
    alone: Information
    together: Information
    gain: float
    coverage: NDArray[np.float32]
    image: NDArray[np.float32]

    def __repr__(self) -> str:
        """One line: what it sees alone, and what it adds."""
        return (
            f"<ViewCoverage of sensor {self.sensor}: sees {self.alone.seen_share:.0%} of the "
            f"sphere alone, {self.together.seen_share:.0%} with those before it, and adds "
            f"{self.gain:.0f} bits>"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Look:
    """What a sensor would see.

    Attributes:
        evidence: what a picture of it tells of the map.
        bits: how much that is.
        alone: see `ViewCoverage`, as the others.
    """

    evidence: Evidence
    bits: float
    alone: Information
    coverage: NDArray[np.float32]
    image: NDArray[np.float32]


@exclusive
def rank_views(
    scene: Scene,
    sensors: Sequence[int] | None = None,
    *,
    noise: float = 0.05,
    spp: int = 32,
    seed: int = 0,
) -> tuple[ViewCoverage, ...]:
    """Predict what views will see of the map, and rank them by which to photograph first.

    Deviations are those that `estimate` would report with `Transport(spp=spp)` if it found the
    scene's own map: the same `Posterior`, with natural light as prior. No picture is needed, as on
    the linear model what pictures tell does not depend on their values but for the light that they
    show, which is assumed to be that map's.

    The first view is the one that tells most; each further one is the view that adds most, by half
    the difference of the log2 determinants of the precision of the posterior's coefficients: its
    expected gain of information (Lindley 1956), so that this is greedy Bayesian D-optimal design
    (Chaloner and Verdinelli 1995). The first n views have at least 63 % of the gain of the best n
    (Nemhauser, Wolsey and Fisher 1978).

    Args:
        scene: geometry, materials and sensors. Its map is the light that is assumed; an unknown one
            has the same radiance everywhere, which is the prior's median. The backdrop counts as
            seen where a pixel shows it; `hide_emitters` in the integrator leaves it out.
        sensors: indices of the candidates; all by default.
        noise: standard deviation of a pixel relative to its value. To it comes an error of 10 %
            that a map of finite resolution leaves, as in an estimate.
        spp: paths per pixel. With few of them deviations are too large for mirrors, and too small
            for objects that blur the light, by up to a tenth each.
        seed: seed of the recordings.

    Returns:
        The candidates, best first.

    Raises:
        InputError: if there is no such sensor, noise is not positive, or the light transport cannot
            be recorded.

    Example:
        >>> [view.sensor for view in ei.rank_views(scene, spp=4)]
        [0]
    """
    if not (np.isfinite(noise) and noise > 0):
        raise InputError(f"noise must be a positive number; found {noise}")
    candidates = range(scene.num_sensors) if sensors is None else sensors
    light = _assumed_light(scene)
    of_sensor = {
        sensor: _look(scene, sensor, light, Noise(relative=noise), spp, seed)
        for sensor in dict.fromkeys(candidates)
    }
    looks = [of_sensor[sensor] for sensor in candidates]
    ranked = list[ViewCoverage]()
    for number, gain, known in _by_gain(looks):
        look = looks[number]
        ranked.append(
            ViewCoverage(
                sensor=candidates[number],
                alone=look.alone,
                together=Information.of(known, light) if ranked else look.alone,
                gain=gain,
                coverage=look.coverage,
                image=look.image,
            )
        )
    return tuple(ranked)


def _by_gain(looks: Sequence[_Look]) -> Iterator[tuple[int, float, Evidence]]:
    """Number after number, each of the look that adds most; its gain, and what all so far tell.

    Gains fall as more is known, so that a gain of before is a bound, and few are computed anew
    (Minoux 1978).
    """
    bounds = {number: look.bits for number, look in enumerate(looks)}
    known, fresh = None, dict[int, Evidence]()
    while bounds:
        best = max(bounds, key=bounds.__getitem__)
        if known is None:
            fresh[best] = looks[best].evidence
        elif best not in fresh:
            fresh[best] = known + looks[best].evidence
            bounds[best] = fresh[best].bits - known.bits
            continue
        known = fresh[best]
        yield best, bounds.pop(best), known
        fresh = {}


def _assumed_light(scene: Scene) -> NDArray[np.float32]:
    """The scene's map, shape (H, W, 3), or white light if it is black."""
    texels = np.maximum(scene.envmap.texels, 0)
    return texels if texels.any() else np.ones_like(texels)


def _look(
    scene: Scene, sensor: int, light: NDArray[np.float32], noise: Noise, spp: int, seed: int
) -> _Look:
    """Record what a sensor sees, and what that would tell."""
    transport = LightTransport.record(scene, [sensor], spp=spp, seed=seed)
    shown = transport.matvec(light.reshape(-1, 3)) + transport.offset
    unit = float(np.mean(shown)) or 1.0
    values, texels = (as_columns(each / np.float32(unit)) for each in (shown, light.reshape(-1, 3)))
    variance = expected_variance(values, noise.variance(values), transport.variance(texels))
    evidence = Posterior(transport, texels, variance, unit).evidence
    width, height = scene.film_size(sensor)
    return _Look(
        bits=evidence.bits,
        alone=Information.of(evidence, light),
        evidence=replace(evidence),  # without the large arrays that it has kept
        coverage=transport.coverage / np.float32(len(shown)),
        image=np.ascontiguousarray(shown.reshape(height, width, 3)),
    )
