from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, lsqr

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.metrics import sum_of_squared_errors
from envmap_inverse.system.sealed_arrays import write_arrays

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeMap = Callable[..., NDArray[np.float32]]
Pixels = NDArray[np.float32]

NUM_PIXELS, NUM_TEXELS = 64, 9 * 16

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}
LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


@pytest.fixture(scope="module")
def rough_scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """Rough spheres under a map of 16 x 9 texels, 8 x 8 pixels."""
    return make_scene("rough", texels=random_map(9, 16))


@pytest.fixture(scope="module")
def transport(rough_scene: ei.Scene) -> ei.LightTransport:
    return ei.LightTransport.record(rough_scene, spp=16)


@pytest.fixture
def texels(rng: np.random.Generator) -> Pixels:
    """A map as a column per channel."""
    return rng.uniform(0, 2, (NUM_TEXELS, 3)).astype(np.float32)


@pytest.fixture
def pixels(rng: np.random.Generator) -> Pixels:
    return rng.normal(size=(NUM_PIXELS, 3)).astype(np.float32)


def dense(transport: ei.LightTransport) -> list[NDArray[np.float64]]:
    return [channel.toarray().astype(np.float64) for channel in transport.channels]


def assert_bit_equal(first: ei.LightTransport, second: ei.LightTransport) -> None:
    for a, b in zip(dense(first), dense(second), strict=True):
        np.testing.assert_array_equal(a, b)
    texels = np.random.default_rng(5).random((first.shape[1], 3), np.float32)
    np.testing.assert_array_equal(first.variance(texels), second.variance(texels))
    np.testing.assert_array_equal(first.offset, second.offset)


# The operator


def test_a_recording_has_a_row_per_pixel_and_a_column_per_texel(
    transport: ei.LightTransport,
) -> None:
    assert transport.shape == (NUM_PIXELS, NUM_TEXELS)
    assert transport.resolution == (16, 9)
    assert transport.image_sizes == ((8, 8),)
    assert transport.spp == 16
    assert (transport.offset.shape, transport.offset.dtype) == ((NUM_PIXELS, 3), np.float32)


