"""Register pictures of one sensor: find by how much each is shifted, and move it back.

Cameras on a tripod move by a pixel or two when they are touched. Pictures of a bracket, whose
exposures and clipping differ, are compared by the logarithm of their light, over the pixels that
tell in both.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import Faults, InputError
from envmap_inverse.images.matching import Masked, Offset, best_offset, refined_offset
from envmap_inverse.problem.view import View

__all__ = ["LEAST_LIKENESS", "log_light", "moved", "offsets", "registered"]

MAX_SHIFT, REACH = 20, 60
"""Pixels along an axis from which a shift is an error, as the camera was moved; and by which
shifts are looked for, to say so."""

LEAST_SHIFT = 0.15
"""Pixels of a shift that does no harm; moving a picture by it would blur as much as it mends."""

SIGNIFICANT = 3.0
"""Deviations from which a shift counts."""

LEAST_LIKENESS, SURE = 0.7, 0.85
"""Correlation of pictures that show the same, and that by which a picture can be refused."""

DARK, BRIGHT = 0.01, 95.0
"""Share of a picture's bright light, a percentile, below which noise rules pixels."""

FEWEST = 64
"""Pixels that tell in two pictures, for these to be compared."""

_T = TypeVar("_T", bound=np.generic)
_LOGGER = logging.getLogger(__name__)


def registered(views: Sequence[View]) -> tuple[View, ...]:
    """Move the pictures of each sensor onto the first of them, which stays.

    The picture that tells most comes first; each other one is compared with that of those before it
    with which it shares most pixels that are neither clipped nor dark. Whole pixels of a shift are
    found by normalized correlation, the rest by least squares. A shift that is small beside its
    deviation, or below 0.15 pixels, is left. A picture that is like none of the others
    stays, with a warning.

    A picture is moved by interpolation rather than by moving its camera, so that all pictures of a
    sensor still share one recorded light transport. Bounds stay bounds.

    Args:
        views: pictures of one sensor have one size.

    Returns:
        The views; those that were moved have the `shift`.

    Raises:
        InputError: if a picture is shifted by more than 20 pixels; it names the picture.
    """
    found: list[View] = list(views)
    faults = Faults()
    for sensor in sorted({view.sensor for view in views}):
        numbers = [number for number, view in enumerate(views) if view.sensor == sensor]
        if len(numbers) > 1:
            shifts = faults.attempt(_shifts, [views[number] for number in numbers]) or {}
            for place, offset in shifts.items():
                found[numbers[place]] = _mended(views[numbers[place]], offset)
    faults.report()
    return tuple(found)


def log_light(view: View) -> Masked:
    """The logarithm of a picture's grey light, and which pixels are neither clipped nor dark."""
    light = view.image.mean(axis=2)
    counts = (view.mask > 0) & ~view.is_over.any(axis=2) & ~view.is_under.any(axis=2)
    counts &= light > 0
    if counts.any():
        counts &= light > DARK * float(np.percentile(light[counts], BRIGHT))
    values = np.log(np.where(counts, light, np.float32(1)))
    return np.asarray(values, np.float32), counts


def moved(view: View, x: float, y: float) -> View:
    """The view with a picture that shows at each pixel what it showed (x, y) pixels further on.

    A pixel that lies between others of which one is clipped is clipped, and one that lies between
    others of which one is masked or outside is masked. The mask belongs to the film, and stays.
    """
    counts = view.mask > 0
    inside = _between(counts, x, y, np.logical_and)
    image = _interpolated(np.where(counts[:, :, None], view.image, np.float32(0)), x, y)
    over, under = (
        _between(flags, x, y, np.logical_or) & inside[:, :, None]
        for flags in (view.is_over, view.is_under)
    )
    return replace(
        view,
        image=np.where(inside[:, :, None], image, np.float32(0)),
        mask=np.where(inside, view.mask, np.float32(0)),
        over=over,
        under=under & ~over,
        shift=(x, y),
    )


def offsets(
    counts: Sequence[NDArray[np.bool_]], compare: Callable[[int, int], Offset | None]
) -> dict[int, Offset]:
    """Where each picture shows what the one that tells most shows, by its number.

    Each is compared with that of those before it with which it shares most pixels.

    Args:
        counts: which pixels of each picture tell; they may differ in size.
        compare: finds the offset of the second of two pictures against the first; None if that
            cannot be told.

    Returns:
        The offsets that were found, that of the picture that tells most being none.
    """
    rows, columns = (min(part.shape[axis] for part in counts) for axis in (0, 1))
    parts = [part[:rows, :columns] for part in counts]
    best = max(range(len(counts)), key=lambda k: (np.count_nonzero(counts[k]), -k))
    known = {best: Offset(x=0.0, y=0.0, likeness=1.0, deviation=0.0)}
    shared = np.array([[np.count_nonzero(a & b) for a in parts] for b in parts])
    left = [number for number in range(len(counts)) if number != best]
    while left:
        among = shared[np.ix_(list(known), left)]
        place, turn = np.unravel_index(int(np.argmax(among)), among.shape)
        base, number = list(known)[place], left.pop(int(turn))
        if shared[base, number] >= FEWEST:
            offset = compare(base, number)
            if offset is not None:
                known[number] = offset.after(known[base])
    return known


