"""The exchanged vector in half the bytes: gradients rounded to bfloat16, losses and flags exact, in one vector all the same.

What must stay exact cannot be summed in bfloat16. So each worker has places of its own for it, where all others have zeros: a sum
with zeros rounds nothing. There a float32 lies as three bfloat16 numbers, whose 3 x 8 bits of precision hold its 24.
"""

import tensorflow as tf

PARTS = 3


def pack(vector: tf.Tensor, exact: int, rank: int, workers: int) -> tf.Tensor:
    """The float `vector` [n] of worker `rank` for the wire: bfloat16 [n - exact + workers * exact * 3].

    exact: how many elements at the end keep the precision of float32.
    """
    rest, parts = tf.cast(vector[vector.shape[0] - exact :], tf.float32), []
    for _ in range(PARTS):
        parts.append(tf.cast(rest, tf.bfloat16))
        rest -= tf.cast(parts[-1], tf.float32)
    own = tf.one_hot(rank, workers, on_value=True, off_value=False, dtype=tf.bool)
    # Chosen, not multiplied: zero times infinity would spoil the places of others.
    places = tf.where(own[:, None, None], tf.stack(parts)[None], tf.zeros([], tf.bfloat16))
    return tf.concat([tf.cast(vector[: vector.shape[0] - exact], tf.bfloat16), tf.reshape(places, [-1])], 0)


def mean_of_packed(total: tf.Tensor, exact: int, workers: int, dtype: tf.DType) -> tf.Tensor:
    """The mean over workers [n] in `dtype`, out of the sum of their packed vectors. Not finite stays not finite."""
    places = workers * PARTS * exact
    tails = tf.reduce_sum(tf.cast(tf.reshape(total[total.shape[0] - places :], [workers, PARTS, exact]), tf.float32), 1)
    gradient = tf.cast(total[: total.shape[0] - places], dtype) / workers
    return tf.concat([gradient, tf.cast(tf.reduce_mean(tails, 0), dtype)], 0)
