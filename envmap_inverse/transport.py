"""Record the light transport of a scene: image = T texels + the light of other emitters.

Paths are traced once, from the sensor, by BSDF sampling alone, so that the recording does not
depend on the map. A path that leaves the scene adds its throughput, spread over the four texels
of its bilinear footprint, to the row of `T` that is its pixel.
"""

from __future__ import annotations

import functools
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError
from envmap_inverse.images import write_bytes
from envmap_inverse.render import PathSettings, path_settings, render
from envmap_inverse.scene import Scene

__all__ = ["LightTransport"]

BYTES_PER_PATH = 44
"""Of a chunk that is being assembled: throughput 12, four texel indices 16, four weights 16."""

MAX_CHUNK = 2**20
OFFSET_SPP = 256
FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class LightTransport:
    """The recorded transport of one or more views.

    Attributes:
        channels: for R, G and B a CSR matrix (pixels of all views, H * W texels), float32.
        squares: for each entry of the matrices, which share their structure, the sum of the
            squares of the single paths' contributions (of their mean over the channels), float32.
        offset: light of the other emitters, shape (pixels, 3), float32.
        resolution: (width, height) of the map.
        image_sizes: (width, height) of each view's image.
        spp: paths per pixel.
    """

    channels: tuple[Any, Any, Any]
    squares: NDArray[np.float32]
    offset: NDArray[np.float32]
    resolution: tuple[int, int]
    image_sizes: tuple[tuple[int, int], ...]
    spp: int

    @classmethod
    def record(
        cls,
        scene: Scene,
        sensors: Sequence[int] = (0,),
        *,
        spp: int = 16,
        seed: int = 0,
        memory_budget: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> LightTransport:
        """Trace the paths of some views and keep where they lead.

        Equal in expectation to rendering with the scene's `path` or `prb` integrator. Pixels are
        sampled in proportion to the film's reconstruction filter, so that each path belongs to
        one pixel (Ernst et al. 2006, Filter Importance Sampling).

        Args:
            scene: what to trace; its map is not looked at.
            sensors: index of the sensor of each view.
            spp: paths per pixel.
            seed: the same one gives the same recording, whatever the memory budget.
            memory_budget: bytes that paths in flight may take; by default a quarter of what is
                free.
            on_progress: told the share that is done.

        Raises:
            InputError: if spp < 1, or the scene has what cannot be recorded: participating media,
                an integrator other than `path`, `direct` and `prb`.
        """
        if spp < 1:
            raise InputError(f"spp must be at least 1; found {spp}")
        settings = _recordable(scene)
        budget = free_memory() // 4 if memory_budget is None else memory_budget
        num_threads = max(os.cpu_count() or 1, 1)
        sizes = tuple(scene.film_size(sensor) for sensor in sensors)
        total = sum(width * height for width, height in sizes)
        parts: list[Any] = []
        num_done = 0
        with ThreadPoolExecutor(num_threads) as pool:
            for view, sensor in enumerate(sensors):
                tracer = _Tracer(scene, settings, sensor, spp, seed + view)
                per_chunk = min(budget // (2 * BYTES_PER_PATH), MAX_CHUNK) // spp
                for pixels in _ranges(tracer.num_pixels, max(per_chunk, 1)):
                    paths = tracer.trace(pixels)
                    if len(parts) > num_threads:
                        parts[-num_threads - 1][0].result()
                    columns = scene.envmap.resolution[0] * scene.envmap.resolution[1]
                    parts.append([pool.submit(_assemble, paths, c, spp, columns) for c in range(4)])
                    num_done += len(pixels)
                    if on_progress is not None:
                        on_progress(num_done / total)
            stacked = [sparse.vstack([p[c].result() for p in parts], format="csr") for c in range(4)]
        return cls(
            channels=tuple(_like(stacked[0], matrix.data) for matrix in stacked[:3]),
            squares=stacked[3].data,
            offset=_other_light(scene, sensors),
            resolution=scene.envmap.resolution,
            image_sizes=sizes,
            spp=spp,
        )

    def save(self, path: str | Path) -> None:
        """Write to an .npz file that `load` reads; it stands under its name when it is complete."""
        first = self.channels[0]
        stream = io.BytesIO()
        np.savez(
            stream,
            format=np.int64(FORMAT),
            values=np.stack([channel.data for channel in self.channels]),
            squares=self.squares,
            indices=first.indices,
            indptr=first.indptr,
            offset=self.offset,
            resolution=np.array(self.resolution),
            image_sizes=np.array(self.image_sizes),
            spp=np.int64(self.spp),
        )
        write_bytes(Path(path), stream.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> LightTransport:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it is damaged, no recording, or of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            if int(found["format"]) != FORMAT:
                raise InputError(f"{path}: recorded by another version; record again")
            width, height = (int(side) for side in found["resolution"])
            shape = (len(found["indptr"]) - 1, width * height)
            structure = sparse.csr_matrix(
                (found["values"][0], found["indices"], found["indptr"]), shape
            )
            structure.check_format(full_check=True)
            red, green, blue = (_like(structure, values) for values in found["values"])
            return cls(
                channels=(red, green, blue),
                squares=found["squares"],
                offset=found["offset"],
                resolution=(width, height),
                image_sizes=tuple((int(w), int(h)) for w, h in found["image_sizes"]),
                spp=int(found["spp"]),
            )
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not a recorded light transport: {error}") from None

    @property
    def shape(self) -> tuple[int, int]:
        """(pixels of all views, texels)."""
        rows, columns = self.channels[0].shape
        return int(rows), int(columns)

    @property
    def num_entries(self) -> int:
        """Stored numbers of one channel."""
        return int(self.channels[0].nnz)

    def matvec(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T texels, without the offset.

        Args:
            texels: shape (H * W, 3).

        Returns:
            Shape (pixels, 3).
        """
        return _by_channel(lambda c: self.channels[c] @ _column(texels, c))

    def rmatvec(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T^T pixels.

        Args:
            pixels: shape (pixels, 3).

        Returns:
            Shape (H * W, 3).
        """
        return _by_channel(lambda c: self.channels[c].T @ _column(pixels, c))

    def gram_diagonal(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Diagonal of T^T diag(weights) T; weights (pixels, 3), result (H * W, 3)."""

        def of_channel(c: int) -> NDArray[np.float32]:
            matrix = self.channels[c]
            return np.asarray(_like(matrix, matrix.data**2).T @ _column(weights, c))

        return _by_channel(of_channel)

    def variance(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance of T texels through the finite number of paths, an upper bound.

        Estimated from the spread of the paths of each pixel, as if they were independent and hit
        one texel each; stratification makes it smaller.

        Args:
            texels: shape (H * W, 3).

        Returns:
            Shape (pixels, 3), radiance squared.
        """
        return _by_channel(lambda c: self._squared[c] @ _column(texels**2, c))

    @functools.cached_property
    def _squared(self) -> tuple[Any, ...]:
        """For each channel, the sum over a pixel's paths of the squares that add up to T's entry.

        Stored is that of the paths' mean throughput; a channel's has the same share of T^2.
        """
        mean = np.mean([channel.data for channel in self.channels], axis=0)
        share = np.divide(self.squares, mean**2, where=mean != 0, out=np.ones_like(mean))
        return tuple(_like(c, np.minimum(share, 1) * c.data**2) for c in self.channels)

    def linear_operator(self, channel: int) -> Any:
        """One channel as a `scipy.sparse.linalg.LinearOperator`."""
        return sparse.linalg.aslinearoperator(self.channels[channel])

    @functools.cached_property
    def coverage(self) -> NDArray[np.float32]:
        """Column sums of T, shape (H, W, 3): how strongly the pixels see each texel."""
        width, height = self.resolution
        sums = self.rmatvec(np.ones((self.shape[0], 3), np.float32))
        return sums.reshape(height, width, 3)


class _Tracer:
    """Traces the paths of a range of a sensor's pixels."""

    def __init__(
        self, scene: Scene, settings: PathSettings, sensor: int, spp: int, seed: int
    ) -> None:
        self.scene, self.settings, self.spp, self.seed = scene, settings, spp, seed
        self.sensor = scene.sensor(sensor)
        film = self.sensor.film()
        self.width, self.height = scene.film_size(sensor)
        self.num_pixels = self.width * self.height
        self.filters = [_PixelFilter(film, axis) for axis in range(2)]
        self.to_local = mi.Transform4f(np.linalg.inv(scene.envmap.to_world)) 

    def trace(self, pixels: range) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Throughputs (3, n), texel indices (n, 4) and bilinear weights (n, 4) of n paths."""
        number = dr.arange(mi.UInt32, len(pixels) * self.spp)
        pixel = number // dr.opaque(mi.UInt32, self.spp) + dr.opaque(mi.UInt32, pixels.start)
        index = number + dr.opaque(mi.UInt32, pixels.start * self.spp)
        sampler = _Sampler(index, pixel, index - pixel * self.spp, self.seed)
        ray, weight = self.primary_rays(pixel, sampler)
        direction, throughput = _traced(self.scene.mi_scene, self.settings, ray, weight, sampler)
        texels, weights = self.footprint(direction)
        scale = self.scene.envmap.scale
        values = [throughput[c] * scale for c in range(3)]
        flat_texels, flat_weights = dr.ravel(texels), dr.ravel(weights)
        dr.eval(values, flat_texels, flat_weights)
        return (
            np.stack([value.numpy() for value in values]),
            flat_texels.numpy().view(np.int32).reshape(-1, 4),
            flat_weights.numpy().reshape(-1, 4),
        )

    def primary_rays(self, pixel: Any, sampler: _Sampler) -> tuple[Any, Any]:
        film = self.sensor.film()
        y = pixel // self.width
        x = pixel - y * self.width
        u, v = sampler.stratified(0), sampler.stratified(1)
        offset_x, weight_x = self.filters[0].sample(x, u)
        offset_y, weight_y = self.filters[1].sample(y, v)
        size = mi.ScalarVector2f(film.crop_size())
        position = mi.Point2f(mi.Float(x) + offset_x, mi.Float(y) + offset_y) / size
        aperture = mi.Point2f(0)
        if self.sensor.needs_aperture_sample():
            aperture = mi.Point2f(sampler.next(), sampler.next())
        time = mi.Float(self.sensor.shutter_open())
        if self.sensor.shutter_open_time() > 0:
            time += sampler.next() * self.sensor.shutter_open_time()
        ray, weight = self.sensor.sample_ray(time, 0, position, aperture)
        return ray, weight * (weight_x * weight_y / self.spp)

    def footprint(self, direction: Any) -> tuple[Any, Any]:
        """The four texels round a direction and their weights, as Mitsuba's `envmap` mixes them."""
        width, height = self.scene.envmap.resolution
        d = self.to_local @ direction
        u = dr.atan2(d.x, -d.z) * (0.5 / dr.pi)
        v = dr.safe_acos(d.y) / dr.pi
        x = (u - dr.floor(u)) * width - 0.5
        y = dr.clip(v * (height - 1), 0, height - 1)
        column = mi.Int32(dr.floor(x))
        row = dr.minimum(mi.Int32(y), height - 2)
        fx, fy = x - mi.Float(column), y - mi.Float(row)
        left = dr.select(column < 0, column + width, column)
        right = dr.select(left + 1 >= width, left + 1 - width, left + 1)
        above = mi.UInt32(row) * width
        below = above + width
        left, right = mi.UInt32(left), mi.UInt32(right)
        texels = mi.Vector4u(above + left, above + right, below + left, below + right)
        weights = mi.Vector4f(
            (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
        )
        return texels, weights


class _PixelFilter:
    """Samples positions along one axis in proportion to the reconstruction filter of each pixel."""

    NUM_CELLS = 2048

    def __init__(self, film: Any, axis: int) -> None:
        size = int(film.crop_size()[axis])
        rfilter = film.rfilter()
        self.radius = float(rfilter.radius())
        edges = np.linspace(-self.radius, self.radius, self.NUM_CELLS + 1)
        values = np.array(rfilter.eval(mi.Float((edges[1:] + edges[:-1]) / 2)), np.float64)
        if not self.radius > 0.5:
            values = np.ones_like(values)
        cumulative = np.concatenate([[0], np.cumsum(np.abs(values))]) / np.abs(values).sum()
        signed = np.concatenate([[0], np.cumsum(values)]) / np.abs(values).sum()
        # Samples of a pixel at the border stay inside the image, unless the film has a border.
        centre = np.arange(size) + 0.5
        low, high = np.maximum(-self.radius, -centre), np.minimum(self.radius, size - centre)
        if film.sample_border():
            low, high = np.full(size, -self.radius), np.full(size, self.radius)
        first, last = np.interp(low, edges, cumulative), np.interp(high, edges, cumulative)
        total = np.interp(high, edges, signed) - np.interp(low, edges, signed)
        self.first, self.span = mi.Float(first), mi.Float(last - first)
        self.gain = mi.Float((last - first) / total)
        self.cumulative, self.sign = mi.Float(cumulative), mi.Float(np.sign(values))

    def sample(self, pixel: Any, u: Any) -> tuple[Any, Any]:
        """Position from the pixel's near edge, and weight, of uniform numbers u."""
        target = dr.gather(mi.Float, self.first, pixel) + u * dr.gather(mi.Float, self.span, pixel)
        cell = dr.binary_search(
            0, self.NUM_CELLS - 1, lambda i: dr.gather(mi.Float, self.cumulative, i + 1) <= target
        )
        below = dr.gather(mi.Float, self.cumulative, cell)
        width = dr.gather(mi.Float, self.cumulative, cell + 1) - below
        inside = dr.select(width > 0, (target - below) / width, 0.5)
        offset = (mi.Float(cell) + inside) * (2 * self.radius / self.NUM_CELLS) - self.radius
        weight = dr.gather(mi.Float, self.gain, pixel) * dr.gather(mi.Float, self.sign, cell)
        return offset + 0.5, weight


class _Sampler:
    """Random numbers of a path that depend on the seed and on its own number alone.

    The first few dimensions are stratified over the paths of a pixel: an additive recurrence with
    the powers of the generalized golden ratio (Roberts 2018), shifted at random in each pixel
    (Cranley and Patterson 1976), so that each number is uniform. The others are independent.
    """

    NUM_STRATIFIED = 5

    def __init__(self, path: Any, pixel: Any, number: Any, seed: int) -> None:
        self.number = number
        seeds = dr.opaque(mi.UInt64, seed + 1)
        self.shift = mi.PCG32(1, initstate=seeds * 0x9E3779B97F4A7C15, initseq=mi.UInt64(pixel))
        self.random = mi.PCG32(1, initstate=seeds * 0xBF58476D1CE4E5B9, initseq=mi.UInt64(path))
        self.shifts = [self.shift.next_float32() for _ in range(self.NUM_STRATIFIED)]

    def stratified(self, dimension: int) -> Any:
        """The number of one of the first dimensions."""
        step = (_golden_ratio(self.NUM_STRATIFIED) ** -(dimension + 1)) % 1
        # In fixed point, so that a large path number costs no precision.
        turns = self.number * dr.opaque(mi.UInt32, int(step * 2**32))
        value = mi.Float(turns >> 8) * 2.0**-24 + self.shifts[dimension]
        return dr.minimum(value - dr.floor(value), 1 - 2**-24)

    def next(self) -> Any:
        """The next independent number."""
        return self.random.next_float32()


@functools.cache
def _golden_ratio(dimensions: int) -> float:
    """The positive root of x^(d + 1) = x + 1."""
    x = 1.5
    for _ in range(64):
        x = (1 + x) ** (1 / (dimensions + 1))
    return x


def _traced(scene: Any, settings: PathSettings, ray: Any, weight: Any, sampler: _Sampler) -> Any:
    """Follow paths until they leave the scene; returns their last direction and throughput.

    The loop is that of Mitsuba's `path` without emitter sampling. A path that does not leave, or
    that `hide_emitters` cuts off, has throughput 0.
    """
    integrator = mi.load_dict({"type": "path", "hide_emitters": settings.hide_emitters})
    context = mi.BSDFContext()
    first_lobe = sampler.stratified(2)
    first_direction = mi.Point2f(sampler.stratified(3), sampler.stratified(4))
    hit = scene.ray_intersect_preliminary(ray, coherent=True)
    if settings.hide_emitters:
        skip = hit.is_valid() & (hit.shape.emitter() != None)  # noqa: E711 - elementwise
        beyond = hit.compute_surface_interaction(ray, mi.RayFlags.Minimal, skip).spawn_ray(ray.d)
        hit[skip] = integrator.skip_area_emitters(scene, beyond, True, skip)
    start_active = hit.is_valid()
    start_escaped = ~start_active & (not settings.hide_emitters)
    max_depth = mi.UInt32(settings.max_depth % 2**32)

    def body(depth: Any, ray: Any, hit: Any, beta: Any, eta: Any, random: Any, active: Any, escaped: Any) -> Any:
        active = active & (depth + 1 < max_depth)
        interaction = hit.compute_surface_interaction(ray, mi.RayFlags.All, active)
        bsdf = interaction.bsdf(ray)
        is_first = depth == 0
        lobe = dr.select(is_first, first_lobe, random.next_float32())
        u = mi.Point2f(random.next_float32(), random.next_float32())
        direction = dr.select(is_first, first_direction, u)
        sample, bsdf_weight = bsdf.sample(context, interaction, lobe, direction, active)
        ray = interaction.spawn_ray(interaction.to_world(sample.wo))
        eta = eta * sample.eta
        beta = dr.select(active, beta * bsdf_weight, beta)
        beta_max = dr.max(beta)
        active &= dr.all(dr.isfinite(beta)) & dr.all(dr.isfinite(ray.d)) & (beta_max != 0)
        survival = dr.minimum(beta_max * dr.square(eta), 0.95)
        is_roulette = depth >= settings.rr_depth
        beta = dr.select(active & is_roulette, beta / survival, beta)
        active &= ~is_roulette | (random.next_float32() < survival)
        hit = scene.ray_intersect_preliminary(ray, coherent=False, active=active)
        escaped = escaped | (active & ~hit.is_valid())
        return depth + 1, ray, hit, beta, eta, random, active & hit.is_valid(), escaped

    state = (
        mi.UInt32(0), mi.Ray3f(ray), hit, mi.Color3f(weight), mi.Float(1), sampler.random,
        start_active, start_escaped,
    )
    _, ray, _, beta, _, _, _, escaped = dr.while_loop(
        state, lambda *state: state[6], body, label="light transport"
    )
    up = mi.Vector3f(0, 1, 0)
    return dr.select(escaped, ray.d, up), dr.select(escaped, beta, 0)


def _recordable(scene: Scene) -> PathSettings:
    settings = path_settings(scene)
    use_adam = "use the Adam optimizer, which renders with it"
    if settings is None:
        name = scene.mi_scene.integrator().class_name()
        raise InputError(f"the light transport of {name} cannot be recorded; {use_adam}")
    for shape in scene.mi_scene.shapes():
        if shape.interior_medium() is not None or shape.exterior_medium() is not None:
            raise InputError(f"participating media cannot be recorded; {use_adam}")
    return settings


def _other_light(scene: Scene, sensors: Sequence[int]) -> NDArray[np.float32]:
    """Images without the environment map, shape (pixels, 3)."""
    width, height = scene.envmap.resolution
    sizes = [scene.film_size(sensor) for sensor in sensors]
    if len(scene.mi_scene.emitters()) == 1:
        return np.zeros((sum(w * h for w, h in sizes), 3), np.float32)
    dark = np.zeros((height, width, 3), np.float32)
    images = [render(scene, dark, spp=OFFSET_SPP, seed=0, sensor=sensor) for sensor in sensors]
    return np.concatenate([image.reshape(-1, 3) for image in images])


def _assemble(
    paths: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], channel: int, spp: int, columns: int
) -> Any:
    """One channel's rows of a chunk: (pixels x paths) times (paths x texels), equal pairs summed."""
    throughput, texels, weights = paths
    if channel == 3:
        throughput = np.concatenate([throughput, np.mean(throughput, axis=0)[None] ** 2])
        weights = weights**2
    count = texels.shape[0]
    spread = sparse.csr_matrix(
        (weights.reshape(-1), texels.reshape(-1), np.arange(0, 4 * count + 1, 4, dtype=np.int32)),
        (count, columns),
    )
    gather = sparse.csr_matrix(
        (throughput[channel], np.arange(count, dtype=np.int32), np.arange(0, count + 1, spp, dtype=np.int32)),
        (count // spp, count),
    )
    return gather @ spread


def _ranges(count: int, length: int) -> list[range]:
    return [range(start, min(start + length, count)) for start in range(0, count, length)]


def _like(structure: Any, values: NDArray[np.float32]) -> Any:
    """A sparse matrix of the same structure, which it shares, with other values."""
    return sparse.csr_matrix((values, structure.indices, structure.indptr), structure.shape)


def _column(array: NDArray[np.float32], channel: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(array[:, channel], np.float32)


def _by_channel(function: Callable[[int], Any]) -> NDArray[np.float32]:
    """The function of each channel as columns, on several cores: SciPy's products let go of the GIL."""
    return np.stack(list(_pool().map(function, range(3)))).T


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(3, thread_name_prefix="channel")


def free_memory() -> int:
    """Bytes of memory that are free for use."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 2**31
