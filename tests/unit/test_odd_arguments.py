"""Whatever a program gives for an argument: it works, or is refused by an `InputError`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei

IMAGE = np.full((4, 4, 3), 0.5, np.float32)
TEXELS = np.ones((4, 8, 3), np.float32)
ODD: tuple[Any, ...] = (
    *(
        None,
        "x",
        b"x",
        {},
        set(),
        [],
        (),
        [IMAGE],
        range(3),
        Path("nowhere"),
        object(),
        print,
        type,
    ),
    *(1.5, float("nan"), float("inf"), 1e300, 1e-300, -1, 10**400, True, 1j, np.zeros(3)),
    *(np.array("x"), np.array([None]), np.ma.masked, np.datetime64("2026-01-01"), iter([IMAGE])),
)
TAKING: dict[str, Callable[[Any], object]] = {
    "image": ei.View,
    "mask": lambda odd: ei.View(IMAGE, mask=odd),
    "sensor": lambda odd: ei.View(IMAGE, sensor=odd),
    "exposure": lambda odd: ei.View(IMAGE, exposure=odd),
    "noise": lambda odd: ei.View(IMAGE, noise=odd),
    "response": lambda odd: ei.View(IMAGE, response=odd),
    "white": lambda odd: ei.View(IMAGE, white=odd),
    "black": lambda odd: ei.View(IMAGE, black=odd),
    "read": lambda odd: ei.Noise(read=odd),
    "percent": lambda odd: ei.Within(percent=odd),
    "factor": lambda odd: ei.Within(factor=odd),
    "camera": lambda odd: ei.Refine(camera=odd),
    "film": lambda odd: ei.Refine(camera=True, film=odd),
    "radius": lambda odd: ei.NearSphere(radius=odd),
    "size": lambda odd: ei.NearBox(size=odd),
    "centre": lambda odd: ei.NearSphere(radius=4, centre=odd),
    "SH order": lambda odd: ei.SH(order=odd),
    "SG lobes": lambda odd: ei.SG(lobes=odd),
    "weight": lambda odd: ei.Tikhonov(weight=odd),
    "tie": lambda odd: ei.Temporal(weight=odd),
    "spp": lambda odd: ei.Transport(spp=odd),
    "rate": lambda odd: ei.Adam(learning_rate=odd),
    "delta": lambda odd: ei.Huber(delta=odd),
    "workers": lambda odd: ei.Ray(workers=odd),
    "light": ei.spherical_harmonics,
    "order": lambda odd: ei.spherical_harmonics(TEXELS, order=odd),
    "file": ei.read_image,
}


@pytest.mark.parametrize("argument", list(TAKING))
def test_an_odd_argument_works_or_is_refused(argument: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for odd in ODD:
            with contextlib.suppress(ei.InputError):
                TAKING[argument](odd)
