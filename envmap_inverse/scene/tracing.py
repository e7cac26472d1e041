"""Trace paths from a sensor by BSDF sampling and report where they leave the scene."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.scene.integrators import PathSettings
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import HOST, Library

__all__ = ["PathTracer", "Paths", "Sampler"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """Ends of n paths.

    Attributes:
        throughput: shape (3, n), float32; 0 for a path that stays in the scene.
        texel: the upper left of the four texels around the direction, shape (n,), int32.
        fraction: position between the four, rightwards and downwards, shape (2, n), float32.
    """

    throughput: NDArray[np.float32]
    texel: NDArray[np.int32]
    fraction: NDArray[np.float32]

    def of(self, numbers: range) -> Paths:
        """The paths with these numbers."""
        part = slice(numbers.start, numbers.stop)
        return Paths(
            throughput=self.throughput[:, part],
            texel=self.texel[part],
            fraction=self.fraction[:, part],
        )

    def footprint(self, width: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The four texels of each path and their bilinear weights, shape (n, 4).

        Args:
            width: width of the map in texels.
        """
        is_last = self.texel % width == width - 1
        right = self.texel + np.where(is_last, np.int32(1 - width), np.int32(1))
        texels = np.stack([self.texel, right, self.texel + width, right + width], axis=1)
        x, y = self.fraction
        weights = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
        return texels, weights


class PathTracer:
    """Traces the paths of some of a sensor's pixels."""

    def __init__(
        self,
        scene: Scene,
        settings: PathSettings,
        sensor: int,
        spp: int,
        seed: int,
        library: Library = HOST,
        *,
        first: int = 0,
        block: int = 1,
    ) -> None:
        """Prepare to trace.

        Args:
            scene: what to trace.
            settings: how the scene's integrator follows paths.
            sensor: its index.
            spp: paths of a pixel, of which each adds its share to the pixel.
            seed: of the samples.
            library: of the arrays that come back.
            first: number of the first path of each pixel to trace; those before it have been.
            block: pixels on a side of the squares among which a path chooses its pixel.
        """
        self.scene, self.settings, self.spp, self.seed = scene, settings, spp, seed
        self.first, self.block = first, block
        self.library = library
        self.sensor = scene.sensor(sensor)
        film = self.sensor.film()
        self.width, self.height = scene.film_size(sensor)
        self.filters = [_PixelFilter(film, axis) for axis in range(2)]
        self.to_local = mi.Transform4f(scene.envmap.to_local)

    def trace(self, pixels: NDArray[np.uint32]) -> Paths:
        """Follow the paths of the pixels with these numbers; row by row they count from 0.

        Where pixels are taken together, the numbers are those of the upper left ones.
        """
        number = dr.arange(mi.UInt32, len(pixels) * (self.spp - self.first))
        first, spp = (dr.opaque(mi.UInt32, each) for each in (self.first, self.spp))
        place = number // (spp - first)
        pixel = dr.gather(mi.UInt32, mi.UInt32(pixels), place)
        sampler = Sampler(pixel, first + number - place * (spp - first), self.seed)
        ray, weight = self.primary_rays(pixel, sampler)
        last, throughput = _traced(self.scene.mi_scene, self.settings, ray, sampler)
        direction = last.d
        if (near := self.scene.surroundings) is not None:
            direction = near.seen_from_centre(last.o - dr.opaque(mi.Point3f, near.centre), last.d)
        texel, x, y = self.texel_at(direction)
        throughput *= weight
        values = [throughput.x, throughput.y, throughput.z]
        dr.eval(values, texel, x, y)
        dr.sync_thread()
        return Paths(
            throughput=self.library.stacked(values),
            texel=self.library.stacked([texel])[0],
            fraction=self.library.stacked([x, y]),
        )

    def primary_rays(self, pixel: Any, sampler: Sampler) -> tuple[Any, Any]:
        """Rays through pixels, and their weights."""
        film = self.sensor.film()
        y = pixel // self.width
        x = pixel - y * self.width
        block = dr.opaque(mi.Float, self.block)
        u, v = block * sampler.stratified(0), block * sampler.stratified(1)
        across, down = mi.UInt32(u), mi.UInt32(v)
        x, y = x + across, y + down
        offset_x, weight_x = self.filters[0].sample(x, u - mi.Float(across))
        offset_y, weight_y = self.filters[1].sample(y, v - mi.Float(down))
        size = mi.ScalarVector2f(film.crop_size())
        position = mi.Point2f(mi.Float(x) + offset_x, mi.Float(y) + offset_y) / size
        aperture = mi.Point2f(0)
        if self.sensor.needs_aperture_sample():
            aperture = mi.Point2f(sampler.next(), sampler.next())
        time = mi.Float(self.sensor.shutter_open())
        if self.sensor.shutter_open_time() > 0:
            time += sampler.next() * self.sensor.shutter_open_time()
        # Some sensors have no `sample_ray`; unused differentials cost nothing.
        ray, weight = self.sensor.sample_ray_differential(time, 0, position, aperture)
        return mi.Ray3f(ray), weight * (weight_x * weight_y / dr.opaque(mi.Float, self.spp))

    def texel_at(self, direction: Any) -> tuple[Any, Any, Any]:
        """The upper left texel of a direction's footprint in Mitsuba's `envmap`; see `Paths`."""
        width, height = self.scene.envmap.resolution
        d = self.to_local @ direction
        u = dr.atan2(d.x, -d.z) * (0.5 / dr.pi)
        v = dr.safe_acos(d.y) / dr.pi
        x = (u - dr.floor(u)) * width - 0.5
        y = dr.clip(v * (height - 1), 0, height - 1)
        column = mi.Int32(dr.floor(x))
        row = dr.minimum(mi.Int32(y), height - 2)
        left = dr.select(column < 0, column + width, column)
        return row * width + left, x - mi.Float(column), y - mi.Float(row)


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
        """Map uniform numbers u to a position from the pixel's near edge, and a weight."""
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


