"""Packing for the all-reduce in bfloat16: one vector of half the bytes, with gradients rounded and losses and flags exact.

What must stay exact cannot be summed in bfloat16. Therefore each worker writes it into slots of its own, where all others have zeros:
adding zeros rounds nothing. In a slot, a float32 is three bfloat16 numbers, whose 3 × 8 bits of precision hold its 24.
"""

import tensorflow as tf

PARTS = 3


def pack(vector: tf.Tensor, exact: int, rank: int, workers: int) -> tf.Tensor:
    """Pack the float `vector` `[n]` of worker `rank` as bfloat16 `[n - exact + workers * exact * 3]`.

    exact: number of elements at the end that keep the precision of float32.
    """
    rest, parts = tf.cast(vector[vector.shape[0] - exact :], tf.float32), []
    for _ in range(PARTS):
        parts.append(tf.cast(rest, tf.bfloat16))
        rest -= tf.cast(parts[-1], tf.float32)
    own = tf.one_hot(rank, workers, on_value=True, off_value=False, dtype=tf.bool)
    # Selected, not multiplied: zero times infinity would corrupt the slots of others.
    slots = tf.where(own[:, None, None], tf.stack(parts)[None], tf.zeros([], tf.bfloat16))
    return tf.concat([tf.cast(vector[: vector.shape[0] - exact], tf.bfloat16), tf.reshape(slots, [-1])], 0)


def mean_of_packed(total: tf.Tensor, exact: int, workers: int, dtype: tf.DType) -> tf.Tensor:
    """The mean over workers `[n]` in `dtype`, from the sum of their packed vectors. Non-finite elements stay non-finite."""
    slots = workers * PARTS * exact
    tails = tf.reduce_sum(tf.cast(tf.reshape(total[total.shape[0] - slots :], [workers, PARTS, exact]), tf.float32), 1)
    gradient = tf.cast(total[: total.shape[0] - slots], dtype) / workers
    return tf.concat([gradient, tf.cast(tf.reduce_mean(tails, 0), dtype)], 0)
