"""Cost of reading files in a guarded process first."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.methods import bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Spread, Table
from benchmarks.timing import interleaved
from envmap_inverse.bundled import bunny
from envmap_inverse.images import write_image

SIZE = 512
ADAM = ("--optimizer", "adam", "--iterations", 1)


def isolation(settings: Settings) -> Table:
    """Seconds of whole commands, with the guarded process and without."""
    size = settings.film(SIZE)
    return Table(
        name="isolation",
        title="Guarded reading",
        note="Seconds of a whole command on the bunny, with files read in a guarded process first "
        f"and with --trust-input; a picture of {size} x {size} and one iteration. The difference "
        "is of runs in turn.",
        columns={"command": "", "guarded s": ".2f", "trusting s": ".2f", "difference s": ".2f"},
        rows=_rows(size, settings.repeats(3, 11)),
    )


def _rows(size: int, repeats: int) -> Iterator[tuple[Any, ...]]:
    scene = bunny()
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.exr")
        write_image(picture, bundled_case(size).references[0])
        output = ("-o", Path(folder, "run"), "--overwrite", "--no-report", "--size", size)
        commands = {
            "params": ("params", scene),
            "estimate": ("estimate", scene, picture, *ADAM, *output),
        }
        for name, arguments in commands.items():
            methods = {
                "guarded": partial(_seconds, *arguments),
                "trusting": partial(_seconds, *arguments, "--trust-input"),
            }
            runs = interleaved(methods, repeats)
            pairs = zip(runs.seconds["guarded"], runs.seconds["trusting"], strict=True)
            difference = Spread.of(guarded - trusting for guarded, trusting in pairs)
            yield name, runs.spread("guarded"), runs.spread("trusting"), difference


def _seconds(*arguments: Any) -> tuple[float, None]:
    command = [Path(sys.executable).with_name("envmap-inverse"), "-q", *map(str, arguments)]
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun, None
