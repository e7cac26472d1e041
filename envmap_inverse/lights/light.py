"""What all descriptions of light start from: a map, and random maps that it might be instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.scene.envmap import as_map

__all__ = ["Light", "Recovered"]

LEAST_SAMPLES = 8
"""Fewer random maps say too little about a variance."""


@runtime_checkable
class Recovered(Protocol):
    """A recovered map, such as an `Estimate`."""

    @property
    def texels(self) -> NDArray[np.float32]: ...  # noqa: D102

    @property
    def posterior(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, eq=False)
class Light:
    """A map and its uncertainty.

    Attributes:
        texels: linear RGB radiance, shape (H, W, 3).
        samples: maps drawn at random that explain the pictures as well, shape (N, H, W, 3); None if
            the uncertainty is not known.
        deviation: standard deviation of each texel, which counts detail too that the samples have
            in common, shape (H, W, 3); None if it is not known.
    """

    texels: NDArray[np.float32]
    samples: NDArray[np.float32] | None = None
    deviation: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Forget samples that are too few."""
        if self.samples is not None and len(self.samples) < LEAST_SAMPLES:
            object.__setattr__(self, "samples", None)

    @classmethod
    def of(cls, source: Light | Recovered | ArrayLike) -> Light:
        """The light of an estimate, with its uncertainty if it is known, or of bare texels.

        Raises:
            InputError: if texels have a wrong shape, or hold NaN or infinity.
        """
        if isinstance(source, Light):
            return source
        if not isinstance(source, Recovered):
            return cls(texels=as_map(source))
        texels, posterior = as_map(source.texels), source.posterior
        if posterior is None:
            return cls(texels=texels)
        return cls(texels=texels, samples=posterior.some_samples, deviation=posterior.deviation)