def test_matvec_is_the_matrix_of_each_channel_times_its_column(
    transport: ei.LightTransport, texels: Pixels
) -> None:
    matrices = dense(transport)
    expected = np.stack([matrices[c] @ texels[:, c] for c in range(3)], axis=1)
    found = transport.matvec(texels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rmatvec_is_the_adjoint_of_matvec(
    transport: ei.LightTransport, texels: Pixels, pixels: Pixels
) -> None:
    of_pixels = np.sum(transport.matvec(texels).astype(np.float64) * pixels, axis=0)
    of_texels = np.sum(transport.rmatvec(pixels).astype(np.float64) * texels, axis=0)
    sizes = np.sum(np.abs(transport.matvec(texels) * pixels), axis=0)
    assert (np.abs(of_pixels - of_texels) < 1e-5 * sizes).all()


def test_normal_is_rmatvec_of_weighted_matvec(
    transport: ei.LightTransport, texels: Pixels, pixels: Pixels
) -> None:
    expected = transport.rmatvec(pixels * transport.matvec(texels))
    found = transport.normal(texels, pixels)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_matvec_is_linear(transport: ei.LightTransport, texels: Pixels) -> None:
    other = texels[::-1]
    expected = 2 * transport.matvec(texels) - transport.matvec(other)
    np.testing.assert_allclose(transport.matvec(2 * texels - other), expected, atol=1e-4)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_is_an_operator_that_scipy_solves_with(
    transport: ei.LightTransport, texels: Pixels, channel: int
) -> None:
    operator = transport.linear_operator(channel)
    assert isinstance(operator, LinearOperator)
    assert operator.shape == transport.shape
    image = transport.matvec(texels)[:, channel]
    found = lsqr(operator, image, iter_lim=500)[0]
    residual = operator @ found - image
    assert np.linalg.norm(residual) < 1e-3 * np.linalg.norm(image)


def test_coverage_is_the_column_sums(transport: ei.LightTransport) -> None:
    expected = np.stack([matrix.sum(axis=0) for matrix in dense(transport)], axis=1)
    assert transport.coverage.shape == (9, 16, 3)
    np.testing.assert_allclose(transport.coverage.reshape(-1, 3), expected, rtol=1e-5)


def test_the_gram_diagonal_is_that_of_the_weighted_product(
    transport: ei.LightTransport, rng: np.random.Generator
) -> None:
    weights = rng.uniform(0, 2, (NUM_PIXELS, 3)).astype(np.float32)
    expected = np.stack(
        [
            np.diag(matrix.T @ (weights[:, c, None] * matrix))
            for c, matrix in enumerate(dense(transport))
        ],
        axis=1,
    )
    np.testing.assert_allclose(transport.gram_diagonal(weights), expected, rtol=1e-4)


def test_each_pair_of_pixel_and_texel_is_stored_once(transport: ei.LightTransport) -> None:
    for channel in transport.channels:
        rows = np.repeat(np.arange(NUM_PIXELS), np.diff(channel.indptr))
        pairs = rows * NUM_TEXELS + channel.indices
        assert len(np.unique(pairs)) == len(pairs) == transport.num_entries


def test_an_entry_takes_at_most_twelve_bytes_a_channel(transport: ei.LightTransport) -> None:
    matrices = (*transport.channels, transport.squares)
    arrays = [getattr(matrix, name) for matrix in matrices for name in ("data", "indices")]
    memory = {array.__array_interface__["data"][0]: array.nbytes for array in arrays}
    assert sum(memory.values()) <= 12 * 3 * transport.num_entries
    assert sum(memory.values()) <= transport.nbytes


def test_an_open_view_of_a_white_map_is_white(make_scene: MakeScene) -> None:
    scene = make_scene(texels=np.ones((9, 16, 3), np.float32), **BEHIND_THE_CAMERA)
    transport = ei.LightTransport.record(scene, spp=4)
    np.testing.assert_allclose(transport.matvec(np.ones((NUM_TEXELS, 3))), 1, rtol=1e-5)


def test_a_mirror_is_recorded_where_it_looks(make_scene: MakeScene, random_map: MakeMap) -> None:
    """Through half a degree the camera sees itself, hence nearly one direction of the map."""
    scene = make_scene(texels=random_map(9, 16), size=(8, 8), fov=1)
    expected = ei.render(scene, spp=64)
    transport = ei.LightTransport.record(scene, spp=64)
    found = transport.matvec(scene.envmap.texels.reshape(-1, 3)).reshape(8, 8, 3)
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("reflectance", [(0.9, 0, 0), (0, 0.5, 0.7), (0, 0, 0)])
def test_a_surface_that_swallows_a_colour_is_recorded(
    make_scene: MakeScene, reflectance: tuple[float, float, float]
) -> None:
    bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": list(reflectance)}}
    sphere = {"type": "sphere", "radius": 3, "bsdf": bsdf}  # fills the film
    scene = make_scene(
        texels=np.ones((9, 16, 3), np.float32), large=sphere, small=BEHIND_THE_CAMERA["small"]
    )
    transport = ei.LightTransport.record(scene, spp=16)
    found = transport.matvec(np.ones((NUM_TEXELS, 3), np.float32))
    np.testing.assert_allclose(found, np.broadcast_to(reflectance, found.shape), atol=1e-3)


# Recording


@pytest.mark.parametrize("memory_budget", [1, 5_000, 50_000])
def test_the_memory_budget_changes_no_bit(
    rough_scene: ei.Scene, transport: ei.LightTransport, memory_budget: int
) -> None:
    chunked = ei.LightTransport.record(rough_scene, spp=16, memory_budget=memory_budget)
    assert_bit_equal(chunked, transport)


def test_the_same_seed_records_the_same_bits(
    rough_scene: ei.Scene, transport: ei.LightTransport
) -> None:
    assert_bit_equal(ei.LightTransport.record(rough_scene, spp=16), transport)


def test_another_seed_records_other_paths(
    rough_scene: ei.Scene, transport: ei.LightTransport, texels: Pixels
) -> None:
    other = ei.LightTransport.record(rough_scene, spp=16, seed=1)
    is_equal = other.matvec(texels) == transport.matvec(texels)
    assert is_equal.mean() < 0.05


def test_recordings_of_several_seeds_are_independent(rough_scene: ei.Scene, texels: Pixels) -> None:
    """The mean of eight has an eighth of the variance."""
    images = np.array(
        [
            ei.LightTransport.record(rough_scene, spp=4, seed=seed).matvec(texels)
            for seed in range(32)
        ]
    )
    of_one = images.var(axis=0, ddof=1)
    of_eight = images.reshape(4, 8, *images.shape[1:]).mean(axis=1).var(axis=0, ddof=1)
    assert of_one.min() > 0
    assert of_eight.sum() == pytest.approx(of_one.sum() / 8, rel=0.35)


@pytest.mark.parametrize("value", [0.0, 1e-3, 77.0])
def test_a_recording_does_not_look_at_the_map(
    make_scene: MakeScene, random_map: MakeMap, value: float
) -> None:
    scene = make_scene("rough", texels=random_map(9, 16), lamp=LAMP)
    expected = ei.LightTransport.record(scene, spp=4)
    scene.set_envmap(np.full((9, 16, 3), value))
    assert_bit_equal(ei.LightTransport.record(scene, spp=4), expected)


def test_a_recording_leaves_the_map_as_it_was(make_scene: MakeScene, random_map: MakeMap) -> None:
    scene = make_scene("rough", texels=random_map(9, 16), lamp=LAMP)
    ei.LightTransport.record(scene, spp=4)
    np.testing.assert_array_equal(scene.envmap.texels, random_map(9, 16))


def test_the_offset_is_the_picture_under_a_dark_map(make_scene: MakeScene) -> None:
    scene = make_scene("rough", texels=np.ones((9, 16, 3), np.float32), lamp=LAMP)
    offset = ei.LightTransport.record(scene, spp=4).offset.reshape(8, 8, 3)
    dark = ei.render(scene, np.zeros((9, 16, 3)), spp=1024, seed=77)
    assert dark.max() > 1
    assert np.linalg.norm(offset - dark) < 0.05 * np.linalg.norm(dark)


def test_a_map_that_is_the_only_light_leaves_no_offset(transport: ei.LightTransport) -> None:
    assert (transport.offset == 0).all()


def test_views_are_stacked_in_their_order(scene_dict: MakeDict, random_map: MakeMap) -> None:
    described = scene_dict("rough", texels=random_map(9, 16), cameras=[(0, 0, 4), (4, 1, 0)])
    described["sensor1"]["film"].update(width=5, height=5)
    scene = ei.load_scene(described)
    both = ei.LightTransport.record(scene, (1, 0), spp=256)
    assert both.shape == (25 + 64, NUM_TEXELS)
    assert both.image_sizes == ((5, 5), (8, 8))
    parts = np.split(both.matvec(scene.envmap.texels.reshape(-1, 3)), [25])
    for part, sensor in zip(parts, (1, 0), strict=True):
        image = ei.render(scene, spp=1024, sensor=sensor).reshape(-1, 3)
        assert np.linalg.norm(part - image) < 0.03 * np.linalg.norm(image)


def test_views_of_one_sensor_have_paths_of_their_own(rough_scene: ei.Scene, texels: Pixels) -> None:
    both = ei.LightTransport.record(rough_scene, (0, 0), spp=4)
    first, second = np.split(both.matvec(texels), 2)
    assert (first != second).mean() > 0.9


def test_progress_rises_to_one(rough_scene: ei.Scene) -> None:
    shares: list[float] = []
    ei.LightTransport.record(
        rough_scene, (0, 0), spp=16, memory_budget=20_000, on_progress=shares.append
    )
    assert len(shares) > 4
    assert (np.diff(shares) > 0).all()
    assert shares[0] > 0
    assert shares[-1] == 1


# The noise


def test_more_paths_have_less_noise(rough_scene: ei.Scene, texels: Pixels) -> None:
    """Stratification makes it fall faster than that of independent paths, by 1 / spp."""
    spread = []
    for spp in (4, 64):
        runs = [ei.LightTransport.record(rough_scene, spp=spp, seed=k) for k in range(12)]
        spread.append(np.var([run.matvec(texels) for run in runs], axis=0, ddof=1).sum())
    assert spread[1] < spread[0] / 16


def test_russian_roulette_adds_little_noise(make_scene: MakeScene, texels: Pixels) -> None:
    """A path survives by what it carries, whatever the number of paths per pixel."""
    bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.9}}
    spread = []
    for rr_depth in (1, 100):
        scene = make_scene(
            texels=np.ones((9, 16, 3), np.float32),
            integrator={"type": "path", "max_depth": 20, "rr_depth": rr_depth},
            large={"type": "sphere", "bsdf": bsdf},
            small={"type": "sphere", "center": [1.1, 0.5, 0.9], "radius": 0.5, "bsdf": bsdf},
        )
        runs = [ei.LightTransport.record(scene, spp=64, seed=k) for k in range(12)]
        spread.append(np.var([run.matvec(texels) for run in runs], axis=0, ddof=1).sum())
    assert spread[0] < 3 * spread[1]


