"""Compiling a training: the one place that fixes the order of TensorFlow operations before the first step.

XLA's persistent cache keys a program by the functions traced before it and, under a strategy, by the names of devices. Whatever compiles
the units of a training in this order finds them in the cache, or leaves them there for the training.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from cluster.worker.strategy import EXCHANGES, make_strategy, runner
from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.compile_cache import compile_units
from cyclegan.training.compiled_function import CompiledFunction, CompileReport
from cyclegan.training.passes import Passes, make_passes
from cyclegan.training.state import TrainingState, make_state
from cyclegan.training.step import alone, make_step


@dataclass(frozen=True)
class GroupSettings:
    """The group of workers that train together. allreduce_dtype: a key of EXCHANGES. peer_timeout: seconds before a collective fails."""

    workers: int
    peer_timeout: float
    allreduce_dtype: str = "float32"
    gpu: bool = False


@dataclass(frozen=True)
class CompiledPasses:
    """The compiled units and their variables, whose values compiling has changed. reports: one for each unit, in order."""

    strategy: tf.distribute.Strategy
    state: TrainingState
    passes: Passes
    reports: list[CompileReport]


@dataclass(frozen=True)
class CompiledTraining(CompiledPasses):
    """Everything compiled that a worker runs."""

    step: CompiledFunction

    def retraced(self) -> list[str]:
        """Names of the programs that were traced more than once; none, unless there is a bug."""
        return [program.name for program in (*self.passes.all(), self.step) if program.traces() > 1]


def compile_passes(
    model: ModelSpec,
    train: TrainConfig,
    crop_size: tuple[int, int],
    group: GroupSettings,
    cache: Path,
    with_all_cores: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> CompiledPasses:
    """Compile the units of a step on images of `crop_size` (height, width), or take them from `cache`.

    Call `set_threads` and `set_up_xla` before; TF_CONFIG names the workers of a group of several. train.batch: of one worker.
    with_all_cores: see `compile_units`.
    """
    strategy = make_strategy(group.peer_timeout, group.gpu)
    state = make_state(model, train, crop_size)
    passes = make_passes(state, model, train)
    return CompiledPasses(strategy, state, passes, compile_units(passes.all(), cache, with_all_cores))


def compile_training(
    model: ModelSpec,
    train: TrainConfig,
    crop_size: tuple[int, int],
    group: GroupSettings,
    cache: Path,
    before_step: Callable[[], object] = lambda: None,
    with_all_cores: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> CompiledTraining:
    """Compile the units as `compile_passes` does, then the step, which all workers of the group must do together.

    before_step: called in between, for example to wait for the others: the step waits for them no longer than `group.peer_timeout`.
    with_all_cores: see `compile_units`.
    """
    units = compile_passes(model, train, crop_size, group, cache, with_all_cores)
    before_step()
    exchange = EXCHANGES[group.allreduce_dtype] if group.workers > 1 else alone
    step = make_step(units.passes, exchange, runner(units.strategy))
    step.compile(None)  # XLA has nothing to do: the units are compiled
    return CompiledTraining(**vars(units), step=step)
