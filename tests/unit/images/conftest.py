"""A small picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(0, 1, (7, 9, 3)).astype(np.float32)