def test_the_variance_is_never_negative(transport: ei.LightTransport, texels: Pixels) -> None:
    variance = transport.variance(texels)
    assert variance.shape == (NUM_PIXELS, 3)
    assert (variance >= 0).all()
    assert variance.max() > 0


def test_the_variance_grows_with_the_square_of_the_light(
    transport: ei.LightTransport, texels: Pixels
) -> None:
    expected = 100 * transport.variance(texels)
    np.testing.assert_allclose(transport.variance(10 * texels), expected, rtol=1e-4)


def test_the_variance_falls_with_the_number_of_paths(rough_scene: ei.Scene, texels: Pixels) -> None:
    few, many = (
        ei.LightTransport.record(rough_scene, spp=spp).variance(texels).sum() for spp in (8, 128)
    )
    assert many == pytest.approx(few / 16, rel=0.1)


@pytest.mark.parametrize("size", [1, 3])
def test_the_variance_of_a_lamps_light_is_the_true_one_within_a_factor(
    make_scene: MakeScene, size: int
) -> None:
    """With one path a pixel there are no strata, and few paths meet a lamp of a few texels.

    Between texels a path meets a share of their light: the estimate is off by a factor of up to
    3/2, and as much as the square of the mean counts beside the variance.
    """
    texels = np.full((9, 16, 3), 0.01, np.float32)
    texels[3 : 3 + size, 4 : 4 + size] = 50
    scene = make_scene("diffuse", texels=texels)
    runs = [ei.LightTransport.record(scene, spp=1, seed=seed) for seed in range(60)]
    columns = texels.reshape(-1, 3)
    true = np.var([run.matvec(columns) for run in runs], axis=0, ddof=1)
    found = np.mean([run.variance(columns) for run in runs], axis=0)
    ratio = float(found.sum() / true.sum())
    assert 1 / 2 < ratio < 2


