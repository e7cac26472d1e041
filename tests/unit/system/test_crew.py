"""What is known of workers, in words and for pages."""

from __future__ import annotations

import pytest

from envmap_inverse.system.crew import Crew, present

MEBIBYTE = 2**20


def recorded(count: int, shards: int = 2) -> Crew:
    """Workers that have recorded all their shards but one."""
    crew = Crew([range(shards * n, shards * (n + 1)) for n in range(count)])
    crew.begin()
    for index, worker in enumerate(crew.workers):
        for shard in worker.shards[:-1]:
            crew.has_recorded(index, shard, MEBIBYTE, 50_000)
    return crew


def at_home(*restarts: int) -> list[tuple[str, int]]:
    return [("", number) for number in restarts]


def test_few_workers_are_named_each_and_many_together() -> None:
    assert recorded(2).in_words() == "2 workers: 1/2, 1/2 shards, 2 MiB"
    assert recorded(1).in_words() == "1 worker: 1/2 shards, 1 MiB"
    assert recorded(5, 3).in_words() == "5 workers: 10/15 shards, 10 MiB"


@pytest.mark.parametrize(
    ("restarts", "words"),
    [
        ((0, 1, 0), "worker 2 started again"),
        ((0, 2, 3), "worker 2 started again twice, worker 3 started again 3 times"),
        ((1, 1, 1), "3 started again"),
    ],
)
def test_workers_that_were_started_again_are_named(restarts: tuple[int, ...], words: str) -> None:
    crew = recorded(3)
    again = crew.look(at_home(*restarts))
    assert [worker.number for worker in again] == [n for n, k in enumerate(restarts, 1) if k]
    assert crew.in_words().endswith(f" MiB, {words}")
    assert crew.look(at_home(*restarts)) == []


def test_a_new_worker_holds_nothing_until_it_has_solved() -> None:
    crew = recorded(2)
    for index, worker in enumerate(crew.workers):
        crew.has_recorded(index, worker.shards[-1], MEBIBYTE, 50_000)
    assert [each["doing"] for each in crew.as_it_is()] == ["recorded", "recorded"]
    crew.look(at_home(1, 0))
    first, second = crew.as_it_is()
    assert (first["doing"], first["recorded"], first["bytes"]) == ("recording again", 0, 0)
    assert (second["doing"], second["recorded"]) == ("recorded", 2)
    crew.has_solved(0)
    first, _ = crew.as_it_is()
    assert (first["doing"], first["recorded"], first["bytes"]) == ("solving", 2, 2 * MEBIBYTE)


def test_workers_are_present_while_their_recording_is() -> None:
    crew = recorded(2)
    assert present() is crew
    del crew
    assert present() is None
