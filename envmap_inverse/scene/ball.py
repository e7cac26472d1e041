"""The scene of a mirror ball: where it stands before the camera, what of the picture shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, check_share
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.windows import Window
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import uv_to_direction

__all__ = [
    "GREY_REFLECTANCE",
    "BallShot",
    "ball_scene",
    "conductor",
    "conductors",
    "mean_reflectance",
    "reflectance_of_diffuse",
]

Array = NDArray[np.float64]

MARGIN = 0.03
"""Width, in radii, of what is kept of a picture around the ball."""

NORMAL_STEPS = 8
"""Steps to the normal that mirrors a direction; each is right to a distance's share of the last."""

RIM = 0.015
"""Width, in radii, of the ball's edge that is masked."""


USUAL_REFLECTANCE = 0.8
"""Share of the light that metals reflect."""

GREY_REFLECTANCE = 0.18
"""Share of the light that a grey ball reflects, if nothing says so."""


@dataclass(frozen=True, kw_only=True)
class BallShot:
    """A ball of radius 1 at the origin, and the level camera that took its picture.

    A grey ball may stand beside it, as far from the camera.

    Attributes:
        size: (width, height) of the whole picture.
        circle: the ball's outline in it.
        focal_length: pixels.
        principal_point: (x, y) in pixels from the picture's upper left corner.
        front: azimuth of the camera's direction in degrees, to the right of the map's middle.
        grey: outline of the grey ball in the picture.
        turned: rotation vector in the map's frame, radians: by how much the level camera is then
            turned about the ball.
    """

    size: tuple[int, int]
    circle: Circle
    focal_length: float
    principal_point: tuple[float, float]
    front: float = 0.0
    grey: Circle | None = None
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
        return 1 / math.sin(self._half_angle(self.circle))

    @property
    def stretch(self) -> float:
        """Pixels by which the outline, an ellipse off the axis, is longer than wide."""
        near, far = self._edges(self.circle)
        return 2 * self.circle.radius * (1 / math.cos((near + far) / 2) - 1)

    @property
    def window(self) -> Window:
        """The balls with a margin, as far as the picture reaches."""
        boxes = []
        for circle in (self.circle, self.grey or self.circle):
            reach = circle.radius * (1 + MARGIN) + 1
            low, high = (circle.x - reach, circle.y - reach), (circle.x + reach, circle.y + reach)
            boxes.append((*map(math.floor, low), *map(math.ceil, high)))
        left, top = (max(0, min(box[k] for box in boxes)) for k in (0, 1))
        right, bottom = (min(self.size[k], max(box[2 + k] for box in boxes)) for k in (0, 1))
        return Window(x=left, y=top, width=right - left, height=bottom - top)

    def pixel(self, side: int) -> float:
        """Size of the pixels to which a ball wider than so many pixels is averaged down."""
        alone = replace(self, grey=None).window
        return max(1.0, max(alone.width, alone.height) / side)

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
        counts = self._inside(self.circle, pixel)
        if photographer:
            share = self._share_within(photographer)
            counts &= self._off(self.circle) >= share * self.circle.radius
        if self.grey is not None:
            counts |= self._inside(self.grey, pixel)
        return np.asarray(counts, np.float32)

    def _inside(self, circle: Circle, pixel: float) -> NDArray[np.bool_]:
        """The pixels of the window that a ball fills, but for its edge."""
        return self._off(circle) <= circle.radius - max(RIM * circle.radius, pixel)

    def _off(self, circle: Circle) -> Array:
        """Distance of the window's pixels from a circle's centre, pixels."""
        window = self.window
        y, x = np.indices((window.height, window.width)) + 0.5
        return np.asarray(np.hypot(x + window.x - circle.x, y + window.y - circle.y))

    def beside(self) -> tuple[Array, float] | None:
        """Centre and radius of the grey ball in the map's frame; None if there is none."""
        if self.grey is None:
            return None
        towards = self._axes @ self._towards(self.grey)
        radius = self.distance * math.sin(self._half_angle(self.grey))
        return np.asarray(self._place + self.distance * towards), radius

    def normals(self) -> Array:
        """Unit normals of the ball in the window, in the map's frame, shape (h, w, 3).

        Beside the ball they are those of its rim.
        """
        return self._normals(np.zeros(3), 1.0)

    def on_mirror(self) -> NDArray[np.bool_]:
        """Which pixels of the window show the mirror."""
        return self._inside(self.circle, 0.0)

    def on_grey(self, pixel: float = 1.0) -> tuple[NDArray[np.bool_], Array] | None:
        """Which pixels of the window show the grey ball, and its normals; None if there is none."""
        beside = self.beside()
        if beside is None or self.grey is None:
            return None
        return self._inside(self.grey, pixel), self._normals(*beside)

    def reflected(self) -> Array:
        """Directions that the mirror reflects into the window's pixels, shape (h, w, 3)."""
        rays, normals = self._rays(), self.normals()
        return np.asarray(rays - 2 * np.sum(rays * normals, axis=-1, keepdims=True) * normals)

    def _rays(self) -> Array:
        """Unit vectors from the camera through the window's pixels, in the map's frame."""
        window = self.window
        y, x = np.indices((window.height, window.width)) + 0.5
        right = (x + window.x - self.principal_point[0]) / self.focal_length
        down = (y + window.y - self.principal_point[1]) / self.focal_length
        rays = np.stack([right, -down, -np.ones_like(right)], axis=-1) @ self._axes.T
        return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))

    def _normals(self, centre: Array, radius: float) -> Array:
        """Unit normals of a ball in the window, in the map's frame, shape (h, w, 3)."""
        rays = self._rays()
        origin = (self._place - centre) / radius
        ahead = -rays @ origin
        depth = ahead - np.sqrt(np.maximum(ahead**2 - origin @ origin + 1, 0))
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

    def _edges(self, circle: Circle) -> tuple[float, float]:
        """Angles from the axis to the nearest and the farthest point of an outline."""
        off = math.dist((circle.x, circle.y), self.principal_point)
        return (
            math.atan((off - circle.radius) / self.focal_length),
            math.atan((off + circle.radius) / self.focal_length),
        )

    def _half_angle(self, circle: Circle) -> float:
        near, far = self._edges(circle)
        return (far - near) / 2

    @property
    def _towards_ball(self) -> Array:
        return self._towards(self.circle)

    def _towards(self, circle: Circle) -> Array:
        """Unit vector from the camera to a ball, in the camera's axes: +x right, -z ahead."""
        near, far = self._edges(circle)
        angle = (near + far) / 2
        x = circle.x - self.principal_point[0]
        y = circle.y - self.principal_point[1]
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
    check_share(**{"--reflectance": share})
    return {
        "type": "conductor",
        "material": "none",
        "specular_reflectance": {"type": "rgb", "value": share},
    }


