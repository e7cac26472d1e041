"""The tutorial's plain loop in Mitsuba 3: what we compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi


def plain_loop(
    scene: ei.Scene,
    references: list[NDArray[np.float32]],
    iterations: int = 100,
    spp: int = 1,
) -> NDArray[Any]:
    """Adam at learning rate 0.02, `prb`, from white: `mi.render` and `mi.ad.Adam`, no more.

    Args:
        scene: whose integrator is `path` with a depth of 6; its map is overwritten.
        references: one picture per sensor.
        iterations: steps.
        spp: samples per pixel.

    Returns:
        The map, shape (H, W, 3).
    """
    params, key = mi.traverse(scene.mi_scene), f"{scene.envmap.name}.data"
    params.keep([key])
    integrator = mi.load_dict({"type": "prb", "max_depth": 6})
    targets = [mi.TensorXf(reference) for reference in references]
    optimizer = mi.ad.Adam(lr=0.02)
    optimizer[key] = mi.TensorXf(np.ones(params[key].shape, np.float32))
    params.update(optimizer)
    for index in range(iterations):
        for k, target in enumerate(targets):
            image = mi.render(
                scene.mi_scene,
                params,
                sensor=scene.sensor(k),
                integrator=integrator,
                spp=spp,
                seed=index * len(targets) + k,
            )
            dr.backward(dr.mean(dr.square(image - target)))
        optimizer.step()
        params.update(optimizer)
    return np.array(params[key])[:, 1:-1]
