"""A problem without a scene, for what only looks at its pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import View


def posed(reference: NDArray[np.float32], ground_truth: NDArray[np.float32] | None = None) -> Any:
    return SimpleNamespace(
        views=(View(reference),),
        exposures=np.ones((1, 3), np.float32),
        ground_truth=ground_truth,
    )
