"""Tiny scenes, maps and files that several tests share."""

from __future__ import annotations

import gc
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import z_test
from hypothesis import HealthCheck, find, settings, strategies
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.images import write_image
from envmap_inverse.run.thumbnails import ThumbnailWriter

settings.register_profile(
    "deterministic",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("deterministic")


def pytest_collection_finish() -> None:
    find(strategies.booleans(), lambda _: True)  # Hypothesis looks once for what holds its numbers
    gc.freeze()  # what lives as long as the tests: `make_scene` collects without looking at it


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # else Mitsuba complains, at the end, of what is left


MATERIALS = {
    "mirror": {"type": "conductor", "material": "Cu"},
    "rough": {"type": "roughconductor", "material": "Cu", "alpha": 0.3},
    "diffuse": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.8, 0.5, 0.3]}},
}

SCENE_XML = """<scene version="3.0.0">
    <default name="resolution" value="8"/>
    <integrator type="path"><integer name="max_depth" value="3"/></integrator>
    <sensor type="perspective" id="camera">
        <float name="fov" value="40"/>
        <transform name="to_world">
            <lookat origin="0, 0, 4" target="0, 0, 0" up="0, 1, 0"/>
        </transform>
        <film type="hdrfilm">
            <integer name="width" value="$resolution"/>
            <integer name="height" value="$resolution"/>
            <string name="pixel_format" value="rgb"/>
            <rfilter type="box"/>
        </film>
    </sensor>
    BODY
    ENVMAP
</scene>
"""
SPHERE_XML = '<shape type="sphere" id="ball"><bsdf type="conductor" id="metal"/></shape>'
ENVMAP_XML = """<emitter type="envmap" id="my_envmap">
        <string name="filename" value="map.exr"/>
    </emitter>"""


@pytest.fixture(scope="module", autouse=True)
def forgetful(request: pytest.FixtureRequest) -> Iterator[None]:
    """Clears what functions of a module have cached: scenes, which would slow down other tests."""
    yield
    for value in vars(request.module).values():
        if getattr(value, "__module__", "") == request.module.__name__:
            getattr(value, "cache_clear", lambda: None)()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def random_map() -> Callable[..., NDArray[np.float32]]:
    def make(height: int = 8, width: int = 16, seed: int = 1) -> NDArray[np.float32]:
        uniform = np.random.default_rng(seed).uniform(0.1, 2, (height, width, 3))
        return uniform.astype(np.float32)

    return make


