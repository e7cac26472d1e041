from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmap_inverse import InputError, losses, parameterizations, priors
from envmap_inverse.console.config import read_config
from envmap_inverse.console.options import (
    check_page,
    definitions,
    given_files,
    make_choice,
    pixel_size,
    sensor_numbers,
    spec_of,
)
from envmap_inverse.errors import LARGEST, SMALLEST

KINDS = (losses.LOSSES, parameterizations.PARAMETERIZATIONS, priors.PRIORS)
CHOICES = [
    (kinds, kind)
    for kinds in KINDS
    for kind in kinds
    if kind is not losses.Censored  # its levels are the views'
]

positive = st.floats(min_value=SMALLEST, max_value=LARGEST)


@pytest.mark.parametrize(("kinds", "kind"), CHOICES)
@settings(max_examples=15)
@given(data=st.data())
def test_what_was_chosen_is_written_down_as_it_is_chosen(
    kinds: tuple[type[Any], ...], kind: type[Any], data: st.DataObject
) -> None:
    name = kind.__name__
    values = {"float": positive, "Weight": positive | st.just("auto"), "bool": st.booleans()}
    values["int"] = st.integers(1, 8)
    fields = {field: values[type_] for field, type_ in kind.__annotations__.items()}
    chosen = kind(**data.draw(st.fixed_dictionaries(fields)))
    assert make_choice(kinds, "--option", spec_of(chosen)) == chosen
    assert make_choice(kinds, "--option", spec_of(chosen).replace(name, name.lower())) == chosen


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("Nothing", "--loss 'Nothing': unknown; choose one of MSE, Censored, .*Huber"),
        ("Huber:delta", "--loss 'Huber:delta': .*; its keys are: delta, relative, epsilon"),
        ("Huber:delta=-1", "--loss 'Huber:delta=-1': delta must be positive"),
        ("Huber:gamma=1", "--loss 'Huber:gamma=1': no key 'gamma'; its keys are: delta, relative"),
        ("Huber:detla=1", "no key 'detla'; its keys are: .*; did you mean 'delta'"),
        ("hubr", "--loss 'hubr': unknown; .*; did you mean 'Huber'"),
        ("Huber:delta=wide", "--loss 'Huber:delta=wide': delta must be a number; found 'wide'"),
        ("Huber:delta='x'", "delta must be a number; found 'x'; its keys are"),
        ("Huber:relative=1", "relative must be true or false; found 1"),
        ("Censored:loss='MSE'", "no key 'loss'; its keys are: white, black"),
        ("MSE:delta=1", "its keys are: none"),
    ],
)
def test_a_choice_that_is_none_is_refused_with_what_there_is(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_choice(losses.LOSSES, "--loss", spec)


@pytest.mark.parametrize("value", ["'often'", "true"])
def test_a_weight_is_a_number_or_auto(value: str) -> None:
    with pytest.raises(InputError, match=r"weight must be a number or 'auto'; found"):
        make_choice(priors.PRIORS, "--prior", f"Smoothness:weight={value}")


@pytest.mark.parametrize(
    ("text", "size"), [(None, None), ("512", 512), ("640x400", (640, 400)), ("640X400", (640, 400))]
)
def test_a_size_is_one_side_or_two(text: str | None, size: object) -> None:
    assert pixel_size("--size", text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-4", "4x0", "4x", "4x4x4", "1.5", "big", "4 x 4"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=rf"--size {text}: give pixels, e\.g\. 512 or 640x400"):
        pixel_size("--size", text)


@settings(max_examples=15)
@given(numbers=st.lists(st.integers(-5, 99), min_size=1))
def test_sensors_are_numbers_between_commas(numbers: list[int]) -> None:
    assert sensor_numbers(",".join(map(str, numbers))) == numbers


@pytest.mark.parametrize("option", ["", "a", "0,", "0;1", "1.5"])
def test_other_sensors_are_refused(option: str) -> None:
    with pytest.raises(InputError, match=f"--sensor '{option}': give numbers"):
        sensor_numbers(option)


@settings(max_examples=15)
@given(number=st.floats())
def test_a_number_in_a_files_place_names_no_file(number: float) -> None:
    files: Any = given_files(str(number), None, "map.exr")
    assert [str(file) for file in files] == ["map.exr"]


@pytest.mark.parametrize("text", [b"iterations = ", b"[[[", b"\xff\xfe"])
def test_a_config_that_is_no_toml_is_refused_by_its_name(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "run.toml").write_bytes(text)
    context: Any = None  # is not looked at before the file
    with pytest.raises(InputError, match=r"--config .*run\.toml: not TOML: "):
        read_config(context, tmp_path / "run.toml")


def test_definitions_are_names_and_values() -> None:
    assert definitions(["size=512", "file=a=b.exr", "empty="]) == {
        "size": "512",
        "file": "a=b.exr",
        "empty": "",
    }
    assert definitions(None) == {}


@pytest.mark.parametrize("word", ["size", "=3", "a b=3", "$size=3"])
def test_a_definition_without_a_name_or_a_value_is_refused(word: str) -> None:
    with pytest.raises(InputError, match=f"--define '{re.escape(word)}': give NAME=VALUE"):
        definitions([word])


@pytest.mark.parametrize("name", ["photo.png", "page", ""])
def test_a_page_does_not_take_the_place_of_another_kind_of_file(name: str) -> None:
    with pytest.raises(InputError, match=r"pages are \.html files"):
        check_page(Path(name))
