"""Workers that hold shards: the same bits as one process, whoever dies on the way.

They are of this process here; tests/cli has some of Ray's.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_bit_equal, assert_same_result
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.optimizers import transport
from envmap_inverse.recording import shards, worker
from envmap_inverse.recording.ray import _Cluster, _RayWorkers
from envmap_inverse.recording.recorder import Source
from envmap_inverse.recording.remote_shards import RemoteShards, shared_out
from envmap_inverse.recording.worker import Order, Worker
from envmap_inverse.scene.parcel import packed
from envmap_inverse.system.progress import Stage, watched_by

Pixels = NDArray[np.float32]


def sent(value: Any) -> Any:
    """What arrives at another process: a copy, whose arrays are read-only."""
    arrived = pickle.loads(pickle.dumps(value))
    for array in arrived if isinstance(arrived, list | tuple) else [arrived]:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrived


class Here:
    """Workers of this process; now and then one of them is killed and made again."""

    def __init__(self, make: Sequence[Callable[[], Worker]], kill_every: int) -> None:
        self.make, self.kill_every = make, kill_every
        self.workers = [one() for one in make]
        self.num_asked = 0
        self.num_killed = [0] * len(make)

    def put(self, value: Any) -> Any:
        return sent(value)

    def ask(self, number: int, method: str, *arguments: Any) -> Any:
        self.num_asked += 1
        if self.kill_every and self.num_asked % self.kill_every == 0:
            self.workers[number] = self.make[number]()
            self.num_killed[number] += 1
        return sent(getattr(self.workers[number], method)(*sent(arguments)))

    def answers(self, asked: Sequence[Any], waiting: Callable[[], None]) -> Iterator[Any]:
        waiting()
        return iter(asked)

    def arriving(
        self, asked: Sequence[Any], waiting: Callable[[], None]
    ) -> Iterator[tuple[int, Any]]:
        waiting()
        return reversed([*enumerate(asked)])

    def whereabouts(self) -> Sequence[tuple[str, int]]:
        return [(f"machine{number}", killed) for number, killed in enumerate(self.num_killed)]


@dataclass
class InThisProcess:
    """An executor with workers of this process."""

    workers: int
    kill_every: int = 0
    used: list[Here] = field(default_factory=list)

    def record(
        self,
        scene: ei.Scene,
        sources: Sequence[Source],
        *,
        spp: int,
        memory_budget: int | None,  # noqa: ARG002 - the protocol's
        on_progress: Callable[[float], None],
    ) -> RemoteShards:
        parcel, shares = packed(scene), shared_out(len(sources), self.workers)

        def maker(share: range) -> Callable[[], Worker]:
            of_worker = {number: sources[number] for number in share}
            return lambda: Worker(sent(parcel), sent(Order(sources=of_worker)))

        self.used.append(Here([maker(share) for share in shares], self.kill_every))
        width, height = scene.envmap.resolution
        found = RemoteShards(self.used[-1], sources, shares, width * height, (spp,))
        found.record(on_progress)
        return found


@pytest.fixture
def scene(scene_file: Path, monkeypatch: pytest.MonkeyPatch) -> ei.Scene:
    """A mirror before 8 x 8 pixels, which are six shards."""
    monkeypatch.setattr(shards, "MAX_PATHS", 200)
    return ei.load_scene(scene_file)


def test_products_with_workers_have_the_bits_of_one_process(scene: ei.Scene) -> None:
    here = ei.LightTransport.record(scene, spp=16)
    there = ei.LightTransport.record(scene, spp=16, executor=InThisProcess(3))
    assert (there.shape, there.num_entries, there.ends) == (
        *(here.shape, here.num_entries),
        here.ends,
    )
    assert len(there.ends) == 6
    assert_bit_equal(there.gathered(), here)
    random = np.random.default_rng(1)
    texels = random.random((here.shape[1], 3), np.float32)
    weights = random.random((64, 3), np.float32)
    for name, arguments in [
        ("matvec", (texels,)),
        ("rmatvec", (weights,)),
        ("normal", (texels, weights)),
        ("gram_diagonal", (weights,)),
        ("sum_of_squares", (texels,)),
        ("variance", (texels,)),
    ]:
        found, expected = (getattr(each, name)(*arguments) for each in (there, here))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("material", ["conductor", "diffuse"])
def test_workers_begin_after_blocks_or_with_the_last_ones_and_find_the_same_bits(
    scene_file: Path, monkeypatch: pytest.MonkeyPatch, material: str
) -> None:
    monkeypatch.setattr(transport, "FIRST_PIXELS", 64)
    monkeypatch.setattr(transport, "ENOUGH_PIXELS", 64)
    scene_file.write_text(scene_file.read_text().replace("conductor", material))
    scene = ei.load_scene(scene_file)
    scene.set_film_size(32)
    picture = ei.render(scene, spp=64)
    executor = InThisProcess(2)
    here, there = (
        ei.estimate(scene, picture, optimizer=ei.Transport(executor=each))
        for each in (None, executor)
    )
    assert_same_result(there, here)
    assert len(executor.used) == 1


@pytest.mark.parametrize("executor", [InThisProcess(1), InThisProcess(4), InThisProcess(2, 7)])
def test_a_map_has_the_same_bits_with_any_number_of_workers_and_if_some_are_killed(
    scene: ei.Scene, executor: InThisProcess
) -> None:
    image = ei.render(scene, spp=64)
    image[:2] *= 1.1
    expected = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
    found = ei.estimate(scene, image, optimizer=ei.Transport(spp=16, executor=executor))
    assert_same_result(found, expected)
    assert (sum(executor.used[0].num_killed) > 3) == bool(executor.kill_every)


def test_a_recording_that_grows_on_workers_has_the_bits_of_one_process(scene: ei.Scene) -> None:
    found = []
    for executor in (None, InThisProcess(2), InThisProcess(3, kill_every=3)):
        first = ei.LightTransport.record(scene, spp=2, most_spp=16, executor=executor)
        second = ei.LightTransport.record(scene, spp=5, earlier=first)
        found.append(ei.LightTransport.record(scene, spp=16, earlier=second).gathered())
    assert_bit_equal(found[1], found[0])
    assert_bit_equal(found[2], found[0])
    assert found[1].ends == found[0].ends == ei.LightTransport.record(scene, spp=16).ends


def test_a_recording_of_workers_is_saved_like_any_other(scene: ei.Scene, tmp_path: Path) -> None:
    there = ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))
    there.save(tmp_path / "t.npz")
    loaded = ei.LightTransport.load(tmp_path / "t.npz")
    assert_bit_equal(loaded, ei.LightTransport.record(scene, spp=16))
    assert loaded.ends == there.ends


def test_a_worker_out_of_memory_says_so_in_one_line(
    scene: ei.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(worker, "record_matrices", greedy)
    with pytest.raises(ei.InputError, match=r"^a worker on .* is out of memory.*--size$") as caught:
        ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))
    assert "\n" not in str(caught.value)


def test_a_scene_that_was_changed_since_it_was_loaded_is_refused_by_workers(
    scene: ei.Scene,
) -> None:
    from envmap_inverse.backend import mi

    params = mi.traverse(scene.mi_scene)
    params["ball.to_world"] = mi.Transform4f().scale(1.2)
    params.update()
    with pytest.raises(ei.InputError, match="changed after it was loaded"):
        ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))


def test_a_scene_of_mitsubas_cannot_travel(scene: ei.Scene) -> None:
    loaded = ei.load_scene(scene.mi_scene)
    with pytest.raises(ei.InputError, match=r"cannot travel.*load it from an XML file"):
        ei.LightTransport.record(loaded, spp=16, executor=InThisProcess(2))


def test_shards_are_shared_out_evenly_and_in_order() -> None:
    assert [len(share) for share in shared_out(10, 4)] == [2, 3, 2, 3]
    assert [number for share in shared_out(10, 4) for number in share] == [*range(10)]


def test_workers_without_ray_are_refused_with_the_remedy(
    scene: ei.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ei.InputError, match=r"pip install 'envmap-inverse\[ray\]'"):
        ei.LightTransport.record(scene, spp=16, executor=ei.Ray(workers=2))


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:1", "cannot be reached: Connection refused"), ("here", "give HOST:PORT, or auto")],
)
def test_an_address_without_a_cluster_is_refused_at_once(
    scene: ei.Scene, address: str, reason: str
) -> None:
    with pytest.raises(ei.InputError, match=f"--ray {address}: {reason}"):
        ei.LightTransport.record(scene, spp=16, executor=ei.Ray(address=address))


def test_more_workers_than_a_cluster_has_cores_are_refused() -> None:
    cluster = _Cluster(ray=None, num_machines=2, num_cores=1, all_cores=3)
    cluster.check_room(3)
    with pytest.raises(ei.InputError, match=r"--workers 4: the cluster has 3 cores"):
        cluster.check_room(4)


class Watching:
    """Keeps what an observer is shown of workers."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, str]] = []
        self.begun: list[str] = []

    def begin(self, stage: Stage) -> None:
        self.begun.append(stage.name)

    def update(self, stage: Stage) -> None:
        if "worker" in stage.detail:  # else the workers' own, which share this process
            self.seen.append((stage.done, stage.detail, stage.line))

    def end(self, stage: Stage) -> None:
        pass


