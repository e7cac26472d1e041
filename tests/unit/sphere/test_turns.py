"""The turn between two looks at the same light."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from envmap_inverse.sphere.latlong import texel_directions
from envmap_inverse.sphere.turns import Look, Turn, find_turn

HEIGHT = 64
VECTOR = (0.1, 1.9, -0.2)


def light(seed: int, directions: np.ndarray) -> np.ndarray:
    """A log light of some blobs."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(30, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return np.exp(40 * (directions @ places.T - 1)) @ rng.uniform(-2, 2, 30)


def look(seed: int, turn: np.ndarray, hole: np.ndarray) -> Look:
    """The light seen in axes that are turned, but for a hole."""
    own = texel_directions(HEIGHT, 2 * HEIGHT)
    log = light(seed, own @ turn.T) + seed
    return Look(log=log, weights=(own @ hole < 0.9).astype(float))


@pytest.fixture(scope="module")
def turn() -> Turn:
    first = look(1, np.eye(3), np.array([0.0, 0, 1]))
    matrix = Rotation.from_rotvec(VECTOR).as_matrix()
    second = look(1, matrix, np.array([0.0, 0, 1]))
    return find_turn(first, second)


def test_the_turn_is_found_whatever_the_holes(turn: Turn) -> None:
    off = Rotation.from_rotvec(turn.vector).inv() * Rotation.from_rotvec(VECTOR)
    assert np.degrees(off.magnitude()) < 0.1
    assert turn.deviation < 0.1


def test_no_other_turn_is_as_likely(turn: Turn) -> None:
    assert turn.likeness > 0.99
    assert turn.next_likeness < 0.7


def test_looks_at_different_light_are_unlike() -> None:
    hole = np.array([0.0, 0, 1])
    other = find_turn(look(1, np.eye(3), hole), look(2, np.eye(3), hole))
    assert other.likeness < 0.7
