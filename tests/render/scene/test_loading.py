from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.bundled import bunny
from envmap_inverse.images import write_image
from envmap_inverse.scene import scene as scene_module

MakeDict = Callable[..., dict[str, Any]]
MakeXML = Callable[..., str]


def load_in_a_child(path: Path) -> subprocess.CompletedProcess[str]:
    """Load a file that might crash the process."""
    code = (
        "import sys, envmap_inverse as ei\n"
        "try:\n    ei.render(ei.load_scene(sys.argv[1]), spp=1)\n"
        "except ei.InputError as error:\n    print('refused:', error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_serialized_quad(path: Path, last_index: int) -> None:
    vertices = np.float32([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)])
    faces = np.uint32([(0, 1, 2), (0, 2, last_index)])
    body = struct.pack("<I", 0x1000) + b"quad\0" + struct.pack("<QQ", 4, 2)
    body += vertices.tobytes() + faces.tobytes()
    header, footer = struct.pack("<HH", 0x041C, 4), struct.pack("<QI", 0, 1)
    path.write_bytes(header + zlib.compress(body) + footer)


def test_a_scene_loads_from_a_path_a_string_a_dictionary_and_a_mitsuba_scene(
    scene_file: Path, scene_dict: MakeDict
) -> None:
    for source in (scene_file, str(scene_file), scene_dict(), mi.load_dict(scene_dict())):
        assert ei.load_scene(source).envmap.resolution == (16, 8)


def test_a_loaded_scene_loads_as_itself(scene: ei.Scene) -> None:
    assert ei.load_scene(scene) is scene


def test_defaults_fill_the_parameters_of_an_xml_file(scene_file: Path) -> None:
    assert ei.load_scene(scene_file).film_size() == (8, 8)
    assert ei.load_scene(scene_file, resolution=12).film_size() == (12, 12)


@pytest.fixture
def file_with_a_name(scene_file: Path) -> Path:
    """A scene whose map is `$envmap`, which has no default and is an argument's name."""
    scene_file.write_text(scene_file.read_text().replace("map.exr", "$envmap.exr"))
    return scene_file


def test_a_name_without_a_value_is_refused_with_what_gives_it_one(file_with_a_name: Path) -> None:
    message = r"scene\.xml: .*undefined parameter: \$envmap; give it a value: --define envmap=VALUE"
    with pytest.raises(ei.InputError, match=message):
        ei.load_scene(file_with_a_name)


def test_names_that_are_arguments_names_are_defined_too(file_with_a_name: Path) -> None:
    scene = ei.load_scene(file_with_a_name, define={"envmap": "map"}, resolution=12)
    assert (scene.envmap.resolution, scene.film_size()) == ((16, 8), (12, 12))


def test_a_name_that_mitsubas_loader_has_is_refused(scene_file: Path) -> None:
    with pytest.raises(ei.InputError, match=r"\$filename cannot be defined"):
        ei.load_scene(scene_file, define={"filename": "map"})


