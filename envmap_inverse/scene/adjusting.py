"""Adjust cameras, shapes and materials of a loaded scene, about the values that it has.

Every adjustment is made to the values that were there first, so that the last one counts alone.
Keys of Mitsuba's parameters stay in this folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, did_you_mean
from envmap_inverse.scene.parameters import stable_names
from envmap_inverse.scene.scene import Scene

__all__ = ["AdjustedCamera", "AdjustedMaterial", "AdjustedShape", "materials_of", "shapes_of"]

Values = dict[str, Any]
"""Values of scene parameters as JSON has them, by the names that `Scene.parameters` shows."""

_REFLECTANCES = ("specular_reflectance", "diffuse_reflectance", "reflectance", "base_color")
_DIFFUSE = ("diffuse_reflectance", "reflectance", "base_color")
_ROUGHNESSES = ("alpha", "alpha_u", "alpha_v", "roughness")
_METAL = ("eta", "k")
MOST_OF_METAL = 0.999
LEAST_ROUGHNESS, MOST_ROUGHNESS = 1e-3, 1.0


class AdjustedCamera:
    """A sensor that turns, moves and zooms.

    Attributes:
        name: its id, or "sensor K".
        fov: its horizontal field of view as given, degrees; None if it has none.
        position: where it stands as given, shape (3,).
    """

    def __init__(self, scene: Scene, index: int) -> None:
        """Take the values that it has now.

        Raises:
            InputError: if it has no pose.
        """
        sensor = scene.sensor(index)
        self._params = mi.traverse(sensor)
        self.name = sensor.id() if sensor.id() not in {"", "__root__"} else f"sensor {index}"
        if "to_world" not in self._params:
            raise InputError(f"{self.name}: a {sensor.class_name()} has no pose to refine")
        self._base = _matrix(self._params["to_world"])
        self.position = self._base[:3, 3]
        has_fov = "x_fov" in self._params
        self.fov = float(self._params["x_fov"][0]) if has_fov else None

    def place(self, degrees: ArrayLike, offset: ArrayLike) -> None:
        """Turn and move it in its own axes.

        Args:
            degrees: rotation vector about right (pitch), up (yaw) and the line of sight (roll),
                up to sign, shape (3,).
            offset: along the same axes, in units of the scene, shape (3,).
        """
        turned = self._base @ _rigid(degrees, offset)
        self._params["to_world"] = mi.Transform4f(mi.ScalarTransform4f(turned))
        self._params.update()

    def zoom(self, fov: float) -> None:
        """Set the horizontal field of view, degrees."""
        self._params["x_fov"] = mi.Float(fov)
        self._params.update()

    def values(self) -> Values:
        """The pose and the field of view as they are now."""
        found: Values = {f"{self.name}.to_world": _matrix(self._params["to_world"]).tolist()}
        if self.fov is not None:
            found[f"{self.name}.x_fov"] = float(self._params["x_fov"][0])
        return found


class AdjustedShape:
    """A shape that moves as a rigid body.

    Attributes:
        name: its id, or what `Scene.parameters` calls it.
        centre: of its bounding box, shape (3,).
        size: longest side of that box.
    """

    def __init__(self, scene: Scene, name: str) -> None:
        """Take the values that it has now.

        Raises:
            InputError: if there is no such shape, or it cannot be moved.
        """
        known = shapes_of(scene)
        _check_name("shape", name, known)
        self.name = name
        self._params = mi.traverse(scene.mi_scene)
        prefix, shape = known[name]
        self._pose, self._points, self._normals = (
            f"{prefix}.{key}" for key in ("to_world", "vertex_positions", "vertex_normals")
        )
        box = shape.bbox()
        low, high = (np.array(side, np.float64).ravel() for side in (box.min, box.max))
        self.centre, self.size = (low + high) / 2, float(np.max(high - low))
        self._move = np.eye(4)
        if self._points in self._params:
            self._base = np.array(self._params[self._points], np.float64).reshape(-1, 3)
            self._base_normals = np.array(self._params[self._normals], np.float64).reshape(-1, 3)
        elif self._pose in self._params:
            self._base = _matrix(self._params[self._pose])
        else:
            raise InputError(f"{name}: a {shape.class_name()} has no pose to refine")

    def place(self, degrees: ArrayLike, offset: ArrayLike) -> None:
        """Turn it about its centre, and move it, in the axes of the world.

        Args:
            degrees: rotation vector, shape (3,).
            offset: in units of the scene, shape (3,).
        """
        there, back = np.eye(4), np.eye(4)
        there[:3, 3], back[:3, 3] = self.centre + np.asarray(offset, float), -self.centre
        self._move = there @ _rigid(degrees, np.zeros(3)) @ back
        if self._points in self._params:
            turn = self._move[:3, :3]
            points = self._base @ turn.T + self._move[:3, 3]
            self._params[self._points] = mi.Float(points.astype(np.float32).ravel())
            if len(self._base_normals):
                normals = self._base_normals @ turn.T
                self._params[self._normals] = mi.Float(normals.astype(np.float32).ravel())
        else:
            moved = mi.ScalarTransform4f(self._move @ self._base)
            self._params[self._pose] = mi.AffineTransform4f(moved)
        self._params.update()

    def values(self) -> Values:
        """The motion from the given pose to the present one, a matrix to put before its own."""
        return {f"{self.name}: moved by": self._move.tolist()}


class AdjustedMaterial:
    """A material whose reflectance and roughness are multiplied.

    Attributes:
        name: what `Scene.parameters` calls it.
        num_channels: 3, or 1 if all its reflectances are grey ones.
        roughness: as given; None if it has none.
    """

    def __init__(self, scene: Scene, name: str, *, is_diffuse: bool = False) -> None:
        """Take the values that it has now.

        Args:
            scene: the scene.
            name: of the material.
            is_diffuse: whether only diffuse reflectances are multiplied.

        Raises:
            InputError: if there is no such material.
        """
        known = materials_of(scene)
        _check_name("material", name, known)
        self.name = name
        self._params, self._keys = mi.traverse(scene.mi_scene), known[name]
        parts = _DIFFUSE if is_diffuse else _REFLECTANCES
        base = {part: np.array(self._params[key], np.float64) for part, key in self._keys.items()}
        self._base = base
        self._colours = [part for part in parts if part in base]
        coloured = [part for part in self._colours if _has_colour(base[part])]
        # Only colours can change colour; of a metal without them the optical constants can.
        self._is_metal = not coloured and not is_diffuse and all(part in base for part in _METAL)
        self.num_channels = 3 if coloured or (self._is_metal and base["k"].size == 3) else 1
        self._colours = coloured or self._colours
        rough = [base[part] for part in _ROUGHNESSES if part in base]
        self.roughness = float(rough[0].mean()) if rough else None

    @property
    def has_reflectance(self) -> bool:
        """Whether there is a reflectance to multiply."""
        return bool(self._colours) or self._is_metal

    def colour(self, gains: ArrayLike) -> None:
        """Multiply the reflectances as given, none of which exceeds 1.

        A metal that has only optical constants gets the k (or, for the darkest, the eta) at which
        it reflects so much light that falls on it vertically.

        Args:
            gains: of each channel, shape (`num_channels`,).
        """
        factors = np.asarray(gains, np.float64)
        if self._is_metal:
            eta, k = _metal_of(self._base["eta"], self._base["k"], factors)
            self._write({"eta": eta, "k": k})
            return
        self._write({part: self._scaled(part, factors) for part in self._colours})

    def roughen(self, factor: float) -> None:
        """Multiply the roughness as given."""
        self._write(
            {
                part: np.clip(self._base[part] * factor, LEAST_ROUGHNESS, MOST_ROUGHNESS)
                for part in _ROUGHNESSES
                if part in self._base
            }
        )

    def values(self) -> Values:
        """Its reflectances, optical constants and roughnesses as they are now, but for textures."""
        parts = [*self._colours, *(_METAL if self._is_metal else ()), *_ROUGHNESSES]
        return {
            f"{self.name}.{part}": np.array(self._params[self._keys[part]], float).ravel().tolist()
            for part in parts
            if part in self._base and self._base[part].size <= 3
        }

    def _scaled(self, part: str, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        base = self._base[part]
        is_row = base.ndim < 3  # Color3f is (3, 1), a texture (h, w, 3)
        shaped = factors.reshape(-1, *([1] * (base.ndim - 1))) if is_row else factors
        return np.minimum(base * shaped, np.maximum(base, 1))

    def _write(self, parts: Mapping[str, NDArray[np.float64]]) -> None:
        for part, value in parts.items():
            key = self._keys[part]
            kind = type(self._params[key])
            self._params[key] = _as(kind, value)
        self._params.update()


def shapes_of(scene: Scene) -> dict[str, tuple[str, Any]]:
    """The shapes by name, each with the beginning of its parameters' keys."""
    params = mi.traverse(scene.mi_scene)
    names = stable_names(params)
    found = {}
    for shape in scene.mi_scene.shapes():
        for key, name in names.items():
            if params.properties[key][2] == shape:
                label = name.rpartition(":" if ": " in name else ".")[0]
                found[label] = key.rpartition(".")[0], shape
                break
    return found


