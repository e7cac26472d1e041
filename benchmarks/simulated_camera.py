"""What a camera makes of light: brackets of JPEG files whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin
from scipy import ndimage

from envmap_inverse.images import linear_to_srgb

__all__ = ["CAMERAS", "SimulatedCamera"]

Pixels = NDArray[np.floating]

F_NUMBER, ISO = 8.0, 100
SAMPLES = "4:2:0"
PHONE_TIMES = ("1/24", "1/60", "1/120", "1/205", "1/553")


def srgb(light: Pixels, shot: int) -> Pixels:  # noqa: ARG001 - the same for every shot
    """The standard curve, for light in [0, 1]."""
    return linear_to_srgb(light)


def film(light: Pixels, shot: int) -> Pixels:  # noqa: ARG001
    """An S-curve as of film: a logistic of the logarithm (Naka and Rushton), 1 at 1."""
    power, middle = 1.1, 0.16
    return light**power / (light**power + middle**power) * (1 + middle**power)


def phone(light: Pixels, shot: int) -> Pixels:
    """A phone's curve: sRGB with more contrast, and shadows lifted or not from shot to shot."""
    values = linear_to_srgb(light)
    contrast = 0.5 + 0.25 * np.sin(2.4 * shot)
    lift = 0.3 * np.sin(1.7 * shot + 1)
    middle = values * (1 - values)
    return values + middle * (contrast * (2 * values - 1) + lift * (1 - values) ** 2)


@dataclass(frozen=True, kw_only=True)
class SimulatedCamera:
    """A camera on a tripod.

    Attributes:
        curve: from light in [0, 1], and the number of the shot, to values in [0, 1].
        times: exposure times in seconds: what EXIF says, and what they are.
        white_balance: factors on red, green and blue.
        vignetting: light lost in the corners of the picture, as a share.
        electrons: that fill a pixel.
        read_noise: in electrons.
        shift: pixels by which shots move, at most.
        quality: of the JPEGs.
    """

    curve: Callable[[Pixels, int], Pixels]
    times: Sequence[tuple[Fraction, float]]
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignetting: float = 0.0
    electrons: float = 20_000
    read_noise: float = 5.0
    shift: float = 0.0
    quality: int = 92

    @property
    def exposures(self) -> NDArray[np.float64]:
        """True exposures, relative to the first."""
        times = np.array([true for _, true in self.times])
        return times / times[0]

    def bracket(self, radiance: Pixels, longest: float, folder: Path, seed: int) -> list[Path]:
        """Take all pictures.

        Args:
            radiance: linear RGB, shape (h, w, 3).
            longest: factor from radiance to the share of a full pixel, in the first picture.
            folder: for the files; they have EXIF data.
            seed: of noise and shifts.
        """
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        paths = []
        for shot, exposure in enumerate(self.exposures):
            path = folder / f"shot_{shot}.jpg"
            values = self.curve(self.light(longest * exposure * radiance, shot, random), shot)
            self._write(path, values, self.times[shot][0])
            paths.append(path)
        return paths

    def light(self, exposed: Pixels, shot: int, random: np.random.Generator) -> Pixels:
        """The share of a full pixel that each pixel holds, with noise, from 0 to 1."""
        moves = random.uniform(-self.shift, self.shift, 2) if shot else np.zeros(2)
        moved = ndimage.shift(exposed, (*moves, 0), order=1, mode="nearest")
        height, width, _ = moved.shape
        y, x = np.indices((height, width))
        off = np.hypot(y - height / 2, x - width / 2) / np.hypot(height / 2, width / 2)
        seen = moved * (1 - self.vignetting * off[..., None] ** 2)
        electrons = np.maximum(seen, 0) / self.white_balance * self.electrons
        full = min(electrons.max() + 1, 1e12)
        noisy = random.poisson(np.minimum(electrons, full)) + random.normal(
            0, self.read_noise, electrons.shape
        )
        return np.clip(noisy / self.electrons * self.white_balance, 0, 1)

    def _write(self, path: Path, values: Pixels, time: Fraction) -> None:
        exif = Image.Exif()
        tags = exif.get_ifd(ExifTags.IFD.Exif)
        tags[ExifTags.Base.ExposureTime] = TiffImagePlugin.IFDRational(time)
        tags[ExifTags.Base.FNumber] = TiffImagePlugin.IFDRational(F_NUMBER)
        tags[ExifTags.Base.ISOSpeedRatings] = ISO
        stored = (255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)
        Image.fromarray(stored).save(path, quality=self.quality, subsampling=SAMPLES, exif=exif)


def _times(*marked: str) -> tuple[tuple[Fraction, float], ...]:
    """Times as marked, whose truth is the nearest third of a stop."""
    return tuple(
        (time, float(2 ** (np.round(3 * np.log2(float(time))) / 3)))
        for time in map(Fraction, marked)
    )


CAMERAS = {
    "sRGB": SimulatedCamera(curve=srgb, times=_times("1/4", "1/15", "1/60", "1/250")),
    "film": SimulatedCamera(
        curve=film,
        times=_times("1/2", "1/6", "1/25", "1/100", "1/400"),
        white_balance=(1.0, 1.0, 1.0),
        vignetting=0.3,
        shift=0.7,
    ),
    "phone": SimulatedCamera(
        curve=phone,
        times=tuple((time, float(time)) for time in map(Fraction, PHONE_TIMES)),
        white_balance=(1.6, 1.0, 1.4),
        electrons=5_000,
        shift=2.0,
        quality=85,
    ),
}
