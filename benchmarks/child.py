"""One method in a process of its own, with nothing warm but what the kernel cache holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds and bytes of a process.

    Attributes:
        importing: seconds of `import envmap_inverse`.
        loading: seconds until the scene and its reference are there, Mitsuba's import among them.
        first: seconds of the first run.
        warm: seconds of the second run.
        loaded_bytes: most memory resident until then.
        peak_bytes: most memory resident in all.
    """

    importing: float
    loading: float
    first: float
    warm: float
    loaded_bytes: int
    peak_bytes: int


def spawn(
    method: str, reference: Path, *, iterations: int, cores: int = 0, cold: bool = False
) -> Measured:
    """Measure one of the `usual_methods` on the bundled bunny, in a new process.

    Args:
        method: its name.
        reference: file of the picture, as NumPy saves it, square.
        iterations: of the methods that have some.
        cores: how many to use; 0 for all.
        cold: with an empty kernel cache.
    """
    command = [sys.executable, "-m", __name__, method, reference, iterations, cores]
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, **({"DRJIT_CACHE_DIR": empty} if cold else {})}
        done = subprocess.run(
            list(map(str, command)), env=environment, stdout=subprocess.PIPE, check=True
        )
    return Measured(**json.loads(done.stdout))


def measure(method: str, reference: Path, iterations: int, cores: int) -> Measured:
    """Do what `spawn` does, in this process, which must not have imported anything yet."""
    start = time.perf_counter()
    import envmap_inverse as ei  # noqa: PLC0415 - what is measured

    imported = time.perf_counter()
    import numpy as np  # noqa: PLC0415

    from benchmarks.methods import Case, usual_methods  # noqa: PLC0415
    from envmap_inverse.backend import dr  # noqa: PLC0415
    from envmap_inverse.bundled import bunny  # noqa: PLC0415

    scene = ei.load_scene(bunny())
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
        dr.set_thread_count(cores)
    picture = np.load(reference)
    scene.set_film_size(len(picture))
    case = Case(scene=scene, truth=scene.envmap.texels, references=[picture])
    moments, loaded_bytes = [time.perf_counter()], _peak_bytes()
    for _ in range(2):
        usual_methods(iterations)[method](case)
        moments.append(time.perf_counter())
    return Measured(
        importing=imported - start,
        loading=moments[0] - imported,
        first=moments[1] - moments[0],
        warm=moments[2] - moments[1],
        loaded_bytes=loaded_bytes,
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    """Most memory that was resident so far.

    `getrusage` does not tell: its `ru_maxrss` starts from the size of the process that forked.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def _main(arguments: list[Any]) -> None:
    method, reference, iterations, cores = arguments
    measured = measure(method, Path(reference), int(iterations), int(cores))
    sys.stdout.write(json.dumps(vars(measured)))


if __name__ == "__main__":
    _main(sys.argv[1:])
