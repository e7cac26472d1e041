from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import priors
from envmap_inverse.sphere.latlong import sphere_edges, texel_directions, texel_solid_angles

Map = NDArray[np.float64]

HEIGHT, WIDTH = 5, 6
SIZE = HEIGHT * WIDTH

radiances = st.just(0.0) | st.floats(2**-10, 2**10, width=32)


@pytest.fixture(params=[kind.__name__ for kind in priors.PRIORS])
def kind(request: pytest.FixtureRequest) -> type[Any]:
    made: type[Any] = getattr(priors, request.param)
    return made


@pytest.fixture
def texels(rng: np.random.Generator) -> Map:
    return rng.uniform(0.1, 3, (HEIGHT, WIDTH, 3))


@pytest.fixture
def initial(rng: np.random.Generator) -> Map:
    return rng.uniform(0.5, 1.5, (HEIGHT, WIDTH, 3))


def energy(form: priors.Quadratic, texels: Map) -> float:
    """The form at a map, in double precision."""
    away = texels.reshape(-1, 3) - form.centre
    return float(np.sum(away * (form.matrix @ away)) / 3)


def dense(form: priors.Quadratic) -> Map:
    """The matrix that acts on maps whose values stand texel by texel, shape (3 SIZE, 3 SIZE)."""
    units = np.eye(3 * SIZE, dtype=np.float32).reshape(-1, SIZE, 3)
    return np.stack([(form.matrix @ unit).ravel() for unit in units], axis=1).astype(np.float64)


def gradient(form: priors.Quadratic, texels: Map) -> Map:
    found = 2 / 3 * (form.matrix @ (texels.reshape(-1, 3) - form.centre))
    return np.asarray(found).reshape(texels.shape)


def difference_quotient(function: Callable[[Map], float], texels: Map) -> Map:
    step, found = 1e-5, np.zeros_like(texels)
    for index in np.ndindex(texels.shape):
        ends = []
        for sign in (1, -1):
            moved = texels.copy()
            moved[index] += sign * step
            ends.append(function(moved))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


@st.composite
def several_maps(draw: st.DrawFn, count: int) -> Map:
    """Maps of one size, shape (count, H, W, 3)."""
    shape = (count, draw(st.integers(2, 7)), draw(st.integers(3, 9)), 3)
    return draw(st_np.arrays(np.float64, shape, elements=radiances))


# Every prior


def test_the_form_of_a_prior_is_symmetric(kind: type[Any], texels: Map, initial: Map) -> None:
    matrix = dense(kind().quadratic(texels, initial))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-5, atol=1e-7 * matrix.max())


