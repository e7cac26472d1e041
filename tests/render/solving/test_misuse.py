"""What a program may do around and during an estimate; see docs/faults.md."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi, modules
from envmap_inverse.backend.exclusive import exclusive

OPTIMIZERS = [ei.Adam(iterations=3), ei.Transport(spp=4, rounds=1)]


@pytest.fixture(params=OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def optimizer(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def image(scene: ei.Scene) -> NDArray[np.float32]:
    return ei.render(scene, spp=16)


@pytest.fixture
def keeping_variant() -> Iterator[None]:
    before = mi.variant()
    yield
    mi.set_variant(before)


def test_two_threads_take_turns(
    scene: ei.Scene, image: NDArray[np.float32], optimizer: Any
) -> None:
    results: list[ei.Estimate] = []

    def solve() -> None:
        results.append(ei.estimate(scene, image, optimizer=optimizer))

    threads = [threading.Thread(target=solve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = (result.texels for result in results)
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_a_function_of_one_thread_waits_for_that_of_another() -> None:
    inside: list[int] = []
    most: list[int] = []
    gate = threading.Barrier(3)

    @exclusive
    def enter() -> None:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.02)
        inside.pop()

    def run() -> None:
        gate.wait()
        enter()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_an_error_of_on_iteration_goes_to_the_caller(
    scene: ei.Scene, image: NDArray[np.float32], optimizer: Any
) -> None:
    before = scene.envmap.texels
    with pytest.raises(ZeroDivisionError):
        ei.estimate(scene, image, optimizer=optimizer, on_iteration=lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    np.testing.assert_array_equal(scene.envmap.texels, before)


@pytest.mark.parametrize(
    "answer", [np.ones(2), "go on", 0, object()], ids=lambda a: type(a).__name__
)
def test_an_on_iteration_that_returns_no_truth_value_is_refused(
    scene: ei.Scene, image: NDArray[np.float32], answer: Any
) -> None:
    with pytest.raises(ei.InputError, match=r"on_iteration returned .*; return True to end"):
        ei.estimate(scene, image, optimizer=OPTIMIZERS[0], on_iteration=lambda _: answer)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_an_on_iteration_that_returns_true_ends_the_run(
    scene: ei.Scene, image: NDArray[np.float32], answer: Any
) -> None:
    result = ei.estimate(scene, image, optimizer=OPTIMIZERS[0], on_iteration=lambda _: answer)
    assert (result.status, len(result.history)) == ("interrupted", 1)


@pytest.mark.parametrize(
    "change",
    [lambda scene: scene.set_film_size(4), lambda scene: scene.set_map_size(4, 4)],
    ids=["film", "map"],
)
def test_an_on_iteration_that_changes_sizes_is_refused(
    scene: ei.Scene,
    image: NDArray[np.float32],
    optimizer: Any,
    change: Callable[[ei.Scene], None],
) -> None:
    with pytest.raises(ei.InputError, match="on_iteration changed the size of the film or of the"):
        ei.estimate(scene, image, optimizer=optimizer, on_iteration=lambda _: change(scene))


def test_on_iteration_may_render_and_estimate(
    scene: ei.Scene, image: NDArray[np.float32], optimizer: Any
) -> None:
    inner: list[str] = []

    def again(_: ei.Iteration) -> None:
        ei.render(scene, spp=1)
        inner.append(ei.estimate(scene, image, optimizer=optimizer).status)

    assert ei.estimate(scene, image, optimizer=optimizer, on_iteration=again).status == "done"
    assert set(inner) == {"done"}


@pytest.mark.usefixtures("keeping_variant")
def test_a_variant_that_changed_since_the_scene_was_loaded_is_refused(scene: ei.Scene) -> None:
    mi.set_variant("scalar_rgb")
    with pytest.raises(ei.InputError, match=r"loaded with the variant .* is scalar_rgb now"):
        ei.render(scene, spp=1)


@pytest.mark.usefixtures("keeping_variant")
def test_a_variant_that_changes_under_way_is_refused(
    scene: ei.Scene, image: NDArray[np.float32]
) -> None:
    def change(_: ei.Iteration) -> None:
        mi.set_variant("scalar_rgb")

    with pytest.raises(ei.InputError, match=r"loaded with the variant .* is scalar_rgb now"):
        ei.estimate(scene, image, optimizer=OPTIMIZERS[0], on_iteration=change)


def test_a_variant_that_cannot_be_used_is_refused_and_not_set(scene_dict: Any) -> None:
    before = mi.variant()
    with pytest.raises(ei.InputError, match="'scalar_rgb' cannot be used"):
        ei.load_scene(scene_dict(), variant="scalar_rgb")
    assert mi.variant() == before


def _say_process(connection: Any) -> None:
    try:
        modules.check_process()
    except ei.BackendError as error:
        connection.send(str(error))
    else:
        connection.send("works")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_was_forked_off_is_refused(scene: ei.Scene) -> None:
    assert scene.num_sensors == 1
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_say_process, args=(theirs,))
    child.start()
    assert "start processes by spawning" in ours.recv()
    child.join()
