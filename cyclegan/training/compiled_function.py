"""Functions that XLA compiles once, for one signature; a call with any other is an error, never a recompilation."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf


class SignatureError(TypeError):
    """A program was called with shapes or types that differ from those it was compiled for."""


@dataclass(frozen=True)
class CompileReport:
    """The cost of compiling one program. hit: whether it came from the persistent cache (None without a cache)."""

    name: str
    seconds: float
    hit: bool | None


class CompiledFunction:
    """A function that XLA compiles for exactly one `signature` (the program); it may read and update variables that it captures."""

    def __init__(self, function: Callable[..., Any], signature: Sequence[tf.TensorSpec], jit_compile: bool = True) -> None:
        self.name = function.__name__
        self.signature = tuple(signature)
        self._function = tf.function(function, input_signature=self.signature, jit_compile=jit_compile or None, autograph=False)
        # A function called eagerly has a different cache key than one called inside another function, as the step does.
        self._inside = tf.function(self._function, input_signature=self.signature, autograph=False)

    def __call__(self, *arguments: tf.Tensor) -> Any:
        """Run it. Raises SignatureError, which shows both signatures, if shapes or types differ from its own."""
        names = [*(s.name for s in self.signature), *("surplus" for _ in arguments)]
        given = tuple(tf.TensorSpec(a.shape, a.dtype, name) for a, name in zip(arguments, names, strict=False))
        if [(g.shape, g.dtype) for g in given] != [(s.shape, s.dtype) for s in self.signature]:
            raise SignatureError(f"program {self.name} was compiled for ({_text(self.signature)}) but called with ({_text(given)})")
        return self._function(*arguments)

    def trace(self) -> None:
        """Trace the Python function, once."""
        self._inside.get_concrete_function()

    def compile(self, cache: Path | None) -> CompileReport:
        """Compile by one run on zeros, which changes the captured variables: assign their values afterwards.

        Compares the files of `cache` before and after to detect a hit, so no other process may write there meanwhile.
        """
        before = _files(cache)
        start = time.perf_counter()
        self._inside(*(tf.zeros(s.shape, s.dtype) for s in self.signature))
        seconds = time.perf_counter() - start
        return CompileReport(self.name, seconds, None if cache is None else _files(cache) == before)

    def recompile(self) -> None:
        """Have XLA compile it again without the cache, for the files that it dumps. The running program is not replaced."""
        self._function.experimental_get_compiler_ir(*self.signature)(stage="optimized_hlo_serialized")

    def captures(self) -> list[tf.Tensor]:
        """Its inputs besides the arguments: handles of variables, and tensors."""
        return list(self._function.get_concrete_function().captured_inputs)

    def traces(self) -> int:
        """How many times it was traced; never more than once."""
        count: int = self._function.experimental_get_tracing_count()
        return count


def _files(cache: Path | None) -> set[tuple[str, int]]:
    # A rejected entry is written again under its old name; only the modification time shows it.
    return {(f.name, f.stat().st_mtime_ns) for f in cache.iterdir()} if cache and cache.is_dir() else set()


def _text(signature: Sequence[tf.TensorSpec]) -> str:
    return ", ".join(f"{s.name}: {s.dtype.name}{s.shape.as_list()}" for s in signature)
