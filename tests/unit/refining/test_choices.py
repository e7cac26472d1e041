from __future__ import annotations

import pytest

import envmap_inverse as ei


def test_a_choice_keeps_the_defaults_that_it_does_not_give() -> None:
    found = ei.Refine(camera=ei.Within(pixels=5)).within("camera")
    assert found is not None
    assert (found.pixels, found.degrees) == (5, 0.5)


def test_what_is_not_chosen_is_not_refined() -> None:
    assert ei.Refine(fov=True).within("camera") is None


def test_a_shape_turns_only_if_degrees_are_given() -> None:
    found = [ei.Refine(pose=chosen).within("pose") for chosen in (True, ei.Within(degrees=2))]
    assert [(each.percent, each.degrees) for each in found if each] == [(1, None), (1, 2)]


def test_a_choice_of_nothing_is_refused() -> None:
    with pytest.raises(ei.InputError, match="nothing is chosen; choose of camera, fov"):
        ei.Refine()


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ei.InputError, match="refine fov: no key 'pixels'; its keys are: percent"):
        ei.Refine(fov=ei.Within(pixels=2))


@pytest.mark.parametrize("chosen", [3, "yes"])
def test_a_choice_of_another_type_is_refused(chosen: object) -> None:
    with pytest.raises(ei.InputError, match="fov must be True or a Within"):
        ei.Refine(fov=chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["pixels", "degrees", "percent"])
def test_a_width_is_positive(key: str) -> None:
    with pytest.raises(ei.InputError, match=f"{key} must be positive; found 0"):
        ei.Within(**{key: 0})


def test_a_factor_is_greater_than_one() -> None:
    with pytest.raises(ei.InputError, match="factor must lie between 1 and"):
        ei.Within(factor=0.8)


def test_a_film_has_some_pixels() -> None:
    with pytest.raises(ei.InputError, match="film must be at least 8;"):
        ei.Refine(fov=True, film=4)


def test_a_refined_number_reads_as_a_sentence() -> None:
    number = ei.Refined(before=40, after=41.234, deviation=0.0123, unit="degrees")
    assert str(number) == "41.234 +- 0.012 degrees (given 40)"
