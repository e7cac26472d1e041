"""Predict how well planned pictures will see the sphere, and which to take first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.scene.scene import Scene
from envmap_inverse.sphere.averages import weighted_mean, weighted_median
from envmap_inverse.sphere.latlong import texel_solid_angles

__all__ = ["Information", "ViewCoverage", "rank_views"]

NUM_BANDS = 30
"""Zones between the zenith and the nadir; patches measure 6 degrees each way."""

Map = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Information:
    """The parts of the map that views reveal, and how well.

    Attributes:
        precision: increase of each texel's inverse variance, which is 1 beforehand, shape (H, W);
            0 where nothing is seen. The precisions of several views add up.

    Example:
        >>> known = ei.Information(precision=np.full((8, 16), 3.0))
        >>> round(known.seen_share, 6), known.median_deviation
        (1.0, 0.5)
    """

    precision: Map

    def __repr__(self) -> str:
        """One line: how much is seen, and how well."""
        height, width = self.precision.shape
        return (
            f"<Information on a map of {width} x {height} texels: {self.seen_share:.0%} of the "
            f"sphere seen, with a median deviation of {self.median_deviation:.2g}>"
        )

    @property
    def deviation(self) -> Map:
        """Standard deviation of each texel relative to the light's level, shape (H, W)."""
        return np.asarray(1 / np.sqrt(1 + self.precision))

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Whether the views remove at least half of each texel's variance, shape (H, W)."""
        return np.asarray(self.precision >= 1)

    @property
    def seen_share(self) -> float:
        """Share of the sphere that is seen."""
        return _mean(self.is_seen)

    @property
    def median_deviation(self) -> float:
        """Median deviation over the part of the sphere that is seen; 1 if nothing is."""
        seen = self.is_seen
        if not seen.any():
            return 1.0
        values, weights = self.deviation[seen], texel_solid_angles(*seen.shape)[seen]
        return weighted_median(values, weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewCoverage:
    """The part of the map that one of several views reveals.

    Attributes:
        sensor: its index.
        alone: what it reveals by itself.
        together: what it reveals together with the views before it.
        gain: bits per direction that it adds to the views before it.
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
            f"{self.gain:.3g} bits per direction>"
        )


@exclusive
def rank_views(
    scene: Scene,
    sensors: Sequence[int] | None = None,
    *,
    noise: float = 0.05,
    spp: int = 16,
    seed: int = 0,
) -> tuple[ViewCoverage, ...]:
    """Predict what views will see of the map, and rank them by which to photograph first.

    The unknown is the map in patches of 6 x 6 degrees, each known beforehand to 100 % of the
    light's level. Under uniform light a pixel p has the value v_p, to which the patch c contributes
    T_pc, and the standard deviation noise * v_p. If the other patches are known, the pixels raise
    the precision of c by sum_p (T_pc / (noise * v_p))^2, the diagonal of T^T W T. So the deviation
    is a lower bound: near the truth for mirrors, far below it where the object blurs the light, as
    a diffuse one does.

    The first view is the one that reveals most; each further one is the view that adds most, by the
    mean over the sphere of log2(deviation before / deviation after). This is greedy Bayesian
    D-optimal design (Chaloner and Verdinelli 1995) with that diagonal; the first n views have at
    least 63 % of the gain of the best n (Nemhauser, Wolsey and Fisher 1978).

    Args:
        scene: geometry, materials and sensors. Its map lights the images; the map's mean is the
            light's level, which only matters beside other emitters. The backdrop counts as seen
            where a pixel shows it; `hide_emitters` in the integrator leaves it out.
        sensors: indices of the candidates; all by default.
        noise: standard deviation of a pixel relative to its value, from the camera's noise and
            errors of the scene. Deviations also shrink with the number of the films' pixels.
        spp: paths per pixel in each of two independent recordings; products of the two are
            unbiased estimates of T_pc^2.
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
    remaining = [_view(scene, sensor, noise, spp, seed) for sensor in candidates]
    known, ranked = np.zeros(scene.envmap.resolution[::-1]), list[ViewCoverage]()
    while remaining:
        gains = [_gain(known, view.alone.precision) for view in remaining]
        best = remaining.pop(int(np.argmax(gains)))
        known = known + best.alone.precision
        ranked.append(replace(best, together=Information(precision=known), gain=max(gains)))
    return tuple(ranked)


def _gain(known: Map, added: Map) -> float:
    """Bits per direction gained by adding one precision to another."""
    return _mean(np.log2(1 + added / (1 + known)) / 2)


def _view(scene: Scene, sensor: int, noise: float, spp: int, seed: int) -> ViewCoverage:
    """Evaluate a view as if it were the only candidate."""
    recordings = [
        LightTransport.record(scene, [sensor], spp=spp, seed=number)
        for number in (2 * seed, 2 * seed + 1)
    ]
    texels = scene.envmap.texels
    patch = _patches(*texels.shape[:2])
    first, second = (_grey(recording, patch) for recording in recordings)
    level = _mean(texels.mean(axis=2)) or 1.0
    lamps = recordings[0].offset.mean(axis=1) / level
    values = np.asarray((first + second).sum(axis=1)).ravel() / 2 + lamps
    weights = np.divide(1, noise * values, out=np.zeros_like(values), where=values > 0) ** 2
    # Reconstruction filters with negative lobes may leave a faint patch below 0.
    precision = np.maximum(first.multiply(second).T @ weights, 0)[patch]
    alone = Information(precision=precision)
    light = [r.matvec(texels.reshape(-1, 3)) + r.offset for r in recordings]
    width, height = scene.film_size(sensor)
    return ViewCoverage(
        sensor=sensor,
        alone=alone,
        together=alone,
        gain=_gain(np.zeros_like(precision), precision),
        coverage=np.mean([r.coverage for r in recordings], axis=0) / len(values),
        image=np.mean(light, axis=0).reshape(height, width, 3),
    )


def _patches(height: int, width: int) -> NDArray[np.intp]:
    """Number of each texel's patch, shape (H, W); zones are cut into about square patches."""
    zone = np.minimum(np.arange(height) * NUM_BANDS // (height - 1), NUM_BANDS - 1)
    pieces = np.rint(2 * NUM_BANDS * np.sin(np.pi * (zone + 0.5) / NUM_BANDS))
    piece = (np.arange(width) + 0.5) / width * pieces[:, None]
    _, patch = np.unique(zone[:, None] * 2 * NUM_BANDS + piece.astype(int), return_inverse=True)
    return patch.reshape(height, width)


def _grey(recording: LightTransport, patch: NDArray[np.intp]) -> Any:
    """Mean of T's channels, summed over patches, sparse, shape (pixels, patches)."""
    texels = np.arange(patch.size)
    gather = sparse.csr_matrix((np.ones(patch.size, np.float32), (texels, patch.ravel())))
    return sum(channel @ gather for channel in recording.channels) / 3


def _mean(values: NDArray[Any]) -> float:
    """Mean over the sphere of values (H, W)."""
    return weighted_mean(values, texel_solid_angles(*values.shape))