def test_the_form_of_a_prior_is_positive_semi_definite(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    eigenvalues = np.linalg.eigvalsh(dense(kind().quadratic(texels, initial)))
    assert eigenvalues[-1] > 0
    rounding = SIZE * np.finfo(np.float32).eps * eigenvalues[-1]
    assert eigenvalues[0] >= -rounding


def test_the_form_of_a_prior_is_sparse(kind: type[Any], texels: Map, initial: Map) -> None:
    """A texel speaks to its four neighbours and itself at most."""
    matrix = dense(kind().quadratic(texels, initial)).reshape(SIZE, 3, SIZE, 3)
    assert ((matrix != 0).any(axis=(1, 3)).sum(axis=1) <= 5).all()


def test_the_diagonal_of_a_form_is_the_mean_of_its_channels(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    form = kind().quadratic(texels, initial)
    exact = np.diagonal(dense(form)).reshape(SIZE, 3).mean(axis=1)
    np.testing.assert_allclose(form.matrix.diagonal(), exact, rtol=1e-5)


def test_the_form_of_a_prior_has_a_centre_for_each_texel(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    assert np.shape(kind().quadratic(texels, initial).centre) == (SIZE, 3)


def test_a_prior_of_twice_the_weight_counts_twice(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    weight = kind().weight
    energies = [
        energy(kind(weight=factor * weight).quadratic(texels, initial), texels) for factor in (1, 2)
    ]
    assert energies[0] > 0
    assert energies[1] == pytest.approx(2 * energies[0], rel=1e-5)


def test_a_prior_has_an_energy_in_proportion_to_its_weight(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    weight = kind().weight
    energies = [kind(weight=factor * weight).energy(texels, initial) for factor in (1, 2)]
    assert energies[0] > 0
    assert energies[1] == pytest.approx(2 * energies[0])


@pytest.mark.parametrize("name", ["Chromaticity", "Smoothness", "Tikhonov"])
def test_the_energy_of_a_quadratic_prior_is_that_of_its_form(
    name: str, texels: Map, initial: Map
) -> None:
    prior = getattr(priors, name)()
    form = prior.quadratic(texels, initial)
    assert prior.energy(texels, initial) == pytest.approx(energy(form, texels), rel=1e-5)
    assert form.energy(texels) == pytest.approx(energy(form, texels), rel=1e-5)


def test_the_energy_of_total_variation_is_its_formula(texels: Map, initial: Map) -> None:
    prior = priors.TotalVariation(weight=0.3, sharpness=0.2, epsilon=0.05, bright=1e9)
    brightness, flat, total = texels.mean(axis=2).ravel(), texels.reshape(-1, 3), 0.0
    for a, b, tie in zip(*sphere_edges(HEIGHT, WIDTH), strict=True):
        level = (brightness[a] + brightness[b]) / 2 + 0.05
        squared = np.mean(((flat[a] - flat[b]) / level) ** 2)
        total += tie * (np.sqrt(squared + 0.2**2) - 0.2)
    assert prior.energy(texels, initial) == pytest.approx(0.3 * total / SIZE, rel=1e-5)
    assert prior.energy(np.full_like(texels, 7), initial) == 0


def test_a_prior_leaves_the_maps_it_is_given_alone(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    before = texels.copy(), initial.copy()
    kind().quadratic(texels, initial)
    np.testing.assert_array_equal(texels, before[0])
    np.testing.assert_array_equal(initial, before[1])


def test_the_form_of_a_prior_is_finite_for_a_black_map(kind: type[Any]) -> None:
    black = np.zeros((HEIGHT, WIDTH, 3))
    assert np.isfinite(dense(kind().quadratic(black, black))).all()


def test_a_prior_turns_with_the_map(kind: type[Any], texels: Map, initial: Map) -> None:
    energies = []
    for turn in (0, 2):
        turned = np.roll(texels, turn, axis=1)
        form = kind().quadratic(turned, np.roll(initial, turn, axis=1))
        energies.append(energy(form, turned))
    assert energies[1] == pytest.approx(energies[0], rel=1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "strong", None])
def test_a_number_of_a_prior_that_cannot_be_is_refused_by_name(kind: type[Any], value: Any) -> None:
    for field in dataclasses.fields(kind):
        with pytest.raises(ei.InputError, match=field.name):
            kind(**{field.name: value})


def test_a_weight_that_is_still_to_be_chosen_gives_no_form(
    kind: type[Any], texels: Map, initial: Map
) -> None:
    with pytest.raises(ei.InputError, match="auto"):
        kind(weight="auto").quadratic(texels, initial)


def test_only_a_weight_that_is_left_to_be_chosen_takes_a_factor(kind: type[Any]) -> None:
    assert priors.with_factor(kind(weight=0.5), 3) == kind(weight=0.5)
    assert priors.with_factor(kind(weight="auto"), 3) == kind(weight=3 * kind().weight)


@settings(max_examples=25)
@given(maps=several_maps(4))
def test_a_form_is_symmetric_and_never_negative_whatever_the_map(
    kind: type[Any], maps: Map
) -> None:
    texels, initial, *others = maps
    form = kind().quadratic(texels, initial)
    x, y = (other.reshape(-1, 3).astype(np.float32) for other in others)
    products = [float(np.sum(a * (form.matrix @ b))) for a, b in ((x, y), (y, x), (x, x))]
    largest = max(np.sum(x**2), np.sum(y**2)) * form.matrix.diagonal().max()
    rounding = 1e-5 * float(largest) + 1e-30
    assert products[0] == pytest.approx(products[1], abs=rounding)
    assert products[2] >= -rounding


@settings(max_examples=25)
@given(maps=several_maps(2), axis=st.integers(0, 1))
def test_a_prior_does_not_tell_left_from_right_nor_up_from_down(
    kind: type[Any], maps: Map, axis: int
) -> None:
    energies = [
        energy(kind().quadratic(*pair), pair[0]) for pair in (maps, np.flip(maps, 1 + axis))
    ]
    scale = max(energies[0], np.sum(maps**2) * kind().weight)
    assert energies[1] == pytest.approx(energies[0], abs=1e-4 * scale)


# Smoothness and total variation


@pytest.mark.parametrize("name", ["Smoothness", "TotalVariation"])
def test_a_constant_map_is_perfectly_smooth(name: str, initial: Map) -> None:
    constant = np.broadcast_to(np.array([0.3, 2.0, 700.0]), (HEIGHT, WIDTH, 3))
    form = getattr(priors, name)().quadratic(constant, initial)
    scale = np.sum(np.abs(form.matrix.diagonal())) * 700**2
    assert abs(energy(form, constant)) < 1e-6 * scale


def test_the_gradient_of_smoothness_is_that_of_the_mean_squared_slope(
    texels: Map, initial: Map
) -> None:
    weight = 0.2

    def mean_squared_slope(maps: Map) -> float:
        step, turn = np.pi / (HEIGHT - 1), 2 * np.pi / WIDTH
        theta = np.arange(HEIGHT) * step
        total = 0.0
        for row in range(HEIGHT - 1):  # side by height: (turn * sin / step) at half a row
            sine = np.sin(theta[row] + step / 2)
            total += np.sum((maps[row + 1] - maps[row]) ** 2) * turn * sine / step
        for row in range(HEIGHT):
            is_pole = row in {0, HEIGHT - 1}
            sine = np.sin(step / 2) if is_pole else np.sin(theta[row])
            side = step / 2 if is_pole else step
            along = np.roll(maps[row], -1, axis=0) - maps[row]
            total += np.sum(along**2) * side / (turn * sine)
        return weight * total / (4 * np.pi) / 3

    form = priors.Smoothness(weight=weight).quadratic(texels, initial)
    expected = difference_quotient(mean_squared_slope, texels)
    np.testing.assert_allclose(gradient(form, texels), expected, rtol=1e-4, atol=1e-6)
    assert energy(form, texels) == pytest.approx(mean_squared_slope(texels), rel=1e-5)


def test_smoothness_is_the_mean_squared_slope_per_radian() -> None:
    """For the cosine of the angle to an axis it is 2/3, whatever the resolution."""
    for height in (33, 65):
        texels = np.repeat(texel_directions(height, 2 * height)[..., 1:2], 3, axis=2)
        form = priors.Smoothness(weight=0.5).quadratic(texels, texels)
        assert energy(form, texels) == pytest.approx(0.5 * 2 / 3, rel=5e-3)


def test_the_gradient_of_total_variation_is_that_of_its_energy_at_the_present_brightness(
    texels: Map, initial: Map
) -> None:
    prior = priors.TotalVariation(weight=0.3, sharpness=0.2, epsilon=0.05, bright=1e9)
    first, second, ties = sphere_edges(HEIGHT, WIDTH)
    brightness = texels.mean(axis=2).ravel()

    def total_variation(maps: Map) -> float:
        flat = maps.reshape(-1, 3)
        total = 0.0
        for a, b, tie in zip(first, second, ties, strict=True):
            level = (brightness[a] + brightness[b]) / 2 + 0.05
            squared = np.mean(((flat[a] - flat[b]) / level) ** 2)
            total += tie * np.sqrt(squared + 0.2**2)
        return 0.3 * total / SIZE

    form = prior.quadratic(texels, initial)
    expected = difference_quotient(total_variation, texels)
    np.testing.assert_allclose(gradient(form, texels), expected, rtol=1e-4, atol=1e-6)


def test_total_variation_takes_dark_and_bright_maps_alike(texels: Map, initial: Map) -> None:
    energies = [
        energy(
            priors.TotalVariation(epsilon=0.02 * factor, bright=3 * factor).quadratic(
                factor * texels, initial
            ),
            factor * texels,
        )
        for factor in (1, 1000, 0.001)
    ]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-5)


def test_total_variation_smooths_small_differences_more_than_edges(initial: Map) -> None:
    flat, edge = np.ones((HEIGHT, WIDTH, 3)), np.ones((HEIGHT, WIDTH, 3))
    edge[2] = 10
    matrices = [
        priors.TotalVariation(bright=1e9).quadratic(maps, initial).matrix.toarray()
        for maps in (flat, edge)
    ]
    a, b = 2 * WIDTH, WIDTH  # one texel above the other, across the edge
    ratio = matrices[0][a, b] / matrices[1][a, b]
    level = (5.5 + 0.03) / 1.03
    steepness = np.hypot(9 / 5.53, 0.1) / 0.1
    assert ratio == pytest.approx(level**2 * steepness, rel=1e-4)


def test_total_variation_hardly_ties_a_lamp_to_a_dark_room(initial: Map) -> None:
    room = np.ones((HEIGHT, WIDTH, 3))
    room[2, 2] = 1000
    index = 2 * WIDTH + 2
    tied, loose = (
        priors.TotalVariation(bright=bright).quadratic(room, initial).matrix[index, index]
        for bright in (1e9, 8)
    )
    assert loose == pytest.approx(tied * 9 / (500.5 + 0.03 + 8), rel=1e-3)


def test_total_variation_takes_negative_values_for_black(texels: Map, initial: Map) -> None:
    """Otherwise an optimizer without the bound x >= 0 meets levels of zero or below."""
    form = priors.TotalVariation().quadratic(-5 * texels, initial)
    eigenvalues = np.linalg.eigvalsh(form.matrix.toarray().astype(np.float64))
    assert np.isfinite(eigenvalues).all()
    assert eigenvalues[0] >= -1e-5 * eigenvalues[-1]


# Tikhonov


def test_tikhonov_is_zero_at_the_start_map_alone(texels: Map, initial: Map) -> None:
    form = priors.Tikhonov().quadratic(texels, initial)
    assert energy(form, initial) == 0
    changed = initial.copy()
    changed[2, 3, 1] += 0.1
    assert energy(form, changed) > 0


def test_tikhonov_is_the_mean_squared_distance_relative_to_the_brighter_map(
    texels: Map, initial: Map
) -> None:
    level = np.maximum(texels.mean(axis=2), initial.mean(axis=2))
    share = np.mean((texels - initial) ** 2, axis=2) / level**2
    expected = 0.7 * np.sum(share * texel_solid_angles(HEIGHT, WIDTH)) / (4 * np.pi)
    form = priors.Tikhonov(weight=0.7).quadratic(texels, initial)
    assert energy(form, texels) == pytest.approx(expected, rel=1e-5)


def test_tikhonov_takes_dark_and_bright_maps_alike(texels: Map, initial: Map) -> None:
    energies = [
        energy(
            priors.Tikhonov().quadratic(factor * texels, factor * initial),
            factor * texels,
        )
        for factor in (1, 1000, 0.001)
    ]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-5)


# Chromaticity


def test_light_of_one_colour_costs_nothing_whatever_its_brightness(texels: Map) -> None:
    grey = texels.mean(axis=2, keepdims=True) * np.array([1.5, 1.0, 0.5])
    form = priors.Chromaticity().quadratic(grey, grey)
    of_colour = energy(priors.Chromaticity().quadratic(texels, texels), texels)
    assert energy(form, grey) < 1e-9 * of_colour
    assert energy(form, grey * [1.0, 1.0, 1.5]) > 1e-3 * of_colour


def test_a_texel_of_another_colour_is_pulled_to_that_around_it() -> None:
    texels = np.ones((HEIGHT, WIDTH, 3))
    texels[2, 3] = 1.5, 1.0, 0.5
    form = priors.Chromaticity(radius=60).quadratic(texels, texels)
    pull = -gradient(form, texels)[2, 3]
    assert pull[0] < 0 < pull[2]
    assert abs(pull[1]) < 0.1 * pull[2]


def test_chromaticity_is_the_mean_over_the_sphere_of_relative_differences() -> None:
    texels = np.ones((HEIGHT, WIDTH, 3)) * [2.0, 1.0, 0.0]
    form = priors.Chromaticity(weight=3.0, epsilon=1.0).quadratic(texels, texels)
    grey = np.ones((HEIGHT, WIDTH, 3))
    # k is (2, 1, 0), and grey differs from it by (-1, 0, 1); the level is 2.
    assert energy(form, grey) == pytest.approx(3.0 * (1 + 0 + 1) / 3 / 2.0**2, rel=1e-5)