@pytest.fixture(scope="session")
def scene_dict(random_map: Callable[..., NDArray[np.float32]]) -> Callable[..., dict[str, Any]]:
    """Makes dictionaries of two spheres, one small, under a random map of 16 x 8 texels."""
    backend.select_variant()

    def make(
        material: str = "mirror",
        *,
        size: tuple[int, int] = (8, 8),
        texels: NDArray[np.float32] | None = None,
        fov: float = 40,
        cameras: Sequence[tuple[float, float, float]] = ((0, 0, 4),),
        film: dict[str, Any] | None = None,
        integrator: dict[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        described: dict[str, Any] = {
            "type": "scene",
            "integrator": integrator or {"type": "path", "max_depth": 3},
            "large": {"type": "sphere", "bsdf": MATERIALS[material]},
            "small": {
                "type": "sphere",
                "center": [1.0, 0.4, 0.8],
                "radius": 0.3,
                "bsdf": MATERIALS[material],
            },
            "my_envmap": {
                "type": "envmap",
                "bitmap": mi.Bitmap(random_map() if texels is None else texels),
            },
        }
        for number, origin in enumerate(cameras):
            described[f"sensor{number}"] = {
                "type": "perspective",
                "fov": fov,
                "to_world": mi.ScalarTransform4f().look_at(origin, [0, 0, 0], [0, 1, 0]),
                "film": {
                    "type": "hdrfilm",
                    "width": size[0],
                    "height": size[1],
                    "pixel_format": "rgb",
                    "rfilter": {"type": "box"},
                    **(film or {}),
                },
                "sampler": {"type": "independent"},
            }
        described.update(more)
        return described

    return make


@pytest.fixture(scope="session")
def make_scene(scene_dict: Callable[..., dict[str, Any]]) -> Callable[..., ei.Scene]:
    def make(*args: Any, **kwargs: Any) -> ei.Scene:
        gc.collect()  # beside scenes that nobody needs, Dr.Jit compiles each kernel anew
        return ei.load_scene(scene_dict(*args, **kwargs))

    return make


@pytest.fixture(params=list(MATERIALS))
def material(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(make_scene: Callable[..., ei.Scene]) -> ei.Scene:
    """Mirrors, 8 x 8 pixels."""
    return make_scene()


@pytest.fixture(scope="session")
def scene_xml() -> Callable[..., str]:
    def make(body: str = SPHERE_XML, envmap: str = ENVMAP_XML) -> str:
        return SCENE_XML.replace("BODY", body).replace("ENVMAP", envmap)

    return make


@pytest.fixture
def scene_file(
    tmp_path: Path,
    scene_xml: Callable[..., str],
    random_map: Callable[..., NDArray[np.float32]],
) -> Path:
    """The XML of a mirror sphere on an 8 x 8 film, and map.exr beside it."""
    folder = tmp_path / "scene"
    folder.mkdir()
    write_image(folder / "map.exr", random_map())
    path = folder / "scene.xml"
    path.write_text(scene_xml())
    return path


@pytest.fixture(scope="session")
def write_quad() -> Callable[..., None]:
    """Writes a PLY file of one quad whose last face names a chosen vertex (there are four)."""

    def write(path: Path, last_index: int = 3, *, binary: bool = True) -> None:
        vertices = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]
        faces = [(0, 1, 2), (0, 2, last_index)]
        kind = "binary_little_endian" if binary else "ascii"
        header = (
            f"ply\nformat {kind} 1.0\nelement vertex 4\n"
            "property float x\nproperty float y\nproperty float z\n"
            "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
        )
        if binary:
            body = b"".join(struct.pack("<3f", *vertex) for vertex in vertices)
            body += b"".join(struct.pack("<B3i", 3, *face) for face in faces)
        else:
            rows = [*vertices, *((3, *face) for face in faces)]
            body = "".join(" ".join(map(str, row)) + "\n" for row in rows).encode()
        path.write_bytes(header.encode() + body)

    return write


@pytest.fixture(scope="session")
def make_run(random_map: Callable[..., NDArray[np.float32]]) -> Callable[..., Path]:
    """Writes the folder of a run of 40 iterations, made up: 24 x 16 pixels, 32 x 16 texels."""

    def make(path: Path, *, optional: bool = True, seed: int = 1, **settings: Any) -> Path:
        path.mkdir(parents=True)
        texels = random_map(16, 32, seed)
        texels[4, 8] = 400  # a lamp
        images = {"reference": random_map(16, 24), "render": random_map(16, 24, seed + 1)}
        maps = {"envmap": texels, "coverage": random_map(16, 32, 9)}
        if optional:
            maps |= {"deviation": random_map(16, 32, 8) / 10, "ground_truth": random_map(16, 32)}
        for name, array in (images | maps).items():
            write_image(path / f"{name}.exr", array)
        thumbnails = ThumbnailWriter()
        history = []
        for index in range(40):
            numbers = {"loss": 1 / (index + 1), "error": 50 - index, "seconds": index / 10}
            arrays = {
                "image_on_device": lambda k=index: images["render"] * k / 40,
                "texels_on_device": lambda k=index: texels * k / 40,
            }
            thumbnails.add(ei.Iteration(index=index, **numbers, **arrays))
            history.append({"index": index, **numbers})
        if optional:
            samples = [random_map(16, 32, 20 + k) for k in range(4)]
            thumbnails.write(path / "thumbnails.npz", 0.5, samples)
        (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))
        summary = {
            "status": "done",
            "iterations": 40,
            "loss": 0.025,
            "metrics": {"log_rmse": 0.25} if optional else {},
            "seen_share": 0.9,
            "exposure": 0.5,
            "seconds": {"total": 6, "load": 1, "record": 1, "solve": 2, "optimize": 3, "files": 1},
            "settings": {"optimizer": "adam", **settings},
            "versions": {"envmap_inverse": ei.__version__},
            "warnings": [],
        }
        (path / "summary.json").write_text(json.dumps(summary))
        return path

    return make


@pytest.fixture(scope="session")
def differ() -> Callable[..., bool]:
    """Whether two stacks of renderings, of independent seeds each, differ in some pixel."""
    return z_test.differ