# Files


@pytest.fixture
def recording(tmp_path: Path, transport: ei.LightTransport) -> Path:
    path = tmp_path / "transport.npz"
    transport.save(path)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Changes some arrays of a file; None leaves one out."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays.update(changes)
    kept = {name: array for name, array in arrays.items() if array is not None}
    write_arrays(path, kept)


def names_of_arrays(path: Path) -> list[str]:
    with np.load(path) as file:
        return list(file.files)


def message_of_a_refusal(path: Path) -> str:
    with pytest.raises(ei.InputError) as caught:
        ei.LightTransport.load(path)
    return str(caught.value)


def test_a_recording_loaded_is_the_one_saved(
    recording: Path, transport: ei.LightTransport, texels: Pixels
) -> None:
    loaded = ei.LightTransport.load(recording)
    assert_bit_equal(loaded, transport)
    for name in ("shape", "resolution", "image_sizes", "spp"):
        assert getattr(loaded, name) == getattr(transport, name)


def test_a_loaded_recording_takes_no_more_memory(
    recording: Path, transport: ei.LightTransport
) -> None:
    assert ei.LightTransport.load(recording).nbytes == transport.nbytes


def test_several_views_and_a_lamp_survive_the_file(make_scene: MakeScene, tmp_path: Path) -> None:
    saved = ei.LightTransport.record(
        make_scene("rough", cameras=[(0, 0, 4), (4, 1, 0)], lamp=LAMP), (0, 1), spp=4
    )
    saved.save(tmp_path / "two.npz")
    loaded = ei.LightTransport.load(tmp_path / "two.npz")
    assert_bit_equal(loaded, saved)
    assert loaded.image_sizes == ((8, 8), (8, 8))


