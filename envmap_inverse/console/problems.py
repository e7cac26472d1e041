"""What a command asks for, and the problem that states it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.console.brackets import developed
from envmap_inverse.console.cameras import read_taken
from envmap_inverse.console.meshes import MeshChoice
from envmap_inverse.console.optimizers import OptimizerChoice
from envmap_inverse.console.options import given_files, make_loss, make_priors
from envmap_inverse.console.output import tell
from envmap_inverse.console.pictures import Reading
from envmap_inverse.console.refining import make_refine
from envmap_inverse.console.scenes import (
    DEFAULT_MAP_SIZE,
    SceneChoice,
    add_unknown_map,
    put_light,
    read_ground_truth,
    read_initial,
)
from envmap_inverse.console.shots import Shots
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.losses import Loss
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.recorded import fitting
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.priors import Prior
from envmap_inverse.problem.fitting import map_size_for
from envmap_inverse.problem.preparing import prepared
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.view import View, as_views
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.refining.choices import Refine
from envmap_inverse.scene.meshes import MeshScene
from envmap_inverse.scene.scene import Scene
from envmap_inverse.solving.arguments import check_scene_stays
from envmap_inverse.solving.distance import found_distance
from envmap_inverse.system.progress import stage

__all__ = ["Goal", "Wish", "stated"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a run is to find and to minimize; what is None is left to the optimizer.

    Attributes:
        loss: the loss.
        priors: the priors.
        refine: numbers of the scene to find with the map.
        initial: value of --initial.
        ground_truth: file of the true map, if it is known.
    """

    loss: Loss | None
    priors: tuple[Prior, ...] | None
    refine: Refine | None
    initial: str | None
    ground_truth: Path | None

    @classmethod
    def parse(
        cls,
        faults: Faults,
        loss: str | None,
        prior: list[str] | None,
        refine: list[str] | None,
        initial: str | None,
        ground_truth: Path | None,
    ) -> Goal:
        """Parse --loss, --prior and --refine; `faults` keeps what is wrong."""
        return cls(
            loss=faults.attempt(make_loss, loss),
            priors=faults.attempt(make_priors, prior),
            refine=faults.attempt(make_refine, refine),
            initial=initial,
            ground_truth=ground_truth,
        )

    @property
    def files(self) -> list[Path]:
        """The maps to read."""
        return given_files(self.ground_truth, self.initial)

    def problem(
        self, faults: Faults, scene: Scene, views: Sequence[View], optimizer: Optimizer
    ) -> Problem:
        """State the problem; `faults` keeps what is wrong with the true map.

        Raises:
            InputError: if there is no such problem; the faults kept before are reported with it.
        """
        initial: float | NDArray[np.floating[Any]] | None = optimizer.default_initial
        if self.initial is not None:
            initial = read_initial(self.initial, scene)
        return faults.need(
            Problem.create,
            scene,
            views,
            loss=self.loss or optimizer.default_loss,
            priors=optimizer.default_priors if self.priors is None else self.priors,
            initial=initial,
            ground_truth=faults.attempt(read_ground_truth, self.ground_truth, scene),
        )


class Wish(NamedTuple):
    """What a command line asks for, apart from how the run goes."""

    place: SceneChoice
    mesh: MeshChoice | None
    method: OptimizerChoice
    goal: Goal
    shots: Shots
    reading: Reading
    films: dict[str, Any]
    registers: bool
    cameras: Path | None
    samples: int
    trust_input: bool


