"""The options of `export`; tests/cli runs it as a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct import called
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.commands import export as command
from envmap_inverse.commands.export import Target
from envmap_inverse.images import write_image

export = called(command.export)

NUMBERS = [Target.sh, Target.sg, Target.lamps]


@pytest.fixture
def map_file(tmp_path: Path, random_map: Callable[..., NDArray[np.float32]]) -> Path:
    path = tmp_path / "map.exr"
    texels = random_map(16, 32)
    texels[4, 9] = 300
    write_image(path, texels)
    return path


@pytest.fixture
def run(tmp_path: Path, map_file: Path) -> Path:
    """A folder with what `export` reads of a run with 16 samples."""
    folder = tmp_path / "run"
    folder.mkdir()
    texels = ei.read_image(map_file)
    write_image(folder / "envmap.exr", texels)
    write_image(folder / "deviation.exr", 0.2 * texels)
    levels = np.random.default_rng(1).normal(1, 0.1, 16)
    for number, level in enumerate(levels):
        write_image(folder / f"sample_{number:03d}.exr", level * texels)
    return folder


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_harmonics_are_those_of_the_library(map_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "light.json"
    export(map_file, to=Target.sh, output=out, order=3)
    found = content(out)
    expected = ei.spherical_harmonics(ei.read_image(map_file), order=3)
    assert found["order"] == 3
    assert np.array(found["coefficients"]) == pytest.approx(expected.coefficients)
    assert np.array(found["unity"]) == pytest.approx(expected.for_unity())
    assert found["deviation"] is None


def test_the_order_is_2_unless_given(map_file: Path, tmp_path: Path) -> None:
    export(map_file, to=Target.sh, output=tmp_path / "light.json")
    assert np.shape(content(tmp_path / "light.json")["coefficients"]) == (9, 3)


def test_the_number_of_lobes_is_as_given(map_file: Path, tmp_path: Path) -> None:
    export(map_file, to=Target.sg, output=tmp_path / "light.json", lobes=3)
    assert np.shape(content(tmp_path / "light.json")["axes"]) == (3, 3)


def test_the_numbers_of_a_run_have_deviations(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "light.json"
    export(run, to=Target.sh, output=out)
    found = content(out)
    relative = np.array(found["deviation"])[0] / np.array(found["coefficients"])[0]
    assert relative == pytest.approx(0.1, rel=0.5)
    assert np.shape(found["covariance"]) == (27, 27)
    export(run, to=Target.lamps, output=out, overwrite=True)
    lamp = content(out)["lamps"][0]
    assert (np.array(lamp["irradiance_deviation"]) > 0).all()


@pytest.mark.parametrize("to", NUMBERS)
def test_a_map_is_said_to_have_no_deviations(
    to: Target, map_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(map_file, to=to, output=tmp_path / "light.json", lobes=2 if to is Target.sg else None)
    assert f"no deviations: {map_file} is a map" in capsys.readouterr().err


def test_a_run_without_samples_is_said_to_have_no_deviations(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sample in list(run.glob("sample_*.exr"))[4:]:
        sample.unlink()
    export(run, to=Target.sh, output=tmp_path / "light.json")
    assert "repeat the run with --samples 64" in capsys.readouterr().err


def test_samples_of_another_size_are_refused(run: Path, tmp_path: Path) -> None:
    write_image(run / "sample_003.exr", np.ones((8, 16, 3)))
    with pytest.raises(ei.InputError, match=r"sample_003\.exr: has the shape .*; repeat the run"):
        export(run, to=Target.sh, output=tmp_path / "light.json")
    assert not (tmp_path / "light.json").exists()


def test_a_file_that_exists_is_kept(map_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "light.json"
    out.write_text("mine")
    with pytest.raises(ei.InputError, match="is there already; name another file, or add"):
        export(map_file, to=Target.sh, output=out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": Target.sh, "order": 9}, "--order 9: must lie between 0 and 8"),
        ({"to": Target.sg, "lobes": 0}, "--lobes 0: must lie between 1 and 64"),
        ({"to": Target.lamps, "order": 2}, "--order 2: belongs to --to sh"),
        ({"to": Target.sh, "lobes": 2}, "--lobes 2: belongs to --to sg"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    map_file: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ei.InputError, match=message):
        export(map_file, output=tmp_path / "light.json", **options)


def test_another_ending_is_refused(map_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match=r"out\.exr: --to sh writes a file that ends in \.json"):
        export(map_file, to=Target.sh, output=tmp_path / "out.exr")


def test_a_folder_without_a_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match=r"holds no finished run; it has no envmap\.exr"):
        export(tmp_path, to=Target.sh, output=tmp_path / "light.json")
