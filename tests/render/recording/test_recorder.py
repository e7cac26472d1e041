from __future__ import annotations

from collections.abc import Callable

import pytest

import envmap_inverse as ei
from envmap_inverse.recording import recorder


def test_a_recording_that_does_not_fit_into_memory_is_refused_early(
    make_scene: Callable[..., ei.Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(recorder, "free_memory", lambda: 1000)
    with pytest.raises(ei.InputError, match=r"light transport takes about .* --spp or --size"):
        ei.LightTransport.record(
            make_scene("rough", size=(64, 64)),
            spp=16,
            memory_budget=2 * recorder.BYTES_PER_PATH * 16 * 64,
            on_progress=shares.append,
        )
    assert shares[-1] < 0.5


def test_room_is_no_matter_where_there_is_enough(make_scene: Callable[..., ei.Scene]) -> None:
    scene = make_scene("rough", size=(16, 16))
    whole = ei.LightTransport.record(scene, spp=4)
    parts = ei.LightTransport.record(scene, spp=4, memory_budget=2 * recorder.BYTES_PER_PATH * 64)
    assert whole.num_entries == parts.num_entries
