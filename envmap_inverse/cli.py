"""The command line: options in, library calls, words out."""

from __future__ import annotations

import enum
import itertools
import os
import signal
import sys
import time
import tomllib
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from envmap_inverse import __version__, doctor, losses, priors
from envmap_inverse.artifacts import RunFolder
from envmap_inverse.bundled import bunny
from envmap_inverse.console import ProgressDisplay, comparison_table, console, say
from envmap_inverse.errors import BackendError, InputError
from envmap_inverse.estimate import solve
from envmap_inverse.images import read_image, write_image
from envmap_inverse.optimizers.adam import Adam
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.options import (
    given_settings,
    make_choice,
    make_optimizer,
    make_priors,
    number_or_image,
    parse_sensors,
    resolved_settings,
)
from envmap_inverse.problem import Iteration, Optimizer, Problem, View
from envmap_inverse.render import render as render_image
from envmap_inverse.scene import as_map, load_scene

app = typer.Typer(
    name="envmap-inverse",
    help="Recover the HDR environment map that lit a scene from pictures of it.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class OptimizerName(enum.StrEnum):
    """Values of --optimizer."""

    adam = "adam"
    transport = "transport"


class DemoOptimizer(enum.StrEnum):
    """Values of the demo's --optimizer."""

    adam = "adam"
    transport = "transport"
    both = "both"


SceneFile = Annotated[Path, typer.Argument(metavar="SCENE", help="Mitsuba scene (XML).")]
Size = Annotated[
    int | None, typer.Option(help="Longer side of the film in pixels, in place of the scene's.")
]
Spp = Annotated[int, typer.Option(help="Samples per pixel.")]
Seed = Annotated[int, typer.Option(help="Seed; the same one gives the same result.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
]
Frames = Annotated[bool, typer.Option(help="Also write a picture of every iteration, and a video.")]


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make a TOML file's values the defaults; what the command line says overrides them."""
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not TOML: {error}") from None
    known = {parameter.name for parameter in context.command.params}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"--config {path}: unknown option {unknown[0]!r}")
    context.default_map = {**(context.default_map or {}), **values}
    return path


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        say(f"envmap-inverse {__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())


@app.command()
def demo(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder; by default bunny-demo.")
    ] = None,
    size: Annotated[int, typer.Option(help="Width and height of the picture.")] = 512,
    iterations: Annotated[int, typer.Option(help="Steps of Adam.")] = 100,
    optimizer: Annotated[
        DemoOptimizer, typer.Option(help="The tutorial's loop, ours, or one after the other.")
    ] = DemoOptimizer.both,
    frames: Frames = True,
    overwrite: Overwrite = False,
) -> None:
    """Recover the light of a museum from a picture of a metal bunny.

    Runs the tutorial's job (Adam) and, by default, then ours (transport), in the folder transport.
    """
    adam = Adam(iterations=iterations)
    begun = time.perf_counter()
    scene = load_scene(bunny())
    scene.set_film_size(size)
    truth, view = scene.envmap.texels, View(render_image(scene, spp=16, seed=2**30))
    loading = time.perf_counter() - begun
    folder = output or _free_folder("bunny-demo")
    names = ["adam", "transport"] if optimizer == DemoOptimizer.both else [optimizer.value]
    runs: list[dict[str, Any]] = []
    for name in names:
        chosen = adam if name == "adam" else Transport()
        path = folder / name if runs else folder
        settings = {**given_settings(context), "optimizer": name, "output": str(path)}
        problem = Problem.create(
            scene,
            view,
            loss=chosen.default_loss,
            priors=chosen.default_priors,
            ground_truth=truth,
        )
        run_folder = RunFolder(path, settings, overwrite=overwrite, frames=frames)
        runs.append(_run(run_folder, problem, chosen, loading=loading))
    if len(runs) > 1:
        with console.capture() as table:
            console.print(comparison_table(dict(zip(names, runs, strict=True))))
        say(table.get())


@app.command()
def params(scene: SceneFile) -> None:
    """Print the scene's parameters and which of them are differentiable."""
    say(str(load_scene(scene).parameters))


@app.command()
def render(
    scene: SceneFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Image: .exr, .hdr or .png.")],
    envmap: Annotated[
        Path | None, typer.Option(help="Environment map to use in place of the scene's.")
    ] = None,
    spp: Spp = 64,
    seed: Seed = 0,
    sensor: Annotated[int, typer.Option(help="Index of the sensor.")] = 0,
    size: Size = None,
) -> None:
    """Render one image in linear RGB."""
    loaded = load_scene(scene)
    if size is not None:
        loaded.set_film_size(size, sensor)
    texels = None
    if envmap is not None:
        with _naming(envmap):
            texels = as_map(read_image(envmap))
    image = render_image(loaded, texels, spp=spp, seed=seed, sensor=sensor)
    try:
        write_image(output, image)
    except OSError as error:
        raise InputError(f"-o {output}: cannot be written: {error.strerror}") from None


@app.command()
def estimate(
    context: typer.Context,
    scene: SceneFile,
    reference: Annotated[
        list[Path],
        typer.Argument(metavar="REFERENCE...", help="Pictures: EXR, HDR, PNG or JPEG."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    optimizer: Annotated[
        OptimizerName,
        typer.Option(help="Adam renders at each step; transport traces paths once."),
    ] = OptimizerName.adam,
    iterations: Annotated[
        int | None, typer.Option(help="Steps: 100 of Adam, 10 per round of transport.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step size of Adam: 0.02.")] = None,
    spp: Annotated[
        int | None, typer.Option(help="Samples per pixel: 1 for Adam, 16 for transport.")
    ] = None,
    seed: Seed = 0,
    size: Size = None,
    sensor: Annotated[
        str | None,
        typer.Option(help="Sensor of each picture, e.g. 0 or 0,1; by default in order."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(losses.__all__)}; by default MSE for Adam, "
            "RelativeMSE for transport."
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:key=value,...]",
            help=f"Of {', '.join(priors.__all__)}, or none; may be given several times; by default "
            "none for Adam, TotalVariation and Tikhonov for transport.",
        ),
    ] = None,
    initial: Annotated[
        str, typer.Option(metavar="X|FILE", help="Start map: one number, or an image.")
    ] = "1.0",
    ground_truth: Annotated[
        Path | None, typer.Option(help="The true map, if known, to measure the error.")
    ] = None,
    frames: Frames = False,
    config: Annotated[  # noqa: ARG001 - takes effect in its callback
        Path | None,
        typer.Option(
            callback=_read_config, is_eager=True, help="TOML file with values for these options."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Recover the environment map from pictures of a scene."""
    begun = time.perf_counter()
    chosen = make_optimizer(
        optimizer, iterations=iterations, learning_rate=learning_rate, spp=spp, seed=seed
    )
    loaded = load_scene(scene)
    sensors = parse_sensors(sensor, len(reference))
    if size is not None:
        for index in set(sensors):
            loaded.set_film_size(size, index)
    problem = Problem.create(
        loaded,
        [
            View(read_image(p), sensor=k, name=str(p))
            for p, k in zip(reference, sensors, strict=True)
        ],
        loss=chosen.default_loss if loss is None else make_choice(losses, "--loss", loss),
        priors=make_priors(prior, chosen.default_priors),
        initial=number_or_image(initial),
        ground_truth=None if ground_truth is None else read_image(ground_truth),
    )
    settings = {**given_settings(context), **resolved_settings(problem, chosen)}
    run_folder = RunFolder(output, settings, overwrite=overwrite, frames=frames)
    _run(run_folder, problem, chosen, loading=time.perf_counter() - begun)


@app.command(name="doctor")
def doctor_command() -> None:
    """Print what backend is used and why, what is missing, and how to get it."""
    remedies = []
    for finding in doctor.examine():
        say(f"{finding.name:22}{finding.found}")
        remedies += [f"missing: {finding.name}: {finding.remedy}"] if finding.remedy else []
    say("\n".join(remedies) or "Nothing is missing.")
    if remedies:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; the exit status tells how it went (see the README)."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        status = app(prog_name="envmap-inverse", standalone_mode=False)
    except (InputError, FileNotFoundError) as error:
        status = _fail(str(error), 2)
    except TyperException as error:
        status = _fail(getattr(error, "format_message", error.__str__)(), 2)
    except (KeyboardInterrupt, typer.Abort):
        status = _fail("interrupted", 130)
    except BackendError as error:
        status = _fail(str(error), 1)
    except Exception as error:  # noqa: BLE001 - the last resort
        if os.environ.get("ENVMAP_INVERSE_DEBUG"):
            traceback.print_exc()
        words = " ".join(str(error).split())
        status = _fail(f"{type(error).__name__}: {words} (ENVMAP_INVERSE_DEBUG=1 shows where)", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _run(
    run_folder: RunFolder, problem: Problem, optimizer: Optimizer, *, loading: float
) -> dict[str, Any]:
    """Solve a problem, showing it and writing its files; exits 130 or 143 if a signal ended it."""
    run_folder.begin(problem.views[0].image)
    with _stop_at_signal() as stop, ProgressDisplay(optimizer.num_steps) as display:

        def on_iteration(iteration: Iteration) -> bool:
            run_folder.add(iteration)
            display.show(iteration)
            return stop.number is not None

        try:
            result = solve(problem, optimizer, on_iteration)
        finally:
            run_folder.close()
    summary = run_folder.finish(result, problem, loading=loading, notes=_WARNINGS)
    _print_summary(run_folder.path, summary)
    if stop.number is not None:
        raise typer.Exit(128 + stop.number)
    if result.status != "done":
        raise typer.Exit(_fail(result.status, 1))
    return summary


class _Stop:
    """Which signal asked the run to end."""

    number: int | None = None


@contextmanager
def _stop_at_signal() -> Iterator[_Stop]:
    """Note the first SIGINT or SIGTERM; a second one acts at once, as without this."""
    stop, numbers = _Stop(), (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        stop.number = number
        restore()

    for number in numbers:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()


_WARNINGS: list[str] = []


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _WARNINGS.append(str(message))
    sys.stderr.write(f"warning: {message}\n")


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"error: {message}\n")
    return status


def _print_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    seconds = summary["seconds"]
    lines = [
        f"{summary['iterations']} iterations in {seconds['optimize']:.2f} s, "
        f"{seconds['total']:.1f} s in total",
        f"final loss {_number(summary['loss'])}",
    ]
    if summary["error"] is not None:
        lines.append(f"sum of squared errors of the map {_number(summary['error'])}")
    if summary["dropped_steps"]:
        lines.append(f"{summary['dropped_steps']} steps met NaN or infinity and were dropped")
    lines.append(f"{100 * summary['seen_share']:.1f} % of the texels are seen by the pictures")
    lines.append(f"results in {folder}/ (envmap.exr is the map; look at envmap.png, render.png)")
    say("\n".join(lines))


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Begin the message of bad input with a file's name, unless it has it."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if str(path) in text else f"{path}: {text}") from None


def _free_folder(name: str) -> Path:
    numbered = (Path(name if k == 1 else f"{name}-{k}") for k in itertools.count(1))
    return next(path for path in numbered if not path.exists())
