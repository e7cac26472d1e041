from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmap_inverse import InputError
from envmap_inverse.scene.mesh_checks import check_obj, check_ply

FORMATS = ["ascii", "binary_little_endian", "binary_big_endian"]
CODES = {"char": "b", "uchar": "B", "short": "h", "int": "i", "uint": "I", "long": "q"}
CODES |= {"float": "f", "double": "d"}
VERTICES = ((-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0))
WritePly = Callable[..., Path]


@pytest.fixture
def write_ply(tmp_path: Path) -> WritePly:
    """Writes a PLY file of four vertices."""

    def write(
        faces: Sequence[Sequence[float]] = ((0, 1, 2), (0, 2, 3)),
        kind: str = "binary_little_endian",
        *,
        count: str = "uchar",
        index: str = "int",
        before: str = "",
        changes: Sequence[tuple[str, str]] = (),
    ) -> Path:
        header = (
            f"ply\nformat {kind} 1.0\ncomment a square\nelement vertex 4\n"
            "property float x\nproperty float y\nproperty float z\n"
            f"element face {len(faces)}\n{before}"
            f"property list {count} {index} vertex_indices\nend_header\n"
        )
        for old, new in changes:
            assert old in header
            header = header.replace(old, new)
        rows: list[tuple[str, tuple[float, ...]]] = [("3f", vertex) for vertex in VERTICES]
        skipped = (7,) if before else ()
        code = "i" * bool(before) + CODES[count]
        rows += [
            (f"{code}{len(face)}{CODES[index]}", (*skipped, len(face), *face)) for face in faces
        ]
        if kind == "ascii":
            body = "".join(" ".join(map(str, row)) + "\n" for _, row in rows).encode()
        else:
            order = "<" if "little" in kind else ">"
            body = b"".join(struct.pack(order + code, *row) for code, row in rows)
        path = tmp_path / "mesh.ply"
        path.write_bytes(header.encode() + body)
        return path

    return write


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("before", ["", "property int material\n"])
def test_a_ply_file_of_triangles_passes(write_ply: WritePly, kind: str, before: str) -> None:
    check_ply(write_ply(kind=kind, before=before))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("index", [4, -1, 900_000_000])
def test_a_ply_face_outside_the_vertices_is_refused_with_its_index(
    write_ply: WritePly, kind: str, index: int
) -> None:
    with pytest.raises(InputError, match=rf"vertex {index}, but there are 4"):
        check_ply(write_ply([(0, 1, 2), (0, 2, index)], kind))


@given(
    faces=st.lists(st.tuples(*[st.integers(-1, 4)] * 3), min_size=1, max_size=6),
    kind=st.sampled_from(FORMATS),
)
def test_a_ply_file_is_refused_if_and_only_if_an_index_is_outside(
    write_ply: WritePly, faces: list[tuple[int, int, int]], kind: str
) -> None:
    path = write_ply(faces, kind)
    if all(0 <= index < 4 for face in faces for index in face):
        check_ply(path)
    else:
        with pytest.raises(InputError, match="a face points to vertex"):
            check_ply(path)


