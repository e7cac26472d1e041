"""Workers on one or more machines, by Ray."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from envmap_inverse.errors import InputError, check_counts, counted, in_one_line
from envmap_inverse.recording.blocks import num_cores
from envmap_inverse.recording.recorder import Source
from envmap_inverse.recording.remote_shards import RemoteShards, shared_out
from envmap_inverse.recording.shards import GrowingShards
from envmap_inverse.recording.worker import Order, Worker
from envmap_inverse.scene.parcel import packed
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.progress import stage
from envmap_inverse.version import __version__

__all__ = ["Executor", "Ray"]

_LOGGER = logging.getLogger(__name__)

MAX_RETRIES = 8
"""Deaths of a worker that one question survives; one that is always killed lacks memory."""

SECONDS_TO_REACH, SECONDS_TO_START = 10, 300

SECONDS_TO_WAIT = 1.0
"""For an answer, before whoever waits looks round."""

FEW = 4
"""Questions of a worker, about, that are waited for at a time: they are answered in order."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # the workers do all the work
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # so that Ray keeps to loopback, as it does there
}
"""Of the environment of a Ray of this machine alone: it neither reports its use, nor is it reached
from outside."""

_TOKEN = "; where the cluster wants a token, as those of newer versions do, set RAY_AUTH_MODE=token"


class Executor(Protocol):
    """Records the shards of a scene, and keeps them, somewhere."""

    def record(
        self,
        scene: Scene,
        sources: Sequence[Source],
        *,
        spp: int,
        memory_budget: int | None,
        on_progress: Callable[[float], None],
    ) -> GrowingShards:
        """Record shards.

        Args:
            scene: the scene.
            sources: of the shards.
            spp: paths per pixel.
            memory_budget: bytes for paths in flight of a process; None for a quarter of what is
                free.
            on_progress: told the share that is done.
        """


@dataclass(frozen=True, kw_only=True)
class Ray:
    """Record and solve in several processes, on this machine or on a cluster (extra `[ray]`).

    Pictures of millions of paths are cut into shards, which the workers record from the scene and
    keep. Maps have the same bits with any number of workers, and without. A worker that dies is
    started again, and records its shards again.

    Starting takes about ten seconds: Ray is worth it where recording takes more than half a minute,
    or memory is short.

    Attributes:
        workers: number of processes; None for one per machine. No more are started than there are
            shards.
        address: of a running Ray cluster, "auto" or "host:port"; None starts one of this machine
            alone, which nothing outside reaches.

    Example:
        >>> optimizer = ei.Transport(executor=ei.Ray(workers=2))
    """

    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_counts(workers=self.workers, most=10**5)

    def record(
        self,
        scene: Scene,
        sources: Sequence[Source],
        *,
        spp: int,
        memory_budget: int | None,
        on_progress: Callable[[float], None],
    ) -> GrowingShards:
        """See `Executor`.

        Raises:
            InputError: if Ray is missing or cannot be reached, the scene cannot travel, or workers
                have another version or too little memory.
        """
        parcel = packed(scene)
        with stage("Starting workers"):
            cluster = _Cluster.join(self.address)
            workers = min(self.workers or cluster.num_machines, len(sources))
            if self.address is not None:
                cluster.check_room(workers)
            shares = shared_out(len(sources), workers)
            orders = cluster.orders(sources, shares, memory_budget)
            cores = orders[0].cores if self.address else None
            ray_workers = _RayWorkers(cluster.ray, parcel, orders, cores or 0)
        width, height = scene.envmap.resolution
        shards = RemoteShards(ray_workers, sources, shares, width * height, (spp,))
        shards.record(on_progress)
        return shards


