"""One step of Adam, and the state it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envmap_inverse.backend import dr, mi

__all__ = ["Descent", "stepper"]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """The state that a step changes, on the device.

    Attributes:
        parameters: x.
        mean: m.
        square: v.
        texels: the map that x stands for, flat RGBA.
        average: average of the maps so far; without averaging the last one.
        taken: number of steps so far, without dropped ones.
        dropped: number of dropped steps.
        dropped_in_a_row: of these, the last ones.
    """

    parameters: Any
    mean: Any
    square: Any
    texels: Any
    average: Any
    taken: Any
    dropped: Any
    dropped_in_a_row: Any

    @classmethod
    def begin(cls, parameters: Any, texels: Any) -> Descent:
        """Before the first step."""
        return cls(
            parameters=parameters,
            mean=dr.opaque(mi.Float, 0, len(parameters)),
            square=dr.opaque(mi.Float, 0, len(parameters)),
            texels=texels,
            average=texels,
            taken=dr.opaque(mi.UInt32, 0),
            dropped=dr.opaque(mi.UInt32, 0),
            dropped_in_a_row=dr.opaque(mi.UInt32, 0),
        )


def stepper(
    to_texels: Callable[[Any], Any], *, beta1: float, beta2: float, epsilon: float, averages: bool
) -> Callable[..., Descent]:
    """A function that takes Adam's step, or drops it if anything in it is not finite.

    Args:
        to_texels: flat RGBA of parameters.
        beta1: see `Adam`.
        beta2: see `Adam`.
        epsilon: see `Adam`.
        averages: whether to average the maps.

    Returns:
        A function of the descent so far, the gradient of the loss by the flat RGBA map (for alpha,
        anything), the loss, and for each step its size and the share that its map takes in the
        average.
    """

    def advance(before: Descent, gradient: Any, loss: Any, sizes: Any, shares: Any) -> Descent:
        x = mi.Float(before.parameters)
        dr.enable_grad(x)
        dr.backward(to_texels(x) * gradient)
        g = dr.grad(x)
        mean = beta1 * before.mean + (1 - beta1) * g
        square = beta2 * before.square + (1 - beta2) * dr.square(g)
        size = dr.gather(mi.Float, sizes, before.taken)
        stepped = before.parameters - size * mean / dr.sqrt(square + epsilon**2)
        texels = to_texels(stepped)
        is_good = dr.all(dr.isfinite(g)) & dr.all(dr.isfinite(texels)) & dr.isfinite(loss)
        texels = average = dr.select(is_good, texels, before.texels)
        if averages:
            share = dr.gather(mi.Float, shares, before.taken)
            moved = before.average + share * (texels - before.average)
            average = dr.select(is_good, moved, before.average)
        return Descent(
            parameters=dr.select(is_good, stepped, before.parameters),
            mean=dr.select(is_good, mean, before.mean),
            square=dr.select(is_good, square, before.square),
            texels=texels,
            average=average,
            taken=dr.select(is_good, before.taken + 1, before.taken),
            dropped=dr.select(is_good, before.dropped, before.dropped + 1),
            dropped_in_a_row=dr.select(is_good, 0, before.dropped_in_a_row + 1),
        )

    return advance
