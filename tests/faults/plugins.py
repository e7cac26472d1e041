"""Scenes of one of Mitsuba's plugins each, with numbers that scenes do not have.

Plugins and their parameters are found out from Mitsuba itself, so that new ones join.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
from seeds import SCENE, SPHERE

__all__ = ["known_plugins", "scene_of_plugin"]

Random = np.random.Generator

NUMBERS = ("-1", "0", "1", "2", "7", "1000", "2147483647", "4294967295")
FLOATS = ("-1", "0", "1e-30", "0.001", "0.5", "1", "30", "1e4", "1e9", "1e38", "inf", "nan")

_INSIDE = (
    "",
    '<bsdf type="diffuse"/>',
    '<integrator type="path"/>',
    '<texture type="checkerboard"/><bsdf type="diffuse"/>',
    '<bsdf type="diffuse"/><bsdf type="conductor"/>',
    '<shape type="sphere"/>',
)
"""What plugins may need inside them, the first that loads is taken."""

_ELEMENTS = {
    "Integrator": "integrator",
    "Sensor": "sensor",
    "Film": "film",
    "Sampler": "sampler",
    "ReconstructionFilter": "rfilter",
    "BSDF": "bsdf",
    "Shape": "shape",
    "Emitter": "emitter",
    "Texture": "texture",
}


def scene_of_plugin(random: Random) -> str:
    """The XML of a scene in which one plugin has one or two odd numbers."""
    plugins = known_plugins()
    name = sorted(plugins)[random.integers(len(plugins))]
    element, inside, parameters = plugins[name]
    for key in random.permutation(sorted(parameters))[: random.integers(1, 3)]:
        kind = parameters[key]
        choices = NUMBERS if kind == "integer" else FLOATS
        inside += f'<{kind} name="{key}" value="{random.choice(choices)}"/>'
    if random.random() < 0.2:
        factors = " ".join(random.choice(FLOATS) for _ in range(3)).split()
        scale = 'scale x="{}" y="{}" z="{}"'.format(*factors)
        inside += f'<transform name="to_world"><{scale}/></transform>'
    return _placed(element, f'<{element} type="{name}">{inside}</{element}>')


@functools.cache
def known_plugins() -> dict[str, tuple[str, str, dict[str, str]]]:
    """Element, content and parameters ("integer" or "float") of the plugins that load by name."""
    mi.set_variant("llvm_ad_rgb")
    folder = Path(str(mi.__file__)).parent / "plugins"
    found = {path.stem: _known(path.stem) for path in sorted(folder.glob("*.so"))}
    return {name: known for name, known in found.items() if known is not None}


def _known(name: str) -> tuple[str, str, dict[str, str]] | None:
    for element in _ELEMENTS.values():
        for inside in _INSIDE:
            text = f'<{element} version="3.0.0" type="{name}">{inside}</{element}>'
            try:
                loaded = mi.load_string(text)
            except Exception:  # noqa: BLE001 - it needs something else
                continue
            if isinstance(loaded, list):
                loaded = loaded[0]
            kind = next(k for k in _ELEMENTS if isinstance(loaded, getattr(mi, k)))
            return _ELEMENTS[kind], inside, _parameters(loaded)
    return None


def _parameters(loaded: Any) -> dict[str, str]:
    """The numbers that an object shows or lets differentiate; by name, with their kind."""
    shown = re.findall(r"^ *(\w+) = (-?\d+)(\.\d*)?(?:e[+-]\d+)?,?$", str(loaded), re.MULTILINE)
    numbers = {key: "float" if dot else "integer" for key, _, dot in shown}
    names = {key.partition(".")[0] for key in mi.traverse(loaded).keys()}
    return {**dict.fromkeys(names - {"to_world"}, "float"), **numbers}


def _placed(element: str, text: str) -> str:
    """The scene of the seeds with an element where one of its kind belongs."""
    body, scene = SPHERE, SCENE
    if element in {"shape", "emitter"}:
        body += text
    elif element == "bsdf":
        body = f'<shape type="sphere">{text}</shape>'
    elif element == "texture":
        named = text.replace("<texture ", '<texture name="reflectance" ', 1)
        body = f'<shape type="sphere"><bsdf type="diffuse">{named}</bsdf></shape>'
    elif element == "sampler":
        scene = scene.replace("<film ", f"{text}<film ")
    elif element == "rfilter":
        scene = scene.replace('<rfilter type="box"/>', text)
    elif element == "film":
        scene = re.sub("<film .*</film>", text, scene, flags=re.DOTALL)
    elif element == "sensor":
        film = re.search("<film .*</film>", scene, re.DOTALL)
        assert film is not None
        whole = text.replace("</sensor>", f"{film[0]}</sensor>")
        scene = re.sub("<sensor .*</sensor>", lambda _: whole, scene, flags=re.DOTALL)
    else:
        scene = re.sub("<integrator .*</integrator>", lambda _: text, scene)
    return scene.replace("BODY", body)