@dataclass(frozen=True, kw_only=True)
class _Cluster:
    """The machines that Ray knows.

    Attributes:
        ray: the module.
        num_machines: how many may have workers.
        num_cores: of the smallest of them.
        all_cores: of all of them.
    """

    ray: Any
    num_machines: int
    num_cores: int
    all_cores: int

    def check_room(self, workers: int) -> None:
        """Refuse more workers than cores: Ray would wait for more, for ever.

        Raises:
            InputError: if there are more.
        """
        if workers > self.all_cores:
            raise InputError(
                f"--workers {workers}: the cluster has {counted(self.all_cores, 'core')}, of "
                "which each worker takes one at least; take fewer workers"
            )

    def orders(
        self, sources: Sequence[Source], shares: Sequence[range], memory_budget: int | None
    ) -> list[Order]:
        """What each worker records, with its share of a machine."""
        per_machine = -(-len(shares) // self.num_machines)
        return [
            Order(
                sources={number: sources[number] for number in share},
                memory_budget=memory_budget,
                cores=max(self.num_cores // per_machine, 1),
                share=per_machine,
            )
            for share in shares
        ]

    @classmethod
    def join(cls, address: str | None) -> _Cluster:
        if address is not None:
            _check_reachable(address)
        ray = _imported(is_local=address is None)
        if not ray.is_initialized():
            logging.getLogger("ray").setLevel(logging.CRITICAL)
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
            if address is None:
                options |= {
                    "num_cpus": 1,  # each is a process that waits; workers take none
                    "include_dashboard": False,
                    "_node_ip_address": "127.0.0.1",
                }
            try:
                ray.init(address=address or "local", **options)  # None would join what it finds
            except Exception as error:  # noqa: BLE001 - Ray raises ConnectionError, ValueError, ...
                where, remedy = (f"--ray {address}: ", _TOKEN) if address else ("", "")
                reason = f"Ray does not start: {in_one_line(error)}"
                raise InputError(f"{where}{reason}{remedy}") from None
            _quiet(importlib.import_module("ray._private.worker"))
        if address is None:
            return cls(ray=ray, num_machines=1, num_cores=num_cores(), all_cores=num_cores())
        cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        cores = [number for number in cores if number > 0] or [1]
        return cls(ray=ray, num_machines=len(cores), num_cores=min(cores), all_cores=sum(cores))


def _check_reachable(address: str) -> None:
    """Refuse an address at which nothing answers, for which Ray would wait for minutes.

    Raises:
        InputError: if nothing does, or it is none.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_REACH).close()
    except ValueError:
        raise InputError(f"--ray {address}: give HOST:PORT, or auto") from None
    except OSError as error:
        reason = error.strerror or in_one_line(error)
        raise InputError(f"--ray {address}: cannot be reached: {reason}") from None


def _imported(*, is_local: bool) -> Any:
    if is_local:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError(
            "workers need Ray, which is not installed; pip install 'envmap-inverse[ray]'"
        ) from None


def _quiet(module: Any) -> None:
    """Log what Ray prints, in many words, when a worker dies: it is started again."""
    if hasattr(module, "print_to_stdstream"):
        module.print_to_stdstream = lambda data, **_: _LOGGER.info("%s", " ".join(data["lines"]))


class _Actor(Worker):
    """A worker that fetches its scene and its order whenever it is started."""

    def __init__(self, held: bytes) -> None:
        ray = importlib.import_module("ray")
        super().__init__(*ray.get(ray.cloudpickle.loads(held)))


class _RayWorkers:
    """Workers that are actors of Ray; see `Workers`."""

    def __init__(self, ray: Any, parcel: Any, orders: Sequence[Order], cores: int) -> None:
        self._ray = ray
        actor = ray.remote(_Actor).options(
            max_restarts=-1,
            max_task_retries=MAX_RETRIES,
            num_cpus=cores,
            scheduling_strategy="SPREAD",
        )
        scene = ray.put(parcel)
        # Kept, and hidden from Ray, which would let them go: workers that restart fetch them.
        self._held = [[scene, ray.put(order)] for order in orders]
        self._actors = [actor.remote(ray.cloudpickle.dumps(held)) for held in self._held]
        asked = [self.ask(worker, "version") for worker in range(len(orders))]
        _, late = ray.wait(asked, num_returns=len(asked), timeout=SECONDS_TO_START)
        if late:
            raise InputError(
                f"{len(late)} of {len(asked)} workers have not started in {SECONDS_TO_START} s: "
                "the cluster may have too few free cores, or its machines too little memory"
            )
        versions = {*self.answers(asked)}
        if versions != {__version__}:
            raise InputError(
                f"workers have envmap-inverse {', '.join(sorted(versions - {__version__}))}, but "
                f"this is {__version__}; install the same everywhere"
            )

    def put(self, value: Any) -> Any:
        """See `Workers`."""
        return self._ray.put(value)

    def ask(self, worker: int, method: str, *arguments: Any) -> Any:
        """See `Workers`."""
        return getattr(self._actors[worker], method).remote(*arguments)

    def answers(
        self, asked: Sequence[Any], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Any]:
        """See `Workers`."""
        for question in asked:
            while not self._ray.wait([question], timeout=SECONDS_TO_WAIT)[0]:
                waiting()
            yield self._answer(question)

    def arriving(
        self, asked: Sequence[Any], waiting: Callable[[], None]
    ) -> Iterator[tuple[int, Any]]:
        """See `Workers`."""
        numbers = {question: number for number, question in enumerate(asked)}
        while numbers:
            first = [*itertools.islice(numbers, FEW * len(self._actors))]
            there, _ = self._ray.wait(first, timeout=SECONDS_TO_WAIT)
            for question in there:
                yield numbers.pop(question), self._answer(question)
            if not there:
                waiting()

    def _answer(self, question: Any) -> Any:
        try:
            return self._ray.get(question)
        except InputError as error:
            raise InputError(str(getattr(error, "cause", error))) from None
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as error:
            raise InputError(
                f"a worker was killed {MAX_RETRIES + 1} times at the same work, most likely "
                "because its machine ran out of memory; take more machines, fewer workers on "
                f"each, or a smaller --spp or --size ({type(error).__name__})"
            ) from None

    def whereabouts(self) -> Sequence[tuple[str, int]]:
        """See `Workers`. Without its dashboard, Ray tells it in a module of its own alone."""
        try:
            known = importlib.import_module("ray._private.state").actors
        except (ImportError, AttributeError):  # of another version: the run goes on without
            return [("", 0)] * len(self._actors)
        found = [known(actor._actor_id.hex()) for actor in self._actors]
        places = [each.get("Address", {}).get("IPAddress", "") for each in found]
        is_one = len({*filter(None, places)}) <= 1
        return [
            ("" if is_one else place, each.get("NumRestarts", 0))
            for place, each in zip(places, found, strict=True)
        ]
