from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from envmap_inverse.images import read_image, write_image
from envmap_inverse.report import write_report
from envmap_inverse.report.matching import lamp_labels, light_numbers
from envmap_inverse.report.shots import shots, white
from envmap_inverse.run.reading import Run
from envmap_inverse.sphere.lights import Lights

MakeRun = Callable[..., Path]


def photographed(make_run: MakeRun, folder: Path, over: float = 0.25) -> Path:
    """A run with the photograph `dir/photo.jpg`, half of which is at white, 2."""
    make_run(folder, reference=["dir/photo.jpg"])
    picture = np.minimum(read_image(folder / "reference.exr"), 1.5)
    picture[:8] = 2
    write_image(folder / "reference.exr", picture)
    summary = json.loads((folder / "summary.json").read_text())
    known = {"exposures": [[2.0] * 3], "clipped_share": [{"over": over, "under": 0.5}]}
    (folder / "summary.json").write_text(json.dumps(summary | known))
    return folder


def test_pictures_have_their_file_names_exposures_and_clipped_shares(
    make_run: MakeRun, tmp_path: Path
) -> None:
    folder = photographed(make_run, tmp_path / "run")
    table = shots(Run.read(folder).summary)
    assert table is not None
    assert table.rows == [("photo.jpg", ["2.000", "25 %", "50 %"])]
    text = write_report(folder).read_text()
    assert '<span class="file">photo.jpg</span>' in text
    assert "red, green, blue, relative</th>" in text
    assert "W/m²" not in text.partition("<script")[0]


def test_pictures_have_their_noise_and_what_was_left_out() -> None:
    noise = {"read": 0.002, "shot": 1e-5, "relative": 0.01}
    known = {"exposures": [[1.0] * 3], "clipped_share": [{"over": 0, "under": 0}], "settings": {}}
    table = shots({**known, "noise": [noise], "outlier_share": [0.013]})
    assert table is not None
    assert table.columns[3:] == ["noise: read", "noise: shot", "noise: relative", "left out"]
    assert table.rows == [("picture 1", ["1.000", "0 %", "0 %", "0.002", "1e-05", "0.01", "1.3 %"])]


def test_a_clipped_picture_is_white_from_just_below_its_largest_value(
    make_run: MakeRun, tmp_path: Path
) -> None:
    clipped = white(Run.read(photographed(make_run, tmp_path / "a")), 0)
    assert clipped is not None
    np.testing.assert_allclose(clipped, 0.95)
    assert white(Run.read(photographed(make_run, tmp_path / "b", over=0)), 0) is None


def test_a_light_has_the_number_of_the_true_light_that_it_is() -> None:
    x, y, z = np.eye(3)
    near_y = np.array([0, 0.995, 0.0999])
    assert light_numbers(np.array([near_y, -z, x]), np.array([x, y])) == [2, 3, 1]
    assert light_numbers(np.array([y, x]), None) == [1, 2]
    assert light_numbers(np.zeros((0, 3)), np.array([x])) == []


def test_lamps_of_one_light_have_its_number_and_a_letter_each() -> None:
    x, y, z = np.eye(3)
    near_y = np.array([0.0998, 0.995, 0])
    lights = Lights(
        directions=np.stack([x, y]),
        shares=np.ones(2),
        solid_angles=np.full(2, 0.02),
        irradiances=np.ones((2, 3)),
    )
    assert lamp_labels(np.stack([near_y, z, y, x]), lights, [2, 1]) == ["1a", "3", "1b", "2"]
    nothing = replace(lights, directions=np.zeros((0, 3)), solid_angles=np.zeros(0))
    assert lamp_labels(np.stack([z]), nothing, []) == ["1"]