def test_a_recording_is_saved_over_another(recording: Path, rough_scene: ei.Scene) -> None:
    newer = ei.LightTransport.record(rough_scene, spp=2, seed=3)
    newer.save(recording)
    assert_bit_equal(ei.LightTransport.load(recording), newer)
    assert [path.name for path in recording.parent.iterdir()] == [recording.name]


def test_a_recording_that_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        ei.LightTransport.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("share", [0, 1e-4, 0.01, 0.5, 0.99, 0.9999])
def test_a_recording_cut_short_is_refused_in_one_line(recording: Path, share: float) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole[: int(share * len(whole))])
    message = message_of_a_refusal(recording)
    assert message.startswith(f"{recording}: ")
    assert "\n" not in message


def test_a_recording_that_is_refused_is_closed(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ei.InputError):
            ei.LightTransport.load(recording)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("content", [b"hello", b"\x80\x04", b"PK\x03\x04", b"\n" * 1000])
def test_a_file_that_is_no_recording_is_refused_in_one_line(
    recording: Path, content: bytes
) -> None:
    recording.write_bytes(content)
    message = message_of_a_refusal(recording)
    assert "not a recorded light transport" in message
    assert "\n" not in message


def test_a_single_array_is_no_recording(recording: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    recording.write_bytes(stream.getvalue())
    assert "not a recorded light transport" in message_of_a_refusal(recording)


def test_a_file_of_other_arrays_is_no_recording(recording: Path) -> None:
    np.savez(recording, map=np.zeros(3))
    assert "not a recorded light transport" in message_of_a_refusal(recording)


@pytest.mark.parametrize("version", [0, 1, 1000])
def test_a_recording_of_another_version_is_refused_with_the_remedy(
    recording: Path, version: int
) -> None:
    rewrite(recording, format=np.int64(version))
    message = message_of_a_refusal(recording)
    assert "another version" in message
    assert "record again" in message


def test_a_recording_that_lacks_an_array_is_refused(recording: Path) -> None:
    whole = recording.read_bytes()
    for name in names_of_arrays(recording):
        rewrite(recording, **{name: None})
        assert name in message_of_a_refusal(recording)
        recording.write_bytes(whole)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3, 4)])
def test_a_recording_with_an_array_of_another_shape_is_refused(
    recording: Path, shape: tuple[int, ...]
) -> None:
    whole = recording.read_bytes()
    for name in names_of_arrays(recording):
        with np.load(recording) as file:
            wrong = np.zeros(shape, file[name].dtype)
            is_other = file[name].shape != shape
        if is_other:
            rewrite(recording, **{name: wrong})
            assert message_of_a_refusal(recording), name
            recording.write_bytes(whole)


@pytest.mark.parametrize("index", [-1, NUM_TEXELS])
def test_a_recording_that_points_out_of_the_map_is_refused(recording: Path, index: int) -> None:
    whole = recording.read_bytes()
    names = [name for name in names_of_arrays(recording) if name.endswith("indices")]
    assert names
    for name in names:
        with np.load(recording) as file:
            indices = file[name].copy()
        indices[7] = index
        rewrite(recording, **{name: indices})
        assert message_of_a_refusal(recording), name
        recording.write_bytes(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": np.array([16, 8])},
        {"image_sizes": np.array([[2, 3]])},
        {"offset": np.zeros((3, 3), np.float32)},
    ],
    ids=lambda changes: str(next(iter(changes))),
)
def test_a_recording_whose_arrays_do_not_fit_each_other_is_refused(
    recording: Path, changes: dict[str, Any]
) -> None:
    rewrite(recording, **changes)
    assert "not a recorded light transport" in message_of_a_refusal(recording)