def test_the_progress_names_each_worker_from_the_start(scene: ei.Scene) -> None:
    watching = Watching()
    with watched_by(watching):
        ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))
    assert watching.seen[0] == (0.0, "2 workers: 0/3, 0/3 shards, 0 MiB", "")
    done, words, _ = watching.seen[-1]
    assert (done, words[:31]) == (1.0, "2 workers: 3/3, 3/3 shards, 0.0")
    assert any(": 0/3, 1/3 shards" in words for _, words, _ in watching.seen)


def test_a_worker_that_is_killed_as_it_records_shows_as_started_again(scene: ei.Scene) -> None:
    watching, executor = Watching(), InThisProcess(2, kill_every=6)
    with watched_by(watching):
        ei.LightTransport.record(scene, spp=16, executor=executor)
    assert executor.used[0].num_killed == [0, 1]
    lines = [line for _, _, line in watching.seen if line]
    assert lines == ["Worker 2 was killed: recording its shards again"]
    assert watching.seen[-1][1].endswith(", worker 2 started again")


def test_a_worker_that_is_killed_as_it_solves_shows_as_a_stage_and_in_the_summary(
    scene: ei.Scene,
) -> None:
    there = ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))
    shards: Any = there.remote
    here: Any = shards._workers
    texels = np.ones((there.shape[1], 3), np.float32)
    before = shards.summed_up()
    watching = Watching()
    for killed in (1, 2):
        here.workers[0] = here.make[0]()
        here.num_killed[0] = killed
        shards._looked = 0.0  # a while ago
        with watched_by(watching):
            there.matvec(texels)
    assert [name for name in watching.begun if "killed" in name] == [
        "Worker 1 was killed: recording its shards again",
        "Worker 1 was killed twice: recording its shards again",
    ]
    first, second = shards.summed_up()
    assert first == {**before[0], "restarts": 2}
    assert second == before[1]
    assert (second["worker"], second["machine"], second["shards"]) == (2, "machine1", 3)
    assert second["bytes"] > second["entries"] > 0


