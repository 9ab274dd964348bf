"""Optimization barriers: what stands before one is computed once and stored, never again inside each consumer.

XLA on CPU fuses cheap operations (pads, additions, scalings) into everything that reads them, which repeats them per reader.
"""

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util


def barrier(x: tf.Tensor) -> tf.Tensor:
    """Return x (any shape and dtype), stored by the compiled program; the same tensor outside XLA.

    The operation has no registered gradient: use it only inside a `tf.custom_gradient`.
    Plain graphs stay free of it, so that an exported model needs nothing but TensorFlow's standard operations.
    """
    if not control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()):
        return x
    return xla.optimization_barrier(x)[0]
