"""The hash behind all random decisions: known values, uniform bits, neighbouring seeds and indices unrelated."""

import math

import numpy as np
import pytest

from ringcycle.hashing import below, generator, hash64


def test_values_are_fixed() -> None:
    # A run resumed on another machine or NumPy version must draw the same; these values were computed when the format was fixed.
    assert hash64(0, "order", 0).item() == 5143500504581256989
    assert hash64(1, "crop", 2, 3).item() == 688849595345626737
    assert generator(0, "init", 1).integers(2**63).item() == 3295386748523156564


def test_arrays_equal_scalars() -> None:
    hashes = hash64(7, "order", np.arange(3)[:, None], np.arange(5))
    assert hashes.shape == (3, 5) and hashes.dtype == np.uint64
    assert all(hashes[i, j] == hash64(7, "order", i, j) for i in range(3) for j in range(5))


def test_large_and_unsigned_indices() -> None:
    assert hash64(0, "order", 2**63).item() == hash64(0, "order", np.uint64(2**63)).item()
    assert hash64(0, "order", 2**63).item() != hash64(0, "order", 0).item()


def test_seed_purpose_and_each_index_matter() -> None:
    grid = [hash64(seed, purpose, np.arange(50)[:, None], np.arange(50)) for seed in (0, 1, 10) for purpose in ("order", "crop", "0")]
    hashes = np.concatenate([h.ravel() for h in grid])
    assert np.unique(hashes).size == hashes.size  # two of 22,500 64-bit hashes collide with probability 1.4e-11


def test_number_of_indices_matters() -> None:
    assert len({hash64(0, "order", *[0] * n).item() for n in range(4)}) == 4


@pytest.mark.parametrize("argument", ["seed", "first", "last"])
def test_one_bit_changes_half_the_bits(argument: str) -> None:
    changed = np.zeros(64)
    for number in range(500):
        values = {"seed": number, "first": number, "last": number}
        before = hash64(values["seed"], "order", values["first"], values["last"])
        values[argument] ^= 1 << number % 20
        after = hash64(values["seed"], "order", values["first"], values["last"])
        changed += np.unpackbits(np.array([before ^ after]).view(np.uint8))
    # 500 flips per bit: standard deviation 0.022; a bound of five on either side fails one of 64 bits once in 27,000 seeds.
    assert np.all(np.abs(changed / 500 - 0.5) < 5 * 0.5 / math.sqrt(500))


@pytest.mark.parametrize("bound", [1, 2, 3, 31, 1000])
def test_below_is_uniform(bound: int) -> None:
    draws = below(bound, hash64(3, "crop", np.arange(100_000)))
    assert draws.dtype == np.int64 and draws.min() == 0 and draws.max() == bound - 1
    expected = 100_000 / bound
    chi_square = float(((np.bincount(draws, minlength=bound) - expected) ** 2).sum() / expected)
    # Mean bound - 1, standard deviation sqrt(2 (bound - 1)); five of them, since chi-square's tail is longer than normal.
    assert chi_square <= bound - 1 + 5 * math.sqrt(2 * (bound - 1))


def test_below_takes_an_array_of_bounds() -> None:
    draws = below(np.array([[1], [7], [2**31]]), hash64(0, "crop", np.arange(3)[:, None], np.arange(10_000)))
    assert draws.min() == 0 and list(draws[:2].max(axis=1)) == [0, 6]
    assert 2**31 - 2**21 < draws[2].max() < 2**31


def test_generators_differ() -> None:
    streams = [
        generator(0, "init", 0),
        generator(0, "init", 1),
        generator(1, "init", 0),
        generator(0, "pool", 0),
        generator(0, "init", 0, 0),
        generator(0, "init"),
    ]
    assert len({stream.bytes(8) for stream in streams}) == len(streams)
    assert generator(0, "init", 0).bytes(8) == generator(0, "init", 0).bytes(8)
