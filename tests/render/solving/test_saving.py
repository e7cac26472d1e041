"""The files of `Estimate.save`, and the one-line descriptions of results."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.images import encode_png, read_image, write_image
from envmap_inverse.run.reading import HISTORY_KEYS
from envmap_inverse.solving import saving


@pytest.fixture(scope="module")
def result(make_scene: Callable[..., ei.Scene]) -> ei.Estimate:
    scene = make_scene()
    return ei.estimate(scene, ei.render(scene, spp=16), optimizer=ei.Transport(spp=16))


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_saved_result_can_be_read_again(result: ei.Estimate, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "light"
    result.save(folder)
    assert files(folder) == [
        *("coverage.exr", "deviation.exr", "envmap.exr", "envmap.png"),
        *("history.jsonl", "seen.exr", "summary.json"),
    ]
    for name, array in (("envmap", result.texels), ("coverage", result.coverage)):
        np.testing.assert_array_equal(read_image(folder / f"{name}.exr"), array)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [record.loss for record in result.history]
    assert set(lines[0]) == set(HISTORY_KEYS)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "done"
    assert summary["iterations"] == len(lines)
    assert summary["seconds"]["total"] == result.seconds
    assert summary["versions"]["envmap_inverse"] == ei.__version__


def test_saving_again_is_refused(result: ei.Estimate, tmp_path: Path) -> None:
    result.save(tmp_path)
    before = (tmp_path / "envmap.exr").read_bytes()
    with pytest.raises(ei.InputError, match=r"has coverage\.exr of an earlier .*overwrite=True"):
        replace(result, texels=2 * result.texels).save(tmp_path)
    assert (tmp_path / "envmap.exr").read_bytes() == before


def test_saving_again_replaces_the_result_before_if_it_may(
    result: ei.Estimate, tmp_path: Path
) -> None:
    result.save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    later = replace(result, texels=2 * result.texels, posterior=None, history=result.history[:1])
    later.save(str(tmp_path), overwrite=True)
    assert "deviation.exr" not in files(tmp_path)
    assert "notes.txt" in files(tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / "envmap.exr"), later.texels)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1


def test_a_run_of_the_command_line_is_left_alone(result: ei.Estimate, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("")
    with pytest.raises(ei.InputError, match=r"holds a run of the command line \(run\.toml\); name"):
        result.save(tmp_path)
    assert files(tmp_path) == ["run.toml"]


def test_a_folder_that_cannot_be_made_is_named(result: ei.Estimate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ei.InputError, match=r"file/light: cannot be written: Not a directory"):
        result.save(tmp_path / "file" / "light")


def test_a_full_disk_leaves_no_summary(
    result: ei.Estimate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result.save(tmp_path)

    def fail(path: Path, *_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(saving, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        result.save(tmp_path, overwrite=True)
    assert "summary.json" not in files(tmp_path)


# Pictures by name


def test_a_picture_given_by_name_is_read(
    make_scene: Callable[..., ei.Scene], tmp_path: Path
) -> None:
    scene = make_scene()
    write_image(tmp_path / "a.exr", ei.render(scene, spp=16))
    adam = ei.Adam(iterations=2)
    named = ei.estimate(scene, tmp_path / "a.exr", optimizer=adam)
    listed = ei.estimate(scene, [str(tmp_path / "a.exr")], optimizer=adam)
    given = ei.estimate(scene, read_image(tmp_path / "a.exr"), optimizer=adam)
    for found in (named, listed):
        # Adam repeats itself bit by bit on one core only.
        np.testing.assert_allclose(found.texels, given.texels, rtol=1e-4)


def test_an_8_bit_file_is_clipped_where_the_command_line_has_it(tmp_path: Path) -> None:
    levels = np.linspace(0, 255, 48).reshape(4, 4, 3).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(levels))
    view = ei.View(tmp_path / "a.png", sensor=2)
    assert view.name == str(tmp_path / "a.png")
    assert view.white == pytest.approx(((254 / 255 + 0.055) / 1.055) ** 2.4)
    assert view.black == pytest.approx(1 / 255 / 12.92)
    own = ei.View(str(tmp_path / "a.png"), white=0.5, name="mine")
    assert (own.white, own.name) == (0.5, "mine")


def test_a_file_that_is_not_there_is_named(make_scene: Callable[..., ei.Scene]) -> None:
    for kind in (ei.InputError, FileNotFoundError):
        with pytest.raises(kind, match=r"^photo\.jpg: no such image file$"):
            ei.estimate(make_scene(), "photo.jpg")


# What is printed


def test_what_is_printed_fits_on_a_screen(result: ei.Estimate, scene: ei.Scene) -> None:
    (ranked,) = ei.rank_views(scene, spp=2)
    shown = [
        *(result, scene, scene.envmap, ranked, ranked.alone),
        ei.LightTransport.record(scene, spp=2),
        ei.View(np.ones((2, 3, 3)), sensor=1, mask=np.ones((2, 3)), exposure=(1, 2, 3)),
        ei.Problem.create(scene, [np.ones((8, 8, 3))] * 9, loss=ei.MSE(), priors=[ei.Tikhonov()]),
    ]
    for thing in shown:
        lines = repr(thing).splitlines()
        assert repr(thing) == str(thing)
        assert type(thing).__name__ in lines[0]
        assert len(lines) <= 12
        assert max(map(len, lines)) <= 160


def test_a_view_says_what_of_it_counts() -> None:
    image = np.full((2, 4, 3), 0.5)
    image[0, 0] = 1
    view = ei.View(image, sensor=1, mask=np.full((2, 4), 0.5), white=1.0, name="a.png")
    assert repr(view) == (
        "<View 'a.png': 4 x 2 pixels, sensor 1, exposure 1.0, masked, clipped over 12.5%>"
    )
