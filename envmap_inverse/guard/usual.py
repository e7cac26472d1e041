"""Plugins that need no rehearsal."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["is_usual"]

_USUAL = frozenset(
    (
        *("scene", "path", "prb", "direct", "perspective", "hdrfilm"),
        *("box", "tent", "gaussian", "mitchell", "catmullrom", "lanczos"),
        *("independent", "stratified", "multijitter", "orthogonal", "ldsampler"),
        *("sphere", "rectangle", "cube", "disk", "cylinder", "obj", "ply", "serialized"),
        *("diffuse", "conductor", "roughconductor", "dielectric", "roughdielectric", "plastic"),
        *("roughplastic", "thindielectric", "twosided", "mask", "principled"),
        *("envmap", "constant", "point", "area", "directional", "spot"),
        *("bitmap", "checkerboard", "rgb", "uniform", "spectrum", "d65", "srgb"),
    )
)
"""Plugins that no number crashes which `scene/limits.py` allows."""


def is_usual(plugins: Collection[str]) -> bool:
    """Whether a scene of these plugins can do without a rehearsal, which takes a second or two."""
    return _USUAL.issuperset(plugins)