def test_files_are_found_beside_the_xml_from_any_folder(
    scene_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ei.load_scene(Path("scene") / "scene.xml").envmap.resolution == (16, 8)


@pytest.mark.parametrize("is_broken", [False, True])
def test_loading_leaves_mitsubas_file_resolver_as_it_was(scene_file: Path, is_broken: bool) -> None:
    before = list(map(str, mi.file_resolver()))
    if is_broken:
        (scene_file.parent / "map.exr").unlink()
        with pytest.raises(ei.InputError):
            ei.load_scene(scene_file)
    else:
        ei.load_scene(scene_file)
    assert list(map(str, mi.file_resolver())) == before


def test_the_bundled_bunny_loads(tmp_path: Path) -> None:
    scene = ei.load_scene(bunny())
    assert scene.envmap.name == "my_envmap"
    assert scene.envmap.resolution == (250, 125)
    assert scene.film_size() == (512, 512)
    assert (scene.envmap.texels >= 0).all()


def test_a_missing_scene_file_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.xml: no such scene file"):
        ei.load_scene(tmp_path / "nothing.xml")


def test_a_mesh_file_without_faces_is_refused(
    tmp_path: Path, scene_xml: Callable[..., str], random_map: Callable[..., Any]
) -> None:
    write_image(tmp_path / "map.exr", random_map())
    (tmp_path / "empty.obj").write_text("v 0 0 0\nvn 0 0 1\n")
    mesh = '<shape type="obj"><string name="filename" value="empty.obj"/></shape>'
    (tmp_path / "scene.xml").write_text(scene_xml(mesh))
    with pytest.raises(ei.InputError, match=r"empty\.obj: has no faces"):
        ei.load_scene(tmp_path / "scene.xml")


@pytest.mark.parametrize("is_loaded", [False, True])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_mesh_object_without_faces_is_refused(
    scene_dict: Callable[..., dict[str, Any]], *, is_loaded: bool, is_grouped: bool
) -> None:
    mesh = mi.Mesh("cow", 3, 0)
    mesh.set_id("cow")
    herd = {"type": "shapegroup", "ball": {"type": "sphere"}, "cow": mesh}
    instance = {"type": "instance", "herd": {"type": "ref", "id": "herd"}}
    described = scene_dict(**({"herd": herd, "instance": instance} if is_grouped else {"m": mesh}))
    source = mi.load_dict(described) if is_loaded else described
    with pytest.raises(ei.InputError, match=r"the mesh '\w+' has no faces"):
        ei.load_scene(source)


def test_an_empty_group_is_refused(scene_dict: Callable[..., dict[str, Any]]) -> None:
    instance = {"type": "instance", "herd": {"type": "ref", "id": "herd"}}
    described = scene_dict(herd={"type": "shapegroup"}, instance=instance)
    with pytest.raises(ei.InputError, match="the instance 'instance' is of a group without"):
        ei.load_scene(described)


def test_a_scene_without_shapes_is_refused(scene_dict: Callable[..., dict[str, Any]]) -> None:
    described = scene_dict()
    del described["large"], described["small"]
    with pytest.raises(ei.InputError, match="the scene has no shapes"):
        ei.load_scene(described)


def test_a_folder_is_no_scene(tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match=f"{tmp_path}: is a folder"):
        ei.load_scene(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "malformed XML: no element found"),
        ("<scene version='3.0.0'>\n<shape type='sphere'>\n</scene>", "mismatched tag: line 3"),
        ("<scene version='3.0.0'>\n<shape typ='sphere'/>\n</scene>", r"line 2, col 2.*\"typ\""),
        (
            "<scene version='3.0.0'>\n <shape type='sphere'>"
            "<float name='radius' value='big'/></shape></scene>",
            r"line 2, col 24.*\"big\"",
        ),
        ("<scene version='3.0.0'>\n<shape type='nosuch'/></scene>", "line 2, col 2.*nosuch"),
        ("<shape version='3.0.0' type='sphere'/>", "outermost element is a Shape, not a scene"),
        ("\0\1\2\3", "malformed XML"),
    ],
)
def test_a_broken_xml_file_is_refused_by_name_and_place(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(content)
    with pytest.raises(ei.InputError, match=message) as caught:
        ei.load_scene(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (
            '<shape type="sphere"><bsdf type="diffuse"><texture type="bitmap" name="reflectance">'
            '<string name="filename" value="wood.png"/></texture></bsdf></shape>',
            "wood.png",
        ),
        ('<shape type="ply"><string name="filename" value="cow.ply"/></shape>', "cow.ply"),
        ('<shape type="obj"><string name="filename" value="cow.obj"/></shape>', "cow.obj"),
    ],
)
def test_a_missing_texture_or_mesh_is_refused_by_name(
    scene_file: Path, scene_xml: MakeXML, body: str, missing: str
) -> None:
    scene_file.write_text(scene_xml(body))
    with pytest.raises(ei.InputError, match=missing) as caught:
        ei.load_scene(scene_file)
    assert str(caught.value).startswith(f"{scene_file}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_map_is_refused_by_name(scene_file: Path) -> None:
    (scene_file.parent / "map.exr").unlink()
    with pytest.raises(ei.InputError, match=r"map\.exr.*No such file"):
        ei.load_scene(scene_file)


def test_a_truncated_mesh_is_refused(
    scene_file: Path, scene_xml: MakeXML, write_quad: Callable[..., None]
) -> None:
    mesh = scene_file.parent / "quad.ply"
    write_quad(mesh)
    mesh.write_bytes(mesh.read_bytes()[:-9])
    scene_file.write_text(
        scene_xml('<shape type="ply"><string name="filename" value="quad.ply"/></shape>')
    )
    with pytest.raises(ei.InputError, match=r"quad\.ply"):
        ei.load_scene(scene_file)


def test_a_sound_mesh_is_loaded(
    scene_file: Path, scene_xml: MakeXML, write_quad: Callable[..., None]
) -> None:
    write_quad(scene_file.parent / "quad.ply")
    scene_file.write_text(
        scene_xml('<shape type="ply"><string name="filename" value="quad.ply"/></shape>')
    )
    (shape,) = ei.load_scene(scene_file).mi_scene.shapes()
    assert (shape.vertex_count(), shape.face_count()) == (4, 2)


@pytest.mark.parametrize(
    ("kind", "index"),
    [
        ("binary ply", 4),
        ("binary ply", 900_000_000),
        ("ascii ply", 900_000_000),
        ("obj", 900_000_000),
        ("serialized", 4),
        ("serialized", 900_000_000),
    ],
)
def test_a_mesh_whose_faces_point_outside_its_vertices_is_refused(
    scene_file: Path, scene_xml: MakeXML, write_quad: Callable[..., None], kind: str, index: int
) -> None:
    suffix = kind.rsplit(maxsplit=1)[-1]
    mesh = scene_file.parent / f"bad.{suffix}"
    if suffix == "ply":
        write_quad(mesh, index, binary=kind.startswith("binary"))
    elif suffix == "serialized":
        write_serialized_quad(mesh, index)
    else:
        mesh.write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 {index}\n")
    scene_file.write_text(
        scene_xml(f'<shape type="{suffix}"><string name="filename" value="bad.{suffix}"/></shape>')
    )
    done = load_in_a_child(scene_file)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    assert re.match(rf"refused: .*bad\.{suffix}", done.stdout)


@pytest.mark.parametrize("more", ["", '<integer name="shape_index" value="0"/>'])
def test_a_sound_serialized_mesh_is_loaded(scene_file: Path, scene_xml: MakeXML, more: str) -> None:
    write_serialized_quad(scene_file.parent / "quad.serialized", 3)
    named = f'<string name="filename" value="quad.serialized"/>{more}'
    scene_file.write_text(scene_xml(f'<shape type="serialized">{named}</shape>'))
    (shape,) = ei.load_scene(scene_file).mi_scene.shapes()
    assert (shape.vertex_count(), shape.face_count()) == (4, 2)


@pytest.mark.parametrize("is_included", [False, True])
def test_xml_that_is_nested_too_deep_is_refused(
    scene_file: Path, scene_xml: MakeXML, is_included: bool
) -> None:
    num = 200_000
    deep = scene_file.parent / "deep.xml"
    nested = "<bsdf type='twosided'>" * num + "</bsdf>" * num
    deep.write_text(f"<scene version='3.0.0'>{nested}</scene>")
    scene_file.write_text(scene_xml('<include filename="deep.xml"/>'))
    done = load_in_a_child(scene_file if is_included else deep)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-300:]}"
    assert re.match(r"refused: .*deep\.xml: .*nested more than \d+ deep", done.stdout)


