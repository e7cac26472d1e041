"""The option --grey-ball."""

from __future__ import annotations

import numpy as np
import pytest

from envmap_inverse import InputError
from envmap_inverse.console.grey_balls import GreyBall
from envmap_inverse.problem.view import View
from envmap_inverse.sphere.circles import Circle


def test_an_outline_may_say_what_the_ball_reflects() -> None:
    plain = GreyBall.parse("60,40,20", is_diffuse=False)
    assert plain == GreyBall(circle=Circle(x=60, y=40, radius=20))
    darker = GreyBall.parse("60,40,20,0.1", is_diffuse=False)
    assert darker is not None
    assert darker.reflectance == 0.1
    assert GreyBall.parse(None, is_diffuse=True) is None


@pytest.mark.parametrize("text", ["60,40", "60,40,1", "60,40,20,0", "60,40,20,.1,3", "a,b,c"])
def test_what_is_no_outline_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--grey-ball '{text}': give x,y,r"):
        GreyBall.parse(text, is_diffuse=False)


def test_beside_a_diffuse_ball_it_tells_nothing() -> None:
    with pytest.raises(InputError, match="--grey-ball and --material"):
        GreyBall.parse("60,40,20", is_diffuse=True)


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        (Circle(x=61, y=40, radius=20), "covers the grey ball, or is taken for it"),
        (Circle(x=15, y=40, radius=14), None),
    ],
)
def test_it_stands_beside_the_mirror(mirror: Circle, message: str | None) -> None:
    view, ball = View(np.ones((80, 100, 3))), GreyBall(circle=Circle(x=60, y=40, radius=20))
    if message is None:
        ball.check(view, mirror)
        with pytest.raises(InputError, match=r"sticks out of the picture of 100 x 80"):
            GreyBall(circle=Circle(x=60, y=40, radius=50)).check(view, mirror)
    else:
        with pytest.raises(InputError, match=message):
            ball.check(view, mirror)