@pytest.mark.parametrize(
    ("index", "value"), [("short", -1), ("long", 2**32), ("double", -5.0), ("float", float("nan"))]
)
def test_a_ply_index_of_any_type_is_looked_at(
    write_ply: WritePly, index: str, value: float
) -> None:
    with pytest.raises(InputError, match="a face points to vertex"):
        check_ply(write_ply([(0, 1, 2), (0, 2, value)], index=index))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_ply_file_of_quadrilaterals_is_refused(write_ply: WritePly, kind: str) -> None:
    with pytest.raises(InputError, match=r"triangle|fraction|numbers|ends before"):
        check_ply(write_ply([(0, 1, 2, 3), (0, 2, 3)], kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("element", ["vertex 4", "face 2"])
def test_a_ply_file_that_ends_too_early_is_refused(
    write_ply: WritePly, kind: str, element: str
) -> None:
    path = write_ply(kind=kind, changes=[(element, f"{element}000000000")])
    with pytest.raises(InputError, match=rf"ends before its last {element.split(maxsplit=1)[0]}"):
        check_ply(path)


def test_a_ply_text_with_a_fraction_for_an_index_is_refused(write_ply: WritePly) -> None:
    with pytest.raises(InputError, match="has a fraction"):
        check_ply(write_ply([(0, 1, 2), (0, 2, 1.5)], "ascii"))


def test_a_ply_text_with_words_for_numbers_is_refused(write_ply: WritePly) -> None:
    path = write_ply(kind="ascii")
    path.write_text(path.read_text().replace("1 1 0", "1 one 0"))
    with pytest.raises(InputError, match="values of its vertex are not numbers"):
        check_ply(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ply\n", "plx\n", "not a PLY file"),
        ("end_header", "", "not a PLY file"),
        ("property float x", "property quad x", "unknown line 'property quad x'"),
        ("element vertex 4", "element vertex -4", "unknown line"),
        ("format binary_little_endian 1.0", "format packed 1.0", "unknown line"),
        ("format binary_little_endian 1.0", "format", "unknown line"),
        ("format binary_little_endian 1.0\n", "", "does not name one format"),
        ("property float y", "property float x", "names a property of vertex twice"),
    ],
)
def test_a_ply_header_that_is_not_understood_is_refused(
    write_ply: WritePly, old: str, new: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_ply(write_ply(changes=[(old, new)]))


@pytest.mark.parametrize("face", ["1 2 3", "1/1 2/2 3/3", "1//9 2//9 3//9", "\t 1 2 3 4"])
def test_an_obj_file_that_counts_from_one_passes(tmp_path: Path, face: str) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(f"# half -1\nv 0.12345678901 0 -1\nf {face}\n")
    check_obj(path)


@pytest.mark.parametrize(
    ("face", "index"),
    [
        ("1 2 -1", "-1"),
        ("1 2/2/-3 3", "-3"),
        ("4294967297 2 3", "4294967297"),
        ("1/4294967297 2 3", "4294967297"),
        ("  1   2 \t -1", "-1"),
        ("1-3 2 3", "-3"),
        ("1 2 -", "-"),
    ],
)
def test_an_obj_index_that_mitsuba_misreads_is_refused(
    tmp_path: Path, face: str, index: str
) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(f"v 0 0 0\n  f {face}\n")
    with pytest.raises(InputError, match=f"mesh.obj: a face points to vertex {index};"):
        check_obj(path)


@pytest.mark.parametrize("before", ["  ", "\t", "\r", "\n\n", "v 0 0 0\n", "# f 1 2 3\n"])
def test_an_obj_face_is_looked_at_wherever_its_line_begins(tmp_path: Path, before: str) -> None:
    path = tmp_path / "mesh.obj"
    path.write_bytes(f"{before}f 1 2 -1".encode())
    with pytest.raises(InputError, match="a face points to vertex -1;"):
        check_obj(path)


@pytest.mark.parametrize("face", ["1 2 3 # not -1", "1 2 3 # f -1", "1 2 3 and -1"])
def test_what_follows_the_indices_of_an_obj_face_is_passed_over(tmp_path: Path, face: str) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(f"f {face}\nf 1 2 3\n")
    check_obj(path)


@pytest.mark.parametrize(
    "repeated", ["1 ", "123456789/", " ", "f ", "f -1", "\t", "\r", "\n", "f 1\n"]
)
def test_a_hostile_obj_file_is_read_in_linear_time(tmp_path: Path, repeated: str) -> None:
    """A million of anything would take hours if two of them cost each other a step."""
    path = tmp_path / "mesh.obj"
    path.write_text("f " + repeated * 10**6 + "x")
    with contextlib.suppress(InputError):
        check_obj(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_ply_file_without_faces_is_refused(write_ply: WritePly, kind: str) -> None:
    with pytest.raises(InputError, match=r"mesh\.ply: has no faces"):
        check_ply(write_ply([], kind))


def test_an_obj_file_without_faces_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nl 1 2\n")
    with pytest.raises(InputError, match=r"mesh\.obj: has no faces"):
        check_obj(path)