def test_xml_that_is_nested_as_deep_as_scenes_are_is_read(
    scene_file: Path, scene_xml: MakeXML
) -> None:
    bsdf = '<bsdf type="diffuse"/>'
    for _ in range(8):
        bsdf = f'<bsdf type="mask">{bsdf}</bsdf>'
    scene_file.write_text(scene_xml(f'<shape type="sphere">{bsdf}</shape>'))
    assert ei.load_scene(scene_file).envmap.name == "my_envmap"


@pytest.mark.parametrize(
    "described", [{"type": "sphere"}, {"type": "envmap"}, {"something": 1}, {}]
)
def test_a_dictionary_of_something_else_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=r"^the dictionary: ") as caught:
        ei.load_scene(described)
    assert "\n" not in str(caught.value)


def test_variants_without_rgb_or_gradients_are_refused(scene_file: Path) -> None:
    code = (
        "import sys, envmap_inverse as ei\nfrom envmap_inverse.backend import mi\n"
        "for variant in ('scalar_rgb', 'llvm_ad_spectral', 'llvm_ad_mono'):\n"
        "    mi.set_variant(variant)\n"
        "    try:\n        ei.load_scene(sys.argv[1])\n"
        "    except ei.InputError as error:\n        print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, scene_file], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    for line, variant in zip(
        lines, ("scalar_rgb", "llvm_ad_spectral", "llvm_ad_mono"), strict=True
    ):
        assert re.match(rf"Mitsuba variant '{variant}' cannot be used; set 'llvm_ad_rgb'", line)


def test_another_mitsuba_is_refused_with_the_one_that_is_needed(
    scene_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SimpleNamespace(variant=lambda: "llvm_ad_rgb", __version__="4.0.1")
    monkeypatch.setattr(scene_module, "mi", other)
    with pytest.raises(ei.InputError, match=r"Mitsuba 4\.0\.1 cannot be used; install 'mitsuba>="):
        ei.load_scene(scene_file)