def reflectance_of_diffuse(bsdf: dict[str, Any]) -> float | None:
    """Share of the light that a diffuse BSDF reflects; None if it is another."""
    inner = bsdf.get("bsdf", bsdf)
    return float(inner["reflectance"]["value"]) if inner["type"] == "diffuse" else None


def mean_reflectance(bsdf: dict[str, Any]) -> float:
    """About which share of the light a mirror reflects; that of a metal is a guess."""
    inner = bsdf.get("bsdf", bsdf)
    return float(inner.get("specular_reflectance", {}).get("value", USUAL_REFLECTANCE))


def ball_scene(
    bsdf: dict[str, Any],
    beside: tuple[Array, float] | None = None,
    reflectance: float = GREY_REFLECTANCE,
) -> dict[str, Any]:
    """The scene as a dictionary, without map and sensors.

    Light meets a ball alone once; two balls also light each other.

    Args:
        bsdf: of the ball.
        beside: centre and radius of a grey ball beside it.
        reflectance: of that.
    """
    scene: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 2, "hide_emitters": True},
        "ball": {"type": "sphere", "bsdf": bsdf},
    }
    if beside is None:
        return scene
    centre, radius = beside
    return scene | {
        "integrator": {"type": "path", "max_depth": 4, "hide_emitters": True},
        "grey": {
            "type": "sphere",
            "to_world": mi.ScalarTransform4f().translate(centre.tolist()).scale(radius),
            "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": reflectance}},
        },
    }
