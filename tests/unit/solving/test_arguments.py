"""Arguments of another kind than `estimate` takes."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import envmap_inverse as ei
from envmap_inverse.solving.arguments import check_kinds

SCENE = SimpleNamespace(envmap=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transport", None, None), "optimizer: is the string 'transport'; .*mean 'Transport()'"),
        ((ei.Transport, None, None), "optimizer: is the class Transport; call it: .*=Transport()"),
        ((3, None, None), "optimizer: found int; give one of Transport(), Adam()"),
        ((ei.MSE(), None, None), "optimizer: found MSE; give one of Transport(), Adam()"),
        ((None, "hubr", None), "loss: is the string 'hubr'; .*; did you mean 'Huber()'"),
        ((None, ei.MSE, None), "loss: is the class MSE; call it: loss=MSE()"),
        ((None, None, ei.Smoothness()), "priors: is one prior; .*: priors=(Smoothness(),)"),
        ((None, None, ei.Smoothness), "priors: is the class Smoothness; call it"),
        ((None, None, ["Tikhonov"]), "priors: is the string 'Tikhonov'; .*; did you mean"),
        ((None, None, "Tikhonov"), "priors: is the string 'Tikhonov'"),
        ((None, None, [ei.MSE()]), "priors: found MSE; give one of Chromaticity(), "),
        ((None, None, 0.1), "priors: found float"),
    ],
)
def test_what_is_no_such_object_is_refused_with_what_to_write(
    arguments: tuple[Any, Any, Any], message: str
) -> None:
    with pytest.raises(ei.InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
        check_kinds(SCENE, *arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ei.Transport(round=3),
            "Transport: no argument 'round'; .*; did you mean 'rounds'?",
        ),
        (lambda: ei.Adam(lr=1), "Adam: no argument 'lr'; .*; did you mean 'learning_rate'?"),
        (lambda: ei.Adam.robust(step=1), "Adam: no argument 'step'; its arguments are: iterations"),
        (lambda: ei.Noise(rad=1), "Noise: .*; its arguments are: read, shot, relative; did you"),
        (lambda: ei.View([[1.0]], senor=1), "View: no argument 'senor'; .*; did you mean 'sensor'"),
        (lambda: ei.MSE(3), "MSE: too many positional arguments; its arguments are: none"),
        (
            lambda: ei.estimate(SCENE, [], optimiser=ei.Adam()),
            "estimate: no argument 'optimiser'; .*; did you mean 'optimizer'?",
        ),
        (ei.render, "render: missing a required argument: 'scene'; its arguments are"),
    ],
)
def test_arguments_that_are_not_taken_are_named_with_the_nearest(
    call: Callable[[], Any], message: str
) -> None:
    for kind in (ei.InputError, TypeError):
        with pytest.raises(kind, match=message.replace("?", r"\?")):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ei.Transport(spp="many"), "^Transport: spp must be a number; found 'many'$"),
        (lambda: ei.Adam(iterations=[10]), r"^Adam: iterations must be a number; found \[10\]$"),
        (lambda: ei.Noise(read="low"), "^Noise: read must be a number; found 'low'$"),
        (lambda: ei.render(SCENE, spp="16"), "^render: spp must be a number; found '16'$"),
    ],
)
def test_words_and_lists_are_no_numbers(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ei.InputError, match=message):
        call()


def test_public_functions_keep_their_signatures_and_can_be_pickled() -> None:
    assert list(inspect.signature(ei.estimate).parameters)[:2] == ["scene", "views"]
    assert list(inspect.signature(ei.Noise).parameters) == ["read", "shot", "relative"]
    assert pickle.loads(pickle.dumps(ei.estimate)) is ei.estimate
    assert replace(ei.Adam(), spp=3).spp == 3


@pytest.mark.parametrize("scene", ["scene.xml", Path("scene.xml"), {"type": "scene"}, None])
def test_a_scene_that_is_not_loaded_is_refused(scene: Any) -> None:
    with pytest.raises(ei.InputError, match=r"^scene: found .*; load it with load_scene"):
        ei.estimate(scene, [])


def test_all_wrong_arguments_are_named() -> None:
    with pytest.raises(ei.InputError, match=r"^optimizer: .*\nloss: .*\npriors: ") as caught:
        check_kinds(SCENE, "adam", "mse", ["tikhonov", ei.Tikhonov(), "smoothness"])
    assert str(caught.value).count("\n") == 3


@pytest.mark.parametrize("chosen", [None, (), [ei.Tikhonov()], (ei.Tikhonov(), ei.Smoothness())])
def test_what_is_right_passes(chosen: Any) -> None:
    for optimizer in (None, ei.Adam(), ei.Transport()):
        for loss in (None, ei.MSE(), ei.Censored(), ei.Huber()):
            check_kinds(SCENE, optimizer, loss, chosen)


def test_an_on_iteration_that_is_no_function_is_refused() -> None:
    with pytest.raises(ei.InputError, match="on_iteration must be a function; found 3"):
        check_kinds(SCENE, None, None, None, on_iteration=3)
