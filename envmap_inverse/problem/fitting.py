"""Make films and pictures the same size: films follow pictures, and pictures are averaged down."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.errors import InputError
from envmap_inverse.problem.noise import Noise
from envmap_inverse.problem.view import View
from envmap_inverse.scene.films import exact_size, has_crop_window, scaled_size
from envmap_inverse.scene.scene import Scene

__all__ = ["MAX_PIXELS", "area_mean", "fit_films", "has_aspect", "map_size_for", "resized"]

MAX_PIXELS = 10**6
"""Pictures that have more are averaged down to about so many, unless a size is asked for."""

OPEN_SHARE = 0.01
"""Share of a mean that parts clipped at the bottom may hide before it counts as clipped."""

MAX_WIDTH, MIN_WIDTH = 256, 16
"""Size of an unknown map for which none is chosen."""

Size = tuple[int, int]
Cut = Callable[[Scene, Sequence[View]], Sequence[View]]


def fit_films(
    scene: Scene,
    views: Sequence[View],
    *,
    size: int | Size | None = None,
    max_pixels: int | None = MAX_PIXELS,
    is_size_kept: bool = False,
    cut: Cut | None = None,
) -> tuple[View, ...]:
    """Give the films the sizes of their pictures; return the views at those sizes.

    Pictures of one sensor get the size of the smallest. None is ever enlarged. A film whose aspect
    changes keeps its horizontal field of view, with a warning; where the field is a calibrated
    camera's, or the film has a crop window, a picture of another aspect is refused.

    Args:
        scene: its films take the new sizes.
        views: pictures of any size.
        size: of all pictures: the longer side, or (width, height); their own by default.
        max_pixels: that pictures keep if `size` is None; None for all of them.
        is_size_kept: whether pictures that have their film's size already keep it.
        cut: cuts films and pictures of equal sizes, see `cut_films`: before they are averaged down
            to `max_pixels`, so that small objects keep their pixels, but after they are to `size`.

    Raises:
        InputError: if a picture is smaller than `size` or has another aspect than it, than its
            camera's, or than another picture of the same sensor.
    """
    if cut is not None:
        sized = fit_films(scene, views, size=size, max_pixels=None)
        views, is_size_kept = cut(scene, sized), False
        if size is not None:
            return tuple(views)
    for sensor in sorted({view.sensor for view in views}):
        taken = [view for view in views if view.sensor == sensor]
        film = scene.film_size(sensor)
        if is_size_kept and all(_size_of(view) == film for view in taken):
            continue
        chosen = _exact(scene, taken[0], _film_size(taken, size, max_pixels))
        _check_aspect(scene, taken[0], chosen)
        scene.set_film_size(chosen, sensor)
    return tuple(resized(view, *scene.film_size(view.sensor)) for view in views)


def resized(view: View, width: int, height: int) -> View:
    """A view with a smaller picture, whose pixels are the means of what they cover.

    Values are averaged as they are: linear. Masked pixels count as little in the mean as the mask
    says. A pixel is clipped at the top where any part of it that counts is: its mean is a bound,
    too. At the bottom it is so where parts between 0 and `black` leave more than 1 % of the mean
    open; or else a few dark parts, as a noisy picture has everywhere, would turn all into bounds.

    Args:
        view: the view.
        width: of the picture, not more than its own.
        height: the same.
    """
    if view.image.shape[1::-1] == (width, height):
        return view
    mask = view.mask[:, :, None]
    weights = area_mean(mask, width, height)
    weights[weights > 1 - 1e-6] = 1  # but for rounding

    def mean(values: NDArray[Any]) -> NDArray[np.float32]:
        sums = area_mean(values * mask, width, height)
        sums /= np.where(weights > 0, weights, np.float32(1))
        return sums

    count = len(view.image) * view.image.shape[1] / (width * height)
    means, is_over = mean(view.image), mean(view.is_over) > 0
    share_under = mean(view.is_under)
    is_open = True if view.black is None else share_under * view.black > OPEN_SHARE * means
    return replace(
        view,
        image=means,
        mask=weights[:, :, 0],
        over=is_over,
        under=(share_under > 0) & is_open & ~is_over,
        noise=_mean_noise(view.noise, count),
        averaged=view.averaged * count,
    )


def area_mean(image: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """The means of an image over the cells of a grid, parts of pixels counting as such.

    Args:
        image: shape (h, w, channels).
        width: of the grid.
        height: of the grid.

    Returns:
        Shape (height, width, channels).
    """
    rows = _cell_means(np.asarray(image, np.float32), height)
    return np.ascontiguousarray(np.swapaxes(_cell_means(np.swapaxes(rows, 0, 1), width), 0, 1))


def map_size_for(views: Sequence[View]) -> Size:
    """(width, height) of an unknown map: 256 x 128, or as many texels as there are pixels if fewer.

    A map with more texels than the pictures have (unmasked) pixels would be a guess for the most
    part. Objects that are not mirrors blur the light more than 256 columns do.
    """
    num_pixels = sum(np.count_nonzero(view.weights[:, :, 0]) for view in views)
    height = int((num_pixels / 2) ** 0.5)
    width = min(max(2 * height, MIN_WIDTH), MAX_WIDTH)
    return width, width // 2


def _mean_noise(noise: Any, count: float) -> Any:
    """The noise of means of `count` values; what scales with the light is common to them."""
    if not isinstance(noise, Noise):
        return noise  # "auto" goes by the means themselves
    return replace(noise, read=noise.read / count**0.5, shot=noise.shot / count)


def _cell_means(image: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Means along the first axis over `count` cells of equal length."""
    length = len(image)
    edges = np.arange(count + 1) * length / count
    cuts = np.union1d(edges, np.arange(length + 1))  # between two, one pixel is in one cell
    cell = np.searchsorted(edges, cuts[:-1], side="right") - 1
    shares = (np.diff(cuts) * count / length).astype(np.float32)
    matrix = sparse.csr_matrix((shares, (cell, cuts[:-1].astype(np.intp))), (count, length))
    means: NDArray[np.float32] = matrix @ image.reshape(length, -1)
    return means.reshape(count, *image.shape[1:])


