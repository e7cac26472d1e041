from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmap_inverse import InputError
from envmap_inverse.scene.xml_checks import MAX_DEPTH, MAX_INCLUDES, check_xml

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an XML file of a scene that holds something."""

    def make(content: str, name: str = "scene.xml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'<scene version="3.0.0">{content}</scene>')
        return path

    return make


def nested(depth: int) -> str:
    return "<bsdf>" * depth + "</bsdf>" * depth


def test_elements_may_be_nested_to_the_limit_and_no_deeper(write: Write) -> None:
    check_xml(write(nested(MAX_DEPTH - 1)), {})
    with pytest.raises(InputError, match=rf"scene\.xml: line 1: .*more than {MAX_DEPTH} deep"):
        check_xml(write(nested(MAX_DEPTH)), {})


@pytest.mark.parametrize(
    "content",
    [
        '<include filename="part.xml"/>',
        '<default name="name" value="part"/><include filename="$name.xml"/>',
        '<default name="n" value="pa"/><default name="na" value="part.xml"/>'
        '<include filename="$na"/>',
        '<include filename="folder/other.xml"/>',
    ],
    ids=["by name", "by parameter", "longest parameter first", "through another"],
)
def test_included_files_are_checked_however_they_are_named(write: Write, content: str) -> None:
    write(nested(MAX_DEPTH), "part.xml")
    write('<include filename="part.xml"/>', "folder/other.xml")
    with pytest.raises(InputError, match=r"part\.xml: line 1: elements are nested"):
        check_xml(write(content), {})


def test_values_for_parameters_go_before_the_files_own(write: Write) -> None:
    write(nested(MAX_DEPTH), "part.xml")
    scene = write('<default name="name" value="nothing"/><include filename="$name.xml"/>')
    check_xml(scene, {})
    with pytest.raises(InputError, match=r"part\.xml"):
        check_xml(scene, {"name": "part"})


def test_included_files_are_looked_for_in_the_folders_that_a_scene_adds(write: Write) -> None:
    write(nested(MAX_DEPTH), "folder/part.xml")
    with pytest.raises(InputError, match=r"folder/part\.xml"):
        check_xml(write('<path value="folder"/><include filename="part.xml"/>'), {})


def test_depth_counts_through_included_files(write: Write) -> None:
    write(nested(MAX_DEPTH // 2), "part.xml")
    inner = '<include filename="part.xml"/>'
    around = MAX_DEPTH // 2
    with pytest.raises(InputError, match=r"part\.xml: .*nested"):
        check_xml(write("<bsdf>" * around + inner + "</bsdf>" * around), {})


def test_files_that_include_one_another_without_end_are_refused(write: Write) -> None:
    with pytest.raises(InputError, match=f"more than {MAX_INCLUDES} files include one another"):
        check_xml(write('<include filename="scene.xml"/>'), {})


@pytest.mark.parametrize("value", ['"ha"', 'SYSTEM "/etc/passwd"'])
def test_entities_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "scene.xml"
    path.write_text(f"<!DOCTYPE x [<!ENTITY laugh {value}>]><scene>&laugh;</scene>")
    with pytest.raises(InputError, match=r"scene\.xml: declares the entity 'laugh'"):
        check_xml(path, {})


def test_malformed_xml_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "scene.xml"
    path.write_text("<scene>\n<shape>\n</scene>")
    with pytest.raises(InputError, match=r"scene\.xml: malformed XML: .*line 3"):
        check_xml(path, {})


def test_a_missing_scene_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scene\.xml: no such scene file"):
        check_xml(tmp_path / "scene.xml", {})
    with pytest.raises(InputError, match="is a folder"):
        check_xml(tmp_path, {})


@settings(max_examples=25)
@given(depths=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_however_a_scene_is_cut_into_files_its_depth_is_the_sum(
    write: Write, depths: list[int]
) -> None:
    """Each file has its own outermost element."""
    inner = ""
    for number, depth in enumerate(depths):
        content = "<bsdf>" * depth + inner + "</bsdf>" * depth
        path = write(content, f"{number}.xml")
        inner = f'<include filename="{number}.xml"/>'
    total = sum(depths) + len(depths) + len(depths) - 1  # an <include> is an element too
    if total <= MAX_DEPTH:
        check_xml(path, {})
    else:
        with pytest.raises(InputError, match=f"nested more than {MAX_DEPTH} deep"):
            check_xml(path, {})


@settings(max_examples=25)
@given(
    values=st.dictionaries(st.text("ab", min_size=1, max_size=3), st.text("cd", max_size=3)),
    pieces=st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3),
)
def test_the_longest_parameter_that_fits_gives_the_value(
    write: Write, values: dict[str, str], pieces: list[str]
) -> None:
    """Its file, which is too deep, is the one that is found."""
    text = "".join(f"${piece}" for piece in pieces)
    expected = re.sub(
        r"\$([ab]+)",
        lambda found: next(
            (
                values[found[1][:end]] + found[1][end:]
                for end in range(len(found[1]), 0, -1)
                if found[1][:end] in values
            ),
            found[0],
        ),
        text,
    )
    write(nested(MAX_DEPTH), f"{expected}.xml")
    with pytest.raises(InputError, match="nested more than"):
        check_xml(write(f'<include filename="{text}.xml"/>'), values)


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match="/proc/self/mem: cannot be read: Input/output error"):
        check_xml(Path("/proc/self/mem"), {})
