"""The options that choose an optimizer and set its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from envmap_inverse import Adam, InputError, Pyramid, Softplus, SunSky, Transport
from envmap_inverse.console.optimizers import make_optimizer, optimizer_settings
from envmap_inverse.console.options import kind_of
from envmap_inverse.optimizers.choices import OPTIMIZERS

NONE: dict[str, Any] = {
    "robust": False,
    "parameterization": None,
    "iterations": None,
    "learning_rate": None,
    "spp": None,
    "seed": 0,
}
OTHER_VALUES = {int: 2, float: 0.5, bool: False, str: "word"}


def made(spec: str | None, **options: Any) -> Any:
    return make_optimizer(spec, **{**NONE, **options})


def plain_fields(kind: Any) -> dict[str, type]:
    hints = get_type_hints(kind)
    named = {f.name: get_args(hints[f.name]) or (hints[f.name],) for f in dataclasses.fields(kind)}
    return {name: types[0] for name, types in named.items() if types[0] in OTHER_VALUES}


FIELDS = [(maker, name) for maker in OPTIMIZERS for name in plain_fields(kind_of(maker))]


@pytest.mark.parametrize("maker", OPTIMIZERS)
def test_an_optimizer_is_named_as_it_is_listed(maker: Callable[..., Any]) -> None:
    assert made(maker.__name__.lower()) == maker()
    assert made(maker.__name__.upper()) == maker()


@pytest.mark.parametrize(("maker", "name"), FIELDS)
def test_every_field_can_be_set(maker: Callable[..., Any], name: str) -> None:
    value = OTHER_VALUES[plain_fields(kind_of(maker))[name]]
    word = str(value).lower() if isinstance(value, bool) else value
    more = {"patience": 9} if name == "held_out" else {}
    keys = "".join(f",{key}={number}" for key, number in more.items())
    found = made(f"{maker.__name__}:{name}={word}{keys}")
    assert found == maker(**{name: value}, **more)


@pytest.mark.parametrize(("maker", "name"), FIELDS)
def test_a_value_of_another_kind_is_refused(maker: Callable[..., Any], name: str) -> None:
    spec = f"{maker.__name__.lower()}:{name}=[1]"
    with pytest.raises(
        InputError, match=rf"--optimizer .*: {name} must be .*found \[1\]; its keys"
    ):
        made(spec)


@pytest.mark.parametrize("maker", OPTIMIZERS)
def test_the_settings_of_an_optimizer_make_it_again(maker: Callable[..., Any]) -> None:
    first = maker(iterations=7, seed=3, spp=5)
    settings = optimizer_settings(maker.__name__.lower(), first)
    spec = settings.pop("optimizer")
    assert made(spec, **settings) == first


def test_transport_is_taken_without_a_name() -> None:
    assert made(None) == Transport()
    assert made(None, spp=8, seed=2, iterations=3) == Transport(spp=8, seed=2, iterations=3)


def test_adam_by_name_is_the_tutorials() -> None:
    assert made("adam") == Adam() == Adam(iterations=100, learning_rate=0.02, spp=1, seed=0)


@pytest.mark.parametrize("spec", [None, "adam", "robust"])
def test_the_robust_adam_has_two_names(spec: str | None) -> None:
    options = {"robust": spec != "robust"}
    assert made(spec, **options) == Adam.robust()
    assert made(spec, iterations=25, **options) == Adam.robust(iterations=25)


def test_options_and_keys_add_up() -> None:
    found = made(
        "robust:averaging=4,frozen=false", parameterization="softplus:knee=0.5", iterations=9
    )
    expected = Adam.robust(
        averaging=4, frozen=False, parameterization=Softplus(knee=0.5), iterations=9
    )
    assert found == expected
    assert made("adam:beta1=0.8", robust=True) == Adam.robust(beta1=0.8)
    assert made("robust:seed=4").parameterization == Pyramid()
    assert made("transport:seed=4").seed == 4


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("newton", {}, "--optimizer 'newton': unknown; choose one of Transport, Adam, robust"),
        (
            "adam:gamma=1",
            {},
            "--optimizer 'adam:gamma=1': no key 'gamma'; its keys are: iterations",
        ),
        ("adam:parameterization='Exp'", {}, "no key 'parameterization'"),
        ("adam:iterations=0", {}, "iterations must be at least 1; found 0"),
        ("adam:beta1=1", {}, "beta1 must be from 0 to less than 1; found 1"),
        ("adam:beta2=-0.1", {}, r"beta2 must be from 0 to less than 1; found -0\.1"),
        ("adam:epsilon=0", {}, "epsilon must be positive; found 0"),
        ("transport:memory_budget=0", {}, "memory_budget must be at least 1; found 0"),
        ("adam:iterations=3", {"iterations": 4}, "--iterations: --optimizer sets iterations, too"),
        ("adam:seed=3", {"seed": 4}, "--seed: --optimizer sets seed, too"),
        (None, {"learning_rate": 0.1}, "--learning-rate: the transport .*--optimizer adam or rob"),
        ("adam", {"seconds": 2.0}, "--seconds: the adam .* --optimizer transport"),
        ("transport", {"seconds": 0.0}, "seconds must be positive; found 0"),
        ("transport", {"robust": True}, "--robust: the transport optimizer has no such option"),
        (
            "transport",
            {"parameterization": "Exp"},
            "--parameterization: Transport .* --optimizer adam",
        ),
        ("adam", {"parameterization": "auto"}, "--parameterization 'auto': unknown"),
    ],
)
def test_what_does_not_fit_is_refused(
    spec: str | None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        made(spec, **options)


@pytest.mark.parametrize(("spec", "robust"), [(None, False), ("adam", False), (None, True)])
def test_all_optimizers_solve_for_sun_and_sky(spec: str | None, robust: bool) -> None:
    made = make_optimizer(spec, robust=robust, parameterization="sunsky")
    assert made.parameterization == SunSky()  # type: ignore[attr-defined]
