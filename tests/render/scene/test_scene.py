from __future__ import annotations

import re
import shutil
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
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi
from envmap_inverse.bundled import bunny
from envmap_inverse.images import write_image
from envmap_inverse.scene import scene as scene_module
from envmap_inverse.sphere import latlong

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeXML = Callable[..., str]
MakeMap = Callable[..., NDArray[np.float32]]


def load_in_a_child(path: Path) -> subprocess.CompletedProcess[str]:
    """For files that might crash the process."""
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


# Parameters


def test_the_parameters_tell_shape_type_and_flags_of_the_map(scene: ei.Scene) -> None:
    data = scene.parameters["my_envmap.data"]
    assert (data.shape, data.type) == ((8, 18, 3), "TensorXf")
    assert (data.is_differentiable, data.is_discontinuous) == (True, True)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sensor0.near_clip", ()),
        ("sensor0.film.size", (2,)),
        ("sensor0.film.crop_offset", (2,)),
        ("sensor0.to_world", (4, 4)),
        ("my_envmap.to_world", (4, 4)),
    ],
)
def test_the_parameters_tell_the_shapes_of_scalars_vectors_and_matrices(
    scene: ei.Scene, name: str, shape: tuple[int, ...]
) -> None:
    assert scene.parameters[name].shape == shape


def test_some_parameters_are_not_differentiable(scene: ei.Scene) -> None:
    assert not scene.parameters["sensor0.film.size"].is_differentiable
    assert "sensor0.film.size" not in scene.parameters.differentiable()
    assert "my_envmap.data" in scene.parameters.differentiable()


def test_the_parameters_are_those_of_mitsuba_in_its_order(scene: ei.Scene) -> None:
    assert list(scene.parameters) == list(mi.traverse(scene.mi_scene).keys())


def test_the_parameters_print_as_an_aligned_table(scene: ei.Scene) -> None:
    header, *rows = str(scene.parameters).splitlines()
    assert header.split() == ["name", "shape", "type", "differentiable", "discontinuous"]
    assert len(rows) == len(scene.parameters)
    (row,) = [row for row in rows if row.startswith("my_envmap.data ")]
    assert re.split(r"\s{2,}", row) == ["my_envmap.data", "8 x 18 x 3", "TensorXf", "yes", "yes"]
    starts = {line[header.index("type") - 1 : header.index("type") + 1] for line in [header, *rows]}
    assert all(start[0] == " " and start[1] != " " for start in starts)


WITHOUT_IDS = """<sensor type="thinlens">
        <float name="aperture_radius" value="0.1"/><float name="focus_distance" value="3"/>
    </sensor>
    <shape type="rectangle"><bsdf type="diffuse"/></shape>
    <shape type="cube"><bsdf type="diffuse"><rgb name="reflectance" value="0.2"/></bsdf></shape>
    <shape type="ply" id="quad">
        <string name="filename" value="quad.ply"/>
        <bsdf type="twosided"><bsdf type="roughconductor"/></bsdf>
    </shape>
    <shape type="ply"><string name="filename" value="quad.ply"/></shape>
    <shape type="rectangle"><emitter type="area"/></shape>
    <emitter type="point"/>"""


@pytest.fixture
def file_without_ids(scene_file: Path, scene_xml: MakeXML, write_quad: Callable[..., None]) -> Path:
    """A scene of many parts, of which one mesh alone has an id."""
    write_quad(scene_file.parent / "quad.ply")
    text = re.sub(r' id="(?!quad)\w+"', "", scene_xml(WITHOUT_IDS))
    scene_file.write_text(text)
    return scene_file


def test_parameters_of_parts_without_an_id_are_named_by_kind_and_number(
    file_without_ids: Path,
) -> None:
    parameters = ei.load_scene(file_without_ids).parameters
    names = dict.fromkeys(name.partition(".")[0] for name in parameters if ":" in name)
    parts = dict.fromkeys(name.partition(":")[0] for name in names)
    assert list(parts) == [
        *("sensor 0", "sensor 1", "shape 0 (rectangle)", "shape 1 (cube)", "shape 3 (ply)"),
        *("shape 4 (rectangle)", "emitter 0 (point)", "emitter 1 (envmap)"),
    ]
    chosen = ["sensor 0: near_clip", "shape 3 (ply): vertex_positions", "quad.vertex_positions"]
    assert list(parameters.keep(chosen)) == chosen
    assert parameters["emitter 1 (envmap): data"].shape == (8, 18, 3)