def _film_size(views: Sequence[View], size: int | Size | None, max_pixels: int | None) -> Size:
    """The size that all pictures of a sensor get."""
    smallest = min(views, key=lambda view: view.image.size)
    own = _size_of(smallest)
    for view in views:
        if not has_aspect(_size_of(view), own):
            raise InputError(
                f"{view.name}: is {_words(_size_of(view))}, but {smallest.name}, of the same "
                f"sensor {view.sensor}, is {_words(own)}; crop one of them, or name the sensor of "
                "each with --sensor"
            )
    if size is None:
        return _reduced(own, max_pixels)
    chosen = scaled_size(own, size) if isinstance(size, int) else size
    asked = str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"
    if min(chosen) < 1 or (isinstance(size, int) and size < 1):
        raise InputError(f"--size {asked}: must be at least 1 pixel")
    if not has_aspect(own, chosen):
        fits = scaled_size(own, max(chosen))
        raise InputError(
            f"--size {asked}: {smallest.name} is {_words(own)}, of another aspect; give "
            f"--size {max(fits)} or --size {fits[0]}x{fits[1]}"
        )
    if chosen[0] > own[0] or chosen[1] > own[1]:
        raise InputError(
            f"--size {asked}: {smallest.name} is only {_words(own)}, and pictures are not "
            f"enlarged; leave --size out, or give at most {max(own)}"
        )
    return chosen


def _reduced(size: Size, max_pixels: int | None) -> Size:
    """The size with at most so many pixels; of those not much smaller, the truest to the aspect."""
    width, height = size
    if max_pixels is None or width * height <= max_pixels:
        return size
    longer = max(size) * (max_pixels / (width * height)) ** 0.5
    candidates = [scaled_size(size, side) for side in range(int(longer), int(0.98 * longer), -1)]
    return min(
        (found for found in candidates if found[0] * found[1] <= max_pixels),
        key=lambda found: abs(found[0] * height - found[1] * width) / max(found),
    )


def _exact(scene: Scene, view: View, size: Size) -> Size:
    """The largest size, up to this one, that shifts nothing; warns if it is smaller."""
    found = exact_size(scene.sensor(view.sensor), size)
    if found != size:
        warnings.warn(
            f"{view.name}: averaged down to {_words(found)}, not {_words(size)}: at that size "
            f"sensor {view.sensor}, a thinlens with a crop window, would be off by a part of a "
            "pixel",
            stacklevel=3,
        )
    return found


def _check_aspect(scene: Scene, view: View, size: Size) -> None:
    """Warn of a film whose aspect changes, or refuse it where that cannot be meant."""
    film = scene.film_size(view.sensor)
    _check_window(scene, view)
    if has_aspect(film, size):
        return
    found = (
        f"{view.name}: is {_words(_size_of(view))}, but the film of sensor {view.sensor} "
        f"is {_words(film)}"
    )
    if scene.has_cameras:
        raise InputError(
            f"{found}, as its camera says; give the picture that the camera took, uncropped"
        )
    if has_crop_window(scene.sensor(view.sensor)):
        raise InputError(
            f"{found}, its crop window; crop the picture alike, or take the window out of the scene"
        )
    warnings.warn(
        f"{found}, of another aspect; the film follows the picture, and its horizontal field of "
        "view stays",
        stacklevel=3,
    )


def _check_window(scene: Scene, view: View) -> None:
    """Refuse a picture of the whole film where the sensor shows a part of it."""
    whole = tuple(map(int, scene.sensor(view.sensor).film().size()))
    if has_crop_window(scene.sensor(view.sensor)) and _size_of(view) == whole:
        raise InputError(
            f"{view.name}: is {_words(_size_of(view))}, the whole film of sensor {view.sensor}, "
            f"whose crop window shows {_words(scene.film_size(view.sensor))} of it; crop the "
            "picture alike, or take the window out of the scene"
        )


def has_aspect(size: Size, other: Size) -> bool:
    """Whether scaling and rounding can have made the smaller size of the larger one."""
    (width, height), (w, h) = (size, other) if size[0] >= other[0] else (other, size)
    return abs(w * height - h * width) <= max(width, height)


def _size_of(view: View) -> Size:
    return view.image.shape[1], view.image.shape[0]


def _words(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
