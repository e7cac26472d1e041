"""The names of a run's files."""

from __future__ import annotations

import pytest

from envmap_inverse.solving import layout

FOLDERS = ("SEQUENCE",)
FIXED = [
    name
    for name in vars(layout)
    if name.isupper() and not name.endswith("_FILES") and name not in FOLDERS
]
NAMES = [
    *(getattr(layout, name) for name in FIXED),
    *(layout.reference(0), layout.reference(5), layout.render(0), layout.render(5)),
    *(layout.frame("out", 7), layout.frame("envmap", 1234)),
    *(layout.checkpoint(7), layout.kept_transport("0123456789abcdef" * 4)),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_run_is_known_as_its_own(name: str) -> None:
    assert layout.OWN_FILES.fullmatch(name)


@pytest.mark.parametrize("number", [0, 7, 12345])
def test_the_map_of_a_frame_is_known_in_its_folder(number: int) -> None:
    assert layout.SEQUENCE_FILES.fullmatch(layout.map_of_frame(number))


@pytest.mark.parametrize("name", ["notes.txt", "envmap.hdr", "out_1.png", "checkpoint_1.npz"])
def test_other_files_are_not_a_runs_own(name: str) -> None:
    assert layout.OWN_FILES.fullmatch(name) is None
