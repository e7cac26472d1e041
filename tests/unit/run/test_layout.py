"""The names of a run's files."""

from __future__ import annotations

import pytest

from envmap_inverse.solving import layout

FIXED = [name for name in vars(layout) if name.isupper() and not name.endswith("_FILES")]
NAMES = [
    *(getattr(layout, name) for name in FIXED),
    *(layout.reference(0), layout.reference(5), layout.render(0), layout.render(5)),
    *(layout.frame("out", 7), layout.frame("envmap", 1234)),
    *(layout.checkpoint(7), layout.kept_transport("0123456789abcdef" * 4)),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_run_is_known_as_its_own(name: str) -> None:
    assert layout.OWN_FILES.fullmatch(name)


@pytest.mark.parametrize("name", ["notes.txt", "envmap.hdr", "out_1.png", "checkpoint_1.npz"])
def test_other_files_are_not_a_runs_own(name: str) -> None:
    assert layout.OWN_FILES.fullmatch(name) is None