def test_a_parameter_is_found_under_mitsubas_key_too(file_without_ids: Path) -> None:
    scene = ei.load_scene(file_without_ids)
    params = mi.traverse(scene.mi_scene)
    assert [parameter.key for parameter in scene.parameters.values()] == list(params.keys())
    found = scene.parameters.keep(f"{scene.envmap.name}.data")
    assert list(found) == ["emitter 1 (envmap): data"]


def test_a_scene_without_ids_is_the_same_each_time_it_is_loaded(file_without_ids: Path) -> None:
    first, second = (ei.load_scene(file_without_ids) for _ in range(2))
    keys = [[p.key for p in scene.parameters.values()] for scene in (first, second)]
    assert keys[0] != keys[1]  # of which Mitsuba makes some of addresses
    assert str(first.parameters) == str(second.parameters)
    for one, other in zip(first.contents(), second.contents(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('value="0.2"', 'value="0.25"'),
        ('type="twosided"', 'type="mask"'),
        (
            '<bsdf type="roughconductor"/>',
            '<bsdf type="roughconductor"><string name="distribution" value="ggx"/></bsdf>',
        ),
        ('type="cube"', 'type="rectangle"'),
        ('name="focus_distance" value="3"', 'name="focus_distance" value="4"'),
        (
            '<emitter type="point"/>',
            '<emitter type="point"><point name="position" x="1" y="0" z="0"/></emitter>',
        ),
    ],
)
def test_any_change_of_a_scene_without_ids_is_seen(
    file_without_ids: Path, old: str, new: str
) -> None:
    before = list(map(str, ei.load_scene(file_without_ids).contents()))
    text = file_without_ids.read_text()
    assert old in text
    file_without_ids.write_text(text.replace(old, new))
    assert list(map(str, ei.load_scene(file_without_ids).contents())) != before


def test_one_parameter_can_be_kept(scene: ei.Scene) -> None:
    kept = scene.parameters.keep("my_envmap.data")
    assert list(kept) == ["my_envmap.data"]
    assert len(str(kept).splitlines()) == 2


def test_an_unknown_parameter_is_refused_with_the_known_ones(scene: ei.Scene) -> None:
    with pytest.raises(KeyError, match=r"no parameter 'my_envmap\.dat'; .*my_envmap\.data"):
        scene.parameters.keep(["my_envmap.dat"])


# The map


def test_a_map_set_and_read_back_is_bit_equal(scene: ei.Scene, rng: np.random.Generator) -> None:
    exponents = rng.uniform(-40, 38, (8, 16, 3))
    texels = (rng.random((8, 16, 3)) * 10.0**exponents).astype(np.float32)
    texels[0, 0] = (0, 1e-45, 3.4e38)
    scene.set_envmap(texels)
    found = scene.envmap.texels
    assert (found.dtype, found.shape) == (np.float32, (8, 16, 3))
    np.testing.assert_array_equal(found.view(np.uint32), texels.view(np.uint32))


def test_a_map_set_as_flat_rgba_and_read_back_is_bit_equal(
    scene: ei.Scene, random_map: MakeMap
) -> None:
    texels = random_map(seed=5)
    scene.set_envmap(latlong.flatten_rgba(texels))
    np.testing.assert_array_equal(scene.envmap.texels, texels)
    np.testing.assert_array_equal(scene.envmap.rgba, latlong.flatten_rgba(texels))


def test_alpha_is_ignored_when_set_and_one_when_read(scene: ei.Scene, random_map: MakeMap) -> None:
    rgba = latlong.flatten_rgba(random_map(seed=5))
    rgba[3::4] = 0.3
    scene.set_envmap(rgba)
    assert (scene.envmap.rgba[3::4] == 1).all()