def _shifts(views: Sequence[View]) -> dict[int, Offset]:
    """By how much each picture is shifted against the first, by its number."""
    logs, faults = [log_light(view) for view in views], Faults()

    def compare(base: int, number: int) -> Offset | None:
        names = views[base].name, views[number].name
        return faults.attempt(_offset, logs[base], logs[number], *names)

    known = offsets([counts for _, counts in logs], compare)
    faults.report()
    at_rest = min(known)  # the first, unless it is unlike the others
    back = replace(known[at_rest], x=-known[at_rest].x, y=-known[at_rest].y)
    return {number: offset.after(back) for number, offset in known.items() if number != at_rest}


def _offset(reference: Masked, image: Masked, other: str, name: str) -> Offset | None:
    """The offset of a picture against another; None, with a warning, if they are too unlike."""
    near = best_offset(reference, image, reach=MAX_SHIFT)
    if near is not None and near.likeness >= LEAST_LIKENESS:
        return refined_offset(reference, image, near)
    far = best_offset(reference, image, reach=REACH)
    if far is None or far.likeness < SURE:
        warnings.warn(
            f"{name}: is too unlike {other} to be registered; do they show the same, from the same "
            "place?",
            stacklevel=6,
        )
        return None
    raise InputError(
        f"{name}: is shifted by {far.x:.0f}, {far.y:.0f} pixels against {other}, more than "
        f"{MAX_SHIFT}; take it again from the same place, give it a sensor of its own, or leave it "
        "where it is with --register none"
    )


def _mended(view: View, offset: Offset) -> View:
    """The view moved, if its offset is one to speak of."""
    size = float(np.hypot(offset.x, offset.y))
    is_moved = size > max(LEAST_SHIFT, SIGNIFICANT * offset.deviation)
    _LOGGER.info(
        "%s: shifted by %+.2f, %+.2f pixels (deviation %.2f), %s",
        view.name,
        offset.x,
        offset.y,
        offset.deviation,
        "moved back" if is_moved else "left as it is",
    )
    return moved(view, offset.x, offset.y) if is_moved else view


def _interpolated(image: NDArray[np.float32], x: float, y: float) -> NDArray[np.float32]:
    """An image (h, w, channels) read (x, y) pixels further on, 0 outside.

    By cubic convolution along each axis (Keys 1981), which blurs less than linear interpolation,
    cut at the two values between which a place lies, so that no lamp rings.
    """
    for axis, shift in ((0, y), (1, x)):
        whole = int(np.floor(shift))
        t = np.float32(shift - whole)
        if t == 0:
            image = _shifted(image, whole, axis)
            continue
        before, left, right, after = (_shifted(image, whole + k, axis) for k in (-1, 0, 1, 2))
        cubic = ((1 + 2 * t) * (1 - t) ** 2) * left + (t * t * (3 - 2 * t)) * right
        cubic += (t * (1 - t) / 2) * ((1 - t) * (right - before) - t * (after - left))
        image = np.clip(cubic, np.minimum(left, right), np.maximum(left, right))
    return image


def _between(flags: NDArray[np.bool_], x: float, y: float, combine: np.ufunc) -> NDArray[np.bool_]:
    """Flags of the pixels between which a place (x, y) further on lies, combined; False outside."""
    for axis, shift in ((0, y), (1, x)):
        whole = int(np.floor(shift))
        near = _shifted(flags, whole, axis)
        flags = near if shift == whole else combine(near, _shifted(flags, whole + 1, axis))
    return flags


def _shifted(image: NDArray[_T], shift: int, axis: int) -> NDArray[_T]:
    """An image read whole pixels further on along an axis, 0 outside."""
    result, length = np.zeros_like(image), image.shape[axis]
    if abs(shift) < length:
        into, out_of = (
            (slice(0, length - shift), slice(shift, length))
            if shift >= 0
            else (slice(-shift, length), slice(0, length + shift))
        )
        rest = (slice(None),) * axis
        result[(*rest, into)] = image[(*rest, out_of)]
    return result