def test_workers_that_get_on_with_nothing_do_not_count_as_progress(
    scene: ei.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    advanced: list[str] = []

    def arriving(self: Here, asked: Sequence[Any], waiting: Callable[[], None]) -> Any:
        before = len(advanced)
        for _ in range(3):  # seconds without an answer
            waiting()
        assert len(advanced) == before
        return enumerate(asked)

    class Counting(Watching):
        def update(self, stage: Stage) -> None:
            advanced.append(stage.detail)

    monkeypatch.setattr(Here, "arriving", arriving)
    with watched_by(Counting()):
        ei.LightTransport.record(scene, spp=16, executor=InThisProcess(2))
    assert advanced[-1].startswith("2 workers: 3/3, 3/3 shards")


def test_without_what_ray_knows_of_its_workers_a_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = object.__new__(_RayWorkers)
    workers._actors = [None, None]
    monkeypatch.setitem(sys.modules, "ray._private.state", None)
    assert workers.whereabouts() == [("", 0), ("", 0)]


def test_an_estimate_knows_its_workers(scene: ei.Scene) -> None:
    image = ei.render(scene, spp=16)
    found = ei.estimate(scene, image, optimizer=ei.Transport(spp=4, executor=InThisProcess(2)))
    assert [worker["shards"] for worker in found.workers] == [1, 1]
    assert ei.estimate(scene, image, optimizer=ei.Transport(spp=4)).workers == ()
