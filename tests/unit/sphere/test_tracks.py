from __future__ import annotations

import numpy as np

from envmap_inverse.sphere.tracks import tracks_of


def test_lights_are_followed_by_their_directions() -> None:
    maps = np.full((6, 16, 32, 3), 0.1, np.float32)
    for frame, texels in enumerate(maps):
        texels[5, 4 + frame] = 50  # moves
        texels[10, 20] = 30  # stays
    moving, still = tracks_of(maps)
    assert moving.frames == still.frames == list(range(6))
    assert np.ptp(np.array(still.directions), axis=0).max() < 1e-6
    azimuths = [np.degrees(np.arctan2(x, -z)) for x, _, z in moving.directions]
    np.testing.assert_allclose(np.diff(azimuths), 360 / 32, rtol=1e-6)
    assert moving.energy > still.energy


def test_a_light_that_is_back_soon_is_the_same() -> None:
    maps = np.full((12, 16, 32, 3), 0.1, np.float32)
    maps[[0, 1, 4, 11], 5, 4] = 50
    first, second = tracks_of(maps)
    assert (first.frames, second.frames) == ([0, 1, 4], [11])


def test_maps_without_contrast_have_no_lights() -> None:
    assert tracks_of(np.ones((3, 8, 16, 3), np.float32)) == []


def test_what_lies_where_the_pictures_see_next_to_nothing_is_no_light() -> None:
    maps = np.full((3, 16, 32, 3), 0.1, np.float32)
    maps[:, 5, 4] = 50
    maps[1, 10, 20:22] = 40
    coverage = np.ones((16, 32, 3), np.float32)
    assert len(tracks_of(maps, coverage)) == 2
    coverage[10, 20] = 0.01
    assert len(tracks_of(maps, coverage)) == 2  # half of it is known
    coverage[10, 21] = 0.04
    (light,) = tracks_of(maps, coverage)
    assert light.frames == [0, 1, 2]
    assert tracks_of(maps, 0 * coverage) == []