def stated(faults: Faults, wish: Wish) -> tuple[Problem, str, Optimizer, MeshScene | None]:
    """Load the scene, read the pictures and state the problem.

    Returns:
        The problem, the optimizer as a spec and as an object, and what is made of a mesh.

    Raises:
        InputError: if anything is wrong; reports all faults.
    """
    made = None
    with stage(f"Reading {wish.place.path.name} and {wish.shots.count}"):
        is_readable = wish.trust_input or _survive(faults, wish)
        if wish.mesh is None:
            scene, has_unknown_map = faults.need(wish.place.load)
        else:
            faults.report()
            size = wish.place.map_size or DEFAULT_MAP_SIZE
            made = faults.need(wish.mesh.load, wish.place.path, size)
            scene, has_unknown_map = made.scene, True
        faults.attempt(put_light, scene, wish.place.distance)
        chosen = faults.attempt(wish.method.make, scene)
        spec, terms = chosen or ("transport", Transport())  # stands in: more faults can be found
        faults.attempt(_check_sampling, terms, wish.samples)
        faults.attempt(_check_distance, terms, wish.place)
        faults.attempt(check_scene_stays, terms, wish.goal.refine)
        recording: LightTransport | None = getattr(terms, "recording", None)
        shots, mesh = wish.shots, wish.mesh
        read = read_taken(
            faults, scene, shots, wish.reading, wish.cameras, mesh, is_readable=is_readable
        )
        if made is not None and mesh is not None and mesh.viewpoints:
            faults.need(mesh.stand, made, wish.place.path, read)
        taken = developed(read, is_exposure_given=shots.is_exposure_given)
        views = faults.need(
            prepared,
            scene,
            as_views(taken, wish.goal.loss or terms.default_loss),
            shots.crops,
            registers=wish.registers,
            moves=wish.goal.refine is not None,
            cuts=recording is None,
            **_films(wish.films, recording),
        )
        if has_unknown_map:
            recorded = None if recording is None else recording.resolution
            add_unknown_map(scene, wish.place.map_size or recorded or map_size_for(views))
        problem = wish.goal.problem(faults, scene, views, terms)
        if recording is not None:
            faults.attempt(fitting, recording, problem)
        faults.report()
        check_sight(problem)
    if wish.place.finds_distance:
        with stage("Finding the distance of the light"):
            _find_distance(problem)
    return problem, spec, terms, made


def _survive(faults: Faults, wish: Wish) -> bool:
    """Whether a child process survives the files, so that they can be read."""
    return read_apart(
        faults,
        wish.place.path,
        [*wish.shots.pictures, *wish.goal.files],
        wish.shots.mask_files,
        cameras=wish.cameras,
        layers=wish.shots.layers(wish.reading.layer),
        envmap=wish.place.envmap_name,
        define=wish.place.define,
    )


def _films(films: dict[str, Any], recording: LightTransport | None) -> dict[str, Any]:
    """The sizes of the films; by default those of a recording, if they are all alike."""
    sizes = set() if recording is None else set(recording.image_sizes)
    is_asked_for = films.get("size") is not None or "max_pixels" in films
    return films if is_asked_for or len(sizes) != 1 else {"size": sizes.pop()}


def _check_distance(optimizer: Optimizer, place: SceneChoice) -> None:
    """Check that the optimizer can solve for near light, or find its distance."""
    if place.distance is None and not place.finds_distance:
        return
    if not isinstance(optimizer, Transport):
        raise InputError("--distance: only the transport optimizer knows near light; leave it out")
    if place.finds_distance and optimizer.recording is not None:
        raise InputError("--distance auto: traces paths; with --recording give what was recorded")


def _find_distance(problem: Problem) -> None:
    found = found_distance(problem)
    problem.scene.surroundings = found.surroundings
    if found.surroundings is None:
        tell("the pictures do not tell the light's distance; it counts as infinitely far")
    else:
        errors = f"its loss is lower by {found.gain:.1f} standard errors than that of far light"
        tell(f"the light stands at {found.surroundings} ({errors})")


def _check_sampling(optimizer: Optimizer, samples: int) -> None:
    """Check that the optimizer can draw the samples that are asked for."""
    if samples and not isinstance(optimizer, Transport):
        raise InputError("--samples: only the transport optimizer can draw maps; leave it out")