class Sampler:
    """Random numbers of a path; they depend on nothing but the seed, the pixel and its number.

    The first few dimensions are stratified over the paths of a pixel: an additive recurrence with
    the powers of the generalized golden ratio (Roberts 2018), shifted at random in each pixel
    (Cranley and Patterson 1976), so that each number is uniform. The others are independent.
    """

    NUM_STRATIFIED = 5

    def __init__(self, pixel: Any, number: Any, seed: int) -> None:
        self.number = number
        key = dr.opaque(mi.UInt32, seed % 2**32)
        of_pixel, of_path = mi.sample_tea_32(key, pixel)
        shift = _generator(of_pixel, of_path)
        self.random = _generator(of_path, number)
        self.shifts = [shift.next_float32() for _ in range(self.NUM_STRATIFIED)]

    def stratified(self, dimension: int) -> Any:
        """The stratified number of one of the first dimensions."""
        step = (_golden_ratio(self.NUM_STRATIFIED) ** -(dimension + 1)) % 1
        # In fixed point, so that a large path number costs no precision.
        turns = self.number * dr.opaque(mi.UInt32, int(step * 2**32))
        value = mi.Float(turns >> 8) * 2.0**-24 + self.shifts[dimension]
        return dr.minimum(value - dr.floor(value), 1 - 2**-24)

    def next(self) -> Any:
        """The next independent number."""
        return self.random.next_float32()


def _generator(first: Any, second: Any) -> Any:
    """A generator for each pair of numbers, scrambled as in Mitsuba's `independent` sampler."""
    state, sequence = mi.sample_tea_32(first, second)
    return mi.PCG32(1, initstate=mi.UInt64(state), initseq=mi.UInt64(sequence))


@functools.cache
def _golden_ratio(dimensions: int) -> float:
    """The positive root of x^(d + 1) = x + 1."""
    x = 1.5
    for _ in range(64):
        x = (1 + x) ** (1 / (dimensions + 1))
    return x


@dataclass
class _Walk:
    """State of paths in a Dr.Jit loop.

    Attributes:
        bounce: events so far.
        depth: segments so far, as the integrator counts them.
        ray: the current segment.
        hit: where the current segment ends.
        beta: throughput.
        eta: relative index of refraction.
        random: generator of the next numbers.
        active: whether the path goes on.
        shown: whether the map would be seen if the path left the scene now.
        escaped: whether the path has left the scene, with the map seen.
    """

    bounce: Any
    depth: Any
    ray: Any
    hit: Any
    beta: Any
    eta: Any
    random: Any
    active: Any
    shown: Any
    escaped: Any


