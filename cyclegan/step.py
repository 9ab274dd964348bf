"""One update of all four networks: the order of the units, with the exchange of gradients beside the computing."""

from collections.abc import Callable

import tensorflow as tf

from cyclegan.passes import DISCRIMINATOR_TAIL, FLAGS, GENERATOR_TAIL, Passes
from cyclegan.programs import Program

Exchange = Callable[[tf.Tensor], tf.Tensor]
Result = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
Replica = Callable[..., Result]
MEANS = (*GENERATOR_TAIL, *DISCRIMINATOR_TAIL)
LOSSES = tuple(name for name in MEANS if name not in FLAGS)


def alone(vector: tf.Tensor) -> tf.Tensor:
    """The exchange of a single worker: the mean of one."""
    return vector


def directly(replica: Replica, arguments: tuple[tf.Tensor, ...]) -> Result:
    """Run the replica's function without a strategy around it."""
    return replica(*arguments)


def make_step(passes: Passes, exchange: Exchange = alone, run: Callable[[Replica, tuple[tf.Tensor, ...]], Result] = directly) -> Program:
    """The step (real, draws, flags, rate) → (means, fake, cycled): means over all workers `[len(MEANS)]`, named by MEANS,
    and this worker's pictures as from the generator pass.

    exchange: vector of this worker → mean over workers. It gets the generators' vector while the discriminator pass, which needs
    only the old weights and the fakes, computes: this is the reference algorithm, overlapped. run: calls the replica's function,
    as `strategy.run` does.
    """

    def replica(real: tf.Tensor, draws: tf.Tensor, flags: tf.Tensor, rate: tf.Tensor) -> Result:
        g_vector, fake, cycled = passes.generator_pass(real, flags)
        g_mean = exchange(g_vector)
        d_mean = exchange(passes.discriminator_pass(real, fake, draws))
        passes.update_generators(g_mean, rate)
        passes.update_discriminators(d_mean, rate)
        means = tf.concat([g_mean[-len(GENERATOR_TAIL) :], d_mean[-len(DISCRIMINATOR_TAIL) :]], 0)
        return means, fake, cycled

    def step(*arguments: tf.Tensor) -> Result:
        return run(replica, arguments)

    real, flags = passes.generator_pass.signature
    draws = passes.discriminator_pass.signature[2]
    rate = passes.update_generators.signature[1]
    return Program(step, [real, draws, flags, rate], jit_compile=False)
