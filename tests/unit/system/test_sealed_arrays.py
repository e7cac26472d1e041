from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from envmap_inverse.system.sealed_arrays import SEAL_LENGTH, read_arrays, write_arrays

ARRAYS = {"map": np.asfortranarray(np.ones((4, 3), np.float32)), "step": np.uint32([7])}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "arrays.npz", ARRAYS)
    return tmp_path / "arrays.npz"


@given(
    arrays=st.dictionaries(
        st.text("abc_", min_size=1, max_size=5),
        hnp.arrays(
            st.sampled_from([np.float32, np.uint32, np.float64, np.bool_]),
            hnp.array_shapes(min_dims=0, max_side=3),
        ),
    )
)
def test_arrays_come_back_bit_for_bit(
    tmp_path: Path, arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]
) -> None:
    write_arrays(tmp_path / "some.npz", arrays)
    found = read_arrays(tmp_path / "some.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_every_flipped_bit_is_noticed(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        sealed.write_bytes(changed)
        with pytest.raises(ValueError, match="its checksum does not match"):
            read_arrays(sealed)


@pytest.mark.parametrize("length", [0, 10, SEAL_LENGTH, 300])
def test_a_file_that_is_cut_off_is_noticed(sealed: Path, length: int) -> None:
    sealed.write_bytes(sealed.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"cut off|checksum"):
        read_arrays(sealed)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match="it is a pipe or a device"):
        read_arrays(tmp_path / "pipe.npz")


def test_such_a_file_is_one_that_numpy_reads(sealed: Path) -> None:
    with np.load(sealed) as found:
        np.testing.assert_array_equal(found["map"], ARRAYS["map"])


def test_a_compressed_file_with_a_seal_is_refused(sealed: Path, tmp_path: Path) -> None:
    """It could hold any number of bytes in a few."""
    other = tmp_path / "other.npz"
    with ZipFile(other, "w", ZIP_DEFLATED) as archive:
        archive.writestr("map.npy", bytes(10**6))
        archive.comment = bytes(SEAL_LENGTH)
    reseal(other)
    with pytest.raises(ValueError, match="it is compressed"):
        read_arrays(other)


def test_what_is_no_archive_is_refused_though_it_has_a_seal(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    path.write_bytes(b"no archive" + bytes(SEAL_LENGTH))
    reseal(path)
    with pytest.raises(ValueError, match="zip"):
        read_arrays(path)


def reseal(path: Path) -> None:
    import hashlib

    data = path.read_bytes()[:-SEAL_LENGTH]
    path.write_bytes(data + hashlib.sha256(data).hexdigest().encode())
