"""Every benchmark, in one process with the peer.

    python -m benchmarks [--quick] [--only NAME,...] [-o DIR]

Prints tables as it goes and leaves them in a folder as results.md and results.json, with plots of
error against time, errors.png and anytime.png. The machine should have nothing else to do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import anytime, curves, photographs, processes, transport
from benchmarks.adam import adam
from benchmarks.big_pictures import big_pictures
from benchmarks.calibration import calibration
from benchmarks.camera import camera
from benchmarks.camera_noise import camera_noise, wrong_cameras
from benchmarks.gpu import gpu
from benchmarks.isolation import isolation
from benchmarks.lens import lens
from benchmarks.live import live
from benchmarks.live_attack import live_attack
from benchmarks.many_pixels import many_pixels
from benchmarks.noise import noise
from benchmarks.objects import objects
from benchmarks.on_disk import on_disk
from benchmarks.outliers import outliers
from benchmarks.parent import parent
from benchmarks.refine import refine
from benchmarks.scaling import scaling
from benchmarks.sequences import sequences
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from benchmarks.workers import workers
from benchmarks.wrong_scenes import wrong_scenes
from envmap_inverse.images import write_bytes
from envmap_inverse.version import __version__

PARTS: dict[str, Callable[[Settings], Table]] = {
    "adam": adam,
    "bunny": transport.one_scene,
    "scenes": transport.many_scenes,
    "cost": transport.cost,
    "scaling": scaling,
    "many-pixels": many_pixels,
    "threads": processes.threads,
    "memory": processes.memory,
    "workers": workers,
    "on-disk": on_disk,
    "startup": processes.startup,
    "isolation": isolation,
    "parent": parent,
    "curves": curves.curves,
    "anytime": anytime.anytime,
    "objects": objects,
    "noise": noise,
    "calibration": calibration,
    "outliers": outliers,
    "camera": camera,
    "lens": lens,
    "camera-noise": camera_noise,
    "wrong-cameras": wrong_cameras,
    "wrong-scenes": wrong_scenes,
    "refine": refine,
    "sequences": sequences,
    "live": live,
    "live-attack": live_attack,
    "gpu": gpu,
    "views": photographs.views,
    "clipped": photographs.clipped,
    "exposures": photographs.exposures,
    "big-pictures": big_pictures,
}
PICTURES = {"curves": ("errors.png", curves.draw), "anytime": ("anytime.png", anytime.draw)}
"""File and function of a part that draws its table, with matplotlib."""

TOO_LONG = (
    "workers",
    "on-disk",
    "anytime",
    "scenes",
    "noise",
    "outliers",
    "camera",
    "lens",
    "camera-noise",
    "wrong-cameras",
    "wrong-scenes",
    "refine",
    "sequences",
    "isolation",
    "parent",
    "live",
    "live-attack",
    "gpu",
    "views",
    "clipped",
    "exposures",
    "big-pictures",
)
"""What --quick leaves out, unless --only names it."""


def main() -> None:
    """Measure, print and write."""
    options = parser(__doc__)
    options.add_argument("--only", help=f"of {', '.join(PARTS)}; by default all", metavar="NAME,..")
    options.add_argument("-o", "--output", type=Path, default=Path("runs/benchmarks"))
    arguments = options.parse_args()
    settings = settings_of(arguments)
    names = [name for name in PARTS if not (settings.quick and name in TOO_LONG)]
    if arguments.only is not None:
        names = arguments.only.split(",")
        if unknown := set(names) - set(PARTS):
            options.error(f"--only: no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if PICTURES.keys() & names and importlib.util.find_spec("matplotlib") is None:
        parts = " and ".join(name for name in names if name in PICTURES)
        options.error(f"{parts}: pip install matplotlib first, or choose others with --only")
    arguments.output.mkdir(parents=True, exist_ok=True)
    run(names, settings, arguments.output)


def run(names: list[str], settings: Settings, folder: Path) -> None:
    """Run parts, writing what there is after each."""
    command = "python -m benchmarks" + (" --quick" if settings.quick else "")
    if settings.shrink > 1:
        command += f" --shrink {settings.shrink}"
    data: dict[str, Any] = {"command": command, **_facts(), "seconds": {}, "tables": {}}
    text = f"Measured on {data['cores']} cores ({data['processor']}).\n\n"
    for name in names:
        start = time.perf_counter()
        printed, table = print_table(PARTS[name](settings), f"{command} --only {name}")
        text += printed
        data["tables"][name] = table.to_json()
        data["seconds"][name] = round(time.perf_counter() - start, 1)
        write_bytes(folder / "results.md", text.encode())
        write_bytes(folder / "results.json", f"{json.dumps(data, indent=1)}\n".encode())
        if name in PICTURES:
            file, draw = PICTURES[name]
            write_bytes(folder / file, draw(table))


def _facts() -> dict[str, Any]:
    """Versions, and what the machine is."""
    packages = ("mitsuba", "drjit", "numpy", "scipy")
    return {
        "versions": {
            "envmap_inverse": __version__,
            **{name: metadata.version(name) for name in packages},
            "python": platform.python_version(),
        },
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
    }


def _processor() -> str:
    """The processor's name, or where there is none its architecture."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
