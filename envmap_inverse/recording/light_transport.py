"""Record the light transport of a scene: image = T texels + the light of other emitters.

Paths are traced once, from the sensor, by BSDF sampling alone, so that the recording does not
depend on the map. A path that leaves the scene adds its throughput, spread over the four texels
of its bilinear footprint, to the row of `T` that is its pixel. Views of one sensor share their
rows, and masked pixels have none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError, check_counts, check_seed, counted
from envmap_inverse.recording.assembly import Earlier
from envmap_inverse.recording.blocks import Block, blocks_of, column, on_all_cores
from envmap_inverse.recording.files import read_recording, write_recording
from envmap_inverse.recording.recordable import recordable_paths
from envmap_inverse.recording.recorder import record_matrices
from envmap_inverse.recording.rows import shared_rows
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import HOST, Library, library_of, to_host
from envmap_inverse.system.memory import free_memory

__all__ = ["MAX_SPP", "LightTransport"]

OFFSET_SPP = 256
MAX_SPP = 2**20
"""Most paths of a pixel, which are all in flight at a time."""

_PARTS = ("data", "indices", "indptr")


@dataclass(frozen=True, kw_only=True, eq=False)
class LightTransport:
    """The recorded transport of one or more views.

    Its matrices are SciPy's, or those of another library, such as CuPy's on a graphics card; its
    products take and return arrays of the same library.

    Attributes:
        channels: for R, G and B a CSR matrix (recorded pixels, H * W texels), float32.
        squares: a CSR matrix of the same shape: for each path, the square of what it adds to the
            mean of the three, shared out among its texels.
        offset: light of the other emitters, shape (pixels, 3), float32.
        resolution: (width, height) of the map.
        image_sizes: (width, height) of each view's image.
        spp: paths per pixel.
        rows: of each pixel of all views the row of the matrices that it has, -1 if none; by default
            each pixel has its own, in order.
        sensors: index of the sensor of each view; empty if it is not known.
        scene: fingerprint of the recorded scene; empty if it is not known.
        seconds_assembling: seconds of assembly while no path was traced; most of the assembly runs
            beside the tracing.

    Example:
        >>> transport = ei.LightTransport.record(scene, spp=4)
        >>> pixels = transport.matvec(scene.envmap.texels.reshape(-1, 3)) + transport.offset
        >>> pixels.shape
        (64, 3)
    """

    channels: tuple[Any, ...]
    squares: Any
    offset: NDArray[np.float32]
    resolution: tuple[int, int]
    image_sizes: tuple[tuple[int, int], ...]
    spp: int
    rows: NDArray[np.int32] = None  # type: ignore[assignment] # __post_init__ makes it
    sensors: tuple[int, ...] = ()
    scene: str = ""
    seconds_assembling: float = 0.0

    def __post_init__(self) -> None:
        """Give each pixel its own row unless told otherwise."""
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(self.squares.shape[0], dtype=np.int32))

    @classmethod
    @exclusive
    def record(
        cls,
        scene: Scene,
        sensors: Sequence[int] = (0,),
        *,
        masks: Sequence[NDArray[Any]] | None = None,
        spp: int = 16,
        seed: int = 0,
        memory_budget: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        library: Library = HOST,
        earlier: LightTransport | None = None,
    ) -> LightTransport:
        """Trace the paths of some views and record where they lead.

        In expectation the image equals what the scene's `path` or `prb` integrator renders.
        Pixels are sampled in proportion to the film's reconstruction filter, so that each path
        belongs to one pixel (Ernst et al. 2006, Filter Importance Sampling).

        Args:
            scene: the scene to trace; its map does not matter.
            sensors: index of the sensor of each view; views of one sensor share its paths.
            masks: of each view, shape (h, w); pixels that are 0 in all masks of a sensor are not
                recorded, and stay dark. All are recorded by default.
            spp: paths per pixel.
            seed: the same seed gives the same recording, whatever the memory budget.
            memory_budget: bytes that paths in flight may take; by default a quarter of the free
                memory.
            on_progress: called with the share that is done.
            library: whose matrices to make; see `library_for_products`.
            earlier: a recording of all the same but for fewer paths. Only the others are traced;
                the recording is the one that tracing all of them gives, up to rounding.

        Raises:
            InputError: if spp < 1, the masks leave no pixel, the recording does not fit into
                memory, or the scene cannot be recorded: it has participating media, or an
                integrator other than `path`, `direct` and `prb`.
        """
        check_counts(spp=spp, most=MAX_SPP)
        if not sensors:
            raise InputError("no sensor to record")
        check_seed(seed)
        settings = recordable_paths(scene, sensors)
        sizes = tuple(scene.film_size(sensor) for sensor in sensors)
        pixels, rows = shared_rows(sizes, sensors, masks)
        if not any(map(len, pixels.values())):
            raise InputError("the masks leave no pixel to record")
        if earlier is not None:
            _check_earlier(earlier, scene, rows, spp)
        *channels, squares, assembling = record_matrices(
            *(scene, settings, pixels),
            spp=spp,
            seed=seed,
            budget=free_memory() // 4 if memory_budget is None else memory_budget,
            on_progress=on_progress or (lambda _: None),
            library=library,
            earlier=None if earlier is None else earlier.moved_to(library)._as_earlier(),
        )
        return cls(
            channels=tuple(channels),
            squares=squares,
            offset=_other_light(scene, sensors, seed) if earlier is None else earlier.offset,
            resolution=scene.envmap.resolution,
            image_sizes=sizes,
            spp=spp,
            rows=rows,
            sensors=tuple(sensors),
            scene=scene.fingerprint,
            seconds_assembling=assembling,
        )

    def _as_earlier(self) -> Earlier:
        return Earlier(channels=self.channels, squares=self.squares, spp=self.spp)

    def save(self, path: str | Path) -> None:
        """Write to an .npz file that `load` reads; it appears under its own name once complete."""
        write_recording(Path(path), self)

    @classmethod
    def load(cls, path: str | Path) -> LightTransport:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it is damaged, not a recording, or from another version.
        """
        return read_recording(Path(path), cls)

    def __repr__(self) -> str:
        """One line: the texels it leads from, the pixels it leads to, and its size."""
        (pixels, _), (width, height) = self.shape, self.resolution
        return (
            f"<LightTransport from {width} x {height} texels to {pixels} pixels of "
            f"{counted(len(self.image_sizes), 'view')}: {self.spp} spp, "
            f"{self.nbytes / 2**20:.3g} MiB>"
        )

    @property
    def library(self) -> Library:
        """The library of the matrices."""
        return library_of(self.squares)

    def moved_to(self, library: Library) -> LightTransport:
        """Return a recording whose matrices are another library's."""
        if library is self.library:
            return self
        *channels, squares = (
            library.matrix(to_host(matrix)) for matrix in (*self.channels, self.squares)
        )
        return replace(self, channels=tuple(channels), squares=squares)

    def for_sensors(self, sensors: Sequence[int]) -> LightTransport:
        """Return the recording of other views, in any order, by sensors that were recorded.

        Raises:
            InputError: if one was not recorded.
        """
        if missing := sorted(set(sensors) - set(self.sensors)):
            raise InputError(f"recording: sensor {missing[0]} is not in it; record it too")
        ends = np.cumsum([width * height for width, height in self.image_sizes])[:-1]
        rows: dict[int, NDArray[np.int32]] = {}
        for sensor, part in zip(self.sensors, np.split(self.rows, ends), strict=True):
            rows[sensor] = np.maximum(part, rows.get(sensor, part))  # masks may differ
        views = [self.sensors.index(sensor) for sensor in sensors]
        offsets = np.split(self.offset, ends)
        return replace(
            self,
            rows=np.concatenate([rows[sensor] for sensor in sensors]),
            offset=np.concatenate([offsets[view] for view in views]),
            image_sizes=tuple(self.image_sizes[view] for view in views),
            sensors=tuple(sensors),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(pixels of all views, texels)."""
        return len(self.rows), int(self.squares.shape[1])

    @property
    def num_entries(self) -> int:
        """Number of stored entries of one channel."""
        return max(int(channel.nnz) for channel in self.channels)

    @property
    def spread(self) -> float:
        """Distinct texels of a pixel's paths, as a share of the most possible, from 0 to 1."""
        num_rows = int(self.squares.shape[0])
        return self.num_entries / (4 * self.spp * num_rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        matrices = (*self.channels, self.squares)
        return sum(int(getattr(matrix, part).nbytes) for matrix in matrices for part in _PARTS)

    def matvec(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T texels, without the offset.

        Args:
            texels: shape (H * W, 3).

        Returns:
            Shape (pixels, 3).
        """
        columns = [column(texels, c) for c in range(3)]
        return self._products(lambda block: block.matrix @ columns[block.channel])

    def rmatvec(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T^T pixels.

        Args:
            pixels: shape (pixels, 3).

        Returns:
            Shape (H * W, 3).
        """
        summed = self._row_sums(pixels)
        return self._summed(lambda block: block.transpose @ summed[block.channel][block.rows])

    def normal(
        self, texels: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """T^T diag(weights) T texels: `rmatvec(weights * matvec(texels))`, but faster.

        Args:
            texels: shape (H * W, 3).
            weights: shape (pixels, 3).

        Returns:
            Shape (H * W, 3).
        """
        columns, summed = [column(texels, c) for c in range(3)], self._row_sums(weights)

        def of_block(block: Block) -> Any:
            product = block.matrix @ columns[block.channel]
            product *= summed[block.channel][block.rows]
            return block.transpose @ product

        return self._summed(of_block)

    def gram_diagonal(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Diagonal of T^T diag(weights) T; weights (pixels, 3), result (H * W, 3)."""
        summed = self._row_sums(weights)
        return self._summed(lambda block: block.squares.T @ summed[block.channel][block.rows])

    def sum_of_squares(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Products with the squares of T's elements; texels (H * W, 3), result (pixels, 3)."""
        columns = [column(texels, c) for c in range(3)]
        return self._products(lambda block: block.squares @ columns[block.channel])

    def variance(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance of T texels due to the finite number of paths, to about a factor of two.

        Estimated from what each path adds to its pixel, as if paths were independent (stratifying
        them makes it smaller) and had no colour, and from the mean square of a path's texels.
        The square of their mean is between 4/9 of that (a single texel has light) and all of it
        (the texels are alike); 2/3 is assumed.

        Args:
            texels: shape (H * W, 3).

        Returns:
            Shape (pixels, 3), radiance squared.
        """
        squares = np.float32(2 / 3) * texels**2
        parts = self._each(lambda c: self.squares @ column(squares, c), range(3))
        return self._of_pixels(np.stack(parts))

    @functools.cached_property
    def copies(self) -> Any:
        """The sparse matrix of ones, (pixels, recorded pixels), that gives each pixel its row."""
        recorded = self.rows >= 0
        ends = np.concatenate([[0], np.cumsum(recorded, dtype=np.int32)])
        columns = self.rows[recorded]
        shape = (len(self.rows), self.squares.shape[0])
        ones = np.ones(len(columns), np.float32)
        return self.library.matrix(sparse.csr_matrix((ones, columns, ends), shape))

    @functools.cached_property
    def _is_one_to_one(self) -> bool:
        return np.array_equal(self.rows, np.arange(self.squares.shape[0]))

    def _products(self, function: Callable[[Block], Any]) -> NDArray[np.float32]:
        """Apply a function to each block that gives its rows' values; shape (pixels, 3)."""
        product = self.library.numpy.empty((3, self.squares.shape[0]), np.float32)

        def of_block(block: Block) -> None:
            product[block.channel, block.rows] = function(block)

        self._each(of_block, self._blocks)
        return self._of_pixels(product)

    def _of_pixels(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of rows, shape (3, rows), for all pixels, shape (pixels, 3)."""
        if self._is_one_to_one:
            return values.T
        return np.stack(self._each(lambda c: self.copies @ values[c], range(3))).T

    def _row_sums(self, pixels: NDArray[np.float32]) -> list[Any]:
        """Sums of (pixels, 3) over the pixels that share a row, for each channel."""
        if self._is_one_to_one:
            return [column(pixels, c) for c in range(3)]
        return self._each(lambda c: self.copies.T @ column(pixels, c), range(3))

    @functools.cached_property
    def _blocks(self) -> list[Block]:
        """Each channel's rows in blocks of about equal size, two for each core."""
        return [block for c, matrix in enumerate(self.channels) for block in blocks_of(matrix, c)]

    def _summed(self, function: Callable[[Block], Any]) -> NDArray[np.float32]:
        """Apply a function to each block and sum the results, shape (H * W, 3)."""
        total: NDArray[np.float32] = self.library.numpy.zeros((3, self.shape[1]), np.float32)
        parts = self._each(function, self._blocks)
        for block, part in zip(self._blocks, parts, strict=True):
            total[block.channel] += part
        return total.T

    def _each(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Map a function over items: on all of the processor's cores, or in turn on the card."""
        return [*map(function, items)] if self.library.is_on_card else on_all_cores(function, items)

    def linear_operator(self, channel: int) -> Any:
        """One channel as a `scipy.sparse.linalg.LinearOperator`."""
        return sparse.linalg.aslinearoperator(to_host(self.copies @ self.channels[channel]))

    @functools.cached_property
    def coverage(self) -> NDArray[np.float32]:
        """Column sums of T, shape (H, W, 3): how strongly the pixels see each texel."""
        width, height = self.resolution
        sums = self.rmatvec(self.library.numpy.ones((self.shape[0], 3), np.float32))
        return sums.reshape(height, width, 3)


def _check_earlier(
    earlier: LightTransport, scene: Scene, rows: NDArray[np.int32], spp: int
) -> None:
    """Check that a recording can be gone on with.

    Raises:
        InputError: if it is of something else, or has as many paths.
    """
    is_of_it = earlier.scene == scene.fingerprint and earlier.resolution == scene.envmap.resolution
    if not is_of_it or not np.array_equal(earlier.rows, rows):
        raise InputError("earlier: a recording of another scene, other sensors or other masks")
    if earlier.spp >= spp:
        raise InputError(f"earlier: has {earlier.spp} paths per pixel; spp must be more")


def _other_light(scene: Scene, sensors: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Images lit by everything but the environment map, shape (pixels, 3)."""
    width, height = scene.envmap.resolution
    sizes = [scene.film_size(sensor) for sensor in sensors]
    if len(scene.mi_scene.emitters()) == 1:
        return np.zeros((sum(w * h for w, h in sizes), 3), np.float32)
    dark = np.zeros((height, width, 3), np.float32)
    images = {
        sensor: render(scene, dark, spp=OFFSET_SPP, seed=seed + number, sensor=sensor)
        for number, sensor in enumerate(dict.fromkeys(sensors))
    }
    return np.concatenate([images[sensor].reshape(-1, 3) for sensor in sensors])
