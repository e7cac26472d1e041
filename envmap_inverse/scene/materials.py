"""Materials by name, for objects that come without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envmap_inverse.errors import InputError, check_share, did_you_mean

__all__ = ["MATERIALS", "Finish", "Material", "material"]


@dataclass(frozen=True, kw_only=True)
class Material:
    """A material that a name stands for.

    Attributes:
        about: what it is, in a few words.
        bsdf: Mitsuba's dictionary of it.
        reflectance: the parameter of the BSDF that `reflectance` sets; "" if it has none.
        rough: the plugin of the BSDF where it is rough; "" if it is never.
        roughness: alpha, if it is rough by itself.
    """

    about: str
    bsdf: Mapping[str, Any]
    reflectance: str = "specular_reflectance"
    rough: str = "roughconductor"
    roughness: float | None = None


def _metal(name: str, about: str, roughness: float | None = None) -> Material:
    bsdf = {"type": "conductor", "material": name}
    return Material(about=about, bsdf=bsdf, roughness=roughness)


def _grey(value: float) -> dict[str, Any]:
    return {"type": "rgb", "value": value}


def _plastic(share: float, about: str, roughness: float | None = None) -> Material:
    return Material(
        about=about,
        bsdf={"type": "plastic", "diffuse_reflectance": _grey(share)},
        reflectance="diffuse_reflectance",
        rough="roughplastic",
        roughness=roughness,
    )


def _matt(share: float, about: str) -> Material:
    bsdf = {"type": "diffuse", "reflectance": _grey(share)}
    return Material(about=about, bsdf=bsdf, reflectance="reflectance", rough="")


MATERIALS: dict[str, Material] = {
    "mirror": Material(
        about="reflects all light",
        bsdf={"type": "conductor", "material": "none", "specular_reflectance": _grey(1.0)},
    ),
    "chrome": _metal("Cr", "polished chromium"),
    "silver": _metal("Ag", "polished"),
    "aluminium": _metal("Al", "polished"),
    "copper": _metal("Cu", "polished"),
    "gold": _metal("Au", "polished"),
    "brushed-aluminium": _metal("Al", "aluminium of roughness 0.2", 0.2),
    "white-plastic": _plastic(0.8, "diffuse white below a smooth clear surface"),
    "black-plastic": _plastic(0.03, "diffuse black below a smooth clear surface"),
    "satin-plastic": _plastic(0.8, "white plastic of roughness 0.2", 0.2),
    "glazed-ceramic": _plastic(0.7, "diffuse white below a smooth glaze"),
    "grey-diffuse": _matt(0.18, "matt, reflects 18 %"),
    "white-diffuse": _matt(0.8, "matt, reflects 80 %"),
    "glass": Material(
        about="clear, of a closed surface",
        bsdf={"type": "dielectric", "int_ior": "bk7"},
        reflectance="",
        rough="roughdielectric",
    ),
}
"""In the order in which the command line lists them."""


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How the surface of a material differs from what its name says.

    Attributes:
        reflectance: share of the light that is reflected: of a metal, of what the metal would;
            of a plastic, by what is below its surface. None for the material's own.
        roughness: alpha of the GGX distribution of facets. None for the material's own.
    """

    reflectance: float | None = None
    roughness: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("reflectance", "roughness"):
            value = getattr(self, name)
            if value is not None:
                check_share(**{name: value})


def material(name: str, finish: Finish | None = None) -> dict[str, Any]:
    """The BSDF that a name stands for; if it is opaque, of both sides.

    Args:
        name: of `MATERIALS`.
        finish: what differs.

    Raises:
        InputError: if there is no such material, or it does not take a value.
    """
    if name not in MATERIALS:
        near = did_you_mean(name, list(MATERIALS))
        raise InputError(f"{name!r}: unknown; choose one of {', '.join(MATERIALS)}{near}")
    chosen, finish = MATERIALS[name], finish or Finish()
    bsdf = dict(chosen.bsdf)
    if finish.reflectance is not None:
        if not chosen.reflectance:
            raise InputError(f"{name!r}: has no reflectance")
        bsdf[chosen.reflectance] = _grey(finish.reflectance)
    alpha = finish.roughness or chosen.roughness
    if alpha is not None:
        if not chosen.rough:
            raise InputError(f"{name!r}: has no roughness, as it is diffuse")
        bsdf |= {"type": chosen.rough, "distribution": "ggx", "alpha": alpha}
    return bsdf if "dielectric" in bsdf["type"] else {"type": "twosided", "bsdf": bsdf}
