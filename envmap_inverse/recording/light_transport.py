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
from envmap_inverse.recording.assembly import check_earlier
from envmap_inverse.recording.blocks import on_all_cores
from envmap_inverse.recording.files import read_recording, write_recording
from envmap_inverse.recording.holding import recorded_matrices
from envmap_inverse.recording.other_light import other_light
from envmap_inverse.recording.ray import Executor
from envmap_inverse.recording.recordable import recordable_paths
from envmap_inverse.recording.recorder import sources_of
from envmap_inverse.recording.rows import in_blocks, pixels_of_blocks, shared_rows
from envmap_inverse.recording.shards import GrowingShards, LocalShards, Shards, ends_of_shards
from envmap_inverse.recording.weighted import WeightedTransport, columns_of, transposed
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import HOST, Library, library_of, to_host

__all__ = ["MAX_SPP", "LightTransport"]

MAX_SPP = 2**20
"""Most paths of a pixel, which are all in flight at a time."""


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
        ends: the rows at which shards end; see `shards`. By default there is one.
        remote: the shards where workers hold them, in place of matrices.
        seconds_assembling: seconds of assembly while no path was traced; most of the assembly runs
            beside the tracing.

    Example:
        >>> transport = ei.LightTransport.record(scene, spp=4)
        >>> pixels = transport.matvec(scene.envmap.texels.reshape(-1, 3)) + transport.offset
        >>> pixels.shape
        (64, 3)
    """

    channels: tuple[Any, ...] = ()
    squares: Any = None
    offset: NDArray[np.float32]
    resolution: tuple[int, int]
    image_sizes: tuple[tuple[int, int], ...]
    spp: int
    rows: NDArray[np.int32] = None  # type: ignore[assignment] # __post_init__ makes it
    sensors: tuple[int, ...] = ()
    scene: str = ""
    ends: tuple[int, ...] = ()
    remote: GrowingShards | None = None
    seconds_assembling: float = 0.0

    def __post_init__(self) -> None:
        """Give each pixel its own row unless told otherwise, and make one shard."""
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(self.squares.shape[0], dtype=np.int32))
        if not self.ends:
            object.__setattr__(self, "ends", (int(self.squares.shape[0]),))

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
        executor: Executor | None = None,
        earlier: LightTransport | None = None,
        most_spp: int | None = None,
        block: int = 1,
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
            library: whose matrices to make.
            executor: records elsewhere, e.g. `Ray`; None records in this process.
            earlier: a recording of all the same but for fewer paths. Only the others are traced;
                the recording is the one that tracing all of them gives, up to rounding.
            most_spp: paths per pixel to which it may grow, for which shards are cut; None for
                `spp`.
            block: pixels on a side of the squares whose means are recorded, each with the paths
                of one pixel, as smaller pictures, of which the masks are.

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
        films = {sensor: scene.film_size(sensor) for sensor in sensors}
        sizes = tuple(in_blocks(films[sensor], block) for sensor in sensors)
        pixels, rows = shared_rows(sizes, sensors, masks)
        if not any(map(len, pixels.values())):
            raise InputError("the masks leave no pixel to record")
        if earlier is not None:
            check_earlier(earlier, scene, rows, spp)
            ends, offset = earlier.ends, earlier.offset
        else:
            ends = ends_of_shards(map(len, pixels.values()), most_spp or spp)
            offset = other_light(scene, sensors, seed, block)
        in_film = {k: pixels_of_blocks(part, films[k], block) for k, part in pixels.items()}
        held, assembling = recorded_matrices(
            *(scene, settings, sources_of(in_film, seed, block), ends),
            spp=spp,
            memory_budget=memory_budget,
            on_progress=on_progress or (lambda _: None),
            library=library,
            executor=executor,
            earlier=earlier,
        )
        return cls(
            **held,
            offset=offset,
            resolution=scene.envmap.resolution,
            image_sizes=sizes,
            spp=spp,
            rows=rows,
            sensors=tuple(sensors),
            scene=scene.fingerprint,
            ends=ends,
            seconds_assembling=assembling,
        )

    def save(self, path: str | Path) -> None:
        """Write to an .npz file that `load` reads; it appears under its own name once complete."""
        write_recording(Path(path), self.gathered())

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

    def gathered(self) -> LightTransport:
        """Return a recording whose matrices are in this process."""
        if self.remote is None:
            return self
        *channels, squares = self.remote.whole()
        return replace(self, channels=tuple(channels), squares=squares, remote=None)

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

    @functools.cached_property
    def shards(self) -> Shards:
        """The rows of the matrices, cut where what one machine should hold ends."""
        if self.remote is not None:
            return self.remote
        return LocalShards(self.channels, self.squares, self.ends)

    @property
    def shape(self) -> tuple[int, int]:
        """(pixels of all views, texels)."""
        return len(self.rows), self.shards.shape[1]

    @property
    def num_entries(self) -> int:
        """Number of stored entries of one channel."""
        return self.shards.num_entries

    @property
    def spread(self) -> float:
        """Distinct texels of a pixel's paths, as a share of the most possible, from 0 to 1."""
        return self.num_entries / (4 * self.spp * self.shards.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        return self.shards.nbytes

    def matvec(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T texels, without the offset.

        Args:
            texels: shape (H * W, 3).

        Returns:
            Shape (pixels, 3).
        """
        return self._of_pixels(self.shards.rows("forward", columns_of(texels)))

    def rmatvec(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """T^T pixels; pixels (pixels, 3), result (H * W, 3)."""
        kept = self.shards.kept(*self._row_sums(pixels))
        return transposed(self.shards.summed("adjoint", kept=kept))

    def weighted(self, weights: NDArray[np.float32]) -> WeightedTransport:
        """T^T diag(weights) T, for several products; weights (pixels, 3)."""
        return WeightedTransport(self.shards, self.shards.kept(*self._row_sums(weights)))

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
        return self.weighted(weights).normal(texels)

    def gram_diagonal(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Diagonal of T^T diag(weights) T; weights (pixels, 3), result (H * W, 3)."""
        return self.weighted(weights).diagonal()

    def sum_of_squares(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Products with the squares of T's elements; texels (H * W, 3), result (pixels, 3)."""
        return self._of_pixels(self.shards.rows("forward_squares", columns_of(texels)))

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
        return self._of_pixels(self.shards.rows("path_squares", columns_of(squares)))

    def breadth(self, groups: Any) -> NDArray[np.float32]:
        """Number of groups of texels that each pixel sees, shape (pixels, 1).

        The square of the sum of their shares, over the sum of their squares.

        Args:
            groups: a sparse matrix of ones, (texels, groups).
        """
        return self._of_pixels(self.shards.rows("breadth", groups, 1))

    def some_breadths(self, groups: Any, number: int) -> NDArray[np.float32]:
        """The same of so many recorded pixels or somewhat more, evenly spaced, shape (pixels,)."""
        step = max(self.shards.shape[0] // number, 1)
        found: NDArray[np.float32] = self.shards.rows("breadth", groups, step)[0]
        return found

    def reduced(self, channel: int, pixels: Any, texels: Any) -> Any:
        """The product pixels @ T @ texels of a channel with two sparse matrices."""
        rows = pixels if self._is_one_to_one else pixels @ self.copies
        if not self.library.is_on_card:
            rows = rows.tocsc(copy=True)
            rows.eliminate_zeros()
        return self.shards.summed("reduced", channel, texels, kept=self.shards.kept(rows))

    @functools.cached_property
    def copies(self) -> Any:
        """The sparse matrix of ones, (pixels, recorded pixels), that gives each pixel its row."""
        recorded = self.rows >= 0
        ends = np.concatenate([[0], np.cumsum(recorded, dtype=np.int32)])
        columns = self.rows[recorded]
        shape = (len(self.rows), self.shards.shape[0])
        ones = np.ones(len(columns), np.float32)
        return self.library.matrix(sparse.csr_matrix((ones, columns, ends), shape))

    @functools.cached_property
    def _is_one_to_one(self) -> bool:
        return np.array_equal(self.rows, np.arange(self.shards.shape[0]))

    def _of_pixels(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of rows, shape (values, rows), for all pixels, shape (pixels, values)."""
        if self._is_one_to_one:
            return values.T
        return np.stack(self._each(lambda row: self.copies @ row, [*values])).T

    def _row_sums(self, pixels: NDArray[np.float32]) -> list[Any]:
        """Sums of (pixels, 3) over the pixels that share a row, for each channel."""
        if self._is_one_to_one:
            return columns_of(pixels)
        return self._each(lambda column: self.copies.T @ column, columns_of(pixels))

    def _each(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Map a function over items: on all of the processor's cores, or in turn on the card."""
        return [*map(function, items)] if self.library.is_on_card else on_all_cores(function, items)

    def linear_operator(self, channel: int) -> Any:
        """One channel as a `scipy.sparse.linalg.LinearOperator`."""
        return sparse.linalg.aslinearoperator(
            to_host(self.copies @ self.gathered().channels[channel])
        )

    @functools.cached_property
    def coverage(self) -> NDArray[np.float32]:
        """How strongly the pixels see each texel, the column sums of T, shape (H, W, 3)."""
        width, height = self.resolution
        sums = self.rmatvec(self.library.numpy.ones((self.shape[0], 3), np.float32))
        return sums.reshape(height, width, 3)
