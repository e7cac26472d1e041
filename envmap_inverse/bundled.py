"""Where the bundled scenes are."""

from pathlib import Path

__all__ = ["bunny"]


def bunny() -> Path:
    """The bundled bunny's XML file, installed or in a source tree."""
    package = Path(__file__).parent
    for folder in (package / "scenes", package.parent / "scenes"):
        path = folder / "bunny" / "bunny.xml"
        if path.exists():
            return path
    raise FileNotFoundError(f"{package / 'scenes'}: the bundled scenes are missing; reinstall")
