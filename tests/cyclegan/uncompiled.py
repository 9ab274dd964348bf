"""Running programs without XLA, where compiling them would cost more than what is tested."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def uncompiled() -> Iterator[None]:
    """Programs run operation by operation."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