def materials_of(scene: Scene) -> dict[str, dict[str, str]]:
    """The materials by name, each with Mitsuba's keys of its parts."""
    params = mi.traverse(scene.mi_scene)
    wanted = (*_REFLECTANCES, *_ROUGHNESSES, *_METAL)
    found: dict[str, dict[str, str]] = {}
    for key, name in stable_names(params).items():
        words = name.split(".")
        if words[-1] in {"value", "data"}:
            words.pop()
        is_of_material = not isinstance(params.properties[key][2], mi.Shape | mi.Emitter)
        if words[-1] in wanted and is_of_material and len(words) > 1:
            found.setdefault(".".join(words[:-1]), {})[words[-1]] = key
    return {name: keys for name, keys in found.items() if {*keys} - {"eta"}}


def _has_colour(value: NDArray[np.float64]) -> bool:
    """Whether it is a colour or a texture of colours."""
    return value.size == 3 or (value.ndim == 3 and value.shape[2] == 3)


def _metal_of(
    eta: NDArray[np.float64], k: NDArray[np.float64], gains: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Optical constants of a metal that reflects other shares of the light.

    At normal incidence it reflects F = ((eta - 1)^2 + k^2) / ((eta + 1)^2 + k^2), which gives k;
    where even k = 0 reflects too much, eta = (1 + sqrt F) / (1 - sqrt F).
    """
    shape, gains = k.shape, gains.reshape(-1, *([1] * (k.ndim - 1)))
    eta = np.broadcast_to(eta, shape)
    share = ((eta - 1) ** 2 + k**2) / ((eta + 1) ** 2 + k**2)
    wanted = np.clip(share * gains, 0, MOST_OF_METAL)
    square = ((eta + 1) ** 2 * wanted - (eta - 1) ** 2) / (1 - wanted)
    root = np.sqrt(wanted)
    darker = np.where(eta < 1, (1 - root) / (1 + root), (1 + root) / (1 - root))
    return np.where(square < 0, darker, eta), np.sqrt(np.maximum(square, 0))


def _as(kind: Any, value: NDArray[np.float64]) -> Any:
    """An array as one of Mitsuba's types."""
    if kind is float:
        return float(value)
    if kind is mi.TensorXf:
        return mi.TensorXf(value.astype(np.float32))
    if value.size == 3:
        return kind(*map(float, value.ravel()))
    return kind(value.astype(np.float32).ravel())


def _matrix(transform: Any) -> NDArray[np.float64]:
    return np.array(transform.matrix, np.float64).reshape(4, 4)


def _rigid(degrees: ArrayLike, offset: ArrayLike) -> NDArray[np.float64]:
    """A rotation by a vector, and then a translation."""
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - takes a while to load

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(np.asarray(degrees, float))).as_matrix()
    matrix[:3, 3] = offset
    return matrix


def _check_name(kind: str, name: str, known: Mapping[str, Any] | Sequence[str]) -> None:
    if name not in known:
        near = did_you_mean(name, list(known))
        raise InputError(
            f"refine: no {kind} {name!r} can be refined; there are: "
            f"{', '.join(known) or 'none'}{near}"
        )
