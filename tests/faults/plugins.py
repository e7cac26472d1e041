"""Scenes of one of Mitsuba's plugins each, with numbers that scenes do not have.

Plugins and the names of their parameters are found in Mitsuba's own files, so that new ones join.
`python tests/faults/plugins.py` prints them as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["known_plugins", "scene_of_plugin"]

WHOLE = ("-1", "0", "1", "2", "7", "1000", "2147483647", "4294967295")
REAL = ("-1", "0", "1e-30", "0.001", "0.5", "1", "30", "1e4", "1e9", "1e38", "inf", "nan")

_INSIDE = (
    "",
    '<bsdf type="diffuse"/>',
    '<integrator type="path"/>',
    '<texture type="bitmap"><string name="filename" value="photo.png"/></texture>'
    '<bsdf type="diffuse"/>',
    '<bsdf type="diffuse"/><bsdf type="conductor"/>',
    '<float name="fov" value="40"/><float name="aperture_radius" value="0.1"/>',
    '<string name="filename" value="photo.png"/>',
)
"""What a plugin may need to load; the first that will do is taken."""

_OF_BASES = (
    *("max_depth", "rr_depth", "samples_per_pass", "block_size", "sample_count", "seed"),
    *("fov", "width", "height", "crop_width", "crop_height", "crop_offset_x", "crop_offset_y"),
    *("shutter_open", "shutter_close", "sampling_weight", "B", "C", "int_ior", "ext_ior"),
)
"""Parameters of many plugins, which stand in no file of their own."""

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


Plugins = dict[str, tuple[str, str, dict[str, str]]]
"""Element, content and parameters ("integer" or "float") by name."""


def scene_of_plugin(random: np.random.Generator, scene: str, plugins: Plugins) -> str:
    """The XML of a scene in which one plugin has one or two odd numbers.

    Args:
        random: where all choices come from.
        scene: XML with a sensor, a film, a filter and an integrator.
        plugins: see `known_plugins`.
    """
    name = str(random.choice(sorted(plugins)))
    element, inside, parameters = plugins[name]
    for key in random.permutation(sorted(parameters))[: random.integers(1, 3)]:
        choices = WHOLE if parameters[key] == "integer" else REAL
        inside += f'<{parameters[key]} name="{key}" value="{random.choice(choices)}"/>'
    if random.random() < 0.2:
        factors = " ".join(f'{axis}="{random.choice(REAL)}"' for axis in "xyz")
        inside += f'<transform name="to_world"><scale {factors}/></transform>'
    return _placed(scene, element, f'<{element} type="{name}">{inside}</{element}>')


def known_plugins(file: Path) -> Plugins:
    """The plugins that can be loaded; found in another process, and kept in a file."""
    if not file.exists():
        done = subprocess.run([sys.executable, __file__], capture_output=True, check=True)
        file.write_bytes(done.stdout)
    return {name: tuple(known) for name, known in json.loads(file.read_bytes()).items()}


def _find() -> dict[str, Any]:
    """Try each plugin in a process of its own, as some crash where they lack something."""
    import mitsuba as mi

    mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)
    found = {}
    for path in sorted((Path(str(mi.__file__)).parent / "plugins").glob("*.so")):
        ours, theirs = os.pipe()
        if os.fork() == 0:
            with contextlib.suppress(Exception):
                os.write(theirs, json.dumps(_known(path)).encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as answer:
            known = json.loads(answer.read() or "null")
        os.wait()
        if known is not None:
            found[path.stem] = known
    return found


def _known(path: Path) -> tuple[str, str, dict[str, str]] | None:
    for element in _ELEMENTS.values():
        for inside in _INSIDE:
            loaded = _loaded(element, path.stem, inside)
            if loaded is not None:
                kind = _kind_of(loaded)
                return kind, inside, _parameters(path, kind, inside)
    return None


def _kind_of(loaded: Any) -> str:
    import mitsuba as mi

    return next(e for kind, e in _ELEMENTS.items() if isinstance(loaded, getattr(mi, kind)))


def _parameters(path: Path, element: str, inside: str) -> dict[str, str]:
    """Words in a plugin's file that it takes for a number, as Mitsuba refuses all others."""
    words = re.findall(rb"\x00([a-zA-Z][a-z_]{2,30}[a-z])(?=\x00)", path.read_bytes())
    names = sorted({*(word.decode() for word in words), *_OF_BASES})
    return _taken(dict.fromkeys(names, "float"), element, path.stem, inside)