def test_damage_in_the_arrays_is_noticed(recording: Path) -> None:
    damaged = bytearray(recording.read_bytes())
    damaged[len(damaged) // 3] ^= 0xFF
    recording.write_bytes(bytes(damaged))
    message_of_a_refusal(recording)


def test_nothing_in_a_file_is_unpickled(recording: Path) -> None:
    rewrite(recording, spp=np.array({"not": "a number"}, dtype=object))
    assert "allow_pickle=False" in message_of_a_refusal(recording)


@pytest.mark.parametrize(
    ("sensor", "film"),
    [
        ({}, {}),
        ({}, {"rfilter": {"type": "gaussian"}}),
        ({}, {"rfilter": {"type": "gaussian"}, "sample_border": True}),
        ({"type": "thinlens", "aperture_radius": 0.3, "focus_distance": 4.0}, {}),
        ({"shutter_open": 0.0, "shutter_close": 1.0}, {}),
    ],
    ids=["pinhole", "filter", "border", "lens", "shutter"],
)
def test_a_sky_that_is_the_same_everywhere_is_the_same_in_every_pixel(
    scene_dict: MakeDict, sensor: dict[str, Any], film: dict[str, Any]
) -> None:
    described = scene_dict(film=film, **BEHIND_THE_CAMERA)
    described["sensor0"] |= sensor
    transport = ei.LightTransport.record(ei.load_scene(described), spp=4)
    sky = np.full((8 * 16, 3), 2.5, np.float32)
    np.testing.assert_allclose(transport.matvec(sky), 2.5, rtol=1e-5)


# What cannot be recorded


@pytest.mark.parametrize("spp", [0, -1])
def test_no_paths_are_refused(rough_scene: ei.Scene, spp: int) -> None:
    with pytest.raises(ei.InputError, match=f"spp must be at least 1; found {spp}"):
        ei.LightTransport.record(rough_scene, spp=spp)


def test_no_sensor_is_refused(rough_scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="no sensor to record"):
        ei.LightTransport.record(rough_scene, (), spp=1)


def test_an_unknown_sensor_is_refused(rough_scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="sensor 3"):
        ei.LightTransport.record(rough_scene, (3,), spp=1)


def test_an_integrator_that_cannot_be_recorded_is_left_to_adam(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "ptracer"})
    message = "the integrator ptracer cannot be recorded: it traces from .*; use the Adam optimizer"
    with pytest.raises(ei.InputError, match=message):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize("kind", ["prb_projective", "direct_projective"])
def test_projective_integrators_that_hide_emitters_are_left_to_adam(
    make_scene: MakeScene, kind: str
) -> None:
    scene = make_scene(integrator={"type": kind, "hide_emitters": True})
    with pytest.raises(ei.InputError, match=r"hide the map, not the lamps.*; use the Adam"):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize(
    ("integrator", "message"),
    [
        ({"type": "depth"}, "the integrator depth measures distance, not light"),
        ({"type": "aov", "aovs": "depth:depth"}, "the integrator aov has no integrator for light"),
    ],
)
def test_an_integrator_without_a_picture_is_refused_by_all(
    make_scene: MakeScene, integrator: dict[str, Any], message: str
) -> None:
    scene = make_scene(integrator=integrator)
    grey = np.ones((8, 8, 3))
    for act in (
        lambda: ei.render(scene),
        lambda: ei.LightTransport.record(scene),
        lambda: ei.estimate(scene, grey, optimizer=ei.Adam(iterations=1)),
    ):
        with pytest.raises(ei.InputError, match=message) as caught:
            act()
        assert "Adam" not in str(caught.value)


