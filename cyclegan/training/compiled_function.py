"""Functions that XLA compiles once, for one signature, and what each cost; another signature is an error, never a recompilation."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf


class SignatureError(TypeError):
    """A compiled program was called with other shapes or types than it was compiled for."""


@dataclass(frozen=True)
class CompileReport:
    """What compiling one program took. hit: whether the persistent cache had it (None without a cache)."""

    name: str
    seconds: float
    hit: bool | None


class CompiledFunction:
    """A function compiled by XLA for exactly one `signature`; it may read and update variables that it captures."""

    def __init__(self, function: Callable[..., Any], signature: Sequence[tf.TensorSpec], jit_compile: bool = True) -> None:
        self.name = function.__name__
        self.signature = tuple(signature)
        self._function = tf.function(function, input_signature=self.signature, jit_compile=jit_compile or None, autograph=False)
        # Called eagerly, a function has another key in the cache than inside a function, which is where the step calls it.
        self._inside = tf.function(self._function, input_signature=self.signature, autograph=False)

    def __call__(self, *arguments: tf.Tensor) -> Any:
        """Run it. Raises SignatureError, with both signatures, if shapes or types differ from those it was made for."""
        names = [*(s.name for s in self.signature), *("surplus" for _ in arguments)]
        given = tuple(tf.TensorSpec(a.shape, a.dtype, name) for a, name in zip(arguments, names, strict=False))
        if [(g.shape, g.dtype) for g in given] != [(s.shape, s.dtype) for s in self.signature]:
            raise SignatureError(f"program {self.name} was compiled for ({_text(self.signature)}) but is called with ({_text(given)})")
        return self._function(*arguments)

    def trace(self) -> None:
        """Run the Python of the function, once."""
        self._inside.get_concrete_function()

    def compile(self, cache: Path | None) -> CompileReport:
        """Compile by one run on zeros, which leaves its marks in captured variables: assign values afterwards.

        Whether the cache had it is told by what it holds before and after, so no other process may write there meanwhile.
        """
        before = _files(cache)
        start = time.perf_counter()
        self._inside(*(tf.zeros(s.shape, s.dtype) for s in self.signature))
        seconds = time.perf_counter() - start
        return CompileReport(self.name, seconds, None if cache is None else _files(cache) == before)

    def recompile(self) -> None:
        """Let XLA compile it again, past the cache and beside the program that runs: for what it dumps."""
        self._function.experimental_get_compiler_ir(*self.signature)(stage="optimized_hlo_serialized")

    def captures(self) -> list[tf.Tensor]:
        """What it reads beside its arguments: handles of variables, and values."""
        return list(self._function.get_concrete_function().captured_inputs)

    def traces(self) -> int:
        """How often it was traced; 1 for its whole life."""
        count: int = self._function.experimental_get_tracing_count()
        return count


def _files(cache: Path | None) -> set[tuple[str, int]]:
    # A rejected entry is written again under its old name: the time of change tells.
    return {(f.name, f.stat().st_mtime_ns) for f in cache.iterdir()} if cache and cache.is_dir() else set()


def _text(signature: Sequence[tf.TensorSpec]) -> str:
    return ", ".join(f"{s.name}: {s.dtype.name}{s.shape.as_list()}" for s in signature)
