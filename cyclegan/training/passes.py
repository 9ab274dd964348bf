"""The four compiled units of a step (paper, section 3): a pass and an update for the generators, and for the discriminators.

Both directions are computed together: index 0 of the leading axis is A to B, index 1 is B to A. A pass returns one flat vector: the
gradient, followed by losses and flags, which are averaged over workers in the same all-reduce.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.networks.discriminator import discriminate
from cyclegan.networks.dropout import Dropout
from cyclegan.networks.generator import generate
from cyclegan.training.adam import adam_update
from cyclegan.training.channels import channel_mask
from cyclegan.training.compiled_function import CompiledFunction
from cyclegan.training.differentiable_augmentation import augment
from cyclegan.training.draws import BITS, DROPOUT, FAKE, JUDGED, REAL, augmentation, bits, in_generator_pass, pair_mask, uniform, width
from cyclegan.training.gradient_clipping import clip_norms
from cyclegan.training.gradient_penalty import MIX, gradient_penalty
from cyclegan.training.image_pool import query
from cyclegan.training.losses import ADVERSARIAL_LOSSES, l1_loss, pair_loss
from cyclegan.training.moving_average import update_average
from cyclegan.training.pixels import to_signed
from cyclegan.training.state import TrainingState

FLAGS = ("save", "stop")
GENERATOR_LOSSES = ("G_AB", "G_BA", "cycle_B", "cycle_A", "identity_A", "identity_B")
PAIR_LOSSES = ("pairs_B", "pairs_A")
DISCRIMINATOR_TAIL = ("D_B", "D_A")


@dataclass(frozen=True)
class Passes:
    """The compiled units, in the order of a step.

    generator_pass(real, flags) → (vector `[G + len(generator_tail)]`, fake, cycled), for one of the `train.accumulate` parts of the batch;
    with a third argument, draws, if `in_generator_pass`;
    discriminator_pass(real, fake, draws) → vector `[D + 2]`;
    update_generators(vector, rate) and update_discriminators(vector, rate) → nothing.
    real: `[2, B, H, W, C]` uint8 or uint16 (`spec.bits`), (A, B). fake and cycled: the same shape in float, (fake_B, fake_A) and
    (cycled_B, cycled_A). flags: `[2]`, as named by FLAGS; a 1 asks all workers to save, or to stop.
    generator_tail: names of what follows the generators' gradient: losses and flags.
    """

    generator_pass: CompiledFunction
    discriminator_pass: CompiledFunction
    update_generators: CompiledFunction
    update_discriminators: CompiledFunction
    generator_tail: tuple[str, ...]

    @property
    def means(self) -> tuple[str, ...]:
        """Names of what a step averages over the workers."""
        return (*self.generator_tail, *DISCRIMINATOR_TAIL)

    def all(self) -> tuple[CompiledFunction, CompiledFunction, CompiledFunction, CompiledFunction]:
        """All units, in order."""
        return self.generator_pass, self.discriminator_pass, self.update_generators, self.update_discriminators


def make_passes(state: TrainingState, spec: ModelSpec, train: TrainConfig) -> Passes:
    """Units over the variables of `state`; nothing is compiled yet.

    If the domains differ in channels, images have the larger number; surplus channels are set to 0 after scaling, in real images and in
    the generators' results.
    """
    assert spec.channels_a == spec.channels_b or not train.lambda_identity, "an identity loss needs domains of equal channels"
    dtype = state.generator_layout.dtype
    mask_A_B = channel_mask(spec, dtype)
    mask_B_A = None if mask_A_B is None else _swap(mask_A_B)
    images = state.pool.images.shape
    shape = [2, images[1], *images[3:]]
    part = train.batch // train.accumulate
    real = tf.TensorSpec(shape, tf.uint8 if spec.bits == 8 else tf.uint16, "real")
    real_part = tf.TensorSpec([2, part, *shape[2:]], real.dtype, "real")
    rate = tf.TensorSpec([], tf.float32, "rate")
    adversarial_loss = ADVERSARIAL_LOSSES[train.loss]
    # The fast convolutions have no second derivative: XLA's conditions around their gathers lack one.
    twice_differentiable = spec.model_copy(update={"convolution": "plain", "precision": "float32"})
    lambda_a, lambda_b = train.lambda_a_b
    # Of (cycled_B, cycled_A), and of (same_B, same_A).
    lambda_cycle = lambda_a if lambda_a == lambda_b else tf.constant([lambda_b, lambda_a], dtype)

    def signed_of(real: tf.Tensor) -> tf.Tensor:
        return _masked(mask_A_B, to_signed(real, dtype))

    def translate(parameters: dict[str, tf.Tensor], images: tf.Tensor, dropout: Dropout | None = None) -> tf.Tensor:
        """Translate images of (A, B) to (B, A)."""
        return _masked(mask_B_A, generate(parameters, images, spec, dropout=dropout))

    def augmented(images: tf.Tensor, draws: tf.Tensor | None, shown: str) -> tf.Tensor:
        """Images of (B, A) as the discriminators are to see them."""
        if draws is None or not train.augmentations:
            return images
        return augment(
            images, train.augmentations, lambda parameter: uniform(draws, train, augmentation(shown, parameter), dtype), mask_B_A
        )

    def judge(parameters: Mapping[str, tf.Tensor], images: tf.Tensor, form: ModelSpec = spec) -> tf.Tensor:
        return discriminate(state.spectral.divide(parameters) if state.spectral else parameters, images, form)

    # Given one by one, as TensorFlow cannot compile a default of None again for the report.
    def generator_pass(real: tf.Tensor, flags: tf.Tensor, *given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        draws = given[0] if given else None
        signed = signed_of(real)
        d_parameters = state.discriminator_layout.split(state.discriminators.weights.read_value())
        parameters = state.generator_layout.split(state.generators.weights.read_value())
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            fake, same = fake_and_same(parameters, signed, draws)
            cycled = translate(parameters, _swap(fake), dropout_of(draws, 2))
            adversarial = adversarial_loss.generator(judge(d_parameters, augmented(fake, draws, JUDGED)))
            cycle = lambda_cycle * l1_loss(cycled, _swap(signed), mask_B_A)
            identity = (
                lambda_cycle * train.lambda_identity * l1_loss(same, _swap(signed)) if train.lambda_identity else tf.zeros_like(cycle)
            )
            loss = tf.reduce_sum(adversarial + cycle + identity)
            pairs = []
            if draws is not None and train.lambda_pairs:
                pairs.append(train.lambda_pairs * pair_loss(fake, _swap(signed), pair_mask(draws, dtype), mask_B_A))
                loss += tf.reduce_sum(pairs[0])
        gradient = state.generator_layout.join(tape.gradient(loss, parameters))
        return tf.concat([gradient, adversarial, cycle, _swap(identity), *pairs, flags], 0), fake, cycled

    def fake_and_same(parameters: dict[str, tf.Tensor], signed: tf.Tensor, draws: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        if not train.lambda_identity:
            return translate(parameters, signed, dropout_of(draws, 0)), signed
        if spec.norm == "batch":  # of both together it would mix them
            return translate(parameters, signed, dropout_of(draws, 0)), translate(parameters, _swap(signed), dropout_of(draws, 1))
        both = translate(parameters, tf.concat([signed, _swap(signed)], 1), dropout_of(draws, 0, 1))
        return both[:, :part], both[:, part:]

    def dropout_of(draws: tf.Tensor | None, *calls: int) -> Dropout | None:
        """Dropout for the images of these of a step's calls, which are numbered."""
        if draws is None or not train.dropout:
            return None
        seeds = bits(draws, train, DROPOUT)
        return Dropout(train.dropout, tf.concat([seeds + (call << BITS) for call in calls], 1))

    def discriminator_pass(real: tf.Tensor, fake: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        real_B_A = _swap(signed_of(real))  # D[i] classifies the results of G[i]: (D_B, D_A)
        shown = query(state.pool, fake, draws) if train.pool_size else fake
        parameters = state.discriminator_layout.split(state.discriminators.weights.read_value())
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            seen = augmented(real_B_A, draws, REAL), augmented(shown, draws, FAKE)
            if spec.norm == "batch":  # of both together it would mix them
                real_logits, fake_logits = (judge(parameters, images) for images in seen)
            else:
                logits = judge(parameters, tf.concat(seen, 1))
                real_logits, fake_logits = logits[:, : train.batch], logits[:, train.batch :]
            losses = adversarial_loss.real(real_logits) + adversarial_loss.fake(fake_logits)
            if train.loss == "wgangp":
                mix = uniform(draws, train, MIX, dtype)
                losses += gradient_penalty(lambda x: judge(parameters, x, twice_differentiable), *seen, mix, mask_B_A)
            losses = 0.5 * losses  # to slow D down relative to G (paper, section 7.1)
            loss = tf.reduce_sum(losses)
        return tf.concat([state.discriminator_layout.join(tape.gradient(loss, parameters)), losses], 0)

    def update_generators(vector: tf.Tensor, rate: tf.Tensor) -> None:
        generators = state.generators
        if train.clip_norm:
            vector = clip_norms(vector, state.generator_layout, train.clip_norm)
        updated = adam_update(generators, vector, rate, train.beta1, train.beta2)
        if state.average is not None:
            update_average(state.average, generators.weights.read_value(), generators.updates, updated, train.ema)

    def update_discriminators(vector: tf.Tensor, rate: tf.Tensor) -> None:
        if train.clip_norm:
            vector = clip_norms(vector, state.discriminator_layout, train.clip_norm)
        if train.discriminator_rate != 1:
            rate *= train.discriminator_rate
        adam_update(state.discriminators, vector, rate, train.beta1, train.beta2)
        if state.spectral:
            state.spectral.iterate(state.discriminator_layout.split(state.discriminators.weights.read_value()))

    generator_tail = (*GENERATOR_LOSSES, *(PAIR_LOSSES if train.lambda_pairs else ()), *FLAGS)
    g_vector = tf.TensorSpec([state.generator_layout.size + len(generator_tail)], dtype, "vector")
    generator_arguments = [real_part, tf.TensorSpec([len(FLAGS)], dtype, "flags")]
    if in_generator_pass(train):
        generator_arguments.append(tf.TensorSpec([2, part, width(train)], tf.int32, "draws"))
    d_vector = tf.TensorSpec([state.discriminator_layout.size + len(DISCRIMINATOR_TAIL)], dtype, "vector")
    return Passes(
        generator_pass=CompiledFunction(generator_pass, generator_arguments),
        discriminator_pass=CompiledFunction(
            discriminator_pass,
            [real, tf.TensorSpec(shape, dtype, "fake"), tf.TensorSpec([*shape[:2], width(train)], tf.int32, "draws")],
        ),
        update_generators=CompiledFunction(update_generators, [g_vector, rate]),
        update_discriminators=CompiledFunction(update_discriminators, [d_vector, rate]),
        generator_tail=generator_tail,
    )


def _masked(mask: tf.Tensor | None, images: tf.Tensor) -> tf.Tensor:
    return images if mask is None else images * mask


def _swap(pair: tf.Tensor) -> tf.Tensor:
    """(A, B) to (B, A), or back."""
    return tf.reverse(pair, [0])
