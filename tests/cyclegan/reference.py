"""A second, independent CycleGAN to compare with: four separate networks, TensorFlow's own operations, Adam and pools in plain Python.

Written from the paper (arXiv 1703.10593) and its reference code, without anything from `cyclegan`: no direction axis, no flat vectors, no
compiled units, no hand-written gradients. Everything is float64. A network is a list of arrays in layer order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[np.float64]
Weights = list[tf.Tensor]


def instance_norm(x: tf.Tensor) -> tf.Tensor:
    # tf.nn.moments takes the mean inside the variance as constant, which is wrong for a second derivative.
    centred = x - tf.reduce_mean(x, [1, 2], keepdims=True)
    return centred / tf.sqrt(tf.reduce_mean(centred**2, [1, 2], keepdims=True) + 1e-5)


def reflect(x: tf.Tensor, width: int) -> tf.Tensor:
    return tf.pad(x, [[0, 0], [width, width], [width, width], [0, 0]], "REFLECT")


def same_corners(x: tf.Tensor, w: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution padded by one zero on each side, like torch's `padding=1`."""
    return tf.nn.conv2d(x, w, stride, [[0, 0], [1, 1], [1, 1], [0, 0]])


def upsample(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """torch's ConvTranspose2d(3, stride=2, padding=1, output_padding=1): zeros between pixels, then the mirrored kernel."""
    batch, height, width, channels = x.shape
    spread = tf.reshape(tf.stack([x, tf.zeros_like(x)], 2), [batch, 2 * height, width, channels])
    spread = tf.reshape(tf.stack([spread, tf.zeros_like(spread)], 3), [batch, 2 * height, 2 * width, channels])
    return tf.nn.conv2d(spread, w[::-1, ::-1], 1, [[0, 0], [1, 1], [1, 1], [0, 0]])


def generator(weights: Weights, x: tf.Tensor) -> tf.Tensor:
    first, down1, down2, *residual, up1, up2, last, bias = weights
    x = tf.nn.relu(instance_norm(tf.nn.conv2d(reflect(x, 3), first, 1, "VALID")))
    x = tf.nn.relu(instance_norm(same_corners(x, down1, 2)))
    x = tf.nn.relu(instance_norm(same_corners(x, down2, 2)))
    for one, two in zip(residual[::2], residual[1::2], strict=True):
        y = tf.nn.relu(instance_norm(tf.nn.conv2d(reflect(x, 1), one, 1, "VALID")))
        x = x + instance_norm(tf.nn.conv2d(reflect(y, 1), two, 1, "VALID"))
    x = tf.nn.relu(instance_norm(upsample(x, up1)))
    x = tf.nn.relu(instance_norm(upsample(x, up2)))
    return tf.tanh(tf.nn.conv2d(reflect(x, 3), last, 1, "VALID") + bias)


def discriminator(weights: Weights, x: tf.Tensor) -> tf.Tensor:
    first, first_bias, second, third, fourth, last, last_bias = weights
    x = tf.nn.leaky_relu(same_corners(x, first, 2) + first_bias, 0.2)
    x = tf.nn.leaky_relu(instance_norm(same_corners(x, second, 2)), 0.2)
    x = tf.nn.leaky_relu(instance_norm(same_corners(x, third, 2)), 0.2)
    x = tf.nn.leaky_relu(instance_norm(same_corners(x, fourth, 1)), 0.2)
    return same_corners(x, last, 1) + last_bias


def squared_error(logits: tf.Tensor, target: float) -> tf.Tensor:
    return tf.reduce_mean((logits - target) ** 2)


def absolute_error(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.abs(one - other))


@dataclass
class Network:
    """Weights of one network and Adam's moments m and v (arXiv 1412.6980, algorithm 1)."""

    weights: list[Array]
    m: list[Array] = field(init=False)
    v: list[Array] = field(init=False)
    updates: int = 0

    def __post_init__(self) -> None:
        self.m = [np.zeros_like(w) for w in self.weights]
        self.v = [np.zeros_like(w) for w in self.weights]

    def tensors(self) -> Weights:
        return [tf.constant(w) for w in self.weights]

    def update(self, gradients: list[tf.Tensor], rate: float, beta1: float = 0.5, beta2: float = 0.999) -> None:
        self.updates += 1
        for i, gradient in enumerate(g.numpy() for g in gradients):
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * gradient
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * gradient**2
            m_hat = self.m[i] / (1 - beta1**self.updates)
            v_hat = self.v[i] / (1 - beta2**self.updates)
            self.weights[i] = self.weights[i] - rate * m_hat / (np.sqrt(v_hat) + 1e-8)


@dataclass
class ListPool:
    """The reference code's pool of `size` images: it fills up, then swaps images as drawn."""

    size: int
    images: list[Array] = field(default_factory=list)

    def query(self, image: Array, slot: int, take: int) -> Array:
        if self.size == 0:
            return image
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if not take:
            return image
        old, self.images[slot] = self.images[slot], image
        return old


@dataclass
class CycleGAN:
    """The four networks, and a pool of fakes for each domain and row."""

    G_AB: Network
    G_BA: Network
    D_A: Network
    D_B: Network
    pool_A: list[ListPool]
    pool_B: list[ListPool]
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    lambda_pairs: float = 0.0

    def step(
        self, real_A: Array, real_B: Array, draws_A: Array, draws_B: Array, rate: float, pairs: Sequence[int] = ()
    ) -> dict[str, float]:
        """One update of all four; images [B, H, W, C] in [-1, 1], draws [B, 2] of (slot, take). Returns the losses by name.

        pairs: rows whose images are a known pair.
        """
        G_AB, G_BA, D_A, D_B = (n.tensors() for n in (self.G_AB, self.G_BA, self.D_A, self.D_B))
        with tf.GradientTape() as tape:
            tape.watch([G_AB, G_BA])
            fake_B, fake_A = generator(G_AB, real_A), generator(G_BA, real_B)
            cycled_A, cycled_B = generator(G_BA, fake_B), generator(G_AB, fake_A)
            losses = {
                "G_AB": squared_error(discriminator(D_B, fake_B), 1.0),
                "G_BA": squared_error(discriminator(D_A, fake_A), 1.0),
                "cycle_A": self.lambda_cycle * absolute_error(cycled_A, real_A),
                "cycle_B": self.lambda_cycle * absolute_error(cycled_B, real_B),
                "identity_A": self.lambda_cycle * self.lambda_identity * absolute_error(generator(G_BA, real_A), real_A),
                "identity_B": self.lambda_cycle * self.lambda_identity * absolute_error(generator(G_AB, real_B), real_B),
            }
            if self.lambda_pairs:
                batch = len(real_A)
                for name, fake, real in (("pairs_A", fake_A, real_A), ("pairs_B", fake_B, real_B)):
                    distances = [absolute_error(fake[row], real[row]) for row in pairs]
                    losses[name] = self.lambda_pairs * sum(distances, tf.zeros([], tf.float64)) / batch
            total = tf.add_n(list(losses.values()))
        G_AB_gradient, G_BA_gradient = tape.gradient(total, [G_AB, G_BA])
        shown_A = np.stack([p.query(x, *d) for p, x, d in zip(self.pool_A, fake_A.numpy(), draws_A, strict=True)])
        shown_B = np.stack([p.query(x, *d) for p, x, d in zip(self.pool_B, fake_B.numpy(), draws_B, strict=True)])
        with tf.GradientTape() as tape:
            tape.watch([D_A, D_B])
            losses["D_A"] = (squared_error(discriminator(D_A, real_A), 1.0) + squared_error(discriminator(D_A, shown_A), 0.0)) / 2
            losses["D_B"] = (squared_error(discriminator(D_B, real_B), 1.0) + squared_error(discriminator(D_B, shown_B), 0.0)) / 2
            total = losses["D_A"] + losses["D_B"]
        D_A_gradient, D_B_gradient = tape.gradient(total, [D_A, D_B])
        self.G_AB.update(G_AB_gradient, rate)
        self.G_BA.update(G_BA_gradient, rate)
        self.D_A.update(D_A_gradient, rate)
        self.D_B.update(D_B_gradient, rate)
        return {name: float(loss) for name, loss in losses.items()}
