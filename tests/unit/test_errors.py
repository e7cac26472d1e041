from __future__ import annotations

import errno

import pytest

from envmap_inverse.errors import is_out_of_memory


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("jit_llvm_compile(): could not allocate 5061040 bytes of memory!"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        caused(RuntimeError("dr.eval(): failed"), MemoryError()),
    ],
)
def test_a_lack_of_memory_is_known_by_its_kind_words_or_cause(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [ValueError("no"), caused(KeyError("a"), OSError("b"))])
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)
