"""Scenes of one mesh: materials, shading, which way is up, the XML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import solids
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.scene.materials import MATERIALS, Finish, material
from envmap_inverse.scene.meshes import MeshScene
from envmap_inverse.scene.viewpoints import Viewpoint
from envmap_inverse.scene.xml_writing import scene_xml

SIZE = 24, 16


@pytest.fixture(autouse=True)
def _backend() -> None:
    ei.backend.select_variant()


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    return solids.write(tmp_path / "ball.obj", solids.ball())


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    return solids.write(tmp_path / "cube.obj", solids.cube())


def lamp(row: int, column: int) -> NDArray[np.float32]:
    texels = np.full((16, 32, 3), 0.1, np.float32)
    texels[row, column] = 50
    return texels


@pytest.mark.parametrize("name", list(MATERIALS))
def test_light_that_is_the_same_everywhere_comes_back_no_brighter(name: str, ball: Path) -> None:
    camera = Viewpoint(fov=30)
    scene = ei.load_mesh(ball, material=name, camera=camera, size=SIZE, envmap=(16, 8))
    middle = ei.render(scene, spp=64)[6:10, 10:14].mean()
    assert 0.02 < middle < 1.03  # the noise of 1,024 paths
    if name.endswith("diffuse"):
        expected = 0.18 if name.startswith("grey") else 0.8
        assert middle == pytest.approx(expected, rel=0.01)


def test_a_finish_sets_reflectance_and_roughness() -> None:
    made = material("chrome", Finish(roughness=0.3, reflectance=0.5))["bsdf"]
    assert (made["type"], made["alpha"]) == ("roughconductor", 0.3)
    assert made["specular_reflectance"]["value"] == 0.5


@pytest.mark.parametrize(
    ("name", "finish", "message"),
    [
        ("crome", {}, "'crome': unknown; .*did you mean 'chrome'"),
        ("grey-diffuse", {"roughness": 0.2}, "'grey-diffuse': has no roughness"),
        ("glass", {"reflectance": 0.2}, "'glass': has no reflectance"),
        ("chrome", {"roughness": 2}, "roughness must lie from 1e-06 to 1; found 2"),
    ],
)
def test_a_material_that_cannot_be_is_refused(
    name: str, finish: dict[str, float], message: str
) -> None:
    with pytest.raises(ei.InputError, match=message):
        material(name, Finish(**finish))


def test_edges_stay_sharp_and_round_surfaces_smooth(ball: Path, cube: Path) -> None:
    bsdf = material("chrome")
    assert MeshScene.load(cube, bsdf, (16, 8)).has_flat_faces
    assert not MeshScene.load(ball, bsdf, (16, 8)).has_flat_faces


def test_normals_of_the_file_are_kept(cube: Path) -> None:
    lines = cube.read_text().replace("f ", "f #").splitlines()
    normals = [f"vn {x} {y} {z}" for x, y, z in solids.cube()[0]]
    faces = [
        "f " + " ".join(f"{index}//{index}" for index in line.removeprefix("f #").split())
        for line in lines
        if line.startswith("f")
    ]
    cube.write_text("\n".join([*(line for line in lines if line[0] == "v"), *normals, *faces]))
    assert not MeshScene.load(cube, material("chrome"), (16, 8)).has_flat_faces


@pytest.mark.parametrize("up", ["y", "z"])
def test_up_of_the_object_is_the_zenith_of_the_map(cube: Path, up: str) -> None:
    # A diffuse cube under a lamp in the zenith, seen from above: bright is the side that is up.
    camera = Viewpoint(fov=30, up=up, elevation=30)
    scene = ei.load_mesh(cube, material="white-diffuse", camera=camera, size=SIZE, envmap=(32, 16))
    scene.set_envmap(lamp(0, 0) + lamp(1, slice(None)))  # type: ignore[arg-type]
    image = ei.render(scene, spp=64)
    assert image[3:6, 10:14].mean() > 4 * image[10:13, 10:14].mean()


@pytest.mark.parametrize("viewpoint", [Viewpoint(fov=30, up="z", azimuth=40), Viewpoint(fov=50)])
@pytest.mark.parametrize("name", ["chrome", "satin-plastic", "glass"])
def test_the_xml_is_the_same_scene(
    cube: Path, tmp_path: Path, viewpoint: Viewpoint, name: str
) -> None:
    made = MeshScene.load(cube, material(name), (32, 16), [viewpoint])
    made.stand([viewpoint], ["photo.jpg"], [SIZE], [None])
    made.scene.set_envmap(lamp(5, 9))
    path = tmp_path / "scene.xml"
    path.write_text(scene_xml(made.described, made.cameras))
    scene = ei.load_scene(path, envmap=(32, 16))
    scene.set_envmap(lamp(5, 9))
    expected = ei.render(made.scene, spp=16, seed=3)
    np.testing.assert_allclose(ei.render(scene, spp=16, seed=3), expected, rtol=1e-3, atol=1e-3)


def test_cameras_of_one_object_have_one_direction_up(cube: Path) -> None:
    viewpoints = [Viewpoint(fov=30), Viewpoint(fov=30, up="z")]
    with pytest.raises(ei.InputError, match="different directions up"):
        MeshScene.load(cube, material("chrome"), (16, 8), viewpoints)


def test_a_camera_inside_the_object_is_refused(cube: Path) -> None:
    camera = Viewpoint(fov=30, origin=(0, 0, 0.5))
    with pytest.raises(ei.InputError, match="camera is inside the object"):
        ei.load_mesh(cube, camera=camera, size=SIZE)


def test_files_that_are_no_meshes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    (tmp_path / "cup.stl").write_text("solid")
    for name, message in {
        "gone.obj": r"gone\.obj: no such mesh file",
        "empty.obj": r"empty\.obj: has no faces",
        "cup.stl": r"cup\.stl: not a mesh file; use one of \.obj, \.ply, \.serialized",
    }.items():
        with pytest.raises(ei.InputError, match=message):
            ei.load_mesh(tmp_path / name, camera=Viewpoint(fov=40), size=SIZE)


@pytest.mark.parametrize(("contrast", "verdict"), [(0.0, "within noise"), (0.6, "no")])
def test_a_glaze_whose_pattern_the_mesh_lacks_is_not_explained(
    tmp_path: Path, contrast: float, verdict: str
) -> None:
    # White plastic with a printed checkerboard, as a photograph shows it; the scan is plain white.
    camera, size = Viewpoint(fov=30), (48, 48)
    mesh = solids.write(tmp_path / "ball.obj", solids.ball(96))
    scan = MeshScene.load(mesh, material("white-plastic"), (32, 16))
    cameras = scan.stand([camera], ["camera"], [size], [None])
    print_ = {
        "type": "checkerboard",
        "color0": {"type": "rgb", "value": 0.8},
        "color1": {"type": "rgb", "value": 0.8 - contrast},
        "to_uv": mi.ScalarTransform4f().scale([10, 8, 1]),
    }
    plastic = {"type": "plastic", "diffuse_reflectance": print_}
    real = {**scan.described, "object": {"type": "sphere", "bsdf": plastic}}
    scene = ei.load_scene(real, envmap=(32, 16))
    scene.set_sensors(cameras)
    scene.set_envmap(np.maximum(lamp(4, 20) / 10, 0.5))
    fit = ei.estimate(scan.scene, ei.render(scene, spp=256)).fit
    assert fit is not None
    assert fit.verdict == verdict, fit
