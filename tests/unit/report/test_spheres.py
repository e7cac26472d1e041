from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse.report.spheres import BALL_PIXELS, balls, look_up, still_view
from envmap_inverse.sphere.latlong import texel_directions
from envmap_inverse.sphere.projections import Latlong


def disk(azimuth: float, elevation: float, radius: float, radiance: float) -> NDArray[np.float32]:
    """A map of 181 x 360 texels, black but for a disk; all in degrees."""
    phi, height = np.radians([azimuth, elevation])
    centre = [np.sin(phi) * np.cos(height), np.sin(height), -np.cos(phi) * np.cos(height)]
    away = np.degrees(np.arccos(np.clip(texel_directions(181, 360) @ centre, -1, 1)))
    return np.where(away[..., None] < radius, radiance, 0).repeat(3, axis=2).astype(np.float32)


def test_looking_up_a_texels_direction_gives_the_texel(rng: np.random.Generator) -> None:
    texels = rng.uniform(0, 1, (9, 16, 3))
    found = look_up(texels, texel_directions(9, 16))
    np.testing.assert_allclose(found[1:-1], texels[1:-1], rtol=1e-9)


def test_balls_in_even_light_send_back_all_of_it() -> None:
    picture = balls(np.full((8, 16, 3), 3.0))
    middle = picture[BALL_PIXELS // 2, BALL_PIXELS // 2 :: BALL_PIXELS]
    np.testing.assert_allclose(middle, 3, rtol=1e-5)
    assert (picture[0, 0] == 0).all()


def test_the_white_ball_shows_the_irradiance() -> None:
    # Under the radiance max(0, z), a surface that faces +z receives the integral of
    # z^2 over a hemisphere, 2 pi / 3, and sends back that over pi.
    texels = np.maximum(texel_directions(64, 128)[:, :, 2:], 0).repeat(3, axis=2)
    middle = balls(texels)[BALL_PIXELS // 2, 5 * BALL_PIXELS // 2]
    np.testing.assert_allclose(middle, 2 / 3, rtol=5e-3)


def test_the_chrome_ball_mirrors_what_is_behind_the_viewer() -> None:
    texels = disk(180, 0, 20, 1) + disk(0, 0, 20, 5)
    middle = balls(texels)[BALL_PIXELS // 2, BALL_PIXELS // 2]
    np.testing.assert_allclose(middle, 1)


def test_the_still_view_has_the_lefthand_side_of_the_map_on_its_left() -> None:
    view = still_view(disk(160, 0, 5, 1))
    assert view[:, : view.shape[1] // 2].sum() > 0
    assert view[:, view.shape[1] // 2 :].sum() == 0


@settings(max_examples=25)
@given(
    texels=st_np.arrays(np.float32, (5, 10, 3), elements=st.floats(0, 100, width=32)),
    direction=st_np.arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(np.any),
)
def test_the_page_looks_a_map_up_as_the_library_does(
    texels: NDArray[np.float32], direction: NDArray[np.float64]
) -> None:
    expected = Latlong(5, 10).look_up(texels)(direction)
    np.testing.assert_allclose(look_up(texels, direction), expected, atol=1e-4)