def test_direct_light_without_bsdf_samples_is_left_to_adam(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "direct", "bsdf_samples": 0, "emitter_samples": 1})
    with pytest.raises(ei.InputError, match=r"bsdf_samples=0 .* use bsdf_samples=1; use the Adam"):
        ei.LightTransport.record(scene, spp=1)


MASK = {"type": "mask", "opacity": 0.4, "nested": {"type": "diffuse"}}


def test_a_mask_is_left_to_adam_where_path_hides_emitters(make_scene: MakeScene) -> None:
    leaf = {"type": "rectangle", "bsdf": MASK}
    hidden = make_scene(leaf=leaf, integrator={"type": "path", "hide_emitters": True})
    with pytest.raises(ei.InputError, match=r"path with hide_emitters drops .* prb or volpath"):
        ei.LightTransport.record(hidden, spp=1)
    for integrator in ({"type": "path"}, {"type": "prb", "hide_emitters": True}):
        ei.LightTransport.record(make_scene(leaf=leaf, integrator=integrator), spp=1)


@pytest.mark.parametrize("matrix", ["scale", "long axis"])
def test_a_map_that_is_not_merely_turned_is_left_to_adam_on_rough_materials(
    make_scene: MakeScene, random_map: MakeMap, matrix: str
) -> None:
    transform = mi.ScalarTransform4f()
    turn = transform.scale([1, 2, 1]) if matrix == "scale" else transform.rotate([1, 1, 0], 40)
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "to_world": turn}
    with pytest.raises(ei.InputError, match="to_world of 'my_envmap' is no rotation"):
        ei.LightTransport.record(make_scene("diffuse", my_envmap=emitter), spp=1)
    ei.LightTransport.record(make_scene("mirror", my_envmap=emitter), spp=1)


@pytest.mark.parametrize("side", ["interior", "exterior"])
def test_participating_media_are_left_to_adam(make_scene: MakeScene, side: str) -> None:
    fog = {"type": "homogeneous", "albedo": 0.5}
    cloud = {"type": "sphere", "bsdf": {"type": "null"}, side: fog}
    with pytest.raises(ei.InputError, match=r"participating media .* use the Adam optimizer"):
        ei.LightTransport.record(make_scene(large=cloud), spp=1)


NESTED = {"inner": {"type": "path", "max_depth": 3}}


@pytest.mark.parametrize(
    "integrator",
    [
        *({"type": kind} for kind in ("path", "prb", "direct", "volpath", "volpathmis")),
        *({"type": kind} for kind in ("prbvolpath", "prb_projective", "direct_projective")),
        {"type": "aov", "aovs": "depth:depth", **NESTED},
        {"type": "moment", **NESTED},
        {"type": "moment", "outer": {"type": "aov", "aovs": "depth:depth", **NESTED}},
    ],
    ids=lambda integrator: integrator["type"],
)
def test_integrators_of_paths_are_recorded(
    make_scene: MakeScene, integrator: dict[str, Any]
) -> None:
    scene = make_scene(integrator=integrator)
    transport = ei.LightTransport.record(scene, spp=256)
    found = transport.matvec(scene.envmap.texels.reshape(-1, 3)).reshape(8, 8, 3)
    expected = ei.render(scene, spp=1024)
    assert sum_of_squared_errors(found, expected) < 1e-3 * np.sum(expected**2)


def test_a_path_of_no_segments_sees_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "path", "max_depth": 0})
    transport = ei.LightTransport.record(scene, spp=4)
    assert ei.render(scene).max() == 0
    assert transport.coverage.max() == 0


def test_a_film_of_another_colour_space_is_refused(make_scene: MakeScene) -> None:
    """The transport is one of RGB; a film of XYZ would be compared channel by channel."""
    scene = make_scene(film={"pixel_format": "xyz"})
    with pytest.raises(ei.InputError, match="pixel_format"):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize("pixel_format", ["rgb", "rgba"])
def test_a_film_of_rgb_is_recorded_with_or_without_alpha(
    make_scene: MakeScene, pixel_format: str
) -> None:
    scene = make_scene(film={"pixel_format": pixel_format})
    assert ei.LightTransport.record(scene, spp=1).shape == (64, 8 * 16)
