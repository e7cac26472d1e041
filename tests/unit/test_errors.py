from __future__ import annotations

import errno

import numpy as np
import pytest

from envmap_inverse.errors import (
    CombinedInputError,
    Faults,
    InputError,
    check_counts,
    check_positive,
    check_seed,
    check_share,
    did_you_mean,
    in_short,
    is_out_of_memory,
)


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


def refuse(*messages: str) -> None:
    faults = Faults()
    for message in messages:
        faults.keep(InputError(message))
    faults.report()


def test_all_faults_are_reported_in_order() -> None:
    faults = Faults()
    assert faults.attempt(int, "3") == 3
    assert faults.attempt(refuse, "a", "b") is None
    faults.keep(InputError("c"))
    with pytest.raises(CombinedInputError, match=r"^a\nb\nc$") as caught:
        faults.report()
    assert [str(error) for error in caught.value.errors] == ["a", "b", "c"]


def test_a_single_fault_is_itself() -> None:
    with pytest.raises(InputError) as caught:
        refuse("alone")
    assert type(caught.value) is InputError


def test_faults_with_the_same_words_are_reported_once() -> None:
    with pytest.raises(InputError, match=r"^a\nb$"):
        refuse("a", "b", "a")


def test_whether_a_call_meets_a_fault_is_returned() -> None:
    faults = Faults()
    assert faults.passes(int, "3")
    assert not faults.passes(refuse, "a", "b")


def test_a_value_in_a_message_is_short() -> None:
    assert in_short(np.zeros((64, 128, 3))) == "ndarray of shape (64, 128, 3)"
    assert in_short("adam") == "'adam'"
    assert len(in_short([[0.25] * 100] * 100)) <= 100


def test_a_name_is_near_its_initials() -> None:
    assert did_you_mean("lr", ["spp", "learning_rate"]) == "; did you mean 'learning_rate'?"
    assert (
        did_you_mean("--lr", ["--layer", "--learning-rate"]) == "; did you mean '--learning-rate'?"
    )


def test_no_faults_no_error() -> None:
    Faults().report()


def test_what_is_needed_reports_what_came_before() -> None:
    faults = Faults()
    faults.keep(InputError("a"))
    assert faults.need(int, "3") == 3
    with pytest.raises(InputError, match=r"^a\nb$"):
        faults.need(refuse, "b")


def test_what_is_no_fault_goes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        Faults().attempt(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [("Hubr", "; did you mean 'Huber'?"), ("mse", "; did you mean 'MSE'?"), ("xyz", "")],
)
def test_the_nearest_name_is_proposed_if_one_is_near(name: str, words: str) -> None:
    assert did_you_mean(name, ["MSE", "Huber", "LogMSE"]) == words


@pytest.mark.parametrize("number", [1.5, 1e12, "10", None, [3]])
def test_a_seed_that_is_not_whole_is_refused(number: object) -> None:
    with pytest.raises(InputError, match="seed must be a whole number; found"):
        check_seed(number)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [1.5, 1e12, "10", [3]])
def test_a_count_that_is_not_whole_is_refused(number: object) -> None:
    with pytest.raises(InputError, match="rounds must be a whole number; found"):
        check_counts(rounds=number)  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "words"), [(0, "least 1; found 0"), (9, "most 8; found 9")])
def test_a_count_out_of_its_range_is_refused(number: int, words: str) -> None:
    with pytest.raises(InputError, match=f"levels must be at {words}"):
        check_counts(levels=number, most=8)


def test_counts_of_numpy_and_none_are_taken() -> None:
    check_counts(spp=np.int64(3), rounds=None)
    check_seed(np.uint32(3))


@pytest.mark.parametrize("number", [1e-300, 1e-16, 1e16, 1e300, pytest.param(10**400, id="huge")])
def test_a_number_that_overflows_in_float32_is_refused(number: float) -> None:
    with pytest.raises(InputError, match=r"weight must lie from 1e-15 to 1e\+15; found \S{,80}$"):
        check_positive(weight=number)


@pytest.mark.parametrize("share", [0, 1e-7, 1.001, float("nan")])
def test_a_share_of_light_that_tells_nothing_of_it_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="albedo must lie from 1e-06 to 1; found"):
        check_share(albedo=share)
