"""Write Mitsuba dictionaries as XML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from envmap_inverse.backend import mi
from envmap_inverse.scene.cameras import Camera

__all__ = ["scene_xml"]

_ELEMENTS = {
    "path": "integrator",
    "perspective": "sensor",
    "hdrfilm": "film",
    "independent": "sampler",
    "box": "rfilter",
    **dict.fromkeys(("sphere", "obj", "ply", "serialized"), "shape"),
}
"""XML elements of plugins; all others are BSDFs."""

_VALUES = {bool: "boolean", int: "integer", float: "float", str: "string"}


def scene_xml(described: Mapping[str, Any], cameras: Sequence[Camera]) -> str:
    """The XML file of a scene of shapes and cameras.

    Args:
        described: the scene as a dictionary; its plugins are paths, shapes and BSDFs.
        cameras: its sensors.
    """
    sensors = {camera.name: camera.described for camera in cameras}
    entries = {key: value for key, value in described.items() if key != "type"}
    lines = [line for name, value in {**entries, **sensors}.items() for line in _lines(name, value)]
    return "\n".join(['<scene version="3.0.0">', *(f"    {line}" for line in lines), "</scene>\n"])


def _lines(name: str, value: Any) -> list[str]:
    """An element's lines."""
    if not isinstance(value, Mapping):
        return [_value(name, value)]
    plugin = value["type"]
    if plugin == "rgb":
        return [f'<rgb name="{name}" value="{value["value"]:.9g}"/>']
    tag = _ELEMENTS.get(plugin, "bsdf")
    title = "id" if tag in {"sensor", "shape"} else "name"
    inner = [
        f"    {line}"
        for key, item in value.items()
        if key not in {"type", "id"}
        for line in _lines(key, item)
    ]
    start = f'<{tag} type="{plugin}" {title}={quoteattr(name)}'
    return [f"{start}>", *inner, f"</{tag}>"] if inner else [f"{start}/>"]


def _value(name: str, value: Any) -> str:
    if isinstance(value, mi.ScalarTransform4f):
        numbers = " ".join(f"{number:.9g}" for number in np.array(value.matrix).ravel())
        return f'<transform name="{name}"><matrix value="{numbers}"/></transform>'
    word = str(value).lower() if isinstance(value, bool) else value
    text = f"{word:.9g}" if isinstance(word, float) else str(word)
    return f'<{_VALUES[type(value)]} name="{name}" value={quoteattr(text)}/>'
