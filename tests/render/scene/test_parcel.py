"""Scenes that travel to other processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import envmap_inverse as ei
from envmap_inverse.scene.parcel import packed, unpacked


def travelled(scene: ei.Scene, folder: Path) -> ei.Scene:
    parcel = pickle.loads(pickle.dumps(packed(scene)))
    folder.mkdir()
    return unpacked(parcel, folder)


def test_a_scene_travels_with_its_files_films_and_map_size(
    scene_file: Path, tmp_path: Path
) -> None:
    scene = ei.load_scene(scene_file)
    scene.set_film_size((12, 6))
    scene.cut_film(2, 1, 4, 4)
    scene.set_map_size(24, 12)
    parcel = packed(scene)
    for file in scene_file.parent.iterdir():
        file.unlink()
    (tmp_path / "there").mkdir()
    found = unpacked(parcel, tmp_path / "there")
    assert found.fingerprint == scene.fingerprint
    assert found.film_size() == (4, 4)
    assert found.envmap.resolution == (24, 12)


def test_files_with_absolute_names_and_included_ones_travel(
    scene_file: Path, tmp_path: Path
) -> None:
    text = scene_file.read_text()
    map_file = scene_file.with_name("map.exr")
    text = text.replace('value="map.exr"', f'value="{map_file}"')
    begin, end = text.index("<shape"), text.index("</shape>") + len("</shape>")
    part = scene_file.with_name("part.xml")
    part.write_text(f'<scene version="3.0.0">{text[begin:end]}</scene>')
    scene_file.write_text(f'{text[:begin]}<include filename="part.xml"/>{text[end:]}')
    scene = ei.load_scene(scene_file)
    parcel = packed(scene)
    assert {Path(name).name for name in parcel.files} == {"scene.xml", "part.xml", "map.exr"}
    for file in scene_file.parent.iterdir():
        file.unlink()
    (tmp_path / "there").mkdir()
    assert unpacked(parcel, tmp_path / "there").fingerprint == scene.fingerprint


def test_a_mesh_with_its_camera_and_turns_travels(tmp_path: Path) -> None:
    mesh = tmp_path / "tile.obj"
    mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    camera = ei.Viewpoint(fov=40, azimuth=20, up="z")
    scene = ei.load_mesh(mesh, material="chrome", camera=camera, size=(8, 6))
    found = travelled(scene, tmp_path / "there")
    assert found.fingerprint == scene.fingerprint


def test_parts_that_are_no_plain_data_do_not_travel() -> None:
    from envmap_inverse.backend import mi

    sphere = mi.load_dict({"type": "sphere"})
    scene = ei.load_scene({"type": "scene", "ball": sphere}, envmap=(16, 8))
    with pytest.raises(ei.InputError, match=r"holds a .*, which cannot travel to workers; load it"):
        packed(scene)