def _taken(kinds: dict[str, str], element: str, plugin: str, inside: str) -> dict[str, str]:
    """Those that a plugin takes of numbers, which are given at once.

    Most errors say which number to leave out or to give otherwise; others are due to one that some
    half of the numbers has not.
    """
    while kinds and (error := _error_of(element, plugin, inside + _numbers(kinds))):
        wrong = re.search(r'property "(\w+)" has the wrong type \(expected (\w+)', error)
        if wrong and wrong[2] == "integer" and kinds.get(wrong[1]) == "float":
            kinds[wrong[1]] = "integer"
            continue
        found = [wrong[1]] if wrong else re.findall(r'^ *- \w+ "(\w+)"', error, re.MULTILINE)
        gone = kinds.keys() & found
        if not gone:
            return _taken_by_halves(kinds, element, plugin, inside)
        kinds = {name: kind for name, kind in kinds.items() if name not in gone}
    return kinds


def _taken_by_halves(
    kinds: dict[str, str], element: str, plugin: str, inside: str
) -> dict[str, str]:
    if len(kinds) == 1:  # it may have to be 1 or more
        whole = dict.fromkeys(kinds, "integer")
        return {} if _error_of(element, plugin, inside + _numbers(whole)) else whole
    pairs, middle = list(kinds.items()), len(kinds) // 2
    halves = (dict(pairs[:middle]), dict(pairs[middle:]))
    first, second = (_taken(half, element, plugin, inside) for half in halves)
    return first | second


def _numbers(kinds: Mapping[str, str]) -> str:
    values = {"float": "0.{}5", "integer": "1"}  # no two indices of refraction may be the same
    return "".join(
        f'<{kind} name="{name}" value="{values[kind].format(number)}"/>'
        for number, (name, kind) in enumerate(kinds.items())
    )


def _error_of(element: str, name: str, inside: str) -> str:
    """Why an element cannot be loaded; empty if it can."""
    import mitsuba as mi

    try:
        mi.load_string(f'<{element} version="3.0.0" type="{name}">{inside}</{element}>')
    except Exception as error:  # noqa: BLE001 - Mitsuba has several
        return str(error) or "unknown"
    return ""


def _loaded(element: str, name: str, inside: str) -> Any:
    import mitsuba as mi

    text = f'<{element} version="3.0.0" type="{name}">{inside}</{element}>'
    try:
        loaded = mi.load_string(text)
    except Exception:  # noqa: BLE001 - it takes something else
        return None
    return loaded[0] if isinstance(loaded, list) else loaded


def _placed(scene: str, element: str, text: str) -> str:
    """The scene with an element where one of its kind belongs."""
    if element == "texture":
        text = text.replace("<texture ", '<texture name="reflectance" ', 1)
        element, text = "bsdf", f'<bsdf type="diffuse">{text}</bsdf>'
    if element == "bsdf":
        element, text = "shape", f'<shape type="sphere">{text}</shape>'
    if element in {"shape", "emitter"}:
        return scene.replace("</scene>", f"{text}</scene>")
    if element == "sampler":
        return scene.replace("<film ", f"{text}<film ", 1)
    pattern = f"<{element} .*?(?:/>|</{element}>)" if element == "rfilter" else ""
    pattern = pattern or f"<{element} .*</{element}>"
    if element == "sensor":
        film = re.search("<film .*</film>", scene, re.DOTALL)
        text = text.replace("</sensor>", f"{film[0] if film else ''}</sensor>")
    return re.sub(pattern, lambda _: text, scene, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_find()))
