"""The scene of a mirror ball: where it stands before the camera, what of the picture shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.windows import Window
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import uv_to_direction

__all__ = ["BallShot", "ball_scene", "conductor", "conductors", "reflectance_of_diffuse"]

Array = NDArray[np.float64]

MARGIN = 0.03
"""Width, in radii, of what is kept of a picture around the ball."""

NORMAL_STEPS = 8
"""Steps to the normal that mirrors a direction; each is right to a distance's share of the last."""

RIM = 0.015
"""Width, in radii, of the ball's edge that is masked."""


@dataclass(frozen=True, kw_only=True)
class BallShot:
    """A ball of radius 1 at the origin, and the level camera that took its picture.

    Attributes:
        size: (width, height) of the whole picture.
        circle: the ball's outline in it.
        focal_length: pixels.
        principal_point: (x, y) in pixels from the picture's upper left corner.
        front: azimuth of the camera's direction in degrees, to the right of the map's middle.
        turned: rotation vector in the map's frame, radians: by how much the level camera is then
            turned about the ball.
    """

    size: tuple[int, int]
    circle: Circle
    focal_length: float
    principal_point: tuple[float, float]
    front: float = 0.0
    turned: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def at_distance(
        cls, size: tuple[int, int], circle: Circle, distance: float, *, front: float = 0.0
    ) -> BallShot:
        """A camera at a distance in radii that looks at the ball's centre, for crops."""
        focal_length = circle.radius * math.sqrt(distance**2 - 1)
        centre = circle.x, circle.y
        return cls(
            size=size,
            circle=circle,
            focal_length=focal_length,
            principal_point=centre,
            front=front,
        )

    @classmethod
    def of_whole_picture(
        cls, size: tuple[int, int], circle: Circle, focal_length: float, *, front: float = 0.0
    ) -> BallShot:
        """A camera whose axis meets the picture's middle; the focal length is in pixels."""
        middle = size[0] / 2, size[1] / 2
        return cls(
            size=size,
            circle=circle,
            focal_length=focal_length,
            principal_point=middle,
            front=front,
        )

    @property
    def distance(self) -> float:
        """From the camera to the ball's centre, in radii."""
        near, far = self._edges
        return 1 / math.sin((far - near) / 2)

    @property
    def stretch(self) -> float:
        """Pixels by which the outline, an ellipse off the axis, is longer than wide."""
        near, far = self._edges
        return 2 * self.circle.radius * (1 / math.cos((near + far) / 2) - 1)

    @property
    def window(self) -> Window:
        """The ball with a margin, as far as the picture reaches."""
        circle, (width, height) = self.circle, self.size
        reach = circle.radius * (1 + MARGIN) + 1
        left, top = max(0, math.floor(circle.x - reach)), max(0, math.floor(circle.y - reach))
        right = min(width, math.ceil(circle.x + reach))
        bottom = min(height, math.ceil(circle.y + reach))
        return Window(x=left, y=top, width=right - left, height=bottom - top)

    @property
    def in_window(self) -> Circle:
        """The ball's outline in the window."""
        window = self.window
        return replace(self.circle, x=self.circle.x - window.x, y=self.circle.y - window.y)

    def camera(self, name: str) -> Camera:
        """The camera of the window."""
        window, (x, y) = self.window, self.principal_point
        to_world = np.eye(4)
        to_world[:3, :3] = self._axes
        to_world[:3, 3] = self._place
        return Camera(
            name=name,
            width=window.width,
            height=window.height,
            focal_lengths=(self.focal_length, self.focal_length),
            principal_point=(x - window.x, y - window.y),
            to_world=to_world,
        )

    def mask(self, photographer: float = 0.0, pixel: float = 1.0) -> NDArray[np.float32]:
        """1 in the window where light is mirrored that counts, 0 elsewhere.

        Args:
            photographer: degrees from the direction to the camera within which light is left out.
            pixel: size in pixels of the larger pixels that the picture is averaged down to.
        """
        window, radius = self.window, self.circle.radius
        y, x = np.indices((window.height, window.width)) + 0.5
        off = np.hypot(x + window.x - self.circle.x, y + window.y - self.circle.y)
        outer = radius - max(RIM * radius, pixel)
        inner = radius * self._share_within(photographer)
        counts = (off <= outer) & (off >= inner if photographer else True)
        return np.asarray(counts, np.float32)

    def normals(self) -> Array:
        """Unit normals of the ball in the window, in the map's frame, shape (h, w, 3).

        Beside the ball they are those of its rim.
        """
        window = self.window
        y, x = np.indices((window.height, window.width)) + 0.5
        right = (x + window.x - self.principal_point[0]) / self.focal_length
        down = (y + window.y - self.principal_point[1]) / self.focal_length
        rays = np.stack([right, -down, -np.ones_like(right)], axis=-1) @ self._axes.T
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        origin = self._place
        ahead = -rays @ origin
        depth = ahead - np.sqrt(np.maximum(ahead**2 - self.distance**2 + 1, 0))
        points = origin + depth[..., None] * rays
        return np.asarray(points / np.linalg.norm(points, axis=-1, keepdims=True))

    @property
    def towards_camera(self) -> Array:
        """Unit vector from the ball to the camera, in the map's frame."""
        return np.asarray(self._place / self.distance)

    def turn(self) -> Array:
        """From the axes of `MirrorBall`, whose camera looks at it along -z, to the map's."""
        ball = self._level_axes @ self._towards_ball
        right = np.cross(ball, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(right, ball), -ball], axis=1)
        return np.asarray(self._rotation @ axes)

    def mirrored(self, directions: Array) -> tuple[Array, Array, Array]:
        """Where in the window the ball mirrors light from directions.

        The normal halves the angle between the direction and that to the camera, which hardly
        depends on the normal: it is found by iteration.

        Args:
            directions: unit vectors in the map's frame, shape (..., 3).

        Returns:
            x and y in pixels from the window's upper left corner, and the cosine of the angle
            between the normal and the direction to the camera, 0 at the rim; shape (...).
        """
        normal, place = np.zeros(3), self._place
        for _ in range(NORMAL_STEPS):
            towards = place - normal
            towards = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
            normal = directions + towards
            normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        right, up, back = np.moveaxis((normal - place) @ self._axes, -1, 0)
        x = self.principal_point[0] - self.focal_length * right / back
        y = self.principal_point[1] + self.focal_length * up / back
        cosines = np.asarray(np.sum(normal * towards, axis=-1))
        return np.asarray(x - self.window.x), np.asarray(y - self.window.y), cosines

    @property
    def _edges(self) -> tuple[float, float]:
        """Angles from the axis to the nearest and the farthest point of the outline."""
        off = math.dist((self.circle.x, self.circle.y), self.principal_point)
        return (
            math.atan((off - self.circle.radius) / self.focal_length),
            math.atan((off + self.circle.radius) / self.focal_length),
        )

    @property
    def _towards_ball(self) -> Array:
        """Unit vector from the camera to the ball, in the camera's axes: +x right, -z ahead."""
        near, far = self._edges
        angle = (near + far) / 2
        x = self.circle.x - self.principal_point[0]
        y = self.circle.y - self.principal_point[1]
        off = math.hypot(x, y) or 1.0
        sine = math.sin(angle)
        return np.array([sine * x / off, -sine * y / off, -math.cos(angle)])

    @property
    def _place(self) -> Array:
        """The camera's place in the map's frame, the ball being at the origin."""
        return np.asarray(-self.distance * (self._axes @ self._towards_ball))

    @property
    def _axes(self) -> Array:
        """The camera's axes in the map's frame, as columns."""
        return self._rotation @ self._level_axes

    @property
    def _rotation(self) -> Array:
        from scipy.spatial.transform import Rotation  # noqa: PLC0415 - takes a while to load

        return np.asarray(Rotation.from_rotvec(self.turned).as_matrix())

    @property
    def _level_axes(self) -> Array:
        """The axes of the camera before it is turned."""
        ahead = np.asarray(uv_to_direction(0.5 + self.front / 360, 0.5), np.float64)
        up = np.array([0.0, 1.0, 0.0])
        return np.stack([np.cross(ahead, up), up, -ahead], axis=1)

    def _share_within(self, angle: float) -> float:
        """Share of the radius within which light from so near the camera is mirrored."""
        distance = self.distance
        normal = np.linspace(0, math.acos(1 / distance), 10_000)
        view = np.arctan2(np.sin(normal), distance - np.cos(normal))
        share = np.tan(view) * math.sqrt(distance**2 - 1)
        return float(np.interp(math.radians(angle), 2 * normal + view, share))


