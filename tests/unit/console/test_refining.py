from __future__ import annotations

import pytest

import envmap_inverse as ei
from envmap_inverse.console.refining import make_refine


def test_without_the_option_nothing_is_refined() -> None:
    assert make_refine(None) is None


def test_names_stand_with_commas_between_them() -> None:
    assert make_refine(["camera,fov"]) == ei.Refine(camera=True, fov=True)


def test_keys_belong_to_the_name_before_them() -> None:
    expected = ei.Refine(camera=ei.Within(pixels=3, degrees=1), fov=True)
    assert make_refine(["camera:pixels=3,degrees=1,fov"]) == expected


def test_the_option_may_be_given_several_times() -> None:
    expected = ei.Refine(fov=ei.Within(percent=1), pose=ei.Within(of="bunny"))
    assert make_refine(["fov:percent=1", "pose:of=bunny"]) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("camra", r"--refine 'camra': no 'camra'; choose of camera, .*did you mean 'camera'"),
        ("pixels=2", "begin with one of camera"),
        ("fov:pixels=2", "'pixels=2' is not key=value; the keys of fov are: percent"),
        ("fov:percent=much", "percent must be a number; found 'much'"),
        ("fov:percent=nan", "percent must be a number; found 'nan'"),
        ("fov:percent=-1", "--refine: percent must be positive"),
    ],
)
def test_what_is_wrong_is_named(spec: str, message: str) -> None:
    with pytest.raises(ei.InputError, match=message):
        make_refine([spec])