def test_the_map_of_a_file_is_the_files(scene_file: Path, random_map: MakeMap) -> None:
    np.testing.assert_array_equal(ei.load_scene(scene_file).envmap.texels, random_map())


def test_texels_are_a_copy(scene: ei.Scene) -> None:
    before = scene.envmap.texels
    scene.envmap.texels[:] = 0
    np.testing.assert_array_equal(scene.envmap.texels, before)


def test_the_resolution_is_width_and_height_without_halo(scene: ei.Scene) -> None:
    assert scene.envmap.resolution == (16, 8)
    assert scene.envmap.name == "my_envmap"


def test_both_sides_of_the_seam_follow_the_map(scene: ei.Scene, random_map: MakeMap) -> None:
    texels = random_map(seed=9)
    scene.set_envmap(texels)
    data = np.array(mi.traverse(scene.mi_scene)["my_envmap.data"])
    np.testing.assert_array_equal(data[:, 0], texels[:, -1])
    np.testing.assert_array_equal(data[:, -1], texels[:, 0])


@pytest.mark.parametrize(
    "shape", [(16, 8, 3), (8, 18, 3), (8, 16, 4), (8, 16), (8 * 16 * 3,), (8 * 18 * 4,), ()]
)
def test_a_map_of_another_shape_is_refused_with_both_shapes(
    scene: ei.Scene, shape: tuple[int, ...]
) -> None:
    message = rf"must have shape \(8, 16, 3\), or \(512,\).*found {re.escape(str(shape))}"
    with pytest.raises(ei.InputError, match=message):
        scene.set_envmap(np.ones(shape))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "1 texel values are NaN or infinite, first in row 2, column 5"),
        (np.inf, "1 texel values are NaN or infinite, first in row 2, column 5"),
        (-1e-6, r"0\.26 % of the texel values are negative"),
    ],
)
def test_a_map_that_is_no_light_is_refused_and_changes_nothing(
    scene: ei.Scene, value: float, message: str
) -> None:
    before = scene.envmap.texels
    texels = np.ones((8, 16, 3))
    texels[2, 5, 1] = value
    with pytest.raises(ei.InputError, match=message):
        scene.set_envmap(texels)
    np.testing.assert_array_equal(scene.envmap.texels, before)


def test_the_rotation_of_the_emitter_can_be_read(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    to_world = mi.ScalarTransform4f().rotate([0, 1, 0], 90)
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "to_world": to_world}
    scene = make_scene(my_envmap=emitter)
    expected = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(scene.envmap.to_world, expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0, 65])
def test_mitsuba_sees_each_texel_in_the_direction_that_latlong_gives(
    make_scene: MakeScene, random_map: MakeMap, angle: float
) -> None:
    to_world = mi.ScalarTransform4f().rotate([2 / 3, 1 / 3, 2 / 3], angle)
    texels = random_map()
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(texels), "to_world": to_world}
    scene = make_scene(my_envmap=emitter)
    rotation = scene.envmap.to_world[:3, :3]
    directions = latlong.texel_directions(8, 16)[1:-1].reshape(-1, 3) @ rotation.T
    interaction = dr.zeros(mi.SurfaceInteraction3f, len(directions))
    interaction.wi = -mi.Vector3f(directions.T.astype(np.float32))
    seen = np.array(scene.mi_scene.environment().eval(interaction)).T
    np.testing.assert_allclose(seen, texels[1:-1].reshape(-1, 3), rtol=1e-3)


# Loading


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
    ("emitter", "found"),
    [("", "none"), ('<emitter type="constant"/>', "constant")],
)
def test_a_scene_without_an_environment_map_is_refused_with_how_to_add_one(
    scene_file: Path, scene_xml: MakeXML, emitter: str, found: str
) -> None:
    scene_file.write_text(scene_xml(envmap=emitter))
    message = rf"no environment map \(found: {found}\); load_scene\(\.\.\., envmap=\(256, 128\)\)"
    with pytest.raises(ei.InputError, match=message):
        ei.load_scene(scene_file)


