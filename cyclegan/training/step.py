"""One update of all four networks: the order of the units, with the exchange of gradients overlapping the computation."""

from collections.abc import Callable

import tensorflow as tf

from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.passes import DISCRIMINATOR_TAIL, Passes

Exchange = Callable[[tf.Tensor, int], tf.Tensor]
Result = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
Replica = Callable[..., Result]


def alone(vector: tf.Tensor, exact: int) -> tf.Tensor:
    """The exchange of a single worker: the mean of one vector, exact throughout."""
    return vector


def directly(replica: Replica, arguments: tuple[tf.Tensor, ...]) -> Result:
    """Run the replica's function without a distribution strategy."""
    return replica(*arguments)


def make_step(
    passes: Passes, exchange: Exchange = alone, run: Callable[[Replica, tuple[tf.Tensor, ...]], Result] = directly
) -> CompiledFunction:
    """Make the step (real, draws, flags, rate) → (means, fake, cycled): means over all workers, named by `passes.means`, and
    this worker's images as returned by the generator pass.

    exchange: (vector of this worker, number of elements at its end that must stay exact: losses and flags) → mean over workers. The
    generators' vector is exchanged while the discriminator pass runs, which needs only the old weights and the fakes; the result is that of
    the reference algorithm. run: calls the replica's function, as `strategy.run` does.
    """
    part_size = passes.generator_pass.signature[0].shape[1]
    tail = len(passes.generator_tail)
    takes_draws = len(passes.generator_pass.signature) > 2

    def in_parts(real: tf.Tensor, flags: tf.Tensor, draws: tf.Tensor) -> Result:
        """The generator pass for a batch: the mean over its parts, computed one after another so that they share memory.

        This is exact, as losses are means over images. Discriminators take the batch at once: they need a fraction of a generator's memory.
        """
        count = real.shape[1] // part_size
        first, *others = tf.split(real, count, axis=1)
        first_draws, *others_draws = [[part] for part in tf.split(draws, count, axis=1)] if takes_draws else [[]] * count
        total, fake, cycled = passes.generator_pass(first, flags, *first_draws)
        if not others:
            return total, fake, cycled
        fakes, cycles = [fake], [cycled]
        for part, part_draws in zip(others, others_draws, strict=True):
            with tf.control_dependencies([total]):
                vector, fake, cycled = passes.generator_pass(part, flags, *part_draws)
            total += vector
            fakes.append(fake)
            cycles.append(cycled)
        return total / (1 + len(others)), tf.concat(fakes, 1), tf.concat(cycles, 1)

    def replica(real: tf.Tensor, draws: tf.Tensor, flags: tf.Tensor, rate: tf.Tensor) -> Result:
        g_vector, fake, cycled = in_parts(real, flags, draws)
        g_mean = exchange(g_vector, tail)
        d_mean = exchange(passes.discriminator_pass(real, fake, draws), len(DISCRIMINATOR_TAIL))
        passes.update_generators(g_mean, rate)
        passes.update_discriminators(d_mean, rate)
        means = tf.concat([g_mean[-tail:], d_mean[-len(DISCRIMINATOR_TAIL) :]], 0)
        return means, fake, cycled

    def step(*arguments: tf.Tensor) -> Result:
        return run(replica, arguments)

    flags = passes.generator_pass.signature[1]
    real, _, draws = passes.discriminator_pass.signature
    rate = passes.update_generators.signature[1]
    return CompiledFunction(step, [real, draws, flags, rate], jit_compile=False)
