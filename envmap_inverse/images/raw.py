"""Raw files of cameras; reading them needs the extra `raw`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from envmap_inverse.errors import InputError
from envmap_inverse.images.exif import settings_of
from envmap_inverse.images.limits import check_size
from envmap_inverse.images.picture import CameraSettings, Picture, Reading
from envmap_inverse.system.plain_names import plain_name

__all__ = ["Raw"]

FULL = 0.98
"""Share of the full range from which a value is clipped; demosaicking spreads clipped values."""

_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""EXIF's orientation for each of LibRaw's."""


class Raw:
    """Linear, white-balanced as the camera chose, demosaicked by LibRaw; highlights clipped."""

    endings = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw")

    def read(self, path: Path, settings: Reading) -> Picture:  # noqa: ARG002 - linear as it is
        """Read the picture at full size.

        Raises:
            InputError: if rawpy is not installed.
        """
        try:
            import rawpy  # noqa: PLC0415 - an extra
        except ImportError:
            raise InputError(
                f"{path}: raw files need another package: pip install 'envmap-inverse[raw]'"
            ) from None
        try:
            with plain_name(path) as name, rawpy.imread(name) as file:
                check_size(path, file.sizes.width, file.sizes.height)
                turn = _ORIENTATIONS.get(file.sizes.flip, 1)
                values = file.postprocess(
                    gamma=(1, 1),
                    no_auto_bright=True,
                    output_bps=16,
                    output_color=rawpy.ColorSpace.sRGB,
                    use_camera_wb=True,
                    user_flip=0,
                    highlight_mode=rawpy.HighlightMode.Clip,
                )
        except rawpy.LibRawError as error:  # its message is bytes
            raise ValueError(b"; ".join(error.args).decode(errors="replace")) from error
        return Picture(
            image=values.astype(np.float32) / np.float32(65535),
            orientation=turn,
            white=FULL,
            black=1 / 65535,
            bit_depth=16,
            camera=_camera(path),
            notes=("raw values, linear, the camera's white balance",),
        )


def _camera(path: Path) -> CameraSettings:
    """Read the settings from EXIF where Pillow finds it, as in all raw files built like TIFF."""
    try:
        with Image.open(path) as file:
            return settings_of(file.getexif())
    except (OSError, ValueError, SyntaxError):
        return CameraSettings()
