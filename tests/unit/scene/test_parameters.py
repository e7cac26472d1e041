from __future__ import annotations

import numpy as np
import pytest

from envmap_inverse.backend import mi, select_variant
from envmap_inverse.scene.parameters import Parameter, Parameters, value_of


def test_a_value_is_an_array_or_its_text() -> None:
    select_variant()
    turn = mi.Transform4f().translate([1, 2, 3])
    params = {"text": "a name", "number": 2.5, "vector": mi.Point2f(1, 2), "turn": turn}
    assert value_of(params, "text") == "a name"
    assert value_of(params, "number") == 2.5
    np.testing.assert_array_equal(np.ravel(value_of(params, "vector")), [1, 2])
    np.testing.assert_array_equal(np.squeeze(value_of(params, "turn"))[:3, 3], [1, 2, 3])


@pytest.fixture
def parameters() -> Parameters:
    shapes = {"a": (), "b": (2, 3)}
    return Parameters(
        {
            name: Parameter(
                name=name,
                key=f"key of {name}",
                shape=shape,
                type="Float",
                is_differentiable=name == "b",
                is_discontinuous=False,
            )
            for name, shape in shapes.items()
        }
    )


def test_a_table_tells_every_parameter(parameters: Parameters) -> None:
    assert [line.split() for line in str(parameters).splitlines()] == [
        ["name", "shape", "type", "differentiable", "discontinuous"],
        ["a", "scalar", "Float"],
        ["b", "2", "x", "3", "Float", "yes"],
    ]


def test_parameters_can_be_chosen(parameters: Parameters) -> None:
    assert list(parameters.differentiable()) == list(parameters.keep("b")) == ["b"]
    assert len(parameters.keep(["b", "a"])) == 2
    assert list(parameters.keep("key of b")) == ["b"]
    with pytest.raises(KeyError, match="no parameter 'c'; there are: a, b"):
        parameters.keep("c")
