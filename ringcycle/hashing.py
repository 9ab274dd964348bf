"""Random numbers as a pure function of (seed, purpose, indices): no stream, no state, the same on every machine.

Shared by `cyclegan` and `preprocess`. Seeds and indices are mixed by hashing, never by adding, so that
seed 1, epoch 0 is unrelated to seed 0, epoch 1.
"""

import hashlib

import numpy as np
import numpy.typing as npt

UInt64 = npt.NDArray[np.uint64]


def hash64(seed: int, purpose: str, *indices: int | npt.ArrayLike) -> UInt64:
    """Hash (seed, purpose, indices) to 64 uniform bits, one uint64 for each element of the broadcast indices.

    The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) absorbs one index at a time.
    """
    digest = hashlib.blake2b(f"{seed}\0{purpose}".encode(), digest_size=8).digest()
    state = np.full(np.broadcast_shapes(*(np.shape(i) for i in indices)), int.from_bytes(digest, "little"), np.uint64)
    with np.errstate(over="ignore"):
        for index in indices:
            state = _mix(state ^ _mix(np.asarray(index).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)))
    return state


def below(bound: int | npt.ArrayLike, hashes: UInt64) -> npt.NDArray[np.int64]:
    """Map hashes to integers in [0, bound), bound at most 2**31: the top 32 bits, multiplied and shifted (bias below bound / 2**32)."""
    return ((hashes >> np.uint64(32)) * np.asarray(bound).astype(np.uint64) >> np.uint64(32)).astype(np.int64)


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A NumPy generator whose entire stream depends on (seed, purpose, indices) only."""
    text = "\0".join([str(seed), purpose, *map(str, indices)])
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _mix(z: UInt64) -> UInt64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