def _traced(scene: Any, settings: PathSettings, ray: Any, sampler: Sampler) -> Any:
    """Follow paths until they leave the scene; return the last segment and the throughput.

    The loop is Mitsuba's `path` without emitter sampling. A path that does not leave, or that
    `hide_emitters` cuts off, has throughput 0.
    """
    first = sampler.stratified(2), mi.Point2f(sampler.stratified(3), sampler.stratified(4))
    hit = scene.ray_intersect_preliminary(ray, coherent=True)
    if settings.hide_emitters:
        hit = _beyond_emitters(scene, ray, hit, mi.Bool(True))
    is_shown = mi.Bool(not settings.hide_emitters)
    start = _Walk(
        bounce=mi.UInt32(0),
        depth=mi.UInt32(0),
        ray=mi.Ray3f(ray),
        hit=hit,
        beta=mi.Color3f(1),
        eta=mi.Float(1),
        random=sampler.random,
        active=hit.is_valid(),
        shown=is_shown,
        escaped=~hit.is_valid() & is_shown & (settings.max_depth != 0),
    )
    (end,) = dr.while_loop(
        (start,),
        lambda walk: walk.active,
        lambda walk: (_next(scene, settings, walk, *first),),
        label="light transport",
    )
    end.ray.d = dr.select(end.escaped, end.ray.d, mi.Vector3f(0, 1, 0))
    return end.ray, dr.select(end.escaped, end.beta, 0)


def _next(
    scene: Any, settings: PathSettings, walk: _Walk, first_lobe: Any, first_direction: Any
) -> _Walk:
    """Advance paths past the event at the end of their segment; the first event is stratified."""
    max_depth = mi.UInt32(settings.max_depth % 2**32)
    depth = walk.depth + 1 if settings.counts_nulls else walk.depth
    active = walk.active & (depth < max_depth)
    interaction = walk.hit.compute_surface_interaction(walk.ray, mi.RayFlags.All, active)
    is_first = walk.bounce == 0
    lobe = dr.select(is_first, first_lobe, walk.random.next_float32())
    u = mi.Point2f(walk.random.next_float32(), walk.random.next_float32())
    direction = dr.select(is_first, first_direction, u)
    sample, weight = interaction.bsdf(walk.ray).sample(
        mi.BSDFContext(), interaction, lobe, direction, active
    )
    is_null = mi.has_flag(sample.sampled_type, mi.BSDFFlags.Null)
    if not settings.counts_nulls:
        depth = walk.depth + dr.select(is_null, mi.UInt32(0), mi.UInt32(1))
        active &= depth < max_depth
    shown = walk.shown | (~is_null if settings.hides_beyond_nulls else active)
    ray = interaction.spawn_ray(interaction.to_world(sample.wo))
    eta = walk.eta * sample.eta
    beta = dr.select(active, walk.beta * weight, walk.beta)
    beta_max = dr.max(beta)
    active &= dr.all(dr.isfinite(beta)) & dr.all(dr.isfinite(ray.d)) & (beta_max != 0)
    survival = dr.minimum(beta_max * dr.square(eta), 0.95)
    is_roulette = walk.bounce >= settings.rr_depth
    beta = dr.select(active & is_roulette, beta / survival, beta)
    active &= ~is_roulette | (walk.random.next_float32() < survival)
    hit = scene.ray_intersect_preliminary(ray, coherent=False, active=active)
    if settings.hide_emitters and not settings.counts_nulls:
        hit = _beyond_emitters(scene, ray, hit, depth == 0)
    return _Walk(
        bounce=walk.bounce + 1,
        depth=depth,
        ray=ray,
        hit=hit,
        beta=beta,
        eta=eta,
        random=walk.random,
        active=active & hit.is_valid(),
        shown=shown,
        escaped=walk.escaped | (active & ~hit.is_valid() & shown),
    )


def _beyond_emitters(scene: Any, ray: Any, hit: Any, active: Any) -> Any:
    """The hit beyond the area lights that a ray meets first."""
    skip = active & hit.is_valid() & (hit.shape.emitter() != None)  # noqa: E711 - elementwise
    beyond = hit.compute_surface_interaction(ray, mi.RayFlags.Minimal, skip).spawn_ray(ray.d)
    integrator = mi.load_dict({"type": "path", "hide_emitters": True})
    hit[skip] = integrator.skip_area_emitters(scene, beyond, True, skip)
    return hit
