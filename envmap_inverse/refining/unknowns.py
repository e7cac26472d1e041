"""The numbers of a scene as coordinates of a search, 0 where the scene has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.problem.problem import Problem
from envmap_inverse.refining.choices import Refine, Refined, Within
from envmap_inverse.scene.adjusting import (
    AdjustedCamera,
    AdjustedMaterial,
    AdjustedShape,
    materials_of,
    shapes_of,
)

__all__ = ["Group", "Unknown", "groups_of"]

GAIN_STEP, ROUGHNESS_STEP = 0.06, 0.2
"""Changes of logarithms over which derivatives are taken."""

Coordinates = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A number to search.

    Attributes:
        name: for people.
        unit: see `Refined`.
        given: the number as the scene has it.
        prior: standard deviation of the coordinate.
        step: coordinate by which to move for a derivative; times the film's longer side in pixels
            for what moves edges, which a step moves by about half a pixel.
        is_geometric: whether it moves edges.
        is_factor: whether the coordinate is the logarithm of a factor; else it is a difference.
        can_tell: whether the misfit can tell it; else its deviation stays that of the prior.
    """

    name: str
    unit: str
    given: float
    prior: float
    step: float
    is_geometric: bool = False
    is_factor: bool = False
    can_tell: bool = True

    def step_at(self, side: int) -> float:
        """The step on a film whose longer side has so many pixels."""
        return self.step / side if self.is_geometric else self.step

    def refined(self, coordinate: float, deviation: float) -> Refined:
        """The number at a coordinate."""
        if self.is_factor:
            after = self.given * math.exp(coordinate)
            deviation *= after
        else:
            after = self.given + coordinate
        return Refined(before=self.given, after=after, deviation=deviation, unit=self.unit)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Unknowns that are set together.

    Attributes:
        unknowns: the numbers.
        apply: sets the scene to their coordinates.
        values: returns the values of the scene's parameters that they decide.
    """

    unknowns: Sequence[Unknown]
    apply: Callable[[Coordinates], None]
    values: Callable[[], dict[str, Any]]


def groups_of(problem: Problem, choices: Refine) -> list[Group]:
    """The unknowns of a problem, in groups.

    Raises:
        InputError: if the scene does not have what is to be refined.
    """
    found = [*_of_cameras(problem, choices), *_of_shapes(problem, choices)]
    found += _of_materials(problem, choices)
    return found


def _of_cameras(problem: Problem, choices: Refine) -> Iterator[Group]:
    turned, zoomed = choices.within("camera"), choices.within("fov")
    if turned is None and zoomed is None:
        return
    for index in sorted({view.sensor for view in problem.views}):
        camera = AdjustedCamera(problem.scene, index)
        if turned is not None:
            numbers = _turns(problem, camera, index, turned)
            yield Group(unknowns=numbers, apply=partial(_place, camera), values=camera.values)
        if zoomed is not None:
            yield Group(
                unknowns=[_field_of_view(camera, zoomed)],
                apply=partial(_zoom, camera),
                values=camera.values,
            )


def _turns(problem: Problem, camera: AdjustedCamera, index: int, within: Within) -> list[Unknown]:
    """Pitch, yaw and roll, and the place if its deviation is given."""
    slope, side = _slope(camera), max(problem.scene.film_size(index))
    of_pixel = math.degrees(2 * slope) / side
    of_camera = partial(Unknown, given=0.0, is_geometric=True)
    angles = (
        ("pitch", of_pixel * (within.pixels or 0), math.degrees(slope)),
        ("yaw", of_pixel * (within.pixels or 0), math.degrees(slope)),
        ("roll", within.degrees or 0, math.degrees(1)),
    )
    found = [
        of_camera(name=f"{camera.name} {name}", unit="degrees", prior=prior, step=step)
        for name, prior, step in angles
    ]
    if within.percent:
        centre, size = _objects(problem)
        step = 2 * slope * float(np.linalg.norm(camera.position - centre))
        prior = within.percent / 100 * size
        found += [
            of_camera(name=f"{camera.name} {axis}", unit="units", prior=prior, step=step)
            for axis in "xyz"
        ]
    return found


def _field_of_view(camera: AdjustedCamera, within: Within) -> Unknown:
    if camera.fov is None:
        raise InputError(f"refine fov: {camera.name} has no field of view")
    return Unknown(
        name=f"{camera.name} fov",
        unit="degrees",
        given=camera.fov,
        prior=(within.percent or 0) / 100 * camera.fov,
        step=math.degrees(math.sin(math.radians(camera.fov))),
        is_geometric=True,
    )


def _of_shapes(problem: Problem, choices: Refine) -> Iterator[Group]:
    within = choices.within("pose")
    if within is None:
        return
    camera = AdjustedCamera(problem.scene, problem.views[0].sensor)
    for name in [within.of] if within.of else _some(shapes_of(problem.scene), "pose", "shape"):
        shape = AdjustedShape(problem.scene, name)
        distance = float(np.linalg.norm(camera.position - shape.centre))
        step = 2 * _slope(camera) * distance
        moves = [
            Unknown(
                name=f"{name} {axis}",
                unit="units",
                given=0.0,
                prior=(within.percent or 0) / 100 * shape.size,
                step=step,
                is_geometric=True,
            )
            for axis in "xyz"
        ]
        turns = [
            Unknown(
                name=f"{name} turn about {axis}",
                unit="degrees",
                given=0.0,
                prior=within.degrees or 0,
                step=math.degrees(2 * step / shape.size),
                is_geometric=True,
            )
            for axis in ("xyz" if within.degrees else "")
        ]
        yield Group(unknowns=[*moves, *turns], apply=partial(_place, shape), values=shape.values)


def _of_materials(problem: Problem, choices: Refine) -> Iterator[Group]:
    for kind in ("gain", "albedo"):
        for material, within in _materials(problem, choices, kind):
            names = ("red", "green", "blue") if material.num_channels == 3 else ("grey",)
            unknowns = [
                Unknown(
                    name=f"{material.name} {kind} {name}",
                    unit="factor",
                    given=1.0,
                    prior=math.log(within.factor or 1),
                    step=GAIN_STEP,
                    is_factor=True,
                )
                for name in names
            ]
            yield Group(unknowns=unknowns, apply=partial(_colour, material), values=material.values)
    for material, within in _materials(problem, choices, "roughness"):
        unknown = Unknown(
            name=f"{material.name} roughness",
            unit="alpha",
            given=material.roughness or 0.0,
            prior=math.log(within.factor or 1),
            step=ROUGHNESS_STEP,
            is_factor=True,
            can_tell=False,
        )
        yield Group(unknowns=[unknown], apply=partial(_roughen, material), values=material.values)


def _materials(
    problem: Problem, choices: Refine, kind: str
) -> Iterator[tuple[AdjustedMaterial, Within]]:
    """The materials that have such a number, or the one that is named."""
    within = choices.within(kind)
    if within is None:
        return
    names = [within.of] if within.of else list(materials_of(problem.scene))
    count = 0
    for name in names:
        material = AdjustedMaterial(problem.scene, name, is_diffuse=kind == "albedo")
        has_it = material.roughness if kind == "roughness" else material.has_reflectance
        if has_it:
            count += 1
            yield material, within
    if count == 0:
        where = within.of or "the scene"
        raise InputError(f"refine {kind}: no material of {where} has such a number")


def _place(part: AdjustedCamera | AdjustedShape, coordinates: Coordinates) -> None:
    first, second = coordinates[:3], coordinates[3:] if len(coordinates) > 3 else np.zeros(3)
    if isinstance(part, AdjustedCamera):
        part.place(degrees=first, offset=second)
    else:
        part.place(degrees=second, offset=first)


def _zoom(camera: AdjustedCamera, coordinates: Coordinates) -> None:
    camera.zoom((camera.fov or 0) + float(coordinates[0]))


def _colour(material: AdjustedMaterial, coordinates: Coordinates) -> None:
    material.colour(np.exp(coordinates))


def _roughen(material: AdjustedMaterial, coordinates: Coordinates) -> None:
    material.roughen(math.exp(coordinates[0]))


def _slope(camera: AdjustedCamera) -> float:
    """Tangent of half the field of view; of a right angle if it is not known."""
    return math.tan(math.radians(camera.fov or 90) / 2)


def _objects(problem: Problem) -> tuple[NDArray[np.float64], float]:
    """Centre and longest side of the box around all shapes."""
    box = problem.scene.mi_scene.bbox()
    low, high = (np.array(side, np.float64).ravel() for side in (box.min, box.max))
    return (low + high) / 2, float(np.max(high - low))


def _some(known: dict[str, Any], kind: str, what: str) -> list[str]:
    if not known:
        raise InputError(f"refine {kind}: the scene has no {what}")
    return list(known)