@pytest.fixture
def two_maps(scene_dict: MakeDict, random_map: MakeMap) -> dict[str, Any]:
    return scene_dict(other={"type": "envmap", "bitmap": mi.Bitmap(random_map(6, 12, seed=2))})


def test_a_scene_with_two_maps_asks_for_a_name(two_maps: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=r"several .*'my_envmap', 'other'; .*envmap="):
        ei.load_scene(two_maps)


@pytest.mark.parametrize(("name", "resolution"), [("my_envmap", (16, 8)), ("other", (12, 6))])
def test_one_of_two_maps_can_be_chosen(
    two_maps: dict[str, Any], name: str, resolution: tuple[int, int]
) -> None:
    scene = ei.load_scene(two_maps, envmap=name)
    assert (scene.envmap.name, scene.envmap.resolution) == (name, resolution)
    assert len(scene.mi_scene.emitters()) == 1


def test_an_unknown_map_is_refused_with_the_known_ones(two_maps: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=r"no environment map 'third'; .*'my_envmap', 'other'"):
        ei.load_scene(two_maps, envmap="third")


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


# Sensors and films


def test_a_sensor_that_the_scene_does_not_have_is_refused(scene: ei.Scene) -> None:
    for index in (1, -1):
        with pytest.raises(ei.InputError, match=rf"sensor {index}: the scene has 1 sensor"):
            scene.sensor(index)


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [
        ((8, 8), 32, (32, 32)),
        ((16, 8), 4, (4, 2)),
        ((100, 33), 10, (10, 3)),
        ((8, 16), 8, (4, 8)),
        ((64, 2), 8, (8, 1)),
        ((5, 3), 5, (5, 3)),
    ],
)
def test_the_film_size_is_that_of_the_longer_side(
    make_scene: MakeScene, before: tuple[int, int], size: int, after: tuple[int, int]
) -> None:
    scene = make_scene(size=before)
    scene.set_film_size(size)
    assert scene.film_size() == after
    assert ei.render(scene, spp=1).shape == (after[1], after[0], 3)


@pytest.mark.parametrize(
    ("film", "crop", "offset", "size"),
    [(16, 8, 4, 4), (16, 8, 8, 16), (5, 2, 3, 1), (7, 3, 4, 2), (9, 4, 5, 3), (11, 5, 6, 2)],
)
def test_the_film_size_is_that_of_the_crop_window(
    make_scene: MakeScene, film: int, crop: int, offset: int, size: int
) -> None:
    window = {
        "crop_width": crop,
        "crop_height": crop,
        "crop_offset_x": offset,
        "crop_offset_y": offset,
    }
    scene = make_scene(size=(film, film), film=window)
    assert scene.film_size() == (crop, crop)
    scene.set_film_size(size)
    assert scene.film_size() == (size, size)
    assert ei.render(scene, spp=1).shape == (size, size, 3)


@pytest.mark.parametrize("size", [0, -3])
def test_a_film_without_pixels_is_refused(scene: ei.Scene, size: int) -> None:
    with pytest.raises(ei.InputError, match="size must be at least 1 pixel; found"):
        scene.set_film_size(size)


def test_each_sensor_has_its_own_film_size(make_scene: MakeScene) -> None:
    scene = make_scene(cameras=[(0, 0, 4), (4, 0, 0)])
    scene.set_film_size(4, sensor=1)
    assert scene.num_sensors == 2
    assert (scene.film_size(0), scene.film_size(1)) == ((8, 8), (4, 4))


def test_a_scene_can_be_moved_with_its_files(scene_file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(scene_file.parent, moved)
    write_image(moved / "map.exr", np.ones((4, 6, 3)))
    assert ei.load_scene(moved / "scene.xml").envmap.resolution == (6, 4)
    assert ei.load_scene(scene_file).envmap.resolution == (16, 8)


def test_a_scene_loads_on_a_single_core() -> None:
    """Mitsuba's loader waits for ever in a pool of one thread."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import envmap_inverse as ei; from envmap_inverse.bundled import bunny\n"
        "print(ei.load_scene(bunny()).num_sensors)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "1\n", done.stderr
