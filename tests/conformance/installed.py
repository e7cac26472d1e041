"""List what the installed version of Mitsuba offers, by its plugin folder."""

from __future__ import annotations

import pkgutil
from pathlib import Path

from envmap_inverse import backend
from envmap_inverse.backend import mi

KINDS = {
    "BSDF": "bsdf",
    "Emitter": "emitter",
    "Sensor": "sensor",
    "Film": "film",
    "ReconstructionFilter": "filter",
    "Shape": "shape",
    "Integrator": "integrator",
}
"""Mitsuba's kinds of objects that are tried, and what the table calls them."""


def installed() -> list[tuple[str, str]]:
    """(kind, plugin) of all, sorted by the order of the kinds."""
    backend.select_variant("llvm_ad_rgb")
    folder = Path(str(mi.__file__)).parent
    manager = mi.PluginManager.instance()
    names = sorted(path.stem for path in (folder / "plugins").glob("*.so"))
    found = [(str(manager.plugin_type(name)).rpartition(".")[2], name) for name in names]
    modules = pkgutil.iter_modules([str(folder / "python" / "ad" / "integrators")])
    found += [("Integrator", module.name) for module in modules if module.name != "common"]
    return [(KINDS[kind], name) for wanted in KINDS for kind, name in found if kind == wanted]
