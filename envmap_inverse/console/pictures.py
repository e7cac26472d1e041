"""Read the pictures of a command."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from envmap_inverse.console.options import make_fields
from envmap_inverse.console.output import tell
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.images import Picture, read_mask, read_picture
from envmap_inverse.images.response import AUTO, Response, as_response
from envmap_inverse.images.video import is_video, read_frames
from envmap_inverse.problem.noise import Noise
from envmap_inverse.problem.view import Exposure, View, naming_input
from envmap_inverse.scene.scene import Scene

__all__ = [
    "Alpha",
    "Orientation",
    "Reading",
    "Register",
    "noise_of",
    "read_views",
    "response_of",
    "say_how_read",
    "say_shifts",
    "say_who_took_what",
]


class Orientation(enum.StrEnum):
    """Values of --orientation."""

    auto = "auto"
    upright = "upright"
    stored = "stored"


class Register(enum.StrEnum):
    """Values of --register."""

    auto = "auto"
    none = "none"


class Alpha(enum.StrEnum):
    """Values of --alpha."""

    mask = "mask"
    ignore = "ignore"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the files of pictures are read.

    Attributes:
        response: see `View`.
        white: level from which values are clipped at the top, in place of the level of 8-bit files.
        black: the corresponding level at the bottom.
        censoring: whether clipped values are bounds, not exact.
        orientation: "auto", or "upright" or "stored" for all pictures.
        alpha: "mask" or "ignore".
        layer: layer to read from EXR files.
        noise: of all pictures.
    """

    response: Response | str = AUTO
    white: float | None = None
    black: float | None = None
    censoring: bool = True
    orientation: str = "auto"
    alpha: str = "mask"
    layer: str | None = None
    noise: Noise | Literal["auto"] = "auto"

    @classmethod
    def parse(
        cls, faults: Faults, *, response: str, gamma: float | None, noise: str, **more: Any
    ) -> Reading:
        """Parse --response, --gamma and --noise; `faults` keeps what is wrong."""
        return cls(
            response=faults.attempt(response_of, response, gamma) or AUTO,
            noise=faults.attempt(noise_of, noise) or "auto",
            **more,
        )

    def picture(self, path: Path, size: tuple[int, int] | None) -> Picture:
        """Read a picture for a film of (width, height), or upright if the size is None.

        Of a video it is the first frame.
        """
        if is_video(path):
            return self.treated(next(read_frames(path)), size)
        return self.treated(read_picture(path, layer=self.layer), size)

    def treated(self, picture: Picture, size: tuple[int, int] | None) -> Picture:
        """Turn a picture, and drop what is not wanted; see `picture`."""
        if self.response != AUTO and picture.stored is None:
            picture = picture.noting("--response not used: its values are linear")
        picture = _turned(picture, self.orientation, size)
        return _treated(picture, keeps_alpha=self.alpha == "mask", keeps_levels=self.censoring)


def read_views(
    pictures: Sequence[Path],
    sensors: Sequence[int],
    *,
    masks: Sequence[str],
    exposures: Sequence[Exposure],
    reading: Reading,
    sizes: Sequence[tuple[int, int]] | None = None,
) -> list[View]:
    """Read pictures and masks.

    Args:
        pictures: files of the pictures.
        sensors: index of each picture's sensor.
        masks: file of each picture's mask; "none" for no mask.
        exposures: of each picture.
        reading: how the files are read.
        sizes: (width, height) of each picture's film, whose shape decides how the picture is
            turned; None to turn all upright.
    """
    faults, mask_of = Faults(), cache(read_mask)

    def read_view(number: int, mask: str, exposure: Exposure) -> View:
        return View(
            reading.picture(pictures[number], None if sizes is None else sizes[number]),
            sensor=sensors[number],
            mask=None if mask == "none" else mask_of(mask),
            exposure=exposure,
            white=reading.white,
            black=reading.black,
            name=str(pictures[number]),
            noise=reading.noise,
            response=reading.response,
        )

    views = [
        faults.attempt(read_view, *taken)
        for taken in zip(range(len(pictures)), masks, exposures, strict=True)
    ]
    faults.report()
    return [view for view in views if view is not None]


def _turned(picture: Picture, orientation: str, size: tuple[int, int] | None) -> Picture:
    if orientation == "stored":
        return replace(picture, orientation=1)
    if orientation == "upright" or size is None:
        return picture.upright
    return picture.for_size(size)


def _treated(picture: Picture, *, keeps_alpha: bool, keeps_levels: bool) -> Picture:
    """Drop the alpha and the clipping levels that are not wanted."""
    if picture.mask is not None:
        share = 100 * float(1 - picture.mask.mean())
        picture = picture.noting(
            f"masked by its alpha, {share:.3g} % of it" if keeps_alpha else "alpha ignored"
        )
    if not keeps_alpha:
        picture = replace(picture, alpha=None)
    return picture if keeps_levels else replace(picture, white=None, black=None)


def say_who_took_what(scene: Scene, views: Sequence[View]) -> None:
    """Print which sensor took each picture, and how it was read."""
    for number, view in enumerate(views, 1):
        height, width, _ = view.image.shape
        sensor = f"sensor {view.sensor} {scene.sensor(view.sensor).id()}".rstrip()
        notes = () if view.picture is None else view.picture.notes
        cut = () if view.window is None else (f"cut to what counts, {view.window}",)
        off = () if view.shift is None else (_shift_in_words(view.shift),)
        words = f"picture {number}: {view.name} ({width} x {height}), {sensor}"
        tell("; ".join((words, *cut, *off, *notes)))


def say_how_read(views: Sequence[View]) -> None:
    """Print what was done to each picture's values, rows and columns."""
    for view in views:
        if view.picture is not None and view.picture.notes:
            tell(f"{view.name}: {'; '.join(view.picture.notes)}")


def say_shifts(views: Sequence[View]) -> None:
    """Print which pictures were shifted."""
    for view in views:
        if view.shift is not None:
            tell(f"{view.name}: {_shift_in_words(view.shift)}")


def _shift_in_words(shift: tuple[float, float]) -> str:
    return "shifted by {:+.2f}, {:+.2f} pixels, moved back".format(*shift)


def response_of(response: str, gamma: float | None) -> Response | str:
    """Parse --response and --gamma, which is short for gamma:X.

    Raises:
        InputError: if there is no such response, or both are given.
    """
    if gamma is not None and response != AUTO:
        raise InputError(f"--gamma {gamma:g} and --response {response}: give one of them")
    if gamma is not None:
        return naming_input("--gamma", as_response, f"gamma:{gamma:g}")
    return AUTO if response == AUTO else naming_input("--response", as_response, response)


def noise_of(text: str) -> Noise | Literal["auto"]:
    """Parse --noise.

    Raises:
        InputError: if it has an unknown key, or a value that cannot be.
    """
    if text == "auto":
        return "auto"
    made: Noise = make_fields(Noise, f"--noise {text!r}", "" if text == "none" else text)
    return made
