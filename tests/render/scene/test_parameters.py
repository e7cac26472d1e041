from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi

MakeXML = Callable[..., str]


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
