"""Views: reference images and how they were taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import (
    LARGEST,
    SMALLEST,
    InputError,
    check_counts,
    check_numbers,
    in_short,
    is_auto,
)
from envmap_inverse.images import Picture, read_picture
from envmap_inverse.images.arrays import as_numbers, as_radiance, check_finite
from envmap_inverse.images.response import AUTO, Response, as_response
from envmap_inverse.losses import Censored, Loss
from envmap_inverse.problem.noise import Noise, estimate_noise
from envmap_inverse.problem.rounding import NEAR_WHITE, Rounding, beside
from envmap_inverse.scene.windows import Window

__all__ = ["Exposure", "View", "ViewLike", "as_views", "naming_input", "start_exposures"]


Exposure = float | ArrayLike | Literal["auto", "auto-rgb"]
_UNNAMED = "reference image"
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class View:
    """A reference image and how it was taken.

    A value of a clipped photograph is a bound: at `white` the light was at least that bright, at
    `black` at most. It costs nothing to exceed such a bound (a censored observation).

    Attributes:
        image: linear RGB radiance times exposure, shape (h, w, 3); one of grey values, (h, w) or
            (h, w, 1), stands for grey light. A `Picture`, or the name of an image file, gives its
            upright values, its mask (times the one that is given), and `white` and `black` unless
            they are given; a file also gives its name.
        sensor: index of the scene's sensor that took it.
        mask: weight of each pixel from 0 (ignored) to 1, shape (h, w); all 1 if none is given.
        exposure: factor from radiance to the image's values: a number, one per channel, or "auto"
            or "auto-rgb" to have one or three estimated along with the map. If no view's is known,
            the first view's is 1.
        white: values from here up are clipped; None if none are.
        black: values down from here are clipped; None if none are.
        name: what messages call it.
        noise: of the image's values; "auto" estimates it from the image, see `estimate_noise`.
        over: other values that are clipped at the top, such as means of some that are, shape
            (h, w, 3); None if `white` tells all.
        under: the same at the bottom.
        response: how a file's or `Picture`'s values become linear: "auto" to do as it says, and to
            find the camera's response from several exposures (see `with_found_responses`), "srgb",
            "linear", "gamma:2.2", or a file with a curve (see `as_response`).
        picture: what `image` was read as, without its values, which says more of the camera; None
            if it was an array.
        window: the part of the picture that `image` is, if it was cut; None for all of it.
        crop: (x, y, width, height) of the picture in the whole one that its film shows, in pixels,
            if it is a crop that was placed there; None if it is not.
        shift: pixels to the right and down by which the picture was off, and was moved back; None
            if it was not.
        averaged: values of the picture's file of which each is the mean.

    Example:
        >>> ei.View("photo.jpg", exposure="auto")
        <View 'photo.jpg': 8 x 8 pixels, sensor 0, exposure auto...>
        >>> left = ei.View(image, mask=np.arange(8) < np.full((8, 1), 4))
        >>> float(left.weights.sum().round(4))
        1.0
    """

    image: NDArray[np.float32]
    sensor: int = 0
    mask: NDArray[np.float32] = None  # type: ignore[assignment] # __post_init__ makes it
    exposure: Exposure = 1.0
    white: float | None = None
    black: float | None = None
    name: str = _UNNAMED
    noise: Noise | Literal["auto"] = "auto"
    over: NDArray[np.bool_] | None = None
    under: NDArray[np.bool_] | None = None
    picture: Picture | None = None
    response: Response | str | Path = AUTO
    window: Window | None = None
    crop: tuple[float, float, float, float] | None = None
    shift: tuple[float, float] | None = None
    averaged: float = 1.0

    if TYPE_CHECKING:  # at run time the dataclass has it

        def __init__(
            self,
            image: ArrayLike | Path | Picture,
            sensor: int = 0,
            mask: ArrayLike | None = None,
            exposure: Exposure = 1.0,
            white: float | None = None,
            black: float | None = None,
            name: str = _UNNAMED,
            noise: Noise | Literal["auto"] = "auto",
            over: NDArray[np.bool_] | None = None,
            under: NDArray[np.bool_] | None = None,
            picture: Picture | None = None,
            response: Response | str | Path = AUTO,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Read the file, if the image is named, and check shapes and values."""
        check_counts(**{f"{self.name}: sensor": self.sensor}, least=0)
        if not (isinstance(self.response, Response) or is_auto(self.response)):
            object.__setattr__(
                self, "response", naming_input(self.name, as_response, self.response)
            )
        if isinstance(self.image, str | Path | Picture):
            self._take(self.image)
        image = _as_rgb(naming_input(self.name, as_radiance, self.image))
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"{self.name}: must have shape (h, w, 3); found {image.shape}")
        naming_input(self.name, check_finite, image, "repair them or mask them and set them to 0")
        object.__setattr__(self, "image", image)
        mask = np.broadcast_to(np.float32(1), image.shape[:2]) if self.mask is None else self.mask
        object.__setattr__(self, "mask", _checked_mask(self.name, mask, image.shape))
        if not isinstance(self.exposure, str):
            object.__setattr__(self, "exposure", _checked_exposure(self.name, self.exposure))
        elif self.exposure not in {"auto", "auto-rgb"}:
            raise InputError(
                f"{self.name}: exposure {self.exposure!r}: give a number, three, 'auto' or "
                "'auto-rgb'"
            )
        self._check_noise_and_levels()
        _check_flags(self.name, image.shape, over=self.over, under=self.under)
        if not ((self.mask > 0)[:, :, None] & ~self.is_over & ~self.is_under).any():
            raise InputError(
                f"{self.name}: every pixel that counts is clipped; expose it otherwise, or set "
                "white and black"
            )

    def _check_noise_and_levels(self) -> None:
        if not (isinstance(self.noise, Noise) or is_auto(self.noise)):
            found = in_short(self.noise)
            raise InputError(f"{self.name}: noise must be a Noise or 'auto'; found {found}")
        for level in (self.white, self.black):
            is_open = isinstance(level, float | np.floating) and np.isinf(level)
            if not (level is None or is_open):
                check_numbers(**{f"{self.name}: white and black": level})
        white = np.inf if self.white is None else self.white
        black = -np.inf if self.black is None else self.black
        if not black < white:
            raise InputError(
                f"{self.name}: white must be greater than black; found {self.white}, {self.black}"
            )

    def _take(self, source: str | Path | Picture) -> None:
        """Take a picture's upright values; its mask, levels and name where none are given."""
        picture = source if isinstance(source, Picture) else read_picture(source)
        is_named = self.name != _UNNAMED or source is picture
        name = self.name if is_named else str(source)
        if isinstance(self.response, Response):
            picture = picture.linearized(self.response.curves)
        upright = picture.upright
        own = upright.mask
        mask: NDArray[np.float32] | None = self.mask
        if own is not None and not own.any():
            raise InputError(f"{name}: no pixel of it is opaque; ignore its alpha (--alpha ignore)")
        if mask is None:
            mask = own
        elif own is not None and np.shape(mask) == own.shape:
            mask = own * np.asarray(mask, np.float32)
        found = {
            "image": upright.image,
            "picture": replace(upright, image=upright.image[:0], alpha=None),
            "mask": mask,
            "white": picture.white if self.white is None else self.white,
            "black": picture.black if self.black is None else self.black,
            "name": name,
        }
        for key, value in found.items():
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        """One line: what took it, and what of it counts."""
        height, width, _ = self.image.shape
        words = [f"{width} x {height} pixels", f"sensor {self.sensor}", f"exposure {self.exposure}"]
        words += ["masked"] if (self.mask != 1).any() else []
        words += [
            f"clipped {where} {share:.1%}" for where, share in self.clipped_share.items() if share
        ]
        return f"<View {self.name!r}: {', '.join(words)}>"

    @cached_property
    def noise_model(self) -> Noise:
        """The noise as given, or as estimated from the image."""
        if isinstance(self.noise, Noise):
            return self.noise
        counts = (self.weights > 0) & ~self.is_over & ~self.is_under
        return estimate_noise(self.image, counts)

    def variance(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance of the image's values, from those that the light would give without errors.

        It is that of the noise, and of the integers that a file stores (see `Rounding`).
        """
        variance = self.noise_model.variance(values)
        if self._rounding is None:
            return variance
        return variance + self._rounding.variance(values) / np.float32(self.averaged)

    @cached_property
    def _rounding(self) -> Rounding | None:
        return Rounding.of(self.picture)

    @property
    def knows_exposure(self) -> bool:
        """Whether the exposure is a number, not "auto"."""
        return not isinstance(self.exposure, str)

    @property
    def bounds(self) -> tuple[NDArray[np.float32], ...]:
        """The image, if nothing is clipped; else the least and the greatest value of each pixel."""
        if not (self.is_over.any() or self.is_under.any()):
            return (self.image,)
        low = np.where(self.is_under, np.float32(-np.inf), self.image)
        return low, np.where(self.is_over, np.float32(np.inf), self.image)

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each value of the image, shape (h, w, 3); sums to 1."""
        share = self.mask / np.float32(3 * self.mask.sum(dtype=np.float64))
        return np.broadcast_to(share[:, :, None], self.image.shape)

    @cached_property
    def is_over(self) -> NDArray[np.bool_]:
        """Which values are clipped at the top, shape (h, w, 3).

        Compression lowers some clipped values: those that are nearly white beside clipped ones.
        """
        if self.white is None:
            return _flagged(self.over, np.zeros((1, 1, 1), bool), self.image.shape)
        is_over = self.image >= self.white
        is_jpeg = self.picture is not None and self.picture.jpeg_quality is not None
        if is_jpeg and self.over is None and is_over.any():
            is_over |= beside(is_over) & (self.image >= NEAR_WHITE * self.white)
        return _flagged(self.over, is_over, self.image.shape)

    @cached_property
    def is_under(self) -> NDArray[np.bool_]:
        """Which values are clipped at the bottom, shape (h, w, 3)."""
        black = -np.inf if self.black is None else self.black
        return _flagged(self.under, self.image <= black, self.image.shape)

    @property
    def clipped_share(self) -> dict[str, float]:
        """Weighted share of the values that are clipped at the top and at the bottom."""
        return {
            "over": float(self.weights[self.is_over].sum(dtype=np.float64)),
            "under": float(self.weights[self.is_under].sum(dtype=np.float64)),
        }


ViewLike = ArrayLike | Path | Picture | View
"""A reference image, the name of its file, or a `View` of either."""


def as_views(views: ViewLike | Sequence[ViewLike], loss: Loss) -> tuple[View, ...]:
    """The views that `estimate` is given; the levels of a `Censored` loss become theirs."""
    several = views if isinstance(views, list | tuple) else [views]
    made = [
        v if isinstance(v, View) else View(cast("ArrayLike | Path | Picture", v)) for v in several
    ]
    return tuple(_clipped(view, loss) if isinstance(loss, Censored) else view for view in made)


def start_exposures(views: Sequence[View]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Exposures to begin with, and which of them are unknown.

    Returns:
        Exposures of each view and channel, (views, 3), 1 where unknown; and for each the number of
        the unknown that it is, or -1. If no view's exposure is known, the first view's is 1.
    """
    exposures = np.ones((len(views), 3), np.float32)
    unknown = np.full((len(views), 3), -1)
    is_any_known = any(view.knows_exposure for view in views)
    for number, view in enumerate(views):
        if view.knows_exposure:
            exposures[number] = view.exposure
        elif number > 0 or is_any_known:
            first = unknown.max() + 1
            unknown[number] = first + (np.arange(3) if view.exposure == "auto-rgb" else 0)
    return exposures, unknown


def _check_flags(name: str, shape: tuple[int, ...], **flags: NDArray[np.bool_] | None) -> None:
    for kind, array in flags.items():
        if array is not None and np.shape(array) != shape:
            raise InputError(f"{name}: {kind} has shape {np.shape(array)} but the image {shape}")


def _flagged(
    flags: NDArray[np.bool_] | None, found: NDArray[np.bool_], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Values that have one flag or the other; they take no memory if there are none."""
    both = found if flags is None else found | np.asarray(flags, bool)
    return both if both.any() else np.broadcast_to(np.False_, shape)


def _clipped(view: View, levels: Censored) -> View:
    """The view, clipped at these levels where it has none of its own."""
    white = levels.white if view.white is None else view.white
    black = levels.black if view.black is None else view.black
    return replace(view, white=white, black=black)


def naming_input(name: str, make: Callable[..., _T], *arguments: Any) -> _T:
    """Call a function; its errors name what they are about."""
    try:
        return make(*arguments)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _as_rgb(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image of one channel, (h, w) or (h, w, 1), as one of three: grey light."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array)


def _checked_exposure(name: str, exposure: ArrayLike) -> float | NDArray[np.float32]:
    given = naming_input(f"{name}: exposure", as_numbers, exposure)
    array = given.astype(np.float64)
    if array.shape not in {(), (3,)} or not ((array >= SMALLEST) & (array <= LARGEST)).all():
        found = array if array.size <= 3 else in_short(array)
        raise InputError(
            f"{name}: exposure must be one or three positive numbers, from {SMALLEST:g} to "
            f"{LARGEST:g}; found {found}"
        )
    return array.astype(np.float32) if array.ndim else float(array)


def _checked_mask(name: str, mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    given = naming_input(f"{name}: its mask", as_numbers, mask)
    array = np.asarray(given, np.float32)
    if array.shape != shape[:2]:
        raise InputError(
            f"{name}: its mask has {array.shape} (rows, columns) but the image {shape[:2]}"
        )
    if not ((array >= 0) & (array <= 1)).all():
        bytes_ = "; divide bytes by 255" if given.dtype.kind == "u" else ""
        raise InputError(
            f"{name}: mask values must lie from 0 to 1; found {array.min():g} to {array.max():g}"
            f"{bytes_}"
        )
    if not array.any():
        raise InputError(f"{name}: the mask leaves no pixel")
    return array
