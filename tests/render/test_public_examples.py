"""The examples in the docstrings of the public names, which run as they stand."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="module")
def scene(make_scene: Callable[..., ei.Scene]) -> ei.Scene:
    """8 x 8 pixels, a map of 16 x 8 texels, one sensor."""
    return make_scene()


@pytest.fixture(scope="module")
def image(scene: ei.Scene) -> Any:
    return ei.render(scene, spp=16)


@pytest.fixture(scope="module")
def result(scene: ei.Scene, image: Any) -> ei.Estimate:
    return ei.estimate(scene, image, optimizer=ei.Transport(spp=16))


@pytest.mark.parametrize("name", ei.__all__)
def test_a_public_name_has_an_example_that_runs(
    name: str,
    scene: ei.Scene,
    image: Any,
    result: ei.Estimate,
    scene_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(scene_file.parent)  # has scene.xml and map.exr
    ei.write_image("photo.jpg", image)
    names = {"ei": ei, "np": np, "scene": scene, "image": image, "result": result}
    docstring = getattr(ei, name).__doc__ or ""
    examples = doctest.DocTestParser().get_doctest(docstring, names, name, None, None)
    assert any(f"ei.{name}" in example.source for example in examples.examples)
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(examples, out=said.append)
    assert outcome.failed == 0, "".join(said)