def conductors() -> list[str]:
    """The names of metals that Mitsuba knows."""
    folder = Path(mi.__file__).parent / "data" / "ior"
    return sorted(path.name.removesuffix(".eta.spd") for path in folder.glob("*.eta.spd"))


def conductor(reflectance: str) -> dict[str, Any]:
    """The BSDF of a mirror: a share of the light that it reflects, or the name of a metal.

    Raises:
        InputError: if it is neither.
    """
    try:
        share = float(reflectance)
    except ValueError:
        known = conductors()
        if reflectance in known:
            return {"type": "conductor", "material": reflectance}
        plain = [name for name in known if "_" not in name and "-" not in name]
        raise InputError(
            f"--reflectance {reflectance!r}: give a number from 0 to 1, or a metal: "
            f"{', '.join(plain)}"
        ) from None
    if not 0 < share <= 1:
        raise InputError(f"--reflectance {reflectance}: must be above 0, and 1 at most")
    return {
        "type": "conductor",
        "material": "none",
        "specular_reflectance": {"type": "rgb", "value": share},
    }


def reflectance_of_diffuse(bsdf: dict[str, Any]) -> float | None:
    """Share of the light that a diffuse BSDF reflects; None if it is another."""
    inner = bsdf.get("bsdf", bsdf)
    return float(inner["reflectance"]["value"]) if inner["type"] == "diffuse" else None


def ball_scene(bsdf: dict[str, Any]) -> dict[str, Any]:
    """The scene as a dictionary, without map and sensors: light meets the ball once."""
    return {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 2, "hide_emitters": True},
        "ball": {"type": "sphere", "bsdf": bsdf},
    }
